package transcript

import (
	"bytes"
	"errors"
	"reflect"
	"strings"
	"testing"

	"github.com/touchstone-fido/touchstone/ctaphid"
	"github.com/touchstone-fido/touchstone/nfc"
)

// A tape that begins in mid-session does not tell the host which channel to
// use, so that the host's own is right; but it must stay the same.
func TestChannelOfTheHostIsTaken(t *testing.T) {
	tape := hidTape(t,
		"> 0000000790000104", "< 00000007bb000102", "< 0000000790000100",
		"> 0000000990000104", "< 0000000990000100",
		"> 0000000790000107", "< 0000000790000100",
		"> 000000078600080102030405060708", "< 0000000786001101020304050607080000000702",
		"> 0000000790000104")
	conn := openReports(t, tape, PlayConfig{})
	err := play(t, conn,
		"> 000000aa90000104", "< 000000aabb000102", "< 000000aa90000100",
		"> 000000bb90000104", "< 000000bb90000100",
		"> 000000aa90000107", "< 000000aa90000100",
		"> 000000aa8600081111111111111111", "< 000000aa860011"+"1111111111111111"+"000000aa02",
		"> 000000aa90000104")
	if err != nil {
		t.Error(err)
	}
	if err := conn.Close(); err != nil {
		t.Error(err)
	}
}

func TestChannelsThatAreNotOpen(t *testing.T) {
	init := []string{"> ffffffff8600080102030405060708", "< ffffffff8600110102030405060708000000070205010204"}
	tests := []struct {
		name string
		tape []string
		play []string
	}{
		{"given by INIT", append(init, "> 0000000790000104"), append(init, "> 0000000890000104")},
		{"the host's taken already", []string{"> 0000000190000104", "> 0000000290000104"}, []string{"> 0000000190000104", "> 0000000190000104"}},
		{"the host changes its mind", []string{"> 0000000190000104", "> 0000000190000104"}, []string{"> 0000000590000104", "> 0000000690000104"}},
		{"broadcast on the tape", []string{"> ffffffff90000104"}, []string{"> 0000000190000104"}},
		{"broadcast by the host", []string{"> 0000000190000104"}, []string{"> ffffffff90000104"}},
	}
	for _, tt := range tests {
		err := play(t, openReports(t, hidTape(t, tt.tape...), PlayConfig{}), tt.play...)
		var mismatch *MismatchError
		if !errors.As(err, &mismatch) || mismatch.Offset > 3 {
			t.Errorf("%s: got %v", tt.name, err)
		}
	}
}

// Only the nonce of INIT may differ.
func TestOnlyTheNonceMayDiffer(t *testing.T) {
	tape := hidTape(t, "> ffffffff8600080102030405060708")
	for _, line := range []string{
		"> ffffffff86000801020304050607",
		"> ffffffff860008010203040506070809",
		"> ffffffff8600090102030405060708",
		"> ffffffff9000080102030405060708",
	} {
		err := play(t, openReports(t, tape, PlayConfig{}), line)
		if line == "> ffffffff86000801020304050607" { // another nonce, ending in zero
			if err != nil {
				t.Errorf("%s: %v", line, err)
			}
			continue
		}
		if mismatch := (*MismatchError)(nil); !errors.As(err, &mismatch) {
			t.Errorf("%s: got %v", line, err)
		}
	}
}

// An answer to somebody else's INIT is not made ours.
func TestForeignNonceStays(t *testing.T) {
	tape := hidTape(t, "> ffffffff8600080102030405060708", "< ffffffff860011aaaaaaaaaaaaaaaa000000090205010204",
		"< ffffffff8600110102030405060708000000070205010204")
	err := play(t, openReports(t, tape, PlayConfig{}), "> ffffffff8600081111111111111111",
		"< ffffffff860011aaaaaaaaaaaaaaaa000000090205010204", "< ffffffff8600111111111111111111000000070205010204")
	if err != nil {
		t.Error(err)
	}
}

func TestRepliesAreNotChangedOnTheTape(t *testing.T) {
	tape := hidTape(t, "> ffffffff8600080102030405060708", "< ffffffff8600110102030405060708000000070205010204")
	before := bytes.Clone(tape.Records[1].Data)
	for range 2 {
		if _, err := ctaphid.Open(t.Context(), openReports(t, tape, PlayConfig{}), ctaphid.Config{}); err != nil {
			t.Error(err)
		}
	}
	if !bytes.Equal(tape.Records[1].Data, before) {
		t.Error("playing changed the tape")
	}
}

// Messages that the tape has without packets are cut into reports again.
func TestMessagesAreFragmented(t *testing.T) {
	long := strings.Repeat("ab", 100)
	tape := hidTape(t,
		`{"dir":"tx","level":"msg","cmd":"06","hex":"0102030405060708"}`,
		`{"dir":"rx","level":"msg","hex":"01020304050607080000000702050102`+`04"}`,
		`{"dir":"tx","level":"msg","cmd":"10","hex":"`+long+`"}`,
		`{"dir":"rx","level":"msg","cmd":"3b","hex":"02"}`,
		`{"dir":"rx","level":"msg","hex":"00`+long+`"}`)
	tape.Header.ReportSize = 32
	ch, err := ctaphid.Open(t.Context(), openReports(t, tape, PlayConfig{}), tape.HIDConfig())
	if err != nil {
		t.Fatal(err)
	}
	answer, err := ch.Exchange(t.Context(), bytes.Repeat([]byte{0xab}, 100))
	if err != nil || len(answer) != 101 {
		t.Errorf("answer %x, %v", answer, err)
	}
	if err := ch.Close(); err != nil || ch.ID() != 7 {
		t.Errorf("channel %v, %v", ch.ID(), err)
	}
}

func TestChannelOfAMessage(t *testing.T) {
	cbor := `{"dir":"tx","level":"msg","cmd":"10","hex":"04"}`
	tests := []struct {
		name string
		tape []string
		want ctaphid.ChannelID
	}{
		{"of the next answer", []string{cbor, "< 0000000590000100"}, 5},
		{"not of a broadcast answer", []string{cbor, "< ffffffff90000100", "< 0000000590000100"}, 5},
		{"not of what follows a gap", []string{cbor, `{"cut":""}`, "< 0000000590000100"}, 1},
		{"of the tape's first report", []string{"> 0000000690000104"}, 6},
		{"none where INIT comes first", []string{`{"dir":"tx","level":"msg","cmd":"06","hex":"0102030405060708"}`}, 0},
		{"of an INIT on a channel", []string{"> 000000038600080102030405060708"}, 3},
	}
	for _, tt := range tests {
		if got := hidTape(t, tt.tape...).HIDConfig(); got.Channel != tt.want || got.ReportSize != 64 {
			t.Errorf("%s: %+v", tt.name, got)
		}
	}
}

// What a program logged above the APDUs did not cross the seam.
func TestMessagesOnACardsTapeAreNotPlayed(t *testing.T) {
	tape := nfcTape(t, `{"dir":"tx","level":"msg","cmd":"06","hex":"0102030405060708"}`, "> 00a40400", "< 6a82")
	card := openCard(t, tape, PlayConfig{})
	if answer, err := card.Transmit(t.Context(), []byte{0, 0xa4, 4, 0}); err != nil || !bytes.Equal(answer, []byte{0x6a, 0x82}) {
		t.Errorf("got %x, %v", answer, err)
	}
	if err := card.Close(); err != nil {
		t.Error(err)
	}
}

func TestNFCConfig(t *testing.T) {
	version := []byte{0, 3, 0, 0}
	selects := []byte{0, 0xa4, 4, 0}
	tests := []struct {
		name string
		tape []string
		want nfc.Config // but for the encoding, short if it is not set
	}{
		{"no opening", []string{"> 801080000104", "< 009000"}, nfc.Config{OmitLe: true}},
		{"no message", []string{"> 00a40400", "< 9000"}, nfc.Config{Opening: [][]byte{selects}}},
		{"opened by U2F_VERSION, no polling", []string{"> 00030000", "< 9000", "> 801000000104"}, nfc.Config{Opening: [][]byte{version}, OmitLe: true, NoPoll: true}},
		{"two opening commands", []string{"> 00a40400", "< 9000", "> 00030000", "< 9000", "> 80108000010400"}, nfc.Config{Opening: [][]byte{selects, version}}},
		{"extended", []string{"> 801080000000010400" + "00"}, nfc.Config{Encoding: nfc.EncodingExtended}},
		{"in parts", []string{"> 801080000104" + "00", "> 9010000002" + "0104", "> 90100000010500", "> 80108000010600"}, nfc.Config{ChunkSize: 2, ChainPoll: nfc.ChainPollLast}},
		{"in parts that all announce polling", []string{"> 90108000020104", "> 80108000010600"}, nfc.Config{ChunkSize: 2}},
		{"a long message in one", []string{"> 80108000f8" + strings.Repeat("11", 248) + "00"}, nfc.Config{ChunkSize: 248}},
		{"nothing behind a cut", []string{"> 00a40400", `{"cut":""}`, "> 801000000104"}, nfc.Config{Opening: [][]byte{selects}}},
		{"nothing behind what is no APDU", []string{"> 00a40400", "> 00", "> 801000000104"}, nfc.Config{Opening: [][]byte{selects}}},
	}
	for _, tt := range tests {
		if tt.want.Encoding == nfc.EncodingAuto {
			tt.want.Encoding = nfc.EncodingShort
		}
		sameConfig(t, tt.name, nfcTape(t, tt.tape...).NFCConfig(), tt.want)
	}
}

// A host that asked for the traits of the card decides by itself again.
func TestNFCConfigOfAnAdaptiveHost(t *testing.T) {
	const asked, t0 = `{"event":"traits"}`, `{"event":"traits","protocol":"T=0"}`
	const aid, message = "a0000006472f0001", "> 80108000010400"
	bare := []byte{0, 0xa4, 4, 0, 8, 0xa0, 0, 0, 6, 0x47, 0x2f, 0, 1}
	tests := []struct {
		name string
		tape []string
		want nfc.Config
	}{
		{"usual", []string{asked, "> 00a4040008" + aid + "00", "< 9000", message}, nfc.Config{}},
		{"usual, extended", []string{asked, "> 00a40400000008" + aid + "0000", "< 9000", "> 8010800000000104" + "0000"}, nfc.Config{}},
		{"reader tried first", []string{asked, "> 00a40400000011" + strings.Repeat("f0", 17) + "0000", "< 6a82", message}, nfc.Config{}},
		{"over T=0", []string{t0, "> 00a4040008" + aid, "< 9000", "> 801080000104"}, nfc.Config{}},
		{"without Le", []string{asked, "> 00a4040008" + aid, "< 9000", "> 801080000104"}, nfc.Config{OmitLe: true}},
		{"found to want no Le", []string{asked, "> 00a4040008" + aid + "00", "< 6700", "> 00a4040008" + aid, "< 9000", "> 801080000104"}, nfc.Config{}},
		{"own opening", []string{asked, "> 00a4040008" + aid, "< 9000", message}, nfc.Config{Opening: [][]byte{bare}}},
		{"own parts", []string{asked, "> 00a4040008" + aid + "00", "< 9000", "> 90100000020104", "< 9000", message}, nfc.Config{ChunkSize: 2, ChainPoll: nfc.ChainPollLast}},
		{"asked too late", []string{"> 00a4040008" + aid, "< 9000", asked, message}, nfc.Config{Encoding: nfc.EncodingShort, Opening: [][]byte{bare}}},
	}
	for _, tt := range tests {
		sameConfig(t, tt.name, nfcTape(t, tt.tape...).NFCConfig(), tt.want)
	}
}

func sameConfig(t *testing.T, name string, got, want nfc.Config) {
	t.Helper()
	got.OnKeepalive, got.OnDecision = nil, nil
	if len(got.Opening) == 0 && len(want.Opening) == 0 {
		got.Opening, want.Opening = nil, nil
	}
	if !reflect.DeepEqual(got, want) {
		t.Errorf("%s: got %+v, want %+v", name, got, want)
	}
}
