package cmd

import (
	"context"
	"errors"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/touchstone-fido/touchstone/cmd/internal/term"
	"github.com/touchstone-fido/touchstone/cmd/internal/view"
	"github.com/touchstone-fido/touchstone/devices"
	"github.com/touchstone-fido/touchstone/devices/reset"
	"github.com/touchstone-fido/touchstone/devices/virtual"
)

// resetBy resets a software key that a person puts back in a way.
func resetBy(t *testing.T, selector string, putBack func(*session, func(devices.ChangeKind)) (devices.Link, time.Time, error)) (string, view.Result, error) {
	t.Helper()
	streams, _, stderr := term.Test("")
	a := &app{streams: streams.Live(), device: selector, yes: true}
	s, err := a.open(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	normal := s.replug
	s.replug = func(_ context.Context, tell func(devices.ChangeKind)) (devices.Link, time.Time, error) {
		return putBack(&session{replug: normal}, tell)
	}
	result, err := a.deviceReset(t.Context(), s)
	if err := s.close(); err != nil {
		t.Error(err)
	}
	return stderr.String(), result, err
}

// fewSecondsLeft is a countdown that began when six seconds had gone by.
var fewSecondsLeft = regexp.MustCompile(`reset it\. [1-4] s left`)

// TestResetPrompts: the person is told to take the key out and to put it back,
// and how much of the ten seconds is left by then.
func TestResetPrompts(t *testing.T) {
	for selector, want := range map[string][]string{
		"virtual?touch=150ms":     {"Unplug the key.\nInsert it again, and touch it as soon as it blinks: it takes the reset for ten seconds.\n", "\rTouch the security key to reset it. "},
		"virtual+nfc?touch=150ms": {"Take the key off the reader.\nPut it back on the reader, and leave it there.\n", "\rTouch the security key to reset it. "},
	} {
		said, result, err := resetBy(t, selector, func(s *session, tell func(devices.ChangeKind)) (devices.Link, time.Time, error) {
			tell(devices.Present)
			tell(devices.Removed)
			link, since, err := s.replug(t.Context(), nil)
			return link, since.Add(-6 * time.Second), err
		})
		if r, ok := result.(view.Reset); !ok || err != nil || len(r.Findings) > 0 {
			t.Errorf("%s: %+v, %v", selector, result, err)
		}
		for _, text := range want {
			if !strings.Contains(said, text) {
				t.Errorf("%s: no %q in\n%s", selector, text, said)
			}
		}
		if !fewSecondsLeft.MatchString(said) {
			t.Errorf("%s: no countdown from 4 s in\n%s", selector, said)
		}
	}
}

// TestResetAnotherKey: a key that is not the same is left alone.
func TestResetAnotherKey(t *testing.T) {
	_, result, err := resetBy(t, "virtual", func(s *session, _ func(devices.ChangeKind)) (devices.Link, time.Time, error) {
		link, since, err := s.replug(t.Context(), nil)
		link.Info.Serial = "another"
		return link, since, err
	})
	if result != nil || !isOtherKey(err) || exitStatus(t.Context(), err) != statusGate {
		t.Errorf("%+v, %v", result, err)
	}
}

// TestResetNotPutBack: whatever ends the wait ends the command, with its hint.
func TestResetNotPutBack(t *testing.T) {
	enough := errors.New("enough")
	_, result, err := resetBy(t, "virtual", func(*session, func(devices.ChangeKind)) (devices.Link, time.Time, error) {
		return devices.Link{}, time.Time{}, enough
	})
	if result != nil || !errors.Is(err, enough) {
		t.Errorf("%+v, %v", result, err)
	}
}

// TestLongTouchIsAskedFor: where the policy says so, the prompt does.
func TestLongTouchIsAskedFor(t *testing.T) {
	yes := true
	model := virtual.DefaultProfile()
	model.Reset.LongTouch = &yes
	key, err := virtual.New(virtual.Config{Profile: model, Presence: virtual.Delayed(150 * time.Millisecond)})
	if err != nil {
		t.Fatal(err)
	}
	defer key.Close()
	streams, _, stderr := term.Test("")
	a := &app{streams: streams, yes: true}
	s := &session{opts: devices.Options{OnEvent: a.onEvent()}}
	link := devices.Link{Info: devices.Info{Transport: devices.NFC}, Card: virtualCard(&softwareKey{Authenticator: key})}
	if s.Conn, err = devices.Connect(t.Context(), link, s.opts); err != nil {
		t.Fatal(err)
	}
	if _, err := a.deviceReset(t.Context(), s); err != nil {
		t.Error(err)
	}
	if said := stderr.String(); !strings.Contains(said, "Touch the security key to reset it, and hold it until it is done.\n") {
		t.Errorf("%s", said)
	}
	if err := s.close(); err != nil {
		t.Error(err)
	}
}

// TestResetHints: what went wrong at a reset has a hint of its own, and not that
// of the status beneath.
func TestResetHints(t *testing.T) {
	for err, want := range map[error]string{
		reset.ErrU2FOnly: "Its key handles", reset.ErrLate: "Nothing was changed. Run this again, and put",
		reset.ErrShortTouch: "Nothing was changed. Run this again, and hold",
	} {
		if got := hint(err); !strings.HasPrefix(got, want) {
			t.Errorf("%v: %q", err, got)
		}
	}
}
