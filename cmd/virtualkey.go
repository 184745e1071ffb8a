package cmd

import (
	"errors"
	"fmt"
	"slices"
	"strings"

	"github.com/touchstone-fido/touchstone/ctaphid"
	"github.com/touchstone-fido/touchstone/devices"
	"github.com/touchstone-fido/touchstone/devices/virtual"
	"github.com/touchstone-fido/touchstone/devices/virtual/statefile"
	"github.com/touchstone-fido/touchstone/nfc"
	"github.com/touchstone-fido/touchstone/nfc/vpcd"
)

// openVirtual puts the software key behind the real framing.
func (a *app) openVirtual(sel devices.Selector, s *session) error {
	key, err := a.newVirtual(sel)
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
		s.link = devices.Link{Info: info, Reports: device.Connect()}
		return nil
	}
	info.Transport, info.ATR = devices.NFC, vpcd.DefaultATR()
	s.link = devices.Link{Info: info, Card: virtualCard(key)}
	return nil
}

// virtualDevice is how a key of its model is on USB.
func virtualDevice(key *virtual.Authenticator) ctaphid.DeviceConfig {
	model := key.Profile()
	caps := ctaphid.Capability(model.Capabilities())
	return ctaphid.DeviceConfig{Version: model.HID.Version, Capabilities: &caps}
}

// virtualCard is the key as a card.
func virtualCard(key *virtual.Authenticator) *nfc.Emulator {
	model := key.Profile()
	return nfc.NewEmulator(key.Handler(), nfc.EmulatorConfig{
		MaxMessage: model.MaxMessage, ShortOnly: model.NFC.ShortOnly, NoCancel: model.NFC.NoCancel,
		Quirks: nfc.Quirks{Fetched: model.NFC.Fetched},
	})
}

// newVirtual makes the software key that a selector describes: a factory-new
// one, or one with its state in a file.
func (a *app) newVirtual(sel devices.Selector) (*virtual.Authenticator, error) {
	cfg, state, err := a.virtualConfig(sel)
	if err != nil {
		return nil, err
	}
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
	return key, nil
}

// virtualConfig is the key that a selector describes, and the file that its state
// is in, if it is in one.
func (a *app) virtualConfig(sel devices.Selector) (cfg virtual.Config, state string, err error) {
	cfg = virtual.Config{Finger: virtual.Touching(goodFinger)}
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
