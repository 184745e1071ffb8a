package usbip

import (
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"maps"
	"net"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/touchstone-fido/touchstone/ctaphid"
)

func open(t *testing.T, b *bench) *ctaphid.Channel {
	t.Helper()
	c, err := ctaphid.Open(t.Context(), reports{b}, ctaphid.Config{ReportSize: b.device.size})
	if err != nil {
		t.Fatal(err)
	}
	return c
}

// TestPing moves the longest message of CTAPHID each way.
func TestPing(t *testing.T) {
	for _, size := range []int{24, 64} {
		for _, keyboard := range []bool{false, true} {
			t.Run(fmt.Sprint(size, keyboard), func(t *testing.T) {
				b := plugIn(t, t.Context(), Config{ReportSize: size, Keyboard: keyboard, Pace: -1})
				defer b.end()
				c := open(t, b)
				for _, n := range []int{0, 1, size - 7, size - 6, ctaphid.MaxMessageSize(size)} {
					if _, err := c.Ping(t.Context(), pattern(n)); err != nil {
						t.Errorf("%d bytes: %v", n, err)
					}
				}
			})
		}
	}
}

// TestPace: input reports come no faster than a bus would bring them, whatever
// the host asks for.
func TestPace(t *testing.T) {
	for _, c := range []struct{ pace, want time.Duration }{{0, 128 * DefaultPace}, {5 * time.Millisecond, 640 * time.Millisecond}, {-1, 0}} {
		synctest.Test(t, func(t *testing.T) {
			b := plugIn(t, t.Context(), Config{Pace: c.pace})
			defer b.end()
			channel := open(t, b)
			time.Sleep(time.Second) // of the bubble: the pause after the last report is over
			begin := time.Now()
			if _, err := channel.Ping(t.Context(), pattern(ctaphid.MaxMessage)); err != nil {
				t.Fatal(err)
			}
			if got := time.Since(begin); got != c.want {
				t.Errorf("pace %v: 129 reports took %v, want %v", c.pace, got, c.want)
			}
		})
	}
}

// TestUnlink: a transfer that is taken back is never heard of again, and one
// that was done before is told so.
func TestUnlink(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := plugIn(t, t.Context(), withKeyboard(named))
		defer b.end()
		first := b.submit(true, endpointFIDO, 64, nil, nil)
		second := b.submit(true, endpointFIDO, 64, nil, nil)
		third := b.submit(true, endpointFIDO, 64, nil, nil)
		key := b.submit(true, endpointKeyboard, 8, nil, nil)
		for _, c := range []struct {
			victim uint32
			status int32
		}{{second, statusUnlinked}, {key, statusUnlinked}, {12345, statusDone}} {
			seq := b.unlink(c.victim)
			if got, want := b.next(), (reply{command: retUnlink, seq: seq, status: c.status}); got.String() != want.String() {
				t.Errorf("%v, want %v", got, want)
			}
		}
		out := b.submit(false, endpointFIDO, 64, nil, initialise(0))
		got := map[uint32]uint32{} // either may come first
		for range 2 {
			r := b.next()
			got[r.seq] = r.moved
		}
		if want := map[uint32]uint32{first: 64, out: 64}; !maps.Equal(got, want) {
			t.Errorf("INIT and its answer moved %v, want %v", got, want)
		}
		late := b.unlink(first)
		if r := b.next(); r.String() != fmt.Sprintf("unlink %d: 0", late) {
			t.Errorf("unlinking what is done: %v", r)
		}
		b.unlink(third)
		b.next()
		synctest.Wait()
		select {
		case r := <-b.replies:
			t.Errorf("and then %v", r)
		default:
		}
	})
}

// TestReportKept: what the key says while no transfer waits is there for the
// next ones, in its order.
func TestReportKept(t *testing.T) {
	b := plugIn(t, t.Context(), named)
	defer b.end()
	for nonce := range byte(3) {
		if err := (reports{b}).WriteReport(t.Context(), initialise(nonce)); err != nil {
			t.Fatal(err)
		}
	}
	for nonce := range byte(3) {
		seq := b.submit(true, endpointFIDO, 64, nil, nil)
		if r := b.next(); r.seq != seq || len(r.data) != 64 || r.data[7] != nonce {
			t.Errorf("%v, want the answer to INIT %d", r, nonce)
		}
	}
}

// initialise is an INIT whose nonce begins with a byte.
func initialise(nonce byte) []byte {
	report := make([]byte, 64)
	copy(report, "\xff\xff\xff\xff\x86\x00\x08")
	report[7] = nonce
	return report
}

// TestOddPackets: what is no report is lost, and the host is not told.
func TestOddPackets(t *testing.T) {
	b := plugIn(t, t.Context(), named)
	defer b.end()
	for _, data := range [][]byte{nil, initialise(1)[:63], append(initialise(2), 0)} {
		seq := b.submit(false, endpointFIDO, len(data), nil, data)
		if got, want := b.next(), (reply{command: retSubmit, seq: seq, moved: uint32(len(data))}); got.String() != want.String() {
			t.Errorf("%d bytes: %v, want %v", len(data), got, want)
		}
	}
	// Of the packets only the first half of the last transfer was a report.
	seq := b.submit(true, endpointFIDO, 10, nil, nil)
	if got := b.next(); got.String() != fmt.Sprintf("submit %d: -75, 0", seq) {
		t.Errorf("too small a buffer: %v", got)
	}
	seq = b.submit(true, endpointFIDO, 64, nil, nil)
	end := b.unlink(seq)
	if got := b.next(); got.String() != fmt.Sprintf("unlink %d: -104", end) {
		t.Errorf("nothing more to report: %v", got)
	}
}

// TestManyWaiting: a host cannot make the device remember transfers without end.
func TestManyWaiting(t *testing.T) {
	b := plugIn(t, t.Context(), withKeyboard(named))
	defer b.end()
	for range maxWaiting {
		b.submit(true, endpointKeyboard, 8, nil, nil)
	}
	seq := b.submit(true, endpointKeyboard, 8, nil, nil)
	if got := b.next(); got.String() != fmt.Sprintf("submit %d: -12", seq)+", 0" {
		t.Errorf("one too many: %v", got)
	}
}

// TestHangUp: the host leaves while the key waits for a touch, which ends the
// wait; then the key can be plugged in again.
func TestHangUp(t *testing.T) {
	b := plugIn(t, t.Context(), named)
	c := open(t, b)
	touched := make(chan error, 1)
	go func() {
		_, err := c.Exchange(t.Context(), []byte{cmdTouch})
		touched <- err
	}()
	<-b.key.waiting
	b.conn.Close()
	if err := <-b.served; err != nil {
		t.Errorf("served until %v", err)
	}
	if err := <-touched; !errors.Is(err, ctaphid.ErrGone) {
		t.Errorf("the program that waited got %v", err)
	}
	if b.key.cycles != 2 {
		t.Errorf("%d power cycles, want one for each plugging in and pulling out", b.key.cycles)
	}
	b.attach(t, t.Context())
	if _, err := open(t, b).Ping(t.Context(), pattern(100)); err != nil {
		t.Errorf("plugged in again: %v", err)
	}
	b.end()
}

// TestKeyLeaves: the key itself breaks, or whoever serves it has enough.
func TestKeyLeaves(t *testing.T) {
	enough := errors.New("enough")
	for name, c := range map[string]struct {
		leave func(b *bench, cancel context.CancelCauseFunc)
		want  error
	}{
		"key":     {func(b *bench, _ context.CancelCauseFunc) { b.hid.Close() }, ctaphid.ErrGone},
		"context": {func(_ *bench, cancel context.CancelCauseFunc) { cancel(enough) }, enough},
	} {
		t.Run(name, func(t *testing.T) {
			ctx, cancel := context.WithCancelCause(t.Context())
			defer cancel(nil)
			b := plugIn(t, ctx, named)
			b.submit(true, endpointFIDO, 64, nil, nil)
			c.leave(b, cancel)
			if err := <-b.served; !errors.Is(err, c.want) {
				t.Errorf("served until %v, want %v", err, c.want)
			}
			if r, ok := <-b.replies; ok {
				t.Errorf("the host was told %v", r)
			}
			b.hid.Close()
		})
	}
}

// brokenKey fails to take reports.
type brokenKey struct{ conn ctaphid.ReportConn }

var errBroken = errors.New("broken")

func (k brokenKey) Connect() ctaphid.ReportConn { return k }
func (k brokenKey) ReadReport(ctx context.Context, _ []byte) (int, error) {
	<-ctx.Done()
	return 0, context.Cause(ctx)
}
func (k brokenKey) WriteReport(context.Context, []byte) error { return errBroken }
func (k brokenKey) Close() error                              { return nil }

func TestKeyFails(t *testing.T) {
	d, err := NewDevice(brokenKey{}, Config{})
	if err != nil {
		t.Fatal(err)
	}
	ours, theirs := net.Pipe()
	h := newHost(t, ours)
	served := make(chan error, 1)
	go func() { served <- d.Serve(t.Context(), theirs) }()
	h.submit(false, endpointFIDO, 64, nil, make([]byte, 64))
	if err := <-served; !errors.Is(err, errBroken) {
		t.Errorf("served until %v, want %v", err, errBroken)
	}
}

// TestBusy: one plug fits one socket.
func TestBusy(t *testing.T) {
	b := plugIn(t, t.Context(), named)
	defer b.end()
	b.control("80000000 0000 0200") // it is in
	ours, theirs := net.Pipe()
	defer ours.Close()
	if err := b.device.Serve(t.Context(), theirs); !errors.Is(err, ErrBusy) {
		t.Errorf("plugged in twice: %v", err)
	}
	if _, err := theirs.Write([]byte{0}); !errors.Is(err, io.ErrClosedPipe) {
		t.Errorf("the second stream was not closed: %v", err)
	}
}

func header(changes map[int]uint32) []byte {
	b := submitCommand(7, true, endpointFIDO, 64, nil, nil)
	for at, v := range changes {
		binary.BigEndian.PutUint32(b[at:], v)
	}
	return b
}

// TestFaults: bytes without meaning end the attachment with a typed error.
func TestFaults(t *testing.T) {
	for name, c := range map[string]struct {
		bytes []byte
		want  error
	}{
		"command 0":           {header(map[int]uint32{0: 0}), &ProtocolError{FaultCommand, 7, 0}},
		"an answer":           {header(map[int]uint32{0: retSubmit}), &ProtocolError{FaultCommand, 7, retSubmit}},
		"command of a list":   {header(map[int]uint32{0: version<<16 | requestList}), &ProtocolError{FaultCommand, 7, version<<16 | requestList}},
		"isochronous":         {header(map[int]uint32{32: 1}), &ProtocolError{FaultIsochronous, 7, 1}},
		"a lot isochronous":   {header(map[int]uint32{32: 0xfffffffe}), &ProtocolError{FaultIsochronous, 7, 0xfffffffe}},
		"longest IN and more": {header(map[int]uint32{24: maxTransfer + 1}), &ProtocolError{FaultLength, 7, maxTransfer + 1}},
		"negative length":     {header(map[int]uint32{24: 0xffffffff}), &ProtocolError{FaultLength, 7, 0xffffffff}},
		"long OUT":            {header(map[int]uint32{12: 0, 24: 1 << 30}), &ProtocolError{FaultLength, 7, 1 << 30}},
		"endpoint 3":          {header(map[int]uint32{16: 3}), &ProtocolError{FaultEndpoint, 7, 0x83}},
		"keyboard OUT":        {header(map[int]uint32{12: 0, 16: 2, 24: 0}), &ProtocolError{FaultEndpoint, 7, 2}},
		"no keyboard IN":      {header(map[int]uint32{16: 2}), &ProtocolError{FaultEndpoint, 7, 0x82}},
		"endpoint 257":        {header(map[int]uint32{16: 257}), &ProtocolError{FaultEndpoint, 7, 257 | 0x80}},
		"endpoint 129":        {header(map[int]uint32{16: 0x81}), &ProtocolError{FaultEndpoint, 7, 0x81}},
		"endpoint 129 OUT":    {header(map[int]uint32{12: 0, 16: 0x81, 24: 0}), &ProtocolError{FaultEndpoint, 7, 0x81}},
		"cut header":          {header(nil)[:47], io.ErrUnexpectedEOF},
		"cut data":            {header(map[int]uint32{12: 0, 24: 64}), io.ErrUnexpectedEOF},
	} {
		t.Run(name, func(t *testing.T) {
			b := plugIn(t, t.Context(), named)
			b.write(c.bytes)
			if errors.Is(c.want, io.ErrUnexpectedEOF) {
				b.conn.Close()
			}
			err := <-b.served
			want, typed := c.want.(*ProtocolError)
			var got *ProtocolError
			switch {
			case !typed && !errors.Is(err, c.want):
				t.Errorf("served until %v, want %v", err, c.want)
			case typed && (!errors.As(err, &got) || *got != *want || !errors.Is(err, ErrProtocol) || !errors.Is(err, want.Fault)):
				t.Errorf("served until %v, want %v", err, want)
			}
			b.hid.Close()
		})
	}
}

func TestErrorText(t *testing.T) {
	for want, err := range map[string]error{
		"usbip: transfer 7: no such endpoint: 0x83": &ProtocolError{FaultEndpoint, 7, 0x83},
		"usbip: unknown version: 0x106":             &ProtocolError{FaultVersion, 0, 0x106},
		"fault 99":                                  Fault(99),
		"fault 0":                                   Fault(0),
	} {
		if err.Error() != want {
			t.Errorf("%q, want %q", err, want)
		}
	}
}

func TestNewDevice(t *testing.T) {
	for name, c := range map[string]struct {
		cfg Config
		ok  bool
	}{
		"zero":                 {Config{}, true},
		"smallest report":      {Config{ReportSize: ctaphid.MinReportSize}, true},
		"too small a report":   {Config{ReportSize: ctaphid.MinReportSize - 1}, false},
		"negative report":      {Config{ReportSize: -1}, false},
		"report of high speed": {Config{ReportSize: 65}, false},
		"longest text":         {Config{Product: strings.Repeat("ä", MaxText)}, true},
		"longest text and one": {Config{Serial: strings.Repeat("ä", MaxText+1)}, false},
		"too long with pairs":  {Config{Manufacturer: strings.Repeat("🔑", MaxText/2+1)}, false},
	} {
		d, err := NewDevice(brokenKey{}, c.cfg)
		if (err == nil) != c.ok || (d != nil) != c.ok {
			t.Errorf("%s: %v", name, err)
		}
	}
}
