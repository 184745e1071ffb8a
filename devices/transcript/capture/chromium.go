package capture

import (
	"bufio"
	"bytes"
	"strconv"

	"github.com/touchstone-fido/touchstone/ctap2"
	"github.com/touchstone-fido/touchstone/ctaphid"
	"github.com/touchstone-fido/touchstone/devices/transcript"
)

// maxDiagnostic bounds one message in diagnostic notation.
const maxDiagnostic = 512 << 10

// chromium reads the FIDO lines of Chromium's device log, from
// chrome://device-log or with --enable-logging --v=1. They have whole CTAP2
// messages decoded to diagnostic notation, which is encoded again here.
type chromium struct {
	c     *collector
	log   ordered
	clock clock
	open  *pieces // a message that goes on in the next line
	begin []byte  // what stands before it
	dir   transcript.Direction
	at    point // where that message begins
}

// What Chromium writes before a message: an arrow, and for a request the number
// of the command, in old versions decimal, and its name.
var (
	chromiumArrow   = pattern(`(?:FIDO|Fido|\.(?:h|cc):\d+|\]).{0,80}?(<-|->) `)
	chromiumRequest = pattern(`^\(?(0x[0-9a-fA-F]+|\d+)\)? ?(?:\(k\w+\) ?)?`)
	chromiumError   = pattern(`^\((?:Unknown )?CTAP2 error code (0x[0-9a-fA-F]+|\d+)[ )]`)
	chromiumRaw     = pattern(`raw message ([0-9A-Fa-f]+)\)`)
	chromiumGetInfo = []byte("AuthenticatorGetInfo request to authenticator")
)

func readChromium(c *collector, in *bufio.Reader, skipped position) error {
	t := c.newTape(Device{Transport: transcript.HID, ReportSize: ctaphid.ReportSize})
	log := chromium{c: c, log: ordered{c: c, tape: t}}
	lines := newLines(c, in, skipped)
	for lines.next() {
		log.line(lines.text)
	}
	log.breaksOff()
	log.log.finish()
	return lines.err
}

func chromiumEvidence(line []byte) (Form, int) {
	if bytes.Contains(line, chromiumGetInfo) {
		return Chromium, 10
	}
	m := chromiumArrowAt(line)
	if m == nil {
		return Chromium, 0
	}
	rest := line[m[1]:]
	known := bytes.HasPrefix(rest, []byte("{")) || bytes.HasPrefix(rest, []byte("(CTAP2 error")) || bytes.Contains(rest, []byte("(k")) ||
		bytes.Contains(rest, []byte("(no payload)")) || bytes.HasPrefix(bytes.TrimLeft(rest, "0123456789"), []byte(" {"))
	if known {
		return Chromium, 12
	}
	return Chromium, 0
}

// chromiumArrowAt finds the arrow of a line: where all of it is and what it is,
// nil if there is none.
func chromiumArrowAt(line []byte) []int {
	if !bytes.Contains(line, []byte("<- ")) && !bytes.Contains(line, []byte("-> ")) {
		return nil
	}
	return chromiumArrow().FindSubmatchIndex(line)
}

func (l *chromium) line(text []byte) {
	if words, ok := excerptMark(text); ok {
		l.breaksOff()
		if len(l.log.held) > 0 || l.log.spilt {
			l.log.add(transcript.Record{Level: transcript.Gap, Cut: oneLine(words)})
		}
		return
	}
	if bytes.Contains(text, chromiumGetInfo) {
		l.breaksOff()
		l.stamp(text)
		l.message(out, []byte{byte(ctap2.CommandGetInfo)})
		return
	}
	m := chromiumArrowAt(text)
	switch {
	case m != nil:
		l.breaksOff()
		l.stamp(text)
		if string(text[m[2]:m[3]]) == "<-" {
			l.request(text[m[1]:])
		} else {
			l.response(text[m[1]:])
		}
	case l.open != nil && !bytes.Contains(text, []byte("FIDO")):
		l.diagnostic(text)
	}
}

func (l *chromium) stamp(text []byte) {
	if at := l.clock.read(text); at.known {
		l.c.time = at
	}
}

// request reads what stands behind "<- ".
func (l *chromium) request(text []byte) {
	if bytes.HasPrefix(text, []byte("(cancel)")) {
		l.log.add(transcript.Record{Level: transcript.Message, Dir: out, Command: byte(ctaphid.CommandCancel), Rebuilt: true})
		return
	}
	m := chromiumRequest().FindSubmatch(text)
	if m == nil {
		return
	}
	n, err := strconv.ParseUint(string(m[1]), 0, 8)
	if bytes.HasPrefix(text, []byte("(0")) && len(m[1]) == 2 {
		n, err = strconv.ParseUint(string(m[1]), 16, 8)
	}
	if err != nil || !isCTAPCommand(byte(n)) {
		return
	}
	l.dir, l.begin = out, []byte{byte(n)}
	rest := text[len(m[0]):]
	if bytes.HasPrefix(rest, []byte("(no payload)")) || bytes.HasPrefix(rest, []byte("<no payload>")) {
		l.message(out, l.begin)
		return
	}
	l.diagnostic(rest)
}

// response reads what stands behind "-> ".
func (l *chromium) response(text []byte) {
	l.dir, l.begin = in, []byte{byte(ctap2.StatusOK)}
	switch m := chromiumError().FindSubmatch(text); {
	case m != nil:
		if n, err := strconv.ParseUint(string(m[1]), 0, 8); err == nil {
			l.message(in, []byte{byte(n)})
		}
	case bytes.HasPrefix(text, []byte("(empty payload)")), bytes.HasPrefix(text, []byte("(rejected empty payload)")):
		l.message(in, l.begin)
	case bytes.HasPrefix(text, []byte("(error reading)")):
		l.log.add(transcript.Record{Level: transcript.Mark, Event: &transcript.Event{Name: "browser", Text: "error reading"}})
	case bytes.HasPrefix(text, []byte("{")), bytes.HasPrefix(text, []byte("[")):
		l.diagnostic(text)
	case bytes.HasPrefix(text, []byte("(rejected CBOR structure) ")):
		l.diagnostic(text[len("(rejected CBOR structure) "):])
	case bytes.HasPrefix(text, []byte("(CTAP2 error")):
		l.c.remark("the line breaks off; the status is not known")
	default:
		l.raw(text)
	}
}

// raw takes an answer that the browser could not decode, and so gives as it is.
func (l *chromium) raw(text []byte) {
	m := chromiumRaw().FindSubmatch(text)
	if m == nil || len(m[1])%2 == 1 || len(m[1]) > 2*maxBytes {
		return
	}
	data := hexAppend(nil, m[1])
	if bytes.Contains(text, []byte("from GetInfo response")) && len(data) > 0 && data[0]>>5 == 5 {
		data = append([]byte{byte(ctap2.StatusOK)}, data...)
	}
	l.log.add(transcript.Record{Level: transcript.Message, Dir: in, Command: byte(ctaphid.CommandCBOR), Data: data})
}

// diagnostic encodes the body of a message again. It may go on in the next
// line.
func (l *chromium) diagnostic(text []byte) {
	if l.open == nil {
		l.open, l.at = &pieces{}, l.c.point
	}
	if !l.open.add(text) && len(l.open.text) < maxDiagnostic {
		return
	}
	encoded, _, err := parseDiagnostic(append(l.open.text, ' '))
	if err != nil {
		l.breaksOff()
		return
	}
	if l.open.broken {
		l.c.remark("a text of the message goes on in another line; what parts it is not known")
	}
	l.open = nil
	l.c.at(l.at, func() { l.message(l.dir, append(l.begin, encoded...)) })
}

// breaksOff ends a message whose text is not whole. Only its first byte is
// known then, since the encoding begins with the number of its members.
func (l *chromium) breaksOff() {
	if l.open == nil {
		return
	}
	l.open = nil
	l.c.at(l.at, func() {
		l.c.remark("the message breaks off in the log, or is no CBOR; only its first byte is known")
		l.log.add(transcript.Record{
			Level: transcript.Message, Dir: l.dir, Command: byte(ctaphid.CommandCBOR), Data: l.begin, Partial: true, Rebuilt: true,
		})
	})
}

func (l *chromium) message(dir transcript.Direction, data []byte) {
	l.log.add(transcript.Record{Level: transcript.Message, Dir: dir, Command: byte(ctaphid.CommandCBOR), Data: data, Rebuilt: true})
}
