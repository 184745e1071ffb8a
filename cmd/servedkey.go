package cmd

import (
	"context"
	"errors"
	"fmt"
	"strconv"
	"strings"

	"github.com/touchstone-fido/touchstone/ctaphid"
	"github.com/touchstone-fido/touchstone/devices"
	"github.com/touchstone-fido/touchstone/devices/transcript"
	"github.com/touchstone-fido/touchstone/devices/virtual"
	"github.com/touchstone-fido/touchstone/devices/virtual/control"
	"github.com/touchstone-fido/touchstone/devices/virtual/faulty"
	"github.com/touchstone-fido/touchstone/nfc"
	"github.com/touchstone-fido/touchstone/nfc/vpcd"
)

// served is one key, or tape, at its place.
type served struct {
	place
	name string
	mode control.Mode // of its user

	connect func() ctaphid.ReportConn // to a key that speaks by reports
	card    vpcd.CardDevice           // that one is that speaks by APDUs
	atr     []byte                    // of the card, nil for the usual one
	usb     virtual.USBProfile
	release uint16 // bcdDevice
	reports int    // bytes of a report

	user   *control.User
	faults *faulty.Switch
	plug   *control.Plug
	power  func()

	done  []func() error // to close, the last one first
	final func() error   // what a tape has to say at its end; nil for a key
}

// Connect opens the key for one attachment.
func (k *served) Connect() ctaphid.ReportConn { return k.connect() }

// PowerCycle is what a key that is plugged in and pulled out goes through.
func (k *served) PowerCycle() {
	if k.power != nil {
		k.power()
	}
}

// control is the key as others get hold of it.
func (k *served) control(p *control.Panel) *control.Key {
	k.plug = p.Plug(k.name)
	return &control.Key{Name: k.name, Kind: k.kind, User: k.user, Faults: k.faults, Plug: k.plug, Power: k.power}
}

// end gives everything back. How serving ended decides whether it matters what a
// tape has left.
func (k *served) end(err error) error {
	var errs []error
	for i := len(k.done) - 1; i >= 0; i-- {
		errs = append(errs, k.done[i]())
	}
	if k.final != nil && err == nil {
		errs = append(errs, k.final())
	}
	return errors.Join(errs...)
}

// fill makes the key that is to be served.
func (s *serving) fill(k *served) error {
	text := k.selector
	switch {
	case text == "" && s.opts.tape != "":
		text = string(devices.KindReplay) + ":" + s.opts.tape
	case text == "":
		text = s.app.device
	}
	sel, err := servedSelector(text)
	if err != nil {
		return err
	}
	if sel.Kind == devices.KindReplay {
		return s.fillTape(k, sel.Value)
	}
	if sel.NFC && k.kind != kindVPCD {
		return usageError{fmt.Errorf("%s speaks by APDUs, and %s carries reports: leave +nfc out", sel, k.kind)}
	}
	sel.NFC = k.kind == kindVPCD
	return s.fillKey(k, sel)
}

// fillKey makes a software key.
func (s *serving) fillKey(k *served, sel devices.Selector) error {
	key, err := s.app.newVirtual(sel, func(cfg *virtual.Config) error { return s.adopt(k, cfg, sel) })
	if err != nil {
		return err
	}
	k.done = append(k.done, key.Close)
	if k.faults, err = faulty.NewSwitch(key.Authenticator, key.faults); err != nil {
		return err
	}
	k.usb, k.reports = usbOf(key.Profile()), ctaphid.ReportSize
	k.release = releaseOf(key.Profile().HID.Version)
	if k.kind == kindVPCD {
		emulator := newEmulator(key)
		k.card, k.power = k.faults.Card(emulator), emulator.Reset
		k.done = append(k.done, emulator.Close)
		return nil
	}
	device := ctaphid.NewDevice(key.Handler(), virtualDevice(key))
	k.connect = func() ctaphid.ReportConn { return k.faults.Reports(device.Connect()) }
	k.power = device.PowerCycle
	k.done = append(k.done, device.Close)
	return nil
}

// adopt puts the key into the hands of the panel.
func (s *serving) adopt(k *served, cfg *virtual.Config, sel devices.Selector) error {
	k.user = s.panel.User(k.name, k.mode, cfg.Presence)
	if text := sel.Params.Get("finger"); text != "" {
		if err := k.user.SetFinger(text); err != nil {
			return usageError{err}
		}
	}
	wink := cfg.OnWink
	cfg.Presence, cfg.Finger, cfg.OnDone = k.user.Presence, k.user.Finger, s.panel.Done(k.name)
	cfg.OnWink = func() {
		wink()
		s.panel.Tell(k.name, control.EventWinked)
	}
	return nil
}

// usbOf is how a key of a model shows itself on USB.
func usbOf(p *virtual.Profile) virtual.USBProfile {
	if p.USB.VendorID != 0 {
		return p.USB
	}
	u := virtual.DefaultProfile().USB
	u.Keyboard = p.USB.Keyboard
	return u
}

// releaseOf is bcdDevice of a version: 0x0543 for 5.4.3.
func releaseOf(version [3]byte) uint16 {
	return uint16(version[0])<<8 | uint16(version[1]&0x0f)<<4 | uint16(version[2]&0x0f)
}

// fillTape puts a tape in place of the key.
func (s *serving) fillTape(k *served, file string) error {
	if len(s.app.faults) > 0 || s.opts.presence != "" {
		return usageError{errors.New("--fault and --presence are for software keys: a tape does what was recorded")}
	}
	tape, err := transcript.LoadFile(file)
	if err != nil {
		return err
	}
	player, err := transcript.NewPlayer(tape, transcript.PlayConfig{})
	if err != nil {
		return err
	}
	k.final = func() error { return s.app.forgive(tape, player.Close()) }
	if k.kind == kindVPCD {
		card, err := player.Card()
		if err != nil {
			return usageError{err}
		}
		k.card, k.atr = playedCard{card}, tape.Header.ATR
		return nil
	}
	if tape.Header.Transport != transcript.HID {
		return usageError{fmt.Errorf("%s is the tape of a card: serve it by vpcd", file)}
	}
	k.connect = func() ctaphid.ReportConn { return watched{player.Connect(), player, s.failed} }
	k.reports = tape.Header.ReportSize
	if k.reports == 0 {
		k.reports = ctaphid.ReportSize
	}
	k.usb = usbOfTape(tape.Header.Device)
	return nil
}

// usbOfTape is how the key of a tape showed itself, as far as the tape says.
func usbOfTape(device map[string]string) virtual.USBProfile {
	number := func(name string) uint16 {
		n, err := strconv.ParseUint(strings.TrimPrefix(device[name], "0x"), 16, 16)
		if err != nil {
			return 0
		}
		return uint16(n)
	}
	u := virtual.USBProfile{
		VendorID: number("vendor_id"), ProductID: number("product_id"),
		Manufacturer: device["manufacturer"], Product: device["product"],
	}
	if u.VendorID == 0 {
		return virtual.DefaultProfile().USB
	}
	return u
}

// watched is a connection to a tape that ends serving when something was asked
// that is not on it: who asked may be at the far end of a socket, and would not
// tell.
type watched struct {
	ctaphid.ReportConn
	player *transcript.Player
	failed func(error)
}

// ReadReport reads what the tape has.
func (w watched) ReadReport(ctx context.Context, p []byte) (int, error) {
	n, err := w.ReportConn.ReadReport(ctx, p)
	w.failed(w.player.Failed())
	return n, err
}

// WriteReport asks what the tape has to have.
func (w watched) WriteReport(ctx context.Context, p []byte) error {
	err := w.ReportConn.WriteReport(ctx, p)
	w.failed(w.player.Failed())
	return err
}

// playedCard is the card of a tape, which the field means nothing to.
type playedCard struct{ nfc.Card }

// Reset does nothing.
func (playedCard) Reset() {}
