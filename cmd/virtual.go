package cmd

import (
	"context"
	"errors"
	"fmt"
	"net"
	"syscall"
	"time"

	"github.com/spf13/cobra"

	"github.com/touchstone-fido/touchstone/devices"
	"github.com/touchstone-fido/touchstone/devices/virtual"
	"github.com/touchstone-fido/touchstone/nfc"
	"github.com/touchstone-fido/touchstone/nfc/vpcd"
)

func (a *app) virtualCommand() *cobra.Command {
	return group("virtual", "Put the software key before other programs", group("serve", "Serve the software key until told to stop", a.serveVPCDCommand()))
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
	key, err := a.servedKey()
	if err != nil {
		return err
	}
	card := virtualCard(key)
	err = a.plugIn(ctx, address, card)
	if errors.Is(context.Cause(ctx), errInterrupted) {
		err = nil // told to stop
	}
	return errors.Join(err, card.Close(), key.Close())
}

// servedKey is the software key that --device names, or a factory-new one. It
// is a card, whatever the selector says.
func (a *app) servedKey() (*virtual.Authenticator, error) {
	sel, err := devices.ParseSelector(a.device)
	if err != nil {
		return nil, err
	}
	switch sel.Kind {
	case devices.KindOnly, devices.KindVirtual:
		sel.Kind, sel.NFC = devices.KindVirtual, true
		return a.newVirtual(sel)
	}
	return nil, usageError{fmt.Errorf("virtual serve wants --device virtual[:FILE], not %s", sel)}
}

// readerWait is how long the virtual reader may take to be there: whoever
// starts the key and the daemon at the same time need not care about the order.
const readerWait = 10 * time.Second

func (a *app) plugIn(ctx context.Context, address string, card *nfc.Emulator) error {
	conn, err := dialReader(ctx, address)
	if err != nil {
		return fmt.Errorf("virtual reader: %w (is pcscd running, with vsmartcard-vpcd installed?)", err)
	}
	a.note("The software key is in the virtual reader at %s.", address)
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
