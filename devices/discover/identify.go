package discover

import (
	"context"
	"errors"
	"fmt"
	"runtime"
	"slices"
	"strconv"
	"sync"
	"time"

	"github.com/touchstone-fido/touchstone/ctap2"
	"github.com/touchstone-fido/touchstone/ctap2/authdata"
	"github.com/touchstone-fido/touchstone/ctaphid"
	"github.com/touchstone-fido/touchstone/devices"
	"github.com/touchstone-fido/touchstone/devices/models"
	"github.com/touchstone-fido/touchstone/nfc"
)

const (
	identifyLimit = 2 * time.Second        // for one key, from opening to closing
	lastWord      = 500 * time.Millisecond // for a key that is told to give up
)

// Why a key was not identified, besides the errors of opening it.
var (
	// ErrNoApplet says that a card is no security key.
	ErrNoApplet = errors.New("no FIDO applet on that card")

	// ErrTwin says that a reader is the smart card side of a USB key that is
	// asked already. Some keys answer on one side at a time, and selecting the
	// FIDO applet would end what another program does with another one.
	ErrTwin = errors.New("the smart card side of a key that was asked over USB")

	// ErrTakesOver says that to open the key would take it away from whoever
	// uses it.
	ErrTakesOver = errors.New("not asked, as this backend takes a key away from other programs")

	// ErrNoVersion says that a key speaks neither CTAP2 nor U2F.
	ErrNoVersion = errors.New("the key says that it speaks neither CTAP2 nor U2F")
)

// IdentifyAll asks every usable key of a listing what it is, all at the same
// time, as [Identify] does. The listing that it returns has the answers, and the
// cards that are no keys are left out of it.
func IdentifyAll(ctx context.Context, l devices.Listing, o Options) devices.Listing {
	identities := make([]devices.Identity, len(l.Devices))
	var all sync.WaitGroup
	for i, info := range l.Devices {
		if key, ok := l.Twin(info); ok {
			identities[i] = unasked(fmt.Errorf("%w: %s", ErrTwin, key.Selector()))
			continue
		}
		all.Go(func() { identities[i] = Identify(ctx, info, o) })
	}
	all.Wait()
	asked := l
	asked.Devices, asked.LeftOut = nil, slices.Clone(l.LeftOut)
	for i, info := range l.Devices {
		if errors.Is(identities[i].Err, ErrNoApplet) {
			asked.LeftOut = append(asked.LeftOut, leftOut(info, identities[i].Err))
			continue
		}
		info.Identity = &identities[i]
		asked.Devices = append(asked.Devices, info)
	}
	return asked
}

// Identify opens a key for a moment and asks what it is: INIT and getInfo on USB,
// SELECT and getInfo on NFC. It takes two seconds at most, for a card that holds
// on to a command one more, and disturbs nobody: a key that another program
// has locked is not written to, and one that works for another program, or waits
// for its touch, says that it is busy and goes on. Then, and when anything
// else fails, the identity has what was told so far and Err.
func Identify(ctx context.Context, info devices.Info, o Options) devices.Identity {
	if takesOver(info.Backend, runtime.GOOS) {
		return unasked(ErrTakesOver)
	}
	ctx, stop := context.WithTimeoutCause(ctx, identifyLimit, ctap2.ErrTimeout)
	defer stop()
	answers := make(chan devices.Identity, 1)
	go func() { answers <- o.identify(ctx, info) }()
	select {
	case id := <-answers:
		return id
	case <-ctx.Done():
	}
	patience := time.NewTimer(2 * lastWord)
	defer patience.Stop()
	select {
	case id := <-answers:
		return id
	case <-patience.C:
		return unasked(context.Cause(ctx))
	}
}

// takesOver tells the backend under which opening a key detaches its driver.
func takesOver(backend, goos string) bool { return backend == USBHID && goos == "linux" }

func unasked(err error) devices.Identity { return devices.Identity{Err: err, Hint: Hint(err)} }

func (o Options) identify(ctx context.Context, info devices.Info) devices.Identity {
	link, err := o.open(ctx, info)
	if err != nil {
		return unasked(err)
	}
	conn, err := devices.Connect(ctx, link, devices.Options{
		HID: ctaphid.Config{Drain: lastWord}, NFC: nfc.Config{Drain: lastWord},
	})
	if err != nil {
		return unasked(whyNot(info, err))
	}
	id := ask(ctx, conn)
	_ = conn.Close() // what the key told stands
	return id
}

// whyNot is the reason why no connection came to be.
func whyNot(info devices.Info, err error) error {
	var sw nfc.StatusWord
	if info.Transport == devices.NFC && (errors.As(err, &sw) || errors.Is(err, nfc.ErrProtocol)) {
		return fmt.Errorf("%w (%w)", ErrNoApplet, err)
	}
	return inShort(err)
}

// inShort is the reason without the operation in which it came up, where it
// says enough.
func inShort(err error) error {
	for _, reason := range []error{ctaphid.ErrBusy, ctap2.ErrTimeout} {
		if errors.Is(err, reason) {
			return reason
		}
	}
	return err
}

// ask has an open key say what it is.
func ask(ctx context.Context, conn *devices.Conn) devices.Identity {
	id := devices.Identity{}
	if v := conn.Protocol.DeviceVersion; v != "0.0.0" {
		id.Firmware = v
	}
	if !knowsCTAP2(conn) {
		return withU2F(id, conn)
	}
	told, err := conn.GetInfo(ctx)
	switch {
	case refusesCTAP2(err):
		return withU2F(id, conn)
	case err != nil:
		id.Err = inShort(err)
		id.Hint = Hint(id.Err)
		return id
	}
	if id.Firmware == "" && told.Has(ctap2.InfoFirmwareVersion) {
		id.Firmware = strconv.FormatUint(told.FirmwareVersion, 10)
	}
	id.AAGUID, id.Versions = told.AAGUID, told.Versions
	if id.AAGUID != (authdata.AAGUID{}) {
		id.Model, _ = models.Name(id.AAGUID)
	}
	return id
}

func knowsCTAP2(conn *devices.Conn) bool {
	return conn.Channel == nil || conn.Channel.Capabilities().Has(ctaphid.CapabilityCBOR)
}

// refusesCTAP2 reports whether a key does not know what a CTAP2 message is.
func refusesCTAP2(err error) bool {
	for _, refusal := range []error{ctaphid.CodeInvalidCommand, ctap2.StatusInvalidCommand, nfc.SWInsNotSupported, nfc.SWClaNotSupported} {
		if errors.Is(err, refusal) {
			return true
		}
	}
	return false
}

// withU2F is the identity of a key that does not know CTAP2.
func withU2F(id devices.Identity, conn *devices.Conn) devices.Identity {
	if conn.Channel != nil && conn.Channel.Capabilities().Has(ctaphid.CapabilityNMSG) ||
		conn.Applet != nil && conn.Applet.Version() != ctap2.VersionU2F {
		id.Err = ErrNoVersion
		return id
	}
	id.Versions = []string{ctap2.VersionU2F}
	return id
}
