package transcript_test

import (
	"context"
	"fmt"

	"github.com/touchstone-fido/touchstone/ctap2"
	"github.com/touchstone-fido/touchstone/ctaphid"
	"github.com/touchstone-fido/touchstone/devices/transcript"
)

// A test of one's own begins with func TestInfo(t *testing.T) in the place of this
// one, and needs no key.
func testInfo(t transcript.TB) {
	player := transcript.Open(t, "testdata/info.jsonl")
	conn, err := player.Reports() // or player.Card()
	if err != nil {
		t.Fatalf("%v", err)
	}
	ch, err := ctaphid.Open(context.Background(), conn, player.Tape().HIDConfig())
	if err != nil {
		t.Fatalf("%v", err)
	}
	info, err := ctap2.New(ch, ctap2.Config{}).GetInfo(context.Background())
	if err != nil {
		t.Fatalf("%v", err)
	}
	fmt.Println(info.AAGUID, info.Versions)
}

func ExampleOpen() {
	t := &fakeTest{}
	testInfo(t)
	t.end()
	fmt.Println(t.said)
	// Output:
	// 61c5e308-878a-4352-b3a5-54aead6cc6ea [U2F_V2 FIDO_2_0 FIDO_2_1 FIDO_2_3]
	// []
}
