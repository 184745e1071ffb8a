package capture

import (
	"bufio"
	"bytes"
	"encoding/binary"
	"strings"

	"github.com/touchstone-fido/touchstone/ctaphid"
	"github.com/touchstone-fido/touchstone/devices/transcript"
	"github.com/touchstone-fido/touchstone/nfc"
)

// hexLog reads the logs that say in words of their own which way bytes went and
// then write those bytes: python-fido2 and ykman, pcscd, OpenSC, microG, the
// Rust clients and many more. What the bytes are is seen from them.
type hexLog struct {
	c       *collector
	hid     *sessions
	card    *cards
	clock   clock
	reader  readerWords
	below   *below // bytes that stand in the lines after their announcement
	toward  transcript.Direction
	flipped bool // the log was written by the key
	began   bool // a crossing was seen
	level   transcript.Level
	rows    bool               // it has bytes in rows
	dumping bool               // the last line was a row
	stray   bool               // the last line was a row of which nothing says what it is
	left    map[assembling]int // bytes of the messages under way that are still to come
	odd     int                // lines with bytes that are neither
	driver  bool               // it has what OpenSC's driver logs, and so what its tools print twice
	frames  *ccidFrames        // of a reader's driver, nil if the log has their APDUs too
}

// below is bytes that stand in the lines after their announcement.
type below struct {
	mark *mark
	point
	data []byte
	sw   []byte // that the announcement had
	want int    // bytes, -1 if it does not say
	// How many bytes the longest row and the last one have.
	width, last int
}

func readHexLog(c *collector, in *bufio.Reader, skipped position) error {
	log := &hexLog{c: c, hid: newSessions(c, Device{Transport: transcript.HID}), card: newCards(c)}
	log.survey(in)
	lines := newLines(c, in, skipped)
	for lines.next() {
		log.line(lines.text)
	}
	log.end()
	log.hid.flush()
	log.card.finish()
	if log.odd > 0 {
		c.leaveOut(plural(log.odd, "line"), "with bytes that are neither reports nor APDUs")
	}
	return lines.err
}

// survey looks ahead for what the log has: whole messages are taken from it
// only if it has no reports or APDUs.
func (l *hexLog) survey(in *bufio.Reader) {
	head, _ := in.Peek(window)
	l.level, l.frames = transcript.Message, &ccidFrames{}
	for text := range bytes.Lines(head) {
		text = uncoloured(bytes.TrimRight(bytes.Clone(text), "\r\n"))
		m, end := markAt(text)
		dir, _ := packetInWords(text)
		switch {
		case isReports(text), dir != 0, isCCID(text):
			l.level = 0
		case m == nil:
		case m.coding == codingBelow:
			l.level = 0
			l.driver = l.driver || m.ofDriver()
		default:
			if level, _ := l.classify(m, markedBytes(m, text[end:]).data); level != 0 {
				l.level = 0
			}
			if m.form == PCSCD {
				l.frames = nil
			}
		}
	}
}

func (l *hexLog) line(text []byte) {
	if words, ok := excerptMark(text); ok {
		l.end()
		l.hid.gap(words)
		l.card.gap(words)
		return
	}
	if at := l.clock.read(text); at.known {
		l.c.time = at
	}
	l.reader.line(l, text)
	if isForeign(text) || l.special(text) {
		return
	}
	m, end := markAt(text)
	if m == nil || m.form == OpenSC && l.driver && !m.ofDriver() {
		l.row(text)
		return
	}
	b := markedBytes(m, text[end:])
	switch {
	case m.coding == codingBelow:
		l.end()
		l.below = &below{mark: m, point: l.c.point, sw: b.sw, want: b.want}
	case m.strict && len(b.data) == 0:
		l.row(text)
	default:
		l.end()
		l.take(m, b)
	}
}

// ofDriver says whether a mark is what OpenSC's driver of readers logs.
func (m *mark) ofDriver() bool { return m.form == OpenSC && strings.HasSuffix(m.words, " APDU") }

// isForeign says whether a line is of a part of a known program that speaks to
// another function of a key.
func isForeign(text []byte) bool {
	for _, module := range []string{"yubikit.core.otp", "ykman.hid.", "yubikit.yubiotp"} {
		if bytes.Contains(text, []byte(module)) {
			return true
		}
	}
	return false
}

// row takes a line that may have bytes of the last announcement. Other lines may
// stand between, of another program.
func (l *hexLog) row(text []byte) {
	b := l.below
	if b != nil && len(bytes.TrimSpace(text)) == 0 && len(b.data) > 0 {
		l.end()
		return
	}
	want := -1
	if b != nil && b.want > len(b.data) {
		want = b.want - len(b.data)
	}
	data, ok := rowBelow(text, want)
	if !ok || b == nil || b.ended(len(data)) {
		l.strayRow(data, ok)
		return
	}
	b.data, b.width, b.last = append(b.data, data...), max(b.width, len(data)), len(data)
	l.rows, l.dumping = true, true
	if len(b.data) > maxBytes {
		l.end()
	}
}

// ended says whether no more rows belong to an announcement: all bytes are
// there, or the last row was shorter than the first.
func (b *below) ended(next int) bool {
	return b.want >= 0 && len(b.data) >= b.want || b.last < b.width || b.width > 0 && next > b.width
}

// strayRow takes a row that belongs to no announcement.
func (l *hexLog) strayRow(data []byte, row bool) {
	row = row && l.rows && (len(data) >= minStray || l.dumping)
	if row && !l.stray {
		l.c.remark("bytes of which the log does not say what they are")
	}
	l.stray, l.dumping = row, false
}

// minStray is how many bytes a line must have to be taken for a row.
const minStray = 4

// end takes what has come of the bytes below an announcement.
func (l *hexLog) end() {
	b := l.below
	if l.below = nil; b == nil || b.mark.layer == layerNone || len(b.data)+len(b.sw) == 0 {
		return
	}
	l.c.at(b.point, func() { l.take(b.mark, marked{data: append(b.data, b.sw...), want: b.want}) })
}

// take takes bytes with what was said of them.
func (l *hexLog) take(m *mark, b marked) {
	if len(b.data) == 0 {
		l.c.remark("the bytes are not in the log")
		l.hid.gap("bytes that are not in the log")
		return
	}
	level, data := l.classify(m, b.data)
	if level == 0 && l.level == transcript.Message {
		level, data = messageLevel(m.dir, b.data)
	}
	if level == 0 {
		if !m.strict {
			l.c.remark("%s that are neither a report nor an APDU", plural(len(b.data), "byte"))
		}
		l.odd++
		return
	}
	dir := l.direction(m.dir, level, data)
	rec := transcript.Record{Dir: dir, Data: bytes.Clone(data)}
	if b.cut || b.want > len(data) {
		rec.Partial = true
		l.c.remark("the bytes break off")
	}
	switch level {
	case transcript.APDU:
		rec.Partial = rec.Partial || dir == in && !hasStatusWord(data) || dir == out && breaksOff(data)
		l.card.apdu(l.reader.now(), rec)
	case transcript.Message:
		rec.Command = byte(ctaphid.CommandCBOR)
		l.hid.message("", rec)
	default:
		if l.lacks(dir, b.data) && !rec.Partial {
			rec.Partial, rec.Data = true, bytes.Clone(withoutID(b.data))
			l.c.remark("the report breaks off")
		}
		l.hid.report("", rec)
	}
}

// lacks says whether a report has fewer bytes of its message than it should.
// Reports without their padding may be short for another reason.
func (l *hexLog) lacks(dir transcript.Direction, data []byte) bool {
	data = withoutID(data)
	p, err := ctaphid.ParsePacket(data)
	if err != nil {
		return true
	}
	of, room := assembling{p.CID, dir}, ctaphid.ReportSize-5
	if l.left == nil || len(l.left) >= maxAssembling {
		l.left = map[assembling]int{}
	}
	if p.Init {
		l.left[of], room = p.Length, ctaphid.ReportSize-7
	}
	need := min(l.left[of], room)
	l.left[of] -= need
	return len(p.Data) < need
}

// withoutID takes off the report ID of a report.
func withoutID(data []byte) []byte {
	if len(data) == ctaphid.ReportSize+1 && data[0] == 0 {
		return data[1:]
	}
	return data
}

// direction is the direction of a crossing. A log that was written by the key,
// or by a program in its place, has them the other way round; its first
// crossing tells.
func (l *hexLog) direction(dir transcript.Direction, level transcript.Level, data []byte) transcript.Direction {
	if !l.began {
		l.began = true
		if real := directionOf(level, data); real != 0 && real != dir {
			l.flipped = true
			l.c.remark("the log is the key's: what it received is what the host sent")
		}
	}
	if l.flipped {
		return out + in - dir
	}
	return dir
}

// directionOf is the only direction that bytes can have, 0 if either.
func directionOf(level transcript.Level, data []byte) transcript.Direction {
	p, err := ctaphid.ParsePacket(data)
	switch {
	case level == transcript.APDU:
		if c, err := nfc.ParseCommand(data); err == nil && isSelect(c) && bytes.HasPrefix(c.Data, nfc.AID) {
			return out
		}
	case err != nil || !p.Init || p.CID != ctaphid.BroadcastCID || p.Command != ctaphid.CommandInit:
	case p.Length == ctaphid.InitNonceSize:
		return out
	case p.Length == ctaphid.InitAnswerSize:
		return in
	}
	return 0
}

// classify says what bytes are: a report, then without report ID and with its
// padding, or an APDU. The level is 0 if they are neither.
func (l *hexLog) classify(m *mark, data []byte) (transcript.Level, []byte) {
	if m.layer != layerCard {
		if report, ok := l.asReport(data, m.layer == layerHID); ok {
			return transcript.Report, report
		}
	}
	strict := m.strict && (l.c == nil || m.form != l.c.result.Form || m.form == APDULog || m.form == ReportLog)
	if m.layer != layerHID && isAPDU(m.dir, data, strict || m.layer == layerAny) {
		return transcript.APDU, data
	}
	return 0, nil
}

// asReport makes a report of bytes that are one, with or without a report ID
// before and padding after it.
func (l *hexLog) asReport(data []byte, sure bool) ([]byte, bool) {
	data = withoutID(data)
	p, err := ctaphid.ParsePacket(data)
	if err != nil || len(data) > ctaphid.ReportSize {
		return nil, false
	}
	_, known := l.hid.ids[p.CID]
	known = known || p.CID == ctaphid.BroadcastCID
	fits := len(data) == ctaphid.ReportSize || p.Init && len(p.Data) == p.Length && len(data) == len(p.Data)+7
	switch {
	case fits && sure, fits && looksLikePacket(p):
	case known && (fits || !p.Init || looksLikePacket(p)): // one that breaks off
	case sure && looksLikePacket(p):
	default:
		return nil, false
	}
	return append(bytes.Clone(data), make([]byte, ctaphid.ReportSize-len(data))...), true
}

// looksLikePacket says whether a packet of an unknown channel may be one of
// CTAPHID: an init packet with a known command and a possible length.
func looksLikePacket(p ctaphid.Packet) bool {
	if !p.Init || p.Length > ctaphid.MaxMessage || p.CID == 0 {
		return false
	}
	switch p.Command {
	case ctaphid.CommandInit:
		return p.Length == ctaphid.InitNonceSize || p.Length >= ctaphid.InitAnswerSize
	case ctaphid.CommandKeepalive, ctaphid.CommandError:
		return p.Length == 1
	case ctaphid.CommandMsg, ctaphid.CommandCBOR:
		return p.Length > 0
	case ctaphid.CommandPing, ctaphid.CommandWink, ctaphid.CommandLock, ctaphid.CommandCancel:
		return true
	}
	return false
}

// isAPDU says whether bytes may be an APDU of their direction. A response must
// end in a status word where the log's words are not enough.
func isAPDU(dir transcript.Direction, data []byte, strict bool) bool {
	if dir == out {
		_, err := nfc.ParseCommand(data)
		return err == nil || !strict && len(data) >= 4
	}
	return hasStatusWord(data) || !strict && len(data) >= 2
}

// breaksOff says whether a command APDU is shorter than its own length says
// (ISO 7816-4 §5.2).
func breaksOff(data []byte) bool {
	switch {
	case len(data) < 5 || data[4] == 0 && len(data) < 7:
		return len(data) < 4
	case data[4] == 0:
		return len(data) > 7 && len(data) < 7+int(binary.BigEndian.Uint16(data[5:]))
	}
	return len(data) > 5 && len(data) < 5+int(data[4])
}

// hasStatusWord says whether bytes end in a status word: 9000, 91xx or one of
// ISO 7816-4 §5.6.
func hasStatusWord(data []byte) bool {
	if len(data) < 2 {
		return false
	}
	sw1, sw2 := data[len(data)-2], data[len(data)-1]
	return sw1 > 0x60 && sw1 < 0x70 || sw1 == 0x90 && sw2 == 0 || sw1 == 0x91
}

// messageLevel says whether bytes may be a whole CTAP2 message: a command or a
// status, and a CBOR map or nothing.
func messageLevel(dir transcript.Direction, data []byte) (transcript.Level, []byte) {
	body := len(data) == 1 || data[1]>>5 == 5
	if body && (dir == in && data[0] < 0x80 || dir == out && isCTAPCommand(data[0])) {
		return transcript.Message, data
	}
	return 0, nil
}

// packetWords are the packets as u2f-ref-code's HID tests print them.
var packetWords = pattern(`([<>]) ?([0-9a-fA-F]{8}):([0-9a-fA-F]{2})(?:\[(\d+)\])?:([0-9a-fA-F]*)`)

// special takes the forms that are no announcement and bytes.
func (l *hexLog) special(text []byte) bool {
	switch {
	case isReports(text):
		l.end()
		l.rustReport(text)
		return true
	case bytes.Contains(text, []byte("Sending packet as HID report")):
		l.toward = out
		return true
	case bytes.Contains(text, []byte("Received HID report")):
		l.toward = in
		return true
	}
	if dir, data := packetInWords(text); dir != 0 {
		l.end()
		l.take(&mark{dir: dir, layer: layerHID}, marked{data: data, want: -1})
		return true
	}
	return l.frame(text)
}

// frame takes a line with a frame of a reader's driver.
func (l *hexLog) frame(text []byte) bool {
	dir, frame := ccidFrame(text)
	if dir == 0 || l.frames == nil || !carries(dir, frame) {
		return dir != 0
	}
	if len(frame) < ccidHeader {
		l.c.remark("the frame breaks off")
		return true
	}
	if apdu, ok := l.frames.add(dir, frame); ok {
		l.end()
		l.take(&mark{dir: dir, layer: layerCard}, apdu)
	}
	return true
}

// packetInWords is the packet that a line of u2f-ref-code has. The direction is
// 0 if it has none.
func packetInWords(text []byte) (transcript.Direction, []byte) {
	if !bytes.ContainsAny(text, "<>") || bytes.Count(text, []byte(":")) < 2 {
		return 0, nil
	}
	m := packetWords().FindSubmatch(text)
	if m == nil {
		return 0, nil
	}
	data := hexAppend(nil, append(append([]byte{}, m[2]...), m[3]...))
	if len(m[4]) > 0 {
		data = binary.BigEndian.AppendUint16(data, uint16(number(m[4])))
	}
	data = hexAppend(data, m[5][:len(m[5])&^1])
	data = data[:min(len(data), ctaphid.ReportSize)]
	if m[1][0] == '<' {
		return in, data
	}
	return out, data
}

// isReports says whether a line is one of libwebauthn's with a report.
func isReports(text []byte) bool {
	return bytes.Contains(text, []byte("report=[")) || bytes.Contains(text, []byte("report: ["))
}

// rustReport takes a report of libwebauthn. Its words for both directions are
// the same; the line or the one before has the function, and what is sent has a
// report ID.
func (l *hexLog) rustReport(text []byte) {
	at := bytes.Index(text, []byte("report"))
	data, whole := numberRun(text[at+len("report")+1+bytes.Count(text[at:at+8], []byte(" ")):])
	dir := l.toward
	switch {
	case bytes.Contains(text, []byte("hid_send")), len(data) == ctaphid.ReportSize+1:
		dir = out
	case bytes.Contains(text, []byte("hid_recv")), dir == 0:
		dir = in
	}
	l.toward = 0
	l.take(&mark{dir: dir, layer: layerHID}, marked{data: data, cut: !whole, want: -1})
}
