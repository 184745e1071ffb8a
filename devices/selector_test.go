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
		"":                                 {},
		"hid:/dev/hidraw3":                 {Kind: devices.KindHID, Value: "/dev/hidraw3"},
		"hid:0012:34":                      {Kind: devices.KindHID, Value: "0012:34"},
		"nfc:Virtual PCD 00 00":            {Kind: devices.KindNFC, Value: "Virtual PCD 00 00"},
		"aaguid:cb69481e":                  {Kind: devices.KindAAGUID, Value: "cb69481e"},
		"touch":                            {Kind: devices.KindTouch},
		"virtual":                          {Kind: devices.KindVirtual},
		"virtual+nfc":                      {Kind: devices.KindVirtual, NFC: true},
		"virtual:./a key":                  {Kind: devices.KindVirtual, Value: "./a key"},
		"virtual:C:\\keys\\a":              {Kind: devices.KindVirtual, Value: "C:\\keys\\a"},
		"virtual+nfc:a?touch=deny":         {Kind: devices.KindVirtual, Value: "a", NFC: true, Params: url.Values{"touch": {"deny"}}},
		"virtual?touch=2s&seed=00":         {Kind: devices.KindVirtual, Params: url.Values{"touch": {"2s"}, "seed": {"00"}}},
		"replay:../tapes/a.jsonl":          {Kind: devices.KindReplay, Value: "../tapes/a.jsonl"},
		"replay:a.jsonl?match=semantic":    {Kind: devices.KindReplay, Value: "a.jsonl", Params: url.Values{"match": {"semantic"}}},
		"replay:what?.jsonl":               {Kind: devices.KindReplay, Value: "what?.jsonl"},
		"replay:a?b=1":                     {Kind: devices.KindReplay, Value: "a?b=1"},
		"udp:10.1.2.3:8111":                {Kind: devices.KindUDP, Value: "10.1.2.3:8111"},
		"udp:key.example:08111":            {Kind: devices.KindUDP, Value: "key.example:8111"},
		"udp::8111":                        {Kind: devices.KindUDP, Value: "127.0.0.1:8111"},
		"udp:8111":                         {Kind: devices.KindUDP, Value: "127.0.0.1:8111"},
		"udp:[::1]:8111":                   {Kind: devices.KindUDP, Value: "[::1]:8111"},
		"udp:[fe80::1%eth0]:1":             {Kind: devices.KindUDP, Value: "[fe80::1%eth0]:1"},
		"tcp:35962":                        {Kind: devices.KindTCP, Value: "127.0.0.1:35962"},
		"tcp:localhost:35962":              {Kind: devices.KindTCP, Value: "localhost:35962"},
		"udp:8111?local=7112":              {Kind: devices.KindUDP, Value: "127.0.0.1:8111", Params: url.Values{"local": {"127.0.0.1:7112"}}},
		"udp:[::1]:1?local=[::1]:2":        {Kind: devices.KindUDP, Value: "[::1]:1", Params: url.Values{"local": {"[::1]:2"}}},
		"udp:a:1?local=[fe80::1%25eth0]:2": {Kind: devices.KindUDP, Value: "a:1", Params: url.Values{"local": {"[fe80::1%eth0]:2"}}},
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
		"udp", "udp:", "udp::", "udp:127.0.0.1", "udp:127.0.0.1:", "udp:::1:8111", "udp:[::1]", "udp:x:0", "udp:x:65536", "udp:x:-1",
		"udp:x:http", "udp:a b:1", "udp:a/b:1", "udp:\x7f:1", "udp:%41:1", "udp:x:1?", "udp:x:1?local=", "udp:x:1?local=host:1",
		"udp:x:1?local=1&local=2", "udp:x:1?local=1&more=2", "udp:x:1?remote=1", "udp:x:1?%zz", "udp:x:1?local=0",
		"tcp", "tcp:", "tcp:x", "tcp:x:1?local=2", "tcp:x:1?",
	} {
		if got, err := devices.ParseSelector(text); !errors.Is(err, devices.ErrSelector) {
			t.Errorf("%q: %+v, %v", text, got, err)
		}
	}
}

// TestSelectorErrors: who gets an address wrong is told the form that it has.
func TestSelectorErrors(t *testing.T) {
	for text, want := range map[string]string{
		"udp:x":           `unknown device selector "udp:x": want udp:[HOST:]PORT[?local=[IP:]PORT]: port "x" is not between 1 and 65535`,
		"udp:1?local=a:2": `unknown device selector "udp:1?local=a:2": want udp:[HOST:]PORT[?local=[IP:]PORT]: a:2 has a name and no address`,
		"tcp:1?local=2":   `unknown device selector "tcp:1?local=2": want tcp:[HOST:]PORT: unknown parameters "local=2"`,
	} {
		if _, err := devices.ParseSelector(text); err == nil || err.Error() != want {
			t.Errorf("%q: %v, want %s", text, err, want)
		}
	}
}

func TestSelectorLocal(t *testing.T) {
	for text, want := range map[string]string{
		"udp:8111?local=7112": "127.0.0.1:7112", "udp:8111": "", "tcp:8111": "", "virtual?local=7112": "", "": "",
	} {
		s, err := devices.ParseSelector(text)
		if err != nil || s.Local() != want {
			t.Errorf("%q: %q, %v", text, s.Local(), err)
		}
	}
}

func FuzzParseSelector(f *testing.F) {
	for _, s := range []string{"", "hid:a", "virtual+nfc:a?touch=deny", "virtual?seed=00", "replay:x", "udp:8111?local=7112", "udp:[fe80::1%25a]:1?local=[::1%25b]:2", "tcp:a.b:1"} {
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
