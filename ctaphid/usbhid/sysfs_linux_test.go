package usbhid

import (
	"bytes"
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"testing"

	"golang.org/x/sys/unix"

	"github.com/touchstone-fido/touchstone/ctaphid"
	"github.com/touchstone-fido/touchstone/ctaphid/internal/sysfs"
)

var errDescriptor = errors.New("malformed")

// describe reads the descriptors of these tests: "fido", "keyboard" or nonsense.
func describe(descriptor []byte) (int, error) {
	switch {
	case bytes.Equal(descriptor, []byte("fido")):
		return 64, nil
	case bytes.Equal(descriptor, []byte("keyboard")):
		return 0, nil
	}
	return 0, errDescriptor
}

// fakeTree is a root directory with the parts of /sys and /dev that matter.
type fakeTree struct {
	t *testing.T
	tree
}

func newFakeTree(t *testing.T) fakeTree {
	root := t.TempDir()
	f := fakeTree{t, tree{Tree: sysfs.Tree{Root: root, Access: func(string) error { return nil }}, root: root}}
	f.must(os.MkdirAll(f.dir(""), 0o755))
	return f
}

func (f fakeTree) must(err error) {
	f.t.Helper()
	if err != nil {
		f.t.Fatal(err)
	}
}

func (f fakeTree) attributes(name string, values map[string]string) {
	f.t.Helper()
	f.must(os.MkdirAll(f.dir(name), 0o755))
	for attribute, value := range values {
		f.must(os.WriteFile(filepath.Join(f.dir(name), attribute), []byte(value+"\n"), 0o600))
	}
}

// iface adds an interface; driver and descriptor are left out if empty.
func (f fakeTree) iface(name string, values map[string]string, driver, descriptor string) {
	f.t.Helper()
	f.attributes(name, values)
	if driver != "" {
		f.drive(name, driver)
	}
	if descriptor != "" {
		f.descriptorOf(name, descriptor)
	}
}

// descriptorOf has an interface's driver show a report descriptor.
func (f fakeTree) descriptorOf(name, descriptor string) {
	f.t.Helper()
	hid := filepath.Join(f.dir(name), "0003:1050:0407.0002")
	f.must(os.MkdirAll(hid, 0o755))
	f.must(os.WriteFile(filepath.Join(hid, "report_descriptor"), []byte(descriptor), 0o600))
}

// drive gives an interface a driver.
func (f fakeTree) drive(name, driver string) {
	f.t.Helper()
	f.must(os.Symlink("../../../bus/usb/drivers/"+driver, filepath.Join(f.dir(name), "driver")))
}

// undrive takes the driver off an interface, and with it what it made there.
func (f fakeTree) undrive(name string) {
	f.t.Helper()
	f.must(os.Remove(filepath.Join(f.dir(name), "driver")))
	f.must(os.RemoveAll(filepath.Join(f.dir(name), "0003:1050:0407.0002")))
}

var (
	plain = map[string]string{"bInterfaceClass": "03", "bInterfaceSubClass": "00", "bNumEndpoints": "02"}
	boot  = map[string]string{"bInterfaceClass": "03", "bInterfaceSubClass": "01", "bNumEndpoints": "01"}
	ccid  = map[string]string{"bInterfaceClass": "0b", "bInterfaceSubClass": "00", "bNumEndpoints": "02"}
)

// key adds a composite key: keyboard, FIDO, card reader.
func (f fakeTree) key() Device {
	f.t.Helper()
	f.attributes("1-1", map[string]string{
		"idVendor": "1050", "idProduct": "0407", "busnum": "1", "devnum": "4",
		"manufacturer": "Yubico", "product": "YubiKey OTP+FIDO+CCID", "serial": "12345678",
	})
	f.iface("1-1:1.0", boot, "usbhid", "keyboard")
	f.iface("1-1:1.1", plain, "usbhid", "fido")
	f.iface("1-1:1.2", ccid, "usbfs", "")
	return Device{
		Path: "1-1:1.1", VendorID: 0x1050, ProductID: 0x0407, Manufacturer: "Yubico",
		Product: "YubiKey OTP+FIDO+CCID", Serial: "12345678", ReportSize: 64, listed: true, root: f.root,
	}
}

func TestListKey(t *testing.T) {
	f := newFakeTree(t)
	want := f.key()
	got, err := f.list(describe)
	if err != nil || !slices.Equal(got, []Device{want}) {
		t.Errorf("got  %+v, %v\nwant %+v", got, err, want)
	}
}

func TestListInterfaces(t *testing.T) {
	tests := []struct {
		name               string
		values             map[string]string
		driver, descriptor string
		want               []error // of the devices that are listed
	}{
		{"key", plain, "usbhid", "fido", []error{nil}},
		{"keyboard", boot, "usbhid", "keyboard", nil},
		{"malformed descriptor", plain, "usbhid", "what", []error{errDescriptor}},
		{"no driver", plain, "", "", []error{nil}},
		{"held by a program", plain, "usbfs", "", []error{ErrInUse}},
		{"keyboard without driver", boot, "", "", nil},
		{"other class without driver", ccid, "", "", nil},
		{"keyboard held by a program", boot, "usbfs", "", nil},
		{"driver of its own", plain, "wacom", "", nil},
		{"no HID interface", ccid, "", "", nil},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			f := newFakeTree(t)
			f.iface("1-1:1.0", tt.values, tt.driver, tt.descriptor)
			found, err := f.list(describe)
			f.must(err)
			var got []error
			for _, d := range found {
				got = append(got, d.Err)
			}
			if !slices.Equal(got, tt.want) {
				t.Errorf("got %v, want %v", got, tt.want)
			}
		})
	}
}

func TestListPermission(t *testing.T) {
	f := newFakeTree(t)
	f.key()
	f.Access = func(string) error { return unix.EACCES }
	got, err := f.list(describe)
	var e *PermissionError
	if err != nil || len(got) != 1 || !errors.As(got[0].Err, &e) {
		t.Fatalf("got %+v, %v", got, err)
	}
	want := PermissionError{
		Path: filepath.Join(f.Root, "dev/bus/usb/001/004"), Err: unix.EACCES,
		Rule: `SUBSYSTEM=="usb", ENV{DEVTYPE}=="usb_device", ATTR{idVendor}=="1050", ATTR{idProduct}=="0407", TAG+="uaccess"`,
	}
	if *e != want || e.UdevRule() != want.Rule || !errors.Is(e, fs.ErrPermission) {
		t.Errorf("got  %+v\nwant %+v", *e, want)
	}
}

func TestListWithoutNode(t *testing.T) {
	f := newFakeTree(t)
	f.key()
	f.Access = sysfs.New("").Access // the real one
	got, err := f.list(describe)
	if err != nil || len(got) != 1 || !errors.Is(got[0].Err, fs.ErrNotExist) {
		t.Errorf("got %+v, %v", got, err)
	}
}

func TestListCannotLook(t *testing.T) {
	if _, err := newTree(t.TempDir()).list(describe); !errors.Is(err, ErrNoUSB) {
		t.Errorf("got %v, want ErrNoUSB", err)
	}
	f := newFakeTree(t)
	if found, err := f.list(describe); len(found) != 0 || err != nil {
		t.Errorf("no devices: %v, %v", found, err)
	}
	if _, err := f.list(nil); err == nil {
		t.Error("no error without a reader of descriptors")
	}
	f.must(os.Remove(f.dir("")))
	f.must(os.WriteFile(f.dir(""), nil, 0o600))
	if _, err := f.list(describe); err == nil || errors.Is(err, ErrNoUSB) {
		t.Errorf("got %v for a file", err)
	}
}

func TestObstacle(t *testing.T) {
	tests := []struct {
		name  string
		spoil func(f *fakeTree)
		want  error
	}{
		{"none", func(*fakeTree) {}, nil},
		{"gone", func(f *fakeTree) { f.must(os.RemoveAll(f.dir("1-1:1.1"))) }, ctaphid.ErrGone},
		{"not permitted", func(f *fakeTree) { f.Access = func(string) error { return unix.EACCES } }, fs.ErrPermission},
		{"taken", func(f *fakeTree) {
			f.must(os.Remove(filepath.Join(f.dir("1-1:1.1"), "driver")))
			f.drive("1-1:1.1", "usbfs")
		}, ErrInUse},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			f := newFakeTree(t)
			f.key()
			tt.spoil(&f)
			if err := f.obstacle("1-1:1.1"); !errors.Is(err, tt.want) {
				t.Errorf("got %v, want %v", err, tt.want)
			}
		})
	}
}
