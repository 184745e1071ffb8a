package virtual_test

import (
	"encoding/binary"
	"errors"
	"testing"
	"time"

	"github.com/touchstone-fido/touchstone/ctaphid"
	"github.com/touchstone-fido/touchstone/devices/virtual"
	"github.com/touchstone-fido/touchstone/nfc"
)

// channel puts the key behind CTAPHID and opens a channel to it.
func (r *rig) channel(t *testing.T) *ctaphid.Channel {
	t.Helper()
	caps := ctaphid.Capability(r.key.Profile().Capabilities())
	device := ctaphid.NewDevice(r.key.Handler(), ctaphid.DeviceConfig{Capabilities: &caps, Version: r.key.Profile().HID.Version})
	t.Cleanup(func() { device.Close() })
	channel, err := ctaphid.Open(t.Context(), device.Connect(), ctaphid.Config{})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { channel.Close() })
	return channel
}

func TestKeyOnUSB(t *testing.T) {
	winks := 0
	r := newRig(t, func(c *virtual.Config) { c.OnWink = func() { winks++ } })
	channel := r.channel(t)
	expect(t, "device version", channel.DeviceVersion(), [3]byte{0, 2, 0})
	expect(t, "capabilities", channel.Capabilities(), ctaphid.CapabilityWink|ctaphid.CapabilityCBOR)
	if err := channel.Wink(t.Context()); err != nil || winks != 1 {
		t.Errorf("%d winks, %v", winks, err)
	}
	answer, err := channel.Msg(t.Context(), extended(insVersion, 0, nil))
	if err != nil || string(answer) != "U2F_V2\x90\x00" {
		t.Errorf("version %q, %v", answer, err)
	}
	for range 100 { // a host polls
		answer, err = channel.Msg(t.Context(), extended(insRegister, 3, challenged()))
		if err != nil {
			t.Fatal(err)
		}
		if binary.BigEndian.Uint16(answer[len(answer)-2:]) != 0x6985 {
			break
		}
	}
	expect(t, "first byte of a registration", answer[0], 0x05)
	if answer, err = channel.Exchange(t.Context(), []byte{cmdGetInfo}); err != nil || answer[0] != 0 {
		t.Errorf("getInfo %x, %v", answer, err)
	}
}

// A key of CTAP1 alone takes no CBOR, one without CTAP1 no MSG.
func TestModelsOnUSB(t *testing.T) {
	only := func(version string) *ctaphid.Channel {
		r := newRig(t, model(func(p *virtual.Profile) { p.Versions, p.HID.Wink = []string{version}, false }))
		return r.channel(t)
	}
	u2f, fido := only("U2F_V2"), only("FIDO_2_1")
	_, noCBOR := u2f.Exchange(t.Context(), []byte{cmdGetInfo})
	_, noMsg := fido.Msg(t.Context(), extended(insVersion, 0, nil))
	for name, err := range map[string]error{
		"CBOR": noCBOR, "MSG": noMsg, "WINK": fido.Wink(t.Context()),
	} {
		if !errors.Is(err, ctaphid.CodeInvalidCommand) {
			t.Errorf("%s: %v", name, err)
		}
	}
	if answer, err := u2f.Msg(t.Context(), extended(insVersion, 0, nil)); err != nil || string(answer) != "U2F_V2\x90\x00" {
		t.Errorf("version %q, %v", answer, err)
	}
}

// applet puts the key behind APDUs and opens the applet.
func (r *rig) applet(t *testing.T) (*nfc.Emulator, *nfc.Applet) {
	t.Helper()
	card := nfc.NewEmulator(r.key.Handler(), nfc.EmulatorConfig{})
	t.Cleanup(func() { card.Close() })
	applet, err := nfc.Open(t.Context(), card, nfc.Config{})
	if err != nil {
		t.Fatal(err)
	}
	return card, applet
}

func TestKeyOnNFC(t *testing.T) {
	r := newRig(t, onNFC, model(func(p *virtual.Profile) { p.Field.Window = time.Minute }))
	r.accounts("one", "two")
	card, applet := r.applet(t)
	expect(t, "version", applet.Version(), "U2F_V2")
	resp, err := applet.Transmit(t.Context(), nfc.Command{INS: insRegister, Data: challenged(), Ne: 256})
	if err != nil || resp.SW != nfc.SWOK || resp.Data[0] != 5 {
		t.Errorf("registration %x %v, %v", resp.Data, resp.SW, err)
	}
	ask := func(msg []byte) byte {
		t.Helper()
		answer, err := applet.Exchange(t.Context(), msg)
		if err != nil {
			t.Fatal(err)
		}
		return answer[0]
	}
	assert := message(t, cmdGetAssertion, assertion())
	expect(t, "getAssertion", ask(assert), 0)
	expect(t, "getNextAssertion", ask([]byte{cmdGetNextAssertion}), 0)
	expect(t, "getAssertion", ask(assert), 0)
	if err := applet.End(t.Context()); err != nil {
		t.Fatal(err)
	}
	if applet, err = nfc.Open(t.Context(), card, nfc.Config{}); err != nil {
		t.Fatal(err)
	}
	expect(t, "getNextAssertion after the end of a session", ask([]byte{cmdGetNextAssertion}), 0x30)

	r = newRig(t, model(func(p *virtual.Profile) { p.Versions = []string{"FIDO_2_1"} }))
	_, applet = r.applet(t)
	expect(t, "version of a model without CTAP1", applet.Version(), "FIDO_2_0")
}
