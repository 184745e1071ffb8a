package hidraw

import (
	"errors"
	"fmt"
	"io/fs"
	"maps"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"testing"

	"golang.org/x/sys/unix"

	"github.com/touchstone-fido/touchstone/ctaphid/internal/sysfs"
	"github.com/touchstone-fido/touchstone/packaging/udev"
)

// fakeTree is a root directory with the parts of /sys and /dev that matter.
type fakeTree struct {
	t *testing.T
	tree
}

func newFakeTree(t *testing.T) fakeTree {
	f := fakeTree{t, tree{sysfs.Tree{Root: t.TempDir(), Access: func(string) error { return nil }}}}
	f.must(os.MkdirAll(f.Path(classDir), 0o755))
	f.must(os.MkdirAll(f.Path("dev"), 0o755))
	return f
}

func (f fakeTree) must(err error) {
	f.t.Helper()
	if err != nil {
		f.t.Fatal(err)
	}
}

func (f fakeTree) write(content []byte, path ...string) {
	f.t.Helper()
	f.must(os.MkdirAll(filepath.Dir(f.Path(path...)), 0o755))
	f.must(os.WriteFile(f.Path(path...), content, 0o600))
}

// hid adds a HID device at a place below /sys/devices, its class member with
// the links that the kernel makes, and its node.
func (f fakeTree) hid(name, place, uevent, descriptor string) {
	f.t.Helper()
	place = filepath.Join("sys/devices", place)
	f.write(unhex(f.t, descriptor), place, "report_descriptor")
	f.write([]byte(uevent), place, "uevent")
	f.must(os.MkdirAll(f.Path(place, "hidraw", name), 0o755))
	f.must(os.Symlink("../..", f.Path(place, "hidraw", name, "device")))
	f.must(os.Symlink(filepath.Join("../../..", place, "hidraw", name), f.Path(classDir, name)))
	f.write(nil, "dev", name)
}

// usb adds a USB device with its attributes, and the root hub above it.
func (f fakeTree) usb(place string, attributes map[string]string) {
	f.t.Helper()
	for name, value := range attributes {
		f.write([]byte(value+"\n"), "sys/devices", place, name)
	}
	f.write([]byte("1d6b\n"), "sys/devices", filepath.Dir(place), "idVendor")
	f.write([]byte("0002\n"), "sys/devices", filepath.Dir(place), "idProduct")
}

func (f fakeTree) list() []Device {
	f.t.Helper()
	found, err := f.tree.list()
	f.must(err)
	return found
}

const (
	keyPlace  = "pci0000:00/0000:00:14.0/usb1/1-1"
	keyUevent = "DRIVER=hid-generic\nHID_ID=0003:00001050:00000407\nHID_NAME=Yubico YubiKey OTP+FIDO+CCID\n" +
		"HID_PHYS=usb-0000:00:14.0-1/input1\nHID_UNIQ=\nMODALIAS=hid:b0003g0001v00001050p00000407\n"
)

var keyAttributes = map[string]string{
	"idVendor": "1050", "idProduct": "0407", "manufacturer": "Yubico", "product": "YubiKey OTP+FIDO+CCID", "serial": "0012345678",
}

// key adds a composite key: keyboard on one interface, FIDO on the next.
func (f fakeTree) key() {
	f.t.Helper()
	f.usb(keyPlace, keyAttributes)
	f.hid("hidraw2", keyPlace+"/1-1:1.0/0003:1050:0407.0001", keyUevent, keyboardHex)
	f.hid("hidraw3", keyPlace+"/1-1:1.1/0003:1050:0407.0002", keyUevent, fidoHex)
}

func TestListUSBKey(t *testing.T) {
	f := newFakeTree(t)
	f.key()
	want := []Device{{
		Path: f.Path("dev/hidraw3"), Bus: 3, VendorID: 0x1050, ProductID: 0x0407,
		Manufacturer: "Yubico", Product: "YubiKey OTP+FIDO+CCID", Serial: "0012345678", ReportSize: 64,
	}}
	if got := f.list(); !slices.Equal(got, want) {
		t.Errorf("got  %+v\nwant %+v", got, want)
	}
}

func TestListOtherPlaces(t *testing.T) {
	tests := []struct {
		name, place, uevent string
		want                Device
	}{
		{"uhid", "virtual/misc/uhid/0003:1209:5070.0001", "HID_ID=0003:00001209:00005070\nHID_NAME=Soft Key\nHID_UNIQ=abc\n",
			Device{Bus: 3, VendorID: 0x1209, ProductID: 0x5070, Product: "Soft Key", Serial: "abc"}},
		{"under a Bluetooth adapter", keyPlace + "/1-1:1.0/0005:1209:5070.0001", "HID_ID=0005:00001209:00005070\nHID_NAME=Air Key\n",
			Device{Bus: 5, VendorID: 0x1209, ProductID: 0x5070, Product: "Air Key"}},
		{"under a USB device with other IDs", keyPlace + "/1-1:1.0/0003:1209:5070.0001", "HID_ID=0003:00001209:00005070\n",
			Device{Bus: 3, VendorID: 0x1209, ProductID: 0x5070}},
		{"nothing known", "x/y", "", Device{}},
		{"nonsense IDs", "x/y", "HID_ID=0003:1234\nHID_NAME\n", Device{}},
		{"IDs out of range", "x/y", "HID_ID=0003:00011234:00000001\n", Device{}},
		{"name that forges and paints", "x/y", "HID_ID=0003:00001209:00000001\nHID_NAME=a\x1b[31m\nHID_ID=0003:00001050:00000407\n",
			Device{Bus: 3, VendorID: 0x1209, ProductID: 1, Product: "a\uFFFD[31m"}},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			f := newFakeTree(t)
			f.usb(keyPlace, keyAttributes)
			f.hid("hidraw0", tt.place, tt.uevent, fidoHex)
			tt.want.Path, tt.want.ReportSize = f.Path("dev/hidraw0"), 64
			if got := f.list(); !slices.Equal(got, []Device{tt.want}) {
				t.Errorf("got  %+v\nwant %+v", got, tt.want)
			}
		})
	}
}

func TestListOrder(t *testing.T) {
	f := newFakeTree(t)
	for _, n := range []int{10, 9, 1} {
		f.hid(fmt.Sprintf("hidraw%d", n), fmt.Sprintf("d%d", n), "", fidoHex)
	}
	var got []string
	for _, d := range f.list() {
		got = append(got, filepath.Base(d.Path))
	}
	if want := []string{"hidraw1", "hidraw9", "hidraw10"}; !slices.Equal(got, want) {
		t.Errorf("got %v, want %v", got, want)
	}
}

func TestListLeavesOut(t *testing.T) {
	tests := []struct {
		name, descriptor string
		spoil            func(f fakeTree)
		want             error
	}{
		{"cut descriptor", "06D0F1 0901 A101", nil, ErrDescriptor},
		{"numbered reports", "06D0F1 0901 A101 8501 7508 953F 8102 9102 C0", nil, ErrReports},
		{"no node", fidoHex, func(f fakeTree) { f.must(os.Remove(f.Path("dev/hidraw0"))) }, ErrNoNode},
		{"unreadable descriptor", fidoHex, func(f fakeTree) {
			f.must(os.Remove(f.Path("sys/devices/d/report_descriptor")))
			f.must(os.Mkdir(f.Path("sys/devices/d/report_descriptor"), 0o755))
		}, unix.EISDIR},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			f := newFakeTree(t)
			f.hid("hidraw0", "d", "", tt.descriptor)
			if tt.spoil != nil {
				tt.spoil(f)
			}
			got := f.list()
			if len(got) != 1 || !errors.Is(got[0].Err, tt.want) {
				t.Errorf("got %+v, want one with %v", got, tt.want)
			}
		})
	}
}

func TestListPermission(t *testing.T) {
	f := newFakeTree(t)
	f.key()
	f.must(os.Chmod(f.Path("dev/hidraw3"), 0o640))
	f.Access = func(string) error { return unix.EACCES }

	got := f.list()
	var e *PermissionError
	if len(got) != 1 || !errors.As(got[0].Err, &e) {
		t.Fatalf("got %+v, want one with a PermissionError", got)
	}
	want := PermissionError{
		Path: f.Path("dev/hidraw3"), Mode: 0o640, Err: unix.EACCES,
		Owner: userName(uint32(os.Getuid())), Group: groupName(uint32(os.Getgid())),
		Rule: `KERNEL=="hidraw*", SUBSYSTEM=="hidraw", ATTRS{idVendor}=="1050", ATTRS{idProduct}=="0407", TAG+="uaccess"`,
	}
	if *e != want {
		t.Errorf("got  %+v\nwant %+v", *e, want)
	}
	if !errors.Is(e, fs.ErrPermission) || got[0].ReportSize != 64 || e.UdevRule() != want.Rule {
		t.Errorf("report size %d, error %v", got[0].ReportSize, e)
	}
	if text := e.Error(); !strings.Contains(text, e.Path) || !strings.Contains(text, "mode 0640") {
		t.Errorf("text %q says neither where nor who may", text)
	}
}

func TestUdevRuleWithoutUSBDevice(t *testing.T) {
	id := identity{Device: Device{Bus: 5, VendorID: 0xabcd, ProductID: 1}}
	want := `KERNEL=="hidraw*", SUBSYSTEM=="hidraw", KERNELS=="0005:ABCD:0001.*", TAG+="uaccess"`
	if got := udevRule(id); got != want {
		t.Errorf("got  %s\nwant %s", got, want)
	}
	if got := udevRule(identity{}); got != "" {
		t.Errorf("unknown device has the rule %s", got)
	}
}

func TestRefused(t *testing.T) {
	f := newFakeTree(t)
	f.key()
	f.must(os.Symlink("hidraw3", f.Path("dev/mykey")))
	open := &fs.PathError{Op: "open", Path: f.Path("dev/mykey"), Err: unix.EPERM}

	var e *PermissionError
	if err := f.refused(f.Path("dev/mykey"), open); !errors.As(err, &e) {
		t.Fatalf("got %v", err)
	}
	if e.Path != f.Path("dev/mykey") || e.Err != unix.EPERM || !strings.Contains(e.Rule, `"0407"`) {
		t.Errorf("got %+v", *e)
	}
	if err := f.refused(f.Path("dev/nothing"), open); err != error(open) {
		t.Errorf("without a node: %v", err)
	}
	other := &fs.PathError{Err: unix.EBUSY}
	if err := f.refused(f.Path("dev/mykey"), other); err != error(other) {
		t.Errorf("another failure: %v", err)
	}
}

func TestListNothing(t *testing.T) {
	f := newFakeTree(t)
	if got := f.list(); len(got) != 0 {
		t.Errorf("got %+v from an empty class", got)
	}
	f.must(os.Symlink("../../../nowhere", f.Path(classDir, "hidraw0")))
	if got := f.list(); len(got) != 0 {
		t.Errorf("got %+v for a device that left", got)
	}
}

func TestListCannotLook(t *testing.T) {
	empty := t.TempDir()
	if _, err := List(empty); !errors.Is(err, ErrNoClass) {
		t.Errorf("got %v, want ErrNoClass", err)
	}
	f := newFakeTree(t)
	f.must(os.Remove(f.Path(classDir)))
	f.write(nil, classDir)
	if _, err := f.tree.list(); err == nil || errors.Is(err, ErrNoClass) {
		t.Errorf("got %v for a class that is a file", err)
	}
}

func TestReadEventKeepsTheFirst(t *testing.T) {
	f := newFakeTree(t)
	f.write([]byte("A=1\nB=x=y\nA=2\nnothing\nC="), "uevent")
	want := map[string]string{"A": "1", "B": "x=y", "C": ""}
	if got := readEvent(f.Path("uevent")); !maps.Equal(got, want) {
		t.Errorf("got %v, want %v", got, want)
	}
}

// TestUdevRuleHasTheShippedForm: a rule that is printed for a key that nobody
// knows could stand in the file that the packages install.
func TestUdevRuleHasTheShippedForm(t *testing.T) {
	shipped := regexp.MustCompile(`"([0-9a-f]{4})", ATTRS\{idProduct\}=="([0-9a-f]{4})[0-9a-f|]*"`)
	lines := 0
	for line := range strings.Lines(udev.Rules()) {
		m := shipped.FindStringSubmatch(line)
		if m == nil {
			continue
		}
		lines++
		id := identity{usb: true, Device: Device{VendorID: number16(t, m[1]), ProductID: number16(t, m[2])}}
		want := shipped.ReplaceAllString(strings.TrimSuffix(line, "\n"), `"$1", ATTRS{idProduct}=="$2"`)
		if got := udevRule(id); got != want {
			t.Errorf("got  %s\nwant %s", got, want)
		}
	}
	if lines < 30 {
		t.Errorf("read %d lines of the file", lines)
	}
}

func number16(t *testing.T, hex string) uint16 {
	t.Helper()
	n, err := strconv.ParseUint(hex, 16, 16)
	if err != nil {
		t.Fatal(err)
	}
	return uint16(n)
}
