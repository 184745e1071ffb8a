package discover

import (
	"context"
	"errors"
	"reflect"
	"testing"
	"testing/synctest"
	"time"

	"github.com/touchstone-fido/touchstone/ctap2"
	"github.com/touchstone-fido/touchstone/ctap2/authdata"
	"github.com/touchstone-fido/touchstone/ctaphid"
	"github.com/touchstone-fido/touchstone/ctaphid/hidraw"
	"github.com/touchstone-fido/touchstone/devices"
	"github.com/touchstone-fido/touchstone/nfc"
	"github.com/touchstone-fido/touchstone/nfc/pcsc"
)

// answers is a key that answers getInfo with these bytes.
type answers []byte

func (a answers) Message(_ context.Context, msg []byte, _ func(byte)) []byte {
	if ctap2.Command(msg[0]) != ctap2.CommandGetInfo {
		return []byte{byte(ctap2.StatusInvalidCommand)}
	}
	return a
}

// yubikeyInfo is FIDO_2_0 with the AAGUID of modelB and firmwareVersion 328707.
var yubikeyInfo = answers(append(append([]byte{0, 0xA3, 0x01, 0x82}, "\x66U2F_V2\x68FIDO_2_0\x03\x50\x2f\xc0\x57\x9f\x81\x13\x47\xea\xb1\x16\xbb\x5a\x8d\xb9\x20\x2a"...),
	0x0E, 0x1A, 0x00, 0x05, 0x04, 0x03))

var aaguidB = authdata.AAGUID{0x2f, 0xc0, 0x57, 0x9f, 0x81, 0x13, 0x47, 0xea, 0xb1, 0x16, 0xbb, 0x5a, 0x8d, 0xb9, 0x20, 0x2a}

// withCapabilities changes what a key says in its answer to INIT.
type withCapabilities struct {
	ctaphid.ReportConn
	caps ctaphid.Capability
}

func (c withCapabilities) ReadReport(ctx context.Context, p []byte) (int, error) {
	n, err := c.ReportConn.ReadReport(ctx, p)
	if err == nil && p[4] == 0x80|byte(ctaphid.CommandInit) {
		p[7+ctaphid.InitAnswerSize-1] = byte(c.caps)
	}
	return n, err
}

// says is a card that answers every APDU the same.
type says []byte

func (s says) Transmit(context.Context, []byte) ([]byte, error) { return s, nil }
func (says) Close() error                                       { return nil }

// u2fCard is a card that can be selected, and knows no other command.
type u2fCard struct{ says }

func (c u2fCard) Transmit(_ context.Context, apdu []byte) ([]byte, error) {
	if apdu[1] == nfc.INSSelect {
		return append([]byte(c.says), 0x90, 0x00), nil
	}
	return []byte{0x6D, 0x00}, nil
}

// opens are the options under which opening any key gives this.
func opens(backend string, link devices.Link, err error) Options {
	return Options{sources: []source{{backend: backend, open: func(context.Context, devices.Info) (devices.Link, error) { return link, err }}}}
}

func onUSB(h ctaphid.Handler, cfg ctaphid.DeviceConfig) devices.Link {
	return devices.Link{Reports: ctaphid.NewDevice(h, cfg).Connect()}
}

func onUSBWith(h ctaphid.Handler, caps ctaphid.Capability) devices.Link {
	return devices.Link{Reports: withCapabilities{ctaphid.NewDevice(h, ctaphid.DeviceConfig{Version: [3]byte{1, 1, 0}}).Connect(), caps}}
}

func TestIdentify(t *testing.T) {
	denied := &hidraw.PermissionError{Path: "/dev/hidraw3", Rule: "RULE", Err: errors.New("no")}
	known := devices.Identity{AAGUID: aaguidB, Model: "YubiKey 5 Series with NFC", Firmware: "5.4.3", Versions: []string{"U2F_V2", "FIDO_2_0"}}
	byNumber := known
	byNumber.Firmware = "328707"
	u2f := devices.Identity{Firmware: "1.1.0", Versions: []string{"U2F_V2"}}
	tests := []struct {
		name string
		link devices.Link
		err  error
		want devices.Identity
	}{
		{"CTAP2 on USB", onUSB(yubikeyInfo, ctaphid.DeviceConfig{Version: [3]byte{5, 4, 3}}), nil, known},
		{"no version in CTAPHID", onUSB(yubikeyInfo, ctaphid.DeviceConfig{}), nil, byNumber},
		{"CTAP2 on NFC", devices.Link{Card: nfc.NewEmulator(yubikeyInfo, nfc.EmulatorConfig{})}, nil, byNumber},
		{"model unknown", onUSB(answers("\x00\xA2\x01\x81\x68FIDO_2_0\x03\x50................"), ctaphid.DeviceConfig{}), nil,
			devices.Identity{AAGUID: authdata.AAGUID([]byte("................")), Versions: []string{"FIDO_2_0"}}},
		{"U2F on USB", onUSBWith(yubikeyInfo, ctaphid.CapabilityWink), nil, u2f},
		{"U2F on USB that claims CTAP2", onUSBWith(answers{byte(ctap2.StatusInvalidCommand)}, ctaphid.CapabilityCBOR), nil, u2f},
		{"U2F on NFC", devices.Link{Card: u2fCard{says(ctap2.VersionU2F)}}, nil, devices.Identity{Versions: []string{"U2F_V2"}}},
		{"neither on USB", onUSBWith(yubikeyInfo, ctaphid.CapabilityNMSG), nil, devices.Identity{Firmware: "1.1.0", Err: ErrNoVersion}},
		{"neither on NFC", devices.Link{Card: u2fCard{says("FIDO_2_0")}}, nil, devices.Identity{Err: ErrNoVersion}},
		{"refuses", onUSB(answers{byte(ctap2.StatusOther)}, ctaphid.DeviceConfig{Version: [3]byte{1}}), nil, devices.Identity{Firmware: "1.0.0", Err: ctap2.StatusOther}},
		{"another card", devices.Link{Card: says{0x6A, 0x82}}, nil, devices.Identity{Err: ErrNoApplet}},
		{"a card that says yes to everything", devices.Link{Card: says{0x90, 0x00}}, nil, devices.Identity{Err: ErrNoApplet}},
		{"locked", devices.Link{}, hidraw.ErrInUse, devices.Identity{Err: hidraw.ErrInUse}},
		{"not permitted", devices.Link{}, denied, devices.Identity{Err: denied}},
	}
	for _, tt := range tests {
		info := devices.Info{Transport: devices.USB, Backend: Hidraw}
		if tt.link.Card != nil {
			info = devices.Info{Transport: devices.NFC, Backend: PCSC}
		}
		got := Identify(t.Context(), info, opens(info.Backend, tt.link, tt.err))
		sameIdentity(t, tt.name, got, tt.want)
	}
}

// sameIdentity compares all but the text of an error, and the hint with that of
// the error.
func sameIdentity(t *testing.T, name string, got, want devices.Identity) {
	t.Helper()
	if !errors.Is(got.Err, want.Err) || got.Hint != Hint(got.Err) {
		t.Errorf("%s: %v (%s), want %v", name, got.Err, got.Hint, want.Err)
	}
	got.Err, got.Hint, want.Err = nil, "", nil
	if !reflect.DeepEqual(got, want) {
		t.Errorf("%s: %+v, want %+v", name, got, want)
	}
}

// TestIdentifyTakesNoKeyAway: libusb detaches the kernel's driver when it opens.
func TestIdentifyTakesNoKeyAway(t *testing.T) {
	for goos, want := range map[string]bool{"linux": true, "darwin": false, "windows": false} {
		if takesOver(USBHID, goos) != want || takesOver(Hidraw, goos) || takesOver(PCSC, goos) {
			t.Errorf("%s: wrong", goos)
		}
	}
}

// TestIdentifyBusy asks a key that waits for another program's touch: it says
// so, and the touch then still counts for the other program.
func TestIdentifyBusy(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		k := newFakeKey(t, "a", modelB)
		other, err := devices.Connect(t.Context(), devices.Link{Reports: k.plug.Connect()}, devices.Options{})
		if err != nil {
			t.Fatal(err)
		}
		defer other.Close()
		touched := make(chan error)
		go func() { touched <- other.Selection(t.Context()) }()
		<-k.asked

		start := time.Now()
		got := Identify(t.Context(), k.info, plugged(k))
		if took := time.Since(start); took != identifyLimit {
			t.Errorf("took %v", took)
		}
		sameIdentity(t, "busy", got, devices.Identity{Err: ctaphid.ErrBusy})
		k.touch <- struct{}{}
		if err := <-touched; err != nil {
			t.Errorf("the other program: %v", err)
		}
		got = Identify(t.Context(), k.info, plugged(k))
		sameIdentity(t, "free again", got, devices.Identity{AAGUID: aaguidB, Model: "YubiKey 5 Series with NFC", Versions: []string{"FIDO_2_1"}})
	})
}

// stuck is a card that holds on to what it was given until it is let go.
type stuck chan struct{}

func (s stuck) Transmit(context.Context, []byte) ([]byte, error) { <-s; return nil, nfc.ErrGone }
func (s stuck) Close() error                                     { <-s; return nil }

// mute takes reports and answers none.
type mute struct{}

func (mute) WriteReport(context.Context, []byte) error { return nil }
func (mute) ReadReport(ctx context.Context, _ []byte) (int, error) {
	<-ctx.Done()
	return 0, context.Cause(ctx)
}
func (mute) Close() error { return nil }

func TestIdentifyEnds(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		held := make(stuck)
		enough := errors.New("enough")
		cancelled, cancel := context.WithCancelCause(t.Context())
		time.AfterFunc(time.Second, func() { cancel(enough) })
		for _, c := range []struct {
			name string
			ctx  context.Context
			link devices.Link
			took time.Duration
			want error
		}{
			{"cancelled", cancelled, devices.Link{Reports: mute{}}, time.Second, enough},
			{"silent key", t.Context(), devices.Link{Reports: mute{}}, identifyLimit, ctap2.ErrTimeout},
			{"stuck card", t.Context(), devices.Link{Card: held}, identifyLimit + 2*lastWord, ctap2.ErrTimeout},
		} {
			start := time.Now()
			info := devices.Info{Transport: devices.USB, Backend: Hidraw}
			got := Identify(c.ctx, info, opens(Hidraw, c.link, nil))
			if took := time.Since(start); took != c.took {
				t.Errorf("%s: took %v", c.name, took)
			}
			sameIdentity(t, c.name, got, devices.Identity{Err: c.want})
		}
		close(held) // else the bubble finds a goroutine left behind
	})
}

// TestIdentifyAll asks all at once: a key, one that is silent, its smart card
// side that is left alone, a card that is a key and one that is none.
func TestIdentifyAll(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		silent := devices.Info{Transport: devices.USB, Backend: Hidraw, Path: "/dev/hidraw4"}
		silent2 := devices.Info{Transport: devices.USB, Backend: Hidraw, Path: "/dev/hidraw5"}
		bank := card("Reader with another card")
		links := map[string]devices.Link{
			yubikey.Path: onUSB(yubikeyInfo, ctaphid.DeviceConfig{Version: [3]byte{5, 4, 3}}),
			silent.Path:  {Reports: mute{}}, silent2.Path: {Reports: mute{}},
			pad.Path:  {Card: nfc.NewEmulator(yubikeyInfo, nfc.EmulatorConfig{})},
			bank.Path: {Card: says{0x6A, 0x82}},
		}
		opener := func(_ context.Context, i devices.Info) (devices.Link, error) {
			if link, ok := links[i.Path]; ok {
				return link, nil
			}
			t.Errorf("opened %s", i.Path)
			return devices.Link{}, errors.New("not to be opened")
		}
		o := Options{sources: []source{{backend: Hidraw, open: opener}, {backend: PCSC, open: opener}}}
		before := devices.Listing{
			Devices: []devices.Info{yubikey, silent, silent2, yubikeyReader, pad, bank},
			LeftOut: []devices.LeftOut{leftOut(card("Empty"), pcsc.ErrNoCard)}, Looked: []string{Hidraw, PCSC},
		}
		start := time.Now()
		got := IdentifyAll(t.Context(), before, o)
		if took := time.Since(start); took != identifyLimit {
			t.Errorf("took %v", took)
		}
		known := devices.Identity{AAGUID: aaguidB, Model: "YubiKey 5 Series with NFC", Firmware: "5.4.3", Versions: []string{"U2F_V2", "FIDO_2_0"}}
		byNumber := known
		byNumber.Firmware = "328707"
		want := []devices.Identity{known, {Err: ctap2.ErrTimeout}, {Err: ctap2.ErrTimeout}, {Err: ErrTwin}, byNumber}
		if len(got.Devices) != len(want) || len(got.LeftOut) != 2 || !reflect.DeepEqual(got.Looked, before.Looked) {
			t.Fatalf("%+v", got)
		}
		for i, d := range got.Devices {
			sameIdentity(t, d.Path, *d.Identity, want[i])
			if d.Identity = nil; !reflect.DeepEqual(d, before.Devices[i]) {
				t.Errorf("%+v", d)
			}
		}
		if o := got.LeftOut[1]; o.Info.Path != bank.Path || !errors.Is(o.Reason, ErrNoApplet) {
			t.Errorf("left out %+v", o)
		}
		if before.Devices[0].Identity != nil || len(before.LeftOut) != 1 {
			t.Errorf("the listing was changed: %+v", before)
		}
	})
}
