package u2f

import (
	"context"
	"crypto/sha256"
	"errors"

	"github.com/touchstone-fido/touchstone/ctap2"
	"github.com/touchstone-fido/touchstone/ctap2/wire"
)

// Bridge makes a U2F key a CTAP2 authenticator for a [ctap2.Client], in the way
// of CTAP 2.3 §10: makeCredential becomes a registration with a fido-u2f
// attestation, getAssertion an authentication. Such an authenticator makes
// ES256 credentials that are not discoverable and verifies no user; getInfo says
// so, and requests for more are refused with the status that a CTAP2
// authenticator has for it.
type Bridge struct {
	device *Device
}

var _ ctap2.Transport = (*Bridge)(nil)

// NewBridge returns a bridge to a device. It sends nothing.
func NewBridge(d *Device) *Bridge { return &Bridge{device: d} }

// Exchange answers a CTAP2 message. It waits for a touch where CTAP2 does, and
// answers KEEPALIVE_CANCEL when ctx ends meanwhile.
func (b *Bridge) Exchange(ctx context.Context, msg []byte) ([]byte, error) {
	body, err := b.answer(ctx, msg)
	var refused ctap2.Status
	switch {
	case err == nil:
		return append([]byte{byte(ctap2.StatusOK)}, body...), nil
	case errors.As(err, &refused):
		return []byte{byte(refused)}, nil
	case ctx.Err() != nil && errors.Is(err, context.Cause(ctx)):
		return []byte{byte(ctap2.StatusKeepaliveCancel)}, nil
	}
	return refuse(err)
}

// refuse turns a status word into the status of CTAP2 that says the same. What
// is no status word is the transport's failure, or the key's.
func refuse(err error) ([]byte, error) {
	var word Status
	if !errors.As(err, &word) {
		return nil, err
	}
	status := ctap2.StatusOther
	switch word {
	case StatusWrongData:
		status = ctap2.StatusInvalidCredential
	case StatusWrongLength:
		status = ctap2.StatusInvalidLength
	case StatusConditions:
		status = ctap2.StatusUPRequired
	case StatusNotAllowed:
		status = ctap2.StatusNotAllowed
	case StatusINSUnsupported, StatusCLAUnsupported:
		status = ctap2.StatusInvalidCommand
	}
	return []byte{byte(status)}, nil
}

// answer is the body of the answer. An error that is a [ctap2.Status] is the
// answer too.
func (b *Bridge) answer(ctx context.Context, msg []byte) ([]byte, error) {
	if len(msg) == 0 {
		return nil, ctap2.StatusInvalidLength
	}
	switch ctap2.Command(msg[0]) {
	case ctap2.CommandGetInfo:
		return b.getInfo(ctx)
	case ctap2.CommandMakeCredential:
		return b.makeCredential(ctx, msg[1:])
	case ctap2.CommandGetAssertion:
		return b.getAssertion(ctx, msg[1:])
	case ctap2.CommandGetNextAssertion:
		return nil, ctap2.StatusNotAllowed
	}
	return nil, ctap2.StatusInvalidCommand
}

// maxMessage is the size in bytes of a request that the bridge takes; what
// reaches the key is one key handle at a time.
const maxMessage = 7609

// getInfo describes the key, having asked it for its version.
func (b *Bridge) getInfo(ctx context.Context) ([]byte, error) {
	version, err := b.device.Version(ctx)
	if err != nil {
		return nil, err
	}
	return wire.Encode(map[int]any{
		0x01: []string{version},
		0x03: make([]byte, 16),
		0x04: map[string]bool{ctap2.OptionRK: false, ctap2.OptionUP: true},
		0x05: maxMessage,
		0x08: MaxKeyHandle,
	})
}

// descriptor is a PublicKeyCredentialDescriptor.
type descriptor struct {
	ID   []byte `cbor:"id"`
	Type string `cbor:"type"`
}

// application is the application parameter of a relying party ID, or of an
// AppID.
func application(id string) []byte {
	h := sha256.Sum256([]byte(id))
	return h[:]
}

// first is the first credential of a list that the key knows, or nil.
func (b *Bridge) first(ctx context.Context, application []byte, list []descriptor) (*descriptor, error) {
	for i := range list {
		if list[i].Type != ctap2.PublicKeyType {
			continue
		}
		known, err := b.device.Known(ctx, application, list[i].ID)
		if err != nil {
			return nil, err
		}
		if known {
			return &list[i], nil
		}
	}
	return nil, nil
}

// common are the members that both requests have, and what makes a bridge refuse
// either.
type common struct {
	hash     []byte
	options  map[string]bool
	param    *[]byte
	protocol uint
}

// check refuses what a U2F key cannot do. The option up has its own meaning in
// each request.
func (c common) check() error {
	switch {
	case len(c.hash) != hashSize:
		return ctap2.StatusInvalidLength
	case c.param != nil && len(*c.param) > 0 || c.protocol > 0 && c.param == nil:
		return ctap2.StatusInvalidParameter // it has no PIN/UV auth protocol
	case c.options[ctap2.OptionUV]:
		return ctap2.StatusInvalidOption
	}
	return nil
}

// probe reports whether the request only asks for a touch.
func (c common) probe() bool { return c.param != nil && len(*c.param) == 0 }

// touch answers such a request: touched, and no PIN is set.
func (b *Bridge) touch(ctx context.Context) error {
	if err := b.device.Touch(ctx); err != nil {
		return err
	}
	return ctap2.StatusPINNotSet
}
