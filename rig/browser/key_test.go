//go:build linux

package browser

import (
	"testing"

	"github.com/touchstone-fido/touchstone/ctaphid"
	"github.com/touchstone-fido/touchstone/devices"
	"github.com/touchstone-fido/touchstone/devices/virtual"
)

// key is a software key in a socket.
type key struct {
	t      *testing.T
	id     *virtual.Authenticator
	device *ctaphid.Device
	trace  *trace
	node   *node // nil when it is in none
}

// plugIn puts a key into a socket until the test ends. With a PIN it has that
// before the browser sees it.
func plugIn(t *testing.T, socket int, cfg virtual.Config, pin string) *key {
	t.Helper()
	needInside(t)
	cfg.OnError = func(err error) { t.Errorf("the key reports: %v", err) }
	id, err := virtual.New(cfg)
	if err != nil {
		t.Fatal(err)
	}
	model := id.Profile()
	caps := ctaphid.Capability(model.Capabilities())
	k := &key{t: t, id: id, trace: newTrace()}
	k.device = ctaphid.NewDevice(id.Handler(), ctaphid.DeviceConfig{Version: model.HID.Version, Capabilities: &caps})
	t.Cleanup(k.throwAway)
	if pin != "" {
		k.setPIN(pin)
	}
	if k.node, err = plug(socket, func() ctaphid.ReportConn { return tap{k.device.Connect(), k.trace} }); err != nil {
		t.Fatal(err)
	}
	return k
}

// pull takes the key out of its socket, where the browser cannot use it any
// more. It works on for who is connected to it.
func (k *key) pull() {
	k.t.Helper()
	if k.node == nil {
		return
	}
	if err := k.node.pull(); err != nil {
		k.t.Error(err)
	}
	k.node = nil
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
