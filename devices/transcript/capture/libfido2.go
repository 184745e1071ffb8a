package capture

import (
	"bufio"
	"bytes"
	"errors"
	"fmt"
	"strconv"
	"strings"

	"github.com/touchstone-fido/touchstone/ctaphid"
	"github.com/touchstone-fido/touchstone/devices/transcript"
)

// maxProcesses bounds how many programs are followed that write to one log.
const maxProcesses = 64

// libfido2 reads what libfido2 prints with FIDO_DEBUG, in the words of all its
// versions: the reports that came in whole, what was sent as the message alone
// without its packets, APDUs both ways. Keepalives are not in such a log.
type libfido2 struct {
	c         *collector
	hid       *sessions
	card      *cards
	clock     clock
	processes map[string]*fidoProcess
}

// fidoProcess is one program among those that wrote to the log.
type fidoProcess struct {
	log     *libfido2
	id      string  // what tells it from the others, empty in most logs
	handle  string  // of the key that was spoken to last
	command byte    // that it was asked last, 0 if not known
	named   bool    // the log has said so since the last message was sent
	dumping bool    // the last line was of a dump
	stray   bool    // it was of one that was not announced
	dumps   []*dump // in order; those behind one that is not whole wait for it
	sent    *dump   // a message of which it is not known yet whether a card got it
	in      incoming
}

func readLibfido2(c *collector, in *bufio.Reader, skipped position) error {
	log := &libfido2{
		c: c, hid: newSessions(c, Device{Transport: transcript.HID}), card: newCards(c),
		processes: map[string]*fidoProcess{},
	}
	lines := newLines(c, in, skipped)
	for lines.next() {
		log.line(lines.text)
	}
	log.flush()
	log.hid.flush()
	log.card.finish()
	return lines.err
}

// line takes one line: the announcement of a dump, a row of one, or what is
// neither.
func (l *libfido2) line(text []byte) {
	if words, ok := excerptMark(text); ok {
		l.flush()
		l.hid.gap(words)
		l.card.gap(words)
		for _, p := range l.processes {
			p.command = 0
		}
		return
	}
	if at := l.clock.read(text); at.known {
		l.c.time = at
	}
	at, name := fidoFunction(text)
	if m := otherDump().FindSubmatch(text); at < 0 && m != nil {
		l.process(processOf(text[:len(text)-len(m[0])])).ignore(fidoLength(m[1]))
		return
	}
	if at < 0 {
		l.process(processOf(text)).row(text)
		return
	}
	l.process(processOf(text[:at])).announce(name, text[at+len(name):])
}

func (l *libfido2) process(id string) *fidoProcess {
	if p, ok := l.processes[id]; ok {
		return p
	}
	if len(l.processes) == maxProcesses {
		l.flush()
		clear(l.processes)
	}
	p := &fidoProcess{log: l, id: id}
	l.processes[id] = p
	return p
}

// flush ends what is under way.
func (l *libfido2) flush() {
	for _, p := range l.processes {
		p.settle(true)
		p.decideSent(false)
		p.deliver()
	}
}

// processOf is the number in "name[123]: ", as a system's log has it.
func processOf(prefix []byte) string {
	prefix = prefix[:min(len(prefix), clockAhead)]
	end := bytes.Index(prefix, []byte("]: "))
	if end < 0 {
		return ""
	}
	begin := bytes.LastIndexByte(prefix[:end], '[')
	if begin < 0 || digits(prefix[begin+1:end]) != end-begin-1 {
		return ""
	}
	return string(prefix[begin+1 : end])
}

// otherDump is the announcement of bytes that other functions show: parts of
// messages, once more.
var otherDump = pattern(`\b[a-z]\w+: buf=\S+, (?:len|count)=(\d+)\s*$`)

// ignore opens a dump that does not matter.
func (p *fidoProcess) ignore(want int) {
	p.settle(false)
	p.dumps = append(p.dumps, &dump{kind: dumpAgain, point: p.log.c.point, want: want, whole: want <= 0})
	p.settle(false)
}

// fidoFunctions are the functions of libfido2 whose words matter.
var fidoFunctions = []string{
	"fido_tx: ", "fido_rx: ", "fido_rx-tail: ", "rx_preamble: ", "rx: ", "tx: ", "[rx] ", "[tx] ",
	"fido_pcsc_write: ", "fido_pcsc_read: ", "fido_nfc_write: ", "fido_nfc_read: ",
}

// fidoFunction finds where one of them begins in a line, -1 if none does.
func fidoFunction(text []byte) (at int, name string) {
	at = -1
	for _, f := range fidoFunctions {
		i := bytes.Index(text, []byte(f))
		if i < 0 || i > 0 && (isWord(text[i-1]) || text[i-1] == '-') || at >= 0 && i >= at {
			continue
		}
		at, name = i, f
	}
	return at, name
}

// announce takes a line of libfido2 behind the name of its function.
func (p *fidoProcess) announce(function string, words []byte) {
	fields := fidoFields(words)
	if fields.handle != "" {
		p.handle = p.id + "@" + fields.handle
	}
	if fields.command >= 0 {
		p.command = byte(fields.command) &^ 0x80
		p.named = p.named || strings.Contains(function, "tx")
	}
	kind := dumpKindOf(function, words, fields)
	if kind == noDump {
		return
	}
	p.settle(false)
	want := fields.length
	if want < 0 && kind == dumpReport {
		want = ctaphid.ReportSize
	}
	d := &dump{kind: kind, point: p.log.c.point, handle: p.handle, command: p.command, want: want}
	if kind == dumpSent {
		d.unnamed, p.named = !p.named, false
	}
	p.dumping, p.stray = true, false
	d.whole = want == 0
	p.dumps = append(p.dumps, d)
	p.settle(false)
}

// fidoWords are the values in a line of libfido2, -1 or empty for what is not
// there.
type fidoWords struct {
	handle          string
	command, length int
	buffer          bool // it says where the bytes are, which then follow
	wait            bool // it says how long it waits for them: they are still to come
}

func fidoFields(words []byte) fidoWords {
	f := fidoWords{command: -1, length: -1}
	for _, field := range bytes.FieldsFunc(words, func(r rune) bool { return r == ' ' || r == ',' }) {
		name, value, found := bytes.Cut(field, []byte("="))
		switch {
		case found && (string(name) == "d" || string(name) == "dev"):
			f.handle = string(value)
		case found && string(name) == "cmd":
			f.command = fidoCommand(value)
		case found && string(name) == "buf":
			f.buffer = true
		case found && (string(name) == "len" || string(name) == "count" || string(name) == "r"):
			f.length = fidoLength(value)
		case found && string(name) == "ms":
			f.wait = true
		}
	}
	if i := bytes.LastIndex(words, []byte("len ")); i >= 0 && f.length < 0 {
		f.length = fidoLength(words[i+len("len "):])
	}
	return f
}

// fidoCommand is a command of two digits, -1 for any other.
func fidoCommand(value []byte) int {
	value = bytes.TrimPrefix(value, []byte("0x"))
	n, err := strconv.ParseUint(string(value), 16, 8)
	if err != nil || len(value) != 2 {
		return -1
	}
	return int(n)
}

// fidoLength is a length that a dump can have, -1 for any other.
func fidoLength(digits []byte) int {
	n, err := strconv.ParseUint(string(bytes.TrimSpace(digits)), 10, 32)
	if err != nil || n > maxBytes {
		return -1
	}
	return int(n)
}

// dumpKindOf says what bytes follow a line of libfido2.
func dumpKindOf(function string, words []byte, f fidoWords) dumpKind {
	has := func(s string) bool { return bytes.Contains(words, []byte(s)) }
	switch function {
	case "fido_tx: ", "tx: ", "[tx] ":
		if f.buffer {
			return dumpSent
		}
	case "fido_rx: ", "fido_rx-tail: ":
		if f.length >= 0 && !f.wait {
			return dumpReceived
		}
	case "rx_preamble: ", "rx: ", "[rx] ":
		switch {
		case has("initiation frame"), has("continuation frame"):
			return dumpReport
		case has("payload at"):
			return dumpReceived
		case f.buffer && f.length >= 0 && !f.wait:
			return dumpEither
		}
	case "fido_pcsc_write: ":
		if has("writing") {
			return dumpCommand
		}
		if has("read:") {
			return dumpResponse
		}
	case "fido_nfc_write: ":
		if f.buffer {
			return dumpCommand
		}
	case "fido_nfc_read: ":
		if f.buffer {
			return dumpResponse
		}
	case "fido_pcsc_read: ":
		if f.buffer {
			return dumpAgain
		}
	}
	return noDump
}

// row takes a line that may be a row of a dump.
func (p *fidoProcess) row(text []byte) {
	r, ok := parseRow(text)
	if !ok {
		p.dumping = false
		return
	}
	d := p.dumpFor(r)
	if d == nil {
		// libfido2's tools print rows without offsets of their own.
		if !p.stray && (r.offset >= 0 || p.dumping) {
			p.log.c.remark("bytes of which the log does not say what they are")
		}
		p.stray = true
		return
	}
	p.dumping = true
	d.add(p.log.c, r)
	p.settle(false)
}

// dumpFor is the dump that a row belongs to: the latest whose next row it is,
// else the latest.
func (p *fidoProcess) dumpFor(r dumpRow) *dump {
	var latest *dump
	for i := len(p.dumps) - 1; i >= 0; i-- {
		d := p.dumps[i]
		if d.whole {
			continue
		}
		if latest == nil {
			latest = d
		}
		if r.offset >= 0 && r.offset == d.start+len(d.data) && d.damage == "" {
			return d
		}
	}
	return latest
}

// settle handles the dumps that are whole, in order. Of those that are not, the
// latest may go on, since another program may have written in between; the
// others are cut. At the end all are.
func (p *fidoProcess) settle(end bool) {
	for len(p.dumps) > 0 {
		d := p.dumps[0]
		if !d.whole && !end && len(p.dumps) <= 2 {
			return
		}
		p.dumps = p.dumps[1:]
		p.log.c.at(d.point, func() { p.hand(d) })
	}
}

// hand hands on the bytes of a dump.
func (p *fidoProcess) hand(d *dump) {
	if !d.whole && d.kind != dumpAgain {
		d.missing(p.log.c)
	}
	if d.kind == dumpCommand || d.kind == dumpResponse || d.kind == dumpAgain {
		p.decideSent(true)
	} else {
		p.decideSent(false)
	}
	switch d.kind {
	case dumpSent:
		p.deliver()
		p.sent = d
	case dumpCommand:
		p.log.card.apdu("", d.record(transcript.Out))
	case dumpResponse:
		p.log.card.apdu("", d.record(transcript.In))
	case dumpReport:
		p.report(d)
	case dumpReceived:
		p.received(d)
	case dumpEither:
		if p.in.whole() && d.want == p.in.want || d.want != ctaphid.ReportSize && !p.in.sized(d.want) {
			p.received(d)
			return
		}
		p.report(d)
	}
}

// decideSent hands on a message that was sent, now that it is known whether it
// goes to a card.
func (p *fidoProcess) decideSent(card bool) {
	d := p.sent
	if d == nil {
		return
	}
	p.sent = nil
	rec := d.record(transcript.Out)
	rec.Command = d.command
	p.log.c.at(d.point, func() {
		if d.unnamed {
			p.log.c.remark("the log does not say which command was sent here")
			rec.Command = commandOf(rec.Data)
		}
		if card {
			rec.Level = transcript.Message
			p.log.card.of("").tape.write(rec)
		} else {
			p.log.hid.message(d.handle, rec)
		}
	})
}

// commandOf is the command that a request most likely had.
func commandOf(request []byte) byte {
	switch {
	case len(request) == ctaphid.InitNonceSize:
		return byte(ctaphid.CommandInit)
	case len(request) > 0 && isCTAPCommand(request[0]):
		return byte(ctaphid.CommandCBOR)
	}
	return byte(ctaphid.CommandMsg)
}

// errNoBeginning is a report that the log has without its header.
var errNoBeginning = errors.New("no beginning")

// report takes a received report. It waits for the rest of its message.
func (p *fidoProcess) report(d *dump) {
	rec := d.record(transcript.In)
	rec.Offset, rec.Length = 0, 0
	packet, err := ctaphid.ParsePacket(rec.Data)
	if d.start > 0 || err != nil && rec.Partial {
		rec = transcript.Record{Level: transcript.Gap, Cut: "a report whose beginning is missing"}
		packet, err = ctaphid.Packet{}, errNoBeginning
	}
	if err == nil && packet.Init || len(p.in.reports) >= maxHeld {
		p.deliver()
	}
	p.in.add(heldReport{heldRecord{d.point, rec}, d.handle}, packet, err)
}

// received takes a received message, which the reports before it carried. If
// those were damaged in the log and the message was not, they are rebuilt.
func (p *fidoProcess) received(d *dump) {
	defer func() { p.in = incoming{} }()
	c := p.log.c
	switch {
	case len(p.in.reports) == 0:
		rec := d.record(transcript.In)
		rec.Command = d.command
		p.log.hid.message(d.handle, rec)
	case p.in.whole():
		if d.whole && d.damage == "" && !bytes.Equal(p.in.payload, d.data) {
			c.remark("the message is not what its reports have; the reports are kept")
		}
		p.deliver()
	case d.whole && d.damage == "" && d.start == 0 && p.in.begun && d.want == p.in.want:
		c.remark("the reports of this message are damaged in the log; they are rebuilt from the message")
		p.log.hid.message(p.in.reports[0].handle, transcript.Record{Dir: transcript.In, Command: p.in.command, Data: d.data})
	default:
		p.deliver()
		if d.start > 0 {
			p.log.hid.gap(fmt.Sprintf("reports before byte %d of the message", d.start))
			rec := d.record(transcript.In)
			rec.Command = d.command
			p.log.hid.message(d.handle, rec)
		}
	}
}

// deliver hands on the reports that wait.
func (p *fidoProcess) deliver() {
	for _, r := range p.in.reports {
		p.log.c.at(r.point, func() {
			if r.rec.Level == transcript.Gap {
				p.log.hid.gap(r.rec.Cut)
			} else {
				p.log.hid.report(r.handle, r.rec)
			}
		})
	}
	p.in = incoming{}
}
