package nfc

import (
	"bytes"
	"context"
	"encoding/hex"
	"errors"
	"strings"
	"testing"
	"time"

	"github.com/touchstone-fido/touchstone/fixtures"
)

var unhex = fixtures.Unhex

// script is a card that expects these commands, in this order, and knows these
// answers to them.
type script struct {
	t      testing.TB
	steps  []step
	closed bool
}

// step is one exchange: want and answer in hex, or an error for an answer.
type step struct {
	want, answer string
	err          error
}

const selectHex = "00a4040008a0000006472f000100"

// play returns a script that is selected first: pairs of command and answer.
func play(t testing.TB, pairs ...string) *script {
	s := &script{t: t, steps: []step{{want: selectHex, answer: "4649444f5f325f309000"}}}
	for i := 0; i < len(pairs); i += 2 {
		s.steps = append(s.steps, step{want: pairs[i], answer: pairs[i+1]})
	}
	return s
}

func (s *script) Transmit(_ context.Context, apdu []byte) ([]byte, error) {
	s.t.Helper()
	if s.closed {
		return nil, ErrClosed
	}
	if len(s.steps) == 0 {
		s.t.Errorf("command after the end of the script: %x", apdu)
		return nil, ErrGone
	}
	next := s.steps[0]
	s.steps = s.steps[1:]
	if !bytes.Equal(apdu, unhex(s.t, next.want)) {
		s.t.Errorf("command %x, want %s", apdu, next.want)
	}
	if next.err != nil {
		return nil, next.err
	}
	return unhex(s.t, next.answer), nil
}

func (s *script) Close() error { s.closed = true; return nil }

func (s *script) finish() {
	s.t.Helper()
	for _, left := range s.steps {
		s.t.Errorf("never sent: %s", left.want)
	}
}

// cardFunc is a card of one function.
type cardFunc func(ctx context.Context, apdu []byte) ([]byte, error)

func (f cardFunc) Transmit(ctx context.Context, apdu []byte) ([]byte, error) { return f(ctx, apdu) }
func (f cardFunc) Close() error                                              { return nil }

// The first byte of a message says what the fake key does with it.
const (
	cmdEcho   = 0x10 // status 0 and the message back
	cmdTouch  = 0x11 // wait for the user, who takes 430 ms; heed a cancel
	cmdDeaf   = 0x12 // the same, and do not heed a cancel
	cmdRefuse = 0x13 // a CTAP error
	cmdFill   = 0x14 // status 0 and so many bytes (16 bits) in all
)

const userTakes = 430 * time.Millisecond

// fakeKey is the handler behind the emulators of these tests.
type fakeKey struct {
	cycles   int
	sessions int // that have ended
	running  int // calls at work, never more than one
}

func (k *fakeKey) Message(ctx context.Context, msg []byte, keepalive func(byte)) []byte {
	k.running++
	defer func() { k.running-- }()
	if k.running != 1 {
		panic("the handler was called twice at once")
	}
	switch msg[0] {
	case cmdEcho:
		return append([]byte{0}, msg...)
	case cmdRefuse:
		return []byte{0x2E}
	case cmdFill:
		return make([]byte, int(msg[1])<<8|int(msg[2]))
	case cmdTouch:
		keepalive(2)
		return wait(ctx)
	case cmdDeaf:
		keepalive(2)
		return wait(context.Background())
	}
	return nil
}

func wait(ctx context.Context) []byte {
	select {
	case <-time.After(userTakes):
		return []byte{0}
	case <-ctx.Done():
		return []byte{0x2D}
	}
}

func (k *fakeKey) PowerCycle() { k.cycles++ }
func (k *fakeKey) Deselect()   { k.sessions++ }

// fakeU2F is a fakeKey that speaks CTAP1: it answers with its command, and
// with 6985 to a command that has P1 07.
type fakeU2F struct{ fakeKey }

func (k *fakeU2F) U2F(_ context.Context, apdu []byte) []byte {
	if apdu[2] == 0x07 {
		return []byte{0x69, 0x85}
	}
	return append(bytes.Clone(apdu), 0x90, 0x00)
}

// raw is an emulator that is spoken to in hex.
type raw struct {
	t testing.TB
	*Emulator
}

func newRaw(t testing.TB, h Handler, cfg EmulatorConfig) raw {
	e := NewEmulator(h, cfg)
	t.Cleanup(func() { e.Close() })
	return raw{t, e}
}

// send returns the answer in hex.
func (r raw) send(apdu string) string {
	r.t.Helper()
	answer, err := r.Transmit(context.Background(), unhex(r.t, apdu))
	if err != nil {
		r.t.Fatalf("%s: %v", apdu, err)
	}
	return hex.EncodeToString(answer)
}

// expect checks a dialogue of lines "command -> answer".
func (r raw) expect(lines ...string) {
	r.t.Helper()
	for _, line := range lines {
		apdu, want, _ := strings.Cut(line, " -> ")
		want = strings.ReplaceAll(want, " ", "")
		if got := r.send(apdu); got != want {
			r.t.Errorf("%s\n got %s\nwant %s", apdu, got, want)
		}
	}
}

func (r raw) selected() raw {
	r.t.Helper()
	if got := r.send(selectHex); !strings.HasSuffix(got, "9000") {
		r.t.Fatalf("SELECT: %s", got)
	}
	return r
}

func open(t testing.TB, card Card, cfg Config) *Applet {
	t.Helper()
	a, err := Open(context.Background(), card, cfg)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { a.Close() })
	return a
}

// wantError checks kind and operation of err.
func wantError(t testing.TB, err error, op string, kinds ...error) {
	t.Helper()
	var e *Error
	if !errors.As(err, &e) {
		t.Fatalf("error is %v (%T), want an *Error", err, err)
	}
	if e.Op != op {
		t.Errorf("operation is %q, want %q (%v)", e.Op, op, err)
	}
	for _, kind := range kinds {
		if !errors.Is(err, kind) {
			t.Errorf("error is %v, want kind %v", err, kind)
		}
	}
}

func pattern(n int) []byte {
	b := make([]byte, n)
	for i := range b {
		b[i] = byte(i % 251)
	}
	if n > 0 {
		b[0] = cmdEcho
	}
	return b
}
