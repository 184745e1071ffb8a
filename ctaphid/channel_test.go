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

var ctx = context.Background()

// fullHandler can do everything that a key may do.
type fullHandler struct {
	handlerFunc
	winks, cycles int
}

func (h *fullHandler) Wink() { h.winks++ }

func (h *fullHandler) PowerCycle() { h.cycles++ }

func (h *fullHandler) U2F(_ context.Context, apdu []byte) []byte { return append(apdu, 0x90, 0x00) }

// firstChannels are worth trying because of their leading and trailing zeros.
var firstChannels = []ChannelID{0, 1, 0x00ab0000, 0x0000ffff, 0x01020304, 0xfffffffe}

func TestChannelAgainstDevice(t *testing.T) {
	for _, first := range firstChannels {
		h := &fullHandler{handlerFunc: echo}
		d := NewDevice(h, DeviceConfig{FirstChannel: first, Version: [3]byte{5, 7, 1}})
		c := mustOpen(t, d.Connect(), Config{})
		if want := max(first, 1); c.ID() != want {
			t.Errorf("channel %v, want %v", c.ID(), want)
		}
		if c.ProtocolVersion() != 2 || c.DeviceVersion() != [3]byte{5, 7, 1} || c.Capabilities() != CapabilityWink|CapabilityCBOR {
			t.Errorf("session is %d, %v, %v", c.ProtocolVersion(), c.DeviceVersion(), c.Capabilities())
		}
		useAll(t, c)
		if h.winks != 1 {
			t.Errorf("%d winks", h.winks)
		}
		closeBoth(t, c, d)
	}
}

// useAll runs each request once.
func useAll(t *testing.T, c *Channel) {
	t.Helper()
	for _, n := range []int{1, 7, 57, 58, 1024, MaxMessage} {
		if got, err := c.Exchange(ctx, pattern(n)); err != nil || !bytes.Equal(got, pattern(n)) {
			t.Errorf("exchange of %d bytes: %d bytes, %v", n, len(got), err)
		}
		if _, err := c.Ping(ctx, pattern(n)); err != nil {
			t.Errorf("ping of %d bytes: %v", n, err)
		}
	}
	if got, err := c.Msg(ctx, []byte{0, 3, 0, 0}); err != nil || !bytes.Equal(got, []byte{0, 3, 0, 0, 0x90, 0}) {
		t.Errorf("msg: %x, %v", got, err)
	}
	for name, err := range map[string]error{
		"wink": c.Wink(ctx), "lock": c.Lock(ctx, 10), "unlock": c.Lock(ctx, 0), "init": c.Init(ctx),
	} {
		if err != nil {
			t.Errorf("%s: %v", name, err)
		}
	}
}

func closeBoth(t *testing.T, c *Channel, d *Device) {
	t.Helper()
	for range 2 {
		if err := c.Close(); err != nil {
			t.Error(err)
		}
		if err := d.Close(); err != nil {
			t.Error(err)
		}
	}
}

func TestOtherReportSizes(t *testing.T) {
	for _, size := range []int{MinReportSize, 1024} {
		d := NewDevice(echo, DeviceConfig{ReportSize: size})
		c := mustOpen(t, d.Connect(), Config{ReportSize: size})
		msg := pattern(MaxMessageSize(size))
		if got, err := c.Exchange(ctx, msg); err != nil || !bytes.Equal(got, msg) {
			t.Errorf("reports of %d bytes: %d bytes, %v", size, len(got), err)
		}
		closeBoth(t, c, d)
	}
}

func TestRefusalsOfTheKey(t *testing.T) {
	d := NewDevice(echo, DeviceConfig{})
	c := mustOpen(t, d.Connect(), Config{})
	defer closeBoth(t, c, d)
	_, msgErr := c.Msg(ctx, []byte{0, 3})
	tests := []struct {
		name string
		err  error
		want error
	}{
		{"wink", c.Wink(ctx), CodeInvalidCommand},
		{"msg", msgErr, CodeInvalidCommand},
		{"lock", c.Lock(ctx, 11), CodeInvalidParameter},
	}
	for _, tt := range tests {
		want := &Error{Op: tt.name, CID: 1, Err: tt.want}
		if !reflect.DeepEqual(tt.err, error(want)) {
			t.Errorf("got %v, want %v", tt.err, want)
		}
	}
	if c.Capabilities() != CapabilityCBOR|CapabilityNMSG {
		t.Errorf("capabilities %v", c.Capabilities())
	}
}

func TestBadArgumentsSendNothing(t *testing.T) {
	k := newFakeKey(nil)
	c := mustOpen(t, k, Config{})
	defer c.Close()
	k.heard()
	_, longErr := c.Exchange(ctx, make([]byte, MaxMessage+1))
	if !errors.Is(longErr, ErrTooLong) {
		t.Errorf("too long: %v", longErr)
	}
	if c.Lock(ctx, -1) == nil || c.Lock(ctx, 256) == nil {
		t.Error("lock time that does not fit was accepted")
	}
	if _, err := Open(ctx, k, Config{Channel: BroadcastCID}); err == nil {
		t.Error("broadcast channel was accepted")
	}
	if _, err := Open(ctx, k, Config{ReportSize: 8}); err == nil {
		t.Error("report size 8 was accepted")
	}
	ended, cancel := context.WithCancelCause(ctx)
	cause := errors.New("no time")
	cancel(cause)
	if _, err := c.Exchange(ended, []byte{4}); !errors.Is(err, cause) {
		t.Errorf("ended context: %v", err)
	}
	if heard := k.heard(); heard != nil {
		t.Errorf("key heard %v", heard)
	}
}

func TestKnownChannelNeedsNoInit(t *testing.T) {
	k := newFakeKey(nil)
	c := mustOpen(t, k, Config{Channel: 0x00007e68})
	defer c.Close()
	if _, err := c.Exchange(ctx, []byte{4}); err != nil {
		t.Fatal(err)
	}
	if got, want := k.heard(), []string{"CTAPHID_CBOR 00007e68"}; !reflect.DeepEqual(got, want) {
		t.Errorf("key heard %v, want %v", got, want)
	}
}

func TestKeepalivesReachTheCaller(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		d := NewDevice(handlerFunc(func(_ context.Context, msg []byte, keepalive func(byte)) []byte {
			time.Sleep(250 * time.Millisecond)
			keepalive(2)
			time.Sleep(150 * time.Millisecond)
			keepalive(1)
			return msg
		}), DeviceConfig{})
		var got []Keepalive
		c := mustOpen(t, d.Connect(), Config{OnKeepalive: func(k Keepalive) { got = append(got, k) }})
		defer closeBoth(t, c, d)
		if _, err := c.Exchange(ctx, []byte{1}); err != nil {
			t.Fatal(err)
		}
		ms := time.Millisecond
		want := []Keepalive{
			{KeepaliveProcessing, 100 * ms}, {KeepaliveProcessing, 200 * ms}, {KeepaliveUPNeeded, 250 * ms},
			{KeepaliveUPNeeded, 350 * ms}, {KeepaliveProcessing, 400 * ms},
		}
		if !reflect.DeepEqual(got, want) {
			t.Errorf("got %v, want %v", got, want)
		}
	})
}

func TestPingTellsTheTime(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		k := newFakeKey(func(k *fakeKey, m Message) bool {
			if m.Command == CommandPing {
				time.Sleep(20 * time.Millisecond)
				k.send(reports(m.CID, CommandPing, m.Payload)...)
			}
			return false
		})
		c := mustOpen(t, k, Config{})
		defer c.Close()
		if took, err := c.Ping(ctx, pattern(10)); err != nil || took != 20*time.Millisecond {
			t.Errorf("%v, %v", took, err)
		}
	})
}

func TestTurnsEndWithTheContext(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		d := NewDevice(touchWait, DeviceConfig{})
		c := mustOpen(t, d.Connect(), Config{})
		defer closeBoth(t, c, d)
		first, cancel := context.WithCancel(ctx)
		done := make(chan error)
		go func() {
			answer, err := c.Exchange(first, []byte{0x0b})
			if !bytes.Equal(answer, []byte{0x2d}) {
				t.Errorf("answer %x", answer)
			}
			done <- err
		}()
		synctest.Wait()
		second, stop := context.WithTimeout(ctx, time.Second)
		defer stop()
		if _, err := c.Ping(second, nil); !errors.Is(err, context.DeadlineExceeded) {
			t.Errorf("waiting for the turn: %v", err)
		}
		cancel()
		if err := <-done; err != nil {
			t.Error(err)
		}
	})
}

func TestCloseEndsTransactions(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		d := NewDevice(touchWait, DeviceConfig{})
		defer d.Close()
		c := mustOpen(t, d.Connect(), Config{})
		errs := make(chan error, 2)
		for range 2 { // one runs, one waits for its turn
			go func() {
				_, err := c.Exchange(ctx, []byte{0x0b})
				errs <- err
			}()
		}
		synctest.Wait()
		c.Close()
		for range 2 {
			if err := <-errs; !errors.Is(err, ErrClosed) {
				t.Error(err)
			}
		}
		if _, err := c.Exchange(ctx, []byte{4}); !errors.Is(err, ErrClosed) {
			t.Errorf("after Close: %v", err)
		}
	})
}

func TestManyCallersOfOneChannel(t *testing.T) {
	d := NewDevice(echo, DeviceConfig{})
	c := mustOpen(t, d.Connect(), Config{})
	defer closeBoth(t, c, d)
	done := make(chan error)
	const callers = 8
	for i := range callers {
		go func() {
			var err error
			for n := range 20 {
				err = errors.Join(err, roundTrip(c, pattern(i*100+n+1)))
			}
			done <- err
		}()
	}
	for range callers {
		if err := <-done; err != nil {
			t.Error(err)
		}
	}
}

func roundTrip(c *Channel, msg []byte) error {
	got, err := c.Exchange(ctx, msg)
	if err == nil && !bytes.Equal(got, msg) {
		return errors.New("echo differs")
	}
	return err
}

func TestTwoHostsShareOneDevice(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		d := NewDevice(echo, DeviceConfig{})
		done := make(chan error)
		var hosts []*Channel
		for range 2 {
			hosts = append(hosts, mustOpen(t, d.Connect(), Config{}))
		}
		for _, c := range hosts {
			go func() {
				var err error
				for n := range 50 {
					_, pingErr := c.Ping(ctx, pattern(n*20))
					err = errors.Join(err, pingErr, roundTrip(c, pattern(n*30+1)))
				}
				done <- err
			}()
		}
		for _, c := range hosts {
			if err := <-done; err != nil {
				t.Error(err)
			}
			defer c.Close()
		}
		d.Close()
	})
}

func TestReplugAllocatesANewChannel(t *testing.T) {
	h := &fullHandler{handlerFunc: echo}
	d := NewDevice(h, DeviceConfig{})
	c := mustOpen(t, d.Connect(), Config{})
	defer closeBoth(t, c, d)
	old := c.ID()
	d.PowerCycle()
	if _, err := c.Exchange(ctx, []byte{4}); !errors.Is(err, CodeInvalidChannel) {
		t.Errorf("on the old channel: %v", err)
	}
	if _, err := c.Exchange(ctx, []byte{4}); err != nil || c.ID() == old {
		t.Errorf("afterwards: channel %v, %v", c.ID(), err)
	}
	d.PowerCycle()
	if err := c.Init(ctx); err != nil {
		t.Errorf("init on the old channel: %v", err)
	}
	if h.cycles != 2 {
		t.Errorf("handler saw %d power cycles", h.cycles)
	}
}

func TestUnplug(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		d := NewDevice(touchWait, DeviceConfig{})
		c := mustOpen(t, d.Connect(), Config{})
		defer c.Close()
		done := make(chan error)
		go func() {
			_, err := c.Exchange(ctx, []byte{0x0b})
			done <- err
		}()
		synctest.Wait()
		if err := d.Close(); err != nil {
			t.Error(err)
		}
		if err := <-done; !errors.Is(err, ErrGone) {
			t.Errorf("during a transaction: %v", err)
		}
		if _, err := c.Ping(ctx, nil); !errors.Is(err, ErrGone) {
			t.Errorf("afterwards: %v", err)
		}
		if _, err := Open(ctx, d.Connect(), Config{}); !errors.Is(err, ErrGone) {
			t.Errorf("open: %v", err)
		}
	})
}
