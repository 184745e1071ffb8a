package pcsc

import (
	"bytes"
	"context"
	"errors"
	"reflect"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/touchstone-fido/touchstone/nfc"
)

var errTest = errors.New("test")

// fakeLink is a card whose every call takes a while and is noted.
type fakeLink struct {
	log         []string
	takes       time.Duration
	waits       time.Duration // until begin is granted
	beginErr    error
	transmitErr error
	closeErr    error
	told        nfc.Traits
}

func (l *fakeLink) begin() error {
	time.Sleep(l.waits)
	l.log = append(l.log, "begin")
	return l.beginErr
}

func (l *fakeLink) end() error { l.log = append(l.log, "end"); return errTest }

func (l *fakeLink) transmit(apdu []byte) ([]byte, error) {
	time.Sleep(l.takes)
	l.log = append(l.log, string(apdu))
	return append([]byte("re:"), apdu...), l.transmitErr
}

func (l *fakeLink) traits() nfc.Traits { l.log = append(l.log, "traits"); return l.told }

func (l *fakeLink) disconnect() error { l.log = append(l.log, "disconnect"); return l.closeErr }

func (l *fakeLink) want(t *testing.T, log ...string) {
	t.Helper()
	if !slices.Equal(l.log, log) {
		t.Errorf("the link saw %q, want %q", l.log, log)
	}
}

func wantKind(t *testing.T, err error, op string, kinds ...error) {
	t.Helper()
	var e *Error
	if !errors.As(err, &e) || e.Op != op {
		t.Fatalf("error %v, want an *Error of %q", err, op)
	}
	for _, kind := range kinds {
		if !errors.Is(err, kind) {
			t.Errorf("error %v, want kind %v", err, kind)
		}
	}
}

func transmit(t *testing.T, c *card, apdu string) {
	t.Helper()
	answer, err := c.Transmit(t.Context(), []byte(apdu))
	if err != nil || string(answer) != "re:"+apdu {
		t.Errorf("%s: answer %q, %v", apdu, answer, err)
	}
}

// The transaction lasts from the first command until nothing came for a while.
func TestCardTransaction(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		l := &fakeLink{takes: time.Minute}
		c := newCard("r", l)
		transmit(t, c, "a")
		time.Sleep(grace - 1)
		transmit(t, c, "b")
		time.Sleep(grace + 1)
		synctest.Wait()
		l.want(t, "begin", "a", "b", "end")
		time.Sleep(10 * grace)
		transmit(t, c, "c")
		if err := c.Close(); err != nil {
			t.Error(err)
		}
		l.want(t, "begin", "a", "b", "end", "begin", "c", "end", "disconnect")
	})
}

func TestCardAbandoned(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		l := &fakeLink{takes: time.Minute}
		c := newCard("r", l)
		defer c.Close()
		ctx, cancel := context.WithTimeoutCause(t.Context(), time.Second, errTest)
		defer cancel()
		apdu := []byte("a")
		_, err := c.Transmit(ctx, apdu)
		wantKind(t, err, "transmit", errTest)
		if errors.Is(err, ErrBusy) {
			t.Error("busy with itself")
		}
		clear(apdu) // the caller's again
		if _, err = c.Transmit(ctx, []byte("b")); !errors.Is(err, errTest) || errors.Is(err, ErrBusy) {
			t.Errorf("with a dead context: %v", err)
		}
		ctx, cancel = context.WithTimeoutCause(t.Context(), time.Second, errTest)
		defer cancel()
		_, err = c.Transmit(ctx, []byte("b"))
		wantKind(t, err, "transmit", errTest, ErrBusy)
		transmit(t, c, "c") // waits for a, and does not get its answer
		l.want(t, "begin", "a", "c")
	})
}

func TestCardClose(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		l := &fakeLink{takes: time.Minute, closeErr: nfc.ErrGone}
		c := newCard("r", l)
		heard, closed := make(chan error), make(chan error)
		go func() {
			_, err := c.Transmit(t.Context(), []byte("a"))
			heard <- err
		}()
		synctest.Wait()
		for range 2 {
			go func() { closed <- c.Close() }()
		}
		if err := <-heard; err != nil {
			t.Error(err)
		}
		for range 2 {
			wantKind(t, <-closed, "close", nfc.ErrGone)
		}
		_, err := c.Transmit(t.Context(), []byte("b"))
		wantKind(t, err, "transmit", nfc.ErrClosed)
		l.want(t, "begin", "a", "end", "disconnect")
	})
}

// Closing does not wait for another program.
func TestCardCloseQueued(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		l := &fakeLink{waits: time.Hour}
		c := newCard("r", l)
		ctx, cancel := context.WithTimeout(t.Context(), time.Second)
		defer cancel()
		_, err := c.Transmit(ctx, []byte("a"))
		wantKind(t, err, "transmit", context.DeadlineExceeded, ErrInUse)
		begin := time.Now()
		if err := c.Close(); err != nil || time.Since(begin) > 0 {
			t.Errorf("closed after %v, %v", time.Since(begin), err)
		}
		<-c.done
		l.want(t, "begin", "end", "disconnect")
	})
}

func TestCardFaults(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		l := &fakeLink{beginErr: nfc.ErrGone}
		c := newCard("r", l)
		_, err := c.Transmit(t.Context(), []byte("a"))
		wantKind(t, err, "transmit", nfc.ErrGone)
		l.beginErr, l.transmitErr = nil, ErrReset
		_, err = c.Transmit(t.Context(), []byte("b"))
		wantKind(t, err, "transmit", ErrReset)
		l.transmitErr = nil
		transmit(t, c, "c")
		c.Close()
		l.want(t, "begin", "begin", "b", "end", "begin", "c", "end", "disconnect")
	})
}

// fakeSystem is a PC/SC service that takes its time.
type fakeSystem struct {
	takes time.Duration
	list  []Reader
	asked int
	link  *fakeLink
	err   error
	until time.Time // that error is the answer to connect
	inUse bool
}

func (s *fakeSystem) readers() ([]Reader, error) { time.Sleep(s.takes); return s.list, s.err }

func (s *fakeSystem) present(string) (bool, error) {
	time.Sleep(s.takes)
	s.asked++
	return s.asked > 2, s.err
}

func (s *fakeSystem) connect(string) (link, error) {
	time.Sleep(s.takes)
	s.asked++
	if s.err != nil && (s.until.IsZero() || time.Now().Before(s.until)) {
		return nil, s.err
	}
	return s.link, nil
}

func (s *fakeSystem) shared(string) bool { return s.inUse }

// use puts s in the place of the machine's service for one test.
func use(t *testing.T, s driver) {
	before := system
	system = s
	t.Cleanup(func() { system = before })
}

func TestSystem(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := &fakeSystem{takes: time.Second, list: []Reader{{Name: "r"}}, link: &fakeLink{}}
		use(t, s)
		got, err := List(t.Context())
		if err != nil || !reflect.DeepEqual(got, s.list) {
			t.Errorf("%+v, %v", got, err)
		}
		if err := Wait(t.Context(), "r"); err != nil || s.asked != 3 {
			t.Errorf("asked %d times, %v", s.asked, err)
		}
		c, err := Open(t.Context(), "r")
		if err != nil {
			t.Fatal(err)
		}
		if answer, err := c.Transmit(t.Context(), []byte("a")); err != nil || !bytes.Equal(answer, []byte("re:a")) {
			t.Errorf("%q, %v", answer, err)
		}
		c.Close()
	})
}

func TestSystemFails(t *testing.T) {
	use(t, &fakeSystem{err: ErrNoService})
	_, err := List(t.Context())
	wantKind(t, err, "list readers", ErrNoService)
	wantKind(t, Wait(t.Context(), "r"), "wait for card", ErrNoService)
	_, err = Open(t.Context(), "r")
	wantKind(t, err, "open", ErrNoService)
	if want := `pcsc: open "r": the PC/SC service does not answer: `; !strings.HasPrefix(err.Error(), want) {
		t.Error(err)
	}
}

// What comes after its caller has left is put back.
func TestSystemTooSlow(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := &fakeSystem{takes: time.Minute, link: &fakeLink{}}
		use(t, s)
		ctx, cancel := context.WithTimeoutCause(t.Context(), time.Second, errTest)
		defer cancel()
		_, err := Open(ctx, "r")
		wantKind(t, err, "open", errTest)
		_, err = List(ctx)
		wantKind(t, err, "list readers", errTest)
		wantKind(t, Wait(ctx, "r"), "wait for card", errTest)
		time.Sleep(time.Hour)
		synctest.Wait()
		s.link.want(t, "disconnect")
	})
}

func TestHints(t *testing.T) {
	for goos, want := range map[string][2]string{
		"linux":   {"-tags pcsc", "systemctl start pcscd"},
		"freebsd": {"-tags pcsc", "start pcscd"},
		"darwin":  {"CGO_ENABLED=1", "plug a reader in"},
		"windows": {"", "Smart Card"},
		"plan9":   {"no backend for plan9", ""},
	} {
		if got := howToBuild(goos); !strings.Contains(got, want[0]) {
			t.Errorf("%s: build: %s", goos, got)
		}
		if got := howToStart(goos); !strings.Contains(got, want[1]) {
			t.Errorf("%s: start: %s", goos, got)
		}
	}
}
