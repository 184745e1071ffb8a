package devices_test

import (
	"errors"
	"net/url"
	"reflect"
	"testing"

	"github.com/touchstone-fido/touchstone/devices"
)

func TestParseSelector(t *testing.T) {
	for text, want := range map[string]devices.Selector{
		"":                         {},
		"hid:/dev/hidraw3":         {Kind: devices.KindHID, Value: "/dev/hidraw3"},
		"hid:0012:34":              {Kind: devices.KindHID, Value: "0012:34"},
		"nfc:Virtual PCD 00 00":    {Kind: devices.KindNFC, Value: "Virtual PCD 00 00"},
		"aaguid:cb69481e":          {Kind: devices.KindAAGUID, Value: "cb69481e"},
		"touch":                    {Kind: devices.KindTouch},
		"virtual":                  {Kind: devices.KindVirtual},
		"virtual+nfc":              {Kind: devices.KindVirtual, NFC: true},
		"virtual:./a key":          {Kind: devices.KindVirtual, Value: "./a key"},
		"virtual:C:\\keys\\a":      {Kind: devices.KindVirtual, Value: "C:\\keys\\a"},
		"virtual+nfc:a?touch=deny": {Kind: devices.KindVirtual, Value: "a", NFC: true, Params: url.Values{"touch": {"deny"}}},
		"virtual?touch=2s&seed=00": {Kind: devices.KindVirtual, Params: url.Values{"touch": {"2s"}, "seed": {"00"}}},
		"replay:../tapes/a.jsonl":  {Kind: devices.KindReplay, Value: "../tapes/a.jsonl"},
	} {
		got, err := devices.ParseSelector(text)
		if err != nil || !reflect.DeepEqual(got, want) {
			t.Errorf("%q: %+v, %v; want %+v", text, got, err, want)
			continue
		}
		again, err := devices.ParseSelector(got.String())
		if err != nil || !reflect.DeepEqual(again, want) {
			t.Errorf("%q is written %q, which reads %+v, %v", text, got.String(), again, err)
		}
	}
}

func TestParseSelectorRefuses(t *testing.T) {
	for _, text := range []string{
		"usb", "hid", "hid:", "nfc:", "aaguid:", "replay", "replay:", "touch:me", "virtual:", "virtual+nfc:",
		"virtual+usb", "virtual+nfcx", "virtualx", "virtual?%zz", "HID:/dev/hidraw0", " ", ":",
	} {
		if got, err := devices.ParseSelector(text); !errors.Is(err, devices.ErrSelector) {
			t.Errorf("%q: %+v, %v", text, got, err)
		}
	}
}

func FuzzParseSelector(f *testing.F) {
	for _, s := range []string{"", "hid:a", "virtual+nfc:a?touch=deny", "virtual?seed=00", "replay:x"} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, text string) {
		s, err := devices.ParseSelector(text)
		if err != nil {
			return
		}
		again, err := devices.ParseSelector(s.String())
		if err != nil || !reflect.DeepEqual(again, s) {
			t.Fatalf("%q reads %+v, written %q, reads %+v, %v", text, s, s.String(), again, err)
		}
	})
}
