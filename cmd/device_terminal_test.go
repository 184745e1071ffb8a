//go:build unix

package cmd_test

import (
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/touchstone-fido/touchstone/devices/virtual"
)

// TestTerminalIdentify: a person touches the key, and lets it be.
func TestTerminalIdentify(t *testing.T) {
	p := sit(t, "--device", "virtual+nfc?touch=1500ms", "device", "identify")
	p.waits("This key does not wink. It waits for a touch now")
	p.waits("\rTouch your security key.")
	if exit, shown := p.leaves(); exit != 0 || !strings.Contains(shown, "The key was touched.") {
		t.Errorf("exit status %d\n%s", exit, shown)
	}
	p = sit(t, "--device", "virtual", "device", "identify")
	if exit, shown := p.leaves(); exit != 0 || !strings.Contains(shown, "The key has winked.") {
		t.Errorf("exit status %d\n%s", exit, shown)
	}
	p = sit(t, "--device", "virtual+nfc?touch=1h", "device", "identify")
	p.waits("Touch your security key.")
	p.types("\x03")
	if exit, shown := p.leaves(); exit != 130 {
		t.Errorf("interrupted: exit status %d\n%s", exit, shown)
	}
}

// TestTerminalIdentifyOld: a U2F key without a wink is touched as well.
func TestTerminalIdentifyOld(t *testing.T) {
	model := virtual.DefaultProfile()
	model.Versions, model.HID.Wink = []string{"U2F_V2"}, false
	device := offered(t, virtual.Config{Profile: model, Presence: virtual.Delayed(300 * time.Millisecond)}, nil)
	p := sit(t, "--device", device, "device", "identify")
	p.waits("This key does not wink.")
	p.waits("Touch your security key.")
	if exit, shown := p.leaves(); exit != 0 || !strings.Contains(shown, "The key was touched.") {
		t.Errorf("exit status %d\n%s", exit, shown)
	}
}

// TestTerminalSelect: without keys nobody is kept waiting.
func TestTerminalSelect(t *testing.T) {
	p := sit(t, "device", "select")
	p.waits("Touch the security key that you mean.")
	if exit, shown := p.leaves(); exit != 3 || !strings.Contains(shown, "no security key for touch") {
		t.Errorf("exit status %d\n%s", exit, shown)
	}
}

// TestTerminalPing shows the table, and is broken off.
func TestTerminalPing(t *testing.T) {
	p := sit(t, "--device", "virtual", "device", "ping", "--size", "9", "--count", "4")
	if exit, shown := p.leaves(); exit != 0 || !strings.Contains(shown, "\n9      4      ") {
		t.Errorf("exit status %d\n%s", exit, shown)
	}
	p = sit(t, "-v", "--device", "virtual", "device", "ping", "--count", "1000000000")
	p.waits("device: virtual")
	p.types("\x03")
	if exit, shown := p.leaves(); exit != 130 {
		t.Errorf("interrupted: exit status %d\n%s", exit, shown)
	}
}

// TestTerminalReset types another word, breaks off while a touch is waited for,
// and resets: only the last one changes the key.
func TestTerminalReset(t *testing.T) {
	device := "virtual:" + filepath.Join(t.TempDir(), "a.key")
	if exit, _, errs := run(t, "24680\n", "--device", device, "--pin-stdin", "pin", "set"); exit != 0 {
		t.Fatal(errs)
	}
	begin := func(touch, word string) *person {
		p := sit(t, "--device", device+"?touch="+touch, "device", "reset")
		p.waits("Key: software key")
		p.waits("Lost for good are")
		p.waits("its PIN")
		p.waits("Type reset to go ahead: ")
		p.types(word + "\n")
		return p
	}
	hasPIN := func(want bool) {
		t.Helper()
		_, out, errs := run(t, "", "--json", "--device", device, "pin", "status")
		if strings.Contains(out, `"pinSet": true`) != want {
			t.Errorf("want a PIN: %t\n%s%s", want, out, errs)
		}
	}
	for _, word := range []string{"", "yes", "RESET", " reset"} {
		if exit, shown := begin("auto", word).leaves(); exit != 6 || !strings.Contains(shown, "that is not the word: nothing was changed") {
			t.Errorf("%q: exit status %d\n%s", word, exit, shown)
		}
	}
	hasPIN(true)
	p := begin("1h", "reset")
	p.waits("\rTouch the security key to reset it. ")
	p.waits(" s left\rTouch the security key to reset it. ")
	p.types("\x03")
	if exit, shown := p.leaves(); exit != 130 {
		t.Errorf("interrupted: exit status %d\n%s", exit, shown)
	}
	hasPIN(true)
	p = begin("500ms", "reset")
	p.waits("Touch the security key to reset it. ")
	if exit, shown := p.leaves(); exit != 0 || !strings.Contains(shown, " s left") || !strings.Contains(shown, "Reset              done") {
		t.Errorf("exit status %d\n%s", exit, shown)
	}
	hasPIN(false)
}
