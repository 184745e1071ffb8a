package manage_test

import (
	"bytes"
	"context"
	"fmt"
	"slices"
	"testing"

	"github.com/touchstone-fido/touchstone/ctap2"
	"github.com/touchstone-fido/touchstone/ctap2/cose"
	"github.com/touchstone-fido/touchstone/ctap2/pinuv"
	"github.com/touchstone-fido/touchstone/ctap2/wire"
	"github.com/touchstone-fido/touchstone/devices"
	"github.com/touchstone-fido/touchstone/devices/enroll"
	"github.com/touchstone-fido/touchstone/devices/manage"
	"github.com/touchstone-fido/touchstone/devices/virtual"
)

const pin = "24680"

// rig is a software key below an open connection, spied on and, where a test wants
// it, answering for itself.
type rig struct {
	t      *testing.T
	key    *virtual.Authenticator
	conn   *devices.Conn
	sent   []string                                 // commands and subcommands by name
	answer func(msg []byte) (reply []byte, ok bool) // in place of the key
	asked  int                                      // how often for the PIN
	told   int                                      // how often of built-in verification
	types  string                                   // what the person takes for the PIN
}

func newRig(t *testing.T, profile *virtual.Profile, finger virtual.Finger) *rig {
	t.Helper()
	key, err := virtual.New(virtual.Config{Profile: profile, Finger: finger})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { key.Close() })
	r := &rig{t: t, key: key, types: pin}
	r.conn = &devices.Conn{Client: ctap2.New(r, ctap2.Config{}), Info: devices.Info{Transport: devices.USB, Product: "rig"}}
	return r
}

// Exchange notes what is asked, getInfo and what PINs need left out.
func (r *rig) Exchange(ctx context.Context, msg []byte) ([]byte, error) {
	if name := nameOf(r.t, msg); name != "" {
		r.sent = append(r.sent, name)
	}
	if r.answer != nil {
		if reply, ok := r.answer(msg); ok {
			return reply, nil
		}
	}
	return r.key.Message(ctx, msg, nil), nil
}

// nameOf is the standard's name of what a message asks for.
func nameOf(t *testing.T, msg []byte) string {
	var m map[uint64]any
	if len(msg) > 1 {
		if err := wire.Decode(msg[1:], &m); err != nil {
			t.Fatal(err)
		}
	}
	one, _ := m[1].(uint64)
	two, _ := m[2].(uint64)
	switch command := ctap2.Command(msg[0]); command {
	case ctap2.CommandGetInfo:
		return ""
	case ctap2.CommandClientPIN:
		if sub := ctap2.PINSubcommand(two); sub != ctap2.PINGetRetries && sub != ctap2.PINGetKeyAgreement {
			return sub.String()
		}
		return ""
	case ctap2.CommandCredentialManagement, ctap2.CommandCredManagementPre:
		return ctap2.CredMgmtSubcommand(one).String()
	case ctap2.CommandBioEnrollment, ctap2.CommandBioEnrollmentPre:
		return ctap2.BioSubcommand(two).String()
	case ctap2.CommandConfig:
		return ctap2.ConfigSubcommand(one).String()
	case ctap2.CommandLargeBlobs:
		if _, get := m[1]; get {
			return "get"
		}
		return "set"
	default:
		return command.String()
	}
}

// protected is a key of this model with a PIN.
func protected(t *testing.T, profile *virtual.Profile, finger virtual.Finger) *rig {
	t.Helper()
	r := newRig(t, profile, finger)
	r.setPIN()
	return r
}

func (r *rig) setPIN() {
	r.t.Helper()
	if err := r.conn.SetPIN(r.t.Context(), r.info().PINUVAuthProtocol(), []byte(pin)); err != nil {
		r.t.Fatal(err)
	}
	r.sent = nil
}

func (r *rig) info() *ctap2.Info {
	r.t.Helper()
	info, err := r.conn.GetInfo(r.t.Context())
	if err != nil {
		r.t.Fatal(err)
	}
	return info
}

// open opens the key for managing.
func (r *rig) open() *manage.Key {
	r.t.Helper()
	ask := manage.Ask{BuiltIn: func() { r.told++ }}
	ask.PIN = func(_ context.Context, q enroll.PINRequest) ([]byte, error) {
		r.asked++
		return []byte(r.types), nil
	}
	k, err := manage.Open(r.t.Context(), r.conn, ask)
	if err != nil {
		r.t.Fatal(err)
	}
	r.sent, r.asked, r.told = nil, 0, 0
	return k
}

// make makes a passkey and returns its ID. A PIN must be set.
func (r *rig) make(rpID, user string, x ctap2.CreationExtensions) []byte {
	r.t.Helper()
	q := &ctap2.MakeCredentialRequest{
		ClientDataHash: make([]byte, 32), RP: ctap2.RelyingParty{ID: rpID, Name: "The " + rpID},
		User:       ctap2.User{ID: []byte("id of " + user), Name: user, DisplayName: "Display " + user},
		Parameters: ctap2.Parameters(cose.ES256), Options: map[string]bool{"rk": true}, Extensions: x.Inputs(),
	}
	q.Authorize(r.token(ctap2.PermissionMakeCredential, rpID))
	made, err := r.conn.MakeCredential(r.t.Context(), q)
	if err != nil {
		r.t.Fatal(err)
	}
	r.sent = nil
	return made.AuthData.Credential.ID
}

func (r *rig) token(p ctap2.Permission, rpID string) *pinuv.Token {
	r.t.Helper()
	info, ctx := r.info(), r.t.Context()
	if tokens, _ := info.Option(ctap2.OptionPINUVAuthToken); !tokens {
		token, err := r.conn.PINToken(ctx, info.PINUVAuthProtocol(), []byte(pin))
		if err != nil {
			r.t.Fatal(err)
		}
		return token
	}
	token, err := r.conn.PINTokenWithPermissions(ctx, info.PINUVAuthProtocol(), []byte(pin), p, rpID)
	if err != nil {
		r.t.Fatal(err)
	}
	return token
}

// wantSent compares what was asked of the key since it was opened.
func (r *rig) wantSent(want ...string) {
	r.t.Helper()
	if !slices.Equal(r.sent, want) {
		r.t.Errorf("asked for %q\nwant %q", r.sent, want)
	}
}

// refusing answers messages of this name with a status, or with success and
// nothing done where it is 0.
func (r *rig) refusing(name string, status ctap2.Status) {
	r.answer = func(msg []byte) ([]byte, bool) {
		return []byte{byte(status)}, nameOf(r.t, msg) == name
	}
}

// changing changes the answers to messages of this name, as maps.
func (r *rig) changing(name string, change func(map[any]any)) {
	r.answer = func(msg []byte) ([]byte, bool) {
		if nameOf(r.t, msg) != name {
			return nil, false
		}
		reply := r.key.Message(r.t.Context(), msg, nil)
		if len(reply) == 1 {
			return reply, true
		}
		var m map[any]any
		if err := wire.Decode(reply[1:], &m); err != nil {
			r.t.Fatal(err)
		}
		change(m)
		body, err := wire.Encode(m)
		if err != nil {
			r.t.Fatal(err)
		}
		return append([]byte{0}, body...), true
	}
}

// preview is a key of FIDO_2_1_PRE, with prototypes of the commands.
func preview() *virtual.Profile {
	p := virtual.DefaultProfile()
	p.Versions = []string{"FIDO_2_0", "FIDO_2_1_PRE"}
	p.PINProtocols = []pinuv.Protocol{pinuv.One}
	p.Extensions = []string{"credProtect", "hmac-secret"}
	p.Options = map[string]bool{"rk": true, "up": true, "clientPin": false, "credentialMgmtPreview": true}
	p.LargeBlobs, p.ConfigCommands, p.EncIdentifier, p.EncStoreState = 0, nil, false, false
	p.PIN.Complexity, p.Reset.LongTouch, p.PIN.MaxRPIDs = nil, nil, 0
	return p
}

func text[T any](v T) string { return fmt.Sprintf("%+v", v) }

func is[T any](t *testing.T, what string, got, want T) {
	t.Helper()
	if text(got) != text(want) {
		t.Errorf("%s: %+v\nwant %+v", what, got, want)
	}
}

func repeated(b byte, n int) []byte { return bytes.Repeat([]byte{b}, n) }
