package udev

import (
	"net"
	"os"
	"path/filepath"
	"testing"
)

// TestReload runs what the packages run after they have put the rules in place:
// it talks to a udev that runs, and does nothing in a system that is only being
// put together.
func TestReload(t *testing.T) {
	if err := inside("true").Run(); err != nil {
		t.Skipf("NOT RUN: this user can make no mount namespaces: %v", err)
	}
	script, err := filepath.Abs("../reload-udev")
	must(t, err)
	const both = "control --reload\ntrigger --subsystem-match=hidraw --action=change\n"
	for _, tt := range []struct {
		name    string
		running bool
		status  string // with which udevadm ends
		root    string // of dpkg, when it is not the system's
		want    string
	}{
		{"udev runs", true, "0", "", both},
		{"udev runs, and refuses", true, "1", "", both},
		{"udev does not run", false, "0", "", ""},
		{"another system", true, "0", "/mnt", ""},
	} {
		t.Run(tt.name, func(t *testing.T) {
			dir, err := os.MkdirTemp("", "r") // the name of a socket must be short
			must(t, err)
			t.Cleanup(func() { os.RemoveAll(dir) })
			said := filepath.Join(dir, "said")
			write(t, filepath.Join(dir, "bin/udevadm"), "#!/bin/sh\necho \"$@\" >>"+said+"\nexit "+tt.status+"\n")
			must(t, os.Chmod(filepath.Join(dir, "bin/udevadm"), 0o755))
			must(t, os.MkdirAll(filepath.Join(dir, "run/udev"), 0o755))
			if tt.running {
				l, err := net.Listen("unix", filepath.Join(dir, "run/udev/control"))
				must(t, err)
				defer l.Close()
			}
			run := inside(`mount --bind "$1/run" /run; PATH="$1/bin:$PATH" DPKG_ROOT="$3" "$2" configure`, dir, script, tt.root)
			if out, err := run.CombinedOutput(); err != nil {
				t.Fatalf("%v: %s", err, out)
			}
			got, err := os.ReadFile(said)
			if err != nil && !os.IsNotExist(err) || string(got) != tt.want {
				t.Errorf("udevadm was asked for %q, %v, want %q", got, err, tt.want)
			}
		})
	}
}
