package replay

import (
	"context"
	"errors"
	"fmt"
	"io"
	"time"

	"github.com/touchstone-fido/touchstone/ctaphid"
	"github.com/touchstone-fido/touchstone/devices/transcript"
	"github.com/touchstone-fido/touchstone/nfc"
)

// Options say how to ask. The zero value asks a tape as fast as it goes.
type Options struct {
	// Match is how alike the questions of today's client and those of the tape
	// must be, for [Run]; transcript.MatchBytes is taken for MatchRekeyed.
	Match transcript.Match

	// PIN gives the PIN that the tape's session begins with, or that it sets: it
	// is called once, when the first question needs it. With fresh it is asked for
	// the PIN that a question changes it to. nil, or nil from it, is for the PIN of
	// the tape's header, and for a tape without one for any PIN at all, which only
	// the tape itself takes. The caller keeps what it gave.
	PIN func(ctx context.Context, fresh bool) ([]byte, error)

	// Rand is the source of nonces and key agreement keys; crypto/rand if nil.
	Rand io.Reader

	// Speed is how fast it goes: 0 without waiting, 1 as on the tape, 2 twice as
	// fast. Pause waits; nil for the real clock.
	Speed float64
	Pause func(ctx context.Context, d time.Duration) error

	// OnEvent is told what the key waits for, such as "up-needed", and "done" at
	// the end of a question in which it waited.
	OnEvent func(status string, since time.Duration)

	// Timeout is how long one question may take, 0 for no limit.
	Timeout time.Duration
}

// Key is an open connection to a key, below the framing: exactly one of them is
// set.
type Key struct {
	Reports ctaphid.ReportConn
	Card    nfc.Card
}

// Verdict is what became of a question.
type Verdict string

// Verdicts.
const (
	Same     Verdict = "same"
	Differs  Verdict = "differs"
	NotAsked Verdict = "not asked"
)

// Step is one question of the tape, asked again.
type Step struct {
	Line     int           // of the question on the tape
	Time     time.Duration // on the tape's clock
	Question string        // by the standard's names
	Request  []byte        // that was sent, nil if nothing was

	Recorded, Got []Fact
	Verdict       Verdict
	Differences   []Difference
	Reason        string // why it was not asked, or not by the client's own method
	Raw           bool   // the client has no method for it, or asks otherwise: it was sent as it is
}

// Report is what [Run] and [Against] found.
type Report struct {
	Tape                    string
	Against                 bool // a key answered, and not the tape
	Match                   transcript.Match
	Steps                   []Step
	Same, Differs, NotAsked int
}

// OK says whether nothing differs and nothing was left out.
func (r *Report) OK() bool { return r.Differs == 0 && r.NotAsked == 0 }

func (r *Report) add(s Step) {
	switch s.Verdict {
	case Same:
		r.Same++
	case Differs:
		r.Differs++
	default:
		r.NotAsked++
	}
	r.Steps = append(r.Steps, s)
}

// Run asks the questions of a tape again, of the tape, through today's client,
// and compares what the client returns with what the tape says, member by member.
// What a key agreement makes different is compared by its form. The error is for
// a tape that cannot be asked at all; one that ends the session shows in the
// report, and what is behind it was not asked.
func Run(ctx context.Context, tape *transcript.Tape, o Options) (*Report, error) {
	o.Match = max(o.Match, transcript.MatchRekeyed)
	pin, err := firstPIN(ctx, tape, &o)
	if err != nil {
		return nil, err
	}
	player, err := transcript.NewPlayer(tape, transcript.PlayConfig{
		Match: o.Match, PIN: pin, Rand: o.Rand, Speed: o.Speed, Pause: o.Pause,
	})
	if err != nil {
		return nil, err
	}
	var key Key
	if tape.Header.Transport == transcript.NFC {
		key.Card, err = player.Card()
	} else {
		key.Reports, err = player.Reports()
	}
	if err != nil {
		return nil, err
	}
	a := newAsker(tape, key, o)
	a.report.Match = o.Match
	report, err := a.run(ctx)
	return report, errors.Join(err, closing(report, player.Close()))
}

// closing is err, of a player, unless the report says that not all was asked.
func closing(r *Report, err error) error {
	var unread *transcript.UnreadError
	if r != nil && r.NotAsked > 0 && errors.As(err, &unread) {
		return nil
	}
	return err
}

// Against asks the questions of a tape of a key. The connection is the caller's
// to close. The error is for a key that does not open, or that has left; what was
// asked before is in the report then.
func Against(ctx context.Context, tape *transcript.Tape, key Key, o Options) (*Report, error) {
	if (key.Reports == nil) == (key.Card == nil) {
		return nil, errors.New("replay: no open key")
	}
	if len(tape.Exchanges()) == 0 {
		return nil, fmt.Errorf("tape %s %w: it asks nothing", tape.Name, transcript.ErrUnplayable)
	}
	a := newAsker(tape, key, o)
	a.against, a.report.Against = true, true
	a.tap.free = true
	return a.run(ctx)
}

// firstPIN asks for the PIN before a player is made that is to know it.
func firstPIN(ctx context.Context, tape *transcript.Tape, o *Options) ([]byte, error) {
	if o.PIN == nil || !usesPIN(tape) {
		return nil, nil
	}
	pin, err := o.PIN(ctx, false)
	if err != nil {
		return nil, err
	}
	ask := o.PIN
	o.PIN = func(ctx context.Context, fresh bool) ([]byte, error) {
		if !fresh {
			return pin, nil
		}
		return ask(ctx, true)
	}
	return pin, nil
}
