package capture

import (
	"bufio"
	"bytes"
	"slices"
	"strings"

	"github.com/touchstone-fido/touchstone/ctaphid"
	"github.com/touchstone-fido/touchstone/devices/transcript"
	"github.com/touchstone-fido/touchstone/nfc"
)

const (
	maxConstants = 4 << 20 // bytes of all constants of a file
	maxConstant  = 512 << 10
)

// source reads captures that stand in the source code of tests: arrays of bytes
// in C, strings of hex digits in other languages. Such constants have names but
// no order between the directions.
type source struct {
	c      *collector
	name   string
	place  Place
	data   []byte
	all    []constant
	size   int
	closed bool // the last constant has ended
}

// constant is one array or string.
type constant struct {
	name  string
	place Place
	data  []byte
}

var (
	// sourceName is where a constant gets its name.
	sourceName = pattern(`#\s*define\s+(\w+)|(\w+)\s*\[\s*\w*\s*\]\s*=|\b([A-Za-z_]\w*)\s*:?=`)
	// sourceDigits is a string of hex digits, long enough to be an APDU.
	sourceDigits = pattern(`["']((?:[0-9a-fA-F]{2}){4,})["']`)
	sourceByte   = pattern(`\b0[xX]([0-9a-fA-F]{2})\b`)
	comment      = pattern(`/\*.*?\*/|//.*$|^\s*#\s.*$`)
)

func sourceEvidence(line []byte) (Form, int) {
	if bytes.Count(line, []byte("0x")) >= 4 && len(sourceByte().FindAllIndex(line, 5)) >= 4 {
		return Source, 2
	}
	if !bytes.ContainsAny(line, `"'`) {
		return Source, 0
	}
	if m := sourceDigits().FindSubmatch(line); m != nil && len(m[1]) == 2*ctaphid.ReportSize {
		return Source, 4
	}
	return Source, 0
}

func readSource(c *collector, in *bufio.Reader, skipped position) error {
	s := &source{c: c}
	lines := newLines(c, in, skipped)
	for lines.next() {
		s.line(lines.text)
	}
	s.end()
	hid, card := newSessions(c, Device{Transport: transcript.HID}), newCards(c)
	s.put(hid, card)
	hid.flush()
	card.finish()
	return lines.err
}

func (s *source) line(text []byte) {
	text = comment().ReplaceAll(text, nil)
	name := sourceName().FindSubmatch(text)
	if name != nil {
		s.end()
		s.name, s.place, s.closed = string(bytes.Join(name[1:], nil)), s.c.place, false
	}
	if m := sourceDigits().FindAllSubmatch(text, -1); m != nil {
		for _, digits := range m {
			s.data = hexAppend(s.data, digits[1])
		}
		return
	}
	for _, m := range sourceByte().FindAllSubmatch(text, -1) {
		if s.closed {
			s.closed = false
			s.c.remark("bytes of a constant whose name is not there")
		}
		s.data = hexAppend(s.data, m[1])
	}
	if bytes.HasPrefix(bytes.TrimSpace(text), []byte("};")) {
		s.end()
		s.closed = true
	}
	if len(s.data) > maxConstant {
		s.c.remark("the constant %s is longer than any capture in source code; it ends here", s.name)
		s.end()
	}
}

// end ends a constant.
func (s *source) end() {
	if len(s.data) >= 2 && s.size+len(s.data) <= maxConstants {
		s.all = append(s.all, constant{s.name, s.place, s.data})
		s.size += len(s.data)
	} else if len(s.data) >= 2 {
		s.c.remark("the file has more than %d bytes in constants; %s is left out", maxConstants, s.name)
	}
	s.data, s.name = nil, ""
}

// crossing is a record of a constant.
type sourceCrossing struct {
	rec   transcript.Record
	place Place
}

// put hands on the constants as what they are.
func (s *source) put(hid *sessions, card *cards) {
	var reports []sourceCrossing
	channels := s.channels()
	for _, k := range s.all {
		dir := directionOfName(k.name)
		if dir == 0 {
			dir = in
		}
		switch {
		case looksLikeReports(k.data), len(k.data)%ctaphid.ReportSize == 0 && channels[string(k.data[:4])]:
			reports = append(reports, s.reports(k, dir)...)
		case isAPDU(out, k.data, true) && isFIDOCommand(k.data):
			card.apdu("", transcript.Record{Dir: out, Data: k.data, Name: k.name})
		case hasStatusWord(k.data):
			card.apdu("", transcript.Record{Dir: in, Data: k.data, Name: k.name})
		default:
			s.c.leaveOut("the constant "+k.name+" of "+plural(len(k.data), "byte"), "neither reports nor an APDU")
		}
	}
	if inBlocks(reports) {
		s.c.remarkAt(Place{Line: 1}, "the source has requests and answers apart; their order is that of the protocol")
		reports = interleaved(reports)
	}
	for _, r := range reports {
		s.c.at(point{place: r.place}, func() { hid.report("", r.rec) })
	}
}

// channels are those that the constants have, as the first bytes of reports.
func (s *source) channels() map[string]bool {
	channels := map[string]bool{}
	for _, k := range s.all {
		if looksLikeReports(k.data) {
			channels[string(k.data[:4])] = true
		}
	}
	return channels
}

func isFIDOCommand(data []byte) bool {
	c, err := nfc.ParseCommand(data)
	return err == nil && (isFIDO(c) || isSelect(c))
}

// looksLikeReports says whether bytes begin with a CTAPHID packet.
func looksLikeReports(data []byte) bool {
	p, err := ctaphid.ParsePacket(data[:min(len(data), ctaphid.ReportSize)])
	return err == nil && len(data) >= ctaphid.ReportSize-8 && looksLikePacket(p)
}

// outNames and inNames are the words in names of constants that tell which way
// their bytes go.
var (
	outNames = []string{"HOST", "REQUEST", "REQ", "TX", "SEND", "SENT", "OUT", "QUERY", "CLIENT"}
	inNames  = []string{"AUTHENTICATOR", "RESPONSE", "RESP", "RX", "RECV", "RECEIVED", "IN", "DEVICE", "REPLY", "ANSWER", "WIRE", "WIREDATA"}
	words    = pattern(`[A-Z]?[a-z]+|[A-Z]+`)
)

func directionOfName(name string) transcript.Direction {
	for _, word := range words().FindAllString(name, -1) {
		word = strings.ToUpper(word)
		if slices.Contains(outNames, word) {
			return out
		}
		if slices.Contains(inNames, word) {
			return in
		}
	}
	return 0
}

// reports cuts a constant into reports. Where one is shorter than it should be,
// as in fuzz seeds that were edited, the next one is found by its channel.
func (s *source) reports(k constant, dir transcript.Direction) []sourceCrossing {
	var all []sourceCrossing
	channel := k.data[:4]
	data := k.data
	for len(data) > 0 {
		n := min(len(data), ctaphid.ReportSize)
		if n < len(data) && !beginsReport(data[n:], channel) {
			if next := nextReport(data[5:n], channel); next >= 0 {
				n = 5 + next
			}
		}
		rec := transcript.Record{Dir: dir, Data: data[:n], Name: k.name, Partial: n < ctaphid.ReportSize}
		if real := directionOf(transcript.Report, rec.Data); real != 0 {
			rec.Dir = real
		}
		if rec.Partial {
			s.c.remarkAt(k.place, "%s: a report has %d bytes", k.name, n)
		}
		if p, err := ctaphid.ParsePacket(rec.Data); err == nil {
			if given, ok := channelGiven(p); ok {
				channel = []byte{byte(given >> 24), byte(given >> 16), byte(given >> 8), byte(given)}
			}
		}
		all = append(all, sourceCrossing{rec, k.place})
		data = data[n:]
	}
	return all
}

func beginsReport(data, channel []byte) bool {
	return bytes.HasPrefix(data, channel) || bytes.HasPrefix(data, []byte{0xff, 0xff, 0xff, 0xff, 0x86})
}

func nextReport(data, channel []byte) int {
	return bytes.Index(data, channel)
}

// inBlocks says whether all of one direction come before all of the other.
func inBlocks(all []sourceCrossing) bool {
	changes := 0
	for i := 1; i < len(all); i++ {
		if all[i].rec.Dir != all[i-1].rec.Dir {
			changes++
		}
	}
	return changes == 1 && len(all) > 2
}

// exchange is a message in its reports.
type exchange struct {
	reports []sourceCrossing
	first   ctaphid.Packet
}

// exchanges puts the reports of one direction together to messages.
func exchanges(all []sourceCrossing, dir transcript.Direction) []exchange {
	var list []exchange
	for _, r := range all {
		if r.rec.Dir != dir {
			continue
		}
		p, err := ctaphid.ParsePacket(r.rec.Data)
		if len(list) == 0 || err != nil || p.Init {
			list = append(list, exchange{first: p})
		}
		last := &list[len(list)-1]
		last.reports = append(last.reports, r)
	}
	return list
}

// answers says whether a message may be the answer to another.
func (e exchange) answers(request exchange) bool {
	p, q := e.first, request.first
	if p.Command == ctaphid.CommandError {
		return p.CID == q.CID
	}
	nonce := ctaphid.InitNonceSize
	if p.Command == ctaphid.CommandInit && q.Command == ctaphid.CommandInit {
		return len(p.Data) >= nonce && len(q.Data) >= nonce && bytes.Equal(p.Data[:nonce], q.Data[:nonce])
	}
	return p.CID == q.CID && p.Command == q.Command
}

// interleaved puts answers behind their requests, as far as they fit.
func interleaved(all []sourceCrossing) []sourceCrossing {
	requests, answers := exchanges(all, out), exchanges(all, in)
	var order []sourceCrossing
	for _, request := range requests {
		order = append(order, request.reports...)
		n := 0
		for n < len(answers) && answers[n].first.Command == ctaphid.CommandKeepalive && answers[n].first.CID == request.first.CID {
			n++
		}
		if n == len(answers) || !answers[n].answers(request) {
			continue
		}
		for _, answer := range answers[:n+1] {
			order = append(order, answer.reports...)
		}
		answers = answers[n+1:]
	}
	for _, rest := range answers {
		order = append(order, rest.reports...)
	}
	return order
}
