package ctaphid

import (
	"bytes"
	"errors"
	"slices"
	"testing"
	"time"
)

// chop cuts data into reports: a length byte before each, of which 0 and what
// is over 64 mean 64. The last one may be short.
func chop(data []byte) [][]byte {
	var all [][]byte
	for len(data) > 0 {
		n := int(data[0])
		if n == 0 || n > ReportSize {
			n = ReportSize
		}
		n = min(n, len(data)-1)
		all = append(all, data[1:1+n])
		data = data[1+n:]
	}
	return all
}

// join is the inverse of chop.
func join(reports ...[]byte) []byte {
	var data []byte
	for _, r := range reports {
		data = append(append(data, byte(len(r))), r...)
	}
	return data
}

func addSeeds(f *testing.F) {
	f.Add(join(reports(1, CommandInit, initReply(nonce, 1))...))
	f.Add(join(reports(BroadcastCID, CommandInit, nonce)...))
	f.Add(join(reports(1, CommandCBOR, pattern(200))...))
	f.Add(join(reports(1, CommandPing, pattern(3))...))
	f.Add(join(slices.Concat(reports(1, CommandKeepalive, []byte{2}), reports(1, CommandCBOR, []byte{0x2d}))...))
	f.Add(join(slices.Concat(reports(1, CommandLock, []byte{9}), reports(1, CommandCancel, nil), reports(1, CommandMsg, nonce))...))
	for code := range codeNames {
		f.Add(join(reports(1, CommandError, []byte{byte(code)})...))
	}
	for _, fault := range answerFaults {
		f.Add(join(fault.reports...))
	}
}

// FuzzAssembler wants every whole message to survive another round.
func FuzzAssembler(f *testing.F) {
	addSeeds(f)
	f.Fuzz(func(t *testing.T, data []byte) {
		asm := NewAssembler(ReportSize)
		for _, report := range chop(data) {
			p, err := ParsePacket(report)
			if err != nil {
				continue
			}
			m, whole, err := asm.Add(p)
			if err != nil && !errors.Is(err, ErrProtocol) {
				t.Fatalf("error of another kind: %v", err)
			}
			if whole {
				again := carry(t, NewAssembler(ReportSize), m, ReportSize)
				if again.CID != m.CID || again.Command != m.Command || !bytes.Equal(again.Payload, m.Payload) {
					t.Fatalf("got %v, want %v", again, m)
				}
			}
		}
	})
}

// FuzzHost lets a key say anything. The host must come back with an answer or
// an *Error, and never wait.
func FuzzHost(f *testing.F) {
	addSeeds(f)
	f.Fuzz(func(t *testing.T, data []byte) {
		k := newFakeKey(func(*fakeKey, Message) bool { return true })
		all := chop(data)
		k.send(all[:min(len(all), cap(k.in))]...)
		close(k.gone)
		cfg := Config{Rand: bytes.NewReader(bytes.Repeat(nonce, 1000)), Silence: time.Millisecond}
		_, openErr := Open(ctx, k, cfg)
		cfg.Channel = 1
		c := mustOpen(t, k, cfg)
		defer c.Close()
		_, cborErr := c.Exchange(ctx, []byte{4})
		_, pingErr := c.Ping(ctx, pattern(3))
		_, msgErr := c.Msg(ctx, []byte{0, 3})
		for _, err := range []error{openErr, cborErr, pingErr, msgErr, c.Wink(ctx), c.Init(ctx)} {
			var e *Error
			if err != nil && !errors.As(err, &e) {
				t.Errorf("%T: %v", err, err)
			}
		}
	})
}

// FuzzDevice is HID-55: whatever reports came, the device speaks in whole
// messages only and still answers INIT.
func FuzzDevice(f *testing.F) {
	addSeeds(f)
	f.Fuzz(func(t *testing.T, data []byte) {
		d := NewDevice(&fullHandler{handlerFunc: echo}, DeviceConfig{Channels: 2})
		defer d.Close()
		conn := d.Connect()
		open := reports(BroadcastCID, CommandInit, nonce)[0]
		conn.WriteReport(ctx, open)
		for _, report := range chop(data) {
			padded := make([]byte, ReportSize)
			copy(padded, report)
			if err := conn.WriteReport(ctx, padded); err != nil {
				t.Fatal(err)
			}
		}
		last := d.Connect()
		last.WriteReport(ctx, open)
		wantInitAnswer(t, last)
		d.Close()
		wantWholeMessages(t, conn)
	})
}

// wantInitAnswer wants an answer to INIT, before which there may be answers to
// what came earlier.
func wantInitAnswer(t *testing.T, conn ReportConn) {
	for report := make([]byte, ReportSize); ; {
		if _, err := conn.ReadReport(ctx, report); err != nil {
			t.Fatal(err)
		}
		p, err := ParsePacket(report)
		if err != nil {
			t.Fatal(err)
		}
		if p.CID == BroadcastCID && p.Command == CommandInit && bytes.HasPrefix(p.Data, nonce) {
			return
		}
	}
}

// wantWholeMessages reads what is queued; only the oldest may have been lost.
func wantWholeMessages(t *testing.T, conn ReportConn) {
	asm, report, n := NewAssembler(ReportSize), make([]byte, ReportSize), 0
	for ; ; n++ {
		if _, err := conn.ReadReport(ctx, report); err != nil {
			break
		}
		p, err := ParsePacket(report)
		if err != nil {
			t.Fatal(err)
		}
		if _, _, err := asm.Add(p); err != nil && !errors.Is(err, FaultStray) {
			t.Fatalf("report %d: %v", n, err)
		}
	}
	if err := asm.Pending(); err != nil {
		t.Fatalf("at the end: %v", err)
	}
}
