//go:build cgo && !android

package usbhid

import (
	"bytes"
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"os"
	"slices"
	"sync"
	"testing"
	"time"

	"github.com/karalabe/hid"

	"github.com/touchstone-fido/touchstone/ctaphid"
)

// The tests of this file have the real library talk to keys of umockdev: see
// scripts/umock.

// TestUmockEnumerate: the library knows no usages, and List finds the keys among
// the interfaces nevertheless.
func TestUmockEnumerate(t *testing.T) {
	b := needBus(t)
	infos, err := hid.Enumerate(0, 0)
	if err != nil {
		t.Fatal(err)
	}
	var all, keys []string
	for _, i := range infos {
		all = append(all, i.Path)
		if i.VendorID != 0x1209 || i.ProductID != 0xbeef || i.UsagePage != 0 || i.Usage != 0 {
			t.Errorf("got %+v", i)
		}
	}
	found, err := List(b.root, describeMock)
	for _, d := range found {
		keys = append(keys, d.Path)
	}
	if want := 2*allKeys - plainKeys; err != nil || len(all) != want || len(keys) != allKeys {
		t.Errorf("%d interfaces, want %d; %d keys, want %d, %v", len(all), want, len(keys), allKeys, err)
	}
	for _, path := range keys {
		if !slices.Contains(all, path) {
			t.Errorf("the library does not know %s", path)
		}
	}
	k := b.plug(t, true)
	want := Device{
		Path: fmt.Sprintf("1-%d:1.1", k.number), VendorID: 0x1209, ProductID: 0xbeef, Manufacturer: "Touchstone", Product: "Mock key",
		Serial: fmt.Sprint(k.number), ReportSize: 64, listed: true, root: b.root,
	}
	if got := k.listed(); got != want {
		t.Errorf("got  %+v\nwant %+v", got, want)
	}
}

// TestUmockPing: whole messages on channels that begin with a zero byte, with
// two, and with none.
func TestUmockPing(t *testing.T) {
	b := needBus(t)
	for _, cid := range []ctaphid.ChannelID{0x00000001, 0x00000102, 0x11223344} {
		k := b.plug(t, cid == 1) // with a keyboard, once
		k.serve(ctaphid.DeviceConfig{FirstChannel: cid}, asItIs)
		c := channel(t, k.open())
		if c.ID() != cid {
			t.Errorf("channel %v, want %v", c.ID(), cid)
		}
		for _, size := range []int{0, 1, 56, 57, 58, 116, 117, 1024, 7609} {
			ping(t, c, size)
		}
		must(t, c.Close())
	}
}

// TestUmockZeroLength: a key whose every second packet is empty, which to the
// library looks as if no time were left.
func TestUmockZeroLength(t *testing.T) {
	k := needBus(t).plug(t, false)
	k.serve(ctaphid.DeviceConfig{}, func(report []byte) [][]byte { return [][]byte{{}, report, {}} })
	ping(t, channel(t, k.open()), 1024)

	quiet := needBus(t).plug(t, false)
	c := quiet.open()
	ctx, cancel := context.WithTimeout(t.Context(), 100*time.Millisecond)
	defer cancel()
	for range 20 {
		quiet.says(nil)
	}
	if n, err := c.ReadReport(ctx, make([]byte, 64)); !errors.Is(err, context.DeadlineExceeded) {
		t.Errorf("empty packets only: %d bytes, %v", n, err)
	}
}

// TestUmockShort: a report comes as long as it is, and what it lacks is the
// channel's to notice.
func TestUmockShort(t *testing.T) {
	k := needBus(t).plug(t, false)
	c := k.open()
	for _, n := range []int{1, 6, 63, 64} {
		sent := bytes.Repeat([]byte{0xA0 | byte(n)}, n)
		k.says(sent)
		p := make([]byte, 64)
		if n, err := read(t, c, p); err != nil || !bytes.Equal(p[:n], sent) {
			t.Errorf("got %x, %v, want %x", p[:n], err, sent)
		}
	}
	cut := needBus(t).plug(t, false)
	cut.serve(ctaphid.DeviceConfig{}, func(report []byte) [][]byte {
		if report[4] == byte(ctaphid.CommandPing)|0x80 {
			return [][]byte{report[:6]}
		}
		return [][]byte{report}
	})
	ch := channel(t, cut.open())
	if _, err := ch.Ping(t.Context(), make([]byte, 20)); !errors.Is(err, ctaphid.FaultShort) {
		t.Errorf("got %v", err)
	}
}

// TestUmockCloseDuringRead closes keys while several goroutines read and one
// writes, with the key silent and with it sending all the time.
func TestUmockCloseDuringRead(t *testing.T) {
	b := needBus(t)
	var group sync.WaitGroup
	for worker := range 4 {
		k := b.plug(t, false)
		d := k.listed()
		group.Go(func() {
			for round := range 50 {
				c, err := openWithFault(t.Context(), d)
				if err != nil {
					t.Errorf("worker %d, round %d: %v", worker, round, err)
					return
				}
				k.closeWhileUsed(c, round)
			}
		})
	}
	group.Wait()
}

func (k *mockKey) closeWhileUsed(c ctaphid.ReportConn, round int) {
	const readers = 128
	var group sync.WaitGroup
	ready := make(chan struct{}, readers)
	for range readers {
		group.Go(func() {
			ready <- struct{}{}
			for p := make([]byte, 64); ; {
				if _, err := c.ReadReport(context.Background(), p); err != nil {
					k.closed("read", err)
					return
				}
			}
		})
	}
	if round%3 == 0 {
		group.Go(func() {
			for {
				if err := c.WriteReport(context.Background(), report(1)); err != nil {
					k.closed("write", err)
					return
				}
			}
		})
	}
	for range readers {
		<-ready
	}
	if round%8 != 0 { // a silent key keeps Close waiting for a slice
		for i := range 5 + round%16 {
			k.says(report(byte(i)))
		}
	}
	if err := c.Close(); err != nil {
		k.t.Errorf("close: %v", err)
	}
	group.Wait()
}

func (k *mockKey) closed(op string, err error) {
	if os.Getenv("USBHID_FAULT") == "" && !errors.Is(err, ctaphid.ErrClosed) {
		k.t.Errorf("%s: %v, want %v", op, err, ctaphid.ErrClosed)
	}
}

// TestUmockUnplug: whatever is under way ends soon, and says why.
func TestUmockUnplug(t *testing.T) {
	b := needBus(t)
	t.Run("while reading", func(t *testing.T) {
		k := b.plug(t, false)
		c := k.open()
		results := make(chan error)
		for range 3 {
			go func() {
				_, err := c.ReadReport(t.Context(), make([]byte, 64))
				results <- err
			}()
		}
		k.unplug()
		for range 3 {
			k.mustBeGone("read", <-results)
		}
		k.mustBeGone("write afterwards", c.WriteReport(t.Context(), report(1)))
	})
	t.Run("while writing", func(t *testing.T) {
		k := b.plug(t, true)
		k.behave(holdOut)
		c := k.open()
		result := make(chan error)
		go func() { result <- c.WriteReport(t.Context(), report(1)) }()
		k.await(k.held, "a write")
		k.unplug()
		k.mustBeGone("write", <-result)
		_, err := read(t, c, make([]byte, 64))
		k.mustBeGone("read afterwards", err)
	})
	t.Run("in a message", func(t *testing.T) {
		k := b.plug(t, false)
		k.serve(ctaphid.DeviceConfig{}, asItIs)
		ch := channel(t, k.open())
		k.behave(pauseIn)
		result := make(chan error)
		go func() {
			_, err := ch.Ping(t.Context(), make([]byte, 7609))
			result <- err
		}()
		k.unplug()
		k.mustBeGone("ping", <-result)
	})
	t.Run("before opening", func(t *testing.T) {
		k := b.plug(t, false)
		d := k.listed()
		k.unplug()
		_, err := underMock().openDevice(t.Context(), d)
		k.mustBeGone("open", err)
	})
}

func (k *mockKey) mustBeGone(op string, err error) {
	k.t.Helper()
	if !errors.Is(err, ctaphid.ErrGone) {
		k.t.Errorf("%s: %v, want %v", op, err, ctaphid.ErrGone)
	}
}

// TestUmockStall: a key that refuses.
func TestUmockStall(t *testing.T) {
	k := needBus(t).plug(t, false)
	k.serve(ctaphid.DeviceConfig{}, asItIs)
	c := k.open()
	ch := channel(t, c)
	k.behave(stallOut)
	if err := c.WriteReport(t.Context(), report(1)); !errors.Is(err, ErrUnexplained) {
		t.Errorf("write: %v", err)
	}
	k.behave(stallIn)
	ctx, cancel := context.WithTimeout(t.Context(), 100*time.Millisecond)
	defer cancel()
	if _, err := ch.Ping(ctx, []byte{1}); !errors.Is(err, ctaphid.ErrTimeout) {
		t.Errorf("ping without an answer: %v", err)
	}
	k.behave(0)
	ping(t, ch, 100)
}

// TestUmockStuck: a key that takes nothing. Nobody waits longer than he wants, or
// than the second for which the library does.
func TestUmockStuck(t *testing.T) {
	tests := []struct {
		name string
		use  func(k *mockKey, c ctaphid.ReportConn)
	}{
		{"until the context ends", func(k *mockKey, c ctaphid.ReportConn) {
			ctx, cancel := context.WithTimeout(k.t.Context(), 50*time.Millisecond)
			defer cancel()
			start := time.Now()
			if err := c.WriteReport(ctx, report(1)); !errors.Is(err, context.DeadlineExceeded) || time.Since(start) > patience {
				k.t.Errorf("%v after %v", err, time.Since(start))
			}
		}},
		{"until the library gives up", func(k *mockKey, c ctaphid.ReportConn) {
			if err := c.WriteReport(k.t.Context(), report(1)); !errors.Is(err, ctaphid.ErrTimeout) {
				k.t.Error(err)
			}
		}},
		{"until it is closed", func(k *mockKey, c ctaphid.ReportConn) {
			result := make(chan error)
			go func() { result <- c.WriteReport(k.t.Context(), report(1)) }()
			k.await(k.held, "a write")
			must(k.t, c.Close())
			if err := <-result; !errors.Is(err, ctaphid.ErrClosed) {
				k.t.Error(err)
			}
		}},
	}
	b := needBus(t)
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel() // the library takes its second for all of them at once
			k := b.plug(t, false)
			c := k.open()
			k.behave(holdOut)
			tt.use(k, c)
		})
	}
}

// TestUmockFlood: a key that sends more than is read. What is read is in order,
// and a gap is told where it is.
func TestUmockFlood(t *testing.T) {
	k := needBus(t).plug(t, false)
	c, ok := k.open().(*Conn)
	if !ok {
		t.Fatal("not with this fault")
	}
	const sent = 2 * queued
	for n := range uint32(sent) {
		k.says(binary.BigEndian.AppendUint32(nil, n))
	}
	k.drain()
	p := make([]byte, 64)
	last, got, told := int64(-1), 0, 0
	for len(c.reports) > 0 || c.lost.Load() {
		n, err := read(t, c, p)
		if errors.Is(err, ErrOverrun) {
			told++
			continue
		}
		if err != nil {
			t.Fatal(err)
		}
		number := int64(binary.BigEndian.Uint32(p[:n]))
		if number <= last {
			t.Fatalf("report %d after %d", number, last)
		}
		last = number
		got++
	}
	t.Logf("of %d reports %d were read, the last was %d, and %d gaps were told", sent, got, last, told)
	if got < queued/2 || got > queued || told == 0 {
		t.Errorf("%d reports were read and %d gaps told", got, told)
	}
}

// slowHandle is a library whose reader is kept away, as on a machine that has
// no time for the program.
type slowHandle struct {
	handle
	held sync.Mutex
}

func (s *slowHandle) ReadTimeout(b []byte, milliseconds int) (int, error) {
	s.held.Lock()
	defer s.held.Unlock()
	return s.handle.ReadTimeout(b, milliseconds)
}

// TestUmockLibraryDrops: the library forgets all but the last 32 reports of an
// answer and says nothing. It is told, and the next request goes well.
func TestUmockLibraryDrops(t *testing.T) {
	k := needBus(t).plug(t, false)
	answered := make(chan struct{}, 200)
	k.serve(ctaphid.DeviceConfig{}, func(report []byte) [][]byte {
		answered <- struct{}{}
		return [][]byte{report}
	})
	l, d := underMock(), k.listed()
	dev, err := l.handle(d)
	if err != nil {
		t.Fatal(err)
	}
	slow := &slowHandle{handle: dev}
	c := newConn(slow, d.Path, systemFor("linux"), l.at(d.root))
	ch := channel(t, c)
	<-answered // of INIT

	slow.held.Lock()
	result := make(chan error)
	go func() {
		_, err := ch.Ping(t.Context(), make([]byte, 7609))
		result <- err
	}()
	for range 129 {
		<-answered
	}
	k.drain()
	slow.held.Unlock()
	if err := <-result; !errors.Is(err, ErrOverrun) {
		t.Errorf("got %v", err)
	}
	ping(t, ch, 7609)
}
