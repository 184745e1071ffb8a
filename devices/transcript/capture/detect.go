package capture

import (
	"bufio"
	"bytes"
	"encoding/binary"
	"fmt"
	"slices"

	"github.com/touchstone-fido/touchstone/ctaphid"
)

// Form is a form of capture.
type Form string

// Forms.
const (
	PCAP        Form = "pcap capture"
	PCAPNG      Form = "pcapng capture"
	Libfido2    Form = "libfido2 debug log"
	PythonFIDO2 Form = "python-fido2 or ykman log"
	PCSCD       Form = "pcscd log"
	OpenSC      Form = "OpenSC log"
	MicroG      Form = "microG log"
	APDULog     Form = "log of APDUs"
	ReportLog   Form = "log of reports"
	Libwebauthn Form = "libwebauthn log"

	UsbmonText    Form = "usbmon text"
	Chromium      Form = "Chromium device log"
	WindowsEvents Form = "Windows WebAuthn event log"
	JSONLines     Form = "tape"
	Source        Form = "source code with captures"
	Wireshark     Form = "Wireshark text export"
	Diagnostic    Form = "CBOR in diagnostic notation"
)

// form is a form of capture and how to read it.
type form struct {
	name Form
	read readFunc
}

// detector says which form a line of a text speaks for, and how much.
type detector func(line []byte) (Form, int)

// detectors are those of the forms that are text. Where two forms have the same
// said for them, the one that comes first here is taken.
var detectors = []detector{
	jsonEvidence, libfido2Evidence, usbmonEvidence, windowsEvidence, chromiumEvidence, wiresharkEvidence, hexEvidence,
	sourceEvidence, diagnosticEvidence,
}

var readers = map[Form]readFunc{
	PCAP: readPcap, PCAPNG: readPcapng,
	Libfido2: readLibfido2, UsbmonText: readUsbmonText, Chromium: readChromium, WindowsEvents: readWindows,
	JSONLines: readJSONLines, Source: readSource, Wireshark: readWireshark, Diagnostic: readDiagnostic,
	Libwebauthn: readHexLog, MicroG: readHexLog, PythonFIDO2: readHexLog, OpenSC: readHexLog,
	PCSCD: readHexLog, APDULog: readHexLog, ReportLog: readHexLog,
}

func libfido2Evidence(line []byte) (Form, int) {
	at, name := fidoFunction(line)
	if at < 0 || dumpKindOf(name, line[at+len(name):], fidoFields(line[at+len(name):])) == noDump {
		return Libfido2, 0
	}
	return Libfido2, 10
}

// hexEvidence is how much a line speaks for one of the logs that announce bytes
// in words.
func hexEvidence(line []byte) (Form, int) {
	if isReports(line) {
		return Libwebauthn, 10
	}
	if dir, data := packetInWords(line); dir != 0 && len(data) == ctaphid.ReportSize {
		return ReportLog, 8
	}
	if dir, _ := ccidFrame(line); dir != 0 {
		return PCSCD, 6
	}
	m, end := markAt(line)
	if m == nil {
		return "", 0
	}
	if !m.strict {
		return m.form, 8
	}
	l := hexLog{hid: &sessions{}}
	if b := markedBytes(m, line[end:]); len(b.data) >= 2 {
		if level, _ := l.classify(m, b.data); level != 0 {
			return m.form, 6
		}
	}
	return m.form, 0
}

// Guess is a form that a text may have, and how much speaks for it.
type Guess struct {
	Form     Form
	Evidence int // a line that only this form has counts about 10
}

// Detect looks at the beginning of a capture and says what forms it may have,
// the likeliest first. 256 KiB are enough.
func Detect(head []byte) []Guess {
	if form, ok := binaryForm(head); ok {
		return []Guess{{form, 100}}
	}
	var guesses []Guess
	for line := range bytes.Lines(head) {
		line = uncoloured(bytes.TrimRight(bytes.Clone(line), "\r\n"))
		for _, detect := range detectors {
			form, n := detect(line)
			if n == 0 {
				continue
			}
			i := slices.IndexFunc(guesses, func(g Guess) bool { return g.Form == form })
			if i < 0 {
				i = len(guesses)
				guesses = append(guesses, Guess{Form: form})
			}
			guesses[i].Evidence += n
		}
	}
	slices.SortStableFunc(guesses, func(a, b Guess) int { return b.Evidence - a.Evidence })
	return guesses
}

// binaryForm knows the forms that are no text by how they begin.
func binaryForm(head []byte) (Form, bool) {
	if len(head) < 12 {
		return "", false
	}
	if ngOrder(head) != nil {
		return PCAPNG, true
	}
	_, ok := pcapMagics[binary.BigEndian.Uint32(head)]
	return PCAP, ok
}

// recognise finds out what a capture is. Of a text, what comes before the first
// sign of a known form is passed over.
func recognise(in *bufio.Reader) (form, position, error) {
	var skipped position
	for {
		head, err := in.Peek(window)
		if readError(err) && err != bufio.ErrBufferFull { // of a packed file that breaks off there is what came before
			return form{}, skipped, fmt.Errorf("read: %w", err)
		}
		if guesses := Detect(head); len(guesses) > 0 {
			name := guesses[0].Form
			return form{name, readers[name]}, skipped, nil
		}
		if len(head) < window || bytes.IndexByte(head, 0) >= 0 {
			return form{}, skipped, unknown(head)
		}
		pass(in, head, &skipped)
	}
}

// otherFiles are files that this package does not read, by how they begin, with
// what to do about it.
var otherFiles = []struct{ begin, advice string }{
	{"ElfFile\x00", "a binary event log of Windows; save it as XML in the Event Viewer"},
	{"PK\x03\x04", "a ZIP archive; unpack it first"},
	{"\xfd7zXZ\x00", "packed with xz; unpack it first"},
	{"\x28\xb5\x2f\xfd", "packed with zstd; unpack it first"},
	{"BZh", "packed with bzip2; unpack it first"},
}

// unknown is the error for a file without a known form.
func unknown(head []byte) error {
	for _, f := range otherFiles {
		if bytes.HasPrefix(head, []byte(f.begin)) {
			return fmt.Errorf("%w: it is %s", ErrUnknown, f.advice)
		}
	}
	return ErrUnknown
}

// pass passes over the whole lines of a window, or all of it if it has none.
func pass(in *bufio.Reader, head []byte, skipped *position) {
	n := bytes.LastIndexByte(head, '\n') + 1
	if n == 0 {
		n = len(head)
	}
	skipped.line += bytes.Count(head[:n], []byte("\n"))
	skipped.offset += int64(n)
	_, _ = in.Discard(n) // they are in the buffer
}
