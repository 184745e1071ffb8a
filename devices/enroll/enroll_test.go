package enroll_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"reflect"
	"slices"
	"testing"

	"github.com/touchstone-fido/touchstone/ctap2"
	"github.com/touchstone-fido/touchstone/ctap2/cose"
	"github.com/touchstone-fido/touchstone/ctap2/pinuv"
	"github.com/touchstone-fido/touchstone/ctap2/webauthn"
	"github.com/touchstone-fido/touchstone/ctap2/wire"
	"github.com/touchstone-fido/touchstone/devices"
	"github.com/touchstone-fido/touchstone/devices/enroll"
	"github.com/touchstone-fido/touchstone/devices/virtual"
	"github.com/touchstone-fido/touchstone/relyingparty"
)

// scene is a software key below an open connection, spied on and, where a test
// wants it, answering for itself.
type scene struct {
	t      *testing.T
	key    *virtual.Authenticator
	conn   *devices.Conn
	asked  []string                                 // what was asked for: command names
	answer func(msg []byte) (reply []byte, ok bool) // in place of the key
}

func newScene(t *testing.T, cfg virtual.Config) *scene {
	t.Helper()
	key, err := virtual.New(cfg)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { key.Close() })
	s := &scene{t: t, key: key}
	s.conn = &devices.Conn{Client: ctap2.New(s, ctap2.Config{}), Info: devices.Info{Transport: devices.USB}}
	return s
}

func (s *scene) Exchange(ctx context.Context, msg []byte) ([]byte, error) {
	name := ctap2.Command(msg[0]).String()
	if ctap2.Command(msg[0]) == ctap2.CommandClientPIN {
		var r struct {
			Subcommand ctap2.PINSubcommand `cbor:"2,keyasint"`
		}
		if err := wire.Decode(msg[1:], &r); err != nil {
			s.t.Fatal(err)
		}
		name = r.Subcommand.String()
	}
	s.asked = append(s.asked, name)
	if s.answer != nil {
		if reply, ok := s.answer(msg); ok {
			return reply, nil
		}
	}
	return s.key.Message(ctx, msg, nil), nil
}

func (s *scene) setPIN(pin string) {
	s.t.Helper()
	if err := s.conn.SetPIN(s.t.Context(), pinuv.Two, []byte(pin)); err != nil {
		s.t.Fatal(err)
	}
	s.asked = nil
}

const (
	rpID   = "example.com"
	origin = "https://example.com"
)

func create(uv, rk enroll.Requirement) enroll.CreateOptions {
	return enroll.CreateOptions{
		RP: ctap2.RelyingParty{ID: rpID}, Origin: origin, Challenge: bytes.Repeat([]byte{1}, 32),
		User: ctap2.User{ID: []byte{1}, Name: "alice"}, Algorithms: []cose.Algorithm{cose.ES256},
		Discoverable: rk, UserVerification: uv, Attestation: webauthn.ConveyanceDirect,
	}
}

func get(uv enroll.Requirement, allow ...[]byte) enroll.GetOptions {
	o := enroll.GetOptions{RPID: rpID, Origin: origin, Challenge: bytes.Repeat([]byte{2}, 32), UserVerification: uv}
	if len(allow) > 0 {
		o.Allow = ctap2.Descriptors(allow...)
	}
	return o
}

// asking answers with a PIN and remembers how it was asked.
func asking(pin string, requests *[]enroll.PINRequest) enroll.Ask {
	return enroll.Ask{PIN: func(_ context.Context, r enroll.PINRequest) ([]byte, error) {
		*requests = append(*requests, r)
		return []byte(pin), nil
	}}
}

// info is a getInfo answer with the given options.
func info(t *testing.T, options map[string]bool, more map[int]any) []byte {
	t.Helper()
	m := map[int]any{1: []string{"FIDO_2_0"}, 3: make([]byte, 16), 4: options}
	for k, v := range more {
		m[k] = v
	}
	b, err := wire.Encode(m)
	if err != nil {
		t.Fatal(err)
	}
	return append([]byte{0}, b...)
}

// TestVerificationTable holds the decision whether and how to verify the user
// to the table of the fact sheet: what is asked of the key, getInfo left out.
func TestVerificationTable(t *testing.T) {
	const retries, agree, legacy, byPIN, byUV = "getPINRetries", "getKeyAgreement", "getPinToken",
		"getPinUvAuthTokenUsingPinWithPermissions", "getPinUvAuthTokenUsingUvWithPermissions"
	const made, got = "authenticatorMakeCredential", "authenticatorGetAssertion"
	type options map[string]bool
	pin := options{"rk": true, "clientPin": true, "pinUvAuthToken": true}
	with := func(o options, more options) options {
		all := options{}
		for k, v := range o {
			all[k] = v
		}
		for k, v := range more {
			all[k] = v
		}
		return all
	}
	for _, c := range []struct {
		name    string
		options options
		uv      enroll.Requirement
		rk      enroll.Requirement
		create  []string
		get     []string
	}{
		{"nothing set up, preferred", options{"rk": true, "clientPin": false}, enroll.Preferred, enroll.Required, []string{made}, []string{got}},
		{"nothing set up, required", options{"rk": true, "clientPin": false}, enroll.Required, enroll.Required, nil, nil},
		{"PIN set, required", pin, enroll.Required, enroll.Required, []string{retries, agree, byPIN, made}, []string{retries, agree, byPIN, got}},
		{"PIN set, preferred", pin, enroll.Preferred, enroll.Required, []string{retries, agree, byPIN, made}, []string{retries, agree, byPIN, got}},
		{"PIN set, discouraged", pin, enroll.Discouraged, enroll.Required, []string{retries, agree, byPIN, made}, []string{got}},
		{"makeCredUvNotRqd, discoverable", with(pin, options{"makeCredUvNotRqd": true}), enroll.Discouraged, enroll.Required, []string{retries, agree, byPIN, made}, []string{got}},
		{"makeCredUvNotRqd, not discoverable", with(pin, options{"makeCredUvNotRqd": true}), enroll.Discouraged, enroll.Discouraged, []string{made}, []string{got}},
		{"alwaysUv", with(pin, options{"alwaysUv": true}), enroll.Discouraged, enroll.Discouraged, []string{retries, agree, byPIN, made}, []string{retries, agree, byPIN, got}},
		{"alwaysUv, nothing set up", options{"alwaysUv": true, "clientPin": false}, enroll.Discouraged, enroll.Discouraged, nil, nil},
		{"CTAP 2.0 key", options{"rk": true, "clientPin": true}, enroll.Required, enroll.Required, []string{retries, agree, legacy, made}, []string{retries, agree, legacy, got}},
		{"PIN may not make credentials", with(pin, options{"noMcGaPermissionsWithClientPin": true}), enroll.Required, enroll.Required, nil, nil},
		{"fingerprint with tokens", with(pin, options{"uv": true}), enroll.Required, enroll.Required, []string{agree, byUV, retries, agree, byPIN, made}, []string{agree, byUV, retries, agree, byPIN, got}},
		{"fingerprint without tokens", options{"rk": true, "uv": true}, enroll.Required, enroll.Required, []string{made}, []string{got}},
		{"no finger enrolled", with(pin, options{"uv": false}), enroll.Required, enroll.Required, []string{retries, agree, byPIN, made}, []string{retries, agree, byPIN, got}},
	} {
		s := newScene(t, virtual.Config{})
		if c.options["clientPin"] {
			s.setPIN("24680")
		}
		s.answer = func(msg []byte) ([]byte, bool) {
			switch {
			case ctap2.Command(msg[0]) == ctap2.CommandGetInfo:
				return info(t, c.options, map[int]any{6: []int{2}}), true
			case s.asked[len(s.asked)-1] == byUV:
				return []byte{byte(ctap2.StatusUVBlocked)}, true
			}
			return nil, false
		}
		check := func(what string, want []string, err error) {
			t.Helper()
			if !slices.Equal(s.asked[1:], want) {
				t.Errorf("%s, %s: asked %v, want %v (%v)", c.name, what, s.asked[1:], want, err)
			}
			if (want == nil) != errors.Is(err, enroll.ErrNoVerification) {
				t.Errorf("%s, %s: %v", c.name, what, err)
			}
			s.asked = nil
		}
		ask := asking("24680", new([]enroll.PINRequest))
		_, err := enroll.Create(t.Context(), s.conn, create(c.uv, c.rk), ask)
		check("create", c.create, err)
		_, err = enroll.Get(t.Context(), s.conn, get(c.uv), ask)
		check("get", c.get, err)
	}
}

// TestUnknownFinger: where a PIN does not authorise credentials, it is not asked
// for when the finger is not known.
func TestUnknownFinger(t *testing.T) {
	s := newScene(t, virtual.Config{})
	s.setPIN("24680")
	options := map[string]bool{"rk": true, "uv": true, "clientPin": true, "pinUvAuthToken": true, "noMcGaPermissionsWithClientPin": true}
	s.answer = func([]byte) ([]byte, bool) {
		switch s.asked[len(s.asked)-1] {
		case "authenticatorGetInfo":
			return info(t, options, map[int]any{6: []int{2}}), true
		case "getPinUvAuthTokenUsingUvWithPermissions":
			return []byte{byte(ctap2.StatusUVInvalid)}, true
		}
		return nil, false
	}
	var requests []enroll.PINRequest
	_, err := enroll.Create(t.Context(), s.conn, create(enroll.Required, enroll.Required), asking("24680", &requests))
	if !errors.Is(err, ctap2.StatusUVInvalid) || len(requests) != 0 {
		t.Errorf("%v after asking for the PIN %d times", err, len(requests))
	}
}

// TestPINThatHasToBeChanged: where verification is only preferred, a key whose
// PIN has to be changed is asked without, and what it wants is told if it refuses.
func TestPINThatHasToBeChanged(t *testing.T) {
	s := newScene(t, virtual.Config{})
	options := map[string]bool{"rk": true, "clientPin": true, "pinUvAuthToken": true}
	s.answer = func(msg []byte) ([]byte, bool) {
		if ctap2.Command(msg[0]) == ctap2.CommandGetInfo {
			return info(t, options, map[int]any{6: []int{2}, 12: true}), true
		}
		return []byte{byte(ctap2.StatusPUATRequired)}, true
	}
	var requests []enroll.PINRequest
	_, err := enroll.Create(t.Context(), s.conn, create(enroll.Preferred, enroll.Required), asking("24680", &requests))
	if !errors.Is(err, enroll.ErrPINChange) || len(requests) != 0 || !slices.Equal(s.asked[1:], []string{"authenticatorMakeCredential"}) {
		t.Errorf("%v after %v", err, s.asked)
	}
}

// register makes a credential and returns its ID.
func (s *scene) register(o enroll.CreateOptions, ask enroll.Ask) *enroll.Created {
	s.t.Helper()
	created, err := enroll.Create(s.t.Context(), s.conn, o, ask)
	if err != nil {
		s.t.Fatal(err)
	}
	return created
}

func TestCeremoniesVerify(t *testing.T) {
	for _, c := range []struct {
		name       string
		attest     virtual.Attestation
		convey     webauthn.Conveyance
		wantFormat string
	}{
		{"basic", virtual.AttestationBasic, webauthn.ConveyanceDirect, "packed"},
		{"self", virtual.AttestationSelf, webauthn.ConveyanceDirect, "packed"},
		{"none", virtual.AttestationBasic, webauthn.ConveyanceNone, "none"},
		{"indirect", virtual.AttestationBasic, webauthn.ConveyanceIndirect, "packed"},
	} {
		profile := virtual.DefaultProfile()
		profile.Attestation.Kind = c.attest
		s := newScene(t, virtual.Config{Profile: profile})
		s.setPIN("24680")
		var requests []enroll.PINRequest
		ask := asking("24680", &requests)
		party := relyingparty.Party{ID: rpID, Origin: origin}
		ceremony, err := party.Begin(relyingparty.Policy{RequireUserVerification: true, Algorithms: []cose.Algorithm{cose.ES256}})
		if err != nil {
			t.Fatal(err)
		}
		o := create(enroll.Required, enroll.Required)
		o.Challenge, o.Attestation = ceremony.Challenge, c.convey
		created := s.register(o, ask)
		r, err := party.Register(ceremony, relyingparty.User{ID: []byte{1}, Name: "alice"}, created.Response)
		if err != nil || r.AttestationFormat != c.wantFormat || !created.Discoverable || created.Verified != "pin" {
			t.Fatalf("%s: %+v, %v", c.name, created, err)
		}
		for _, allow := range [][][]byte{nil, {created.Response.RawID}} {
			ceremony, err := party.Begin(relyingparty.Policy{RequireUserVerification: true})
			if err != nil {
				t.Fatal(err)
			}
			o := get(enroll.Required, allow...)
			o.Challenge = ceremony.Challenge
			got, err := enroll.Get(t.Context(), s.conn, o, ask)
			if err != nil || len(got) != 1 || got[0].Verified != "pin" {
				t.Fatalf("%s: %+v, %v", c.name, got, err)
			}
			if _, err := party.Authenticate(ceremony, []*relyingparty.Registration{r}, got[0].Response, allow == nil); err != nil {
				t.Errorf("%s: %v", c.name, err)
			}
		}
		if len(requests) != 3 || requests[0].Left != 8 {
			t.Errorf("%s: PIN asked for as %+v", c.name, requests)
		}
	}
}

func TestEveryAccountIsAsserted(t *testing.T) {
	s := newScene(t, virtual.Config{})
	for i := range 3 {
		o := create(enroll.Discouraged, enroll.Required)
		o.User = ctap2.User{ID: []byte{byte(i)}, Name: fmt.Sprint("user ", i)}
		s.register(o, enroll.Ask{})
	}
	got, err := enroll.Get(t.Context(), s.conn, get(enroll.Discouraged), enroll.Ask{})
	if err != nil || len(got) != 3 || got[0].User.ID[0] != 2 || got[2].User.ID[0] != 0 {
		t.Errorf("%+v, %v", got, err)
	}
}

func TestNothingIsAskedForABadOrigin(t *testing.T) {
	s := newScene(t, virtual.Config{})
	o := create(enroll.Preferred, enroll.Required)
	o.Origin = "https://example.org"
	if _, err := enroll.Create(t.Context(), s.conn, o, enroll.Ask{}); !errors.Is(err, webauthn.ErrOrigin) {
		t.Errorf("create: %v", err)
	}
	g := get(enroll.Preferred)
	g.Origin = "http://example.com"
	if _, err := enroll.Get(t.Context(), s.conn, g, enroll.Ask{}); !errors.Is(err, webauthn.ErrOrigin) {
		t.Errorf("get: %v", err)
	}
	if len(s.asked) != 0 {
		t.Errorf("asked %v", s.asked)
	}
}

func TestExcluded(t *testing.T) {
	s := newScene(t, virtual.Config{})
	o := create(enroll.Discouraged, enroll.Discouraged)
	created := s.register(o, enroll.Ask{})
	if created.Discoverable || created.Verified != "" {
		t.Errorf("%+v", created)
	}
	o.Exclude = ctap2.Descriptors(created.Response.RawID)
	if _, err := enroll.Create(t.Context(), s.conn, o, enroll.Ask{}); !errors.Is(err, ctap2.StatusCredentialExcluded) {
		t.Errorf("%v", err)
	}
}

func TestKeysThatCannot(t *testing.T) {
	s := newScene(t, virtual.Config{})
	with := func(reply []byte) {
		s.answer = func(msg []byte) ([]byte, bool) { return reply, ctap2.Command(msg[0]) == ctap2.CommandGetInfo }
	}
	with(info(t, map[string]bool{"rk": false}, nil))
	if _, err := enroll.Create(t.Context(), s.conn, create(enroll.Discouraged, enroll.Required), enroll.Ask{}); !errors.Is(err, enroll.ErrUnsupported) {
		t.Errorf("no room for passkeys: %v", err)
	}
	if c := s.register(create(enroll.Discouraged, enroll.Preferred), enroll.Ask{}); c.Discoverable {
		t.Error("preferred became discoverable on a key that cannot")
	}
	with(info(t, map[string]bool{"rk": true, "clientPin": true, "pinUvAuthToken": true}, map[int]any{6: []int{9}}))
	if _, err := enroll.Create(t.Context(), s.conn, create(enroll.Required, enroll.Required), enroll.Ask{}); !errors.Is(err, enroll.ErrUnsupported) {
		t.Errorf("no protocol in common: %v", err)
	}
}

// TestPINIsNotAskedInVain: a PIN that the key would not take is not asked for,
// and a wrong one is tried once.
func TestPINIsNotAskedInVain(t *testing.T) {
	pin := map[string]bool{"rk": true, "clientPin": true, "pinUvAuthToken": true}
	retries := func(members map[int]any) []byte {
		b, err := wire.Encode(members)
		if err != nil {
			t.Fatal(err)
		}
		return append([]byte{0}, b...)
	}
	for _, c := range []struct {
		name    string
		info    []byte
		retries []byte
		want    error
	}{
		{"blocked", info(t, pin, nil), retries(map[int]any{3: 0}), enroll.ErrPINBlocked},
		{"power cycle", info(t, pin, nil), retries(map[int]any{3: 5, 4: true}), enroll.ErrPINPowerCycle},
		{"must be changed", info(t, pin, map[int]any{12: true}), nil, enroll.ErrPINChange},
		{"the key does not tell the tries", info(t, pin, nil), []byte{0x7f}, ctap2.StatusOther},
	} {
		s := newScene(t, virtual.Config{})
		s.answer = func(msg []byte) ([]byte, bool) {
			switch s.asked[len(s.asked)-1] {
			case "authenticatorGetInfo":
				return c.info, true
			case "getPINRetries":
				return c.retries, true
			}
			return nil, false
		}
		var requests []enroll.PINRequest
		_, err := enroll.Create(t.Context(), s.conn, create(enroll.Required, enroll.Required), asking("24680", &requests))
		if !errors.Is(err, c.want) || len(requests) != 0 {
			t.Errorf("%s: %v after asking %d times", c.name, err, len(requests))
		}
	}
	s := newScene(t, virtual.Config{})
	s.setPIN("24680")
	var requests []enroll.PINRequest
	_, err := enroll.Create(t.Context(), s.conn, create(enroll.Required, enroll.Required), asking("13579", &requests))
	var wrong *ctap2.PINError
	if !errors.As(err, &wrong) || wrong.Left != 7 || len(requests) != 1 {
		t.Errorf("a wrong PIN: %v after asking %d times", err, len(requests))
	}
	if _, err := enroll.Create(t.Context(), s.conn, create(enroll.Required, enroll.Required), enroll.Ask{}); !errors.Is(err, enroll.ErrNoPIN) {
		t.Errorf("nobody to ask: %v", err)
	}
	stop := errors.New("the person walked away")
	ask := enroll.Ask{PIN: func(context.Context, enroll.PINRequest) ([]byte, error) { return nil, stop }}
	if _, err := enroll.Create(t.Context(), s.conn, create(enroll.Required, enroll.Required), ask); !errors.Is(err, stop) {
		t.Errorf("%v", err)
	}
	if r, err := s.conn.PINRetries(t.Context()); err != nil || r.Left != 7 {
		t.Errorf("tries left %+v, %v: only one PIN was given", r, err)
	}
}

// TestVerificationOnDemand: a key that wants the user verified although
// nothing said so gets that, once.
func TestVerificationOnDemand(t *testing.T) {
	s := newScene(t, virtual.Config{})
	s.setPIN("24680")
	refusals := 0
	s.answer = func(msg []byte) ([]byte, bool) {
		if ctap2.Command(msg[0]) == ctap2.CommandGetAssertion && refusals == 0 {
			refusals++
			return []byte{byte(ctap2.StatusPUATRequired)}, true
		}
		return nil, false
	}
	created := s.register(create(enroll.Required, enroll.Required), asking("24680", new([]enroll.PINRequest)))
	got, err := enroll.Get(t.Context(), s.conn, get(enroll.Discouraged, created.Response.RawID), asking("24680", new([]enroll.PINRequest)))
	if err != nil || got[0].Verified != "pin" || refusals != 1 {
		t.Errorf("%+v, %v", got, err)
	}
}

// TestPINIsWiped: the flow wipes what it was given.
func TestPINIsWiped(t *testing.T) {
	s := newScene(t, virtual.Config{})
	s.setPIN("24680")
	given := []byte("24680")
	ask := enroll.Ask{PIN: func(context.Context, enroll.PINRequest) ([]byte, error) { return given, nil }}
	s.register(create(enroll.Required, enroll.Required), ask)
	if !bytes.Equal(given, make([]byte, 5)) {
		t.Errorf("the PIN is still %q", given)
	}
}

func TestConveyanceRequests(t *testing.T) {
	s := newScene(t, virtual.Config{})
	var members map[int]any
	s.answer = func(msg []byte) ([]byte, bool) {
		switch ctap2.Command(msg[0]) {
		case ctap2.CommandGetInfo:
			return info(t, map[string]bool{"rk": true, "ep": true}, map[int]any{0x16: []string{"packed"}}), true
		case ctap2.CommandMakeCredential:
			members = nil
			if err := wire.Decode(msg[1:], &members); err != nil {
				t.Fatal(err)
			}
			return []byte{byte(ctap2.StatusOperationDenied)}, true
		}
		return nil, false
	}
	for convey, want := range map[webauthn.Conveyance][2]any{
		webauthn.ConveyanceNone:       {nil, []any{"none"}},
		webauthn.ConveyanceDirect:     {nil, nil},
		webauthn.ConveyanceEnterprise: {uint64(1), nil},
	} {
		o := create(enroll.Discouraged, enroll.Required)
		o.Attestation = convey
		_, _ = enroll.Create(t.Context(), s.conn, o, enroll.Ask{})
		if !reflect.DeepEqual(members[10], want[0]) || !reflect.DeepEqual(members[11], want[1]) {
			t.Errorf("%s: enterpriseAttestation %v, attestationFormatsPreference %v", convey, members[10], members[11])
		}
	}
}
