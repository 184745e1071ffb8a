package transcript

import (
	"slices"
	"strings"
	"testing"
)

func TestDescribe(t *testing.T) {
	tests := []struct{ line, want string }{
		{`{"dir":"tx","hex":"0008000290000104"}`, "out CTAPHID_CBOR authenticatorGetInfo on channel 00080002, 1 byte"},
		{`{"dir":"rx","hex":"0008000290004f00"}`, "in  CTAPHID_CBOR CTAP2_OK (0x00) on channel 00080002, 79 bytes"},
		{`{"dir":"rx","hex":"00080002bb000102"}`, "in  CTAPHID_KEEPALIVE up-needed on channel 00080002, 1 byte"},
		{`{"dir":"rx","hex":"00080002bf000101"}`, "in  CTAPHID_ERROR ERR_INVALID_CMD (0x01) on channel 00080002, 1 byte"},
		{`{"dir":"tx","hex":"0008000283000700030000000000"}`, "out CTAPHID_MSG U2F_VERSION on channel 00080002, 7 bytes"},
		{`{"dir":"tx","hex":"00080002910000"}`, "out CTAPHID_CANCEL on channel 00080002, 0 bytes"},
		{`{"dir":"tx","hex":"ffffffff8600080102030405060708"}`, "out CTAPHID_INIT on channel ffffffff, 8 bytes"},
		{`{"dir":"tx","hex":"0008000203aabb"}`, "out continuation packet 3 on channel 00080002, 2 bytes"},
		{`{"dir":"tx","hex":"0008000290000104","rebuilt":true}`, "out CTAPHID_CBOR authenticatorGetInfo on channel 00080002, 1 byte (rebuilt)"},
		{`{"dir":"tx","hex":"00"}`, "out what is no packet, 1 byte"},
		{`{"dir":"rx","hex":"0008000290004f00","partial":true}`, "in  CTAPHID_CBOR CTAP2_OK (0x00) on channel 00080002, 79 bytes (breaks off after 8 bytes)"},
		{`{"dir":"tx","level":"msg","cmd":"10","hex":"06a1"}`, "out CTAPHID_CBOR authenticatorClientPIN, 2 bytes"},
		{`{"dir":"tx","level":"msg","cmd":"03","hex":"0001"}`, "out CTAPHID_MSG what is no command, 2 bytes"},
		{`{"dir":"rx","level":"msg","hex":"aabb","offset":8,"len":10}`, "in  message of a command that the tape does not name, 10 bytes (only 2 bytes from byte 8 on)"},
		{`{"dir":"tx","level":"apdu","hex":"00A4040008A0000006472F000100"}`, "out SELECT a0000006472f0001, 14 bytes"},
		{`{"dir":"tx","level":"apdu","hex":"80108000010400"}`, "out NFCCTAP_MSG authenticatorGetInfo, 7 bytes"},
		{`{"dir":"tx","level":"apdu","hex":"901080000104"}`, "out NFCCTAP_MSG part, 6 bytes"},
		{`{"dir":"tx","level":"apdu","hex":"00c0000000"}`, "out GET RESPONSE, 5 bytes"},
		{`{"dir":"tx","level":"apdu","hex":"1234"}`, "out what is no command, 2 bytes"},
		{`{"dir":"rx","level":"apdu","hex":"009000"}`, "in  SW 9000 success, 1 byte"},
		{`{"dir":"rx","level":"apdu","hex":"90"}`, "in  what is no response, 1 byte"},
		{`{"cut":"reports 2 to 6"}`, "--- cut: reports 2 to 6"},
		{`{"cut":"cut"}`, "--- cut"},
		{`{"event":"error","op":"read","kind":"gone","text":"un\nplugged\u001b[2J"}`, "--- error in read (gone): un plugged [2J"},
		{`{"event":"touch"}`, "--- touch"},
	}
	for _, tt := range tests {
		tape := mustLoad(t, `{"transport":"hid"}`+"\n"+tt.line+"\n")
		if got := Describe(tape.Records[0]); got != tt.want {
			t.Errorf("%s\ngot  %s\nwant %s", tt.line, got, tt.want)
		}
	}
}

func TestRecognise(t *testing.T) {
	report := strings.Repeat("00", 64)
	answer64 := strings.Repeat("ab", 62) + "9000"
	rx := func(hex string) string { return `{"dir":"rx","hex":"` + hex + `"}` }
	tx := func(hex string) string { return `{"dir":"tx","hex":"` + hex + `"}` }
	tests := []struct {
		name  string
		lines []string
		want  Transport
		level Level // of the first line
	}{
		{"reports", []string{tx(report), rx(report)}, HID, Report},
		{"a report that ends like a response", []string{rx(strings.Repeat("00", 62) + "6361")}, HID, Report},
		{"APDUs", []string{tx("00a40400"), rx("9000")}, NFC, APDU},
		{"APDUs in capitals", []string{tx("00A4040001AB"), rx("6D00")}, NFC, APDU},
		{"a response of 64 bytes", []string{tx("80108000010400"), rx(answer64)}, NFC, APDU},
		{"only a response of another size", []string{rx("6985")}, NFC, APDU},
		{"a report that was cut without a word", []string{tx(report), rx(report), rx(report[:60])}, HID, Report},
		{"a partial report first", []string{`{"dir":"rx","hex":"00000007900064","partial":true}`, rx(report)}, HID, Report},
		{"messages and reports", []string{`{"dir":"tx","level":"msg","cmd":"10","hex":"04"}`, rx(report)}, HID, Message},
		{"messages only", []string{`{"dir":"tx","level":"msg","cmd":"10","hex":"04"}`}, HID, Message},
		{"messages and APDUs", []string{`{"dir":"tx","level":"msg","cmd":"06","hex":"04"}`, `{"dir":"tx","level":"apdu","hex":"00a40400"}`}, NFC, Message},
		{"what is neither", []string{tx("ffff"), rx("00")}, NFC, APDU},
		{"a gap only", []string{`{"cut":""}`}, HID, Gap},
		{"many APDUs of which the window sees some", append(slices.Repeat([]string{tx("00a40400")}, lookAhead), rx(report)), NFC, APDU},
	}
	for _, tt := range tests {
		tape := mustLoad(t, strings.Join(tt.lines, "\n")+"\n")
		if tape.Header.Transport != tt.want || tape.Records[0].Level != tt.level || len(tape.Records) != len(tt.lines) || !tape.Foreign() {
			t.Errorf("%s: %v, first %v of %d records", tt.name, tape.Header.Transport, tape.Records[0].Level, len(tape.Records))
		}
		for i, rec := range tape.Records {
			if rec.Line != i+1 || rec.Level == 0 {
				t.Errorf("%s: record %d is %+v", tt.name, i, rec)
			}
		}
	}
}
