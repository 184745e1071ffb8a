package cmd

import (
	"context"
	"errors"
	"fmt"
	"net"
	"syscall"
	"time"

	"github.com/spf13/cobra"

	"github.com/touchstone-fido/touchstone/cmd/internal/view"
	"github.com/touchstone-fido/touchstone/devices"
	"github.com/touchstone-fido/touchstone/nfc/vpcd"
)

func (a *app) virtualCommand() *cobra.Command {
	return group("virtual", "Say what the software key can be, and put it before other programs",
		a.virtualProfilesCommand(), a.virtualFaultsCommand(),
		group("serve", "Serve the software key until told to stop", a.serveVPCDCommand(), a.serveUDPCommand(), a.serveTCPCommand()))
}

func (a *app) serveVPCDCommand() *cobra.Command {
	var address string
	c := &cobra.Command{
		Use: "vpcd", Short: "Serve it as a card in a reader of pcscd (vsmartcard-vpcd)", Args: cobra.NoArgs,
		Long: "Connect to the virtual reader that Debian's vsmartcard-vpcd adds to pcscd, and be the card in it:\n" +
			"every program that uses PC/SC then finds the software key there. --device says which software key;\n" +
			"without it a factory-new one is served. Serves until interrupted or until pcscd stops.",
		Example: "  touchstone --device virtual:my.key virtual serve vpcd\n  touchstone --device \"nfc:Virtual PCD\" device info",
		RunE:    func(c *cobra.Command, _ []string) error { return a.serveVPCD(c.Context(), address) },
	}
	c.Flags().StringVar(&address, "address", vpcd.Addr, "`HOST:PORT` of the virtual reader")
	return c
}

func (a *app) serveVPCD(ctx context.Context, address string) error {
	sel, err := a.servedSelector()
	if err != nil {
		return err
	}
	sel.NFC = true // it is a card, whatever the selector says
	key, err := a.newVirtual(sel)
	if err != nil {
		return err
	}
	card := virtualCard(key)
	err = a.plugIn(ctx, address, card)
	return errors.Join(untilTold(ctx, err), card.Close(), key.Close())
}

// servedSelector is the software key that --device names, or a factory-new one.
func (a *app) servedSelector() (devices.Selector, error) {
	sel, err := devices.ParseSelector(a.device)
	if err != nil {
		return sel, err
	}
	switch sel.Kind {
	case devices.KindOnly, devices.KindVirtual:
		sel.Kind = devices.KindVirtual
		return sel, nil
	}
	return sel, usageError{fmt.Errorf("virtual serve wants --device virtual[:PROFILE|FILE], not %s", sel)}
}

// untilTold is how serving ends: well, when it was told to stop.
func untilTold(ctx context.Context, err error) error {
	if errors.Is(context.Cause(ctx), errInterrupted) {
		return nil
	}
	return err
}

// announce says where the key is served, before it is: to people, and with
// --json to the script that waits for it.
func (a *app) announce(kind, address string) error {
	at := view.Serving{Kind: kind, Address: address}
	if err := view.Write(a.streams.Err, false, at); err != nil {
		return err
	}
	if !a.json {
		return nil
	}
	return a.show(at)
}

// readerWait is how long the virtual reader may take to be there: whoever
// starts the key and the daemon at the same time need not care about the order.
const readerWait = 10 * time.Second

func (a *app) plugIn(ctx context.Context, address string, card vpcd.CardDevice) error {
	conn, err := dialReader(ctx, address)
	if err != nil {
		return fmt.Errorf("virtual reader: %w (is pcscd running, with vsmartcard-vpcd installed?)", err)
	}
	if err := a.announce("vpcd", address); err != nil {
		return errors.Join(err, conn.Close())
	}
	return vpcd.Serve(ctx, conn, card, nil)
}

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
