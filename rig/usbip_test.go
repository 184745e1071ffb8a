//go:build linux

package rig

import (
	"context"
	"errors"
	"net"
	"testing"
	"time"

	"github.com/karalabe/hid"

	"github.com/touchstone-fido/touchstone/ctaphid"
	"github.com/touchstone-fido/touchstone/ctaphid/usbip"
	"github.com/touchstone-fido/touchstone/devices/virtual"
)

// TestUsbipProgram: Debian's usbip attaches a key that a server offers over TCP,
// and detaches it again.
func TestUsbipProgram(t *testing.T) {
	guest(t)
	authenticator, err := virtual.New(virtual.Config{})
	if err != nil {
		t.Fatal(err)
	}
	defer authenticator.Close()
	device := onHID(authenticator, 0)
	defer device.Close()
	k := &key{t: t, serial: "RIGTCP"}
	offered, err := usbip.NewDevice(device, usbip.Config{VendorID: vendorID, ProductID: productID, Serial: k.serial, Keyboard: true})
	if err != nil {
		t.Fatal(err)
	}
	events := make(chan usbip.Event, 10)
	server := &usbip.Server{OnEvent: func(e usbip.Event) { events <- e }}
	if err := server.Add("1-1", offered); err != nil {
		t.Fatal(err)
	}
	listener, err := net.Listen("tcp", usbip.Addr)
	if err != nil {
		t.Fatal(err)
	}
	ctx, stop := context.WithCancel(t.Context())
	served := make(chan error, 1)
	go func() { served <- server.Serve(ctx, listener) }()

	start(t, "", nil, "usbip", "attach", "-r", "127.0.0.1", "-b", "1-1").wait(0)
	conn := k.connect(backends[0])
	if _, err := conn.Channel.Ping(t.Context(), pattern(ctaphid.MaxMessage)); err != nil {
		t.Error(err)
	}
	start(t, "", nil, "usbip", "detach", "-p", "0").wait(0)
	if _, err := conn.Channel.Ping(t.Context(), nil); !errors.Is(err, ctaphid.ErrGone) {
		t.Errorf("after detaching: %v", err)
	}
	for _, attached := range []bool{true, false} {
		select {
		case e := <-events:
			if e.BusID != "1-1" || e.Attached != attached || e.Err != nil {
				t.Errorf("event %+v", e)
			}
		case <-time.After(limit):
			t.Fatal("no event")
		}
	}
	stop()
	if err := <-served; !errors.Is(err, context.Canceled) {
		t.Errorf("served until %v", err)
	}
}

// TestLibrary holds karalabe/hid to what package usbhid builds on: on Linux it
// names an interface as sysfs does, and knows no usages.
func TestLibrary(t *testing.T) {
	k := plugIn(t, options{keyboard: true})
	path := k.find("usbhid").Path
	infos, err := hid.Enumerate(vendorID, productID)
	if err != nil || len(infos) != 2 {
		t.Fatalf("%+v, %v", infos, err)
	}
	for _, i := range infos {
		if i.UsagePage != 0 || i.Usage != 0 {
			t.Errorf("interface %d has the usage %x:%x", i.Interface, i.UsagePage, i.Usage)
		}
		if (i.Path == path) != (i.Interface == 1) || i.Serial != k.serial || i.Product != product || i.Manufacturer != maker {
			t.Errorf("%+v, and in sysfs the key is %s", i, path)
		}
	}
}
