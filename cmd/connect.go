package cmd

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"io"
	"os"
	"strconv"
	"time"

	"github.com/touchstone-fido/touchstone/cmd/internal/view"
	"github.com/touchstone-fido/touchstone/ctap2"
	"github.com/touchstone-fido/touchstone/ctaphid"
	"github.com/touchstone-fido/touchstone/devices"
	"github.com/touchstone-fido/touchstone/devices/discover"
	"github.com/touchstone-fido/touchstone/devices/transcript"
	"github.com/touchstone-fido/touchstone/nfc"
)

// session is an open key and what hangs on it.
type session struct {
	*devices.Conn
	rand io.Reader // of challenges and user handles
	link devices.Link
	opts devices.Options
	tape *transcript.Tape // that is being replayed, or nil
	rec  *transcript.Recorder
	done []func() error // to close after the key, the last one first

	// replug has the key, which is closed, lose power and get it back, with
	// Present and Removed told where a person has to take it out and put it back.
	// It returns the key, which may be another one, and when that got power. nil
	// for a key that nobody can unplug.
	replug func(ctx context.Context, tell func(devices.ChangeKind)) (devices.Link, time.Time, error)
}

// withKey opens the key that the flags name, runs work on it, closes it and
// shows work's result. A result is shown even when closing then fails.
func (a *app) withKey(ctx context.Context, work func(context.Context, *session) (view.Result, error)) error {
	s, err := a.open(ctx)
	if err != nil {
		return err
	}
	result, err := work(ctx, s)
	closing := s.close()
	if result != nil {
		if err := a.show(result); err != nil {
			return err
		}
	}
	if err == nil {
		return a.forgive(s.tape, closing)
	}
	var unread *transcript.UnreadError
	if closing != nil && !errors.As(closing, &unread) { // what was not played any more follows from err
		a.note("warning: %v", closing)
	}
	return err
}

// limited is a context that ends after --timeout, for what is done about keys
// outside of a request to one.
func (a *app) limited(ctx context.Context) (context.Context, context.CancelFunc) {
	if a.timeout == 0 {
		return context.WithCancel(ctx)
	}
	return context.WithTimeoutCause(ctx, a.timeout, ctap2.ErrTimeout)
}

// forgive turns unread exchanges of a foreign tape into a warning: such a tape
// holds a session of another program, and asking a part of it is all that a
// command of ours can do. On our own tapes they are an error.
func (a *app) forgive(tape *transcript.Tape, err error) error {
	var unread *transcript.UnreadError
	if tape != nil && tape.Header.Version == 0 && errors.As(err, &unread) {
		a.note("warning: %v", unread)
		return nil
	}
	return err
}

func (s *session) close() error {
	var errs []error
	if s.Conn != nil {
		errs = append(errs, s.Conn.Close())
	}
	for i := len(s.done) - 1; i >= 0; i-- {
		errs = append(errs, s.done[i]())
	}
	return errors.Join(errs...)
}

func (a *app) open(ctx context.Context) (*session, error) {
	sel, err := devices.ParseSelector(a.device)
	if err != nil {
		return nil, err
	}
	s := &session{rand: rand.Reader, opts: devices.Options{Timeout: a.timeout, OnEvent: a.onEvent()}}
	if err := a.connect(ctx, sel, s); err != nil {
		_ = s.close() // what went wrong first is what matters
		a.suggestLocal(sel, err)
		return nil, err
	}
	a.tell("device: %s %s", s.Info.Backend, s.Info.Path)
	return s, nil
}

func (a *app) connect(ctx context.Context, sel devices.Selector, s *session) error {
	if err := a.find(ctx, sel, s); err != nil {
		return err
	}
	if a.record != "" || a.recordSeed {
		if err := a.startRecording(s); err != nil {
			return errors.Join(err, s.link.Close())
		}
	}
	s.opts.Rand = s.rand
	s.opts.NFC.OnDecision = func(d nfc.Decision) { a.decided(s.rec, d) }
	conn, err := devices.Connect(ctx, s.link, s.opts)
	s.Conn = conn
	return err
}

// decided tells what an applet has decided on, on the tape as well. That another
// program keeps the card is told in any case: it is why nothing happens.
func (a *app) decided(rec *transcript.Recorder, d nfc.Decision) {
	say := a.tell
	if d.About == nfc.AboutWaiting {
		say = a.note
	}
	say("nfc: %v", d)
	if rec != nil {
		_ = rec.Mark("decision", d.String()) // closing tells if the tape cannot be written
	}
}

// find opens the link to the key that is meant.
func (a *app) find(ctx context.Context, sel devices.Selector, s *session) error {
	if len(a.faults) > 0 && sel.Kind != devices.KindVirtual {
		return usageError{errors.New("--fault is for --device virtual: only the software key is faulty when it is told to be")}
	}
	switch sel.Kind {
	case devices.KindVirtual:
		return a.openVirtual(sel, s)
	case devices.KindReplay:
		return a.openTape(sel, s)
	case devices.KindUDP, devices.KindTCP:
		return a.openSimulator(ctx, sel, s)
	}
	if sel.Kind == devices.KindTouch {
		a.note("Touch the security key that you mean.")
	}
	ctx, stop := a.limited(ctx)
	defer stop()
	o := discover.Options{HIDBackend: a.hidBackend}
	info, err := discover.Choose(ctx, sel, o)
	if err != nil {
		return err
	}
	s.link, err = discover.Open(ctx, info)
	s.replug = func(ctx context.Context, tell func(devices.ChangeKind)) (devices.Link, time.Time, error) {
		return a.reinserted(ctx, info, tell)
	}
	return err
}

// reinserted waits until a person has taken a key out and put one back, within
// --timeout.
func (a *app) reinserted(ctx context.Context, key devices.Info, tell func(devices.ChangeKind)) (devices.Link, time.Time, error) {
	ctx, stop := a.limited(ctx)
	defer stop()
	back, err := discover.Reinserted(ctx, key, discover.Options{HIDBackend: a.hidBackend}, tell)
	if err != nil {
		return devices.Link{}, time.Time{}, fmt.Errorf("waiting for the key to be put back: %w", err)
	}
	link, err := discover.Open(ctx, back.Device)
	return link, back.Time, err
}

// openTape puts a tape in place of the key. A tape with a seed gives the
// platform the randomness that it had.
func (a *app) openTape(sel devices.Selector, s *session) error {
	if a.record != "" {
		return usageError{errors.New("--record with --device replay: a tape is never recorded again")}
	}
	tape, err := transcript.LoadFile(sel.Value)
	if err != nil {
		return err
	}
	if tape.Ending == transcript.EndCut {
		a.note("warning: the last line of %s is cut off", sel.Value)
	}
	cfg, err := playConfig(tape, sel)
	if err != nil {
		return err
	}
	player, err := transcript.NewPlayer(tape, cfg)
	if err != nil {
		return err
	}
	s.tape = tape
	if cfg.Match == transcript.MatchBytes {
		if tape.Header.Seed != nil {
			s.rand = transcript.Randomness(tape.Header.Seed)
		}
		s.opts.HID, s.opts.NFC = tape.HIDConfig(), tape.NFCConfig()
	}
	s.link, err = playerLink(player, tape, sel.Value)
	if !simulated(tape) {
		s.replug = func(context.Context, func(devices.ChangeKind)) (devices.Link, time.Time, error) {
			again, err := playerLink(player, tape, sel.Value)
			return again, time.Now(), err
		}
	}
	return err
}

// playConfig reads the parameters of a replay: selector. A tape is played as
// strictly as it can be, unless they say otherwise.
func playConfig(tape *transcript.Tape, sel devices.Selector) (cfg transcript.PlayConfig, err error) {
	cfg.Match = tape.Match()
	if text := sel.Params.Get(devices.ParamMatch); text != "" {
		if cfg.Match, err = transcript.ParseMatch(text); err != nil {
			return cfg, usageError{fmt.Errorf("%s: %s: %w", sel, devices.ParamMatch, err)}
		}
	}
	if text := sel.Params.Get(devices.ParamSpeed); text != "" {
		if cfg.Speed, err = parseSpeed(text); err != nil {
			return cfg, usageError{fmt.Errorf("%s: %w", sel, err)}
		}
	}
	return cfg, nil
}

// simulated reports whether a tape is of a simulator, which was not unplugged.
func simulated(tape *transcript.Tape) bool {
	backend := devices.Kind(tape.Header.Device["backend"])
	return backend == devices.KindUDP || backend == devices.KindTCP
}

func playerLink(player *transcript.Player, tape *transcript.Tape, file string) (devices.Link, error) {
	l := devices.Link{Info: tapeInfo(tape, file)}
	var err error
	if tape.Header.Transport == transcript.NFC {
		l.Card, err = player.Card()
	} else {
		l.Reports, err = player.Reports()
	}
	return l, err
}

func tapeInfo(tape *transcript.Tape, file string) devices.Info {
	h := tape.Header
	i := devices.Info{
		Transport: devices.USB, Backend: "replay", Path: file, ReportSize: h.ReportSize, ATR: h.ATR,
		Manufacturer: h.Device["manufacturer"], Product: h.Device["product"], Serial: h.Device["serial"],
	}
	i.VendorID, i.ProductID = hex16(h.Device["vendor_id"]), hex16(h.Device["product_id"])
	if h.Transport == transcript.NFC {
		i.Transport = devices.NFC
	}
	return i
}

// startRecording puts a recorder between the link and the framing.
func (a *app) startRecording(s *session) error {
	if a.record == "" {
		return usageError{errors.New("--record-seed wants --record FILE")}
	}
	header := recordHeader(s.link.Info)
	if a.recordSeed {
		header.Seed = make([]byte, transcript.SeedSize)
		if _, err := io.ReadFull(rand.Reader, header.Seed); err != nil {
			return err
		}
		s.rand = transcript.Randomness(header.Seed)
	}
	file, err := os.OpenFile(a.record, os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o600)
	if err != nil {
		return fmt.Errorf("tape: %w", err)
	}
	a.recorded = true
	s.done = append(s.done, file.Close)
	recorder, err := transcript.NewRecorder(file, header, nil)
	if err != nil {
		return err
	}
	s.rec = recorder
	s.link = recorded(recorder, s.link)
	return nil
}

// recorded is the link with the recorder in it.
func recorded(r *transcript.Recorder, l devices.Link) devices.Link {
	if l.Card != nil {
		l.Card = r.Card(l.Card)
	} else {
		l.Reports = r.Reports(l.Reports)
	}
	return l
}

func recordHeader(i devices.Info) transcript.Header {
	h := transcript.Header{
		Transport: transcript.HID, Tool: "touchstone " + version(),
		ReportSize: i.ReportSize, ATR: i.ATR, Device: map[string]string{},
	}
	if h.ReportSize == 0 {
		h.ReportSize = ctaphid.ReportSize
	}
	if i.Transport == devices.NFC {
		h.Transport, h.ReportSize = transcript.NFC, 0
	}
	d := view.NewDevice(i)
	for name, value := range map[string]string{
		"manufacturer": d.Manufacturer, "product": d.Product, "serial": d.Serial,
		"vendor_id": d.VendorID, "product_id": d.ProductID, "backend": d.Backend, "reader": readerName(i),
	} {
		if value != "" {
			h.Device[name] = value
		}
	}
	return h
}

func readerName(i devices.Info) string {
	if i.Transport == devices.NFC {
		return i.Path
	}
	return ""
}

// hex16 reads four hex digits; anything else is 0, unknown.
func hex16(s string) uint16 {
	n, err := strconv.ParseUint(s, 16, 16)
	if err != nil {
		return 0
	}
	return uint16(n)
}
