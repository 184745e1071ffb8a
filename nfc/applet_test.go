package nfc

import (
	"bytes"
	"context"
	"errors"
	"strings"
	"testing"
	"testing/synctest"
	"time"
)

// encodings is every way to write messages that meets an ordinary card.
var encodings = map[string]Config{
	"auto":           {},
	"auto no Le":     {OmitLe: true},
	"auto no poll":   {NoPoll: true},
	"1-byte chunks":  {ChunkSize: 1},
	"short":          {Encoding: EncodingShort},
	"short no Le":    {Encoding: EncodingShort, OmitLe: true},
	"255-byte parts": {Encoding: EncodingShort, ChunkSize: 255, ChainPoll: ChainPollLast},
	"extended":       {Encoding: EncodingExtended},
	"extended no Le": {Encoding: EncodingExtended, OmitLe: true},
}

func TestExchangeSizes(t *testing.T) {
	for name, cfg := range encodings {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				a := open(t, NewEmulator(&fakeKey{}, EmulatorConfig{}), cfg)
				for _, n := range []int{1, 2, 239, 240, 241, 253, 254, 255, 256, 257, 480, 510, 512, 1024, 1200} {
					msg := pattern(n)
					answer, err := a.Exchange(t.Context(), msg)
					if err != nil || !bytes.Equal(answer, append([]byte{0}, msg...)) {
						t.Errorf("%d bytes: %d bytes back, %v", n, len(answer), err)
					}
				}
				if answer, err := a.Exchange(t.Context(), pattern(1201)); err != nil || !bytes.Equal(answer, []byte{0x39}) {
					t.Errorf("1201 bytes: %x, %v", answer, err)
				}
				if a.Version() != "FIDO_2_0" {
					t.Errorf("version %q", a.Version())
				}
			})
		})
	}
}

func TestExchangeTouch(t *testing.T) {
	for name, cfg := range encodings {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				var seen []Keepalive
				cfg.OnKeepalive = func(k Keepalive) { seen = append(seen, k) }
				a := open(t, NewEmulator(&fakeKey{}, EmulatorConfig{}), cfg)
				start := time.Now()
				answer, err := a.Exchange(t.Context(), []byte{cmdTouch})
				if err != nil || !bytes.Equal(answer, []byte{0}) {
					t.Fatalf("%x, %v", answer, err)
				}
				if cfg.NoPoll {
					if len(seen) > 0 || time.Since(start) != userTakes {
						t.Errorf("%v after %v", seen, time.Since(start))
					}
					return
				}
				if len(seen) != 4 || seen[0] != (Keepalive{Status: 2, Since: 100 * time.Millisecond}) ||
					time.Since(start) != 500*time.Millisecond {
					t.Errorf("%v after %v", seen, time.Since(start))
				}
			})
		})
	}
}

// What goes over the wire, to the byte.
func TestExchangeWire(t *testing.T) {
	chunk := strings.Repeat("aa", 240)
	rest := strings.Repeat("aa", 10)
	msg := bytes.Repeat([]byte{0xAA}, 250)
	for name, c := range map[string]struct {
		cfg   Config
		pairs []string
	}{
		"chain": {Config{}, []string{
			"90108000f0" + chunk, "9000",
			"801080000a" + rest + "00", "019000"}},
		"poll bit on the last part": {Config{ChainPoll: ChainPollLast}, []string{
			"90100000f0" + chunk, "9000",
			"801080000a" + rest + "00", "019000"}},
		"no poll bit": {Config{NoPoll: true}, []string{
			"90100000f0" + chunk, "9000",
			"801000000a" + rest + "00", "019000"}},
		"extended": {Config{Encoding: EncodingExtended}, []string{
			"801080000000fa" + chunk + rest + "0000", "019000"}},
		"get response": {Config{}, []string{
			"90108000f0" + chunk, "9000",
			"801080000a" + rest + "00", "6102", // as a card does on T=0
			"00c0000002", "01 6101",
			"00c0000001", "02 9000"}},
		"get response without Le": {Config{OmitLe: true, Opening: [][]byte{unhex(t, selectHex)}}, []string{
			"90108000f0" + chunk, "9000",
			"801080000a" + rest, "01 6100",
			"00c00000", "02 9000"}},
		"get response of class 80": {Config{}, []string{
			"90108000f0" + chunk, "9000",
			"801080000a" + rest + "00", "01 6105",
			"00c0000005", "6e00",
			"80c0000005", "02 6105",
			"80c0000005", "03 9000"}},
		"right length": {Config{}, []string{
			"90108000f0" + chunk, "9000",
			"801080000a" + rest + "00", "6c04",
			"801080000a" + rest + "04", "6102",
			"00c0000002", "6c01",
			"00c0000001", "01 9000"}},
		"put off": {Config{Poll: 1}, []string{
			"90108000f0" + chunk, "9000",
			"801080000a" + rest + "00", "9100", // without a status byte
			"8011000000", "01 9100",
			"8011000000", "00 61ff",
			"00c00000ff", "02 9000"}},
		"put off in extended form": {Config{Encoding: EncodingExtended, Poll: 1}, []string{
			"801080000000fa" + chunk + rest + "0000", "029100",
			"80110000000000", "019000"}},
		"put off unasked": {Config{NoPoll: true, Poll: 1}, []string{
			"90100000f0" + chunk, "9000",
			"801000000a" + rest + "00", "019100",
			"8011000000", "019000"}},
	} {
		t.Run(name, func(t *testing.T) {
			card := play(t, c.pairs...)
			if _, err := open(t, card, c.cfg).Exchange(t.Context(), msg); err != nil {
				t.Error(err)
			}
			card.finish()
		})
	}
}

func TestOpen(t *testing.T) {
	u2fVersion, nineBytes := "00030000", "00a4040009a0000006472f000100"
	for name, c := range map[string]struct {
		opening []string
		answers []string
		version string
		kind    error
	}{
		"select":       {nil, []string{"5532465f56329000"}, "U2F_V2", nil},
		"unknown":      {nil, []string{"4649444f5f395f39399000"}, "FIDO_9_99", nil},
		"version only": {[]string{u2fVersion}, []string{"5532465f56329000"}, "U2F_V2", nil},
		"two": {[]string{nineBytes, u2fVersion}, []string{"6a82", "5532465f56329000"},
			"U2F_V2", nil},
		"in two parts":  {nil, []string{"6106", "5532465f56329000"}, "U2F_V2", nil},
		"not there":     {nil, []string{"6a82"}, "", SWNotFound},
		"no version":    {nil, []string{"9000"}, "", ErrProtocol},
		"nothing":       {nil, []string{""}, "", ErrProtocol},
		"bad opening":   {[]string{"00"}, nil, "", ErrMalformed},
		"empty opening": {[]string{}, nil, "", ErrMalformed},
	} {
		t.Run(name, func(t *testing.T) {
			card := &script{t: t}
			cfg := Config{Encoding: EncodingShort}
			for i, answer := range c.answers {
				want := selectHex
				if c.opening != nil {
					want = c.opening[i]
				} else if i == 1 {
					want = "00c0000006"
				}
				card.steps = append(card.steps, step{want: want, answer: answer})
			}
			if c.opening != nil {
				cfg.Opening = [][]byte{}
			}
			for _, apdu := range c.opening {
				cfg.Opening = append(cfg.Opening, unhex(t, apdu))
			}
			a, err := Open(t.Context(), card, cfg)
			if c.kind != nil {
				wantError(t, err, "select", c.kind)
			} else if err != nil || a.Version() != c.version {
				t.Errorf("%v", err)
			}
			card.finish()
			if card.closed {
				t.Error("Open closed the card")
			}
		})
	}
}

func TestOpenBadConfig(t *testing.T) {
	for _, cfg := range []Config{{ChunkSize: 256}, {ChunkSize: -1}, {Poll: -1}, {Drain: -1}, {Timeout: -1}, {MaxAnswer: -1}} {
		_, err := Open(t.Context(), &script{t: t}, cfg)
		wantError(t, err, "select")
	}
}

// Exchanges of several goroutines take turns, and one that waits for its turn
// can be called off.
func TestExchangeTurns(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		a := open(t, NewEmulator(&fakeKey{}, EmulatorConfig{}), Config{ChunkSize: 7})
		results := make(chan error)
		for range 5 {
			go func() {
				answer, err := a.Exchange(t.Context(), pattern(100))
				if err == nil && len(answer) != 101 {
					err = errors.New("mixed up")
				}
				results <- err
			}()
		}
		for range 5 {
			if err := <-results; err != nil {
				t.Error(err)
			}
		}
		go func() {
			_, err := a.Exchange(t.Context(), []byte{cmdTouch})
			results <- err
		}()
		synctest.Wait()
		ctx, cancel := context.WithTimeout(t.Context(), time.Millisecond)
		defer cancel()
		_, err := a.Exchange(ctx, []byte{cmdEcho})
		wantError(t, err, "message", context.DeadlineExceeded)
		if err := <-results; err != nil {
			t.Error(err)
		}
	})
}

func TestTransmit(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		a := open(t, NewEmulator(&fakeU2F{}, EmulatorConfig{}), Config{ChunkSize: 10})
		if a.Version() != "U2F_V2" {
			t.Errorf("version %q", a.Version())
		}
		register := Command{INS: 0x01, Data: pattern(64), Ne: 256}
		want, _ := register.Bytes()
		resp, err := a.Transmit(t.Context(), register)
		if err != nil || resp.SW != SWOK || !bytes.Equal(resp.Data, want) {
			t.Errorf("%+v, %v", resp, err)
		}
		long := Command{INS: 0x02, P1: 0x03, Data: pattern(300), Ne: 256}
		whole := Command{INS: 0x02, P1: 0x03, Data: pattern(300), Ne: 65536, Extended: true}
		want, _ = whole.Bytes()
		for _, cmd := range []Command{long, whole} {
			resp, err = a.Transmit(t.Context(), cmd)
			if err != nil || resp.SW != SWOK || !bytes.Equal(resp.Data, want) {
				t.Errorf("%d bytes, %v, %v", len(resp.Data), resp.SW, err)
			}
		}
		resp, err = a.Transmit(t.Context(), Command{INS: 0x02, P1: 0x07})
		if err != nil || resp.SW != SWConditionsNotSatisfied {
			t.Errorf("%+v, %v", resp, err)
		}
		if _, err = a.Transmit(t.Context(), Command{Ne: 300}); !errors.Is(err, ErrMalformed) {
			t.Error(err)
		}
	})
}

func TestEnd(t *testing.T) {
	card := play(t, "80120100", "9000", selectHex, "5532465f56329000", "80108000010400", "009000")
	a := open(t, card, Config{})
	if err := a.End(t.Context()); err != nil {
		t.Error(err)
	}
	if _, err := a.Exchange(t.Context(), []byte{4}); err != nil {
		t.Error(err)
	}
	card.finish()

	card = play(t, "80120100", "6d00")
	wantError(t, open(t, card, Config{}).End(t.Context()), "end", SWInsNotSupported)
	card.finish()
}

func TestClose(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		e := NewEmulator(&fakeKey{}, EmulatorConfig{})
		a := open(t, e, Config{})
		done := make(chan error)
		go func() {
			answer, err := a.Exchange(t.Context(), []byte{cmdTouch})
			if err == nil && !bytes.Equal(answer, []byte{0x2D}) {
				err = errors.New("not cancelled")
			}
			done <- err
		}()
		time.Sleep(150 * time.Millisecond)
		for range 2 {
			if err := a.Close(); err != nil {
				t.Error(err)
			}
		}
		if err := <-done; err != nil {
			t.Error(err)
		}
		_, err := a.Exchange(t.Context(), []byte{cmdEcho})
		wantError(t, err, "message", ErrClosed)
		_, err = a.Transmit(t.Context(), Command{})
		wantError(t, err, "transmit", ErrClosed)
		wantError(t, a.End(t.Context()), "end", ErrClosed)
		_, err = e.Transmit(t.Context(), nil)
		wantError(t, err, "transmit", ErrClosed)
	})
}
