package ctaphid

import (
	"bytes"
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"runtime"
	"slices"
	"testing"
	"testing/synctest"
	"time"
)

// rawHost writes and reads packets as a test suite does.
type rawHost struct {
	t    *testing.T
	conn ReportConn
}

// bench runs a test in a bubble with a device and one host on it.
func bench(t *testing.T, name string, h Handler, cfg DeviceConfig, test func(d *Device, host rawHost)) {
	t.Run(name, func(t *testing.T) {
		synctest.Test(t, func(t *testing.T) {
			d := NewDevice(h, cfg)
			defer d.Close()
			test(d, rawHost{t, d.Connect()})
		})
	})
}

func (h rawHost) write(reports ...[]byte) {
	h.t.Helper()
	for _, r := range reports {
		if err := h.conn.WriteReport(ctx, r); err != nil {
			h.t.Fatal(err)
		}
	}
}

func (h rawHost) send(cid ChannelID, cmd Command, payload ...byte) {
	h.t.Helper()
	h.write(reports(cid, cmd, payload)...)
}

// next returns the message that comes within limit, "" for none, in the form
// "channel command payload".
func (h rawHost) next(limit time.Duration) string {
	h.t.Helper()
	ctx, stop := context.WithTimeout(ctx, limit)
	defer stop()
	asm := NewAssembler(ReportSize)
	for report := make([]byte, ReportSize); ; {
		if _, err := h.conn.ReadReport(ctx, report); err != nil {
			if asm.Pending() != nil || !errors.Is(err, context.DeadlineExceeded) {
				h.t.Fatalf("%v, %v", err, asm.Pending())
			}
			return ""
		}
		p, err := ParsePacket(report)
		if err != nil {
			h.t.Fatal(err)
		}
		m, whole, err := asm.Add(p)
		if err != nil {
			h.t.Fatal(err)
		}
		if whole {
			return shown(m.CID, m.Command, m.Payload...)
		}
	}
}

func shown(cid ChannelID, cmd Command, payload ...byte) string {
	return fmt.Sprintf("%v %v %x", cid, cmd, payload)
}

func refusal(cid ChannelID, code ErrorCode) string { return shown(cid, CommandError, byte(code)) }

// want wants these messages now, and then none for three seconds.
func (h rawHost) want(messages ...string) {
	h.t.Helper()
	h.wantNow(messages...)
	if got := h.next(3 * time.Second); got != "" {
		h.t.Errorf("then got %.80s", got)
	}
}

func (h rawHost) wantNow(messages ...string) {
	h.t.Helper()
	for _, want := range messages {
		if got := h.next(time.Microsecond); got != want {
			h.t.Fatalf("got %.80q, want %.80q", got, want)
		}
	}
}

var nonce = []byte{0, 2, 3, 4, 5, 6, 7, 8}

// open allocates a channel.
func (h rawHost) open() ChannelID {
	h.t.Helper()
	h.send(BroadcastCID, CommandInit, nonce...)
	report := make([]byte, ReportSize)
	if _, err := h.conn.ReadReport(ctx, report); err != nil {
		h.t.Fatal(err)
	}
	if !bytes.Equal(report[:15], append([]byte{0xff, 0xff, 0xff, 0xff, 0x86, 0, 17}, nonce...)) {
		h.t.Fatalf("answer to INIT is %x", report)
	}
	return ChannelID(binary.BigEndian.Uint32(report[15:]))
}

// alive checks that the device answers a PING on cid.
func (h rawHost) alive(cid ChannelID) {
	h.t.Helper()
	h.send(cid, CommandPing, 0, 9)
	h.want(shown(cid, CommandPing, 0, 9))
}

func TestInitRows(t *testing.T) {
	bench(t, "HID-01 idle device is silent", echo, DeviceConfig{}, func(_ *Device, h rawHost) { h.want() })
	bench(t, "HID-03..06 answer on broadcast", &fullHandler{handlerFunc: echo}, DeviceConfig{FirstChannel: 0x00ab00cd, Version: [3]byte{1, 2, 3}}, func(_ *Device, h rawHost) {
		h.send(BroadcastCID, CommandInit, nonce...)
		answer := append(slices.Clone(nonce), 0x00, 0xab, 0x00, 0xcd, 2, 1, 2, 3, 0x05)
		h.want(shown(BroadcastCID, CommandInit, answer...))
	})
	bench(t, "HID-06 without MSG and WINK", echo, DeviceConfig{}, func(_ *Device, h rawHost) {
		cid := h.open()
		h.send(cid, CommandInit, nonce...)
		h.want(shown(cid, CommandInit, append(slices.Clone(nonce), 0, 0, 0, 1, 2, 0, 0, 0, 0x0c)...))
	})
	bench(t, "HID-11 length", echo, DeviceConfig{}, func(_ *Device, h rawHost) {
		cid := h.open()
		for _, n := range []int{0, 7, 9, 57} {
			h.send(BroadcastCID, CommandInit, pattern(n)...)
			h.send(cid, CommandInit, pattern(n)...)
			h.want(refusal(BroadcastCID, CodeInvalidLength), refusal(cid, CodeInvalidLength))
		}
		h.alive(cid)
	})
	bench(t, "HID-12..15 channels that are not", &fullHandler{handlerFunc: echo}, DeviceConfig{}, func(_ *Device, h rawHost) {
		for _, cid := range []ChannelID{0, 7, 0xfffffffe} {
			for _, cmd := range []Command{CommandInit, CommandPing, CommandCBOR, CommandMsg, CommandLock, CommandWink, 0x39} {
				h.send(cid, cmd, nonce...)
				h.want(refusal(cid, CodeInvalidChannel))
			}
		}
		h.send(BroadcastCID, CommandPing, 1)
		h.send(BroadcastCID, CommandCBOR, 4)
		h.want(refusal(BroadcastCID, CodeInvalidChannel), refusal(BroadcastCID, CodeInvalidChannel))
	})
}

func TestChannelRows(t *testing.T) {
	bench(t, "HID-07 unique", echo, DeviceConfig{FirstChannel: 0xfffffffd}, func(_ *Device, h rawHost) {
		seen := make(map[ChannelID]bool)
		for range 1000 {
			cid := h.open()
			if !cid.usable() || seen[cid] {
				t.Fatalf("channel %v", cid)
			}
			seen[cid] = true
		}
	})
	bench(t, "oldest idle channel is recycled", echo, DeviceConfig{Channels: 3}, func(_ *Device, h rawHost) {
		a, b, c := h.open(), h.open(), h.open()
		h.alive(a)
		d := h.open()
		h.send(b, CommandPing, 1)
		h.want(refusal(b, CodeInvalidChannel))
		for _, cid := range []ChannelID{a, c, d} {
			h.alive(cid)
		}
	})
	bench(t, "busy channel is not recycled", byCommand, DeviceConfig{Channels: 1}, func(_ *Device, h rawHost) {
		a := h.open()
		h.send(a, CommandCBOR, 0x0b)
		synctest.Wait()
		h.send(BroadcastCID, CommandInit, nonce...)
		h.wantNow(shown(a, CommandKeepalive, 2), refusal(BroadcastCID, CodeChannelBusy))
		h.send(a, CommandCancel)
		h.want(shown(a, CommandCBOR, 0x2d))
		h.open()
	})
	bench(t, "numbers wrap past the reserved ones and the living", echo, DeviceConfig{FirstChannel: 0xfffffffe, Channels: 2}, func(d *Device, h rawHost) {
		got := []ChannelID{h.open(), h.open(), h.open()}
		if want := []ChannelID{0xfffffffe, 1, 2}; !slices.Equal(got, want) {
			t.Errorf("got %v, want %v", got, want)
		}
	})
	bench(t, "HID-56 after a replug", echo, DeviceConfig{}, func(d *Device, h rawHost) {
		a := h.open()
		d.PowerCycle()
		if b := h.open(); a == b {
			t.Errorf("channel %v again", a)
		}
		h.send(a, CommandCBOR, 4)
		h.want(refusal(a, CodeInvalidChannel))
	})
}

func TestMessageRows(t *testing.T) {
	full := func() Handler { return &fullHandler{handlerFunc: echo} }
	bench(t, "HID-16 unknown command", full(), DeviceConfig{}, func(_ *Device, h rawHost) {
		cid := h.open()
		for _, cmd := range []Command{0x00, 0x02, 0x3c, CommandKeepalive, CommandError, 0x41} {
			h.send(cid, cmd, 1)
			h.want(refusal(cid, CodeInvalidCommand))
		}
		h.send(cid, 0x3a, pattern(200)...) // its continuations are stray
		h.want(refusal(cid, CodeInvalidCommand))
	})
	bench(t, "HID-17..21, 31 ping", full(), DeviceConfig{}, func(_ *Device, h rawHost) {
		cid := h.open()
		for _, n := range []int{0, 1, 7, 57, 58, 512, 1024, 1025, MaxMessage} {
			h.send(cid, CommandPing, pattern(n)...)
			h.want(shown(cid, CommandPing, pattern(n)...))
		}
		h.write(initPacket(cid, CommandPing, 2, 1, 2, 0xee, 0xee))
		h.want(shown(cid, CommandPing, 1, 2))
	})
	bench(t, "HID-22, 33, 34 length", full(), DeviceConfig{}, func(_ *Device, h rawHost) {
		cid := h.open()
		for _, report := range [][]byte{
			initPacket(cid, CommandPing, 7610), initPacket(cid, CommandPing, 0xffff),
			initPacket(cid, CommandCBOR, 7610), initPacket(cid, CommandCBOR, 0),
			initPacket(cid, CommandMsg, 0), initPacket(cid, CommandWink, 1),
		} {
			h.write(report, contPacket(cid, 0))
			h.want(refusal(cid, CodeInvalidLength))
		}
		h.alive(cid)
	})
	bench(t, "HID-32, 36 cbor", full(), DeviceConfig{}, func(_ *Device, h rawHost) {
		cid := h.open()
		h.send(cid, CommandCBOR, pattern(MaxMessage)...)
		synctest.Wait()
		h.want(shown(cid, CommandCBOR, pattern(MaxMessage)...))
	})
	bench(t, "HID-35, 48 msg and wink", full(), DeviceConfig{}, func(_ *Device, h rawHost) {
		cid := h.open()
		h.send(cid, CommandMsg, 0, 3)
		synctest.Wait()
		h.send(cid, CommandWink)
		synctest.Wait()
		h.want(shown(cid, CommandMsg, 0, 3, 0x90, 0), shown(cid, CommandWink))
	})
	bench(t, "HID-35, 48 neither", echo, DeviceConfig{}, func(_ *Device, h rawHost) {
		cid := h.open()
		h.send(cid, CommandMsg, 0, 3)
		h.send(cid, CommandWink)
		h.want(refusal(cid, CodeInvalidCommand), refusal(cid, CodeInvalidCommand))
	})
}

func TestHandlerAnswersThatCannotBe(t *testing.T) {
	answers := map[string]func() []byte{
		"nothing":  func() []byte { return nil },
		"too long": func() []byte { return make([]byte, MaxMessage+1) },
		"none":     func() []byte { runtime.Goexit(); return nil }, // as t.Fatal in a handler does
	}
	for name, answer := range answers {
		h := handlerFunc(func(context.Context, []byte, func(byte)) []byte { return answer() })
		bench(t, name, h, DeviceConfig{}, func(_ *Device, h rawHost) {
			cid := h.open()
			h.send(cid, CommandCBOR, 4)
			synctest.Wait()
			h.want(refusal(cid, CodeOther))
			h.alive(cid)
		})
	}
}

func TestSequenceRows(t *testing.T) {
	tests := map[string][]byte{ // sequence numbers after the init packet
		"HID-24 first is 1": {1}, "HID-24 skipped": {0, 2}, "HID-24 repeated": {0, 0}, "HID-24 back": {0, 1, 0},
	}
	for name, numbers := range tests {
		bench(t, name, echo, DeviceConfig{}, func(_ *Device, h rawHost) {
			cid := h.open()
			h.write(initPacket(cid, CommandPing, 1000))
			for _, seq := range numbers {
				h.write(contPacket(cid, seq))
			}
			h.want(refusal(cid, CodeInvalidSeq))
			h.write(contPacket(cid, 0), contPacket(cid, 3))
			h.alive(cid)
		})
	}
	bench(t, "HID-02 stray continuation", echo, DeviceConfig{}, func(_ *Device, h rawHost) {
		cid := h.open()
		h.write(contPacket(cid, 0), contPacket(77, 0), contPacket(BroadcastCID, 0), contPacket(0, 0))
		h.want()
	})
	bench(t, "HID-25 other command in mid-message", echo, DeviceConfig{}, func(_ *Device, h rawHost) {
		cid := h.open()
		h.write(initPacket(cid, CommandPing, 1000))
		h.send(cid, CommandCBOR, 4)
		h.want(refusal(cid, CodeInvalidSeq))
		h.alive(cid)
	})
	bench(t, "cancel in mid-message is ignored", echo, DeviceConfig{}, func(_ *Device, h rawHost) {
		cid := h.open()
		whole := reports(cid, CommandPing, pattern(100))
		h.write(whole[0])
		h.send(cid, CommandCancel)
		h.write(whole[1])
		h.want(shown(cid, CommandPing, pattern(100)...))
	})
	bench(t, "HID-09 INIT in mid-message", echo, DeviceConfig{}, func(_ *Device, h rawHost) {
		cid := h.open()
		whole := reports(cid, CommandPing, pattern(100))
		h.write(whole[0])
		h.send(cid, CommandInit, nonce...)
		h.write(whole[1])
		h.want(shown(cid, CommandInit, append(slices.Clone(nonce), 0, 0, 0, 1, 2, 0, 0, 0, 0x0c)...))
		h.alive(cid)
	})
}

func TestArbitrationRows(t *testing.T) {
	bench(t, "HID-10, 27, 28 others in mid-message", echo, DeviceConfig{}, func(_ *Device, h rawHost) {
		a, b := h.open(), h.open()
		whole := reports(a, CommandPing, pattern(150))
		h.write(whole[0])
		h.send(b, CommandPing, 1)
		h.wantNow(refusal(b, CodeChannelBusy))
		h.write(contPacket(b, 0), contPacket(99, 0), whole[1])
		h.open()
		h.send(b, CommandInit, nonce...)
		h.wantNow(shown(b, CommandInit, append(slices.Clone(nonce), 0, 0, 0, 2, 2, 0, 0, 0, 0x0c)...))
		h.write(whole[2])
		h.want(shown(a, CommandPing, pattern(150)...))
	})
	for _, gap := range []time.Duration{0, 700 * time.Millisecond} {
		bench(t, fmt.Sprint("HID-26, 30 stalled host, ", gap), echo, DeviceConfig{Timeout: gap}, func(_ *Device, h rawHost) {
			a, b := h.open(), h.open()
			start := time.Now()
			h.write(initPacket(a, CommandPing, 1000))
			time.Sleep(300 * time.Millisecond)
			h.write(contPacket(a, 0)) // the gap counts, not the whole
			if got := h.next(3 * time.Second); got != refusal(a, CodeMessageTimeout) {
				t.Errorf("got %q", got)
			}
			if took, want := time.Since(start), 300*time.Millisecond+max(gap, defaultGap); took != want {
				t.Errorf("after %v, want %v", took, want)
			}
			h.alive(b)
			h.alive(a)
		})
	}
	bench(t, "HID-29, 44 others in a touch wait", byCommand, DeviceConfig{}, func(_ *Device, h rawHost) {
		a, b := h.open(), h.open()
		h.send(a, CommandCBOR, 0x0b)
		synctest.Wait()
		h.wantNow(shown(a, CommandKeepalive, 2))
		h.send(b, CommandCBOR, 4)
		h.send(b, CommandCancel)
		h.send(a, CommandPing, 1)
		h.wantNow(refusal(b, CodeChannelBusy), refusal(a, CodeChannelBusy))
		if got := h.next(time.Second); got != shown(a, CommandKeepalive, 2) {
			t.Errorf("got %q", got)
		}
		h.send(a, CommandCancel)
		h.want(shown(a, CommandCBOR, 0x2d))
	})
}

func TestKeepaliveRows(t *testing.T) {
	slow := handlerFunc(func(_ context.Context, msg []byte, keepalive func(byte)) []byte {
		time.Sleep(150 * time.Millisecond)
		keepalive(2)
		keepalive(2)
		time.AfterFunc(time.Second, func() { keepalive(1) }) // after the answer
		time.Sleep(120 * time.Millisecond)
		return msg
	})
	bench(t, "HID-37..40 cbor", slow, DeviceConfig{}, func(_ *Device, h rawHost) {
		cid, start := h.open(), time.Now()
		h.send(cid, CommandCBOR, 4)
		for _, want := range []struct {
			message string
			after   time.Duration
		}{
			{shown(cid, CommandKeepalive, 1), 100 * time.Millisecond},
			{shown(cid, CommandKeepalive, 2), 150 * time.Millisecond},
			{shown(cid, CommandKeepalive, 2), 250 * time.Millisecond},
			{shown(cid, CommandCBOR, 4), 270 * time.Millisecond},
		} {
			if got, after := h.next(time.Second), time.Since(start); got != want.message || after != want.after {
				t.Errorf("got %q after %v, want %q after %v", got, after, want.message, want.after)
			}
		}
		h.want()
	})
	bench(t, "HID-39 none for msg", slowU2F{echo}, DeviceConfig{}, func(_ *Device, h rawHost) {
		cid := h.open()
		h.send(cid, CommandMsg, 4)
		if got := h.next(time.Minute); got != shown(cid, CommandMsg, 0x69, 0x85) {
			t.Errorf("got %q", got)
		}
		h.want()
	})
}

type slowU2F struct{ handlerFunc }

func (slowU2F) U2F(context.Context, []byte) []byte {
	time.Sleep(time.Second)
	return []byte{0x69, 0x85}
}

func TestCancelRows(t *testing.T) {
	bench(t, "HID-41, 42, 46", byCommand, DeviceConfig{}, func(_ *Device, h rawHost) {
		cid := h.open()
		h.send(cid, CommandCBOR, 0x0b)
		synctest.Wait()
		h.send(cid, CommandCancel)
		h.send(cid, CommandCancel)
		synctest.Wait()
		h.send(cid, CommandCBOR, 4)
		synctest.Wait()
		h.want(shown(cid, CommandKeepalive, 2), shown(cid, CommandCBOR, 0x2d), shown(cid, CommandCBOR, 4))
	})
	bench(t, "HID-43 when idle, and on channels that are not", echo, DeviceConfig{}, func(_ *Device, h rawHost) {
		cid := h.open()
		h.send(cid, CommandCancel)
		h.send(99, CommandCancel)
		h.send(BroadcastCID, CommandCancel)
		h.want()
		h.alive(cid)
	})
	bench(t, "HID-47 INIT in a touch wait", byCommand, DeviceConfig{}, func(_ *Device, h rawHost) {
		cid := h.open()
		answer := shown(cid, CommandInit, append(slices.Clone(nonce), 0, 0, 0, 1, 2, 0, 0, 0, 0x0c)...)
		h.send(cid, CommandCBOR, 0x0b)
		synctest.Wait()
		h.send(cid, CommandInit, nonce...)
		h.send(cid, CommandCBOR, 4)
		synctest.Wait()
		h.want(shown(cid, CommandKeepalive, 2), answer, shown(cid, CommandCBOR, 4))
	})
}

// TestStubbornHandler is for a handler that returns long after its context has
// ended: the device lives on, and never runs two at once.
func TestStubbornHandler(t *testing.T) {
	inside := 0
	stubborn := handlerFunc(func(_ context.Context, msg []byte, _ func(byte)) []byte {
		if inside++; inside > 1 {
			t.Error("two handlers at once")
		}
		defer func() { inside-- }()
		if msg[0] == 0x0b {
			time.Sleep(10 * time.Second)
		}
		return msg
	})
	bench(t, "dropped by INIT", stubborn, DeviceConfig{Keepalive: time.Hour}, func(_ *Device, h rawHost) {
		defer time.Sleep(time.Minute) // let the handler return
		a, b := h.open(), h.open()
		h.send(a, CommandCBOR, 0x0b)
		h.send(a, CommandInit, nonce...)
		h.wantNow(shown(a, CommandInit, append(slices.Clone(nonce), 0, 0, 0, 1, 2, 0, 0, 0, 0x0c)...))
		h.alive(a) // takes three seconds
		start := time.Now()
		h.send(b, CommandCBOR, 4)
		if got := h.next(time.Minute); got != refusal(b, CodeChannelBusy) || time.Since(start) != defaultGap {
			t.Errorf("got %q after %v", got, time.Since(start))
		}
	})
	bench(t, "request waits for it", stubborn, DeviceConfig{Timeout: time.Minute}, func(_ *Device, h rawHost) {
		a, start := h.open(), time.Now()
		h.send(a, CommandCBOR, 0x0b)
		h.send(a, CommandInit, nonce...)
		h.wantNow(shown(a, CommandInit, append(slices.Clone(nonce), 0, 0, 0, 1, 2, 0, 0, 0, 0x0c)...))
		h.send(a, CommandCBOR, 4)
		got := h.next(time.Second)
		for got == shown(a, CommandKeepalive, 1) {
			got = h.next(time.Second)
		}
		if got != shown(a, CommandCBOR, 4) || time.Since(start) != 10*time.Second {
			t.Errorf("got %q after %v", got, time.Since(start))
		}
	})
}

func TestLockRows(t *testing.T) {
	bench(t, "HID-49, 52 values", echo, DeviceConfig{}, func(_ *Device, h rawHost) {
		cid := h.open()
		h.send(cid, CommandLock, 0)
		h.want(shown(cid, CommandLock))
		h.send(cid, CommandLock, 11)
		h.want(refusal(cid, CodeInvalidParameter))
		h.send(cid, CommandLock)
		h.send(cid, CommandLock, 1, 2)
		h.want(refusal(cid, CodeInvalidLength), refusal(cid, CodeInvalidLength))
	})
	bench(t, "HID-50, 51 others", echo, DeviceConfig{}, func(_ *Device, h rawHost) {
		a, b := h.open(), h.open()
		h.send(a, CommandLock, 10)
		h.send(b, CommandPing, 1)
		h.send(b, CommandLock, 0)
		h.wantNow(shown(a, CommandLock), refusal(b, CodeChannelBusy), refusal(b, CodeChannelBusy))
		h.open()
		h.alive(a)
		h.send(a, CommandLock, 0)
		h.wantNow(shown(a, CommandLock))
		h.alive(b)
	})
	bench(t, "HID-53 expiry and extension", echo, DeviceConfig{}, func(_ *Device, h rawHost) {
		a, b := h.open(), h.open()
		h.send(a, CommandLock, 2)
		time.Sleep(time.Second)
		h.send(a, CommandLock, 2)
		time.Sleep(1999 * time.Millisecond)
		h.send(b, CommandPing, 1)
		h.wantNow(shown(a, CommandLock), shown(a, CommandLock), refusal(b, CodeChannelBusy))
		time.Sleep(time.Millisecond)
		h.alive(b)
	})
}
