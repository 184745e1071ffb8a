package explain

import (
	"strings"
	"testing"
)

// tape is a tape of the given lines behind a header for the transport.
func tape(transport string, lines ...string) []byte {
	return []byte(`{"transport":"` + transport + `"}` + "\n" + strings.Join(lines, "\n") + "\n")
}

func out(hex string) string { return `{"dir":"out","hex":"` + hex + `"}` }
func in(hex string) string  { return `{"dir":"in","hex":"` + hex + `"}` }

// report fills a report up to its 64 bytes.
func report(hex string) string { return hex + strings.Repeat("0", max(0, 128-len(hex))) }

func TestFraming(t *testing.T) {
	getInfo := out(report("0000000190000104"))
	tests := []struct {
		name, transport string
		lines           []string
		want            []string
	}{
		{"a packet out of sequence", "hid", []string{getInfo, in(report("00000001900040")), in(report("0000000101"))}, []string{
			"out authenticatorGetInfo", "in no whole message",
			"  ! CTAPHID_CBOR: packet is out of sequence on channel 00000001: sequence number 1, want 0 (CTAP 2.3 §11.2.4)",
		}},
		{"a message that is interrupted", "hid", []string{getInfo, in(report("00000001900040")), in(report("000000019000012e"))}, []string{
			"out authenticatorGetInfo", "in no whole message",
			"  ! an init packet interrupts the message: CTAPHID_CBOR: message was interrupted by an init packet on channel 00000001: 57 of 64 bytes (CTAP 2.3 §11.2.4)",
			"in CTAP2_ERR_NO_CREDENTIALS (0x2e)",
		}},
		{"a length that no message has", "hid", []string{getInfo, in(report("0000000190ffff"))}, []string{
			"out authenticatorGetInfo", "in no whole message",
			"  ! CTAPHID_CBOR: announced length is over the maximum on channel 00000001: 65535 bytes, want 7609 (CTAP 2.3 §11.2.4)",
		}},
		{"an answer to another command", "hid", []string{getInfo, in(report("0000000181000104"))}, []string{
			"out authenticatorGetInfo", "in CTAPHID_PING",
			"  ! CTAPHID_CBOR is answered with CTAPHID_PING (CTAP 2.3 §11.2.9.1.4)",
		}},
		{"another echo", "hid", []string{out(report("0000000181000104")), in(report("0000000181000105"))}, []string{
			"out CTAPHID_PING: say this again, 1 byte", "in CTAPHID_PING", "  ! the answer is not what was sent (CTAP 2.3 §11.2.9.1.4)",
		}},
		{"an answer on another channel", "hid", []string{getInfo, in(report("000000029000012e"))}, []string{
			"out authenticatorGetInfo", "in CTAP2_ERR_NO_CREDENTIALS (0x2e)", "  ! the request that this answers is not on the tape",
		}},
		{"the key's side alone", "hid", []string{in(report("000000029000012e"))}, []string{"in CTAP2_ERR_NO_CREDENTIALS (0x2e)"}},
		{"a request before the answer", "hid", []string{getInfo, getInfo}, []string{
			"out authenticatorGetInfo", "out authenticatorGetInfo", "  ! the request before this one has had no answer (CTAP 2.3 §11.2.5)",
		}},
		{"errors and cancels", "hid", []string{getInfo, out(report("00000001910000")), in(report("00000001bf000106"))}, []string{
			"out authenticatorGetInfo", "out CTAPHID_CANCEL: give up what is under way", "in ERR_CHANNEL_BUSY (0x06)",
		}},
		{"keepalives in a row", "hid", []string{getInfo, in(report("00000001bb000101")), in(report("00000001bb000102")), in(report("00000001bb000102")), in(report("000000019000012e"))}, []string{
			"out authenticatorGetInfo", "in processing", "in up-needed", "in CTAP2_ERR_NO_CREDENTIALS (0x2e)",
		}},
		{"a gap, an event and nonsense", "hid", []string{getInfo, `{"cut":"lost"}`, in(report("000000019000012e")), "nonsense", `{"event":"touch"}`}, []string{
			"out authenticatorGetInfo", "the tape is cut: lost", "in CTAP2_ERR_NO_CREDENTIALS (0x2e)", "  ! the request that this answers is not on the tape",
			"no record", `  ! the line is no record: not JSON: invalid character 'o' in literal null (expecting 'u')`, "touch",
		}},
		{"the end of the tape inside a message", "hid", []string{getInfo, in(report("00000001900040"))}, []string{
			"out authenticatorGetInfo", "in no whole message",
			"  ! the tape ends inside the message: CTAPHID_CBOR: message is incomplete on channel 00000001: 57 of 64 bytes",
		}},
		{"messages without their packets", "hid", []string{`{"dir":"out","level":"msg","cmd":"10","hex":"04"}`, in(report("000000019000012e"))}, []string{
			"out authenticatorGetInfo", "in CTAP2_ERR_NO_CREDENTIALS (0x2e)",
		}},
		{"INIT gone wrong", "hid", []string{out(report("ffffffff8600080102030405060708")), in(report("ffffffff86001101020304050607ff000000000201020304"))}, []string{
			"out CTAPHID_INIT: a channel, please", "in CTAPHID_INIT: channel 00000000", "  ! the channel 00000000 is reserved (CTAP 2.3 §11.2.9.1.3)",
		}},
		{"a chain and an answer in pieces", "nfc", []string{
			out("901080000206a1"), in("9000"), out("8010800002020100"), in("019100"), out("80110000"), in("00a16102"), out("00c0000002"), in("03089000"),
		}, []string{
			"out authenticatorClientPIN getPINRetries: how many PIN tries are left", "in processing", "in CTAP2_OK (0x00): 8 PIN tries left",
		}},
		{"a chain that is refused", "nfc", []string{out("901080000104"), in("6a80")}, []string{
			"out no whole message", "  ! the card refuses a part of the chain: SW 6A80 incorrect data (ISO 7816-4 §5.3.3)",
		}},
		{"an answer that is not fetched", "nfc", []string{out("80108000010400"), in("006105"), out("00a4040008a0000006472f0001"), in("5532465f56329000")}, []string{
			"out authenticatorGetInfo", "in no whole message", "  ! the rest of the answer was not fetched (ISO 7816-4 §5.3.4)",
			"out SELECT: open the FIDO applet", "in SW 9000 success: U2F_V2",
		}},
		{"what is no APDU", "nfc", []string{out("80"), in("90")}, []string{
			"out no whole message", "  ! malformed command APDU: 1 bytes (ISO 7816-4)",
			"in no whole message", "  ! the card broke the protocol: response of 1 bytes (ISO 7816-4)",
		}},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			same(t, lines(read(t, tape(tt.transport, tt.lines...), Options{})), tt.want...)
		})
	}
}
