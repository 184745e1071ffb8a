package cmd

import (
	"context"
	"encoding/hex"
	"errors"
	"fmt"
	"net/url"
	"time"

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
		plug := func() devices.Link { return devices.Link{Info: info, Reports: device.Connect()} }
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

// virtualDevice is how a key of its model is on USB.
func virtualDevice(key *virtual.Authenticator) ctaphid.DeviceConfig {
	model := key.Profile()
	caps := ctaphid.Capability(model.Capabilities())
	return ctaphid.DeviceConfig{Version: model.HID.Version, Capabilities: &caps}
}

// virtualCard is the key as a card.
func virtualCard(key *virtual.Authenticator) *nfc.Emulator {
	return nfc.NewEmulator(key.Handler(), nfc.EmulatorConfig{MaxMessage: key.Profile().MaxMessage})
}

// newVirtual makes the software key that a selector describes: a factory-new
// one, or one with its state in a file.
func (a *app) newVirtual(sel devices.Selector) (*virtual.Authenticator, error) {
	cfg, err := virtualConfig(sel.Params)
	if err != nil {
		return nil, err
	}
	if sel.NFC {
		cfg.Transport = virtual.NFC
	}
	cfg.OnError = func(err error) { a.note("software key: %v", err) }
	cfg.OnWink = func() { a.note("The software key winks.") }
	if sel.Value != "" {
		store, err := statefile.Open(sel.Value)
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

// virtualConfig reads the parameters of a virtual: selector.
func virtualConfig(params url.Values) (virtual.Config, error) {
	cfg := virtual.Config{Profile: virtual.DefaultProfile()}
	cfg.Profile.AAGUID = [16]byte{} // a stored key keeps its own
	for name, values := range params {
		read, ok := virtualParams[name]
		if !ok {
			return cfg, usageError{fmt.Errorf("virtual: unknown parameter %q: want touch, attestation or seed", name)}
		}
		if err := read(&cfg, values[len(values)-1]); err != nil {
			return cfg, usageError{fmt.Errorf("virtual: %s: %w", name, err)}
		}
	}
	return cfg, nil
}

var virtualParams = map[string]func(*virtual.Config, string) error{
	// touch: auto, deny, or after how long the user touches, such as 2s
	"touch": func(c *virtual.Config, value string) error {
		switch value {
		case "auto":
			c.Presence = virtual.Auto()
			return nil
		case "deny":
			c.Presence = virtual.Denied()
			return nil
		}
		d, err := time.ParseDuration(value)
		if err != nil || d < 0 {
			return fmt.Errorf("%q is neither auto, deny nor a time such as 2s", value)
		}
		c.Presence = virtual.Delayed(d)
		return nil
	},
	// attestation: basic (with a certificate) or self
	"attestation": func(c *virtual.Config, value string) error {
		switch value {
		case "basic":
			c.Profile.Attestation.Kind = virtual.AttestationBasic
		case "self":
			c.Profile.Attestation.Kind = virtual.AttestationSelf
		default:
			return fmt.Errorf("%q is neither basic nor self", value)
		}
		return nil
	},
	// seed: 32 bytes in hex from which all keys of the software key grow
	"seed": func(c *virtual.Config, value string) error {
		seed, err := hex.DecodeString(value)
		if err != nil || len(seed) != seedSize {
			return fmt.Errorf("want %d bytes in hex", seedSize)
		}
		c.Rand = seeded(seed)
		return nil
	},
}
