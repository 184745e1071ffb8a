package capture

import (
	"bytes"
	"encoding/hex"
	"fmt"
	"testing"
	"time"

	"github.com/touchstone-fido/touchstone/ctaphid"
	"github.com/touchstone-fido/touchstone/devices/transcript"
)

func TestHexRun(t *testing.T) {
	for text, want := range map[string]string{
		"":                     " '' false",
		"0":                    " '' true",
		"00a4":                 "00a4 '' false",
		"00 A4 04":             "00a404 '' false",
		"00:a4:04":             "00a404 '' false",
		"00, 0xa4,0x04":        "00a404 '' false",
		"0x00a404":             "00a404 '' false",
		"00a4  04":             "00a4 '  04' false",
		"00a4 (2 bytes)":       "00a4 ' (2 bytes)' false",
		"00a4 and more":        "00a4 ' and more' false",
		"dead beefy":           "dead ' beefy' false",
		"SW=9000":              " 'SW=9000' false",
		"00a4…":                "00a4 '…' true",
		"00a40":                "00a4 '' true",
		"00 a4 0":              "00a4 '' true",
		"123 bytes":            " '123 bytes' false",
		"00a4\"":               "00a4 '\"' false",
		"0102030490000104\r\n": "0102030490000104 '\r\n' false",
	} {
		data, rest, cut := hexRun([]byte(text))
		if got := fmt.Sprintf("%x '%s' %v", data, rest, cut); got != want {
			t.Errorf("%q: %s, want %s", text, got, want)
		}
	}
}

func TestNumberRun(t *testing.T) {
	for text, want := range map[string]string{
		"[]":              " true",
		"[0]":             "00 true",
		"[0, 164, 4]":     "00a404 true",
		"[0,164,4] more":  "00a404 true",
		"[0, 164, 4":      "00a4 false",
		"[0, 256, 4]":     "00 false",
		"[0, 1":           "00 false",
		"0, 164":          " false",
		"[255, 0x12, 13]": "ff00 false",
	} {
		data, whole := numberRun([]byte(text))
		if got := fmt.Sprintf("%x %v", data, whole); got != want {
			t.Errorf("%q: %s, want %s", text, got, want)
		}
	}
}

func TestBase64Run(t *testing.T) {
	for text, want := range map[string]string{
		"AQIDBA==":  "01020304 true",
		"AQIDBA":    "01020304 true",
		"_-8B":      "ffef01 true",
		"/+8B more": "ffef01 true",
		"AQI":       "0102 false",
		"!":         " false",
	} {
		data, ok := base64Run([]byte(text))
		if got := fmt.Sprintf("%x %v", data, ok); got != want {
			t.Errorf("%q: %s, want %s", text, got, want)
		}
	}
}

func TestStatusWord(t *testing.T) {
	for text, want := range map[string]string{
		"SW=9000":                       "9000 true",
		" SW=6A82 and more":             "6a82 true",
		"SW=" + shiftedWord(0x6a, 0x82): "6a82 true",
		"SW=" + shiftedWord(0x61, 0x10): "6110 true",
		"SW=900":                        " true",
		"SW=":                           " true",
		"SW=00000":                      " true", // nothing shifted begins with zeros
		"SW=0000000000000000":           " true",
		"no word":                       " false",
	} {
		sw, announced := statusWord([]byte(text))
		if got := fmt.Sprintf("%x %v", sw, announced); got != want {
			t.Errorf("%q: %s, want %s", text, got, want)
		}
	}
}

func TestMarkAt(t *testing.T) {
	for line, want := range map[string]string{
		"DEBUG:fido2.hid:SEND: 0102": "SEND: |0102",
		"00000003 APDU: 00 A4":       "APDU: |00 A4",
		"00000003 SW: 90 00":         "SW: |90 00",
		"C-APDU: 00a4":               "C-APDU: |00a4",
		"Outgoing APDU (5 bytes):":   "Outgoing APDU| (5 bytes):",
		"--> 00a4":                   "--> |00a4",
		">>> 00a4":                   ">>> |00a4",
		"a -> b: recv: 00":           "-> |b: recv: 00",
		"RESEND: 00":                 "-",
		"Resending: 00":              "-",
		"Send: 00a4":                 "send: |00a4",
		"SENT: 00a4":                 "sent: |00a4",
		"A>> T=1 (4+0010) 00A40400":  "A>> |T=1 (4+0010) 00A40400",
		"nothing to see":             "-",
		"D FidoCtapHidConnection: Sent packet AAAA": "Sent packet |AAAA",
	} {
		m, end := markAt([]byte(line))
		got := "-"
		if m != nil {
			got = m.words + "|" + line[end:]
		}
		if got != want {
			t.Errorf("%q: %s, want %s", line, got, want)
		}
	}
}

func TestMarkedBytes(t *testing.T) {
	for text, want := range map[string]string{
		"00a4":                       "00a4 -1 false",
		"b'00a4'":                    "00a4 -1 false",
		"\"00a4\"":                   "00a4 -1 false",
		"T=1 (4+0010) 00A40400 08A0": "00a4040008a0 -1 false",
		"(0006+2) (15ms) 5532 9000":  "55329000 -1 false",
		"(2e) SW=9000":               "9000 -1 false",
		"1 (2e) SW=9000":             "2e9000 -1 false",
		"0 () SW=6D00":               "6d00 -1 false",
		"8: 00 a4":                   "00a4 -1 false",
		"[0, 164, 4, 0]":             "00a40400 -1 false",
		"[00, a4, 04, 00]":           "00a40400 -1 false",
		"[0, 164":                    "00 -1 true",
		"5532465f5632 SW=900":        "5532465f5632 -1 true",
		" SW=6a82":                   "6a82 -1 false",
		"00a4…":                      "00a4 -1 true",
	} {
		b := hexMarked([]byte(text))
		if got := fmt.Sprintf("%x %d %v", b.data, b.want, b.cut); got != want {
			t.Errorf("%q: %s, want %s", text, got, want)
		}
	}
}

func TestAnnounced(t *testing.T) {
	for text, want := range map[string]string{
		" (14 bytes):":       " 14",
		":":                  " -1",
		"9000):":             "9000 -1",
		"0x6A, SW2=0x82):":   "6a82 -1",
		" (99999999 bytes):": " -1",
	} {
		b := announced([]byte(text))
		if got := fmt.Sprintf("%x %d", b.sw, b.want); got != want {
			t.Errorf("%q: %s, want %s", text, got, want)
		}
	}
}

func TestRowBelow(t *testing.T) {
	for _, c := range []struct {
		text string
		want int
		data string
	}{
		{"00 A4 04 00 08 A0 00 00 06 47 2F 00 01 00       .......G/...", 14, "00a4040008a0000006472f000100"},
		{"55 32 46 5F 56 32                               U2F_V2", -1, "5532465f5632"},
		{"0000: 55 32 46 5f", -1, "5532465f"},
		{"00000010  55 32 46 5f  56 32 90 00", -1, "5532465f"},
		{"0000  55 32 46 5f 56 32 90 00  55 32 46 5f 56 32 90 00  U2F", -1, "5532465f563290005532465f56329000"},
		{"              0102030490000104", -1, "0102030490000104"},
		{"41 42 AB", -1, "4142"},
		{"41 42 AB", 2, "4142"},
		{"words", -1, ""},
		{"de", -1, "de"},
		{"", -1, ""},
	} {
		data, ok := rowBelow([]byte(c.text), c.want)
		if hex.EncodeToString(data) != c.data || ok != (c.data != "") {
			t.Errorf("%q: %x %v, want %s", c.text, data, ok, c.data)
		}
	}
}

func TestParseRow(t *testing.T) {
	for text, want := range map[string]string{
		"0016: 5f 32":            "16 5f32 false true",
		"debug1: 0016: 5f 32 ":   "16 5f32 false true",
		"  5f 32 ":               "-1 5f32 false true",
		"ssh-sk-helper:   5f 32": "-1 5f32 false true",
		"0000: 5f 3":             "0 5f true true",
		"say 5f 32":              "-1 5f32 false false",
		"words":                  "-1  false false",
		"":                       "-1  false false",
		"0000: " + "00 01 02 03 04 05 06 07 08 09 0a 0b 0c 0d 0e 0f": "0 000102030405060708090a0b0c0d0e0f false true",
	} {
		r, ok := parseRow([]byte(text))
		if got := fmt.Sprintf("%d %x %v %v", r.offset, r.data, r.cut, ok); got != want {
			t.Errorf("%q: %s, want %s", text, got, want)
		}
	}
}

func TestDiagnosticNotation(t *testing.T) {
	for text, want := range map[string]string{
		`{1: "a", 2: h'00ff', -1: true}`:                            "a30161610242" + "00ff" + "20f5",
		`[false, null, undefined, 23, 24, 1000, 65536, 4294967296]`: "88f4f6f7171818" + "1903e8" + "1a00010000" + "1b0000000100000000",
		`<<{1: 2}>>`:                            "43a10102",
		`h'00 01'`:                              "420001",
		`"\u00e4\n\"\ud83d\ude00"`:              "68c3a40a22f09f9880",
		`“bent”`:                                "6462656e74",
		`{}`:                                    "a0",
		`{1: }`:                                 "no CBOR in diagnostic notation",
		`{1`:                                    "the CBOR breaks off",
		`{1: h'00`:                              "the CBOR breaks off",
		`{1: "a`:                                "the CBOR breaks off",
		`{1: 2`:                                 "the CBOR breaks off",
		`1.5`:                                   "no CBOR in diagnostic notation",
		`h'0g'`:                                 "no CBOR in diagnostic notation",
		`[[[[[[[[[[[[[[[[[[1]]]]]]]]]]]]]]]]]]`: "no CBOR in diagnostic notation",
	} {
		encoded, _, err := parseDiagnostic([]byte(text + " "))
		got := hex.EncodeToString(encoded)
		if err != nil {
			got = err.Error()
		}
		if got != want {
			t.Errorf("%s: %s, want %s", text, got, want)
		}
	}
}

func TestPieces(t *testing.T) {
	for _, c := range []struct {
		lines  []string
		whole  []bool
		broken bool
		text   string
	}{
		{[]string{"{1: 2}"}, []bool{true}, false, "{1: 2}"},
		{[]string{"{1: [2,", "3]}"}, []bool{false, true}, false, "{1: [2, 3]}"},
		{[]string{`{1: "a}`, `b"}`}, []bool{false, true}, true, `{1: "a}b"}`},
		{[]string{`{1: "a\"}`, `b"}`}, []bool{false, true}, true, `{1: "a\"}b"}`},
		{[]string{"{1: h'00", "01'}"}, []bool{false, true}, false, "{1: h'0001'}"},
		{[]string{"{1: “a}", "b”}"}, []bool{false, true}, true, "{1: “a}b”}"},
	} {
		var p pieces
		for i, line := range c.lines {
			if whole := p.add([]byte(line)); whole != c.whole[i] {
				t.Errorf("%q: whole %v after line %d", c.lines, whole, i+1)
			}
		}
		if p.broken != c.broken || string(p.text) != c.text {
			t.Errorf("%q: %+v", c.lines, p)
		}
	}
}

func TestClock(t *testing.T) {
	for text, want := range map[string]string{
		"2026-11-26T06:20:57+0100 DEBUG":                   "2026-11-26T05:20:57Z absolute",
		"2026-11-26 06:20:57.5 x":                          "2026-11-26T06:20:57.5Z absolute",
		"2026-11-26T06:20:57.123456Z":                      "2026-11-26T06:20:57.123456Z absolute",
		"11-10 09:46:15.799 15055 D":                       "2000-11-10T09:46:15.799Z",
		"Nov 26 06:20:57 host":                             "2000-11-26T06:20:57Z",
		"TRAFFIC 21:44:30.7 [x]":                           "2000-01-01T21:44:30.007Z",
		"[17:22:06.7] FIDO":                                "2000-01-01T17:22:06.7Z",
		"P:13244; T:0x140660980299840 06:20:56.397 [tool]": "2000-01-01T06:20:56.397Z",
		"25:61:00":     "none",
		"0016: 5f 32":  "none",
		"Foo 26 06:20": "none",
	} {
		var k clock
		at := k.read([]byte(text))
		got := "none"
		if at.known {
			got = at.UTC().Format(time.RFC3339Nano)
		}
		if at.absolute {
			got += " absolute"
		}
		if got != want {
			t.Errorf("%q: %s, want %s", text, got, want)
		}
	}
}

func TestUsbmonLine(t *testing.T) {
	for line, want := range map[string]string{
		"ffff8881024a9c00 3575914555 S Ci:1:001:0 s a3 00 0000 0003 0004 4 <":   "S 2 80 1 1 a300000003000400 4 ",
		"ffff8881024a9c00 3575914560 C Ci:1:001:0 0 4 = 01050000":               "C 2 80 1 1  4 01050000",
		"ffff8881024a9c00 3575914560 S Io:1:002:1 -115:4 8 = 01020304 90000104": "S 1 01 1 2  8 0102030490000104",
		"d5ea89a0 3575914555 S Ci:001:00 s a3 00 0000 0003 0004 4 <":            "S 2 80 0 1 a300000003000400 4 ",
		"ffff8881024a9c00 3575914560 E Bo:1:002:1 -2":                           "E 3 01 1 2  0 ",
		"ffff8881024a9c00 3575914560 C Xi:1:002:1 0 0":                          "none",
		"some words that are many in a line":                                    "none",
	} {
		l, ok := parseUsbmonLine([]byte(line))
		got := "none"
		if ok {
			got = fmt.Sprintf("%c %d %02x %d %d %x %d %x", l.event, l.kind, l.endpoint, l.bus, l.dev, l.setup, l.length, l.data)
		}
		if got != want {
			t.Errorf("%q: %s, want %s", line, got, want)
		}
	}
}

// Descriptors that are shorter than they say, or say less than they must, say
// nothing.
func TestDescriptors(t *testing.T) {
	for name, c := range map[string]struct {
		kind byte
		data []byte
		want string
	}{
		"a string":               {usbStringDescriptor, []byte{6, 3, 'a', 0, 'b', 0}, "ab"},
		"one that goes on":       {usbStringDescriptor, []byte{4, 3, 'a', 0, 'b', 0}, "a"},
		"one that breaks off":    {usbStringDescriptor, []byte{20, 3, 'a', 0, 'b'}, "a"},
		"one of no length":       {usbStringDescriptor, []byte{0, 3, 'a', 0}, ""},
		"one shorter than that":  {usbStringDescriptor, []byte{1, 3, 'a', 0}, ""},
		"an empty one":           {usbStringDescriptor, []byte{2, 3}, ""},
		"a device in part":       {usbDeviceDescriptor, make([]byte, 17), ""},
		"interfaces of no size":  {usbConfigDescriptor, []byte{9, 2, 9, 0, 1, 1, 0, 0x80, 50, 0, 0, 0}, ""},
		"interfaces in part":     {usbConfigDescriptor, []byte{9, 2, 9, 0, 1, 1, 0, 0x80, 50, 9, 4, 0}, ""},
		"a report's description": {hidReportDescriptor, []byte{6}, ""},
	} {
		d := descriptors{names: [3]byte{0, 2, 0}}
		d.learn([]byte{0x80, usbGetDescriptor, 2, c.kind, 0, 0, 0xff, 0}, c.data)
		if d.vendor != 0 || len(d.endpoints) != 0 || len(d.fido) != 0 || d.String() != c.want {
			t.Errorf("%s: %+v", name, d)
		}
	}
}

func TestLooksLikePacket(t *testing.T) {
	for packet, want := range map[string]bool{
		"ffffffff86000801020304050607081111":                         true,
		"ffffffff860011" + "0102030405060708" + "01020304020504030c": true,
		"ffffffff860009":   false,
		"0102030490000104": true,
		"0102030490000000": false,
		"01020304bb000101": true,
		"01020304bb000201": false,
		"0102030490ffff04": false,
		"00000000900001":   false,
		"01020304c1000104": false,
		"0102030400112233": false,
	} {
		data, err := hex.DecodeString(packet)
		if err != nil {
			t.Fatal(err)
		}
		p, err := ctaphid.ParsePacket(append(data, make([]byte, 64-len(data))...))
		if err != nil {
			t.Fatal(err)
		}
		if got := looksLikePacket(p); got != want {
			t.Errorf("%s: %v", packet, got)
		}
	}
}

func TestBreaksOff(t *testing.T) {
	for apdu, want := range map[string]bool{
		"":                    true,
		"00a404":              true,
		"00a40400":            false,
		"0003000000":          false,
		"00a4040008a000":      true,
		"00a4040002a000":      false,
		"801000000000ffaabb":  true,
		"8010000000000 1aa00": false,
	} {
		data, _, _ := hexRun(bytes.ReplaceAll([]byte(apdu), []byte(" "), nil))
		if got := breaksOff(data); got != want {
			t.Errorf("%s: %v", apdu, got)
		}
	}
}

func TestUpperPDU(t *testing.T) {
	apdu := []byte{0, 0xa4, 4, 0}
	whole := upperPDU(pduAPDU, in, apdu)
	dissector, dir, data, ok := parseUpperPDU(whole)
	if !ok || dissector != pduAPDU || dir != in || !bytes.Equal(data, apdu) {
		t.Errorf("%s %v %x %v", dissector, dir, data, ok)
	}
	for n := range len(whole) - len(apdu) {
		if _, _, _, ok := parseUpperPDU(whole[:n]); ok {
			t.Errorf("%d bytes are taken for a PDU", n)
		}
	}
}

func TestDirectionOfName(t *testing.T) {
	for name, want := range map[string]transcript.Direction{
		"wiredata_init": in, "WIREDATA_CTAP_INIT": in, "hostRequest": out, "tx_data": out, "authenticatorResponse": in, "blob": 0, "main": 0,
	} {
		if got := directionOfName(name); got != want {
			t.Errorf("%s: %v", name, got)
		}
	}
}
