package capture

import (
	"bytes"
	"compress/gzip"
	"encoding/json"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/touchstone-fido/touchstone/devices/transcript"
	"github.com/touchstone-fido/touchstone/fixtures"
)

// importedAs reads a capture as one of a form, whatever it looks like.
func importedAs(form Form, data []byte, open Opener) (Result, error) {
	c := newCollector("capture", open)
	c.result.Form = form
	in, err := decoded(bytes.NewReader(data))
	if err == nil {
		err = readers[form](c, in, position{})
	}
	return c.finish(err)
}

// addTexts seeds a fuzz target with what other programs write, and with the
// texts of the corpus where it is there.
func addTexts(f *testing.F, forms ...Form) {
	f.Helper()
	for _, form := range textForms() {
		if slices.Contains(forms, form.form) {
			tape, _ := form.sessionFor(f)
			lines := form.write(f, tape)
			f.Add(text(lines...))
			f.Add(text(lines[len(lines)/3:]...))
		}
	}
	dir, ok := fixtures.FindCorpus(f)
	if !ok {
		return
	}
	for _, name := range corpusCaptures(f) {
		data, err := os.ReadFile(filepath.Join(dir, name))
		if err != nil {
			f.Fatal(err)
		}
		if guesses := Detect(data); len(guesses) > 0 && slices.Contains(forms, guesses[0].Form) {
			f.Add(data)
		}
	}
}

// fuzzForm feeds importers with whatever the fuzzer makes.
func fuzzForm(f *testing.F, forms ...Form) {
	f.Fuzz(func(t *testing.T, data []byte) {
		for _, form := range forms {
			var m tapes
			result, err := importedAs(form, data, m.open)
			checkImport(t, result, err, m)
		}
	})
}

// checkImport holds an import to what is true of each, whatever the capture
// was: the tapes load, their summaries are what a check finds, the remarks are
// in the order of their places.
func checkImport(t *testing.T, result Result, err error, m tapes) {
	t.Helper()
	if err == nil && len(result.Tapes) == 0 {
		t.Fatal("neither a tape nor an error")
	}
	for i, tape := range result.Tapes {
		want, err := transcript.Check(bytes.NewReader(m.files[i].Bytes()), tape.Name)
		if err != nil {
			t.Fatalf("%v\n%s", err, m.files[i].Bytes())
		}
		if want.Lines.Unreadable > 0 {
			t.Fatalf("lines that cannot be read: %v\n%s", want.Problems, m.files[i].Bytes())
		}
		g, _ := json.Marshal(tape.Summary)
		if w, _ := json.Marshal(want); !bytes.Equal(g, w) {
			t.Fatalf("the summary is\n%s\na check says\n%s", g, w)
		}
	}
	if !slices.IsSortedFunc(result.Remarks, func(a, b Remark) int { return a.compare(b.Place) }) {
		t.Fatalf("remarks:\n%s", remarks(result))
	}
}

func FuzzLibfido2(f *testing.F) {
	addTexts(f, Libfido2)
	fuzzForm(f, Libfido2)
}

func FuzzHexLog(f *testing.F) {
	addTexts(f, PythonFIDO2, PCSCD, OpenSC, APDULog, ReportLog, Libwebauthn, MicroG)
	fuzzForm(f, PythonFIDO2, PCSCD)
}

func FuzzChromium(f *testing.F) {
	addTexts(f, Chromium)
	fuzzForm(f, Chromium)
}

func FuzzWindows(f *testing.F) {
	addTexts(f, WindowsEvents)
	fuzzForm(f, WindowsEvents)
}

func FuzzJSONLines(f *testing.F) {
	addTexts(f, JSONLines)
	fuzzForm(f, JSONLines)
}

func FuzzSource(f *testing.F) {
	addTexts(f, Source)
	fuzzForm(f, Source)
}

func FuzzWireshark(f *testing.F) {
	addTexts(f, Wireshark)
	fuzzForm(f, Wireshark)
}

func FuzzDiagnostic(f *testing.F) {
	addTexts(f, Diagnostic)
	f.Add([]byte("{1: [\"FIDO_2_0\", \"U2F_V2\"], 3: h'00112233445566778899aabbccddeeff',\n4: {\"rk\": true, \"up\": false}, 5: 1200}"))
	fuzzForm(f, Diagnostic)
}

// FuzzDiagnosticNotation holds the parser to what it encodes: written as text
// again it means the same.
func FuzzDiagnosticNotation(f *testing.F) {
	for _, seed := range []string{
		`{1: "a", "b": [true, false, null, undefined], -7: h'00ff', 4: <<{1: 2}>>}`, `"ü\n\"\u00e4"`, `[1, 23, 24, 255, 256, 65536, 4294967296, -1]`, `“bent”`, `{1: h’00’}`,
	} {
		f.Add([]byte(seed))
	}
	f.Fuzz(func(t *testing.T, data []byte) {
		encoded, _, err := parseDiagnostic(append(bytes.Clone(data), ' '))
		if err != nil || !utf8Texts(encoded) {
			return
		}
		again, rest, err := parseDiagnostic([]byte(diagnosticText(t, encoded) + " "))
		if err != nil || len(bytes.TrimSpace(rest)) > 0 || !bytes.Equal(again, encoded) {
			t.Fatalf("%x is %x again, and %q is left: %v", encoded, again, rest, err)
		}
	})
}

func FuzzUsbmonText(f *testing.F) {
	var lines []string
	for _, e := range desk(hidSession(f), true) {
		lines = append(lines, usbmonTextLine(e, 32))
	}
	f.Add(text(lines...))
	fuzzForm(f, UsbmonText)
}

func FuzzPcap(f *testing.F) {
	events := desk(hidSession(f), true)
	f.Add(pcapFile(packetsOf(events, linkUSBLinuxMapped, testOrder), linkUSBLinuxMapped, 0, testOrder, false))
	f.Add(pcapFile(packetsOf(events[:60], linkUSBPcap, testOrder), linkUSBPcap, 70, testOrder, true))
	fuzzForm(f, PCAP)
}

func FuzzPcapng(f *testing.F) {
	events := desk(hidSession(f), true)
	f.Add(pcapngFile(f, packetsOf(events, linkUSBLinuxMapped, testOrder), linkUSBLinuxMapped, linkUSBPcap))
	f.Add(bigEndianNg(packetsOf(events[:60], linkUSBLinux, testOrder), linkUSBLinux))
	f.Add(pcapngFile(f, packetsOf(events[:60], linkUSBPcap, testOrder), linkUSBPcap))
	fuzzForm(f, PCAPNG)
}

// FuzzImport finds out what a capture is as well.
func FuzzImport(f *testing.F) {
	for _, form := range textForms() {
		tape, _ := form.sessionFor(f)
		lines := form.write(f, tape)
		f.Add(text(lines[:min(len(lines), 40)]...))
	}
	f.Add(utf16Bytes("Microsoft-Windows-WebAuthN\nEvent ID: 2100\nRequest: 04\n"))
	var packed bytes.Buffer
	w := gzip.NewWriter(&packed)
	if _, err := w.Write([]byte(strings.Repeat("SEND: 0102030490000104\n", 9))); err != nil {
		f.Fatal(err)
	}
	if err := w.Close(); err != nil {
		f.Fatal(err)
	}
	f.Add(packed.Bytes())
	f.Fuzz(func(t *testing.T, data []byte) {
		var m tapes
		result, err := Import(bytes.NewReader(data), "capture", m.open)
		checkImport(t, result, err, m)
	})
}

// FuzzExport exports whatever loads as a tape; what comes of it imports.
func FuzzExport(f *testing.F) {
	addTexts(f, JSONLines)
	f.Add(tapeFile(f, named(hidSession(f))))
	f.Add(tapeFile(f, named(cardSession(f))))
	f.Fuzz(func(t *testing.T, data []byte) {
		reader, err := transcript.NewReader(bytes.NewReader(data), "tape")
		if err != nil {
			return
		}
		var file bytes.Buffer
		result, err := Export(&file, reader, "tape")
		if err != nil {
			return
		}
		if result.Packets > 0 && ngOrder(file.Bytes()) == nil {
			t.Fatalf("%x is no pcapng", file.Bytes())
		}
		var m tapes
		back, err := Import(bytes.NewReader(file.Bytes()), "capture", m.open)
		checkImport(t, back, err, m)
	})
}
