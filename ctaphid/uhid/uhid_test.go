package uhid

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io/fs"
	"slices"
	"strings"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/touchstone-fido/touchstone/ctaphid"
	"github.com/touchstone-fido/touchstone/ctaphid/hidraw"
)

// authenticator counts its power cycles and has nothing to say.
type authenticator struct{ cycles atomic.Int32 }

func (*authenticator) Message(context.Context, []byte, func(byte)) []byte { return []byte{0} }
func (a *authenticator) PowerCycle()                                      { a.cycles.Add(1) }

// plugIn plugs a key into a kernel, without a pace.
func plugIn(t *testing.T, key Key) (*kernel, *Attachment) {
	t.Helper()
	k := newKernel()
	cfg := Config{VendorID: 0x1209, ProductID: 0xF1D0, Release: 0x0543, Name: "Maker Key", Serial: "77", Pace: -1}
	if err := cfg.complete(); err != nil {
		t.Fatal(err)
	}
	a, err := attach(k, key, cfg)
	if err != nil {
		t.Fatal(err)
	}
	return k, a
}

func pattern(n int) []byte {
	b := make([]byte, n)
	for i := range b {
		b[i] = byte(i * 7)
	}
	return b
}

func TestSession(t *testing.T) {
	inner := &authenticator{}
	device := ctaphid.NewDevice(inner, ctaphid.DeviceConfig{})
	defer device.Close()
	k, a := plugIn(t, device)
	if got, want := k.next(t), createEvent(a.cfg); !bytes.Equal(got, want) {
		t.Errorf("created as\n%x, want\n%x", got, want)
	}
	for _, kind := range []uint32{typeStart, typeOpen, 4711} { // the last one is of a later kernel
		k.says <- plain(kind)
	}
	c, err := ctaphid.Open(t.Context(), host{k}, ctaphid.Config{})
	if err != nil {
		t.Fatal(err)
	}
	for _, n := range []int{0, 57, 58, ctaphid.MaxMessage} {
		if _, err := c.Ping(t.Context(), pattern(n)); err != nil {
			t.Errorf("PING of %d bytes: %v", n, err)
		}
	}
	k.says <- plain(typeClose)
	for range 2 {
		if err := a.Close(); err != nil {
			t.Error(err)
		}
	}
	if n := inner.cycles.Load(); n != 2 {
		t.Errorf("%d power cycles, want one before and one after", n)
	}
}

// TestDescriptor: what the key says of its reports is what hosts want to read.
func TestDescriptor(t *testing.T) {
	for _, size := range []int{ctaphid.MinReportSize, 64, 255} {
		if got, err := hidraw.ReportSize(descriptor(size)); got != size || err != nil {
			t.Errorf("%d bytes are read as %d, %v", size, got, err)
		}
	}
}

// recorded is a key that keeps what is written to it.
type recorded struct {
	reports chan []byte
	err     error // of every write
	gone    chan struct{}
}

func newRecorded() *recorded {
	return &recorded{reports: make(chan []byte, 10), gone: make(chan struct{})}
}

func (r *recorded) Connect() ctaphid.ReportConn { return r }
func (r *recorded) Close() error                { return nil }

func (r *recorded) WriteReport(_ context.Context, p []byte) error {
	r.reports <- slices.Clone(p)
	return r.err
}

func (r *recorded) ReadReport(ctx context.Context, _ []byte) (int, error) {
	select {
	case <-ctx.Done():
		return 0, context.Cause(ctx)
	case <-r.gone:
		return 0, ctaphid.ErrGone
	}
}

// TestOutputReports: the number of the report is not the key's to see, and what
// is no output report does not reach it.
func TestOutputReports(t *testing.T) {
	key := newRecorded()
	k, a := plugIn(t, key)
	k.next(t)
	for _, event := range [][]byte{
		output(kindOutput),                                // nothing
		output(kindOutput, 0),                             // the number alone
		output(0, 0, 1, 2),                                // a feature report
		output(kindOutput, pattern(66)...),                // too long
		output(kindOutput, append([]byte{0}, 9, 8, 7)...), // short
		output(kindOutput, 9, 8, 7),                       // without a number
		setReport(5, kindOutput, 0, 6),
		setReport(6, 0, 0, 6),
		getReport(0x01020304),
	} {
		k.says <- event
	}
	for _, want := range [][]byte{
		replyEvent(typeSetReportReply, 5, errNone), replyEvent(typeSetReportReply, 6, errIO), replyEvent(typeGetReportReply, 0x01020304, errIO),
	} {
		if got := k.next(t); !bytes.Equal(got, want) {
			t.Errorf("the kernel is told %x, want %x", got, want)
		}
	}
	if err := a.Close(); err != nil {
		t.Error(err)
	}
	close(key.reports)
	var got [][]byte
	for r := range key.reports {
		got = append(got, r)
	}
	if want := [][]byte{{9, 8, 7}, {9, 8, 7}, {6}}; fmt.Sprint(got) != fmt.Sprint(want) {
		t.Errorf("the key got %v, want %v", got, want)
	}
}

func TestEnds(t *testing.T) {
	broken := errors.New("broken")
	for name, c := range map[string]struct {
		key  *recorded
		does func(k *kernel, key *recorded)
		want error
	}{
		"the key leaves":         {newRecorded(), func(_ *kernel, key *recorded) { close(key.gone) }, ctaphid.ErrGone},
		"the key fails":          {&recorded{reports: make(chan []byte, 1), err: broken}, func(k *kernel, _ *recorded) { k.says <- output(kindOutput, 0, 1) }, broken},
		"an event is too short":  {newRecorded(), func(k *kernel, _ *recorded) { k.says <- []byte{6, 0, 0} }, ErrProtocol},
		"a report is too long":   {newRecorded(), func(k *kernel, _ *recorded) { k.says <- setReport(1, kindOutput, pattern(4097)...) }, ErrProtocol},
		"the node ceases to be":  {newRecorded(), func(k *kernel, _ *recorded) { k.Close() }, fs.ErrClosed},
		"a reply is not wanted":  {newRecorded(), func(k *kernel, _ *recorded) { k.refuse = broken; k.says <- getReport(1) }, broken},
		"a set is not forwarded": {&recorded{reports: make(chan []byte, 1), err: broken}, func(k *kernel, _ *recorded) { k.says <- setReport(1, kindOutput, 0, 1) }, broken},
	} {
		t.Run(name, func(t *testing.T) {
			k, a := plugIn(t, c.key)
			c.does(k, c.key)
			if err := a.Wait(); !errors.Is(err, c.want) {
				t.Errorf("%v, want %v", err, c.want)
			}
			select {
			case <-k.closed:
			default:
				t.Error("the node is open")
			}
		})
	}
}

func TestRefusedByTheKernel(t *testing.T) {
	k := newKernel()
	k.refuse = errors.New("no")
	if _, err := attach(k, newRecorded(), Config{}); !errors.Is(err, k.refuse) {
		t.Errorf("%v", err)
	}
	<-k.closed
}

// TestPace: the kernel gets reports no faster than a bus would bring them.
func TestPace(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		device := ctaphid.NewDevice(&authenticator{}, ctaphid.DeviceConfig{})
		defer device.Close()
		k := newKernel()
		cfg := Config{}
		if err := cfg.complete(); err != nil {
			t.Fatal(err)
		}
		a, err := attach(k, device, cfg)
		if err != nil {
			t.Fatal(err)
		}
		defer a.Close()
		k.next(t)
		c, err := ctaphid.Open(t.Context(), host{k}, ctaphid.Config{})
		if err != nil {
			t.Fatal(err)
		}
		time.Sleep(time.Second) // of the bubble: the pause after the last report is over
		begin := time.Now()
		if _, err := c.Ping(t.Context(), pattern(ctaphid.MaxMessage)); err != nil {
			t.Fatal(err)
		}
		if got, want := time.Since(begin), 128*DefaultPace; got != want {
			t.Errorf("129 reports took %v, want %v", got, want)
		}
	})
}

func TestWrongConfig(t *testing.T) {
	for _, cfg := range []Config{
		{Name: strings.Repeat("n", MaxName+1)}, {Serial: strings.Repeat("s", MaxSerial+1)}, {ReportSize: 7}, {ReportSize: 256},
	} {
		if _, err := Attach(newRecorded(), cfg); err == nil || !strings.HasPrefix(err.Error(), "uhid: ") {
			t.Errorf("%+v: %v", cfg, err)
		}
	}
}
