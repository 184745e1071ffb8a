package reset_test

import (
	"context"
	"encoding/hex"
	"errors"
	"reflect"
	"strings"
	"testing"
	"time"

	"github.com/touchstone-fido/touchstone/ctap2"
	"github.com/touchstone-fido/touchstone/ctap2/largeblob"
	"github.com/touchstone-fido/touchstone/ctaphid"
	"github.com/touchstone-fido/touchstone/devices"
	"github.com/touchstone-fido/touchstone/devices/reset"
	"github.com/touchstone-fido/touchstone/devices/virtual"
)

// bench is a software key on USB, whose clock stands still.
type bench struct {
	t      *testing.T
	device *ctaphid.Device
	info   devices.Info
	now    time.Time
}

func newBench(t *testing.T, cfg virtual.Config) *bench {
	t.Helper()
	b := &bench{t: t, info: devices.Info{Transport: devices.USB, VendorID: 0x1050, Product: "key", Serial: "1"}, now: time.Unix(1e9, 0)}
	cfg.Now = func() time.Time { return b.now }
	key, err := virtual.New(cfg)
	if err != nil {
		t.Fatal(err)
	}
	caps := ctaphid.Capability(cfg.Profile.Capabilities())
	b.device = ctaphid.NewDevice(key.Handler(), ctaphid.DeviceConfig{Version: cfg.Profile.HID.Version, Capabilities: &caps})
	t.Cleanup(func() {
		if err := errors.Join(b.device.Close(), key.Close()); err != nil {
			t.Error(err)
		}
	})
	return b
}

// read connects to the key, as it was put back, and asks what it is.
func (b *bench) read() (*reset.Key, *devices.Conn) {
	b.t.Helper()
	conn, err := devices.Connect(b.t.Context(), devices.Link{Info: b.info, Reports: b.device.Connect()}, devices.Options{})
	if err != nil {
		b.t.Fatal(err)
	}
	b.t.Cleanup(func() { conn.Close() })
	key, err := reset.Read(b.t.Context(), conn)
	if err != nil {
		b.t.Fatal(err)
	}
	return key, conn
}

// model is the default model, changed.
func model(change func(*virtual.Profile)) virtual.Config {
	p := virtual.DefaultProfile()
	change(p)
	return virtual.Config{Profile: p}
}

func asItIs(*virtual.Profile) {}

const pin = "24680"

// use sets a PIN and stores a large blob.
func use(t *testing.T, conn *devices.Conn, info *ctap2.Info) {
	t.Helper()
	protocol := info.PINUVAuthProtocol()
	if err := conn.SetPIN(t.Context(), protocol, []byte(pin)); err != nil {
		t.Fatal(err)
	}
	token, err := conn.PINTokenWithPermissions(t.Context(), protocol, []byte(pin), ctap2.PermissionLargeBlobWrite, "")
	if err != nil {
		t.Fatal(err)
	}
	if err := conn.PutLargeBlob(t.Context(), token, make([]byte, largeblob.KeySize), []byte("data")); err != nil {
		t.Fatal(err)
	}
}

func ptr[T any](v T) *T { return &v }

// TestReset resets a used key that was put back; what a used key says is found,
// and nothing is on one that was reset.
func TestReset(t *testing.T) {
	b := newBench(t, model(asItIs))
	key, conn := b.read()
	use(t, conn, key.Info)
	used, err := key.Look(t.Context())
	want := reset.State{
		PINSet: true, LargeBlobs: ptr(1), RemainingPasskeys: ptr(uint(100)),
		Findings: []string{"a PIN is set", "large blobs are stored"},
	}
	if err != nil || !reflect.DeepEqual(used, want) {
		t.Errorf("a used key: %+v, %v", used, err)
	}
	before, _ := b.read()
	if err := errors.Join(before.Allowed(), conn.Close()); err != nil {
		t.Fatal(err)
	}
	b.now = b.now.Add(time.Hour)
	b.device.PowerCycle()
	b.now = b.now.Add(reset.Window)
	after, _ := b.read()
	if err := after.Same(before); err != nil {
		t.Fatal(err)
	}
	if err := after.Reset(t.Context()); err != nil {
		t.Fatal(err)
	}
	state, err := after.Look(t.Context())
	if want := (reset.State{LargeBlobs: ptr(0), RemainingPasskeys: ptr(uint(100))}); err != nil || !reflect.DeepEqual(state, want) {
		t.Errorf("after the reset: %+v, %v", state, err)
	}
}

// TestLookAtFingers: a sensor is told of, and less room than before is found.
func TestLookAtFingers(t *testing.T) {
	cfg := virtual.Config{Profile: virtual.FingerprintProfile()}
	cfg.Profile.LargeBlobs = 0
	delete(cfg.Profile.Options, "largeBlobs")
	cfg.Profile.Extensions = []string{"credProtect"}
	key, _ := newBench(t, cfg).read()
	key.Info.RemainingDiscoverableCredentials = 1000
	state, err := key.Look(t.Context())
	want := reset.State{FingerprintsSet: ptr(false), RemainingPasskeys: ptr(uint(100)), Findings: []string{"there is less room for passkeys than before"}}
	if err != nil || !reflect.DeepEqual(state, want) {
		t.Errorf("%+v, %v", state, err)
	}
}

// TestAllowed: what can be seen beforehand to be in vain is not tried.
func TestAllowed(t *testing.T) {
	nfcOnly := model(func(p *virtual.Profile) { p.Reset.Transports = []string{"nfc"} })
	key, _ := newBench(t, nfcOnly).read()
	var transport *reset.TransportError
	if err := key.Allowed(); !errors.As(err, &transport) || err.Error() != "this key takes a reset over nfc only, and not over usb" {
		t.Errorf("%v", err)
	}
	old := model(func(p *virtual.Profile) { p.Versions = []string{ctap2.VersionU2F} })
	key, _ = newBench(t, old).read()
	if err := key.Allowed(); !errors.Is(err, reset.ErrU2FOnly) {
		t.Errorf("%v", err)
	}
	both := model(func(p *virtual.Profile) { p.Reset.Transports = []string{"nfc", "usb"} })
	if key, _ = newBench(t, both).read(); key.Allowed() != nil {
		t.Errorf("%v", key.Allowed())
	}
}

// TestSame tells keys apart by all that they and the system say.
func TestSame(t *testing.T) {
	first := newBench(t, model(asItIs))
	before, conn := first.read()
	for differs, other := range map[string]struct {
		model  func(*virtual.Profile)
		change func(*devices.Info)
	}{
		"":                          {asItIs, func(i *devices.Info) { i.Path = "another port" }},
		"serial number":             {asItIs, func(i *devices.Info) { i.Serial = "2" }},
		"vendor":                    {asItIs, func(i *devices.Info) { i.VendorID = 1 }},
		"product":                   {asItIs, func(i *devices.Info) { i.Product = "key 2" }},
		"transport":                 {asItIs, func(i *devices.Info) { i.Transport = devices.NFC }},
		"answer to reset":           {asItIs, func(i *devices.Info) { i.ATR = []byte{0x3b} }},
		"firmware":                  {func(p *virtual.Profile) { p.HID.Version[2]++ }, func(*devices.Info) {}},
		"aaguid (0x03)":             {func(p *virtual.Profile) { p.AAGUID = [16]byte{1} }, func(*devices.Info) {}},
		"transportsForReset (0x1a)": {func(p *virtual.Profile) { p.Reset.Transports = []string{"usb"} }, func(*devices.Info) {}},
	} {
		b := newBench(t, model(other.model))
		other.change(&b.info)
		key, _ := b.read()
		checkSame(t, key.Same(before), differs)
	}
	use(t, conn, before.Info)
	used, _ := first.read()
	checkSame(t, used.Same(before), "options (0x04)")
}

func checkSame(t *testing.T, err error, differs string) {
	t.Helper()
	var other *reset.OtherKeyError
	switch {
	case differs == "" && err != nil:
		t.Errorf("the same key: %v", err)
	case differs != "" && (!errors.As(err, &other) || other.Differs != differs):
		t.Errorf("%v, want %s to differ", err, differs)
	}
}

// TestRefused: a reset that is late, that is touched too shortly or that is
// cancelled changes nothing.
func TestRefused(t *testing.T) {
	long := func(p *virtual.Profile) { p.Reset.LongTouch = ptr(true) }
	waiting := make(chan struct{})
	enough := errors.New("enough")
	for name, c := range map[string]struct {
		model    func(*virtual.Profile)
		after    time.Duration // power-up
		presence virtual.Presence
		want     []error
	}{
		"late":   {asItIs, reset.Window + 1, virtual.Auto(), []error{reset.ErrLate, ctap2.StatusNotAllowed}},
		"short":  {long, 0, func(context.Context) virtual.Decision { return virtual.DecisionGranted }, []error{reset.ErrShortTouch, ctap2.StatusOperationDenied}},
		"denied": {asItIs, 0, virtual.Denied(), []error{ctap2.StatusOperationDenied}},
		"cancelled": {asItIs, 0, func(ctx context.Context) virtual.Decision {
			close(waiting)
			<-ctx.Done()
			return virtual.DecisionTimedOut
		}, []error{ctap2.StatusKeepaliveCancel, enough}},
	} {
		cfg := model(c.model)
		cfg.Presence = c.presence
		b := newBench(t, cfg)
		key, conn := b.read()
		use(t, conn, key.Info)
		b.now = b.now.Add(c.after)
		ctx, cancel := context.WithCancelCause(t.Context())
		if name == "cancelled" {
			go func() {
				<-waiting
				cancel(enough)
			}()
		}
		err := key.Reset(ctx)
		cancel(nil)
		for _, want := range c.want {
			if !errors.Is(err, want) {
				t.Errorf("%s: %v, want %v", name, err, want)
			}
		}
		if short := errors.Is(err, reset.ErrShortTouch); short != (name == "short") {
			t.Errorf("%s: %v", name, err)
		}
		if state, err := key.Look(t.Context()); err != nil || len(state.Findings) != 2 {
			t.Errorf("%s: %+v, %v", name, state, err)
		}
	}
}

// TestLookAtDamage: large blobs that are none are found, a key that does not
// answer is an error.
func TestLookAtDamage(t *testing.T) {
	answers := scripted{
		ctap2.CommandGetInfo:    {"00 a2 01 81 68 4649444f5f325f31 04 a1 6a 6c61726765426c6f6273 f5"},
		ctap2.CommandLargeBlobs: {"00 a1 01 51" + strings.Repeat("00", 17), "00 a1 01 40"},
	}
	conn := &devices.Conn{Client: ctap2.New(answers, ctap2.Config{})}
	key, err := reset.Read(t.Context(), conn)
	if err != nil {
		t.Fatal(err)
	}
	if s, err := key.Look(t.Context()); err != nil || !reflect.DeepEqual(s, reset.State{Findings: []string{"its large blobs are damaged"}}) {
		t.Errorf("%+v, %v", s, err)
	}
	delete(answers, ctap2.CommandLargeBlobs)
	if s, err := key.Look(t.Context()); !errors.Is(err, ctap2.StatusInvalidCommand) || !strings.Contains(err.Error(), "LargeBlobs") {
		t.Errorf("%+v, %v", s, err)
	}
	delete(answers, ctap2.CommandGetInfo)
	if _, err := reset.Read(t.Context(), conn); !errors.Is(err, ctap2.StatusInvalidCommand) {
		t.Errorf("%v", err)
	}
}

// scripted has answers in hex for each command, the last one for good.
type scripted map[ctap2.Command][]string

func (s scripted) Exchange(_ context.Context, msg []byte) ([]byte, error) {
	command := ctap2.Command(msg[0])
	answers := s[command]
	if len(answers) == 0 {
		return []byte{byte(ctap2.StatusInvalidCommand)}, nil
	}
	if len(answers) > 1 {
		s[command] = answers[1:]
	}
	return hex.DecodeString(strings.ReplaceAll(answers[0], " ", ""))
}
