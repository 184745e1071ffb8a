package devices_test

import (
	"errors"
	"reflect"
	"strings"
	"testing"

	"github.com/touchstone-fido/touchstone/devices"
)

var (
	yubikey = devices.Info{Transport: devices.USB, Backend: "hidraw", Path: "/dev/hidraw3", Manufacturer: "Yubico", Product: "YubiKey OTP+FIDO+CCID", Serial: "123"}
	twin    = devices.Info{Transport: devices.NFC, Backend: "pcsc", Path: "Yubico YubiKey OTP+FIDO+CCID 00 00"}
	solo    = devices.Info{Transport: devices.USB, Backend: "hidraw", Path: "/dev/hidraw4", Product: "Solo 2"}
	card    = devices.Info{Transport: devices.NFC, Backend: "pcsc", Path: "ACS ACR122U 01 00"}
)

func TestOne(t *testing.T) {
	for _, c := range []struct {
		name, selector string
		there          []devices.Info
		want           []devices.Info // the one, or the matches of the error
	}{
		{"the only key", "", []devices.Info{solo}, []devices.Info{solo}},
		{"a key and its own smart card side", "", []devices.Info{yubikey, twin}, []devices.Info{yubikey}},
		{"a key and a card of another", "", []devices.Info{yubikey, card}, []devices.Info{yubikey, card}},
		{"none", "", nil, nil},
		{"two", "", []devices.Info{yubikey, solo}, []devices.Info{yubikey, solo}},
		{"by node", "hid:/dev/hidraw4", []devices.Info{yubikey, solo}, []devices.Info{solo}},
		{"by serial", "hid:123", []devices.Info{yubikey, solo}, []devices.Info{yubikey}},
		{"no key has an empty serial", "hid:0", []devices.Info{solo}, nil},
		{"by part of the reader's name", "nfc:acr122", []devices.Info{yubikey, twin, card}, []devices.Info{card}},
		{"the smart card side by name", "nfc:YubiKey", []devices.Info{yubikey, twin, card}, []devices.Info{twin}},
		{"two readers", "nfc:0", []devices.Info{twin, card}, []devices.Info{twin, card}},
	} {
		s, err := devices.ParseSelector(c.selector)
		if err != nil {
			t.Fatal(err)
		}
		got, err := devices.Listing{Devices: c.there}.One(s)
		var notOne *devices.NotOneError
		switch {
		case len(c.want) == 1:
			if err != nil || !reflect.DeepEqual(got, c.want[0]) {
				t.Errorf("%s: %+v, %v", c.name, got, err)
			}
		case !errors.As(err, &notOne) || !reflect.DeepEqual(notOne.Matches, c.want):
			t.Errorf("%s: %+v, %v", c.name, got, err)
		}
	}
}

func TestTwin(t *testing.T) {
	all := devices.Listing{Devices: []devices.Info{solo, yubikey, twin, card, {Transport: devices.USB, Path: "nameless"}}}
	for _, c := range []struct {
		of, want devices.Info
	}{{twin, yubikey}, {card, devices.Info{}}, {yubikey, devices.Info{}}} {
		got, ok := all.Twin(c.of)
		if !reflect.DeepEqual(got, c.want) || ok != (c.want.Path != "") {
			t.Errorf("%s: %+v, %v", c.of.Path, got, ok)
		}
	}
}

func TestNotOneTells(t *testing.T) {
	left := devices.LeftOut{Info: devices.Info{Path: "/dev/hidraw9", Product: "Nitrokey"}, Reason: errors.New("permission denied"), Hint: "add a rule\nand reload"}
	blind := devices.Failure{Backend: "pcsc", Reason: errors.New("the daemon does not run"), Hint: "start it"}
	for _, c := range []struct {
		name     string
		listing  devices.Listing
		selector devices.Selector
		text     string
		hint     []string
	}{
		{"nothing", devices.Listing{}, devices.Selector{}, "no security key is there", nil},
		{"could not look", devices.Listing{Failures: []devices.Failure{blind}}, devices.Selector{},
			"no security key was found, but not every place could be looked at", []string{"pcsc: the daemon does not run", "  start it"}},
		{"left out", devices.Listing{LeftOut: []devices.LeftOut{left}}, devices.Selector{},
			"no security key is there", []string{"/dev/hidraw9 Nitrokey: permission denied", "  add a rule\n  and reload"}},
		{"several", devices.Listing{Devices: []devices.Info{yubikey, solo}}, devices.Selector{},
			"2 security keys, want one", []string{`--device "hid:/dev/hidraw3": Yubico YubiKey OTP+FIDO+CCID 123`, `--device "hid:/dev/hidraw4": Solo 2`}},
		{"another one is there", devices.Listing{Devices: []devices.Info{solo}}, devices.Selector{Kind: devices.KindHID, Value: "7"},
			"no security key for hid:7 is there", []string{"hid:/dev/hidraw4"}},
	} {
		_, err := c.listing.One(c.selector)
		var notOne *devices.NotOneError
		if !errors.As(err, &notOne) || err.Error() != c.text {
			t.Errorf("%s: %v, want %s", c.name, err, c.text)
			continue
		}
		for _, h := range c.hint {
			if !strings.Contains(notOne.Hint(), h) {
				t.Errorf("%s: hint %q lacks %q", c.name, notOne.Hint(), h)
			}
		}
	}
}
