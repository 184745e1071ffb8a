package nfc

import (
	"bytes"
	"context"
	"errors"
	"testing"
	"testing/synctest"
	"time"
)

var errCalledOff = errors.New("called off")

// callOff returns a context that ends after d.
func callOff(t *testing.T, d time.Duration) context.Context {
	ctx, cancel := context.WithTimeoutCause(t.Context(), d, errCalledOff)
	t.Cleanup(cancel)
	return ctx
}

func TestCancel(t *testing.T) {
	for name, c := range map[string]struct {
		card   EmulatorConfig
		cmd    byte
		cfg    Config
		after  time.Duration
		answer byte // or none, if the error is set
		err    error
		took   time.Duration
	}{
		"heeded":            {cmd: cmdTouch, after: 150, answer: 0x2D, took: 150},
		"heeded, extended":  {cmd: cmdTouch, cfg: Config{Encoding: EncodingExtended}, after: 150, answer: 0x2D, took: 150},
		"too late":          {cmd: cmdDeaf, after: 150, answer: 0x00, took: 450},
		"before the answer": {cmd: cmdTouch, after: 50, answer: 0x2D, took: 100},
		"refused, CTAP 2.2": {card: EmulatorConfig{NoCancel: true}, cmd: cmdTouch, after: 150, answer: 0x00, took: 450},
		"refused for long": {card: EmulatorConfig{NoCancel: true}, cmd: cmdTouch, after: 150,
			cfg: Config{Drain: 120 * time.Millisecond}, err: errCalledOff, took: 270},
		"no polling": {cmd: cmdTouch, cfg: Config{NoPoll: true}, after: 150, answer: 0x00, took: 430},
		"no polling for long": {cmd: cmdTouch, cfg: Config{NoPoll: true, Drain: 120 * time.Millisecond},
			after: 150, err: errCalledOff, took: 270},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				a := open(t, NewEmulator(&fakeKey{}, c.card), c.cfg)
				start := time.Now()
				answer, err := a.Exchange(callOff(t, c.after*time.Millisecond), []byte{c.cmd})
				if c.err != nil {
					if !errors.Is(err, c.err) {
						t.Errorf("answer %x, %v", answer, err)
					}
				} else if err != nil || !bytes.Equal(answer, []byte{c.answer}) {
					t.Errorf("answer %x, %v", answer, err)
				}
				if took := time.Since(start); took != c.took*time.Millisecond {
					t.Errorf("took %v, want %v", took, c.took*time.Millisecond)
				}
				if answer, err := a.Exchange(t.Context(), []byte{cmdEcho}); err != nil || len(answer) != 2 {
					t.Errorf("afterwards: %x, %v", answer, err)
				}
			})
		})
	}
}

// The dialogue of a cancel, to the byte.
func TestCancelWire(t *testing.T) {
	const msg, poll, cancel = "80108000010400", "8011000000", "8011110000"
	for name, c := range map[string]struct {
		pairs []string
		err   error
		again bool // the applet is selected again before the next message
	}{
		"answered":          {pairs: []string{msg, "029100", cancel, "2d9000"}},
		"in two parts":      {pairs: []string{msg, "029100", cancel, "6101", "00c0000001", "2d9000"}},
		"not at once":       {pairs: []string{msg, "029100", cancel, "029100", poll, "029100", poll, "2d9000"}},
		"accepted empty":    {pairs: []string{msg, "029100", cancel, "9000", poll, "2d9000"}},
		"refused":           {pairs: []string{msg, "029100", cancel, "6a86", poll, "029100", poll, "009000"}},
		"forgotten":         {pairs: []string{msg, "029100", cancel, "6985", poll, "6985"}, err: errCalledOff, again: true},
		"gone":              {pairs: []string{msg, "029100", cancel, "gone"}, err: ErrGone, again: true},
		"broken in the end": {pairs: []string{msg, "029100", cancel, "6a86", poll, "90"}, err: ErrProtocol, again: true},
		"never":             {pairs: []string{msg, "029100", cancel, "6a86", poll, "029100", poll, "029100", selectHex, "5532465f56329000"}, err: errCalledOff, again: true},
		"never, dead":       {pairs: []string{msg, "029100", cancel, "6a86", poll, "029100", poll, "029100", selectHex, "gone"}, err: errCalledOff, again: true},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				pairs := c.pairs
				if c.again {
					pairs = append(pairs, selectHex, "5532465f56329000")
				}
				card := play(t, append(pairs, msg, "009000")...)
				for i := range card.steps {
					if card.steps[i].answer == "gone" {
						card.steps[i] = step{want: card.steps[i].want, err: ErrGone}
					}
				}
				a := open(t, card, Config{Drain: 250 * time.Millisecond})
				answer, err := a.Exchange(callOff(t, 50*time.Millisecond), []byte{4})
				if c.err == nil && (err != nil || len(answer) != 1) {
					t.Errorf("answer %x, %v", answer, err)
				}
				if c.err != nil {
					wantError(t, err, "cancel", c.err, errCalledOff)
				}
				if _, err := a.Exchange(t.Context(), []byte{4}); err != nil {
					t.Errorf("afterwards: %v", err)
				}
				card.finish()
			})
		})
	}
}

// No keepalive is reported once the caller has turned away.
func TestCancelReportsNothing(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var last time.Duration
		cfg := Config{OnKeepalive: func(k Keepalive) { last = k.Since }}
		a := open(t, NewEmulator(&fakeKey{}, EmulatorConfig{NoCancel: true}), cfg)
		if _, err := a.Exchange(callOff(t, 250*time.Millisecond), []byte{cmdTouch}); err != nil {
			t.Error(err)
		}
		if last != 200*time.Millisecond {
			t.Errorf("last keepalive at %v", last)
		}
	})
}

// A chain is broken off between its parts: nothing has been done yet.
func TestCancelChain(t *testing.T) {
	ctx, cancel := context.WithCancelCause(t.Context())
	sent := 0
	card := cardFunc(func(_ context.Context, apdu []byte) ([]byte, error) {
		if apdu[1] == INSSelect {
			return []byte("FIDO_2_0\x90\x00"), nil
		}
		if sent++; sent == 3 {
			cancel(errCalledOff)
		}
		return []byte{0x90, 0x00}, nil
	})
	a := open(t, card, Config{ChunkSize: 1})
	_, err := a.Exchange(ctx, make([]byte, 10))
	wantError(t, err, "message", errCalledOff)
	if sent != 3 {
		t.Errorf("%d parts sent", sent)
	}
	_, err = a.Exchange(ctx, []byte{4})
	wantError(t, err, "message", errCalledOff)
	if sent != 3 {
		t.Error("a dead context sent something")
	}
}

// An answer that is being fetched when ctx ends is fetched to its end.
func TestCancelFetching(t *testing.T) {
	ctx, cancel := context.WithCancel(t.Context())
	card := cardFunc(func(_ context.Context, apdu []byte) ([]byte, error) {
		switch apdu[1] {
		case INSSelect:
			return []byte("FIDO_2_0\x90\x00"), nil
		case INSMessage:
			cancel()
			return []byte{0, 0x61, 0x01}, nil
		}
		return []byte{1, 0x90, 0x00}, nil
	})
	answer, err := open(t, card, Config{}).Exchange(ctx, []byte{4})
	if err != nil || !bytes.Equal(answer, []byte{0, 1}) {
		t.Errorf("answer %x, %v", answer, err)
	}
}

// tripwire is a card whose nth APDU ends a context, while it is with the card.
type tripwire struct {
	*Emulator
	n, sent int
	trip    func()
	takes   time.Duration
}

func (c *tripwire) Transmit(ctx context.Context, apdu []byte) ([]byte, error) {
	if c.sent++; c.sent == c.n {
		c.trip()
	}
	time.Sleep(c.takes)
	return c.Emulator.Transmit(ctx, apdu)
}

// tally is a handler that echoes, and counts how often it ran each message.
type tally map[string]int

func (h tally) Message(_ context.Context, msg []byte, _ func(byte)) []byte {
	h[string(msg)]++
	return append([]byte{0}, msg...)
}

// A context that ends at whatever moment of an exchange, of whatever kind,
// leaves the card usable, and never has a message run twice.
func TestCancelEverywhere(t *testing.T) {
	told := Traits{Protocol: ProtocolT0}
	for name, cfg := range map[string]EmulatorConfig{
		"plain":               {},
		"61xx":                {Quirks: Quirks{Fetched: true}},
		"6Cxx":                {Quirks: Quirks{ExactLe: true, NeedLe: true}},
		"T=0":                 {Quirks: Quirks{T0: true}, Traits: told},
		"T=0, put off":        {Quirks: Quirks{T0: true, PutOff: 5}, Traits: told},
		"put off":             {Quirks: Quirks{PutOff: 5, Fetched: true}},
		"put off, no cancel":  {Quirks: Quirks{PutOff: 5}, NoCancel: true},
		"no chaining":         {Quirks: Quirks{NoChaining: SWChainingNotSupported}},
		"no chaining, no ext": {Quirks: Quirks{NoChaining: SWChainingNotSupported}, ShortOnly: true},
		"extended":            {Traits: Traits{MaxAPDU: 65538}},
		"extended refused":    {Traits: Traits{MaxAPDU: 65538, ATR: atrExtended}, ShortOnly: true},
		"endless":             {Quirks: Quirks{Endless: EndlessData}},
		"small frames":        {Quirks: Quirks{MaxFrame: 64}},
	} {
		t.Run(name, func(t *testing.T) {
			for n := 1; ; n++ {
				tripped := false
				synctest.Test(t, func(t *testing.T) { tripped = cancelAt(t, cfg, n) })
				if !tripped {
					break
				}
			}
		})
	}
}

// cancelAt cancels an exchange at its nth APDU and says whether it had as many.
func cancelAt(t *testing.T, cfg EmulatorConfig, n int) (tripped bool) {
	ran := tally{}
	ctx, cancel := context.WithCancelCause(t.Context())
	card := &tripwire{Emulator: NewEmulator(ran, cfg), takes: time.Millisecond}
	a := open(t, card, Config{Drain: 500 * time.Millisecond, MaxAnswer: 2048})
	card.sent, card.n = 0, n
	card.trip = func() { tripped = true; cancel(errCalledOff) }
	start := time.Now()
	answer, err := a.Exchange(ctx, pattern(700))
	endless, none := cfg.Quirks.Endless != EndlessNot, cfg.Quirks.NoChaining != 0 && cfg.ShortOnly
	if err != nil && !errors.Is(err, errCalledOff) && !(endless && errors.Is(err, ErrProtocol)) && !(none && errors.Is(err, SWChainingNotSupported)) {
		t.Errorf("at APDU %d: %v", n, err)
	}
	if err == nil && len(answer) != 701 {
		t.Errorf("at APDU %d: answer of %d bytes", n, len(answer))
	}
	if took := time.Since(start); took > 2*time.Second {
		t.Errorf("at APDU %d: took %v", n, took)
	}
	card.n = 0
	if answer, err := a.Exchange(t.Context(), []byte{1}); err == nil && len(answer) != 2 || err != nil && !endless {
		t.Errorf("after APDU %d: answer %x, %v", n, answer, err)
	}
	for msg, times := range ran {
		if times > 1 {
			t.Errorf("at APDU %d: %d bytes were run %d times", n, len(msg), times)
		}
	}
	return tripped
}

// A caller that leaves while the applet is selected again has nothing sent in
// its name.
func TestCancelReselect(t *testing.T) {
	ctx, cancel := context.WithCancelCause(t.Context())
	selects, messages := 0, 0
	card := cardFunc(func(_ context.Context, apdu []byte) ([]byte, error) {
		if apdu[1] == INSSelect {
			if selects++; selects == 2 {
				cancel(errCalledOff)
			}
			return []byte("FIDO_2_0\x90\x00"), nil
		}
		if messages++; messages == 1 {
			return []byte{0x69, 0x85}, nil
		}
		return []byte{0, 0x90, 0x00}, nil
	})
	a := open(t, card, Config{})
	_, err := a.Exchange(ctx, []byte{4})
	wantError(t, err, "message", SWConditionsNotSatisfied)
	_, err = a.Exchange(ctx, []byte{4})
	wantError(t, err, "message", errCalledOff)
	if selects != 2 || messages != 1 {
		t.Errorf("%d SELECTs and %d messages sent", selects, messages)
	}
	if _, err := a.Exchange(t.Context(), []byte{4}); err != nil {
		t.Error(err)
	}
}
