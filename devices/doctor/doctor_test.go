package doctor

import (
	"context"
	"errors"
	"os"
	"path/filepath"
	"reflect"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/touchstone-fido/touchstone/ctaphid/hidraw"
	"github.com/touchstone-fido/touchstone/devices"
	"github.com/touchstone-fido/touchstone/devices/holders"
	"github.com/touchstone-fido/touchstone/nfc/pcsc"
)

// fake is a machine on which all is well and nothing is plugged in: a person at
// the screen of a Linux with systemd and pcscd.
type fake struct {
	t *testing.T
	*machine
}

func newFake(t *testing.T) fake {
	f := fake{t, &machine{
		goos: "linux", root: t.TempDir(), uid: 1000, user: "anna", limit: 5 * time.Second,
		getenv:   func(string) string { return "" },
		backends: []devices.Backend{{Name: "hidraw", Built: true}, {Name: "usbhid", Hint: "get a compiler"}, {Name: "pcsc", Built: true}},
		node:     func(string) string { return "" },
		elevated: func() bool { return true },
		service:  func(string) (bool, error) { return true, nil },
		ask:      func(context.Context, devices.Info) (answer, error) { return answer{}, nil },
		list:     func() devices.Listing { return devices.Listing{} },
	}}
	f.hasNodes(nil)
	f.hasReaders(nil)
	f.heldBy(holders.Found{}, nil)
	f.daemonIs(holders.Socket{Listeners: []holders.Process{pcscd}}, nil)
	f.write("run/udev/control", "")
	f.write("usr/lib/udev/rules.d/60-fido-id.rules", "rules\n")
	f.write("usr/lib/udev/rules.d/70-uaccess.rules", "rules\n")
	f.write("usr/lib/udev/rules.d/73-seat-late.rules", "rules\n")
	f.write("run/systemd/seats/seat0", "IS_SEAT0=1\nACTIVE=2\nACTIVE_UID=1000\n")
	f.write("run/systemd/system/.keep", "")
	f.write("etc/os-release", "ID=debian\n")
	f.write("usr/sbin/pcscd", "")
	f.write("usr/lib/pcsc/drivers/ifd-ccid.bundle/Contents/Info.plist", "")
	f.write(usbDevices+"/usb1/idVendor", "1d6b\n")
	return f
}

var (
	pcscd    = holders.Process{PID: 100, Name: "pcscd", User: "root"}
	systemd  = holders.Process{PID: 1, Name: "systemd", User: "root"}
	scdaemon = holders.Process{PID: 812, Name: "scdaemon", User: "anna"}
)

func (f fake) hasNodes(err error, keys ...hidraw.Device) {
	f.nodes = func() ([]hidraw.Device, error) { return keys, err }
}

func (f fake) hasReaders(err error, readers ...pcsc.Reader) {
	f.readers = func(context.Context) ([]pcsc.Reader, error) { return readers, err }
}

func (f fake) heldBy(who holders.Found, err error) {
	f.machine.holders = func(context.Context, string) (holders.Found, error) { return who, err }
}

func (f fake) daemonIs(s holders.Socket, err error) {
	f.clients = func(_ context.Context, path string) (holders.Socket, error) {
		if path != holders.PCSCSocket {
			return holders.Socket{}, errors.New("asked for " + path)
		}
		return s, err
	}
}

func (f fake) env(name, value string) {
	f.getenv = func(n string) string {
		if n == name {
			return value
		}
		return ""
	}
}

func (f fake) write(path, text string) {
	f.t.Helper()
	path = f.path(path)
	if err := errors.Join(os.MkdirAll(filepath.Dir(path), 0o755), os.WriteFile(path, []byte(text), 0o600)); err != nil {
		f.t.Fatal(err)
	}
}

func (f fake) link(path, target string) {
	f.t.Helper()
	path = f.path(path)
	if err := errors.Join(os.MkdirAll(filepath.Dir(path), 0o755), os.Symlink(target, path)); err != nil {
		f.t.Fatal(err)
	}
}

func (f fake) remove(paths ...string) {
	f.t.Helper()
	for _, path := range paths {
		if err := os.RemoveAll(f.path(path)); err != nil {
			f.t.Fatal(err)
		}
	}
}

// usb plugs an interface in: its class, whose it is, and whether it could be a
// key's.
func (f fake) usb(name, class, driver string) {
	f.t.Helper()
	device, _, _ := strings.Cut(name, ":")
	f.write(usbDevices+"/"+device+"/idVendor", "1050\n")
	f.write(usbDevices+"/"+device+"/idProduct", "0407\n")
	f.write(usbDevices+"/"+device+"/product", "YubiKey\n")
	f.write(usbDevices+"/"+device+"/busnum", "1\n")
	f.write(usbDevices+"/"+device+"/devnum", "4\n")
	f.write(usbDevices+"/"+name+"/bInterfaceClass", class+"\n")
	f.write(usbDevices+"/"+name+"/bInterfaceSubClass", "00\n")
	f.write(usbDevices+"/"+name+"/bNumEndpoints", "02\n")
	if driver != "" {
		f.link(usbDevices+"/"+name+"/driver", "../../../bus/usb/drivers/"+driver)
	}
}

// wantFindings makes the checks that may find what has this identifier, and
// compares all that they find of it.
func (f fake) wantFindings(id string, want ...Finding) {
	f.t.Helper()
	word, _, _ := strings.Cut(id, ".")
	got := []Finding{}
	for _, c := range append(f.checks(), f.keyChecks()...) {
		if !strings.HasPrefix(c.id, word) {
			continue
		}
		for _, g := range f.make(f.t.Context(), c) {
			if name, _, _ := strings.Cut(g.ID, ":"); name == id {
				got = append(got, g)
			}
		}
	}
	if len(got)+len(want) > 0 && !reflect.DeepEqual(got, want) {
		f.t.Errorf("got  %+v\nwant %+v", got, want)
	}
}

// TestAllIsWell: on such a machine nothing is wrong, and each check has its say.
func TestAllIsWell(t *testing.T) {
	f := newFake(t)
	f.list = func() devices.Listing { return devices.Listing{Devices: []devices.Info{yubikey}} }
	f.hasNodes(nil, hidraw.Device{Path: "/dev/hidraw3", Product: "YubiKey"})
	var ids []string
	for _, found := range f.run(t.Context()).Findings {
		ids = append(ids, found.ID)
		if found.Status != OK || found.Summary == "" || !reflect.DeepEqual(found.Fix, Fix{}) {
			t.Errorf("%+v", found)
		}
	}
	want := []string{
		"build.backends", "pcsc.built", "container", "sandbox", "hidraw.class", "hidraw.permission:/dev/hidraw3", "hidraw.held:/dev/hidraw3",
		"udev.running", "udev.rules", "session.seat", "usb.bound", "pcsc.daemon", "pcsc.access", "pcsc.driver", "pcsc.card-held",
		"pcsc.modules", "key.present", "key.answers:hid:/dev/hidraw3",
	}
	if !slices.Equal(ids, want) {
		t.Errorf("got  %v\nwant %v", ids, want)
	}
}

// TestEveryCheckEnds: one that hangs is left behind, and one that panics is a
// finding.
func TestEveryCheckEnds(t *testing.T) {
	m := newFake(t).machine
	m.limit = 20 * time.Millisecond
	hang, ended := make(chan struct{}), make(chan struct{})
	got := m.make(t.Context(), check{"x.hangs", func(context.Context, *machine) []Finding {
		defer close(ended)
		<-hang
		return nil
	}})
	if want := is("x.hangs", Unknown, "could not be checked", "no answer in 20ms", Fix{}); !reflect.DeepEqual(got, want) {
		t.Errorf("hangs: %+v", got)
	}
	close(hang)
	<-ended
	got = m.make(t.Context(), check{"x.fails", func(context.Context, *machine) []Finding { panic("a mistake") }})
	if want := is("x.fails", Unknown, "the check failed", "a mistake", Fix{}); !reflect.DeepEqual(got, want) {
		t.Errorf("panics: %+v", got)
	}
}

// TestOneFailureHidesNothing: the other checks have their turn.
func TestOneFailureHidesNothing(t *testing.T) {
	f := newFake(t)
	f.readers = func(context.Context) ([]pcsc.Reader, error) { panic("a mistake") }
	f.wantFindings("pcsc.access", is("pcsc.access", Unknown, "the check failed", "a mistake", Fix{})...)
	f.wantFindings("pcsc.driver", is("pcsc.driver", OK, "the driver for CCID readers is installed", "", Fix{})...)
	f.wantFindings("key.answers", is("key.answers", NotApplicable, "there is no key to ask", "", Fix{})...)
}

// TestInterrupted: when the context ends, what is left is unknown.
func TestInterrupted(t *testing.T) {
	ctx, cancel := context.WithCancelCause(t.Context())
	cancel(errors.New("interrupted"))
	m := newFake(t).machine
	hang, ended := make(chan struct{}), make(chan struct{})
	got := m.make(ctx, check{"x.waits", func(context.Context, *machine) []Finding {
		defer close(ended)
		<-hang
		return nil
	}})
	if want := is("x.waits", Unknown, "could not be checked", "interrupted", Fix{}); !reflect.DeepEqual(got, want) {
		t.Errorf("%+v", got)
	}
	close(hang)
	<-ended
}

func TestCount(t *testing.T) {
	r := Report{Findings: []Finding{{Status: OK}, {Status: Problem}, {Status: Problem}, {Status: Unknown}}}
	for status, want := range map[Status]int{OK: 1, Problem: 2, Unknown: 1, Warning: 0} {
		if got := r.Count(status); got != want {
			t.Errorf("%s: %d, want %d", status, got, want)
		}
	}
}

// TestRun looks at this machine, whatever it is like: it comes to its end, and
// whoever has something to do is told what.
func TestRun(t *testing.T) {
	report := Run(t.Context(), Config{NoOpen: true})
	id := regexp.MustCompile(`^[a-z]+(\.[a-z-]+)?(:.+)?$`)
	seen := map[string]bool{}
	for _, f := range report.Findings {
		if !id.MatchString(f.ID) || seen[f.ID] || f.Summary == "" || strings.Contains(f.Summary, "\n") {
			t.Errorf("%+v", f)
		}
		if f.Status == Problem && f.Fix.Text == "" {
			t.Errorf("a problem without a fix: %+v", f)
		}
		seen[f.ID] = true
	}
	if len(report.Findings) < 5 || !seen["build.backends"] || !seen["key.answers"] {
		t.Errorf("%+v", report)
	}
}
