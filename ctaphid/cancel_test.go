package ctaphid

import (
	"bytes"
	"context"
	"errors"
	"reflect"
	"testing"
	"testing/synctest"
	"time"
)

var errEnough = errors.New("the user has had enough")

// cancelCase is one moment at which a context ends. answer runs at the key
// and gets the function that ends it.
type cancelCase struct {
	name   string
	answer func(k *fakeKey, m Message, enough func())
	want   []byte   // the answer
	err    []error  // or what the error is
	heard  []string // what the key heard
	took   time.Duration
}

const (
	heardCBOR   = "CTAPHID_CBOR 00000102"
	heardCancel = "CTAPHID_CANCEL 00000102"
	heardInit   = "CTAPHID_INIT 00000102"
)

var cancelCases = []cancelCase{
	{
		name: "while the key works",
		answer: func(k *fakeKey, m Message, enough func()) {
			if m.Command == CommandCancel {
				k.send(reports(m.CID, CommandCBOR, []byte{0x2d})...)
				return
			}
			enough()
		},
		want:  []byte{0x2d},
		heard: []string{heardCBOR, heardCancel},
	},
	{
		name: "too late, the result comes all the same",
		answer: func(k *fakeKey, m Message, enough func()) {
			enough()
			if m.Command == CommandCancel {
				k.send(reports(m.CID, CommandKeepalive, []byte{1})...)
				time.AfterFunc(2*time.Second, func() { k.send(reports(m.CID, CommandCBOR, pattern(100))...) })
			}
		},
		want:  pattern(100),
		heard: []string{heardCBOR, heardCancel},
		took:  2 * time.Second,
	},
	{
		name: "in mid-answer",
		answer: func(k *fakeKey, m Message, enough func()) {
			answer := reports(m.CID, CommandCBOR, pattern(100))
			k.send(answer[0])
			time.AfterFunc(time.Second, enough)
			time.AfterFunc(2*time.Second, func() { k.send(answer[1]) })
		},
		want:  pattern(100),
		heard: []string{heardCBOR},
		took:  2 * time.Second,
	},
	{
		name:   "no last word",
		answer: func(k *fakeKey, m Message, enough func()) { enough() },
		err:    []error{errEnough, ErrTimeout},
		heard:  []string{heardCBOR, heardCancel},
		took:   3 * time.Second,
	},
	{
		name: "keepalives instead of a last word",
		answer: func(k *fakeKey, m Message, enough func()) {
			enough()
			for i := range 100 {
				time.AfterFunc(time.Duration(i)*100*time.Millisecond, func() {
					k.send(reports(m.CID, CommandKeepalive, []byte{2})...)
				})
			}
		},
		err:   []error{errEnough, ErrTimeout},
		heard: []string{heardCBOR, heardCancel},
		took:  3 * time.Second,
	},
	{
		name: "the last word is an error",
		answer: func(k *fakeKey, m Message, enough func()) {
			enough()
			if m.Command == CommandCancel {
				k.send(reports(m.CID, CommandError, []byte{byte(CodeOther)})...)
			}
		},
		err:   []error{errEnough, CodeOther},
		heard: []string{heardCBOR, heardCancel},
	},
	{
		name: "the key was busy",
		answer: func(k *fakeKey, m Message, enough func()) {
			enough()
			if m.Command == CommandCancel {
				k.send(reports(m.CID, CommandError, []byte{byte(CodeChannelBusy)})...)
			}
		},
		err:   []error{errEnough, ErrBusy},
		heard: []string{heardCBOR, heardCancel},
	},
	{
		name: "before a busy key is asked again",
		answer: func(k *fakeKey, m Message, enough func()) {
			k.send(reports(m.CID, CommandError, []byte{byte(CodeChannelBusy)})...)
			time.AfterFunc(busyPause/2, enough)
		},
		err:   []error{errEnough, ErrBusy},
		heard: []string{heardCBOR},
		took:  busyPause / 2,
	},
	{
		name: "unplugged then",
		answer: func(k *fakeKey, m Message, enough func()) {
			enough()
			if m.Command == CommandCancel {
				close(k.gone)
			}
		},
		err:   []error{errEnough, ErrGone},
		heard: []string{heardCBOR, heardCancel},
	},
}

func TestCancel(t *testing.T) {
	for _, tt := range cancelCases {
		t.Run(tt.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) { runCancelCase(t, tt) })
		})
	}
}

func runCancelCase(t *testing.T, tt cancelCase) {
	ctx, cancel := context.WithCancelCause(ctx)
	k := newFakeKey(nil)
	c := mustOpen(t, k, Config{})
	defer c.Close()
	k.heard()
	k.answer = func(k *fakeKey, m Message) bool {
		go tt.answer(k, m, func() { cancel(errEnough) })
		return true
	}
	start := time.Now()
	got, err := c.Exchange(ctx, []byte{1, 2, 3})
	if took := time.Since(start); took != tt.took {
		t.Errorf("took %v, want %v", took, tt.took)
	}
	if !bytes.Equal(got, tt.want) || (err == nil) != (tt.err == nil) {
		t.Errorf("got %x, %v; want %x", got, err, tt.want)
	}
	for _, want := range tt.err {
		if !errors.Is(err, want) {
			t.Errorf("%q is not %q", err, want)
		}
	}
	if heard := k.heard(); !reflect.DeepEqual(heard, tt.heard) {
		t.Errorf("key heard %v, want %v", heard, tt.heard)
	}
	time.Sleep(time.Minute) // of the bubble's clock: let the key's timers pass
}

func TestMessageIsFinishedBeforeTheCancel(t *testing.T) {
	ctx, cancel := context.WithCancel(ctx)
	k := newFakeKey(nil)
	c := mustOpen(t, k, Config{})
	defer c.Close()
	k.heard()
	written := 0
	k.writeErr = func([]byte) error {
		if written++; written == 2 {
			cancel()
		}
		return nil
	}
	got, err := c.Exchange(ctx, pattern(400))
	if err != nil || !bytes.Equal(got, pattern(400)) {
		t.Errorf("%d bytes, %v", len(got), err)
	}
	if heard, want := k.heard(), []string{heardCBOR, heardCancel}; !reflect.DeepEqual(heard, want) {
		t.Errorf("key heard %v, want %v", heard, want)
	}
}

func TestCancelFromTheKeepalive(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		ctx, cancel := context.WithCancel(ctx)
		d := NewDevice(byCommand, DeviceConfig{})
		c := mustOpen(t, d.Connect(), Config{OnKeepalive: func(k Keepalive) {
			if k.Status == KeepaliveUPNeeded {
				cancel()
			}
		}})
		defer closeBoth(t, c, d)
		start := time.Now()
		if got, err := c.Exchange(ctx, []byte{0x0b}); err != nil || !bytes.Equal(got, []byte{0x2d}) {
			t.Errorf("got %x, %v", got, err)
		}
		if err := roundTrip(c, []byte{4}); err != nil {
			t.Errorf("right after: %v", err)
		}
		if took := time.Since(start); took != 0 {
			t.Errorf("took %v: the key was busy after the cancel", took)
		}
	})
}

// TestResyncAfterSilence is for a key that answers after the host gave up.
func TestResyncAfterSilence(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		ctx, stop := context.WithTimeout(ctx, time.Second)
		defer stop()
		k := newFakeKey(func(k *fakeKey, m Message) bool { return m.Command == CommandCBOR && m.Payload[0] == 9 })
		c := mustOpen(t, k, Config{Drain: 2 * time.Second})
		defer c.Close()
		k.heard()
		if _, err := c.Exchange(ctx, []byte{9}); !errors.Is(err, context.DeadlineExceeded) || !errors.Is(err, ErrTimeout) {
			t.Errorf("got %v", err)
		}
		k.send(reports(fakeChannel, CommandCBOR, pattern(100))...)
		if err := roundTrip(c, []byte{4}); err != nil {
			t.Error(err)
		}
		want := []string{heardCBOR, heardCancel, heardInit, heardCBOR}
		if heard := k.heard(); !reflect.DeepEqual(heard, want) {
			t.Errorf("key heard %v, want %v", heard, want)
		}
	})
}

func TestOtherRequestsHaveNoCancel(t *testing.T) {
	requests := map[Command]func(ctx context.Context, c *Channel) error{
		CommandMsg:  func(ctx context.Context, c *Channel) error { _, err := c.Msg(ctx, []byte{1}); return err },
		CommandPing: func(ctx context.Context, c *Channel) error { _, err := c.Ping(ctx, []byte{1}); return err },
		CommandWink: func(ctx context.Context, c *Channel) error { return c.Wink(ctx) },
		CommandLock: func(ctx context.Context, c *Channel) error { return c.Lock(ctx, 1) },
	}
	for cmd, request := range requests {
		for name, delay := range map[string]time.Duration{"in time": 2 * time.Second, "too late": 10 * time.Second} {
			t.Run(cmd.String()+" "+name, func(t *testing.T) {
				synctest.Test(t, func(t *testing.T) { runNoCancel(t, cmd, request, delay) })
			})
		}
	}
}

// runNoCancel gives a request one second and answers after delay.
func runNoCancel(t *testing.T, cmd Command, request func(context.Context, *Channel) error, delay time.Duration) {
	ctx, stop := context.WithTimeout(ctx, time.Second)
	defer stop()
	k := newFakeKey(func(k *fakeKey, m Message) bool {
		if m.Command == cmd {
			time.AfterFunc(delay, func() { k.send(reports(m.CID, cmd, m.Payload)...) })
		}
		return false
	})
	c := mustOpen(t, k, Config{})
	defer c.Close()
	k.heard()
	err := request(ctx, c)
	want := []string{cmd.String() + " 00000102", heardCBOR}
	if delay > 4*time.Second {
		want = []string{cmd.String() + " 00000102", heardInit, heardCBOR}
		if !errors.Is(err, context.DeadlineExceeded) || !errors.Is(err, ErrTimeout) {
			t.Errorf("got %v", err)
		}
	} else if err != nil {
		t.Errorf("the answer came in time: %v", err)
	}
	if err := roundTrip(c, []byte{4}); err != nil {
		t.Error(err)
	}
	if heard := k.heard(); !reflect.DeepEqual(heard, want) {
		t.Errorf("key heard %v, want %v", heard, want)
	}
	time.Sleep(time.Minute)
}

func TestInitEndsWithTheContext(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		k := newFakeKey(func(*fakeKey, Message) bool { return true })
		ctx, stop := context.WithTimeout(ctx, time.Second)
		defer stop()
		start := time.Now()
		if _, err := Open(ctx, k, Config{}); !errors.Is(err, context.DeadlineExceeded) {
			t.Errorf("got %v", err)
		}
		if took := time.Since(start); took != time.Second {
			t.Errorf("took %v", took)
		}
	})
}

func TestBusyKeyIsAskedAgain(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		busy := 5
		k := newFakeKey(func(k *fakeKey, m Message) bool {
			if busy--; busy < 0 {
				return false
			}
			k.send(reports(m.CID, CommandError, []byte{byte(CodeChannelBusy)})...)
			return true
		})
		start := time.Now()
		c := mustOpen(t, k, Config{})
		defer c.Close()
		if took := time.Since(start); took != 500*time.Millisecond {
			t.Errorf("opened in %v", took)
		}
		busy, start = 3, time.Now()
		if err := roundTrip(c, pattern(100)); err != nil {
			t.Error(err)
		}
		if took := time.Since(start); took != 300*time.Millisecond {
			t.Errorf("answered in %v", took)
		}
	})
}

func TestBusyKeyIsGivenUp(t *testing.T) {
	tests := []struct {
		name  string
		limit time.Duration // of the context, 0 for none
		also  error
		took  time.Duration
	}{
		{"deadline", time.Minute, context.DeadlineExceeded, time.Minute},
		{"no deadline", 0, ErrTimeout, 30 * time.Second},
	}
	for _, tt := range tests {
		synctest.Test(t, func(t *testing.T) {
			k := newFakeKey(func(k *fakeKey, m Message) bool {
				k.send(reports(m.CID, CommandError, []byte{byte(CodeChannelBusy)})...)
				return true
			})
			c := mustOpen(t, k, Config{Channel: fakeChannel})
			defer c.Close()
			ctx := ctx
			if tt.limit > 0 {
				var stop func()
				ctx, stop = context.WithTimeout(ctx, tt.limit)
				defer stop()
			}
			start := time.Now()
			_, err := c.Exchange(ctx, []byte{4})
			if !errors.Is(err, ErrBusy) || !errors.Is(err, CodeChannelBusy) || !errors.Is(err, tt.also) {
				t.Errorf("%s: %v", tt.name, err)
			}
			if took := time.Since(start); took < tt.took || took > tt.took+busyPause {
				t.Errorf("%s: gave up after %v", tt.name, took)
			}
		})
	}
}
