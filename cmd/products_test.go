package cmd_test

import (
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/touchstone-fido/touchstone/devices/virtual/profiles"
)

// TestProductsEnrolAndVerify has each built-in profile make a passkey and use it,
// with a PIN, through the whole program, over each transport that the product
// has.
func TestProductsEnrolAndVerify(t *testing.T) {
	models, err := profiles.All()
	if err != nil {
		t.Fatal(err)
	}
	for _, m := range models {
		for transport, prefix := range map[string]string{"usb": "virtual:", "nfc": "virtual+nfc:"} {
			if !slices.Contains(m.Profile.Transports, transport) {
				continue
			}
			t.Run(m.Name+" over "+transport, func(t *testing.T) {
				t.Parallel()
				file := filepath.Join(t.TempDir(), "passkey.json")
				device := "--device=" + prefix + filepath.Join(t.TempDir(), "state.key") + "?profile=" + m.Name
				if len(m.Profile.Versions) == 1 && m.Profile.Versions[0] == "U2F_V2" {
					wantExit(t, 0, "", device, "device", "info")
					return // the program does not enrol on keys without CTAP2
				}
				wantExit(t, 0, "25801478\n25801478\n", device, "--pin-stdin", "pin", "set")
				wantExit(t, 0, "25801478\n", device, "--pin-stdin", "enroll", "--rp=example.com", "--user=alice", "--uv=required", "--out="+file)
				wantExit(t, 0, "25801478\n", device, "--pin-stdin", "verify", file, "--uv=required")
			})
		}
	}
}

// wantExit runs the program, which must end with the exit status.
func wantExit(t *testing.T, want int, stdin string, args ...string) {
	t.Helper()
	if exit, _, errs := run(t, stdin, args...); exit != want {
		t.Fatalf("%s: exit status %d, want %d: %s", strings.Join(args, " "), exit, want, errs)
	}
}
