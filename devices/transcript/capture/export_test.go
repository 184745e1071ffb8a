package capture

import (
	"bytes"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/touchstone-fido/touchstone/ctaphid"
	"github.com/touchstone-fido/touchstone/devices/transcript"
)

// tapeFile is a tape as its file.
func tapeFile(t testing.TB, tape *transcript.Tape) []byte {
	t.Helper()
	var file bytes.Buffer
	w, err := transcript.NewWriter(&file, tape.Header)
	if err != nil {
		t.Fatal(err)
	}
	for _, rec := range tape.Records {
		if err := w.Write(rec); err != nil {
			t.Fatal(err)
		}
	}
	return file.Bytes()
}

func exported(t testing.TB, tape []byte) (Exported, []byte) {
	t.Helper()
	reader, err := transcript.NewReader(bytes.NewReader(tape), "tape")
	if err != nil {
		t.Fatal(err)
	}
	var file bytes.Buffer
	result, err := Export(&file, reader, "tape")
	if err != nil {
		t.Fatal(err)
	}
	return result, file.Bytes()
}

// named is a session whose header says what the key is.
func named(tape *transcript.Tape) *transcript.Tape {
	tape.Header.Recorded = captureBegan
	tape.Header.Device = map[string]string{"vendor_id": "1050", "product_id": "0407", "manufacturer": "Someone", "product": "Kéy"}
	if tape.Header.Transport == transcript.NFC {
		tape.Header.Device = nil
		tape.Header.ATR = []byte{0x3b, 0x8a, 0x80, 0x01, 0x54, 0x6f, 0x75, 0x63, 0x68, 0x73, 0x74, 0x6f, 0x6e, 0x65, 0x2d}
	}
	return tape
}

// What is exported and brought in again is the same tape.
func TestExportComesBack(t *testing.T) {
	for name, tape := range map[string]*transcript.Tape{"a key": named(hidSession(t)), "a card": named(cardSession(t))} {
		result, file := exported(t, tapeFile(t, tape))
		if result.Crossings != len(tape.Records) || len(result.Remarks) > 0 {
			t.Errorf("%s: %+v", name, result)
		}
		back, got := importBytes(t, file)
		if len(got) != 1 || len(back.Remarks) > 0 {
			t.Fatalf("%s: %d tapes, remarks:\n%s", name, len(got), remarks(back))
		}
		sameLines(t, name, crossings(got...), crossings(tape))
		h := got[0].Header
		if fmt.Sprint(h.Device) != fmt.Sprint(tape.Header.Device) || !bytes.Equal(h.ATR, tape.Header.ATR) || h.Transport != tape.Header.Transport {
			t.Errorf("%s: %+v", name, h)
		}
		if h.Recorded.Sub(captureBegan).Abs() > time.Second {
			t.Errorf("%s: recorded %v", name, h.Recorded)
		}
	}
}

// Reports of another size keep it.
func TestExportOfSmallReports(t *testing.T) {
	tape := &transcript.Tape{Header: transcript.Header{Transport: transcript.HID, ReportSize: 32}}
	cutter, err := ctaphid.NewFragmenter(ctaphid.Message{CID: 7, Command: ctaphid.CommandCBOR, Payload: append([]byte{0}, make([]byte, 60)...)}, 32)
	if err != nil {
		t.Fatal(err)
	}
	for report := make([]byte, 32); cutter.Next(report); report = make([]byte, 32) {
		tape.Records = append(tape.Records, transcript.Record{Level: transcript.Report, Dir: in, Data: report})
	}
	_, file := exported(t, tapeFile(t, tape))
	_, got := importBytes(t, file)
	sameLines(t, "tape", crossings(got...), crossings(tape))
}

// What is no whole report goes into the capture as far as it can, and as a
// comment where it cannot.
func TestExportOfWhatIsNotWhole(t *testing.T) {
	session := hidSession(t)
	tape := &transcript.Tape{Header: session.Header, Records: []transcript.Record{
		{Level: transcript.Message, Dir: out, Command: byte(ctaphid.CommandCBOR), Data: []byte{4}},
		{Level: transcript.Message, Dir: in, Data: []byte{0x2e}},
		{Level: transcript.Mark, Event: &transcript.Event{Name: "close"}},
		{Level: transcript.Gap, Cut: "a page"},
		{Level: transcript.Report, Dir: in, Data: session.Records[1].Data[:20], Partial: true},
		{Level: transcript.Report, Dir: in, Data: session.Records[1].Data[20:], Partial: true, Offset: 20},
		{Level: transcript.Message, Dir: in, Command: byte(ctaphid.CommandCBOR), Data: []byte{0}, Partial: true, Length: 9},
		{Level: transcript.Report, Dir: out, Data: session.Records[0].Data, Rebuilt: true},
		{Level: transcript.Report, Dir: in, Data: session.Records[1].Data, Late: true},
	}}
	result, file := exported(t, append(tapeFile(t, tape), "no record\n"...))
	var left []string
	for _, r := range result.Remarks {
		left = append(left, r.String())
	}
	want := []string{"line 7: left out: its beginning is not on the tape", "line 8: left out: a message of which only a part is known"}
	left = left[:min(len(left), 3)]
	if len(left) != 3 || !slices.Equal(left[:2], want) || left[2] != "line 11: left out: no record" {
		t.Errorf("%q", left)
	}
	for _, comment := range []string{
		"the tape has this message without its packets", "this one is made up", "before this: close", "something is missing before this: a page",
		"something was left out before this: its beginning is not on the tape", "CTAPHID_INIT on channel ffffffff, 8 bytes (rebuilt)", "(breaks off after 20 bytes)",
	} {
		if !bytes.Contains(file, []byte(comment)) {
			t.Errorf("no comment says: %s", comment)
		}
	}
	_, got := importBytes(t, file)
	sameLines(t, "tape", reassembledAll(t, got...), []string{
		"out 10 04", "in 10 2e", fmt.Sprintf("out 06 %x", session.Records[0].Data[7:15]), fmt.Sprintf("in 06 %x", session.Records[1].Data[7:24]),
	})
}

// reassembledAll are the messages without reports in part.
func reassembledAll(t testing.TB, all ...*transcript.Tape) []string {
	t.Helper()
	for _, tape := range all {
		tape.Records = slices.DeleteFunc(tape.Records, func(rec transcript.Record) bool { return rec.Partial })
	}
	return reassembled(t, all...)
}

// tshark is what tshark says of a capture.
func tshark(t *testing.T, file []byte, args ...string) string {
	t.Helper()
	program, err := exec.LookPath("tshark")
	if err != nil {
		t.Skip("NOT RUN: there is no tshark here (scripts/setup installs it)")
	}
	name := filepath.Join(t.TempDir(), "capture.pcapng")
	if err := os.WriteFile(name, file, 0o600); err != nil {
		t.Fatal(err)
	}
	said, err := exec.Command(program, append([]string{"-n", "-r", name}, args...)...).Output()
	if err != nil {
		t.Fatal(err)
	}
	return string(said)
}

// Wireshark opens what is exported: it knows the key by its descriptors, its
// interface as one of FIDO, and each report as one.
func TestWiresharkOpensExportedKey(t *testing.T) {
	tape := named(hidSession(t))
	_, file := exported(t, tapeFile(t, tape))
	if said := tshark(t, file, "-Y", "_ws.malformed || _ws.expert.severity >= error"); said != "" {
		t.Errorf("tshark finds fault:\n%s", said)
	}
	said := tshark(t, file, "-T", "fields", "-e", "usb.src", "-e", "usbhid.data", "-Y", "usb.capdata || usbhid.data")
	var want []string
	for _, rec := range tape.Records {
		want = append(want, fmt.Sprintf("%s\t%x", map[transcript.Direction]string{out: "host", in: "1.2.1"}[rec.Dir], rec.Data))
	}
	sameLines(t, "tshark", strings.Split(strings.TrimSpace(said), "\n"), want)
	about := tshark(t, file, "-V")
	for _, word := range []string{"idVendor: Yubico.com (0x1050)", "bString: Kéy", "FIDO Alliance", "bInterfaceClass: HID (0x03)"} {
		if !strings.Contains(about, word) {
			t.Errorf("tshark does not say %q", word)
		}
	}
	if t.Failed() {
		t.Logf("%.6000s", about)
	}
}

// It shows a card's APDUs as such.
func TestWiresharkOpensExportedCard(t *testing.T) {
	tape := named(cardSession(t))
	_, file := exported(t, tapeFile(t, tape))
	if said := tshark(t, file, "-Y", "_ws.malformed || _ws.expert.severity >= error"); said != "" {
		t.Errorf("tshark finds fault:\n%s", said)
	}
	said := tshark(t, file, "-T", "fields", "-e", "iso7816.apdu.ins", "-e", "iso7816.apdu.sw1", "-Y", "iso7816.apdu.ins || iso7816.apdu.sw1")
	var want []string
	for _, rec := range tape.Records {
		switch {
		case rec.Dir == out && rec.Data[0]&0x80 != 0: // a class of its own, whose instructions Wireshark does not know
		case rec.Dir == out:
			want = append(want, fmt.Sprintf("0x%02x\t", rec.Data[1]))
		default:
			want = append(want, fmt.Sprintf("\t0x%02x", rec.Data[len(rec.Data)-2]))
		}
	}
	sameLines(t, "tshark", strings.Split(strings.TrimRight(said, "\n"), "\n"), want)
	if t.Failed() {
		t.Logf("%.6000s", tshark(t, file))
	}
}
