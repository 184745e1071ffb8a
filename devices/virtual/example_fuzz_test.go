package virtual_test

import (
	"bytes"
	"context"
	"fmt"
	"math/rand/v2"
	"testing"

	"github.com/touchstone-fido/touchstone/ctap2"
	"github.com/touchstone-fido/touchstone/devices/virtual"
)

// fuzzMessage is what a fuzz test of your own does with the key: it is made anew
// for each input, from a seed, so that a finding is one each time. Call it from
//
//	func FuzzMyEncoder(f *testing.F) { fuzzMessage(f, encode) }
//
// where encode makes a request of what the fuzzer thinks up, and the key is the
// judge of whether it is one: 0x11 to 0x14 say how it is not.
func fuzzMessage(f *testing.F, encode func(t *testing.T, user []byte) []byte) {
	f.Add([]byte("alice"))
	f.Add(bytes.Repeat([]byte{0xff}, 64))
	f.Fuzz(func(t *testing.T, user []byte) {
		if len(user) == 0 || len(user) > 64 {
			t.Skip("no user handle")
		}
		key, err := virtual.New(virtual.Config{Rand: rand.NewChaCha8([32]byte{})})
		if err != nil {
			t.Fatal(err)
		}
		defer key.Close()
		switch status := key.Message(t.Context(), encode(t, user), nil)[0]; status {
		case 0x11, 0x12, 0x13, 0x14:
			t.Errorf("the key does not understand a request for the user %x: status %02x", user, status)
		}
	})
}

// A fuzz test of an encoder of requests: the key is strict about canonical CBOR,
// types and lengths, and says of wrong ones how they are wrong.
func Example_fuzzTest() {
	key, err := virtual.New(virtual.Config{})
	if err != nil {
		fmt.Println(err)
		return
	}
	defer key.Close()
	for _, request := range [][]byte{
		{0x0c, 0xa2, 0x01, 0x18, 0x20, 0x03, 0x00}, // authenticatorLargeBlobs: get 32 bytes from offset 0
		{0x0c, 0xa2, 0x03, 0x00, 0x01, 0x18, 0x20}, // its members in the wrong order
		{0x0c, 0xa2, 0x01, 0x18, 0x10, 0x03, 0x00}, // 16 in a longer form than it needs
		{0x0c, 0xa2, 0x01, 0x41, 0x20, 0x03, 0x00}, // bytes in the place of a number
		{0x0c, 0xa1, 0x01, 0x18, 0x20},             // no offset
	} {
		fmt.Println(ctap2.Status(key.Message(context.Background(), request, nil)[0]))
	}
	// Output:
	// CTAP2_OK (0x00)
	// CTAP2_ERR_INVALID_CBOR (0x12)
	// CTAP2_ERR_INVALID_CBOR (0x12)
	// CTAP2_ERR_CBOR_UNEXPECTED_TYPE (0x11)
	// CTAP1_ERR_INVALID_PARAMETER (0x02)
}
