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
	if err := conn.WriteReport(ctx, report[:63]); !errors.Is(err, ErrProtocol) {
		t.Errorf("short write: %v", err)
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
