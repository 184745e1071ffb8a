package virtual

import "context"

// Handler is a key as a transport sees it, with the methods that its model has:
// transports go by whether there is U2F(ctx, apdu) and Wink().
type Handler interface {
	Message(ctx context.Context, msg []byte, keepalive func(status byte)) []byte
	CBOR() bool
	PowerCycle()
	Deselect()
}

var _ Handler = (*Authenticator)(nil)

type (
	winker interface{ Wink() }
	u2fer  interface {
		U2F(ctx context.Context, command []byte) []byte
	}
)

// Handler returns the key for a transport. A key of a model without CTAP1, or
// without a way to show itself, does not have the method for it there.
func (a *Authenticator) Handler() Handler {
	u2f, wink := a.profile.version(versionU2F), a.profile.HID.Wink
	switch {
	case u2f && wink:
		return a
	case u2f:
		return struct {
			Handler
			u2fer
		}{a, a}
	case wink:
		return struct {
			Handler
			winker
		}{a, a}
	}
	return struct{ Handler }{a}
}

// Capabilities is what a key of the model says in its answer to CTAPHID_INIT
// (CTAP 2.3 §11.2.9.1.3): WINK 0x01, CBOR 0x04, NMSG 0x08.
func (p *Profile) Capabilities() (caps byte) {
	const wink, cbor, noMsg = 0x01, 0x04, 0x08
	if p.HID.Capabilities != nil {
		return *p.HID.Capabilities
	}
	if p.HID.Wink {
		caps |= wink
	}
	if p.ctap2() {
		caps |= cbor
	}
	if !p.version(versionU2F) {
		caps |= noMsg
	}
	return caps
}

// CBOR tells whether the key has CTAP2, whatever it says in its answer to
// CTAPHID_INIT.
func (a *Authenticator) CBOR() bool { return a.profile.ctap2() }

// Wink shows the user which key this is (CTAPHID_WINK).
func (a *Authenticator) Wink() { a.cfg.OnWink() }

// Deselect ends a client's session over NFC: it forgets what stateful commands
// could go on with. Tokens stay, as after any other command.
func (a *Authenticator) Deselect() {
	a.mu.Lock()
	defer a.mu.Unlock()
	a.forgetAssertions()
	a.volatile.enumeration = nil
	a.volatile.blobs = pendingBlobs{}
}

// Profile returns a copy of the key's model.
func (a *Authenticator) Profile() *Profile { return a.profile.clone() }
