package usbhid

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"reflect"
	"testing"

	"golang.org/x/sys/unix"

	"github.com/touchstone-fido/touchstone/ctaphid"
)

// abandoned adds a key that a killed program has left without a driver, and
// notes the driver's being bound to it. The kernel then finds descriptor, if it
// has a driver at all.
func abandoned(t *testing.T, driver, descriptor string) (f fakeTree, bound *[]string) {
	f = newFakeTree(t)
	f.key()
	f.undrive("1-1:1.1")
	bound = &[]string{}
	f.bind = func(node string, iface int) error {
		*bound = append(*bound, fmt.Sprintf("%s %d", node, iface))
		if driver == "" {
			return unix.ENODEV
		}
		f.drive("1-1:1.1", driver)
		if descriptor != "" {
			f.descriptorOf("1-1:1.1", descriptor)
		}
		return nil
	}
	return f, bound
}

// only lists the one device that there is.
func (f fakeTree) only() Device {
	f.t.Helper()
	found, err := f.list(describe)
	if err != nil || len(found) != 1 {
		f.t.Fatalf("got %+v, %v", found, err)
	}
	return found[0]
}

func TestListAbandoned(t *testing.T) {
	f, bound := abandoned(t, "usbhid", "fido")
	d := f.only()
	if d.Path != "1-1:1.1" || d.Err != nil || d.ReportSize != 0 || d.likely == nil || len(*bound) > 0 {
		t.Errorf("got %+v, bound %v", d, *bound)
	}
}

// TestListAbandonedByOthers: without access to the node it needs root or a hand.
func TestListAbandonedByOthers(t *testing.T) {
	f, _ := abandoned(t, "usbhid", "fido")
	f.Access = func(string) error { return unix.EACCES }
	var e *UnboundError
	d := f.only()
	if !errors.As(d.Err, &e) || !errors.Is(d.Err, ErrUnbound) {
		t.Fatalf("got %v", d.Err)
	}
	want := UnboundError{Path: "1-1:1.1", Bind: "echo 1-1:1.1 | sudo tee /sys/bus/usb/drivers/usbhid/bind"}
	if *e != want {
		t.Errorf("got  %+v\nwant %+v", *e, want)
	}
}

func TestSettle(t *testing.T) {
	tests := []struct {
		name               string
		driver, descriptor string
		meanwhile          func(f fakeTree)
		want               error
		binds              int
	}{
		{"key", "usbhid", "fido", nil, nil, 1},
		{"something else", "usbhid", "keyboard", nil, ErrNotFIDO, 1},
		{"malformed descriptor", "usbhid", "what", nil, errDescriptor, 1},
		{"a driver of its own", "wacom", "", nil, ErrNotFIDO, 1},
		{"no driver in the kernel", "", "", nil, ErrUnbound, 1},
		{"mended meanwhile", "usbhid", "", func(f fakeTree) {
			f.drive("1-1:1.1", "usbhid")
			f.descriptorOf("1-1:1.1", "fido")
		}, nil, 0},
		{"taken meanwhile", "usbhid", "fido", func(f fakeTree) { f.drive("1-1:1.1", "usbfs") }, ErrInUse, 0},
		{"gone meanwhile", "usbhid", "fido", func(f fakeTree) { f.must(os.RemoveAll(f.dir("1-1:1.1"))) }, ctaphid.ErrGone, 0},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			f, bound := abandoned(t, tt.driver, tt.descriptor)
			d := f.only()
			if tt.meanwhile != nil {
				tt.meanwhile(f)
			}
			if err := f.settle(d); !errors.Is(err, tt.want) {
				t.Errorf("got %v, want %v", err, tt.want)
			}
			var want []string
			for range tt.binds {
				want = append(want, filepath.Join(f.Root, "dev/bus/usb/001/004")+" 1")
			}
			if got := append([]string(nil), *bound...); !reflect.DeepEqual(got, want) {
				t.Errorf("bound %v, want %v", got, want)
			}
		})
	}
}

// TestSettleKnown: what was recognised needs nothing done to it.
func TestSettleKnown(t *testing.T) {
	f := newFakeTree(t)
	if err := f.settle(f.key()); err != nil {
		t.Error(err)
	}
}

func TestRestore(t *testing.T) {
	tests := []struct {
		name    string
		leave   func(f fakeTree) // what closing left
		bindErr error
		want    error
		binds   int
	}{
		{"driver is back", func(fakeTree) {}, nil, nil, 0},
		{"gone", func(f fakeTree) { f.must(os.RemoveAll(f.dir("1-1:1.1"))) }, nil, nil, 0},
		{"taken by another program", func(f fakeTree) { f.undrive("1-1:1.1"); f.drive("1-1:1.1", "usbfs") }, nil, nil, 0},
		{"left behind", func(f fakeTree) { f.undrive("1-1:1.1") }, nil, nil, 1},
		{"left behind for good", func(f fakeTree) { f.undrive("1-1:1.1") }, unix.EACCES, fs.ErrPermission, 1},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			f := newFakeTree(t)
			f.key()
			tt.leave(f)
			binds := 0
			f.bind = func(string, int) error {
				binds++
				if tt.bindErr == nil {
					f.drive("1-1:1.1", "usbhid")
				}
				return tt.bindErr
			}
			err := f.restore("1-1:1.1")
			if !errors.Is(err, tt.want) || (tt.want != nil) != errors.Is(err, ErrUnbound) {
				t.Errorf("got %v, want %v", err, tt.want)
			}
			if binds != tt.binds {
				t.Errorf("bound %d times, want %d", binds, tt.binds)
			}
		})
	}
}

// TestRestoreInVain: the kernel says yes and does nothing.
func TestRestoreInVain(t *testing.T) {
	f := newFakeTree(t)
	f.key()
	f.undrive("1-1:1.1")
	f.bind = func(string, int) error { return nil }
	if err := f.restore("1-1:1.1"); !errors.Is(err, ErrUnbound) {
		t.Errorf("got %v", err)
	}
}

func TestInterfaceNumber(t *testing.T) {
	for name, want := range map[string]int{"1-1:1.0": 0, "3-2.4.1:1.12": 12, "nonsense": 0} {
		if got := interfaceNumber(name); got != want {
			t.Errorf("%s: %d, want %d", name, got, want)
		}
	}
}

func TestUnboundError(t *testing.T) {
	for _, tt := range []struct {
		err  error
		want string
	}{
		{&UnboundError{}, "no driver has the interface"},
		{&UnboundError{Err: unix.EACCES}, "no driver has the interface, and it cannot be given one: permission denied"},
	} {
		if got := tt.err.Error(); got != tt.want {
			t.Errorf("got  %s\nwant %s", got, tt.want)
		}
	}
}
