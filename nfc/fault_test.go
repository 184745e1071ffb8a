package nfc

import (
	"bytes"
	"context"
	"encoding/hex"
	"errors"
	"fmt"
	"strings"
	"testing"
	"testing/synctest"
	"time"
)

var errBroken = errors.New("the reader is broken")

// One message, one answer that is not as it should be.
func TestExchangeFaults(t *testing.T) {
	const msg = "80108000010400"
	for name, c := range map[string]struct {
		answers []step
		op      string
		kind    error
	}{
		"empty":               {[]step{{want: msg}}, "message", ErrProtocol},
		"one byte":            {[]step{{want: msg, answer: "90"}}, "message", ErrProtocol},
		"no status byte":      {[]step{{want: msg, answer: "9000"}}, "message", ErrProtocol},
		"too long":            {[]step{{want: msg, answer: strings.Repeat("00", 65539)}}, "message", ErrProtocol},
		"over the limit":      {[]step{{want: msg, answer: strings.Repeat("00", 301) + "9000"}}, "message", ErrProtocol},
		"refused":             {[]step{{want: msg, answer: "6d00"}}, "message", SWInsNotSupported},
		"a warning":           {[]step{{want: msg, answer: "006282"}}, "message", StatusWord(0x6282)},
		"wrong Le twice":      {[]step{{want: msg, answer: "6c05"}, {want: "80108000010405", answer: "6c06"}}, "message", StatusWord(0x6C06)},
		"gone":                {[]step{{want: msg, err: ErrGone}}, "message", ErrGone},
		"broken":              {[]step{{want: msg, err: errBroken}}, "message", errBroken},
		"rest is nothing":     {[]step{{want: msg, answer: "006105"}, {want: "00c0000005", answer: "9000"}}, "get response", ErrProtocol},
		"rest is more":        {[]step{{want: msg, answer: "006105"}, {want: "00c0000005", answer: "6105"}}, "get response", ErrProtocol},
		"rest refused":        {[]step{{want: msg, answer: "006105"}, {want: "00c0000005", answer: "6985"}}, "get response", SWConditionsNotSatisfied},
		"rest put off":        {[]step{{want: msg, answer: "006105"}, {want: "00c0000005", answer: "019100"}}, "get response", SWPending},
		"rest cut":            {[]step{{want: msg, answer: "006105"}, {want: "00c0000005", answer: "61"}}, "get response", ErrProtocol},
		"gone in the rest":    {[]step{{want: msg, answer: "006105"}, {want: "00c0000005", err: ErrGone}}, "get response", ErrGone},
		"rest of no class":    {[]step{{want: msg, answer: "006105"}, {want: "00c0000005", answer: "6e00"}, {want: "80c0000005", answer: "6e00"}}, "get response", SWClaNotSupported},
		"poll refused":        {[]step{{want: msg, answer: "019100"}, {want: "8011000000", answer: "6d00"}}, "poll", SWInsNotSupported},
		"poll cut":            {[]step{{want: msg, answer: "019100"}, {want: "8011000000", answer: ""}}, "poll", ErrProtocol},
		"gone in the poll":    {[]step{{want: msg, answer: "019100"}, {want: "8011000000", err: ErrGone}}, "poll", ErrGone},
		"nothing in the poll": {[]step{{want: msg, answer: "019100"}, {want: "8011000000", answer: "9000"}}, "message", ErrProtocol},
	} {
		t.Run(name, func(t *testing.T) {
			card := play(t)
			card.steps = append(card.steps, c.answers...)
			a := open(t, card, Config{Poll: 1, MaxAnswer: 300})
			answer, err := a.Exchange(t.Context(), []byte{4})
			if answer != nil {
				t.Errorf("answer %x", answer)
			}
			wantError(t, err, c.op, c.kind)
			card.finish()
		})
	}
}

// After any failure the card may still be at work on the message, or another
// applet selected: ours is selected again.
func TestExchangeAfterFault(t *testing.T) {
	for _, first := range []string{
		"6700", "6a80", "6a86", "6f00", "6881", "6985", "6986", "6d00", "6e00", "", "9000",
	} {
		card := play(t, "80108000010400", first, selectHex, "5532465f56329000", "80108000010400", "009000")
		a := open(t, card, Config{})
		if _, err := a.Exchange(t.Context(), []byte{4}); err == nil {
			t.Errorf("%q: no error", first)
		}
		if _, err := a.Exchange(t.Context(), []byte{4}); err != nil {
			t.Errorf("after %q: %v", first, err)
		}
		if a.Version() != "U2F_V2" {
			t.Errorf("after %q: version %q", first, a.Version())
		}
		card.finish()
	}
}

// TestAnotherAppletInBetween: a refusal that shows that another applet was
// selected, or ours still at work, is mended at once, and once only. One to the
// first message after a SELECT is the card's own.
func TestAnotherAppletInBetween(t *testing.T) {
	const msg = "80108000010400"
	for _, sw := range []string{"6d00", "6e00", "6986", "6985"} {
		card := play(t, msg, "009000", msg, sw, selectHex, "5532465f56329000", msg, "00aa9000",
			msg, sw, selectHex, "5532465f56329000", msg, sw,
			selectHex, "5532465f56329000", msg, sw)
		a := open(t, card, Config{})
		for i, want := range []string{"00", "00aa"} {
			answer, err := a.Exchange(t.Context(), []byte{4})
			if got := hex.EncodeToString(answer); err != nil || got != want {
				t.Errorf("%s, message %d: %s, %v", sw, i, got, err)
			}
		}
		for range 2 {
			if _, err := a.Exchange(t.Context(), []byte{4}); fmt.Sprintf("%x", uint16(statusOf(err))) != sw {
				t.Errorf("%s: %v", sw, err)
			}
		}
		card.finish()
	}
}

func statusOf(err error) (sw StatusWord) {
	errors.As(err, &sw)
	return sw
}

// A message that cannot be written is the caller's fault and not the card's.
func TestExchangeTooLong(t *testing.T) {
	card := play(t, "8010800000000104 0000", "009000")
	a := open(t, card, Config{Encoding: EncodingExtended})
	_, err := a.Exchange(t.Context(), make([]byte, 65536))
	wantError(t, err, "message", ErrMalformed)
	if _, err := a.Exchange(t.Context(), []byte{4}); err != nil {
		t.Error(err)
	}
	card.finish()
}

func TestChainFaults(t *testing.T) {
	for name, c := range map[string]struct {
		fault step
		kind  error
	}{
		"gone":    {step{err: ErrGone}, ErrGone},
		"refused": {step{answer: "6884"}, SWChainingNotSupported},
		"put off": {step{answer: "019100"}, SWPending},
		"more":    {step{answer: "6105"}, StatusWord(0x6105)},
		"cut":     {step{answer: "90"}, ErrProtocol},
	} {
		t.Run(name, func(t *testing.T) {
			card := play(t, "9010800002 0101", "9000", "9010800002 0101", "",
				selectHex, "5532465f56329000", "80108000010400", "009000")
			card.steps[2].answer, card.steps[2].err = c.fault.answer, c.fault.err
			a := open(t, card, Config{Encoding: EncodingShort, ChunkSize: 2})
			_, err := a.Exchange(t.Context(), bytes.Repeat([]byte{1}, 6))
			if !errors.Is(err, c.kind) {
				t.Errorf("error %v, want %v", err, c.kind)
			}
			if _, err := a.Exchange(t.Context(), []byte{4}); err != nil {
				t.Errorf("afterwards: %v", err)
			}
			card.finish()
		})
	}
}

// endless is a card that gives the same answer to all but SELECT and, if told
// so, to cancels.
func endless(answer []byte, count *int) cardFunc {
	return func(_ context.Context, apdu []byte) ([]byte, error) {
		*count++
		if apdu[1] == INSSelect {
			return []byte("FIDO_2_0\x90\x00"), nil
		}
		return answer, nil
	}
}

func TestEndlessRest(t *testing.T) {
	count := 0
	a := open(t, endless(append(make([]byte, 245), 0x61, 0xF5), &count), Config{})
	_, err := a.Exchange(t.Context(), []byte{4})
	wantError(t, err, "get response", ErrProtocol)
	if want := 64<<10/245 + 3; count > want {
		t.Errorf("%d commands sent, want at most %d", count, want)
	}
}

func TestEndlessPending(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		count, start := 0, time.Now()
		a := open(t, endless([]byte{1, 0x91, 0x00}, &count), Config{Timeout: time.Minute})
		_, err := a.Exchange(t.Context(), []byte{4})
		wantError(t, err, "cancel", ErrTimeout)
		if took := time.Since(start); took != time.Minute+3*time.Second {
			t.Errorf("took %v", took)
		}
		if count > 640 {
			t.Errorf("%d commands sent", count)
		}
	})
}

// silent is a card that never answers but heeds its context.
func silent(ctx context.Context, apdu []byte) ([]byte, error) {
	if apdu[1] == INSSelect {
		return []byte("FIDO_2_0\x90\x00"), nil
	}
	<-ctx.Done()
	return nil, ctx.Err()
}

func TestSilentCard(t *testing.T) {
	cause := errors.New("the user went home")
	synctest.Test(t, func(t *testing.T) {
		start := time.Now()
		a := open(t, cardFunc(silent), Config{})
		ctx, cancel := context.WithTimeoutCause(t.Context(), time.Second, cause)
		defer cancel()
		_, err := a.Exchange(ctx, []byte{4})
		wantError(t, err, "message", cause)
		if took := time.Since(start); took != 4*time.Second {
			t.Errorf("took %v, want the second and the drain", took)
		}
		_, err = a.Exchange(ctx, []byte{4})
		wantError(t, err, "message", cause)
	})
}
