package cmd

import (
	"encoding/hex"
	"fmt"
	"maps"
	"net/url"
	"slices"
	"strings"
	"time"

	"github.com/touchstone-fido/touchstone/devices/transcript"
	"github.com/touchstone-fido/touchstone/devices/virtual"
	"github.com/touchstone-fido/touchstone/devices/virtual/control"
)

// readVirtualParams reads the parameters of a virtual: selector, all but the
// profile and the faults.
func readVirtualParams(cfg *virtual.Config, params url.Values) error {
	for name, values := range params {
		if name == paramProfile || name == paramFault {
			continue
		}
		read, ok := virtualParams[name]
		if !ok {
			known := append(slices.Sorted(maps.Keys(virtualParams)), paramFault, paramProfile)
			return usageError{fmt.Errorf("virtual: unknown parameter %q: want %s", name, strings.Join(known, ", "))}
		}
		if err := read(cfg, values[len(values)-1]); err != nil {
			return usageError{fmt.Errorf("virtual: %s: %w", name, err)}
		}
	}
	return nil
}

var virtualParams = map[string]func(*virtual.Config, string) error{
	"touch":       readTouch,
	"finger":      readFinger,
	"attestation": readAttestation,
	"seed":        readSeed,
}

// readTouch: auto, deny, or after how long the user touches, such as 2s.
func readTouch(c *virtual.Config, value string) error {
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
}

// readFinger: which finger the user puts on the sensor, 1 to 10, good for the
// first; bad for a contact that is of no use, none for nobody.
func readFinger(c *virtual.Config, value string) error {
	sample, err := control.ParseFinger(value)
	if err != nil {
		return err
	}
	c.Finger = virtual.Sensing(sample)
	return nil
}

// readAttestation: basic (with a certificate) or self.
func readAttestation(c *virtual.Config, value string) error {
	switch value {
	case "basic":
		c.Profile.Attestation.Kind = virtual.AttestationBasic
	case "self":
		c.Profile.Attestation.Kind = virtual.AttestationSelf
	default:
		return fmt.Errorf("%q is neither basic nor self", value)
	}
	return nil
}

// readSeed: 32 bytes in hex from which all keys of the software key grow.
func readSeed(c *virtual.Config, value string) error {
	seed, err := hex.DecodeString(value)
	if err != nil || len(seed) != transcript.SeedSize {
		return fmt.Errorf("want %d bytes in hex", transcript.SeedSize)
	}
	c.Rand = transcript.Randomness(seed)
	return nil
}
