package cmd

import (
	"context"
	"errors"
	"net"
	"net/netip"

	"github.com/touchstone-fido/touchstone/ctap2"
	"github.com/touchstone-fido/touchstone/ctaphid"
	"github.com/touchstone-fido/touchstone/ctaphid/simulator"
	"github.com/touchstone-fido/touchstone/devices"
)

// openSimulator connects to a key that is a program.
func (a *app) openSimulator(ctx context.Context, sel devices.Selector, s *session) error {
	ctx, stop := a.limited(ctx)
	defer stop()
	conn, err := simulator.Dial(ctx, string(sel.Kind), sel.Value, simulator.Config{Local: sel.Local()})
	if err != nil {
		return err
	}
	a.tellInClear(conn.RemoteAddr())
	s.link = devices.Link{Reports: conn, Info: devices.Info{
		Transport: devices.USB, Backend: string(sel.Kind), Path: sel.Value, Local: sel.Local(),
	}}
	return nil
}

// tellInClear warns, before anything is sent, of an address on the network.
func (a *app) tellInClear(at net.Addr) {
	if !isLoopback(at) {
		a.note("note: the session goes over the network in clear, to %s", at)
	}
}

// suggestLocal helps with a simulator that is silent from the start: it may
// have answered to another port.
func (a *app) suggestLocal(sel devices.Selector, err error) {
	silent := errors.Is(err, ctaphid.ErrTimeout) || errors.Is(err, ctap2.ErrTimeout)
	if silent && sel.Kind == devices.KindUDP && sel.Local() == "" {
		a.note("note: some simulators answer to a fixed port, those of SoloKeys and CanoKey to 7112: --device %q", sel.String()+"?local=7112")
	}
}

// isLoopback tells the addresses that no other machine can reach.
func isLoopback(a net.Addr) bool {
	at, err := netip.ParseAddrPort(a.String())
	return err == nil && at.Addr().Unmap().IsLoopback()
}
