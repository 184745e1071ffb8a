package doctor

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
	"unicode"

	"github.com/touchstone-fido/touchstone/ctaphid/hidraw"
	"github.com/touchstone-fido/touchstone/packaging/udev"
)

// FuzzParseACL: a list has at most as many names as entries.
func FuzzParseACL(f *testing.F) {
	f.Add(entries(seated...))
	f.Add(entries("0800 0500 00286bee"))
	f.Add([]byte{2, 0, 0, 0, 2})
	f.Fuzz(func(t *testing.T, b []byte) {
		named, err := parseACL(b)
		if len(named) > len(b)/aclEntry || err != nil && named != nil {
			t.Errorf("%q, %v", named, err)
		}
	})
}

// FuzzFiles: whatever is in the files that are looked at, the checks on them
// come to an end, and what they tell is one line.
func FuzzFiles(f *testing.F) {
	f.Add("ID=debian\n")
	f.Add("ACTIVE_UID=1000\n")
	f.Add("pn533_usb 20480 0 - Live 0x0\n")
	f.Add(udev.Rules())
	f.Add("ID_LIKE=\"\x00\nmicrosoft")
	f.Fuzz(func(t *testing.T, text string) {
		m := &machine{root: t.TempDir(), goos: "linux", uid: 1000, getenv: func(string) string { return "" }, nodes: noNodes}
		for _, name := range []string{"etc/os-release", "run/systemd/seats/seat0", "proc/modules", "proc/version", "proc/1/cgroup",
			"run/systemd/container", "etc/udev/rules.d/99-x.rules"} {
			path := m.path(name)
			if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
				t.Fatal(err)
			}
			if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
				t.Fatal(err)
			}
		}
		found := append(udevRules(t.Context(), m), container(t.Context(), m), sessionSeat(t.Context(), m))
		m.loaded(nfcModules)
		m.install("a", "b", "c", "d", "e")
		for _, f := range tidy(found) {
			if strings.ContainsFunc(f.ID+f.Summary, unicode.IsControl) {
				t.Errorf("%+v", f)
			}
		}
	})
}

func noNodes() ([]hidraw.Device, error) { return nil, nil }
