package view_test

import (
	"bytes"
	"errors"
	"testing"
	"time"

	"github.com/touchstone-fido/touchstone/cmd/internal/view"
	"github.com/touchstone-fido/touchstone/ctap2"
	"github.com/touchstone-fido/touchstone/devices/reset"
)

// verbs are the results of what is done with a key as a whole.
func verbs() map[string]view.Result {
	one, packet, none, some, yes, no := uint(1), uint(57), 0, 3, true, false
	return map[string]view.Result{
		"device-identify-wink":  view.Identified{Device: usb, How: view.ByWink},
		"device-identify-touch": view.Identified{Device: card, How: view.ByTouch},
		"device-select":         view.Selected{Device: usb},
		"man":                   view.Manual{Directory: "man1", Pages: []string{"touchstone-device.1", "touchstone.1"}},
		"device-ping": view.Pings{Device: usb, Command: "CTAPHID_PING", Rounds: []view.PingRound{
			{Bytes: &packet, Count: 10, Min: 1200 * time.Microsecond, Median: 2 * time.Millisecond, Max: 1500 * time.Millisecond},
			{Bytes: &one, Count: 1},
		}},
		"device-ping-info": view.Pings{Device: card, Command: "authenticatorGetInfo", Rounds: []view.PingRound{
			{Count: 2, Min: time.Millisecond, Median: time.Millisecond, Max: time.Second},
		}},
		"device-reset":     view.Reset{Device: virtual, State: reset.State{FingerprintsSet: &no, LargeBlobs: &none, RemainingPasskeys: &packet}},
		"device-reset-old": view.Reset{Device: usb},
		"device-reset-bad": view.Reset{Device: usb, State: reset.State{
			PINSet: true, FingerprintsSet: &yes, LargeBlobs: &some, Findings: []string{"a PIN is set", "large blobs are stored"},
		}},
	}
}

func TestVerbsGolden(t *testing.T) {
	for name, r := range verbs() {
		for ext, asJSON := range map[string]bool{".json": true, ".txt": false} {
			var b bytes.Buffer
			if err := view.Write(&b, asJSON, r); err != nil {
				t.Fatal(err)
			}
			golden(t, name+ext, b.Bytes())
		}
	}
}

// TestResetLossGolden: what is lost is what the key says that it has.
func TestResetLossGolden(t *testing.T) {
	all := ctap2.Info{Options: map[string]bool{"clientPin": true, "bioEnroll": true, "largeBlobs": true, "authnrCfg": true}}
	little := ctap2.Info{Options: map[string]bool{"clientPin": false, "bioEnroll": false}}
	golden(t, "reset-losses.txt", []byte(view.ResetLoss(&all)+"\n\n"+view.ResetLoss(&little)+"\n"))
}

// full is a standard output without room.
type full struct{}

func (full) Write([]byte) (int, error) { return 0, errors.New("full") }

func TestVerbsTellOfTrouble(t *testing.T) {
	for name, r := range verbs() {
		if view.Write(full{}, false, r) == nil || view.Write(full{}, true, r) == nil {
			t.Errorf("%s: what cannot be written is no error", name)
		}
	}
}
