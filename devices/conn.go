package devices

import (
	"context"
	"errors"
	"fmt"
	"io"
	"strings"
	"time"

	"github.com/touchstone-fido/touchstone/ctap2"
	"github.com/touchstone-fido/touchstone/ctap2/u2f"
	"github.com/touchstone-fido/touchstone/ctaphid"
	"github.com/touchstone-fido/touchstone/nfc"
)

// Link is a key that was opened and not yet spoken to: the seam below the
// framing, where a recorder goes between. Exactly one of Reports and Card is
// set.
type Link struct {
	Info    Info
	Reports ctaphid.ReportConn
	Card    nfc.Card
}

// Close closes the link. After [Connect] the connection does that.
func (l Link) Close() error {
	switch {
	case l.Reports != nil:
		return l.Reports.Close()
	case l.Card != nil:
		return l.Card.Close()
	}
	return nil
}

// Event is a sign of life of a key while it works on a request, or the end of a
// request in which there was one.
type Event struct {
	Status string        // "processing", "up-needed" or "done"
	Since  time.Duration // since the request was sent
}

// EventDone is the status of an Event that ends a request.
const EventDone = "done"

// Options say how to connect. The zero value is right for a person's key.
type Options struct {
	// Rand is the source of nonces and key agreement keys; crypto/rand when nil.
	Rand io.Reader

	// Timeout is how long [Connect] and one request may take, the wait for a
	// touch included, before they are cancelled with [ctap2.ErrTimeout]; 0 sets
	// no limit.
	Timeout time.Duration

	// OnEvent, when not nil, is told what the key waits for. It is called from
	// within requests and must not start one.
	OnEvent func(Event)

	// HID and NFC are how to speak the framing: as a tape does. Their Rand,
	// report size and keepalive functions are set by Connect.
	HID ctaphid.Config
	NFC nfc.Config
}

// Conn is an open key.
type Conn struct {
	*ctap2.Client
	Info     Info
	Protocol Protocol
	Channel  *ctaphid.Channel // on USB HID, else nil
	Applet   *nfc.Applet      // on NFC, else nil
}

// Protocol is what the framing told of a key when it was opened.
type Protocol struct {
	CTAPHID       uint8    // HID: version of the framing, 2
	DeviceVersion string   // HID: the maker's version, such as "5.4.3"
	Capabilities  []string // HID: such as "wink", "cbor"
	Applet        string   // NFC: what SELECT answered, such as "U2F_V2"
}

// ErrNoLink: there is nothing to connect to.
var ErrNoLink = errors.New("no open link")

// Connect begins to speak with an open link: it asks for a channel, or selects
// the applet. A key that has U2F only is spoken to through a [u2f.Bridge], so
// that it is used like any other. From then on the link belongs to the connection; when Connect
// fails it was closed.
func Connect(ctx context.Context, l Link, o Options) (*Conn, error) {
	if o.Timeout > 0 {
		var stop context.CancelFunc
		ctx, stop = context.WithTimeoutCause(ctx, o.Timeout, ctap2.ErrTimeout)
		defer stop()
	}
	c := &Conn{Info: l.Info}
	w := &witness{tell: o.OnEvent}
	if o.OnEvent != nil {
		o.OnEvent = w.keepalive
	}
	var err error
	w.Transport, err = c.open(ctx, l, o)
	if err != nil {
		_ = l.Close() // what went wrong first is what matters
		return nil, err
	}
	c.Client = ctap2.New(w.transport(), ctap2.Config{Rand: o.Rand, Timeout: o.Timeout})
	return c, nil
}

func (c *Conn) open(ctx context.Context, l Link, o Options) (ctap2.Transport, error) {
	var err error
	switch {
	case l.Reports != nil:
		c.Channel, err = ctaphid.Open(ctx, l.Reports, hidConfig(l, o))
		if err != nil {
			return nil, err
		}
		c.Protocol = channelProtocol(c.Channel)
		caps := c.Channel.Capabilities()
		if caps.Has(ctaphid.CapabilityNMSG) {
			return c.Channel, nil
		}
		// A channel of a tape in mid-session has no capabilities to tell.
		old := c.Channel.ProtocolVersion() != 0 && !caps.Has(ctaphid.CapabilityCBOR)
		return c.orU2F(c.Channel, old, o), nil
	case l.Card != nil:
		c.Applet, err = nfc.Open(ctx, l.Card, nfcConfig(o))
		if err != nil {
			return nil, err
		}
		c.Protocol = Protocol{Applet: c.Applet.Version()}
		if c.Applet.Version() != u2f.Version {
			return c.Applet, nil
		}
		return c.orU2F(c.Applet, false, o), nil
	}
	return nil, ErrNoLink
}

func hidConfig(l Link, o Options) ctaphid.Config {
	cfg := o.HID
	cfg.Rand = o.Rand
	if l.Info.ReportSize != 0 {
		cfg.ReportSize = l.Info.ReportSize
	}
	if o.OnEvent != nil {
		cfg.OnKeepalive = func(k ctaphid.Keepalive) { o.OnEvent(Event{Status: k.Status.String(), Since: k.Since}) }
	}
	return cfg
}

func nfcConfig(o Options) nfc.Config {
	cfg := o.NFC
	if o.OnEvent != nil {
		cfg.OnKeepalive = func(k nfc.Keepalive) {
			o.OnEvent(Event{Status: ctaphid.KeepaliveStatus(k.Status).String(), Since: k.Since})
		}
	}
	return cfg
}

// channelProtocol is empty for a channel that a tape has in mid-session.
func channelProtocol(ch *ctaphid.Channel) Protocol {
	if ch.ProtocolVersion() == 0 {
		return Protocol{}
	}
	v := ch.DeviceVersion()
	p := Protocol{CTAPHID: ch.ProtocolVersion(), DeviceVersion: fmt.Sprintf("%d.%d.%d", v[0], v[1], v[2])}
	if caps := ch.Capabilities(); caps != 0 {
		p.Capabilities = strings.Split(caps.String(), "|")
	}
	return p
}

// Close ends the connection and closes the link.
func (c *Conn) Close() error {
	if c.Channel != nil {
		return c.Channel.Close()
	}
	return c.Applet.Close()
}
