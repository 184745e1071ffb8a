package replay_test

import (
	"bytes"
	"context"
	"errors"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/touchstone-fido/touchstone/ctap2"
	"github.com/touchstone-fido/touchstone/ctap2/pinuv"
	"github.com/touchstone-fido/touchstone/ctaphid"
	"github.com/touchstone-fido/touchstone/devices/transcript"
	"github.com/touchstone-fido/touchstone/devices/transcript/replay"
	"github.com/touchstone-fido/touchstone/devices/virtual"
)

const goodPIN = "13579"

// unseeded is a tape without a seed, of what use does with a new key.
func unseeded(t *testing.T, use func(context.Context, *ctap2.Client)) *transcript.Tape {
	t.Helper()
	var file bytes.Buffer
	recorder, err := transcript.NewRecorder(&file, transcript.Header{Transport: transcript.HID, ReportSize: 64}, nil)
	if err != nil {
		t.Fatal(err)
	}
	key := newKey(t, virtual.DefaultProfile(), false)
	ch, err := ctaphid.Open(t.Context(), recorder.Reports(key.Reports), ctaphid.Config{})
	if err != nil {
		t.Fatal(err)
	}
	use(t.Context(), ctap2.New(ch, ctap2.Config{}))
	if err := ch.Close(); err != nil {
		t.Fatal(err)
	}
	tape, err := transcript.Load(&file, "tape")
	if err != nil {
		t.Fatal(err)
	}
	return tape
}

// withPIN sets a PIN, gives wrong ones until it is blocked, and asks how many tries
// are left.
func withPIN(ctx context.Context, c *ctap2.Client) {
	_, _ = c.GetInfo(ctx)
	_ = c.SetPIN(ctx, pinuv.Two, []byte(goodPIN))
	_, _ = c.PINToken(ctx, pinuv.Two, []byte(goodPIN))
	for range 3 {
		_, _ = c.PINToken(ctx, pinuv.Two, []byte("wrong"))
	}
	_, _ = c.PINToken(ctx, pinuv.Two, []byte(goodPIN))
	_, _ = c.PINRetries(ctx)
}

func pins(pin string) func(context.Context, bool) ([]byte, error) {
	return func(context.Context, bool) ([]byte, error) { return []byte(pin), nil }
}

// TestPINsWithoutASeed asks with any PIN of the tape, with the right one of a key,
// and gives wrong ones where the host of the tape did.
func TestPINsWithoutASeed(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		tape := unseeded(t, withPIN)
		if !replay.NeedsPIN(tape) {
			t.Error("the tape does not need its PIN")
		}
		report, err := replay.Run(t.Context(), tape, replay.Options{})
		wantSame(t, "of the tape, any PIN", report, err)
		report, err = replay.Run(t.Context(), tape, replay.Options{PIN: pins(goodPIN)})
		wantSame(t, "of the tape, its PIN", report, err)
		report, err = replay.Against(t.Context(), tape, newKey(t, virtual.DefaultProfile(), false), replay.Options{PIN: pins("24680")})
		wantSame(t, "of a key, a PIN of its own", report, err)
		report, err = replay.Against(t.Context(), tape, newKey(t, virtual.DefaultProfile(), true), replay.Options{PIN: pins("24680")})
		if err != nil || report.Differs != 0 || report.NotAsked != 1 { // INIT
			t.Errorf("of a card: %d differ, %d not asked, %v", report.Differs, report.NotAsked, err)
		}
		report, err = replay.Against(t.Context(), tape, newKey(t, virtual.DefaultProfile(), false), replay.Options{})
		if err != nil || report.NotAsked == 0 {
			t.Errorf("without a PIN: %+v, %v", report, err)
		}
	})
}

func TestPINThatCannotBeHad(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		tape := unseeded(t, withPIN)
		none := errors.New("no terminal")
		ask := func(context.Context, bool) ([]byte, error) { return nil, none }
		if _, err := replay.Run(t.Context(), tape, replay.Options{PIN: ask}); !errors.Is(err, none) {
			t.Errorf("got %v", err)
		}
	})
}

// TestSemanticReplay lets the tape's nonces be, and wants no more differences.
func TestSemanticReplay(t *testing.T) {
	for _, s := range sessions(t) {
		if s.name != "touchstone/hid" {
			continue
		}
		tape, err := transcript.LoadFile(s.file())
		if err != nil {
			t.Fatal(err)
		}
		report, err := replay.Run(t.Context(), tape, replay.Options{Match: transcript.MatchMeaning})
		wantSame(t, "of the tape", report, err)
		if report.Match != transcript.MatchMeaning {
			t.Errorf("matched by %v", report.Match)
		}
	}
}

// TestReplayAtTheTapesSpeed thinks and answers for as long as the tape says.
func TestReplayAtTheTapesSpeed(t *testing.T) {
	text := `{"transport":"hid"}
{"t_us":0,"dir":"out","hex":"ffffffff8600080102030405060708"}
{"t_us":1000,"dir":"in","hex":"ffffffff8600110102030405060708000000010200020004"}
{"t_us":3000,"dir":"out","hex":"000000019000010b"}
{"t_us":8000,"dir":"in","hex":"0000000190000100"}
`
	tape, err := transcript.Load(strings.NewReader(text), "tape")
	if err != nil {
		t.Fatal(err)
	}
	var waited []time.Duration
	report, err := replay.Run(t.Context(), tape, replay.Options{Speed: 2, Pause: func(_ context.Context, d time.Duration) error {
		waited = append(waited, d)
		return nil
	}})
	wantSame(t, "of the tape", report, err)
	if want := []time.Duration{time.Millisecond, 2500 * time.Microsecond}; !slices.Equal(waited, want) {
		t.Errorf("waited %v, want %v", waited, want)
	}
}

// TestCancelledQuestion has the client cancel where the host of the tape did.
func TestCancelledQuestion(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		model := virtual.DefaultProfile()
		tape := unseeded(t, func(ctx context.Context, c *ctap2.Client) { _, _ = c.GetInfo(ctx) })
		text := `{"transport":"hid"}
{"dir":"out","hex":"ffffffff8600080102030405060708"}
{"dir":"in","hex":"ffffffff8600110102030405060708000000010200020005"}
{"dir":"out","hex":"000000019000010b"}
{"dir":"in","hex":"00000001bb000102"}
{"dir":"out","hex":"00000001910000"}
{"dir":"in","hex":"000000019000012d"}
`
		tape, err := transcript.Load(strings.NewReader(text), "tape")
		if err != nil {
			t.Fatal(err)
		}
		report, err := replay.Run(t.Context(), tape, replay.Options{})
		wantSame(t, "of the tape", report, err)
		cfg := virtual.Config{Profile: model, Presence: virtual.Delayed(time.Minute)}
		key, err := virtual.New(cfg)
		if err != nil {
			t.Fatal(err)
		}
		defer key.Close()
		device := ctaphid.NewDevice(key.Handler(), ctaphid.DeviceConfig{Version: [3]byte{0, 2, 0}})
		defer device.Close()
		report, err = replay.Against(t.Context(), tape, replay.Key{Reports: device.Connect()}, replay.Options{})
		wantSame(t, "of a key", report, err)
	})
}

func TestLosses(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		harmless := unseeded(t, func(ctx context.Context, c *ctap2.Client) { _, _ = c.GetInfo(ctx) })
		if got := replay.Losses(harmless); got != nil {
			t.Errorf("getInfo loses %q", got)
		}
		got := replay.Losses(unseeded(t, func(ctx context.Context, c *ctap2.Client) {
			withPIN(ctx, c)
			_ = c.Reset(ctx)
		}))
		want := []string{
			"It resets the key: every passkey on it, its PIN and its settings are lost.", "It sets the key's PIN.",
			"It spends tries of the key's PIN on wrong ones (2 times).",
		}
		if !slices.Equal(got, want) {
			t.Errorf("got %q, want %q", got, want)
		}
	})
}

// TestSessionThatEnds leaves out, with the reason, what comes behind the end.
func TestSessionThatEnds(t *testing.T) {
	text := `{"transport":"hid"}
{"dir":"out","hex":"ffffffff8600080102030405060708"}
{"dir":"in","hex":"ffffffff8600110102030405060708000000010200020004"}
{"dir":"out","hex":"0000000190000107"}
{"cut":"the rest"}
`
	tape, err := transcript.Load(strings.NewReader(text), "tape")
	if err != nil {
		t.Fatal(err)
	}
	report, err := replay.Run(t.Context(), tape, replay.Options{})
	if err != nil || report.Same != 1 || report.NotAsked != 1 || report.OK() {
		t.Fatalf("%+v, %v", report, err)
	}
	if last := report.Steps[1]; last.Question != "authenticatorReset" || last.Reason != "the tape has no answer: the rest" {
		t.Errorf("%+v", last)
	}
}

func TestNothingToAsk(t *testing.T) {
	tape := &transcript.Tape{Name: "tape", Header: transcript.Header{Transport: transcript.HID}}
	if _, err := replay.Run(t.Context(), tape, replay.Options{}); !errors.Is(err, transcript.ErrUnplayable) {
		t.Errorf("got %v", err)
	}
	if _, err := replay.Against(t.Context(), tape, newKey(t, nil, false), replay.Options{}); !errors.Is(err, transcript.ErrUnplayable) {
		t.Errorf("got %v", err)
	}
	if _, err := replay.Against(t.Context(), tape, replay.Key{}, replay.Options{}); err == nil {
		t.Error("no key was asked")
	}
}
