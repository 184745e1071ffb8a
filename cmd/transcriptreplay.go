package cmd

import (
	"context"
	"errors"
	"fmt"
	"strconv"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/touchstone-fido/touchstone/cmd/internal/view"
	"github.com/touchstone-fido/touchstone/devices"
	"github.com/touchstone-fido/touchstone/devices/transcript"
	"github.com/touchstone-fido/touchstone/devices/transcript/replay"
)

// replayFlags are the flags of transcript replay.
type replayFlags struct{ match, speed, against string }

func (a *app) transcriptReplayCommand() *cobra.Command {
	r := &replayFlags{}
	c := &cobra.Command{
		Use: "replay TAPE", Short: "Ask the questions of a tape again, and compare the answers", Args: cobra.ExactArgs(1),
		Long: "Ask every question of a tape again through today's client, and compare each answer with the recorded one. The tape\n" +
			"answers, with keys of the player's own where a key agreement has made them different: what the client returns must\n" +
			"be what the tape says. With --pin-stdin and its kin the session's PIN is held to that one; without, any will do.\n\n" +
			"With --against the questions are asked of a key, real or in software, and its answers compared by meaning: statuses,\n" +
			"members, lengths and formats, which credential an answer is about, whether signatures verify; random values are not.\n" +
			"It makes credentials on the key, and what else the tape's session did to it: that is said before, and wants the word\n" +
			"replay typed, or --yes. The PIN is asked for.\n\n" +
			"The exit status is 5 when an answer differs, or a question was not asked.",
		Example: "  touchstone transcript replay tape.jsonl\n  touchstone --json transcript replay --match semantic tape.jsonl\n" +
			"  touchstone transcript replay --against virtual:yubikey-5-nfc-5.7 tape.jsonl",
		RunE: func(c *cobra.Command, args []string) error { return a.transcriptReplay(c.Context(), args[0], r) },
	}
	f := c.Flags()
	f.StringVar(&r.match, "match", transcript.MatchRekeyed.String(), "how alike the client's questions must be to those of the tape: `rekey`, all but what a\nkey agreement makes different; or semantic, command and members")
	f.StringVar(&r.speed, "speed", "none", "how fast: `none` for without waiting, recorded, or a factor such as 2x")
	f.StringVar(&r.against, "against", "", "ask this key, a `SELECTOR` as --device takes them")
	return c
}

// parseSpeed reads none, recorded or a factor.
func parseSpeed(text string) (float64, error) {
	switch text {
	case "none":
		return 0, nil
	case "recorded":
		return 1, nil
	}
	speed, err := strconv.ParseFloat(strings.TrimSuffix(text, "x"), 64)
	if err != nil || !(speed > 0 && speed <= 1e6) {
		return 0, usageError{fmt.Errorf("speed %q is neither none, recorded nor a factor such as 2x", text)}
	}
	return speed, nil
}

// options reads the flags.
func (r *replayFlags) options() (o replay.Options, err error) {
	if o.Match, err = transcript.ParseMatch(r.match); err != nil {
		return o, usageError{fmt.Errorf("--match: %w", err)}
	}
	if o.Match == transcript.MatchBytes {
		return o, usageError{errors.New("--match bytes is for --device replay:TAPE: here messages are compared")}
	}
	o.Speed, err = parseSpeed(r.speed)
	return o, err
}

func (a *app) transcriptReplay(ctx context.Context, name string, r *replayFlags) error {
	o, err := r.options()
	if err != nil {
		return err
	}
	o.Timeout = a.timeout
	tape, err := transcript.LoadFile(name)
	if err != nil {
		return err
	}
	if tape.Ending == transcript.EndCut {
		a.note("warning: the last line of %s is cut off", name)
	}
	if r.against != "" {
		return a.replayAgainst(ctx, tape, o, r.against)
	}
	if a.pins.elsewhere() {
		o.PIN = a.replayPIN(devices.Info{Product: "the tape"})
	}
	report, err := replay.Run(ctx, tape, o)
	return a.replayed(view.TapeReplay{Report: report}, err)
}

// replayPIN asks for the PINs of a session.
func (a *app) replayPIN(key devices.Info) func(context.Context, bool) ([]byte, error) {
	return func(ctx context.Context, fresh bool) ([]byte, error) {
		if fresh {
			return a.newSecret(ctx)
		}
		return a.secret(ctx, "PIN of "+keyName(key)+": ")
	}
}

// replayed shows a report, also of a session that broke off.
func (a *app) replayed(t view.TapeReplay, err error) error {
	if t.Report != nil && (err == nil || len(t.Steps) > 0) {
		if err := a.show(t); err != nil {
			return err
		}
	}
	if err == nil && !t.OK() {
		return errChecksFailed
	}
	return err
}

// replayAgainst asks a key, once a person has agreed to what that does to it.
func (a *app) replayAgainst(ctx context.Context, tape *transcript.Tape, o replay.Options, selector string) error {
	sel, err := devices.ParseSelector(selector)
	if err != nil {
		return fmt.Errorf("--against: %w", err)
	}
	if sel.Kind == devices.KindReplay {
		return usageError{errors.New("--against wants a key, and not another tape")}
	}
	s := &session{rand: nil}
	if err := a.find(ctx, sel, s); err != nil {
		return errors.Join(err, s.close())
	}
	if a.record != "" || a.recordSeed {
		if err := a.startRecording(s); err != nil {
			return errors.Join(err, s.link.Close(), s.close())
		}
	}
	report, err := a.replayOn(ctx, tape, o, s)
	if closing := errors.Join(s.link.Close(), s.close()); err == nil {
		err = closing
	}
	return a.replayed(view.TapeReplay{Report: report, Key: &s.link.Info}, err)
}

func (a *app) replayOn(ctx context.Context, tape *transcript.Tape, o replay.Options, s *session) (*replay.Report, error) {
	if lost := replay.Losses(tape); len(lost) > 0 {
		g := gate{Key: s.link.Info, Word: "replay", Loss: "Replaying " + tape.Name + " changes the key:\n" + strings.Join(lost, "\n")}
		if err := a.confirm(ctx, g); err != nil {
			return nil, err
		}
	}
	o.Rand = s.rand
	if replay.NeedsPIN(tape) {
		o.PIN = a.replayPIN(s.link.Info)
	}
	if tell := a.onEvent(); tell != nil {
		o.OnEvent = func(status string, since time.Duration) { tell(devices.Event{Status: status, Since: since}) }
	}
	return replay.Against(ctx, tape, replay.Key{Reports: s.link.Reports, Card: s.link.Card}, o)
}
