package discover

import (
	"context"
	"errors"
	"fmt"
	"reflect"
	"runtime"
	"strings"
	"testing"
	"testing/synctest"

	"github.com/touchstone-fido/touchstone/ctaphid"
	"github.com/touchstone-fido/touchstone/ctaphid/hidraw"
	"github.com/touchstone-fido/touchstone/ctaphid/usbhid"
	"github.com/touchstone-fido/touchstone/devices"
	"github.com/touchstone-fido/touchstone/nfc"
	"github.com/touchstone-fido/touchstone/nfc/pcsc"
)

var (
	yubikey = devices.Info{
		Transport: devices.USB, Backend: Hidraw, Path: "/dev/hidraw3", VendorID: 0x1050, ProductID: 0x0407,
		Manufacturer: "Yubico", Product: "YubiKey OTP+FIDO+CCID", ReportSize: 64,
	}
	yubikeyReader = card("Yubico YubiKey OTP+FIDO+CCID 00 00")
	pad           = card("ACS ACR122U PICC Interface 01 00")
)

func card(reader string) devices.Info {
	return devices.Info{Transport: devices.NFC, Backend: PCSC, Path: reader, ATR: []byte{0x3B, 0x00}}
}

// lists is a source that answers at once.
func lists(backend string, err error, found ...candidate) source {
	return source{backend: backend, list: func(context.Context) ([]candidate, error) { return found, err }}
}

func reader(info devices.Info, present bool, err error) pcsc.Reader {
	return pcsc.Reader{Name: info.Path, ATR: info.ATR, CardPresent: present, Err: err}
}

// readers is the PC/SC source of a service with these readers.
func readers(err error, list ...pcsc.Reader) source {
	return pcscSource(service{list: func(context.Context) ([]pcsc.Reader, error) { return list, err }})
}

func TestList(t *testing.T) {
	denied := &hidraw.PermissionError{Path: "/dev/hidraw3", Rule: "RULE", Err: errors.New("no")}
	type outcome struct {
		devices  []devices.Info
		leftOut  []error
		failures []error
	}
	tests := []struct {
		name    string
		sources []source
		want    outcome
	}{
		{"nothing", []source{lists(Hidraw, nil), readers(nil)}, outcome{}},
		{"one of each", []source{lists(Hidraw, nil, candidate{yubikey, nil}), readers(nil, reader(pad, true, nil))},
			outcome{devices: []devices.Info{yubikey, pad}}},
		{"not permitted", []source{lists(Hidraw, nil, candidate{yubikey, denied}), readers(nil)},
			outcome{leftOut: []error{denied}}},
		{"failures hide nothing", []source{lists(Hidraw, hidraw.ErrNoClass), readers(nil, reader(pad, true, nil))},
			outcome{devices: []devices.Info{pad}, failures: []error{hidraw.ErrNoClass}}},
		{"failures hide nothing, the other way", []source{lists(Hidraw, nil, candidate{yubikey, nil}), readers(pcsc.ErrNoService)},
			outcome{devices: []devices.Info{yubikey}, failures: []error{pcsc.ErrNoService}}},
		{"all fail", []source{lists(USBHID, usbhid.ErrNotBuilt), readers(pcsc.ErrNotBuilt)},
			outcome{failures: []error{usbhid.ErrNotBuilt, pcsc.ErrNotBuilt}}},
		{"found something, then failed", []source{lists(USBHID, usbhid.ErrElevation, candidate{yubikey, nil})},
			outcome{devices: []devices.Info{yubikey}, failures: []error{usbhid.ErrElevation}}},
		{"no card, no answer, taken", []source{readers(nil,
			reader(pad, false, nil), reader(pad, true, pcsc.ErrMute), reader(pad, true, pcsc.ErrInUse))},
			outcome{leftOut: []error{pcsc.ErrNoCard, pcsc.ErrMute, pcsc.ErrInUse}}},
		{"key on both", []source{lists(Hidraw, nil, candidate{yubikey, nil}), readers(nil, reader(yubikeyReader, true, nil))},
			outcome{devices: []devices.Info{yubikey, yubikeyReader}}},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			l := List(t.Context(), Options{sources: tt.sources})
			if !reflect.DeepEqual(l.Devices, tt.want.devices) {
				t.Errorf("devices %+v, want %+v", l.Devices, tt.want.devices)
			}
			if len(l.Looked)+len(l.Failures) != len(tt.sources) {
				t.Errorf("looked at %v, failed at %v", l.Looked, l.Failures)
			}
			var leftOut, failures []error
			for _, o := range l.LeftOut {
				leftOut = append(leftOut, o.Reason)
				if o.Hint == "" || o.Info.Path == "" {
					t.Errorf("left out without help: %+v", o)
				}
			}
			for _, f := range l.Failures {
				failures = append(failures, f.Reason)
				if f.Hint == "" || f.Backend == "" {
					t.Errorf("failure without help: %+v", f)
				}
			}
			same(t, "left out", leftOut, tt.want.leftOut)
			same(t, "failures", failures, tt.want.failures)
		})
	}
}

func same(t *testing.T, what string, got, want []error) {
	t.Helper()
	if len(got) != len(want) {
		t.Errorf("%s: %v, want %v", what, got, want)
		return
	}
	for i := range got {
		if !errors.Is(got[i], want[i]) {
			t.Errorf("%s: %v, want %v", what, got[i], want[i])
		}
	}
}

func TestListDoesNotWaitForTheStuck(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		reason := errors.New("enough")
		ctx, cancel := context.WithCancelCause(t.Context())
		release := make(chan struct{})
		stuck := source{backend: PCSC, list: func(context.Context) ([]candidate, error) {
			<-release
			return []candidate{{pad, nil}}, nil
		}}
		listings := make(chan devices.Listing)
		go func() {
			listings <- List(ctx, Options{sources: []source{stuck, lists(Hidraw, nil, candidate{yubikey, nil})}})
		}()
		synctest.Wait()
		cancel(reason)
		l := <-listings
		if !reflect.DeepEqual(l.Devices, []devices.Info{yubikey}) {
			t.Errorf("devices %+v", l.Devices)
		}
		if !reflect.DeepEqual(l.Looked, []string{Hidraw}) {
			t.Errorf("looked at %v", l.Looked)
		}
		if len(l.Failures) != 1 || l.Failures[0].Backend != PCSC || !errors.Is(l.Failures[0].Reason, reason) {
			t.Errorf("failures %+v", l.Failures)
		}
		close(release) // else the bubble finds a goroutine left behind
	})
}

func TestListUnknownBackend(t *testing.T) {
	l := List(t.Context(), Options{HIDBackend: "libusb"})
	if len(l.Failures) == 0 || l.Failures[0].Backend != "libusb" || !errors.Is(l.Failures[0].Reason, ErrBackend) {
		t.Errorf("got %+v", l)
	}
}

func TestDefaultHID(t *testing.T) {
	for goos, want := range map[string]string{"linux": Hidraw, "darwin": USBHID, "windows": USBHID, "freebsd": USBHID} {
		if got := defaultHID(goos); got != want {
			t.Errorf("%s: %s, want %s", goos, got, want)
		}
	}
}

func TestBackends(t *testing.T) {
	var names []string
	for _, b := range Backends() {
		names = append(names, b.Name)
		if b.Built != (b.Hint == "") {
			t.Errorf("%+v: either built in or to be got somehow", b)
		}
		if b.Name == Hidraw && b.Built != (runtime.GOOS == "linux") {
			t.Errorf("%+v on %s", b, runtime.GOOS)
		}
	}
	if got := strings.Join(names, " "); got != "hidraw usbhid pcsc" {
		t.Error(got)
	}
}

type fakeReports struct {
	ctaphid.ReportConn
	closed *bool
}

func (f fakeReports) Close() error { *f.closed = true; return nil }

type fakeCard struct {
	nfc.Card
	closed *bool
}

func (f fakeCard) Close() error { *f.closed = true; return nil }

func TestOpen(t *testing.T) {
	closed := false
	hid := source{backend: Hidraw, open: func(ctx context.Context, i devices.Info) (devices.Link, error) {
		if i.Path != yubikey.Path {
			return devices.Link{}, ctaphid.ErrGone
		}
		return devices.Link{Reports: fakeReports{closed: &closed}}, nil
	}}
	card := pcscSource(service{open: func(_ context.Context, name string) (nfc.Card, error) {
		if name != pad.Path {
			return nil, pcsc.ErrNoReader
		}
		return fakeCard{closed: &closed}, nil
	}})
	tests := []struct {
		info devices.Info
		want error
	}{
		{yubikey, nil},
		{pad, nil},
		{devices.Info{Backend: Hidraw, Path: "/dev/hidraw4"}, ctaphid.ErrGone},
		{devices.Info{Backend: PCSC, Path: "none"}, pcsc.ErrNoReader},
		{devices.Info{Backend: "virtual", Path: "x"}, ErrBackend},
	}
	for _, tt := range tests {
		t.Run(fmt.Sprintf("%s %s", tt.info.Backend, tt.info.Path), func(t *testing.T) {
			closed = false
			link, err := open(t.Context(), []source{hid, card}, tt.info)
			if !errors.Is(err, tt.want) || (link.Info.Path == tt.info.Path) != (err == nil) {
				t.Fatalf("got %+v, %v; want %v", link, err, tt.want)
			}
			if closeErr := link.Close(); closeErr != nil || closed != (err == nil) {
				t.Errorf("close: %v, closed %v", closeErr, closed)
			}
		})
	}
}

// TestOpenReal reaches the real backends, for what is not there.
func TestOpenReal(t *testing.T) {
	for _, info := range []devices.Info{
		{Backend: Hidraw, Path: "/nowhere/hidraw0"},
		{Backend: USBHID, Path: "99-99:1.0"},
		{Backend: PCSC, Path: "no reader of this name"},
	} {
		if link, err := Open(t.Context(), info); err == nil || link.Reports != nil || link.Card != nil {
			t.Errorf("%s: got %+v, %v", info.Backend, link, err)
		}
	}
}
