package transcript

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"io"
	"sync"
	"time"

	"github.com/touchstone-fido/touchstone/ctaphid"
	"github.com/touchstone-fido/touchstone/nfc"
)

// PlayConfig says how a [Player] behaves. The zero PlayConfig is good for
// sessions in which nothing was cancelled.
type PlayConfig struct {
	// OnCancel is called where the host of the tape gave up waiting. Let it end
	// the context of the present request, and a cancelled session replays. It
	// must not use the player.
	OnCancel func()

	// Match is how alike the host's questions and those of the tape must be. With
	// any but MatchBytes the player has a framing of its own, compares whole
	// messages, and does the key agreement itself.
	Match Match

	// PIN is the PIN that the session begins with, for a host that is held to it;
	// nil for that of the tape's header, or none.
	PIN []byte

	// Rand is the source of the player's own keys and tokens; crypto/rand if nil.
	Rand io.Reader

	// Speed is how fast answers come: 0 for at once, 1 as on the tape, 2 for twice
	// as fast.
	Speed float64

	// Pause waits for a time or for the context's end; nil for the real clock.
	Pause func(ctx context.Context, d time.Duration) error
}

func (cfg *PlayConfig) setDefaults() {
	if cfg.Rand == nil {
		cfg.Rand = rand.Reader
	}
	if cfg.Pause == nil {
		cfg.Pause = pause
	}
}

// pause waits by the real clock.
func pause(ctx context.Context, d time.Duration) error {
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-timer.C:
		return nil
	case <-ctx.Done():
		return context.Cause(ctx)
	}
}

// Rest waits for what d on the tape's clock is at Speed. The error is the cause
// with which ctx ends before.
func (cfg *PlayConfig) Rest(ctx context.Context, d time.Duration) error {
	if cfg.Speed <= 0 || d <= 0 {
		return nil
	}
	if cfg.Pause == nil {
		cfg.Pause = pause
	}
	return cfg.Pause(ctx, time.Duration(float64(d)/cfg.Speed))
}

// Player is a key that gives the answers of a tape, to the questions of the
// tape, in their order. A question that differs is a [MismatchError], after
// which nothing works any more; a question or an answer that the tape does not
// have next is an [EndError]; a place where the tape lacks something is an
// [ErrCut]. Answers come at once unless [PlayConfig.Speed] says otherwise, and
// nothing is ever recorded.
//
// What cannot be the same twice is carried over from the tape to the host:
// the nonce of CTAPHID_INIT, and the channel where the tape does not tell the
// host which one to use. A tape with a seed is compared byte by byte.
//
// With [MatchRekeyed] and [MatchMeaning] questions are whole messages, and a
// question that does not prove what it has to is an [AuthError].
type Player struct {
	tape  *Tape
	cfg   PlayConfig
	table channels

	mu       sync.Mutex
	steps    []step
	pos      int
	failed   error     // for good
	messages *messages // nil for MatchBytes

	asker *liveReports  // who asked last, of those whose reads wait
	moved chan struct{} // closed when pos or failed has changed
}

// NewPlayer prepares to play a tape. The error wraps [ErrUnplayable] for a
// tape that nobody can ask, such as one without the host's side.
func NewPlayer(tape *Tape, cfg PlayConfig) (*Player, error) {
	if err := tape.playable(); err != nil {
		return nil, fmt.Errorf("tape %s %w", tape.Name, err)
	}
	cfg.setDefaults()
	p := &Player{
		tape:  tape,
		cfg:   cfg,
		table: newChannels(len(tape.Header.Seed) > 0),
		steps: tape.steps(),
		moved: make(chan struct{}),
	}
	if cfg.Match != MatchBytes {
		p.messages = newMessages(tape, &p.cfg)
	}
	return p, nil
}

// Reports connects to the key of a HID tape. After the connection was closed
// where the tape closed it too, the next one goes on from there.
func (p *Player) Reports() (ctaphid.ReportConn, error) {
	if p.tape.Header.Transport != HID {
		return nil, fmt.Errorf("tape %s %w as HID reports: it is of transport %q", p.tape.Name, ErrUnplayable, p.tape.Header.Transport)
	}
	if p.messages != nil {
		return newRekeyedReports(p), nil
	}
	return &playedReports{session{player: p}}, nil
}

// Card connects to the card of an NFC tape, in the same way.
func (p *Player) Card() (nfc.Card, error) {
	if p.tape.Header.Transport != NFC {
		return nil, fmt.Errorf("tape %s %w as a card: it is of transport %q", p.tape.Name, ErrUnplayable, p.tape.Header.Transport)
	}
	if p.messages != nil {
		return &rekeyedCard{session: session{player: p}}, nil
	}
	return &playedCard{session{player: p}}, nil
}

// Close is an [UnreadError] if the tape has more than was played. The Close of
// a connection returns the same, but where the tape closed the connection.
func (p *Player) Close() error {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.messages != nil {
		defer p.messages.keys.wipe()
	}
	return p.unread()
}

// session is one connection to a player. The player's mutex guards it.
type session struct {
	player *Player
	closed bool
}

// Close ends the connection. It gives an UnreadError the first time only.
func (s *session) Close() error {
	p := s.player
	p.mu.Lock()
	defer p.mu.Unlock()
	if s.closed {
		return nil
	}
	s.closed = true
	if p.messages != nil {
		if p.messages.atClose() {
			return nil
		}
		return p.unread()
	}
	if next, _ := p.next(); next.event != nil && next.event.Name == eventClose {
		p.pos++
		return nil
	}
	return p.unread()
}

func (s *session) usable(ctx context.Context, closed error) error {
	if s.closed {
		return fmt.Errorf("tape %s: %w", s.player.tape.Name, closed)
	}
	if ctx.Err() != nil {
		return context.Cause(ctx)
	}
	return nil
}

func (p *Player) unread() error {
	if p.messages != nil {
		return p.messages.unread()
	}
	e := &UnreadError{File: p.tape.Name}
	for _, s := range p.steps[p.pos:] {
		if s.dir == 0 {
			e.Cut = e.Cut || s.event == nil && e.Count == 0
			continue
		}
		if e.Count++; e.Count == 1 {
			e.Line, e.First = s.line, p.name(s)
		}
		if p.begins(s) {
			e.Requests++
		}
	}
	if e.Count == 0 {
		return nil
	}
	return e
}

// begins says whether s is a request or its first part.
func (p *Player) begins(s step) bool {
	if s.dir != Out || p.tape.Header.Transport == NFC {
		return s.dir == Out
	}
	packet, err := ctaphid.ParsePacket(s.data)
	return err == nil && packet.Init && packet.Command != ctaphid.CommandCancel
}

// next is the step that is due, if there is one.
func (p *Player) next() (step, bool) {
	if p.pos == len(p.steps) {
		return step{line: p.tape.Records[len(p.tape.Records)-1].Line}, false
	}
	return p.steps[p.pos], true
}

// ask moves past the request that is due if it is the one that is asked,
// which same decides: it gives the tape's request in the host's terms.
func (p *Player) ask(asked []byte, same func(tape []byte) []byte) error {
	if p.failed != nil {
		return p.failed
	}
	next, ok := p.next()
	if !ok || next.dir != Out {
		p.failed = p.notDue(opWrite, p.named(Out, asked), next, ok)
		return p.failed
	}
	want := same(next.data)
	if at, differ := firstDifference(asked, want); differ {
		p.failed = &MismatchError{
			File: p.tape.Name, Line: next.line, Offset: at,
			Asked: append([]byte(nil), asked...), Want: want,
			AskedName: p.named(Out, asked), WantName: p.named(Out, want),
		}
		return p.failed
	}
	p.pos++
	return nil
}

// answer moves past the answer that is due and gives it. The error when there
// is none is not for good: the host may still ask what the tape has next.
func (p *Player) answer(ctx context.Context) ([]byte, error) {
	if p.failed != nil {
		return nil, p.failed
	}
	next, ok := p.next()
	if !ok || next.dir != In {
		return nil, p.noAnswer(ctx, next, ok)
	}
	if p.pos > 0 {
		if err := p.cfg.Rest(ctx, next.at-p.steps[p.pos-1].at); err != nil {
			return nil, err
		}
	}
	p.pos++
	return next.data, nil
}

// noAnswer says why there is no answer. If it was the host of the tape that
// gave up, the present one gets the chance to do the same.
func (p *Player) noAnswer(ctx context.Context, next step, ok bool) error {
	ended := ok && next.event != nil && next.event.Kind == kindEnded
	if ended || p.isCancel(next) {
		p.cancelled()
	}
	if ctx.Err() != nil {
		if ended {
			p.pos++
		}
		return context.Cause(ctx)
	}
	return p.notDue(opRead, "", next, ok)
}

func (p *Player) cancelled() {
	if p.cfg.OnCancel != nil {
		p.cfg.OnCancel()
	}
}

func (p *Player) isCancel(s step) bool {
	if s.dir != Out {
		return false
	}
	if p.tape.Header.Transport == NFC {
		return isCancelAPDU(s.data)
	}
	packet, err := ctaphid.ParsePacket(s.data)
	return err == nil && packet.Init && packet.Command == ctaphid.CommandCancel
}

// notDue says what the tape has in place of what the host does.
func (p *Player) notDue(op, asked string, next step, ok bool) error {
	e := &EndError{File: p.tape.Name, Line: next.line, Op: op, Asked: asked}
	switch {
	case !ok:
		return e
	case next.dir != 0:
		e.Next = next.dir.String() + " " + p.name(next)
		return e
	case next.event == nil:
		return fmt.Errorf("%s line %d: %w: %s", p.tape.Name, next.line, ErrCut, oneLine(next.cut))
	case next.event.Name == eventError && next.event.Op == op:
		p.pos++
		return p.recorded(next)
	}
	e.Next = next.event.String()
	return e
}

// failure gives back the error that followed a request on the tape, if there
// is one.
func (p *Player) failure(op string) error {
	next, ok := p.next()
	if !ok || next.event == nil || next.event.Name != eventError || next.event.Op != op || next.event.Kind == kindEnded {
		return nil
	}
	p.pos++
	return p.recorded(next)
}

// recorded is an error of the tape.
func (p *Player) recorded(s step) error {
	kind := errors.New("failed")
	switch hid := p.tape.Header.Transport == HID; {
	case s.event.Kind == kindGone && hid:
		kind = ctaphid.ErrGone
	case s.event.Kind == kindGone:
		kind = nfc.ErrGone
	case s.event.Kind == kindLost:
		kind = nfc.ErrTransmission
	}
	return fmt.Errorf("%s line %d: as recorded: %w: %s", p.tape.Name, s.line, kind, oneLine(s.event.Text))
}

func (p *Player) name(s step) string { return p.named(s.dir, s.data) }

func (p *Player) named(dir Direction, data []byte) string {
	return Record{Dir: dir, Level: levelOf(p.tape.Header.Transport), Data: data}.name()
}

// firstDifference is where two byte strings part.
func firstDifference(a, b []byte) (int, bool) {
	n := min(len(a), len(b))
	for i := range n {
		if a[i] != b[i] {
			return i, true
		}
	}
	return n, len(a) != len(b)
}
