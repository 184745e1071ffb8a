//go:build linux

package browser

import (
	"testing"

	"github.com/touchstone-fido/touchstone/ctaphid"
	"github.com/touchstone-fido/touchstone/devices"
	"github.com/touchstone-fido/touchstone/devices/virtual"
	"github.com/touchstone-fido/touchstone/devices/virtual/faulty"
)

// key is a software key in a socket.
type key struct {
	t      *testing.T
	id     *virtual.Authenticator
	device *ctaphid.Device
	trace  *trace
	out    func() error // takes it out of the socket; nil when it is in none
}

// plugIn puts a key into a socket until the test ends. With a PIN it has that
// before the browser sees it. What stands between it and USB can be another key
// around it.
func plugIn(t *testing.T, socket int, cfg virtual.Config, pin string, around ...func(virtual.Handler) virtual.Handler) *key {
	t.Helper()
	on := needMachine(t)
	faults, err := plantedFaults()
	if err != nil {
		t.Fatal(err)
	}
	cfg.Faults = faulty.OfKey(faults)
	cfg.OnError = func(err error) { t.Errorf("the key reports: %v", err) }
	id, err := virtual.New(cfg)
	if err != nil {
		t.Fatal(err)
	}
	model := id.Profile()
	caps := ctaphid.Capability(model.Capabilities())
	k := &key{t: t, id: id, trace: newTrace()}
	handler := id.Handler()
	for _, wrap := range around {
		handler = wrap(handler)
	}
	k.device = ctaphid.NewDevice(handler, ctaphid.DeviceConfig{
		Version: model.HID.Version, Capabilities: &caps,
		Timeout: limit, // a busy machine takes longer than a key may wait between packets
	})
	t.Cleanup(k.throwAway)
	if pin != "" {
		k.setPIN(pin)
	}
	connect := func() ctaphid.ReportConn { return tap{faulty.Reports(k.device.Connect(), faults), k.trace} }
	if k.out, err = on.plug(socket, connect); err != nil {
		t.Fatal(err)
	}
	return k
}

// pull takes the key out of its socket, where the browser cannot use it any
// more. It works on for who is connected to it.
func (k *key) pull() {
	k.t.Helper()
	if k.out == nil {
		return
	}
	if err := k.out(); err != nil {
		k.t.Error(err)
	}
	k.out = nil
}

func (k *key) throwAway() {
	k.t.Helper()
	k.pull()
	if err := k.device.Close(); err != nil {
		k.t.Error(err)
	}
	if err := k.id.Close(); err != nil {
		k.t.Error(err)
	}
	if k.t.Failed() {
		k.t.Logf("between the browser and a key: %v", k.trace)
	}
}

// connect opens the key for this module's own client, beside the browser.
func (k *key) connect() *devices.Conn {
	k.t.Helper()
	conn, err := devices.Connect(k.t.Context(), devices.Link{
		Info: devices.Info{Transport: devices.USB}, Reports: k.device.Connect(),
	}, devices.Options{Timeout: limit})
	if err != nil {
		k.t.Fatal(err)
	}
	return conn
}
