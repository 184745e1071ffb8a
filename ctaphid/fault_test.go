package ctaphid

import (
	"context"
	"errors"
	"reflect"
	"testing"
	"testing/iotest"
	"testing/synctest"
	"time"
)

// answerFaults are wrong answers to a CBOR request on fakeChannel.
var answerFaults = []struct {
	name    string
	reports [][]byte
	want    error
}{
	{"cut before the channel", [][]byte{{0, 0, 1}}, FaultShort},
	{"empty report", [][]byte{{}}, FaultShort},
	{"cut in the header", [][]byte{initPacket(fakeChannel, CommandCBOR, 4)[:6]}, FaultShort},
	{"cut in the data", [][]byte{initPacket(fakeChannel, CommandCBOR, 4)[:10]}, FaultShort},
	{"cut continuation", [][]byte{initPacket(fakeChannel, CommandCBOR, 100), contPacket(fakeChannel, 0)[:40]}, FaultShort},
	{"length over the maximum", [][]byte{initPacket(fakeChannel, CommandCBOR, 7610)}, FaultLength},
	{"length ffff", [][]byte{initPacket(fakeChannel, CommandCBOR, 0xffff)}, FaultLength},
	{"continuation first", [][]byte{contPacket(fakeChannel, 0)}, FaultStray},
	{"packet left out", [][]byte{initPacket(fakeChannel, CommandCBOR, 200), contPacket(fakeChannel, 1)}, FaultSequence},
	{"packet twice", [][]byte{initPacket(fakeChannel, CommandCBOR, 200), contPacket(fakeChannel, 0), contPacket(fakeChannel, 0)}, FaultSequence},
	{"first packet twice", [][]byte{initPacket(fakeChannel, CommandCBOR, 200), initPacket(fakeChannel, CommandCBOR, 200)}, FaultInterrupted},
	{"keepalive in mid-answer", [][]byte{initPacket(fakeChannel, CommandCBOR, 200), initPacket(fakeChannel, CommandKeepalive, 1, 1)}, FaultInterrupted},
	{"another command", reports(fakeChannel, CommandMsg, []byte{0}), FaultCommand},
	{"another command, more to come", [][]byte{initPacket(fakeChannel, CommandPing, 200)}, FaultCommand},
	{"empty answer", reports(fakeChannel, CommandCBOR, nil), FaultPayload},
	{"empty keepalive", reports(fakeChannel, CommandKeepalive, nil), FaultPayload},
	{"empty error", reports(fakeChannel, CommandError, nil), FaultPayload},
	{"never the end", [][]byte{initPacket(fakeChannel, CommandCBOR, 200), contPacket(fakeChannel, 0)}, ErrTimeout},
	{"nothing", nil, ErrTimeout},
	{"nothing but other channels", append(reports(5, CommandCBOR, pattern(200)), []byte{0, 0, 0, 5}), ErrTimeout},
}

func TestWrongAnswers(t *testing.T) {
	for _, tt := range answerFaults {
		t.Run(tt.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) { runWrongAnswer(t, tt.reports, tt.want) })
		})
	}
}

// runWrongAnswer wants the right error, and the next request to begin with an
// INIT and to succeed.
func runWrongAnswer(t *testing.T, answer [][]byte, want error) {
	wrong := true
	k := newFakeKey(func(k *fakeKey, m Message) bool {
		if m.Command != CommandCBOR || !wrong {
			return false
		}
		k.send(answer...)
		return true
	})
	c := mustOpen(t, k, Config{})
	defer c.Close()
	k.heard()
	_, err := c.Exchange(ctx, []byte{4})
	var e *Error
	if !errors.Is(err, want) || !errors.As(err, &e) || e.Op != "cbor" || e.CID != fakeChannel {
		t.Errorf("got %v, want %v", err, want)
	}
	if protocol := want != ErrTimeout; protocol != errors.Is(err, ErrProtocol) {
		t.Errorf("%v: a protocol error: %v", err, !protocol)
	}
	wrong = false
	if err := roundTrip(c, pattern(100)); err != nil {
		t.Errorf("afterwards: %v", err)
	}
	if heard, want := k.heard(), []string{heardCBOR, heardInit, heardCBOR}; !reflect.DeepEqual(heard, want) {
		t.Errorf("key heard %v, want %v", heard, want)
	}
}

func TestOtherChannelsAreIgnored(t *testing.T) {
	k := newFakeKey(func(k *fakeKey, m Message) bool {
		if m.Command != CommandCBOR {
			return false
		}
		own, other := reports(m.CID, CommandCBOR, pattern(150)), reports(0x01020304, CommandCBOR, pattern(150))
		for i := range own {
			k.send(other[i], own[i], reports(BroadcastCID, CommandInit, pattern(17))[0], []byte{9, 9, 9, 9})
		}
		return true
	})
	c := mustOpen(t, k, Config{})
	defer c.Close()
	got, err := c.Exchange(ctx, []byte{4})
	if err != nil || string(got) != string(pattern(150)) {
		t.Errorf("%d bytes, %v", len(got), err)
	}
}

func TestWrongEcho(t *testing.T) {
	for name, echo := range map[string][]byte{"differs": {1, 2, 4}, "short": {1, 2}, "long": {1, 2, 3, 4}} {
		k := newFakeKey(func(k *fakeKey, m Message) bool {
			k.send(reports(m.CID, m.Command, echo)...)
			return m.Command == CommandPing
		})
		c := mustOpen(t, k, Config{Channel: fakeChannel})
		if _, err := c.Ping(ctx, []byte{1, 2, 3}); !errors.Is(err, FaultPayload) {
			t.Errorf("%s: %v", name, err)
		}
		k.heard()
		if err := roundTrip(c, echo); err != nil || k.heard()[0] != heardInit {
			t.Errorf("%s: no way back: %v", name, err)
		}
		c.Close()
	}
}

// polledKey is a fakeKey that can tell what has come.
type polledKey struct{ *fakeKey }

func (k polledKey) PollReport(p []byte) (int, error) {
	select {
	case report := <-k.in:
		return copy(p, report), nil
	default:
		return 0, nil
	}
}

// TestDoubledAnswer: a key that gives an answer twice must not have the second
// one taken for the answer to the next request, nor hold that up for ever.
func TestDoubledAnswer(t *testing.T) {
	for _, size := range []int{1, 57, 58, 300} {
		k := newFakeKey(func(k *fakeKey, m Message) bool {
			if m.Command != CommandCBOR {
				return false
			}
			for range 2 {
				k.send(reports(m.CID, CommandCBOR, m.Payload)...)
			}
			return true
		})
		c := mustOpen(t, polledKey{k}, Config{})
		for i := range 3 {
			msg := append([]byte{byte(i)}, pattern(size-1)...)
			if err := roundTrip(c, msg); err != nil {
				t.Errorf("%d bytes, request %d: %v", size, i, err)
			}
		}
		c.Close()
	}
}

func TestLateReportsHaveAnEnd(t *testing.T) {
	k := newFakeKey(nil)
	c := mustOpen(t, endlessKey{k}, Config{})
	defer c.Close()
	if err := roundTrip(c, []byte{4}); err != nil {
		t.Error(err)
	}
}

// endlessKey always has one more report for who polls.
type endlessKey struct{ *fakeKey }

func (endlessKey) PollReport(p []byte) (int, error) {
	return copy(p, contPacket(fakeChannel, 5)), nil
}

// initFaults are answers to the INIT of Open, given its nonce.
var initFaults = []struct {
	name   string
	answer func(nonce []byte) [][]byte
	want   error // nil: Open succeeds
}{
	{"none", func([]byte) [][]byte { return nil }, ErrTimeout},
	{"short", func(n []byte) [][]byte { return initReports(n, 16) }, FaultPayload},
	{"cut report", func(n []byte) [][]byte { return [][]byte{initReports(n, 17)[0][:20]} }, FaultPayload},
	{"long", func(n []byte) [][]byte { return initReports(append(initReply(n, 7), 1, 2, 3), 20) }, nil},
	{"channel 0", func(n []byte) [][]byte { return initReports(initReply(n, 0), 17) }, FaultPayload},
	{"broadcast channel", func(n []byte) [][]byte { return initReports(initReply(n, BroadcastCID), 17) }, FaultPayload},
	{"other nonce only", func([]byte) [][]byte { return initReports(initReply(make([]byte, 8), 3), 17) }, ErrTimeout},
	{"other nonces first", func(n []byte) [][]byte {
		var all [][]byte
		for range 10 {
			all = append(all, initReports(initReply(make([]byte, 8), 3), 17)...)
		}
		return append(all, initReports(initReply(n, 7), 17)...)
	}, nil},
	{"on another channel", func(n []byte) [][]byte { return reports(9, CommandInit, initReply(n, 7)) }, ErrTimeout},
	{"refused", func([]byte) [][]byte { return reports(BroadcastCID, CommandError, []byte{1}) }, CodeInvalidCommand},
	{"another program refused", func(n []byte) [][]byte {
		return append(reports(BroadcastCID, CommandError, []byte{0x0b}), initReports(initReply(n, 7), 17)...)
	}, nil},
	{"leftovers first", func(n []byte) [][]byte {
		return append([][]byte{contPacket(BroadcastCID, 3), initPacket(BroadcastCID, CommandError, 0)}, initReports(initReply(n, 7), 17)...)
	}, nil},
}

func initReports(payload []byte, n int) [][]byte {
	return reports(BroadcastCID, CommandInit, append(payload, make([]byte, 17)...)[:n])
}

func TestOpenAgainstWrongAnswers(t *testing.T) {
	for _, tt := range initFaults {
		t.Run(tt.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				start := time.Now()
				c, err := Open(ctx, newFakeKey(func(k *fakeKey, m Message) bool {
					k.send(tt.answer(m.Payload)...)
					return true
				}), Config{})
				if !errors.Is(err, tt.want) {
					t.Fatalf("got %v, want %v", err, tt.want)
				}
				if took := time.Since(start); took > 3*time.Second {
					t.Errorf("took %v", took)
				}
				if tt.want == nil && c.ID() != 7 {
					t.Errorf("channel %v", c.ID())
				}
			})
		})
	}
}

// TestResyncIsChecked answers the second INIT with another channel.
func TestResyncIsChecked(t *testing.T) {
	inits := 0
	k := newFakeKey(func(k *fakeKey, m Message) bool {
		if m.Command != CommandInit {
			return false
		}
		inits++
		k.send(reports(m.CID, CommandInit, initReply(m.Payload, fakeChannel+ChannelID(inits/2)))...)
		return true
	})
	c := mustOpen(t, k, Config{})
	defer c.Close()
	if err := c.Init(ctx); !errors.Is(err, ErrProtocol) {
		t.Errorf("got %v", err)
	}
	if err := c.Init(ctx); err == nil || c.ID() != fakeChannel {
		t.Errorf("channel %v, %v", c.ID(), err)
	}
}

func TestNonceIsRandom(t *testing.T) {
	seen := make(map[string]bool)
	k := newFakeKey(func(_ *fakeKey, m Message) bool {
		seen[string(m.Payload)] = true
		return false
	})
	c := mustOpen(t, k, Config{})
	defer c.Close()
	for range 4 {
		c.Init(ctx)
	}
	if len(seen) != 5 {
		t.Errorf("%d nonces in 5 INITs", len(seen))
	}
	broken := errors.New("no more randomness")
	if _, err := Open(ctx, k, Config{Rand: iotest.ErrReader(broken)}); !errors.Is(err, broken) {
		t.Errorf("got %v", err)
	}
}

// flood is a connection that always has one more report, whatever the context.
type flood struct {
	*fakeKey
	report []byte
	every  time.Duration
}

func (f flood) ReadReport(_ context.Context, p []byte) (int, error) {
	time.Sleep(f.every)
	return copy(p, f.report), nil
}

func TestFloodsHaveAnEnd(t *testing.T) {
	own := reports(fakeChannel, CommandKeepalive, []byte{1})[0]
	other := reports(7, CommandKeepalive, []byte{1})[0]
	tests := []struct {
		name   string
		report []byte
		limit  time.Duration // of the context
		want   error
		took   time.Duration
	}{
		{"other channels, no deadline", other, time.Hour, ErrTimeout, 30 * time.Second},
		{"other channels, deadline", other, time.Second, context.DeadlineExceeded, 4 * time.Second},
		{"own keepalives, deadline", own, time.Minute, context.DeadlineExceeded, 63 * time.Second},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				ctx, stop := context.WithTimeout(ctx, tt.limit)
				defer stop()
				conn := flood{newFakeKey(func(*fakeKey, Message) bool { return true }), tt.report, 10 * time.Millisecond}
				c := mustOpen(t, conn, Config{Channel: fakeChannel})
				start := time.Now()
				_, err := c.Exchange(ctx, []byte{4})
				if took := time.Since(start).Round(time.Second); !errors.Is(err, tt.want) || took != tt.took {
					t.Errorf("got %v after %v, want %v after %v", err, took, tt.want, tt.took)
				}
			})
		})
	}
}

func TestFloodDoesNotStopOpen(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		report := reports(BroadcastCID, CommandInit, initReply(make([]byte, 8), 3))[0]
		conn := flood{newFakeKey(nil), report, time.Millisecond}
		start := time.Now()
		if _, err := Open(ctx, conn, Config{}); !errors.Is(err, ErrTimeout) || time.Since(start).Round(time.Second) != 3*time.Second {
			t.Errorf("got %v after %v", err, time.Since(start))
		}
	})
}

// oversized claims more bytes than there is room for.
type oversized struct{ *fakeKey }

func (o oversized) ReadReport(_ context.Context, p []byte) (int, error) { return len(p) + 1, nil }

func TestOversizedReport(t *testing.T) {
	c := mustOpen(t, oversized{newFakeKey(nil)}, Config{Channel: 1})
	if _, err := c.Exchange(ctx, []byte{4}); !errors.Is(err, ErrProtocol) {
		t.Errorf("got %v", err)
	}
}

func TestWriteFailure(t *testing.T) {
	k := newFakeKey(nil)
	c := mustOpen(t, k, Config{})
	defer c.Close()
	k.heard()
	pipe, n := errors.New("broken pipe"), 0
	k.writeErr = func([]byte) error {
		if n++; n == 2 {
			return pipe
		}
		return nil
	}
	if _, err := c.Exchange(ctx, pattern(200)); !errors.Is(err, pipe) {
		t.Errorf("got %v", err)
	}
	if err := roundTrip(c, []byte{4}); err != nil {
		t.Error(err)
	}
	if heard, want := k.heard(), []string{heardInit, heardCBOR}; !reflect.DeepEqual(heard, want) {
		t.Errorf("key heard %v, want %v", heard, want)
	}
}

func TestWriteThatHangs(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		conn := stuck{newFakeKey(nil)}
		c := mustOpen(t, conn, Config{Channel: 1})
		ctx, stop := context.WithTimeout(ctx, time.Second)
		defer stop()
		start := time.Now()
		if _, err := c.Exchange(ctx, []byte{4}); !errors.Is(err, ErrTimeout) || time.Since(start) != writeLimit {
			t.Errorf("got %v after %v", err, time.Since(start))
		}
	})
}

// stuck takes no report.
type stuck struct{ *fakeKey }

func (stuck) WriteReport(ctx context.Context, _ []byte) error {
	<-ctx.Done()
	return context.Cause(ctx)
}

func TestGoneInMidAnswer(t *testing.T) {
	k := newFakeKey(func(k *fakeKey, m Message) bool {
		k.send(initPacket(m.CID, CommandCBOR, 100))
		close(k.gone)
		return true
	})
	c := mustOpen(t, k, Config{Channel: 1})
	defer c.Close()
	if _, err := c.Exchange(ctx, []byte{4}); !errors.Is(err, ErrGone) {
		t.Errorf("got %v", err)
	}
}

func TestInvalidChannelInEveryCase(t *testing.T) {
	known := false
	k := newFakeKey(func(k *fakeKey, m Message) bool {
		if known || m.CID == BroadcastCID {
			known = true
			return false
		}
		k.send(reports(m.CID, CommandError, []byte{byte(CodeInvalidChannel)})...)
		return true
	})
	c := mustOpen(t, k, Config{Channel: 5})
	defer c.Close()
	if _, err := c.Exchange(ctx, []byte{4}); !errors.Is(err, CodeInvalidChannel) {
		t.Errorf("got %v", err)
	}
	if err := roundTrip(c, []byte{4}); err != nil || c.ID() != fakeChannel {
		t.Errorf("channel %v, %v", c.ID(), err)
	}
	known = false
	if err := c.Init(ctx); err != nil {
		t.Errorf("init: %v", err)
	}
	want := []string{
		"CTAPHID_CBOR 00000005", "CTAPHID_INIT ffffffff", heardCBOR,
		heardInit, "CTAPHID_INIT ffffffff",
	}
	if heard := k.heard(); !reflect.DeepEqual(heard, want) {
		t.Errorf("key heard %v, want %v", heard, want)
	}
}
