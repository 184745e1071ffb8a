package doctor

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"strings"
	"syscall"
	"testing"

	"github.com/touchstone-fido/touchstone/ctap2"
	"github.com/touchstone-fido/touchstone/ctaphid"
	"github.com/touchstone-fido/touchstone/ctaphid/hidraw"
	"github.com/touchstone-fido/touchstone/devices"
	"github.com/touchstone-fido/touchstone/devices/holders"
	"github.com/touchstone-fido/touchstone/nfc"
	"github.com/touchstone-fido/touchstone/nfc/pcsc"
)

var (
	yubikey = devices.Info{Transport: devices.USB, Backend: "hidraw", Path: "/dev/hidraw3", VendorID: 0x1050, ProductID: 0x0407, Product: "YubiKey"}
	card    = devices.Info{Transport: devices.NFC, Backend: "pcsc", Path: "ACS ACR122U 00 00"}
)

const (
	rule      = `KERNEL=="hidraw*", SUBSYSTEM=="hidraw", ATTRS{idVendor}=="1050", ATTRS{idProduct}=="0407", TAG+="uaccess"`
	groupRule = `KERNEL=="hidraw*", SUBSYSTEM=="hidraw", ATTRS{idVendor}=="1050", ATTRS{idProduct}=="0407", MODE="0660", GROUP="plugdev"`
)

var (
	installed = Fix{Text: "install Touchstone's rules", Commands: []string{
		"touchstone doctor rules | sudo tee /etc/udev/rules.d/70-touchstone-fido.rules",
		"sudo udevadm control --reload", "sudo udevadm trigger --subsystem-match=hidraw"}}
	grouped = Fix{Text: "give security keys to a group, and log in anew", Commands: []string{
		"sudo groupadd --force --system plugdev", "sudo usermod --append --groups plugdev anna",
		"touchstone doctor rules | sed 's/^#KERNEL/KERNEL/' | sudo tee /etc/udev/rules.d/70-touchstone-fido.rules",
		"sudo udevadm control --reload", "sudo udevadm trigger --subsystem-match=hidraw"}}
)

// cases are machines and what one check finds on them.
type cases []struct {
	name  string
	setUp func(fake)
	want  []Finding
}

func (c cases) run(t *testing.T, id string) {
	t.Helper()
	for _, tt := range c {
		t.Run(tt.name, func(t *testing.T) {
			f := newFake(t)
			tt.setUp(f)
			f.wantFindings(id, tt.want...)
		})
	}
}

// is is one finding of a check.
func is(id string, status Status, summary, detail string, fix Fix) []Finding {
	return []Finding{{id, status, summary, detail, fix}}
}

func TestBuildBackends(t *testing.T) {
	cases{
		{"hidraw on Linux", func(fake) {}, is("build.backends", OK, "built in: hidraw, pcsc", "usbhid: get a compiler", Fix{})},
		{"nothing on macOS", func(f fake) {
			f.goos = "darwin"
			f.backends = []devices.Backend{{Name: "hidraw", Hint: "of Linux"}, {Name: "usbhid", Hint: "rebuild with cgo"}, {Name: "pcsc", Hint: "rebuild with cgo"}}
		}, is("build.backends", Problem, "no way to reach a key is built in; keys on USB cannot be reached",
			"hidraw: of Linux\nusbhid: rebuild with cgo\npcsc: rebuild with cgo", Fix{Text: "rebuild with cgo"})},
		{"PC/SC alone on Windows", func(f fake) {
			f.goos = "windows"
			f.backends = []devices.Backend{{Name: "usbhid", Hint: "rebuild with cgo"}, {Name: "pcsc", Built: true}}
		}, is("build.backends", Problem, "built in: pcsc; keys on USB cannot be reached", "usbhid: rebuild with cgo", Fix{Text: "rebuild with cgo"})},
	}.run(t, "build.backends")
	cases{
		{"built", func(fake) {}, is("pcsc.built", OK, "PC/SC is built in", "", Fix{})},
		{"not built", func(f fake) { withoutBackend(f) }, is("pcsc.built", Warning, "PC/SC is not built in: keys on NFC cannot be reached", "rebuild",
			Fix{Text: "take a build with PC/SC, if keys on NFC matter here"})},
	}.run(t, "pcsc.built")
}

func withoutBackend(f fake) {
	f.backends = []devices.Backend{{Name: "hidraw", Built: true}, {Name: "pcsc", Hint: "rebuild"}}
}

// TestWithoutPCSC: what a build does not use is not found fault with.
func TestWithoutPCSC(t *testing.T) {
	for _, id := range []string{"pcsc.daemon", "pcsc.access", "pcsc.driver", "pcsc.card-held", "pcsc.modules"} {
		cases{{id, withoutBackend, is(id, NotApplicable, "PC/SC is not in this build", "", Fix{})}}.run(t, id)
	}
}

func TestContainer(t *testing.T) {
	in := func(kind string) []Finding {
		return is("container", Warning, "this is a container ("+kind+"), which has the devices that it was started with", "", Fix{
			Text: "start it with --device and the key's node, such as /dev/hidraw3, and for NFC with --volume /run/pcscd/pcscd.comm:/run/pcscd/pcscd.comm; " +
				"a key that is plugged in later may have another node"})
	}
	cases{
		{"none", func(f fake) { f.write("proc/1/cgroup", "0::/init.scope\n") }, is("container", OK, "this is no container", "", Fix{})},
		{"docker", func(f fake) { f.write(".dockerenv", "") }, in("docker")},
		{"podman", func(f fake) { f.write("run/.containerenv", "") }, in("podman")},
		{"as systemd says", func(f fake) { f.write("run/systemd/container", "systemd-nspawn\n") }, in("systemd-nspawn")},
		{"by the environment", func(f fake) { f.env("container", "lxc") }, in("lxc")},
		{"by the control group", func(f fake) { f.write("proc/1/cgroup", "1:name=systemd:/kubepods/pod1\n") }, in("kubepods")},
		{"Windows' Linux", func(f fake) { f.write("proc/version", "Linux version 5.15.0-microsoft-standard-WSL2\n") },
			is("container", Warning, "this is the Windows Subsystem for Linux, which has the USB devices that Windows gives it", "", Fix{
				Text:     "give it the key, in a PowerShell of an administrator (usbipd-win); Windows loses it meanwhile",
				Commands: []string{"usbipd list", "usbipd bind --busid <BUSID>", "usbipd attach --wsl --busid <BUSID>"}})},
	}.run(t, "container")
}

func TestSandbox(t *testing.T) {
	flatpak := func(id string) []Finding {
		return is("sandbox", Warning, "this runs in a Flatpak, which sees the devices that it is given", "", Fix{
			Text: "give it all devices, and the daemon's socket", Commands: []string{"flatpak override --user --device=all --socket=pcsc " + id}})
	}
	cases{
		{"none", func(fake) {}, is("sandbox", OK, "no sandbox of Snap or Flatpak", "", Fix{})},
		{"snap", func(f fake) { f.env("SNAP_NAME", "touchstone") },
			is("sandbox", Warning, "this runs as a snap (touchstone), which sees the devices that it is connected to", "", Fix{Text: "connect it", Commands: []string{
				"sudo snap connect touchstone:u2f-devices", "sudo snap connect touchstone:raw-usb", "sudo snap connect touchstone:pcscd"}})},
		{"flatpak", func(f fake) { f.env("FLATPAK_ID", "org.example.Keys") }, flatpak("org.example.Keys")},
		{"flatpak without a name", func(f fake) { f.write(".flatpak-info", "") }, flatpak("<APP>")},
	}.run(t, "sandbox")
}

func TestHidrawClass(t *testing.T) {
	cases{
		{"no key", func(fake) {}, is("hidraw.class", OK, "the kernel shows the hidraw class, with no FIDO interface on it", "", Fix{})},
		{"two keys", func(f fake) {
			f.hasNodes(nil, hidraw.Device{Path: "/dev/hidraw3"}, hidraw.Device{Path: "/dev/hidraw4"})
		},
			is("hidraw.class", OK, "the kernel shows the hidraw class, with 2 FIDO interfaces on it", "", Fix{})},
		{"no class", func(f fake) { f.hasNodes(fmt.Errorf("hidraw: %w", hidraw.ErrNoClass)) },
			is("hidraw.class", Problem, "the kernel shows no hidraw class", "hidraw: the kernel shows no hidraw class",
				Fix{Text: "the kernel needs CONFIG_HIDRAW, a container needs /sys"})},
		{"cannot look", func(f fake) { f.hasNodes(errors.New("no")) }, is("hidraw.class", Unknown, "the hidraw class cannot be read", "no", Fix{})},
	}.run(t, "hidraw.class")
}

func TestHidrawPermission(t *testing.T) {
	denied := func(err error, rule string) func(fake) {
		return func(f fake) {
			f.hasNodes(nil, hidraw.Device{Path: "/dev/hidraw3", Product: "YubiKey", Err: &hidraw.PermissionError{
				Path: "/dev/hidraw3", Mode: 0o600, Owner: "root", Group: "root", Rule: rule, Err: err}})
			f.node = func(string) string { return "mode 0600, no access list" }
		}
	}
	id := "hidraw.permission:/dev/hidraw3"
	why := "permission denied\nmode 0600, no access list"
	cases{
		{"no key", func(fake) {}, []Finding{}},
		{"may", func(f fake) {
			f.hasNodes(nil, hidraw.Device{Path: "/dev/hidraw3"})
			f.node = func(path string) string { return "access list of " + path }
		}, is(id, OK, "/dev/hidraw3 may be opened by this user", "access list of /dev/hidraw3", Fix{})},
		{"may not", denied(syscall.EACCES, rule), is(id, Problem, "/dev/hidraw3 (YubiKey) may not be opened by this user", why, Fix{
			Text: "let the person at the seat use it", Commands: []string{
				"echo '" + rule + "' | sudo tee -a /etc/udev/rules.d/70-touchstone.rules",
				"sudo udevadm control --reload", "sudo udevadm trigger --subsystem-match=hidraw"}})},
		{"may not, and is at no seat", func(f fake) {
			denied(syscall.EACCES, rule)(f)
			f.uid = 1001
		}, is(id, Problem, "/dev/hidraw3 (YubiKey) may not be opened by this user", why, Fix{
			Text: "nobody is given a device by being at the seat here: let a group use it, and log in anew", Commands: []string{
				"sudo groupadd --force --system plugdev", "sudo usermod --append --groups plugdev anna",
				"echo '" + groupRule + "' | sudo tee -a /etc/udev/rules.d/70-touchstone.rules",
				"sudo udevadm control --reload", "sudo udevadm trigger --subsystem-match=hidraw"}})},
		{"device unknown", denied(syscall.EACCES, ""), is(id, Problem, "/dev/hidraw3 (YubiKey) may not be opened by this user", why,
			Fix{Text: "run as a user who may"})},
		{"sandbox", denied(syscall.EPERM, rule), is(id, Problem, "/dev/hidraw3 (YubiKey) is forbidden by a container or sandbox",
			"operation not permitted\nmode 0600, no access list",
			Fix{Text: "give the container the device: docker run --device /dev/hidraw3"})},
		{"no node", func(f fake) { f.hasNodes(nil, hidraw.Device{Path: "/dev/hidraw3", Err: hidraw.ErrNoNode}) },
			is(id, Problem, "/dev/hidraw3 has no node in /dev", "no device node: file does not exist",
				Fix{Text: "give a container the device (docker run --device /dev/hidraw3); elsewhere udev makes the node"})},
		{"cannot look", func(f fake) { f.hasNodes(nil, hidraw.Device{Path: "/dev/hidraw3", Err: errors.New("no")}) },
			is(id, Unknown, "/dev/hidraw3 may be a key, but cannot be looked at", "no", Fix{})},
	}.run(t, "hidraw.permission")
}

func TestHidrawHeld(t *testing.T) {
	id := "hidraw.held:/dev/hidraw3"
	with := func(who holders.Found, err error) func(fake) {
		return func(f fake) {
			f.hasNodes(nil, hidraw.Device{Path: "/dev/hidraw3"})
			f.heldBy(who, err)
		}
	}
	cases{
		{"no key", func(fake) {}, []Finding{}},
		{"no node", func(f fake) { f.hasNodes(nil, hidraw.Device{Path: "/dev/hidraw3", Err: hidraw.ErrNoNode}) }, []Finding{}},
		{"nobody", with(holders.Found{}, nil), is(id, OK, "no other program has /dev/hidraw3 open", "", Fix{})},
		{"somebody", with(holders.Found{Processes: []holders.Process{scdaemon}, Unseen: 2}, nil),
			is(id, Warning, "/dev/hidraw3 is open in another program",
				"scdaemon (pid 812, user anna); 2 processes of other users could not be looked at",
				Fix{Text: "scdaemon (pid 812, user anna): gpgconf --kill scdaemon"})},
		{"nobody to be seen", with(holders.Found{Unseen: 3}, nil),
			is(id, Unknown, "no program of this user has /dev/hidraw3 open", "3 processes of other users could not be looked at",
				Fix{Text: "look as root", Commands: []string{"sudo touchstone doctor"}})},
		{"cannot look", with(holders.Found{}, errors.New("no /proc")),
			is(id, Unknown, "it cannot be told who has /dev/hidraw3 open", "no /proc", Fix{})},
	}.run(t, "hidraw.held")
}

func TestUdevRunning(t *testing.T) {
	const down = "udev does not run: keys that are plugged in now get no node, or one for root only"
	cases{
		{"runs", func(fake) {}, is("udev.running", OK, "udev runs", "", Fix{})},
		{"does not", func(f fake) { f.remove("run/udev") }, is("udev.running", Warning, down, "there is no /run/udev/control",
			Fix{Text: "start udev, or use what this system has in its place", Commands: []string{"sudo systemctl start systemd-udevd.service"}})},
		{"does not, without systemd", func(f fake) { f.remove("run/udev", "run/systemd") }, is("udev.running", Warning, down,
			"there is no /run/udev/control", Fix{Text: "start udev, or use what this system has in its place"})},
		{"container", func(f fake) {
			f.remove("run/udev")
			f.write(".dockerenv", "")
		}, is("udev.running", NotApplicable, "udev does not run in this container; its host's does the work", "", Fix{})},
	}.run(t, "udev.running")
}

// layersDetail is what is told of the three layers of rules.
func layersDetail(systemd, ours, listed string) string {
	return "systemd's 60-fido-id.rules and 70-uaccess.rules: " + systemd + "; Touchstone's 70-touchstone-fido.rules: " + ours +
		"; libfido2's 70-u2f.rules: " + listed
}

func TestUdevRules(t *testing.T) {
	const lib = "usr/lib/udev/rules.d/"
	withoutSystemd := func(f fake) { f.remove(lib+"60-fido-id.rules", lib+"70-uaccess.rules") }
	cases{
		{"systemd", func(fake) {}, is("udev.rules", OK, "systemd's rules give every FIDO key to the person at the seat", layersDetail("yes", "no", "no"), Fix{})},
		{"ours", func(f fake) {
			withoutSystemd(f)
			f.write("etc/udev/rules.d/70-touchstone-fido.rules", "rules\n")
		}, is("udev.rules", OK, "Touchstone's rules give FIDO keys to the person at the seat", layersDetail("no", "yes", "no"), Fix{})},
		{"libfido2", func(f fake) {
			withoutSystemd(f)
			f.write("lib/udev/rules.d/70-u2f.rules", "rules\n")
		}, is("udev.rules", Warning, "libfido2's rules give known keys to the person at the seat, and no others", layersDetail("no", "no", "yes"), installed)},
		{"one key", func(f fake) {
			withoutSystemd(f)
			f.write("etc/udev/rules.d/70-touchstone.rules", rule+"\n")
		}, is("udev.rules", Warning, "70-touchstone.rules gives the keys that are in it to the person at the seat, and no others", layersDetail("no", "no", "no"), installed)},
		{"none", func(f fake) { f.remove(lib) }, is("udev.rules", Problem, "no udev rules give security keys to users", layersDetail("no", "no", "no"), installed)},
		{"none in a container", func(f fake) {
			f.remove(lib)
			f.write(".dockerenv", "")
		}, is("udev.rules", NotApplicable, "udev rules are for the host of this container", layersDetail("no", "no", "no"), Fix{})},
		{"nothing acts on the tag", func(f fake) { f.remove(lib + "73-seat-late.rules") },
			is("udev.rules", Warning, "rules tag security keys, but 73-seat-late.rules, which acts on the tag, is not there", layersDetail("yes", "no", "no"), grouped)},
	}.run(t, "udev.rules")
}

// TestUdevRulesCannotLook: directories that cannot be read are no missing rules.
func TestUdevRulesCannotLook(t *testing.T) {
	f := newFake(t)
	for _, dir := range ruleDirs {
		f.remove(dir)
		f.write(dir, "no directory")
	}
	found := udevRules(t.Context(), f.machine)
	if len(found) != 1 || found[0].Status != Unknown || found[0].ID != "udev.rules" || found[0].Detail == "" {
		t.Errorf("%+v", found)
	}
}

func TestUdevMasked(t *testing.T) {
	unmask := func(path string) Fix {
		return Fix{Text: "take the mask away, if nobody wants it", Commands: []string{
			"sudo rm " + path, "sudo udevadm control --reload", "sudo udevadm trigger --subsystem-match=hidraw"}}
	}
	const fido, late = "/etc/udev/rules.d/60-fido-id.rules", "/run/udev/rules.d/73-seat-late.rules"
	cases{
		{"none", func(fake) {}, []Finding{}},
		{"by a link", func(f fake) { f.link(fido, "/dev/null") },
			is("udev.masked:60-fido-id.rules", Warning, fido+" is empty, so that 60-fido-id.rules has no rules", "", unmask(fido))},
		{"by an empty file", func(f fake) { f.write(late, "") },
			is("udev.masked:73-seat-late.rules", Problem, late+" is empty, so that 73-seat-late.rules has no rules", "", unmask(late))},
		{"a link to other rules", func(f fake) { f.link(fido, "/usr/local/share/fido.rules") }, []Finding{}},
	}.run(t, "udev.masked")
	// A mask counts: what it hides is no layer.
	f := newFake(t)
	f.link(fido, "/dev/null")
	f.wantFindings("udev.rules", is("udev.rules", Problem, "no udev rules give security keys to users", layersDetail("no", "no", "no"), installed)...)
}

func TestUdevOrder(t *testing.T) {
	const path = "/etc/udev/rules.d/99-yubikey.rules"
	cases{
		{"too late", func(f fake) { f.write(path, "# keys\n"+rule+"\n") },
			is("udev.order:99-yubikey.rules", Warning, path+` comes too late for its tag "uaccess" to count`,
				"udev reads files in the order of their names, and 73-seat-late.rules acts on the tag",
				Fix{Text: "rename it", Commands: []string{"sudo mv " + path + " /etc/udev/rules.d/70-yubikey.rules",
					"sudo udevadm control --reload", "sudo udevadm trigger --subsystem-match=hidraw"}})},
		{"by mode, which is never too late", func(f fake) { f.write(path, strings.Replace(rule, `TAG+="uaccess"`, `MODE="0666"`, 1)) }, []Finding{}},
		{"remark only", func(f fake) { f.write(path, "#"+rule) }, []Finding{}},
		{"in time", func(f fake) { f.write("etc/udev/rules.d/70-yubikey.rules", rule) }, []Finding{}},
	}.run(t, "udev.order")
}

func TestSessionSeat(t *testing.T) {
	cases{
		{"at the seat", func(fake) {}, is("session.seat", OK, "this user is active at seat0, and is given devices there", "", Fix{})},
		{"root", func(f fake) { f.uid = 0 }, is("session.seat", NotApplicable, "root needs no seat", "", Fix{})},
		{"ssh", func(f fake) {
			f.uid = 4000000000
			f.env("SSH_CONNECTION", "192.0.2.1 50000 192.0.2.2 22")
			f.write("run/systemd/seats/seat0", "ACTIVE_UID=4000000001\n")
		}, is("session.seat", Warning, `this is a session over ssh, which is at no seat: the tag "uaccess" gives it nothing`,
			"active: 4000000001 at seat0 is", grouped)},
		{"another is", func(f fake) {
			f.uid = 4000000000
			f.write("run/systemd/seats/seat0", "IS_SEAT0=1\n")
		}, is("session.seat", Warning, "this user is not the active one at a seat: keys are given to the one who is", "active: nobody is", grouped)},
		{"no logind", func(f fake) { f.remove("run/systemd/seats") },
			is("session.seat", Warning, `logind does not run: the tag "uaccess" gives nobody anything`, "", grouped)},
		{"at no seat, but permitted", func(f fake) {
			f.uid = 4000000000
			f.hasNodes(nil, hidraw.Device{Path: "/dev/hidraw3"})
		}, is("session.seat", OK, "this user is at no seat, but may open the keys that are there", "", Fix{})},
		{"container", func(f fake) {
			f.remove("run/systemd/seats")
			f.write(".dockerenv", "")
		}, is("session.seat", NotApplicable, "a container has no seats", "", Fix{})},
	}.run(t, "session.seat")
}

func TestUSBBound(t *testing.T) {
	cases{
		{"no USB", func(f fake) { f.remove(usbDevices) }, is("usb.bound", NotApplicable, "the kernel shows no USB bus", "", Fix{})},
		{"bound", func(f fake) { f.usb("1-1:1.0", "03", "usbhid") }, is("usb.bound", OK, "every HID interface on USB has its driver", "", Fix{})},
		{"unbound, but no key", func(f fake) {
			f.usb("1-1:1.0", "03", "")
			f.write(usbDevices+"/1-1:1.0/bInterfaceSubClass", "01\n")
		}, is("usb.bound", OK, "every HID interface on USB has its driver", "", Fix{})},
		{"unbound", func(f fake) { f.usb("1-1:1.0", "03", "") },
			is("usb.bound:1-1:1.0", Problem, "no driver has an interface of YubiKey (1050:0407), which could be a key",
				"a program that was killed while it had the key leaves it so",
				Fix{Text: "unplug the key and plug it in again, or bind it to its driver",
					Commands: []string{"echo -n 1-1:1.0 | sudo tee /sys/bus/usb/drivers/usbhid/bind"}})},
		{"taken", func(f fake) {
			f.usb("1-1:1.0", "03", "usbfs")
			f.machine.holders = func(_ context.Context, path string) (holders.Found, error) {
				return holders.Found{Processes: []holders.Process{{PID: 7, Name: path, User: "anna"}}}, nil
			}
		}, is("usb.bound:1-1:1.0", Problem, "a program has taken YubiKey (1050:0407) away from the kernel's driver",
			"/dev/bus/usb/001/004 (pid 7, user anna)", Fix{Text: "/dev/bus/usb/001/004 (pid 7, user anna): close it, or end it with kill 7"})},
		{"taken by nobody to be seen", func(f fake) { f.usb("1-1:1.0", "03", "usbfs") },
			is("usb.bound:1-1:1.0", Problem, "a program has taken YubiKey (1050:0407) away from the kernel's driver", "",
				Fix{Text: "close that program, or unplug the key and plug it in again"})},
	}.run(t, "usb.bound")
}

func TestPCSCDaemon(t *testing.T) {
	const needless, needed = "keys on USB do not need it, keys on NFC do", "there is a reader on USB that needs it"
	const gone = "pcscd does not run: there is no /run/pcscd/pcscd.comm"
	missing := func(f fake) { f.daemonIs(holders.Socket{}, fs.ErrNotExist) }
	start := Fix{Text: "start it", Commands: []string{"sudo systemctl enable --now pcscd.socket"}}
	cases{
		{"runs", func(fake) {}, is("pcsc.daemon", OK, "pcscd runs", "pcscd (pid 100, user root)", Fix{})},
		{"on demand", func(f fake) { f.daemonIs(holders.Socket{Listeners: []holders.Process{systemd}}, nil) },
			is("pcsc.daemon", OK, "pcscd is started when it is asked for", "systemd (pid 1, user root)", Fix{})},
		{"of root, out of sight", func(f fake) { f.daemonIs(holders.Socket{Clients: holders.Found{Unseen: 90}}, nil) },
			is("pcsc.daemon", OK, "somebody listens for pcscd's clients", "90 processes of other users could not be looked at", Fix{})},
		{"does not run", missing, is("pcsc.daemon", Warning, gone, needless, start)},
		{"does not run, and there is a reader", func(f fake) { missing(f); f.usb("1-2:1.0", "0b", "") }, is("pcsc.daemon", Problem, gone, needed, start)},
		{"not installed", func(f fake) { missing(f); f.remove("usr/sbin/pcscd") }, is("pcsc.daemon", Warning, gone, needless,
			Fix{Text: "install pcscd and start it", Commands: []string{"sudo apt install pcscd", "sudo systemctl enable --now pcscd.socket"}})},
		{"not installed, on Alpine", func(f fake) {
			missing(f)
			f.remove("usr/sbin/pcscd", "run/systemd")
			f.write("etc/os-release", "NAME=Alpine\nID=alpine\n")
		}, is("pcsc.daemon", Warning, gone, needless, Fix{Text: "install pcscd and start it", Commands: []string{"doas apk add pcsc-lite", "sudo pcscd"}})},
		{"has left its socket", func(f fake) { f.daemonIs(holders.Socket{}, fmt.Errorf("no: %w", holders.ErrNoListener)) },
			is("pcsc.daemon", Warning, "pcscd has ended and left its socket behind", needless, start)},
		{"the host's", func(f fake) {
			f.daemonIs(holders.Socket{}, holders.ErrNoListener)
			f.write(".dockerenv", "")
		}, is("pcsc.daemon", OK, "there is the socket of another's pcscd", "nobody listens on the socket", Fix{})},
		{"cannot look", func(f fake) { f.daemonIs(holders.Socket{}, errors.New("no netlink")) },
			is("pcsc.daemon", Unknown, "it cannot be told whether pcscd runs", "no netlink", Fix{})},
	}.run(t, "pcsc.daemon")
}

func TestPCSCAccess(t *testing.T) {
	denied := &pcsc.Error{Op: "list readers", Err: pcsc.ErrDenied}
	silent := &pcsc.Error{Op: "list readers", Err: pcsc.ErrNoService}
	cases{
		{"no reader", func(fake) {}, is("pcsc.access", OK, "the PC/SC service answers, with no reader", "", Fix{})},
		{"readers", func(f fake) {
			f.hasReaders(nil, pcsc.Reader{Name: "A"}, pcsc.Reader{Name: "B", CardPresent: true}, pcsc.Reader{Name: "C", CardPresent: true, Err: pcsc.ErrReset})
		}, is("pcsc.access", OK, "the PC/SC service answers, with 3 readers", "A: empty\nB: has a card\nC: another program has reset the card", Fix{})},
		{"polkit", func(f fake) { f.hasReaders(denied) }, is("pcsc.access", Problem, "the PC/SC service refuses this user", denied.Error(), Fix{
			Text: "log in on the machine itself, or have polkit let this user in", Commands: []string{
				"echo 'polkit.addRule(function(action, subject) {\n" +
					`  if (action.id.indexOf("org.debian.pcsc-lite.") == 0 && subject.user == "anna") { return polkit.Result.YES; }` +
					"\n});' | sudo tee /etc/polkit-1/rules.d/40-touchstone-pcsc.rules",
				"sudo systemctl restart polkit.service pcscd.service"}})},
		{"no service", func(f fake) { f.hasReaders(silent) },
			is("pcsc.access", Unknown, "the PC/SC service does not answer, so that it cannot be told whether it would", silent.Error(), Fix{})},
		{"cannot look", func(f fake) { f.hasReaders(errors.New("no")) }, is("pcsc.access", Unknown, "the PC/SC service could not be asked", "no", Fix{})},
	}.run(t, "pcsc.access")
}

func TestPCSCDriver(t *testing.T) {
	const none = "no driver for CCID readers was found: pcscd will see none"
	fix := Fix{Text: "install it", Commands: []string{"sudo apt install libccid"}}
	without := func(f fake) { f.remove("usr/lib/pcsc") }
	cases{
		{"there", func(fake) {}, is("pcsc.driver", OK, "the driver for CCID readers is installed", "", Fix{})},
		{"there, by architecture", func(f fake) {
			without(f)
			f.write("usr/lib/x86_64-linux-gnu/pcsc/drivers/ifd-ccid.bundle/Contents/Info.plist", "")
		}, is("pcsc.driver", OK, "the driver for CCID readers is installed", "", Fix{})},
		{"missing", without, is("pcsc.driver", Warning, none, "", fix)},
		{"missing, and there is a reader", func(f fake) { without(f); f.usb("1-2:1.0", "0b", "") }, is("pcsc.driver", Problem, none, "", fix)},
		{"no daemon", func(f fake) { f.remove("usr/sbin/pcscd") }, is("pcsc.driver", NotApplicable, "pcscd is not installed", "", Fix{})},
	}.run(t, "pcsc.driver")
}

func TestPCSCCardHeld(t *testing.T) {
	held := func(s holders.Socket, err error) func(fake) {
		return func(f fake) {
			f.hasReaders(nil, pcsc.Reader{Name: "ACS", CardPresent: true, Err: pcsc.ErrInUse})
			f.daemonIs(s, err)
		}
	}
	who := holders.Found{Processes: []holders.Process{scdaemon}}
	const summary = "another program keeps the card in ACS for itself"
	cases{
		{"nobody", func(fake) {}, is("pcsc.card-held", OK, "no program keeps a card for itself", "connected to pcscd: nobody", Fix{})},
		{"shared", func(f fake) { f.daemonIs(holders.Socket{Clients: who}, nil) },
			is("pcsc.card-held", OK, "no program keeps a card for itself", "connected to pcscd: scdaemon (pid 812, user anna)", Fix{})},
		{"held", held(holders.Socket{Clients: who}, nil), is("pcsc.card-held:ACS", Problem, summary,
			"connected to pcscd: scdaemon (pid 812, user anna)", Fix{Text: "scdaemon (pid 812, user anna): gpgconf --kill scdaemon"})},
		{"held by whom", held(holders.Socket{}, errors.New("no netlink")), is("pcsc.card-held:ACS", Problem, summary,
			"who is connected to pcscd: no netlink", Fix{Text: "close the other program; for GnuPG: gpgconf --kill scdaemon"})},
		{"cannot look", func(f fake) { f.hasReaders(errors.New("no")) },
			is("pcsc.card-held", Unknown, "it cannot be told whether a card is in use", "no", Fix{})},
	}.run(t, "pcsc.card-held")
}

func TestPCSCReaderTaken(t *testing.T) {
	by := func(p holders.Process) func(fake) {
		return func(f fake) {
			f.usb("1-1:1.2", "0b", "usbfs")
			f.heldBy(holders.Found{Processes: []holders.Process{p}}, nil)
		}
	}
	cases{
		{"by pcscd", by(pcscd), []Finding{}},
		{"by root, out of sight", func(f fake) {
			f.usb("1-1:1.2", "0b", "usbfs")
			f.heldBy(holders.Found{Unseen: 90}, nil)
		}, []Finding{}},
		{"by GnuPG's own driver", by(scdaemon), is("pcsc.reader-taken:1-1:1.2", Problem, "a program keeps pcscd from YubiKey (1050:0407)",
			"scdaemon (pid 812, user anna)", Fix{Text: "scdaemon (pid 812, user anna): gpgconf --kill scdaemon\nhave GnuPG go through pcscd from now on",
				Commands: []string{"echo disable-ccid >>~/.gnupg/scdaemon.conf", "gpgconf --kill scdaemon"}})},
		{"by another", by(holders.Process{PID: 7, Name: "qemu-system-x86_64", User: "anna"}), is("pcsc.reader-taken:1-1:1.2", Problem,
			"a program keeps pcscd from YubiKey (1050:0407)", "qemu-system-x86_64 (pid 7, user anna)",
			Fix{Text: "qemu-system-x86_64 (pid 7, user anna): take the key away from the virtual machine"})},
	}.run(t, "pcsc.reader-taken")
}

func TestPCSCModules(t *testing.T) {
	const loaded = "pn533_usb 20480 0 - Live 0x0000000000000000\nnfc 118784 1 pn533_usb, Live 0x0\nusbhid 1 0 - Live 0x0\n"
	const blacklist = `printf 'blacklist pn533_usb\nblacklist port100\n' | sudo tee /etc/modprobe.d/touchstone-nfc.conf`
	fix := Fix{Text: "unload the modules and keep them away", Commands: []string{blacklist, "sudo modprobe -r pn533_usb nfc"}}
	cases{
		{"none", func(f fake) { f.write("proc/modules", "usbhid 1 0 - Live 0x0\n") },
			is("pcsc.modules", OK, "the kernel leaves NFC readers to pcscd", "", Fix{})},
		{"loaded", func(f fake) { f.write("proc/modules", loaded) },
			is("pcsc.modules", Warning, "the kernel has modules that take NFC readers for itself: pn533_usb, nfc", "", fix)},
		{"has a reader", func(f fake) {
			f.write("proc/modules", loaded)
			f.usb("1-3:1.0", "ff", "pn533_usb")
		}, is("pcsc.modules", Problem, "the kernel has taken an NFC reader, so that pcscd does not see it", "YubiKey (1050:0407): pn533_usb", fix)},
		{"has a reader without modules", func(f fake) { f.usb("1-3:1.0", "ff", "port100") },
			is("pcsc.modules", Problem, "the kernel has taken an NFC reader, so that pcscd does not see it", "YubiKey (1050:0407): port100",
				Fix{Text: "unload the modules and keep them away", Commands: []string{blacklist}})},
	}.run(t, "pcsc.modules")
}

func TestWindows(t *testing.T) {
	on := func(then func(fake)) func(fake) { return func(f fake) { f.goos = "windows"; then(f) } }
	cases{
		{"administrator", on(func(fake) {}), is("windows.elevation", OK, "this program runs with an administrator's rights", "", Fix{})},
		{"user", on(func(f fake) { f.elevated = func() bool { return false } }),
			is("windows.elevation", Problem, "this program runs without an administrator's rights: Windows keeps keys on USB from it", "",
				Fix{Text: `start the terminal with "Run as administrator"`, Commands: []string{"Start-Process powershell -Verb RunAs"}})},
		{"Linux", func(fake) {}, []Finding{}},
	}.run(t, "windows.elevation")
	service := func(running bool, err error) func(fake) {
		return on(func(f fake) { f.service = func(string) (bool, error) { return running, err } })
	}
	cases{
		{"runs", service(true, nil), is("pcsc.daemon", OK, `the service "Smart Card" (SCardSvr) runs`, "", Fix{})},
		{"stopped", service(false, nil), is("pcsc.daemon", Warning, `the service "Smart Card" (SCardSvr) does not run`,
			"Windows starts it when a reader is plugged in, unless it is disabled", Fix{Text: "start it, as administrator",
				Commands: []string{"Set-Service SCardSvr -StartupType Manual", "Start-Service SCardSvr"}})},
		{"cannot look", service(false, errors.New("no")),
			is("pcsc.daemon", Unknown, `it cannot be told whether the service "Smart Card" (SCardSvr) runs`, "no", Fix{})},
	}.run(t, "pcsc.daemon")
}

func TestKeyPresent(t *testing.T) {
	has := func(l devices.Listing) func(fake) {
		return func(f fake) { f.list = func() devices.Listing { return l } }
	}
	cases{
		{"none", has(devices.Listing{
			LeftOut:  []devices.LeftOut{{Info: yubikey, Reason: errors.New("permission denied")}},
			Failures: []devices.Failure{{Backend: "pcsc", Reason: errors.New("no service")}},
		}), is("key.present", Warning, "there is no key that could be asked",
			"left out: hid:/dev/hidraw3 YubiKey: permission denied\nnot looked at: pcsc: no service", Fix{Text: "plug a key in, or put one on a reader"})},
		{"one", has(devices.Listing{Devices: []devices.Info{yubikey}}),
			is("key.present", OK, "there is one key or card to be asked", "hid:/dev/hidraw3 YubiKey", Fix{})},
		{"two", has(devices.Listing{Devices: []devices.Info{yubikey, card}}),
			is("key.present", OK, "there are 2 keys and cards to be asked", "hid:/dev/hidraw3 YubiKey\nnfc:ACS ACR122U 00 00", Fix{})},
	}.run(t, "key.present")
}

func TestKeyAnswers(t *testing.T) {
	says := func(key devices.Info, a answer, err error) func(fake) {
		return func(f fake) {
			f.list = func() devices.Listing { return devices.Listing{Devices: []devices.Info{key}} }
			f.ask = func(_ context.Context, asked devices.Info) (answer, error) {
				if asked.Path != key.Path {
					return answer{}, errors.New("asked another")
				}
				return a, err
			}
		}
	}
	const id = "key.answers:hid:/dev/hidraw3"
	const onCard = "key.answers:nfc:ACS ACR122U 00 00"
	refused := &ctap2.Error{Command: ctap2.CommandGetInfo, Status: ctap2.StatusOther}
	cases{
		{"answers", says(yubikey, answer{versions: []string{"U2F_V2", "FIDO_2_1"}, device: "5.4.3"}, nil),
			is(id, OK, "hid:/dev/hidraw3 YubiKey answers", "U2F_V2, FIDO_2_1; device version 5.4.3", Fix{})},
		{"answers on a reader", says(card, answer{versions: []string{"FIDO_2_0"}}, nil), is(onCard, OK, "nfc:ACS ACR122U 00 00 answers", "FIDO_2_0", Fix{})},
		{"U2F only", says(yubikey, answer{}, ctaphid.CodeInvalidCommand),
			is(id, Warning, "hid:/dev/hidraw3 YubiKey speaks U2F only, no CTAP2", "ERR_INVALID_CMD (0x01)", Fix{})},
		{"busy", says(yubikey, answer{}, ctaphid.CodeChannelBusy), is(id, Warning, "hid:/dev/hidraw3 YubiKey is busy with another program",
			"ERR_CHANNEL_BUSY (0x06)", Fix{Text: "touch it, or break the other program off"})},
		{"held", says(yubikey, answer{}, fmt.Errorf("open: %w", hidraw.ErrInUse)), is(id, Problem, "hid:/dev/hidraw3 YubiKey is held by another program",
			"open: another program holds the device", Fix{Text: "close the other program, or wait until it is done"})},
		{"no FIDO card", says(card, answer{}, nfc.SWNotFound),
			is(onCard, NotApplicable, "nfc:ACS ACR122U 00 00 is no FIDO key, or not by this way", nfc.SWNotFound.Error(), Fix{})},
		{"refuses", says(yubikey, answer{}, refused), is(id, Problem, "hid:/dev/hidraw3 YubiKey does not answer as it should",
			refused.Error(), Fix{Text: "unplug it and plug it in again"})},
		{"card fails", says(card, answer{}, nfc.ErrProtocol), is(onCard, Problem, "nfc:ACS ACR122U 00 00 does not answer as it should",
			nfc.ErrProtocol.Error(), Fix{Text: "take it off the reader and put it back"})},
		{"what is known of an error is told", says(card, answer{}, pcsc.ErrMute), is(onCard, Problem, "nfc:ACS ACR122U 00 00 does not answer as it should",
			pcsc.ErrMute.Error(), Fix{Text: "take the key off the reader and put it back"})},
		{"left alone", func(f fake) {
			says(yubikey, answer{}, errors.New("opened"))(f)
			f.noOpen = true
		}, is("key.answers", NotApplicable, "no key was opened, as was wanted", "", Fix{})},
		{"no key", func(fake) {}, is("key.answers", NotApplicable, "there is no key to ask", "", Fix{})},
	}.run(t, "key.answers")
}
