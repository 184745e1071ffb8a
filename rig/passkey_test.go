//go:build linux

package rig

import (
	"path/filepath"
	"testing"
)

// TestPasskey is the main job of the program on a key on USB, without and with a
// PIN.
func TestPasskey(t *testing.T) {
	const pin = "24680\n"
	onBackends(t, func(t *testing.T, backend string) {
		k := plugIn(t, options{})
		run := func(stdin string, args ...string) (verified bool) {
			t.Helper()
			k.find(backend) // libusb's detour takes the node away and brings it back
			var got struct{ Verified bool }
			start(t, stdin, nil, "touchstone", append([]string{"--json", "--hid-backend", backend}, args...)...).wait(0).json(&got)
			return got.Verified
		}
		alice, bob := filepath.Join(t.TempDir(), "alice.json"), filepath.Join(t.TempDir(), "bob.json")
		for _, c := range []struct {
			stdin string
			args  []string
		}{
			{"", []string{"enroll", "--rp", "example.com", "--user", "alice", "--out", alice}},
			{"", []string{"verify", alice}},
			{pin, []string{"--pin-stdin", "pin", "set"}},
			{pin, []string{"--pin-stdin", "enroll", "--rp", "example.com", "--user", "bob", "--uv", "required", "--out", bob}},
			{pin, []string{"--pin-stdin", "verify", "--uv", "required", bob}},
		} {
			if verified := run(c.stdin, c.args...); !verified && c.args[1] != "pin" {
				t.Errorf("%q was not verified", c.args)
			}
		}
	})
}
