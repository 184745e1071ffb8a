package ctaphid

import (
	"context"
	"errors"
	"testing"
	"testing/synctest"
	"time"
)

func TestEveryHostHearsEverything(t *testing.T) {
	bench(t, "two hosts", echo, DeviceConfig{}, func(d *Device, h rawHost) {
		cid := h.open()
		other := rawHost{t, d.Connect()}
		other.send(cid, CommandPing, 7)
		h.want(shown(cid, CommandPing, 7))
		other.want(shown(cid, CommandPing, 7))
		if err := other.conn.Close(); err != nil {
			t.Error(err)
		}
		h.alive(cid)
	})
	bench(t, "a host that does not read keeps the newest", echo, DeviceConfig{}, func(d *Device, h rawHost) {
		cid := h.open()
		for i := range maxQueue + 2 {
			h.send(cid, CommandPing, byte(i>>8), byte(i))
		}
		for i := range maxQueue {
			h.wantNow(shown(cid, CommandPing, byte((i+2)>>8), byte(i+2)))
		}
		h.want()
	})
}

func TestHostConnEnds(t *testing.T) {
	d := NewDevice(echo, DeviceConfig{})
	conn := d.Connect()
	report := make([]byte, ReportSize)
	if err := conn.WriteReport(ctx, make([]byte, 65)); !errors.Is(err, ErrProtocol) {
		t.Errorf("long write: %v", err)
	}
	if _, err := conn.ReadReport(ctx, report[:63]); !errors.Is(err, ErrProtocol) {
		t.Errorf("short read: %v", err)
	}
	rawHost{t, conn}.send(BroadcastCID, CommandInit, nonce...)
	ended, cancel := context.WithCancelCause(ctx)
	cancel(errEnough)
	if _, err := conn.ReadReport(ended, report); !errors.Is(err, errEnough) {
		t.Errorf("read with an ended context: %v", err)
	}
	if err := conn.WriteReport(ended, report); !errors.Is(err, errEnough) {
		t.Errorf("write with an ended context: %v", err)
	}
	d.Close()
	if _, err := conn.ReadReport(ctx, report); err != nil {
		t.Errorf("what was queued before: %v", err)
	}
	if _, err := conn.ReadReport(ctx, report); !errors.Is(err, ErrGone) {
		t.Errorf("read of a device that left: %v", err)
	}
	if err := conn.WriteReport(ctx, report); !errors.Is(err, ErrGone) {
		t.Errorf("write to a device that left: %v", err)
	}
	conn.Close()
	if _, err := conn.ReadReport(ctx, report); !errors.Is(err, ErrClosed) {
		t.Errorf("read after Close: %v", err)
	}
	if err := conn.WriteReport(ctx, report); !errors.Is(err, ErrClosed) {
		t.Errorf("write after Close: %v", err)
	}
}

// TestShortReports: what a report lacks is missed where it matters, and what
// ends in its header is nothing.
func TestShortReports(t *testing.T) {
	bench(t, "short reports", echo, DeviceConfig{}, func(d *Device, h rawHost) {
		cid := h.open()
		ping := reports(cid, CommandPing, pattern(100))
		write := func(report []byte) {
			if err := h.conn.WriteReport(ctx, report); err != nil {
				t.Error(err)
			}
		}
		for _, n := range []int{0, 3, 4, 5, 6} {
			write(ping[0][:n])
		}
		h.wantNow()
		write(ping[0][:63])
		h.wantNow(shown(cid, CommandError, byte(CodeInvalidLength)))
		write(ping[0])
		write(ping[1][:40])
		h.wantNow(shown(cid, CommandError, byte(CodeInvalidSeq)))
		write(reports(cid, CommandPing, []byte{7})[0][:8])
		h.wantNow(shown(cid, CommandPing, 7))
	})
}

// TestPollReport finds what is queued and does not wait.
func TestPollReport(t *testing.T) {
	d := NewDevice(echo, DeviceConfig{})
	conn := d.Connect().(ReportPoller)
	report := make([]byte, ReportSize)
	if n, err := conn.PollReport(report); n != 0 || err != nil {
		t.Errorf("nothing: %d, %v", n, err)
	}
	if _, err := conn.PollReport(report[:63]); !errors.Is(err, ErrProtocol) {
		t.Errorf("no room: %v", err)
	}
	rawHost{t, conn.(ReportConn)}.send(BroadcastCID, CommandInit, nonce...)
	if n, err := conn.PollReport(report); n != ReportSize || err != nil || report[4] != 0x86 {
		t.Errorf("an answer: %d, %v, %x", n, err, report)
	}
	conn.(ReportConn).Close()
	if _, err := conn.PollReport(report); !errors.Is(err, ErrClosed) {
		t.Errorf("closed: %v", err)
	}
}

func TestUnplugWithStubbornHandler(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		d := NewDevice(slowU2F{handlerFunc(func(context.Context, []byte, func(byte)) []byte {
			time.Sleep(time.Minute)
			return nil
		})}, DeviceConfig{})
		h := rawHost{t, d.Connect()}
		cid := h.open()
		h.send(cid, CommandCBOR, 1)
		start := time.Now()
		d.PowerCycle()
		if err := d.Close(); err == nil || time.Since(start) != 2*handlerGrace {
			t.Errorf("got %v after %v", err, time.Since(start))
		}
		time.Sleep(time.Minute) // let the handler return
	})
}

func TestPowerCycleEndsTheTransaction(t *testing.T) {
	for name, begin := range map[string][]byte{
		"in mid-message":    initPacket(1, CommandPing, 1000),
		"in the touch wait": initPacket(1, CommandCBOR, 1, 0x0b),
		"while locked":      initPacket(1, CommandLock, 1, 10),
	} {
		bench(t, name, byCommand, DeviceConfig{Keepalive: time.Hour}, func(d *Device, h rawHost) {
			h.open()
			h.write(begin)
			d.PowerCycle()
			for h.next(time.Microsecond) != "" { // what was said before
			}
			cid := h.open()
			h.alive(cid)
			h.send(cid, CommandCBOR, 4)
			synctest.Wait()
			h.want(shown(cid, CommandCBOR, 4))
		})
	}
}
