package faulty_test

import (
	"errors"
	"fmt"
	"testing"
	"testing/synctest"

	"github.com/touchstone-fido/touchstone/ctaphid"
	"github.com/touchstone-fido/touchstone/devices/virtual"
	"github.com/touchstone-fido/touchstone/devices/virtual/faulty"
	"github.com/touchstone-fido/touchstone/nfc"
)

func newSwitch(t *testing.T) (*faulty.Switch, *virtual.Authenticator) {
	t.Helper()
	key, err := virtual.New(virtual.Config{})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { key.Close() })
	s, err := faulty.NewSwitch(key, nil)
	if err != nil {
		t.Fatal(err)
	}
	return s, key
}

// TestSwitchReports: a connection that is open has each fault from the moment on
// in which it is switched, and not afterwards.
func TestSwitchReports(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s, key := newSwitch(t)
		device := ctaphid.NewDevice(key, ctaphid.DeviceConfig{})
		defer device.Close()
		h := &host{t: t, conn: s.Reports(device.Connect())}
		defer h.conn.Close()
		h.long(0xffffffff, init_, 8, 1, 2, 3, 4, 5, 6, 7, 8)
		h.tape = nil
		seen := map[string][]string{}
		for _, state := range []struct {
			name   string
			faults []virtual.FaultID
		}{{"at first", nil}, {"with it", []virtual.FaultID{"hid-ping-drops-zeros"}}, {"again", nil}} {
			if err := s.Set(state.faults); err != nil {
				t.Fatal(err)
			}
			h.tape = nil
			h.send(1, ping, 0, 0, 3)
			seen[state.name] = h.tape
		}
		if d := firstDifference(seen["at first"], seen["with it"]); d == "" {
			t.Error("the fault does not show")
		}
		if d := firstDifference(seen["at first"], seen["again"]); d != "" {
			t.Errorf("the fault stays: %s", d)
		}
	})
}

func TestSwitchCard(t *testing.T) {
	s, key := newSwitch(t)
	card := s.Card(nfc.NewEmulator(key.Handler(), nfc.EmulatorConfig{}))
	defer card.Close()
	answer := func() string {
		card.Reset()
		a, err := card.Transmit(t.Context(), []byte{0, 0xa4, 4, 0, 8, 0xa0, 0, 0, 6, 0x47, 0x2f, 0, 1, 0})
		return fmt.Sprintf("%x %v", a, err)
	}
	sound := answer()
	if err := s.Set([]virtual.FaultID{"nfc-version-wrong"}); err != nil {
		t.Fatal(err)
	}
	if got := answer(); got == sound {
		t.Error("the fault does not show")
	}
	if err := s.Set(nil); err != nil {
		t.Fatal(err)
	}
	if got := answer(); got != sound {
		t.Errorf("the fault stays: %s", got)
	}
}

func TestSwitchKnowsItsFaults(t *testing.T) {
	s, _ := newSwitch(t)
	if err := s.Set([]virtual.FaultID{"nfc-answer-cut", "hid-cancel-ignored", "nfc-answer-cut", "mc-no-touch"}); err != nil {
		t.Fatal(err)
	}
	var unknown *faulty.UnknownError
	if err := s.Set([]virtual.FaultID{"mc-no-touch", "no-such"}); !errors.As(err, &unknown) || unknown.Name != "no-such" {
		t.Errorf("%v", err)
	}
	if got := fmt.Sprint(s.Faults()); got != "[hid-cancel-ignored mc-no-touch nfc-answer-cut]" {
		t.Errorf("faults %s", got)
	}
}
