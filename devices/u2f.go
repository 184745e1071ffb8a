package devices

import (
	"context"
	"errors"
	"slices"
	"sync/atomic"
	"time"

	"github.com/touchstone-fido/touchstone/ctap2"
	"github.com/touchstone-fido/touchstone/ctap2/u2f"
	"github.com/touchstone-fido/touchstone/ctaphid"
	"github.com/touchstone-fido/touchstone/nfc"
)

// u2fOverHID carries U2F messages in CTAPHID_MSG (CTAP 2.3 §11.2.9.1.1).
type u2fOverHID struct{ channel *ctaphid.Channel }

// U2F sends the APDU as it is.
func (h u2fOverHID) U2F(ctx context.Context, apdu []byte) ([]byte, error) {
	return h.channel.Msg(ctx, apdu)
}

// u2fOverNFC carries U2F messages as APDUs with short lengths, which every
// reader and key takes; what is longer is chained.
type u2fOverNFC struct{ applet *nfc.Applet }

// shortNe is the longest answer that an APDU with short lengths asks for.
const shortNe = 256

// U2F sends the APDU, which has extended lengths, with short ones.
func (n u2fOverNFC) U2F(ctx context.Context, apdu []byte) ([]byte, error) {
	cmd, err := nfc.ParseCommand(withoutLc(apdu))
	if err != nil {
		return nil, err
	}
	cmd.Extended = false
	cmd.Ne = min(cmd.Ne, shortNe)
	resp, err := n.applet.Transmit(ctx, cmd)
	if err != nil {
		return nil, err
	}
	return resp.Bytes(), nil
}

// withoutLc drops an Lc of zero, which some keys on USB want in an APDU without
// data and ISO 7816-4 does not have.
func withoutLc(apdu []byte) []byte {
	const header, lengths = 4, 5 // 00, Lc, Le
	if len(apdu) != header+lengths || apdu[header+1] != 0 || apdu[header+2] != 0 {
		return apdu
	}
	return slices.Concat(apdu[:header+1], apdu[header+3:])
}

// U2F speaks U2F with the key, beside or instead of CTAP2.
func (c *Conn) U2F(cfg u2f.Config) *u2f.Device {
	if c.Channel != nil {
		return u2f.New(u2fOverHID{c.Channel}, cfg)
	}
	return u2f.New(u2fOverNFC{c.Applet}, cfg)
}

// either is a key that may have U2F only: it speaks CTAP2 until the key turns
// out not to know it, and by a bridge from then on.
type either struct {
	ctap2.Transport
	bridge ctap2.Transport
	old    atomic.Bool // the key has U2F only
	newer  atomic.Bool // the key has answered CTAP2
}

// orU2F adds the bridge to a transport for keys that have U2F only. Of those that
// say so, old is true from the start; the YubiKey 4 (firmware 4.4.5) says
// otherwise and then refuses CTAPHID_CBOR.
func (c *Conn) orU2F(t ctap2.Transport, old bool, o Options) ctap2.Transport {
	cfg := u2f.Config{}
	if o.OnEvent != nil {
		up := ctaphid.KeepaliveUPNeeded.String()
		cfg.OnTouchNeeded = func(since time.Duration) { o.OnEvent(Event{Status: up, Since: since}) }
	}
	e := &either{Transport: t, bridge: u2f.NewBridge(c.U2F(cfg))}
	e.old.Store(old)
	return e
}

// Exchange sends a CTAP2 message the way that the key understands.
func (e *either) Exchange(ctx context.Context, msg []byte) ([]byte, error) {
	if e.old.Load() {
		return e.bridge.Exchange(ctx, msg)
	}
	answer, err := e.Transport.Exchange(ctx, msg)
	switch {
	case !e.newer.Load() && (unknown(err) || withoutInfo(msg, answer)):
		e.old.Store(true)
		return e.bridge.Exchange(ctx, msg)
	case err == nil:
		e.newer.Store(true)
	}
	return answer, err
}

// withoutInfo reports whether a key has answered getInfo, which every key of
// CTAP2 has, that there is no such command. Cards do that whose framing takes
// CTAP2 messages and whose key does not.
func withoutInfo(msg, answer []byte) bool {
	return len(msg) == 1 && ctap2.Command(msg[0]) == ctap2.CommandGetInfo &&
		len(answer) == 1 && ctap2.Status(answer[0]) == ctap2.StatusInvalidCommand
}

// unknown reports whether a key said with err that it has no CTAP2.
func unknown(err error) bool {
	return errors.Is(err, ctaphid.CodeInvalidCommand) ||
		errors.Is(err, nfc.SWInsNotSupported) || errors.Is(err, nfc.SWClaNotSupported)
}
