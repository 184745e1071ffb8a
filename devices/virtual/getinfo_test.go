package virtual_test

import (
	"bytes"
	"reflect"
	"testing"

	"github.com/touchstone-fido/touchstone/devices/virtual"
)

func TestGetInfoOfAFactoryNewKey(t *testing.T) {
	r := newRig(t)
	want := map[any]any{
		uint64(0x01): []any{"FIDO_2_0"},
		uint64(0x02): []any{"credProtect", "hmac-secret"},
		uint64(0x03): unhex(t, "61c5e308878a4352b3a554aead6cc6ea"),
		uint64(0x04): map[any]any{
			"rk": true, "up": true, "plat": false, "clientPin": false,
			"pinUvAuthToken": true, "makeCredUvNotRqd": true,
		},
		uint64(0x05): uint64(1200),
		uint64(0x06): []any{uint64(2), uint64(1)},
		uint64(0x07): uint64(8),
		uint64(0x08): uint64(64),
		uint64(0x09): []any{"usb"},
		uint64(0x0a): []any{
			map[any]any{"alg": int64(-7), "type": "public-key"},
			map[any]any{"alg": int64(-8), "type": "public-key"},
		},
		uint64(0x0c): false,
		uint64(0x0d): uint64(4),
		uint64(0x0e): uint64(1),
		uint64(0x14): uint64(100),
		uint64(0x16): []any{"packed"},
	}
	for range 2 {
		if got := r.ok(cmdGetInfo, nil); !reflect.DeepEqual(got, want) {
			t.Fatalf("getInfo is %v, want %v", got, want)
		}
	}
	expect(t, "touches", r.touches, 0)
}

func TestGetInfoFollowsTheConfiguration(t *testing.T) {
	aaguid := [16]byte{1, 2, 3}
	r := newRig(t, func(c *virtual.Config) {
		c.AAGUID, c.MaxMessage, c.MaxCredentials = aaguid, 7609, 3
		c.Transport, c.AlwaysRequireUV = virtual.NFC, true
	})
	r.make(discoverable("one"))
	r.setPIN()
	info := r.ok(cmdGetInfo, nil)
	options := info[uint64(4)].(map[any]any)
	if _, ok := options["makeCredUvNotRqd"]; ok {
		t.Error("makeCredUvNotRqd is there")
	}
	expect(t, "clientPin", options["clientPin"], any(true))
	expect(t, "maxMsgSize", info[uint64(5)], any(uint64(7609)))
	expect(t, "transport", info[uint64(9)].([]any)[0], any("nfc"))
	expect(t, "room", info[uint64(0x14)], any(uint64(2)))
	if !bytes.Equal(info[uint64(3)].([]byte), aaguid[:]) {
		t.Errorf("AAGUID is %x", info[uint64(3)])
	}
}
