package redact_test

import (
	"bytes"
	"encoding/base64"
	"encoding/binary"
	"encoding/hex"
	"encoding/json"
	"slices"
	"strings"
	"testing"
	"unicode/utf16"

	"github.com/touchstone-fido/touchstone/ctap2/pinuv"
	"github.com/touchstone-fido/touchstone/ctaphid"
	"github.com/touchstone-fido/touchstone/devices/transcript"
	"github.com/touchstone-fido/touchstone/devices/transcript/redact"
	"github.com/touchstone-fido/touchstone/nfc"
)

// public is a redacted session and its original.
func public(t testing.TB, w way, o redact.Options) (redacted, original *transcript.Tape) {
	t.Helper()
	original = session(t, w)
	result, err := redact.Run(original, o)
	if err != nil {
		t.Fatal(err)
	}
	return written(t, result.Tape), original
}

// planted appends a PING whose payload has secret where a report ends, so that no
// report has it whole.
func planted(t testing.TB, tape *transcript.Tape, secret []byte) *transcript.Tape {
	t.Helper()
	payload := append(bytes.Repeat([]byte{0x2e}, max(0, ctaphid.ReportSize-7-len(secret)/2)), secret...)
	m := ctaphid.Message{CID: 0x01020304, Command: ctaphid.CommandPing, Payload: payload}
	cutter, err := ctaphid.NewFragmenter(m, ctaphid.ReportSize)
	if err != nil {
		t.Fatal(err)
	}
	copied := *tape
	copied.Records = slices.Clone(tape.Records)
	line := copied.Records[len(copied.Records)-1].Line
	for report := make([]byte, ctaphid.ReportSize); cutter.Next(report); report = make([]byte, ctaphid.ReportSize) {
		if bytes.Contains(report, secret) {
			t.Fatal("the secret is whole in a report")
		}
		line++
		copied.Records = append(copied.Records, transcript.Record{Line: line, Dir: transcript.Out, Level: transcript.Report, Data: report})
	}
	return &copied
}

// ways in which a secret is written.
var writings = map[string]func([]byte) []byte{
	"as it is":  func(b []byte) []byte { return b },
	"hex":       func(b []byte) []byte { return []byte(hex.EncodeToString(b)) },
	"HEX":       func(b []byte) []byte { return []byte(strings.ToUpper(hex.EncodeToString(b))) },
	"base64":    func(b []byte) []byte { return []byte(base64.StdEncoding.EncodeToString(b)) },
	"base64url": func(b []byte) []byte { return []byte(base64.RawURLEncoding.EncodeToString(b)) },
	"base64 of more": func(b []byte) []byte {
		return []byte(base64.StdEncoding.EncodeToString(slices.Concat([]byte(`"`), b, []byte(`",`))))
	},
}

func utf16le(b []byte) (wide []byte) {
	for _, u := range utf16.Encode([]rune(string(b))) {
		wide = binary.LittleEndian.AppendUint16(wide, u)
	}
	return wide
}

// Each kind of value, in each writing and cut in two by the end of a report, is
// found on a tape that was clean.
func TestPlantedLeaksAreFound(t *testing.T) {
	tape, original := public(t, ways[0], redact.Options{})
	search := redact.Search{Originals: []*transcript.Tape{original}, Strings: []string{"named string"}, PINs: [][]byte{[]byte(pin)}}
	if found := redact.Leaks(tape, search); len(found.Leaks) > 0 {
		t.Fatal(found.Leaks)
	}
	secrets := map[string][]byte{
		"rp": []byte(rpID), "rp's name": []byte(rpName), "rp's hash": sum(rpID), "app ID's hash": sum(appID),
		"user": []byte(userName), "shown": []byte(userShown), "handle": []byte(userHandle), "serial": []byte(serial),
		"pin": []byte(pin), "pin's hash": pinuv.HashPIN([]byte(pin)), "seed": seed[:], "string": []byte("named string"),
		"credential": credentialID(t, original), "blob": []byte(secretBlob),
	}
	for name, secret := range secrets {
		for how, write := range writings {
			if found := redact.Leaks(planted(t, tape, write(secret)), search); !inMessage(found) {
				t.Errorf("%s in %s was not found: %v", name, how, found.Leaks)
			}
		}
	}
	for _, text := range []string{rpID, userShown, pin, "named string"} {
		if found := redact.Leaks(planted(t, tape, utf16le([]byte(text))), search); !inMessage(found) {
			t.Errorf("%q in UTF-16 was not found", text)
		}
	}
}

// inMessage says whether anything but the unknown value of the PING was found.
func inMessage(found redact.Findings) bool {
	return slices.ContainsFunc(found.Leaks, func(l redact.Leak) bool { return l.Where == "a message" })
}

// credentialID is the longest of the credential IDs that the session lists.
func credentialID(t testing.TB, tape *transcript.Tape) []byte {
	t.Helper()
	for _, v := range redact.Values(tape) {
		if v.Kind == redact.Credential && len(v.Bytes) >= 16 && !bytes.Contains(v.Bytes, []byte("credential")) {
			return v.Bytes
		}
	}
	t.Fatal("the session has no credential ID")
	return nil
}

// A leak in the header, in a text, in padding or behind a cut is found too.
func TestLeaksBesideMessages(t *testing.T) {
	search := redact.Search{Strings: []string{"alice.smith"}}
	const hidden = "61 alice.smith"
	dump := hex.EncodeToString([]byte(hidden))
	for name, spoil := range map[string]func(*transcript.Tape){
		"device fact": func(tape *transcript.Tape) { tape.Header.Device["product"] = hidden },
		"tool":        func(tape *transcript.Tape) { tape.Header.Tool = hidden },
		"client":      func(tape *transcript.Tape) { tape.Header.Client = dump },
		"member": func(tape *transcript.Tape) {
			tape.Header.Extra["note"] = json.RawMessage(`{"by":["al\u0069ce.smith"]}`)
		},
		"seed":   func(tape *transcript.Tape) { tape.Header.Seed = seed[:] },
		"pin":    func(tape *transcript.Tape) { tape.Header.PIN = pin },
		"serial": func(tape *transcript.Tape) { tape.Header.Device["serial"] = "12345678" },
		"event": func(tape *transcript.Tape) {
			tape.Records = append(tape.Records, transcript.Record{Line: 900, Level: transcript.Mark, Event: &transcript.Event{Name: "note", Text: hidden}})
		},
		"gap": func(tape *transcript.Tape) {
			tape.Records = append(tape.Records, transcript.Record{Line: 900, Level: transcript.Gap, Cut: hidden})
		},
		"padding": func(tape *transcript.Tape) { copy(tape.Records[0].Data[30:], hidden) },
	} {
		tape, _ := public(t, ways[1], redact.Options{})
		if found := redact.Leaks(tape, search); len(found.Leaks) > 0 {
			t.Fatal(found.Leaks)
		}
		spoil(tape)
		if found := redact.Leaks(tape, search); len(found.Leaks) == 0 {
			t.Errorf("%s: nothing was found", name)
		}
	}
}

// A secret in two parts of a chain of APDUs, and in two of an answer, is found.
func TestLeaksOverAPDUs(t *testing.T) {
	half := len(userName) / 2
	for name, apdus := range map[string][][]byte{
		"chain": {
			command(t, 0x90, 0x40, []byte(userName[:half])), {0x90, 0}, command(t, 0x80, 0x40, []byte(userName[half:])), {0x90, 0},
		},
		"answer": {
			command(t, 0x80, 0x40, []byte("?")), append([]byte(userName[:half]), 0x61, 0x20),
			command(t, 0, 0xc0, nil), append([]byte(userName[half:]), 0x90, 0),
		},
	} {
		tape := &transcript.Tape{Header: transcript.Header{Transport: transcript.NFC}}
		for i, apdu := range apdus {
			dir := transcript.Out
			if i%2 == 1 {
				dir = transcript.In
			}
			tape.Records = append(tape.Records, transcript.Record{Line: i + 2, Dir: dir, Level: transcript.APDU, Data: apdu})
		}
		if found := redact.Leaks(tape, redact.Search{Strings: []string{userName}}); !inMessage(found) {
			t.Errorf("%s: %v", name, found.Leaks)
		}
		result, err := redact.Run(tape, redact.Options{Strings: []string{userName}})
		if err != nil {
			t.Errorf("%s: %v", name, err)
			continue
		}
		if found := redact.Leaks(result.Tape, redact.Search{Strings: []string{userName}}); len(found.Leaks) > 0 {
			t.Errorf("%s: %v is left", name, found.Leaks)
		}
	}
}

func command(t testing.TB, cla, ins byte, data []byte) []byte {
	t.Helper()
	apdu, err := nfc.Command{CLA: cla, INS: ins, Data: data}.Bytes()
	if err != nil {
		t.Fatal(err)
	}
	return apdu
}
