package cmd

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/touchstone-fido/touchstone/ctaphid"
	"github.com/touchstone-fido/touchstone/devices"
	"github.com/touchstone-fido/touchstone/devices/virtual"
	"github.com/touchstone-fido/touchstone/devices/virtual/control"
	"github.com/touchstone-fido/touchstone/devices/virtual/faulty"
	"github.com/touchstone-fido/touchstone/devices/virtual/statefile"
	"github.com/touchstone-fido/touchstone/nfc"
	"github.com/touchstone-fido/touchstone/nfc/vpcd"
)

// openVirtual puts the software key behind the real framing.
func (a *app) openVirtual(sel devices.Selector, s *session) error {
	key, err := a.newVirtual(sel, nil)
	if err != nil {
		return err
	}
	s.done = append(s.done, key.Close)
	info := devices.Info{
		Transport: devices.USB, Backend: "virtual", Path: sel.Value,
		Manufacturer: "Touchstone", Product: "software key",
	}
	if !sel.NFC {
		device := ctaphid.NewDevice(key.Handler(), virtualDevice(key))
		s.done = append(s.done, device.Close)
		plug := func() devices.Link { return devices.Link{Info: info, Reports: key.reports(device)()} }
		s.link = plug()
		s.replug = replugged(device.PowerCycle, plug)
		return nil
	}
	info.Transport, info.ATR = devices.NFC, vpcd.DefaultATR()
	plug := func() devices.Link { return devices.Link{Info: info, Card: virtualCard(key)} }
	s.link = plug()
	s.replug = replugged(key.PowerCycle, plug)
	return nil
}

// replugged takes the power from a software key and gives it back.
func replugged(powerCycle func(), plug func() devices.Link) func(context.Context, func(devices.ChangeKind)) (devices.Link, time.Time, error) {
	return func(context.Context, func(devices.ChangeKind)) (devices.Link, time.Time, error) {
		powerCycle()
		return plug(), time.Now(), nil
	}
}

// softwareKey is a software key, with what is wrong with it.
type softwareKey struct {
	*virtual.Authenticator
	faults []virtual.FaultID
}

// reports makes connections to the key's device, which have the key's faults.
func (k *softwareKey) reports(device *ctaphid.Device) func() ctaphid.ReportConn {
	return func() ctaphid.ReportConn { return faulty.Reports(device.Connect(), k.faults) }
}

// virtualDevice is how a key of its model is on USB.
func virtualDevice(key *softwareKey) ctaphid.DeviceConfig {
	model := key.Profile()
	caps := ctaphid.Capability(model.Capabilities())
	return ctaphid.DeviceConfig{Version: model.HID.Version, Capabilities: &caps}
}

// virtualCard is the key as a card.
func virtualCard(key *softwareKey) faulty.Emulator { return faulty.Card(newEmulator(key), key.faults) }

// newEmulator is the sound card that a key of its model is.
func newEmulator(key *softwareKey) *nfc.Emulator {
	model := key.Profile()
	return nfc.NewEmulator(key.Handler(), nfc.EmulatorConfig{
		MaxMessage: model.MaxMessage, ShortOnly: model.NFC.ShortOnly, NoCancel: model.NFC.NoCancel,
		Quirks: nfc.Quirks{Fetched: model.NFC.Fetched},
	})
}

// newVirtual makes the software key that a selector describes: a factory-new
// one, or one with its state in a file. adjust, if not nil, changes what it is
// made with.
func (a *app) newVirtual(sel devices.Selector, adjust func(*virtual.Config) error) (*softwareKey, error) {
	cfg, state, err := a.virtualConfig(sel)
	if err == nil && adjust != nil {
		err = adjust(&cfg)
	}
	if err != nil {
		return nil, err
	}
	faults, err := a.faultsOf(sel)
	if err != nil {
		return nil, err
	}
	cfg.Faults = faulty.OfKey(faults)
	if state != "" {
		store, err := statefile.Open(state)
		if err != nil {
			return nil, fmt.Errorf("software key: %w", err)
		}
		cfg.Store = store
	}
	key, err := virtual.New(cfg)
	if err != nil {
		if cfg.Store != nil {
			err = errors.Join(err, cfg.Store.Close())
		}
		return nil, fmt.Errorf("software key: %w", err)
	}
	return &softwareKey{key, faults}, nil
}

// paramFault has names of faults, with commas between.
const paramFault = "fault"

// faultsOf are the faults that --fault and the selector name.
func (a *app) faultsOf(sel devices.Selector) ([]virtual.FaultID, error) {
	a.faultsUsed = true
	names := a.faults
	for _, list := range sel.Params[paramFault] {
		names = append(names, strings.Split(list, ",")...)
	}
	ids, err := faulty.Parse(names)
	var unknown *faulty.UnknownError
	if errors.As(err, &unknown) {
		var all []string
		for _, f := range faulty.Faults() {
			all = append(all, string(f.ID))
		}
		return nil, usageError{fmt.Errorf("%w%s; touchstone virtual faults lists them", err, meant(unknown.Name, all))}
	}
	return ids, err
}

// virtualConfig is the key that a selector describes, and the file that its state
// is in, if it is in one.
func (a *app) virtualConfig(sel devices.Selector) (cfg virtual.Config, state string, err error) {
	cfg = virtual.Config{Finger: virtual.Touching(control.GoodFinger)}
	if cfg.Profile, state, err = virtualSource(sel); err != nil {
		return cfg, "", err
	}
	if sel.NFC {
		cfg.Transport = virtual.NFC
	}
	if err := hasTransport(cfg.Profile, cfg.Transport, sel); err != nil {
		return cfg, "", err
	}
	cfg.OnError = func(err error) { a.note("software key: %v", err) }
	cfg.OnWink = func() { a.note("The software key winks.") }
	return cfg, state, readVirtualParams(&cfg, sel.Params)
}

// hasTransport refuses to have a product speak what it does not.
func hasTransport(p *virtual.Profile, t virtual.Transport, sel devices.Selector) error {
	if len(p.Transports) == 0 || slices.Contains(p.Transports, t.String()) {
		return nil
	}
	return usageError{fmt.Errorf("%s: that product has no %s, only %s", sel, t, strings.Join(p.Transports, ", "))}
}
