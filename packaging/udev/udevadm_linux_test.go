package udev

import (
	"encoding/hex"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
)

// packageRoot is the environment variable that names a directory in which
// Debian's packages udev and systemd were unpacked, for machines without:
// installing udev there would start it. scripts/with-udev does that.
const packageRoot = "TOUCHSTONE_UDEV"

// debian is where udev's own files are.
type debian struct{ program, lib, libraries string } // libraries as in LD_LIBRARY_PATH

func findUdev(t *testing.T) debian {
	t.Helper()
	root := os.Getenv(packageRoot)
	d := debian{program: filepath.Join(root, "/bin/udevadm"), lib: filepath.Join(root, "/lib/udev")}
	if found, _ := filepath.Glob(filepath.Join(root, "/usr/lib/*/systemd")); root != "" && len(found) == 1 {
		d.libraries = found[0] + ":" + filepath.Join(root, "/lib", filepath.Base(filepath.Dir(found[0])))
	}
	for _, path := range []string{d.program, d.lib + "/fido_id", d.lib + "/rules.d/60-fido-id.rules", d.lib + "/rules.d/73-seat-late.rules"} {
		if _, err := os.Stat(path); err != nil {
			t.Skipf("NOT RUN: no udev here, nor in $%s: %v", packageRoot, err)
		}
	}
	if err := inside("true").Run(); err != nil {
		t.Skipf("NOT RUN: this user can make no mount namespaces: %v", err)
	}
	return d
}

// inside runs a shell script in a mount namespace of its own.
func inside(script string, args ...string) *exec.Cmd {
	unshare := []string{"--mount"}
	if os.Getuid() != 0 {
		unshare = []string{"--user", "--map-root-user", "--mount"}
	}
	return exec.Command("unshare", append(append(unshare, "sh", "-euc", script, "sh"), args...)...)
}

// script puts trees in the places where udev looks, and has it say what it
// would do about a device. Nothing of the machine is touched: not its /dev, in
// which it would make a link.
const script = `
touch "$1/dev/null"
mount --bind /dev/null "$1/dev/null"
mount --rbind "$1/dev" /dev
mount --bind "$1/sys" /sys
mount --bind "$1/lib" /usr/lib/udev
mount -t tmpfs none /run
[ ! -d /etc/udev ] || mount -t tmpfs none /etc/udev
SYSTEMD_DEVICE_VERIFY_SYSFS=0 LD_LIBRARY_PATH="$4" "$3" test --action="$5" "$2"
`

// hidDevice is a HID device on USB.
type hidDevice struct{ vendor, product, descriptor string }

const (
	fido     = "06d0f10901a1010920150026ff00750895408102" + "0921150026ff00750895409102c0"
	keyboard = "05010906a101050719e029e71500250175019508810295017508810195057501050819012905910295017503910195067508150025650507190029658100c0"
	devpath  = "/sys/devices/pci0000:00/0000:00:14.0/usb1/1-1"
)

// tree lays out a machine with one HID device, and the rules that are looked at:
// ours and the two of systemd's that matter to it.
func tree(t *testing.T, d debian, dev hidDevice, withHelper bool) (dir, node string) {
	t.Helper()
	dir = t.TempDir()
	usb := filepath.Join(dir, devpath)
	hid := filepath.Join(usb, "1-1:1.0", fmt.Sprintf("0003:%s:%s.0001", strings.ToUpper(dev.vendor), strings.ToUpper(dev.product)))
	node = filepath.Join(hid, "hidraw/hidraw3")
	raw, err := hex.DecodeString(dev.descriptor)
	must(t, err)
	write(t, filepath.Join(usb, "idVendor"), dev.vendor+"\n")
	write(t, filepath.Join(usb, "idProduct"), dev.product+"\n")
	write(t, filepath.Join(usb, "uevent"), "MAJOR=189\nMINOR=3\nDEVNAME=bus/usb/001/004\nDEVTYPE=usb_device\n")
	write(t, filepath.Join(usb, "1-1:1.0/uevent"), "DEVTYPE=usb_interface\n")
	write(t, filepath.Join(hid, "uevent"), fmt.Sprintf("HID_ID=0003:0000%s:0000%s\n", dev.vendor, dev.product))
	write(t, filepath.Join(hid, "report_descriptor"), string(raw))
	write(t, filepath.Join(node, "uevent"), "MAJOR=240\nMINOR=3\nDEVNAME=hidraw3\n")
	write(t, filepath.Join(dir, "sys/bus/usb/.keep"), "")
	write(t, filepath.Join(dir, "sys/bus/hid/.keep"), "")
	must(t, os.Symlink("/sys/bus/usb", filepath.Join(usb, "subsystem")))
	must(t, os.Symlink("/sys/bus/usb", filepath.Join(usb, "1-1:1.0/subsystem")))
	must(t, os.Symlink("/sys/bus/hid", filepath.Join(hid, "subsystem")))
	must(t, os.MkdirAll(filepath.Join(dir, "sys/class/hidraw"), 0o755))
	must(t, os.Symlink("/sys/class/hidraw", filepath.Join(node, "subsystem")))
	must(t, os.Symlink("../..", filepath.Join(node, "device")))
	must(t, os.MkdirAll(filepath.Join(dir, "dev"), 0o755))
	write(t, filepath.Join(dir, "lib/rules.d", FileName), Rules())
	for _, name := range []string{"rules.d/60-fido-id.rules", "rules.d/73-seat-late.rules"} {
		copyFile(t, filepath.Join(dir, "lib", name), filepath.Join(d.lib, name))
	}
	if withHelper {
		copyFile(t, filepath.Join(dir, "lib/fido_id.real"), filepath.Join(d.lib, "fido_id"))
		write(t, filepath.Join(dir, "lib/fido_id"), fmt.Sprintf(helper, d.libraries))
		must(t, errors.Join(os.Chmod(filepath.Join(dir, "lib/fido_id"), 0o755), os.Chmod(filepath.Join(dir, "lib/fido_id.real"), 0o755)))
	}
	return dir, strings.TrimPrefix(node, dir)
}

// helper calls systemd's helper with what udevadm does not hand down, and names
// the device: an event that is only simulated has no number, without which the
// helper does not take the device from its environment.
const helper = `#!/bin/sh
SYSTEMD_DEVICE_VERIFY_SYSFS=0 LD_LIBRARY_PATH="%s" exec /usr/lib/udev/fido_id.real "/sys$DEVPATH"
`

func copyFile(t *testing.T, to, from string) {
	t.Helper()
	b, err := os.ReadFile(from)
	must(t, err)
	write(t, to, string(b))
}

func must(t *testing.T, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

func write(t *testing.T, path, text string) {
	t.Helper()
	must(t, errors.Join(os.MkdirAll(filepath.Dir(path), 0o755), os.WriteFile(path, []byte(text), 0o644)))
}

// TestUdevadm has Debian's udev apply the rules: to keys that systemd's helper
// tells, to keys that are known by their numbers where there is no helper, and
// to what is no key.
func TestUdevadm(t *testing.T) {
	d := findUdev(t)
	yubikey, unknown := hidDevice{"1050", "0407", fido}, hidDevice{"abcd", "0001", fido}
	for _, tt := range []struct {
		name   string
		device hidDevice
		helper bool
		action string
		given  bool
	}{
		{"known key", yubikey, true, "add", true},
		{"known key without the helper", yubikey, false, "add", true},
		{"the last of a list", hidDevice{"534c", "0002", fido}, false, "change", true},
		{"unknown key", unknown, true, "add", true},
		{"unknown key without the helper", unknown, false, "add", false},
		{"keyboard", hidDevice{"abcd", "0001", keyboard}, true, "add", false},
		{"key that leaves", yubikey, true, "remove", false},
	} {
		t.Run(tt.name, func(t *testing.T) {
			dir, node := tree(t, d, tt.device, tt.helper)
			out, err := inside(script, dir, node, d.program, d.libraries, tt.action).CombinedOutput()
			if err != nil {
				t.Fatalf("%v\n%s", err, out)
			}
			if strings.Contains(string(out), FileName+":") {
				t.Errorf("udev remarks on the rules:\n%s", out)
			}
			if !strings.Contains(string(out), "Reading rules file: /usr/lib/udev/rules.d/"+FileName) {
				t.Errorf("udev has not read the rules:\n%s", out)
			}
			if given := strings.Contains(string(out), "run: 'uaccess'"); given != tt.given {
				t.Errorf("given to the person at the seat: %v, want %v\n%s", given, tt.given, out)
			}
		})
	}
}

// TestUdevadmGroup turns the line for systems without seats on. The group of the
// test is one that every system has.
func TestUdevadmGroup(t *testing.T) {
	d := findUdev(t)
	dir, node := tree(t, d, hidDevice{"1050", "0407", fido}, false)
	on := strings.NewReplacer("\n#KERNEL", "\nKERNEL", "plugdev", "root").Replace(Rules())
	write(t, filepath.Join(dir, "lib/rules.d", FileName), on)
	out, err := inside(script, dir, node, d.program, d.libraries, "add").CombinedOutput()
	if err != nil {
		t.Fatalf("%v\n%s", err, out)
	}
	for _, want := range []string{" GROUP 0\n", " MODE 0660\n"} {
		if !strings.Contains(string(out), want) {
			t.Errorf("no %q in\n%s", want, out)
		}
	}
}
