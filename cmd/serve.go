package cmd

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"

	"github.com/spf13/cobra"

	"github.com/touchstone-fido/touchstone/cmd/internal/view"
	"github.com/touchstone-fido/touchstone/ctaphid/simulator"
	"github.com/touchstone-fido/touchstone/ctaphid/uhid"
	"github.com/touchstone-fido/touchstone/ctaphid/usbip"
	"github.com/touchstone-fido/touchstone/devices"
	"github.com/touchstone-fido/touchstone/devices/virtual/control"
	"github.com/touchstone-fido/touchstone/nfc/vpcd"
)

// Kinds of places that a key is served at.
const (
	kindVPCD  = "vpcd"
	kindUHID  = "uhid"
	kindUSBIP = "usbip"
	kindUDP   = simulator.UDP
	kindTCP   = simulator.TCP
)

// defaultAddress is where each kind is unless told otherwise.
var defaultAddress = map[string]string{
	kindVPCD:  vpcd.Addr,
	kindUHID:  uhid.Node,
	kindUSBIP: usbip.Addr,
	kindUDP:   "127.0.0.1:8111", // where the tools of firmware makers look for a simulator
	kindTCP:   "127.0.0.1:8112",
}

// serveOptions are the flags of virtual serve.
type serveOptions struct {
	address  string
	tape     string
	presence string
	control  string
	serial   string
	keyboard bool
	attach   bool
}

func (a *app) serveCommand() *cobra.Command {
	var o serveOptions
	c := &cobra.Command{
		Use: "serve KIND[@ADDRESS][=SELECTOR]...", Short: "Serve the software key, or a tape, until told to stop", Args: cobra.ArbitraryArgs,
		Long: "Put software keys and tapes before other programs, until interrupted. KIND says how:\n\n" +
			"  uhid   a USB key, by the kernel's /dev/uhid: a hidraw node for browsers, libfido2, OpenSSH (root, or a udev rule)\n" +
			"  usbip  a USB key for \"usbip attach -r 127.0.0.1 -b 1-1\" (default " + usbip.Addr + "); with --attach, as root,\n" +
			"         for this machine itself. Also seen by programs that use libusb\n" +
			"  vpcd   a card in a reader of pcscd, by Debian's vsmartcard-vpcd (default " + vpcd.Addr + ")\n" +
			"  udp    a simulator, one report of 64 bytes in each datagram (default " + defaultAddress[kindUDP] + ")\n" +
			"  tcp    a simulator, each report behind its length in two bytes, big-endian (default " + defaultAddress[kindTCP] + ")\n\n" +
			"Each KIND is a key of its own. SELECTOR says which one, as --device does: virtual[:PROFILE|FILE] or replay:FILE;\n" +
			"without it it is that of --device or --tape, or a factory-new key. A tape is strict: what is asked has to be what\n" +
			"was asked then, and anything else ends it with an error.\n\n" +
			"When all are there, that is told on standard error, and with --json as an envelope on standard output as well.",
		Example: "  touchstone --device virtual:my.key virtual serve vpcd\n" +
			"  touchstone virtual serve udp=virtual:yubikey-5-nfc-5.7 tcp@:0=virtual:my.key --control 127.0.0.1:8110 --presence manual\n" +
			"  touchstone virtual serve usbip --attach --device virtual:titan-v2\n" +
			"  touchstone virtual serve udp --tape session.jsonl",
		RunE: func(c *cobra.Command, args []string) error { return a.serve(c.Context(), args, o) },
	}
	f := c.Flags()
	f.StringVar(&o.address, "address", "", "`HOST:PORT` to serve at, of one KIND; port 0 is any that is free")
	f.StringVar(&o.tape, "tape", "", "serve this recorded session instead of a software key: a `FILE` as --record writes it")
	f.StringVar(&o.presence, "presence", "", "who touches the key: auto (what the selector says, at once otherwise), deny, or manual: \"virtual control touch\" does")
	f.StringVar(&o.control, "control", "", "let \"virtual control\" and other programs touch, remove and break the keys, by HTTP at this loopback `HOST:PORT`")
	f.StringVar(&o.serial, "serial", "", "serial `NUMBER` of the USB device, of one KIND")
	f.BoolVar(&o.keyboard, "keyboard", false, "usbip: put a keyboard beside the key, as keys with one-time passwords have it")
	f.BoolVar(&o.attach, "attach", false, "usbip: plug the key into this machine, by its vhci_hcd")
	return c
}

// place is what one argument of virtual serve says.
type place struct {
	kind, address string
	selector      string // empty for the one of --device or --tape
}

// parsePlace reads KIND[@ADDRESS][=SELECTOR].
func parsePlace(text string) (place, error) {
	where, selector, named := strings.Cut(text, "=")
	kind, address, at := strings.Cut(where, "@")
	p := place{kind: kind, selector: selector}
	standard, ok := defaultAddress[kind]
	switch {
	case !ok:
		return p, usageError{fmt.Errorf("%q is no way to serve a key: want uhid, usbip, vpcd, udp or tcp", kind)}
	case named && selector == "", at && address == "":
		return p, usageError{fmt.Errorf("%q: want KIND[@ADDRESS][=SELECTOR]", text)}
	case at && kind == kindUHID:
		return p, usageError{fmt.Errorf("%q: uhid has no address", text)}
	case !at:
		address = standard
	}
	p.address = address
	return p, nil
}

// places reads the arguments. What is said once, for one key, is not for several.
func (o serveOptions) places(args []string) ([]place, error) {
	if len(args) == 0 {
		return nil, usageError{errors.New("virtual serve wants to know how: uhid, usbip, vpcd, udp or tcp")}
	}
	if len(args) > 1 && (o.address != "" || o.serial != "" || o.tape != "") {
		return nil, usageError{errors.New("--address, --serial and --tape are for one KIND: with several, say KIND@ADDRESS=SELECTOR")}
	}
	var all []place
	for _, arg := range args {
		p, err := parsePlace(arg)
		if err != nil {
			return nil, err
		}
		if o.address != "" {
			p.address = o.address
		}
		if p.kind != kindUHID {
			if p.address, err = listenAddress(p.address); err != nil {
				return nil, err
			}
		}
		all = append(all, p)
	}
	usb := slices.ContainsFunc(all, func(p place) bool { return p.kind == kindUSBIP })
	if !usb && (o.attach || o.keyboard) {
		return nil, usageError{errors.New("--attach and --keyboard are for usbip")}
	}
	return all, nil
}

// name is how the nth place is called: by its kind, and its number among those of
// the kind from the second on.
func name(all []place, n int) string {
	same := 0
	for _, p := range all[:n+1] {
		if p.kind == all[n].kind {
			same++
		}
	}
	if same == 1 {
		return all[n].kind
	}
	return fmt.Sprintf("%s-%d", all[n].kind, same)
}

// serving are keys that are served together.
type serving struct {
	app     *app
	opts    serveOptions
	panel   *control.Panel
	keys    []*served
	servers map[string]*usbip.Server // by address
	ready   chan struct{}            // told by each key when it is there
	failed  func(error)              // ends serving, while it goes on
}

func (a *app) serve(ctx context.Context, args []string, o serveOptions) error {
	places, err := o.places(args)
	if err != nil {
		return err
	}
	if a.record != "" {
		return usageError{errors.New("--record with virtual serve: record on the other side")}
	}
	s := &serving{app: a, opts: o, panel: control.NewPanel(a.onServed), servers: map[string]*usbip.Server{}}
	err = s.open(places)
	if err == nil {
		err = s.run(ctx)
	}
	told := untilTold(ctx, err)
	var late []error
	for _, k := range s.keys {
		late = append(late, k.end(told))
	}
	if err := errors.Join(late...); err != nil {
		told = errors.Join(told, lateError{err})
	}
	return told
}

// lateError is what went wrong after serving had ended, as it was told or not.
type lateError struct{ err error }

// Error is the text of what went wrong.
func (e lateError) Error() string { return e.err.Error() }

// Unwrap returns it.
func (e lateError) Unwrap() error { return e.err }

// open makes the keys.
func (s *serving) open(places []place) error {
	mode := control.Auto
	if s.opts.presence != "" {
		var err error
		if mode, err = control.ParseMode(s.opts.presence); err != nil {
			return usageError{fmt.Errorf("--presence: %w", err)}
		}
	}
	if mode == control.Manual && s.opts.control == "" {
		return usageError{errors.New("--presence manual: nobody could touch the key without --control HOST:PORT")}
	}
	for i, p := range places {
		k := &served{place: p, name: name(places, i), mode: mode}
		s.keys = append(s.keys, k)
		if err := s.fill(k); err != nil {
			return err
		}
		if err := s.panel.Add(k.control(s.panel)); err != nil {
			return err
		}
	}
	return nil
}

// untilTold is how serving ends: well, when it was told to stop.
func untilTold(ctx context.Context, err error) error {
	if errors.Is(context.Cause(ctx), errInterrupted) {
		return nil
	}
	return err
}

// onServed passes on what befalls a served key.
func (a *app) onServed(e control.Event) {
	a.events.write(view.ServedEvent(e))
	if a.verbose && !a.linesOnly() {
		a.tell("%s", view.ServedText(e))
	}
}

// servedSelector is the key to serve that a text names, or a factory-new one.
func servedSelector(text string) (devices.Selector, error) {
	sel, err := devices.ParseSelector(text)
	if err != nil {
		return sel, err
	}
	switch sel.Kind {
	case devices.KindOnly:
		sel.Kind = devices.KindVirtual
		return sel, nil
	case devices.KindVirtual, devices.KindReplay:
		return sel, nil
	}
	return sel, usageError{fmt.Errorf("virtual serve wants virtual[:PROFILE|FILE] or replay:FILE, not %s", sel)}
}
