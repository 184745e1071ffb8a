// Package nfctest holds a matrix of cards and what must come of each: how the
// card wants its commands, how it gives its answers, and over which protocol.
// Tests run it in memory and behind a real PC/SC service:
//
//	for _, cell := range nfctest.Cells(true) {
//		t.Run(cell.Name, func(t *testing.T) {
//			key := &nfctest.Echo{}
//			card := nfc.NewEmulator(key, cell.Card)
//			cell.Play(t, t.Context(), key, card, nfc.Config{})
//		})
//	}
package nfctest

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"sync"
	"testing"

	"github.com/touchstone-fido/touchstone/nfc"
)

// Cell is one card of the matrix.
type Cell struct {
	Name     string
	Protocol nfc.Protocol
	Card     nfc.EmulatorConfig
	// Want is what comes of one message after the other.
	Want []Outcome
	// Encoding is what the applet has decided on after them.
	Encoding nfc.Encoding
}

// Outcome is what must come of one message.
type Outcome struct {
	// Size of the message in bytes. The answer is a status byte and the message.
	Size int
	// Err is the whole text of the error, empty if there must be an answer.
	Err string
	// Kind is what the error must be.
	Kind error
	// Run is how often the card runs the message: once, or never if it refuses it.
	Run int
	// Polls is how often the client is put off.
	Polls int
}

// Echo is a handler that answers with status 0 and the message, and remembers
// what it has run.
type Echo struct {
	mu  sync.Mutex
	ran map[string]int
}

// Message implements [nfc.Handler].
func (e *Echo) Message(_ context.Context, msg []byte, _ func(byte)) []byte {
	e.mu.Lock()
	defer e.mu.Unlock()
	if e.ran == nil {
		e.ran = map[string]int{}
	}
	e.ran[string(msg)]++
	return append([]byte{0}, msg...)
}

// Ran says how often msg was run.
func (e *Echo) Ran(msg []byte) int {
	e.mu.Lock()
	defer e.mu.Unlock()
	return e.ran[string(msg)]
}

// Play opens an applet on card, which has key behind it, sends the messages of
// the cell and reports to t what does not come as it must. It closes card.
func (c Cell) Play(t testing.TB, ctx context.Context, key *Echo, card nfc.Card, cfg nfc.Config) {
	t.Helper()
	polls := 0
	cfg.OnKeepalive = func(nfc.Keepalive) { polls++ }
	cfg.OnDecision = func(d nfc.Decision) { t.Logf("nfc: %v", d) }
	a, err := nfc.Open(ctx, card, cfg)
	if err != nil {
		t.Fatal(errors.Join(err, card.Close()))
	}
	defer a.Close()
	for i, want := range c.Want {
		msg := bytes.Repeat([]byte{byte(i + 1)}, want.Size)
		polls = 0
		answer, err := a.Exchange(ctx, msg)
		want.check(t, answer, err, msg)
		if n := key.Ran(msg); n != want.Run {
			t.Errorf("%d bytes: the card ran them %d times, want %d", want.Size, n, want.Run)
		}
		if polls != want.Polls {
			t.Errorf("%d bytes: put off %d times, want %d", want.Size, polls, want.Polls)
		}
	}
	if m := a.Manner(); m.Encoding.Value != c.Encoding {
		t.Errorf("ended with %v APDUs (%s), want %v", m.Encoding.Value, m.Encoding.Why, c.Encoding)
	}
}

func (o Outcome) check(t testing.TB, answer []byte, err error, msg []byte) {
	t.Helper()
	switch {
	case o.Err == "" && err != nil:
		t.Errorf("%d bytes: %v", o.Size, err)
	case o.Err == "" && !bytes.Equal(answer, append([]byte{0}, msg...)):
		t.Errorf("%d bytes: answer of %d bytes, not the echo", o.Size, len(answer))
	case o.Err != "" && (err == nil || err.Error() != o.Err || !errors.Is(err, o.Kind)):
		t.Errorf("%d bytes: answer of %d bytes and error %q, want %q", o.Size, len(answer), fmt.Sprint(err), o.Err)
	}
}
