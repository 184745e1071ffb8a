package capture

import (
	"bufio"
	"bytes"

	"github.com/touchstone-fido/touchstone/ctap2"
	"github.com/touchstone-fido/touchstone/ctap2/wire"
	"github.com/touchstone-fido/touchstone/ctaphid"
	"github.com/touchstone-fido/touchstone/devices/transcript"
)

// versionsMember is how an answer to getInfo begins in diagnostic notation.
var versionsMember = []byte(`{1: [`)

func diagnosticEvidence(line []byte) (Form, int) {
	if bytes.Contains(line, versionsMember) && (bytes.Contains(line, []byte("FIDO_2")) || bytes.Contains(line, []byte("U2F_V2"))) {
		return Diagnostic, 6
	}
	return Diagnostic, 0
}

// readDiagnostic reads answers to getInfo that someone decoded to CBOR's
// diagnostic notation, and encodes them again. Other messages do not show what
// they are.
func readDiagnostic(c *collector, in *bufio.Reader, skipped position) error {
	t := c.newTape(Device{Transport: transcript.HID, ReportSize: ctaphid.ReportSize})
	lines := newLines(c, in, skipped)
	var open *pieces
	for lines.next() {
		text := lines.text
		if at := bytes.Index(text, versionsMember); open == nil && at >= 0 {
			open, text = &pieces{}, text[at:]
		}
		if open == nil {
			continue
		}
		_, mark := excerptMark(text)
		if !mark && !open.add(text) && len(open.text) < maxDiagnostic {
			continue
		}
		if data, err := diagnosticMessage(open.text); err == nil {
			t.write(transcript.Record{Level: transcript.Message, Dir: transcript.In, Command: byte(ctaphid.CommandCBOR), Data: data, Rebuilt: true})
		} else {
			brokenDiagnostic(c, t)
		}
		open = nil
	}
	if open != nil {
		brokenDiagnostic(c, t)
	}
	return lines.err
}

// diagnosticMessage is an answer with its status, if it is one to getInfo.
func diagnosticMessage(text []byte) ([]byte, error) {
	encoded, _, err := parseDiagnostic(append(bytes.Clone(text), '\n'))
	if err != nil {
		return nil, err
	}
	var info struct {
		Versions []string `cbor:"1,keyasint"`
	}
	if err := wire.Decode(encoded, &info); err != nil || len(info.Versions) == 0 {
		return nil, errDiagnostic
	}
	return append([]byte{byte(ctap2.StatusOK)}, encoded...), nil
}

func brokenDiagnostic(c *collector, t *tape) {
	c.remark("the answer breaks off, or is no CBOR; only its status is known")
	t.write(transcript.Record{
		Level: transcript.Message, Dir: transcript.In, Command: byte(ctaphid.CommandCBOR),
		Data: []byte{byte(ctap2.StatusOK)}, Partial: true, Rebuilt: true,
	})
}
