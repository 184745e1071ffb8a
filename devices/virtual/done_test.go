package virtual_test

import (
	"errors"
	"fmt"
	"testing"

	"github.com/touchstone-fido/touchstone/devices/virtual"
)

func TestDone(t *testing.T) {
	var done []string
	r := newRig(t, func(c *virtual.Config) {
		c.OnDone = func(d virtual.Done) { done = append(done, fmt.Sprint(d.Name(), d.Status, d.OK())) }
	})
	done = nil
	for _, msg := range [][]byte{{4}, {0x55}, {}, {2}} {
		r.key.Message(r.ctx, msg, nil)
	}
	for _, apdu := range [][]byte{{0, 3, 0, 0}, {0, 0x77, 0, 0}, {}} {
		r.key.U2F(r.ctx, apdu)
	}
	want := "[authenticatorGetInfo0 true command 0x551 false command 0x003 false authenticatorGetAssertion20 false " +
		"U2F_VERSION36864 true instruction 0x7727904 false instruction 0x0026368 false]"
	if got := fmt.Sprint(done); got != want {
		t.Errorf("%s, want\n%s", got, want)
	}
}

// TestSetFaults switches a bug on and off while the key is in use.
func TestSetFaults(t *testing.T) {
	r := newRig(t)
	unknown := func() byte { return r.key.Message(r.ctx, []byte{0x55}, nil)[0] }
	sound := unknown()
	if err := r.key.SetFaults([]virtual.FaultID{"unknown-command-other"}); err != nil {
		t.Fatal(err)
	}
	if got := unknown(); got == sound {
		t.Errorf("with the fault the status is %02x, too", got)
	}
	if err := r.key.SetFaults([]virtual.FaultID{"no-such"}); !errors.Is(err, virtual.ErrFault) {
		t.Errorf("an unknown fault: %v", err)
	}
	if got := unknown(); got == sound {
		t.Error("a name that there is not has taken the fault away")
	}
	if err := r.key.SetFaults(nil); err != nil {
		t.Fatal(err)
	}
	if got := unknown(); got != sound {
		t.Errorf("without the fault the status is %02x, want %02x", got, sound)
	}
}
