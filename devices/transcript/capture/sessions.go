package capture

import (
	"encoding/binary"
	"slices"

	"github.com/touchstone-fido/touchstone/ctaphid"
	"github.com/touchstone-fido/touchstone/devices/transcript"
)

const (
	maxSessions = 1024     // remembered at once
	maxLimbo    = 16       // sessions whose device is not decided
	maxHeld     = 256      // records of such a session
	maxHeldSize = 64 << 10 // and their bytes
)

// sessions tells the keys in a log apart that does not say which key it speaks
// to. All that such a log has is the channels that keys gave, what they said
// of themselves when they gave them, and perhaps a handle of the program that
// wrote it: an address in its memory, which is another one for each opening of
// the same key.
//
// Two sessions are of one key if the key said the same of itself in both (its
// protocol, version and capabilities), unless they have different handles and
// the earlier one goes on while the later one has begun.
type sessions struct {
	c       *collector
	device  Device // what all of them have in common
	devices []*hidDevice
	known   []*session // in order of their beginning, the oldest forgotten
	handles map[string]*session
	nonces  map[[ctaphid.InitNonceSize]byte]*session
	ids     map[ctaphid.ChannelID]*session
	limbo   []*session
	last    *session
}

// hidDevice is one key.
type hidDevice struct {
	tape     *tape
	identity string // what it said of itself, empty if that is not known
	latest   *session
	size     int // of its reports
}

// session is one channel of one key, or what is taken for it.
type session struct {
	handle   string
	channel  ctaphid.ChannelID // 0 if not known
	identity string
	device   *hidDevice // nil while it is not decided
	rival    *hidDevice // whose session it may be
	held     []heldRecord
	heldSize int
	command  ctaphid.Command // of the last request
	waiting  []heldRecord    // messages sent before the channel was known
}

func newSessions(c *collector, d Device) *sessions {
	return &sessions{
		c: c, device: d, handles: map[string]*session{},
		nonces: map[[ctaphid.InitNonceSize]byte]*session{}, ids: map[ctaphid.ChannelID]*session{},
	}
}

// report takes a report, or what there is of one. handle is empty where the log
// has none.
func (s *sessions) report(handle string, rec transcript.Record) {
	rec.Level = transcript.Report
	p, err := ctaphid.ParsePacket(rec.Data)
	if err != nil {
		s.emit(s.of(handle), rec)
		return
	}
	on := s.find(handle, rec.Dir, p)
	s.learn(on, p.CID)
	if p.Init && rec.Dir == transcript.Out && p.Command != ctaphid.CommandCancel {
		on.command = p.Command
	}
	if on.device != nil && !rec.Partial {
		on.device.size = max(len(rec.Data), ctaphid.MinReportSize)
	}
	s.emit(on, rec)
	if p.Init && p.Command == ctaphid.CommandInit && rec.Dir == transcript.In {
		s.answered(on, p.Data)
	}
}

// find is the session of a packet.
func (s *sessions) find(handle string, dir transcript.Direction, p ctaphid.Packet) *session {
	if p.CID != ctaphid.BroadcastCID {
		if on, ok := s.ids[p.CID]; ok {
			return on
		}
		if on := s.of(handle); on.channel == 0 {
			return on
		}
		return s.resume(handle)
	}
	if !p.Init || p.Command != ctaphid.CommandInit || len(p.Data) < ctaphid.InitNonceSize {
		return s.of(handle)
	}
	nonce := [ctaphid.InitNonceSize]byte(p.Data)
	if dir == transcript.In {
		if on, ok := s.nonces[nonce]; ok {
			return on
		}
	}
	on := s.begin(handle)
	s.nonces[nonce] = on
	return on
}

// of is the latest session of a handle, or a new one.
func (s *sessions) of(handle string) *session {
	if on, ok := s.handles[handle]; ok {
		return on
	}
	if handle == "" && s.last != nil {
		return s.last
	}
	return s.resume(handle)
}

// resume begins a session whose INIT the log does not have: of the key that the
// handle had, or that spoke last.
func (s *sessions) resume(handle string) *session {
	before := s.handles[handle]
	on := s.begin(handle)
	switch {
	case before != nil && before.device != nil:
		s.join(on, before.device)
	case len(s.devices) > 0:
		s.join(on, s.devices[len(s.devices)-1])
	default:
		s.join(on, s.newDevice())
	}
	return on
}

// begin begins a session. What was open of the handle before is over.
func (s *sessions) begin(handle string) *session {
	if before, ok := s.handles[handle]; ok {
		s.settle(before)
	}
	on := &session{handle: handle}
	s.handles[handle] = on
	s.known = append(s.known, on)
	if len(s.known) > maxSessions {
		s.forget(s.known[0])
		s.known = slices.Delete(s.known, 0, 1)
	}
	return on
}

func (s *sessions) forget(on *session) {
	s.settle(on)
	for handle, other := range s.handles {
		if other == on {
			delete(s.handles, handle)
		}
	}
	for nonce, other := range s.nonces {
		if other == on {
			delete(s.nonces, nonce)
		}
	}
	for id, other := range s.ids {
		if other == on {
			delete(s.ids, id)
		}
	}
}

// learn takes note of a session's channel, and sends what waited for it.
func (s *sessions) learn(on *session, id ctaphid.ChannelID) {
	if id == ctaphid.BroadcastCID || on.channel != 0 {
		return
	}
	on.channel = id
	s.ids[id] = on
	waiting := on.waiting
	on.waiting = nil
	s.c.release(waiting, func(rec transcript.Record) { s.fragment(on, rec) })
}

// answered is called after the answer to an INIT (CTAP 2.3 §11.2.9.1.3).
func (s *sessions) answered(on *session, answer []byte) {
	if len(answer) < ctaphid.InitAnswerSize {
		return
	}
	id := ctaphid.ChannelID(binary.BigEndian.Uint32(answer[ctaphid.InitNonceSize:]))
	if on.channel != 0 && on.channel != id {
		delete(s.ids, on.channel)
	}
	on.channel, s.ids[id] = id, on
	on.identity = string(answer[ctaphid.InitNonceSize+4 : ctaphid.InitAnswerSize])
	if on.device != nil {
		if on.device.identity == "" {
			on.device.identity = on.identity
		}
		return
	}
	s.decide(on)
}

// decide finds the key of a session that has said what it is.
func (s *sessions) decide(on *session) {
	for _, d := range slices.Backward(s.devices) {
		if d.identity != "" && d.identity != on.identity {
			continue
		}
		if d.latest.handle == on.handle || d.identity == "" {
			s.join(on, d)
			return
		}
		on.rival = d
		s.limbo = append(s.limbo, on)
		if len(s.limbo) > maxLimbo {
			s.settle(s.limbo[0])
		}
		return
	}
	s.join(on, s.newDevice())
}

// newDevice is one key more. All beyond what a capture may have are one, whose
// tape is refused.
func (s *sessions) newDevice() *hidDevice {
	n := len(s.devices)
	if n > maxTapes {
		return s.devices[n-1]
	}
	d := &hidDevice{tape: s.c.newTape(s.device), size: ctaphid.ReportSize}
	if n == maxTapes {
		d.tape.refuse()
	}
	s.devices = append(s.devices, d)
	return d
}

// settle decides for a session of which nothing more will be known.
func (s *sessions) settle(on *session) {
	switch {
	case on.device != nil:
	case on.rival != nil:
		s.join(on, on.rival)
	case len(s.devices) > 0:
		s.join(on, s.devices[len(s.devices)-1])
	case len(on.held) > 0 || len(on.waiting) > 0:
		s.join(on, s.newDevice())
	}
	s.sendWaiting(on)
}

// join gives a session to a key, with what was held of it.
func (s *sessions) join(on *session, d *hidDevice) {
	s.limbo = slices.DeleteFunc(s.limbo, func(other *session) bool { return other == on })
	on.device, d.latest = d, on
	if d.identity == "" {
		d.identity = on.identity
	}
	s.c.release(on.held, func(rec transcript.Record) { s.write(d, rec) })
	on.held, on.heldSize = nil, 0
}

func (s *sessions) write(d *hidDevice, rec transcript.Record) {
	if n := len(rec.Data); rec.Level == transcript.Report && !rec.Partial && d.tape.device.ReportSize == 0 && n >= ctaphid.MinReportSize {
		d.tape.device.ReportSize = n
	}
	d.tape.write(rec)
}

// emit puts a record on the tape of its session, or holds it.
func (s *sessions) emit(on *session, rec transcript.Record) {
	s.sendWaiting(on)
	s.last = on
	for _, other := range slices.Clone(s.limbo) {
		if other != on && other.rival == on.device && other.handle != on.handle {
			s.join(other, s.newDevice()) // both are open: they are two keys
		}
	}
	if on.device != nil {
		s.write(on.device, rec)
		return
	}
	on.held = append(on.held, heldRecord{s.c.point, rec})
	on.heldSize += len(rec.Data)
	if len(on.held) > maxHeld || on.heldSize > maxHeldSize {
		s.settle(on)
	}
}

// sendWaiting writes the messages whose channel did not come to be known.
func (s *sessions) sendWaiting(on *session) {
	waiting := on.waiting
	on.waiting = nil
	s.c.release(waiting, func(rec transcript.Record) { s.emit(on, rec) })
}

// message takes a message that the log has without its packets, and rebuilds
// those as far as the channel is known.
func (s *sessions) message(handle string, rec transcript.Record) {
	rec.Level = transcript.Message
	command := ctaphid.Command(rec.Command)
	on := s.of(handle)
	if command == ctaphid.CommandInit && rec.Dir == transcript.Out {
		on = s.begin(handle)
	}
	if rec.Dir == transcript.Out && command != ctaphid.CommandCancel {
		on.command = command
	}
	if rec.Dir == transcript.In && command == 0 {
		s.emit(on, rec)
		return
	}
	switch {
	case rec.Partial:
		s.emit(on, rec)
	case command == ctaphid.CommandInit, on.channel != 0:
		s.fragment(on, rec)
	case rec.Dir == transcript.Out && len(on.waiting) < 8:
		on.waiting = append(on.waiting, heldRecord{s.c.point, rec})
	default:
		s.emit(on, rec)
	}
}

// fragment cuts a message into the reports that must have carried it.
func (s *sessions) fragment(on *session, rec transcript.Record) {
	m := ctaphid.Message{CID: on.channel, Command: ctaphid.Command(rec.Command), Payload: rec.Data}
	if m.Command == ctaphid.CommandInit && (rec.Dir == transcript.Out || len(rec.Data) >= ctaphid.InitAnswerSize) {
		m.CID = ctaphid.BroadcastCID
	}
	size := ctaphid.ReportSize
	if on.device != nil {
		size = on.device.size
	}
	cutter, err := ctaphid.NewFragmenter(m, size)
	if err != nil {
		s.c.remark("%v", err)
		s.emit(on, rec)
		return
	}
	for report := make([]byte, size); cutter.Next(report); report = make([]byte, size) {
		s.report(on.handle, transcript.Record{Dir: rec.Dir, Data: report, Rebuilt: true})
	}
}

// gap marks on every tape that the log lacks something here.
func (s *sessions) gap(text string) {
	s.flush()
	for _, d := range s.devices {
		d.tape.gap(text)
	}
	for _, on := range s.known {
		on.command = 0
	}
}

// flush decides what is undecided. It is called at the end too.
func (s *sessions) flush() {
	for _, on := range s.known {
		s.settle(on)
	}
}
