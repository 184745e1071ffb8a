package cmd

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/netip"

	"github.com/spf13/cobra"

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

// Addresses to serve reports at, unless told otherwise.
const (
	udpAddress = "127.0.0.1:8111" // where the tools of firmware makers look for a simulator
	tcpAddress = "127.0.0.1:8112"
)

func (a *app) serveUDPCommand() *cobra.Command {
	return a.serveReportsCommand(simulator.UDP, udpAddress, "Serve it as a simulator, one report in each datagram",
		"Be a key for programs that speak to firmware simulators, such as --device udp:HOST:PORT of this one:\n"+
			"a datagram is one HID report of 64 bytes, and is answered to its sender.")
}

func (a *app) serveTCPCommand() *cobra.Command {
	return a.serveReportsCommand(simulator.TCP, tcpAddress, "Serve it as a simulator, each report behind its length",
		"Be a key for programs that speak to firmware simulators, such as --device tcp:HOST:PORT of this one:\n"+
			"each HID report of 64 bytes follows its length in two bytes, big-endian.")
}

func (a *app) serveReportsCommand(network, address, short, long string) *cobra.Command {
	c := &cobra.Command{
		Use: network, Short: short, Args: cobra.NoArgs,
		Long: long + " Several programs may use the key\n" +
			"at once. --device says which software key; without it a factory-new one is served, until interrupted.\n" +
			"The address is told on standard error, and with --json as an envelope on standard output as well.",
		Example: fmt.Sprintf("  touchstone --device virtual:my.key virtual serve %[1]s\n  touchstone --device %[1]s:%[2]s device info", network, address),
		RunE:    func(c *cobra.Command, _ []string) error { return a.serveReports(c.Context(), network, address) },
	}
	c.Flags().StringVar(&address, "address", address, "`HOST:PORT` to serve at; port 0 is any that is free")
	return c
}

func (a *app) serveReports(ctx context.Context, network, address string) error {
	address, err := listenAddress(address)
	if err != nil {
		return err
	}
	key, err := a.servedUSBKey()
	if err != nil {
		return err
	}
	device := ctaphid.NewDevice(key.Handler(), virtualDevice(key))
	err = a.serveDevice(ctx, network, address, key.reports(device))
	return errors.Join(untilTold(ctx, err), device.Close(), key.Close())
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

// servedUSBKey is the software key to serve, which speaks by reports.
func (a *app) servedUSBKey() (*softwareKey, error) {
	sel, err := a.servedSelector()
	if err != nil {
		return nil, err
	}
	if sel.NFC {
		return nil, usageError{fmt.Errorf("%s speaks by APDUs, and reports are served: leave +nfc out", sel)}
	}
	return a.newVirtual(sel)
}

func (a *app) serveDevice(ctx context.Context, network, address string, connect func() ctaphid.ReportConn) error {
	var listen net.ListenConfig
	if network == simulator.TCP {
		l, err := listen.Listen(ctx, network, address)
		if err != nil {
			return err
		}
		if err := a.tellServing(network, l.Addr()); err != nil {
			return errors.Join(err, l.Close())
		}
		return simulator.ServeStream(ctx, l, connect, simulator.Config{})
	}
	conn, err := listen.ListenPacket(ctx, network, address)
	if err != nil {
		return err
	}
	if err := a.tellServing(network, conn.LocalAddr()); err != nil {
		return errors.Join(err, conn.Close())
	}
	return simulator.Serve(ctx, conn, connect, simulator.Config{})
}

func (a *app) tellServing(network string, at net.Addr) error {
	if !isLoopback(at) {
		a.note("warning: anybody on the network who can reach %s can use the key", at)
	}
	return a.announce(network, at.String())
}
