package cmd

import (
	"context"
	"errors"
	"fmt"
	"net"
	"strings"
	"sync"
	"syscall"
	"time"

	"github.com/touchstone-fido/touchstone/cmd/internal/view"
	"github.com/touchstone-fido/touchstone/ctaphid/simulator"
	"github.com/touchstone-fido/touchstone/ctaphid/uhid"
	"github.com/touchstone-fido/touchstone/ctaphid/usbip"
	"github.com/touchstone-fido/touchstone/devices/virtual/control"
	"github.com/touchstone-fido/touchstone/nfc/vpcd"
)

// run serves all keys until ctx ends, one fails, or all have ended by themselves.
func (s *serving) run(ctx context.Context) error {
	ctx, end := context.WithCancelCause(ctx)
	var work sync.WaitGroup
	defer work.Wait()
	defer end(nil)
	failed := func(err error) {
		if err != nil {
			end(err)
		}
	}
	s.failed = failed
	at, err := s.serveControl(ctx, &work, failed)
	if err == nil {
		err = s.listenUSBIP(ctx, &work, failed)
	}
	if err != nil {
		end(err)
		return err
	}
	s.ready = make(chan struct{}, len(s.keys))
	var keys sync.WaitGroup
	for _, k := range s.keys {
		keys.Go(func() { failed(k.plug.Run(ctx, s.first(k, s.at(k)))) })
	}
	ended := make(chan struct{})
	work.Go(func() {
		keys.Wait()
		close(ended)
	})
	failed(s.whenReady(ctx, ended, at))
	<-ended
	return context.Cause(ctx)
}

// first tells the first time that a key is there.
func (s *serving) first(k *served, serve control.Serve) control.Serve {
	var once sync.Once
	return func(ctx context.Context, in func(string) error) error {
		return serve(ctx, func(address string) error {
			if err := in(address); err != nil {
				return err
			}
			once.Do(func() { s.ready <- struct{}{} })
			return nil
		})
	}
}

// whenReady announces the keys when all of them are there.
func (s *serving) whenReady(ctx context.Context, ended <-chan struct{}, controlAt string) error {
	for range s.keys {
		select {
		case <-s.ready:
		case <-ended:
			return nil
		case <-ctx.Done():
			return nil
		}
	}
	told := view.Serving{Control: controlAt}
	for i, state := range s.panel.Keys() {
		k := s.keys[i]
		told.Keys = append(told.Keys, view.ServedPlace{
			Name: k.name, Kind: k.kind, Address: state.Address, BusID: s.busID(k), Tape: k.final != nil,
		})
	}
	return s.app.announce(told)
}

// at is the way of serving a key at its place.
func (s *serving) at(k *served) control.Serve {
	switch {
	case k.kind == kindVPCD:
		return k.inReader
	case k.kind == kindUHID:
		return s.inKernel(k)
	case k.kind == kindUSBIP && s.opts.attach:
		return s.inPort(k)
	case k.kind == kindUSBIP:
		return s.onServer(k)
	}
	return s.onSocket(k)
}

// announce says where keys are served: to people, and with --json to the script
// that waits for it.
func (a *app) announce(at view.Serving) error {
	if !a.linesOnly() {
		if err := view.Write(a.streams.Err, false, at); err != nil {
			return err
		}
	}
	if !a.json {
		return nil
	}
	return a.show(at)
}

// listenAddress completes an address without a host: that is this machine, not
// all of its network.
func listenAddress(address string) (string, error) {
	host, port, err := net.SplitHostPort(address)
	if err != nil {
		return "", usageError{fmt.Errorf("--address: %w", err)}
	}
	if host == "" {
		host = "127.0.0.1"
	}
	return net.JoinHostPort(host, port), nil
}

// warnOpen warns of an address on the network.
func (a *app) warnOpen(at net.Addr) {
	if !isLoopback(at) {
		a.note("warning: anybody on the network who can reach %s can use the key", at)
	}
}

// onSocket serves a key as a simulator. It comes back at the port that it had.
func (s *serving) onSocket(k *served) control.Serve {
	again := false
	return func(ctx context.Context, in func(string) error) error {
		if again {
			k.PowerCycle()
		}
		serve, at, err := k.listen(ctx)
		if err != nil {
			return err
		}
		if !again {
			s.app.warnOpen(at)
		}
		again, k.address = true, at.String()
		if err := in(k.address); err != nil {
			return err
		}
		return serve()
	}
}

// listen opens the socket of a simulator, and returns what serves the key there.
func (k *served) listen(ctx context.Context) (serve func() error, at net.Addr, err error) {
	var listen net.ListenConfig
	cfg := simulator.Config{ReportSize: k.reports}
	if k.kind == kindTCP {
		l, err := listen.Listen(ctx, kindTCP, k.address)
		if err != nil {
			return nil, nil, err
		}
		return func() error { return simulator.ServeStream(ctx, l, k.connect, cfg) }, l.Addr(), nil
	}
	conn, err := listen.ListenPacket(ctx, kindUDP, k.address)
	if err != nil {
		return nil, nil, err
	}
	return func() error { return simulator.Serve(ctx, conn, k.connect, cfg) }, conn.LocalAddr(), nil
}

// inKernel serves a key by uhid.
func (s *serving) inKernel(k *served) control.Serve {
	cfg := uhid.Config{
		VendorID: k.usb.VendorID, ProductID: k.usb.ProductID, Release: k.release, ReportSize: k.reports,
		Name: strings.TrimSpace(k.usb.Manufacturer + " " + k.usb.Product), Serial: s.opts.serial,
	}
	return func(ctx context.Context, in func(string) error) error {
		plug, err := uhid.Attach(k, cfg)
		if err != nil {
			return err
		}
		return plugged(ctx, plug, func() error { return in(k.address) })
	}
}

// plug is a key in a port of this machine.
type plug interface {
	Wait() error
	Close() error
}

// plugged waits until the key is out, or ctx ends.
func plugged(ctx context.Context, p plug, in func() error) error {
	if err := in(); err != nil {
		return errors.Join(err, p.Close())
	}
	stop := context.AfterFunc(ctx, func() { _ = p.Close() }) // Wait says what went wrong
	defer stop()
	err := p.Wait()
	if err == nil && ctx.Err() != nil {
		return context.Cause(ctx)
	}
	return err
}

// device is the key as a USB device.
func (s *serving) device(k *served) (*usbip.Device, error) {
	return usbip.NewDevice(k, usbip.Config{
		VendorID: k.usb.VendorID, ProductID: k.usb.ProductID, Release: k.release, ReportSize: k.reports,
		Manufacturer: k.usb.Manufacturer, Product: k.usb.Product, Serial: s.opts.serial, Keyboard: k.usb.Keyboard || s.opts.keyboard,
	})
}

// inPort plugs a key into this machine by vhci_hcd.
func (s *serving) inPort(k *served) control.Serve {
	return func(ctx context.Context, in func(string) error) error {
		device, err := s.device(k)
		if err != nil {
			return err
		}
		plug, err := usbip.Attach(device)
		if err != nil {
			return err
		}
		return plugged(ctx, plug, func() error { return in(fmt.Sprintf("vhci_hcd:%d", plug.Port())) })
	}
}

// onServer offers a key to hosts that speak USB/IP.
func (s *serving) onServer(k *served) control.Serve {
	return func(ctx context.Context, in func(string) error) error {
		device, err := s.device(k)
		if err != nil {
			return err
		}
		server, busID := s.servers[k.place.address], s.busID(k)
		if err := server.Add(busID, device); err != nil {
			return err
		}
		if err := in(k.address); err != nil {
			return errors.Join(err, server.Remove(busID))
		}
		<-ctx.Done()
		return errors.Join(context.Cause(ctx), server.Remove(busID))
	}
}

// busID is what hosts name a key by that is offered to them: 1-1 for the first at
// its address. It is empty for others.
func (s *serving) busID(k *served) string {
	if k.kind != kindUSBIP || s.opts.attach {
		return ""
	}
	n := 0
	for _, other := range s.keys {
		if other.kind == kindUSBIP && other.address == k.address {
			n++
		}
		if other == k {
			break
		}
	}
	return fmt.Sprintf("1-%d", n)
}

// listenUSBIP starts a server at each address at which keys are offered.
func (s *serving) listenUSBIP(ctx context.Context, work *sync.WaitGroup, failed func(error)) error {
	for _, k := range s.keys {
		if k.kind != kindUSBIP || s.opts.attach || s.servers[k.address] != nil {
			continue
		}
		var listen net.ListenConfig
		l, err := listen.Listen(ctx, "tcp", k.address)
		if err != nil {
			return err
		}
		s.app.warnOpen(l.Addr())
		server := &usbip.Server{OnEvent: s.onHost}
		asked, at := k.address, l.Addr().String()
		for _, same := range s.keys {
			if same.kind == kindUSBIP && same.address == asked {
				same.address = at
			}
		}
		s.servers[at] = server
		work.Go(func() { failed(server.Serve(ctx, l)) })
	}
	return nil
}

// onHost tells of hosts that attach a key.
func (s *serving) onHost(e usbip.Event) {
	switch {
	case e.Attached:
		s.app.tell("usbip: %s has %s", e.Remote, e.BusID)
	case e.Err != nil:
		s.app.tell("usbip: %s: %v", e.Remote, e.Err)
	default:
		s.app.tell("usbip: %s has left %s", e.Remote, e.BusID)
	}
}

// inReader serves a card in a reader of pcscd, until that stops.
func (k *served) inReader(ctx context.Context, in func(string) error) error {
	conn, err := dialReader(ctx, k.address)
	if err != nil {
		return fmt.Errorf("virtual reader: %w (is pcscd running, with vsmartcard-vpcd installed?)", err)
	}
	if err := in(k.address); err != nil {
		return errors.Join(err, conn.Close())
	}
	return vpcd.Serve(ctx, conn, k.card, k.atr)
}

// readerWait is how long the virtual reader may take to be there: whoever
// starts the key and the daemon at the same time need not care about the order.
const readerWait = 10 * time.Second

// dialReader connects to the virtual reader, and waits for it if nobody listens
// there yet.
func dialReader(ctx context.Context, address string) (net.Conn, error) {
	limit, stop := context.WithTimeout(ctx, readerWait)
	defer stop()
	again := time.NewTicker(readerWait / 50)
	defer again.Stop()
	for {
		conn, err := (&net.Dialer{}).DialContext(ctx, "tcp", address)
		if err == nil || !errors.Is(err, syscall.ECONNREFUSED) {
			return conn, err
		}
		select {
		case <-again.C:
		case <-limit.Done():
			return nil, err
		}
	}
}
