package relyingparty_test

import (
	"crypto/sha256"
	"crypto/x509"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"net/netip"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/go-webauthn/webauthn/protocol"
	"github.com/go-webauthn/webauthn/protocol/webauthncose"

	"github.com/touchstone-fido/touchstone/ctap2/authdata"
	"github.com/touchstone-fido/touchstone/ctap2/cose"
	"github.com/touchstone-fido/touchstone/ctap2/webauthn"
	"github.com/touchstone-fido/touchstone/ctap2/wire"
	"github.com/touchstone-fido/touchstone/fixtures"
	"github.com/touchstone-fido/touchstone/relyingparty"
)

// shortestChallenge is what go-webauthn's session demands. Suites of others use
// shorter ones.
const shortestChallenge = 16

// specimen is a registration or an assertion of a real key.
type specimen struct {
	name string // of its file, below the corpus
	mark string // how sure the index is that a key made it: A is proof

	ID, RawID webauthn.Bytes
	Response  struct {
		ClientDataJSON, AttestationObject, AuthenticatorData, Signature webauthn.Bytes
	}
	Meta struct {
		CredAlg   cose.Algorithm
		RPID      string `json:"rpId"`
		PublicKey string `json:"credentialPublicKeyCOSE"`
	} `json:"_meta"`

	client struct {
		Challenge webauthn.Bytes
		Origin    string
	}
}

var indexLine = regexp.MustCompile("^\\| `([^`]+)` \\|.* \\| ([ABCD]) \\|")

// marks are how sure the corpus is of each item.
func marks(t *testing.T, corpus string) map[string]string {
	t.Helper()
	text, err := os.ReadFile(filepath.Join(corpus, "INDEX.md"))
	if err != nil {
		t.Fatal(err)
	}
	all := map[string]string{}
	for line := range strings.Lines(string(text)) {
		if m := indexLine.FindStringSubmatch(line); m != nil {
			all[m[1]] = m[2]
		}
	}
	return all
}

func specimens(t *testing.T, kind string) []specimen {
	t.Helper()
	corpus := fixtures.Corpus(t)
	index := marks(t, corpus)
	files, err := filepath.Glob(filepath.Join(corpus, "real", "*", kind, "*.json"))
	if err != nil || len(files) == 0 {
		t.Fatalf("no %s in the corpus (%v)", kind, err)
	}
	var all []specimen
	for _, file := range files {
		text, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		s := specimen{name: strings.TrimPrefix(filepath.ToSlash(file), filepath.ToSlash(corpus)+"/real/")}
		if s.mark = index[s.name]; s.mark == "" {
			t.Errorf("%s is not in the index", s.name)
		}
		if err := json.Unmarshal(text, &s); err != nil {
			t.Errorf("%s does not parse: %v", s.name, err)
			continue
		}
		if len(s.Response.ClientDataJSON) > 0 {
			if err := json.Unmarshal(s.Response.ClientDataJSON, &s.client); err != nil {
				t.Errorf("%s: client data: %v", s.name, err)
			}
		}
		all = append(all, s)
	}
	return all
}

func (s specimen) party() relyingparty.Party {
	return relyingparty.Party{ID: s.Meta.RPID, Name: s.Meta.RPID, Origin: s.client.Origin}
}

// sessionRefuses is why go-webauthn would not have begun this ceremony, though
// it may well verify what came of it.
func (s specimen) sessionRefuses() string {
	if len(s.client.Challenge) < shortestChallenge {
		return fmt.Sprintf("its challenge has %d bytes", len(s.client.Challenge))
	}
	if _, err := netip.ParseAddr(s.Meta.RPID); err == nil {
		return "its relying party ID is an IP address"
	}
	return ""
}

// tally is what became of the specimens.
type tally struct {
	t      *testing.T
	counts map[string]int
	notes  []string
}

func (y *tally) verified(s specimen, how string) { y.counts["mark "+s.mark+" "+how]++ }

// not notes a specimen that go-webauthn does not verify, and why.
func (y *tally) not(s specimen, reason, instead string) {
	y.counts["mark "+s.mark+" not verified by go-webauthn"]++
	y.notes = append(y.notes, fmt.Sprintf("%s (%s): %s; %s", s.name, s.mark, reason, instead))
}

func (y *tally) print() {
	for _, what := range slices.Sorted(maps.Keys(y.counts)) {
		y.t.Logf("%3d %s", y.counts[what], what)
	}
	for _, note := range y.notes {
		y.t.Log(note)
	}
}

const (
	byRelyingParty = "verified, the whole ceremony"
	byProtocol     = "verified, though go-webauthn would not begin such a ceremony"
)

// TestCorpusRegistrations holds go-webauthn's verdict on the registrations of
// real keys to the corpus: all that are proved to be real verify, but for those
// that are listed with the reason.
func TestCorpusRegistrations(t *testing.T) {
	y := &tally{t: t, counts: map[string]int{}}
	for _, s := range specimens(t, "attestation") {
		_, _, raw, err := webauthn.ParseAttestationObject(s.Response.AttestationObject)
		if err != nil {
			t.Errorf("%s does not parse: %v", s.name, err)
			continue
		}
		data, err := authdata.Parse(raw)
		if err != nil {
			t.Errorf("%s does not parse: %v", s.name, err)
			continue
		}
		if reason := whyNotRegistered(s, data); reason != "" {
			if err := s.register(data, raw, y); err == nil {
				t.Errorf("%s verifies, although %s", s.name, reason)
			}
			y.not(s, reason, s.instead(t, raw, data))
			continue
		}
		if err := s.register(data, raw, y); err != nil {
			t.Errorf("%s (%s): %v", s.name, s.mark, err)
		}
	}
	y.print()
	if n := y.counts["mark A "+byRelyingParty]; n < 30 {
		t.Errorf("%d of mark A verify: fewer than there were", n)
	}
}

// whyNotRegistered is why go-webauthn cannot verify a registration.
func whyNotRegistered(s specimen, data authdata.Data) string {
	if len(s.Response.ClientDataJSON) == 0 {
		return "it came without its client data"
	}
	if until, expired := s.expired(); expired {
		return "its attestation certificate was valid until " + until.Format(time.DateOnly)
	}
	if _, err := webauthncose.ParsePublicKey(data.Credential.PublicKey); err != nil && data.Credential.Key.Type == cose.TypeOKP {
		return "its public key is in the form that one browser mangled it to"
	}
	return ""
}

// expired is when the attestation certificate ended, which go-webauthn holds
// against the present and not the time of the registration.
func (s specimen) expired() (time.Time, bool) {
	_, statement, _, err := webauthn.ParseAttestationObject(s.Response.AttestationObject)
	var x struct {
		X5C [][]byte `cbor:"x5c"`
	}
	if err != nil || wire.Decode(statement, &x) != nil || len(x.X5C) == 0 {
		return time.Time{}, false
	}
	c, err := x509.ParseCertificate(x.X5C[0])
	if err != nil {
		return time.Time{}, false
	}
	return c.NotAfter, c.NotAfter.Before(time.Now())
}

// register has the relying party register a specimen.
func (s specimen) register(data authdata.Data, raw []byte, y *tally) error {
	r, err := webauthn.NewRegistrationResponse(s.Response.ClientDataJSON, s.Response.AttestationObject, raw, nil)
	if err != nil {
		return err
	}
	policy := relyingparty.Policy{Algorithms: []cose.Algorithm{data.Credential.Key.Alg}}
	if why := s.sessionRefuses(); why != "" {
		if err := s.registerByProtocol(r, policy); err != nil {
			return err
		}
		y.verified(s, byProtocol)
		y.notes = append(y.notes, fmt.Sprintf("%s (%s): %s, %s", s.name, s.mark, byProtocol, why))
		return nil
	}
	c := &relyingparty.Ceremony{Challenge: s.client.Challenge, Policy: policy}
	registration, err := s.party().Register(c, alice, r)
	if err != nil {
		return err
	}
	y.verified(s, byRelyingParty)
	return registration.Check()
}

// registerByProtocol has go-webauthn verify the response without a session.
func (s specimen) registerByProtocol(r webauthn.RegistrationResponse, policy relyingparty.Policy) error {
	text, err := json.Marshal(r)
	if err != nil {
		return err
	}
	parsed, err := protocol.ParseCredentialCreationResponseBytes(text)
	if err != nil {
		return err
	}
	params := []protocol.CredentialParameter{{Type: protocol.PublicKeyCredentialType, Algorithm: webauthncose.COSEAlgorithmIdentifier(policy.Algorithms[0])}}
	_, err = parsed.Verify(s.client.Challenge.String(), s.Meta.RPID, []string{s.client.Origin}, nil, nil,
		protocol.TopOriginExplicitVerificationMode, false, false, true, nil, params, protocol.AttestationPolicy{}, protocol.SignaturePolicy{})
	return err
}

// instead is what could be verified of a registration without go-webauthn.
func (s specimen) instead(t *testing.T, raw []byte, data authdata.Data) string {
	t.Helper()
	format, statement, _, err := webauthn.ParseAttestationObject(s.Response.AttestationObject)
	if err != nil {
		t.Fatal(err)
	}
	var x struct {
		Algorithm cose.Algorithm `cbor:"alg"`
		Signature []byte         `cbor:"sig"`
		X5C       [][]byte       `cbor:"x5c"`
	}
	if err := wire.Decode(statement, &x); err != nil {
		t.Fatal(err)
	}
	if len(s.Response.ClientDataJSON) == 0 || format != "packed" || len(x.X5C) == 0 {
		return fmt.Sprintf("its parts are read: %s attestation, %v", format, data.Credential.Key.Alg)
	}
	c, err := x509.ParseCertificate(x.X5C[0])
	if err != nil {
		t.Fatal(err)
	}
	key, err := cose.FromPublic(c.PublicKey, x.Algorithm)
	if err != nil {
		t.Fatal(err)
	}
	hash := sha256.Sum256(s.Response.ClientDataJSON)
	if err := key.Verify(slices.Concat(raw, hash[:]), x.Signature); err != nil {
		t.Errorf("%s: %v", s.name, err)
	}
	return "its signature verifies"
}

// TestCorpusAssertions does the same for assertions.
func TestCorpusAssertions(t *testing.T) {
	y := &tally{t: t, counts: map[string]int{}}
	for _, s := range specimens(t, "assertion") {
		public, err := hex.DecodeString(s.Meta.PublicKey)
		if err != nil {
			t.Fatal(err)
		}
		r := webauthn.NewAuthenticationResponse(s.ID, s.Response.ClientDataJSON, s.Response.AuthenticatorData, s.Response.Signature, nil)
		how := byRelyingParty
		if why := s.sessionRefuses(); why != "" {
			how, err = byProtocol, s.assertByProtocol(r, public)
			y.notes = append(y.notes, fmt.Sprintf("%s (%s): %s, %s", s.name, s.mark, byProtocol, why))
		} else {
			stored := []*relyingparty.Registration{{CredentialID: s.ID, PublicKey: public, User: alice}}
			c := &relyingparty.Ceremony{Challenge: s.client.Challenge}
			_, err = s.party().Authenticate(c, stored, r, false)
		}
		if err != nil {
			t.Errorf("%s (%s): %v", s.name, s.mark, err)
			continue
		}
		y.verified(s, how)
	}
	y.print()
	if n := y.counts["mark A "+byRelyingParty]; n < 14 {
		t.Errorf("%d of mark A verify: fewer than there were", n)
	}
}

func (s specimen) assertByProtocol(r webauthn.AuthenticationResponse, public []byte) error {
	text, err := json.Marshal(r)
	if err != nil {
		return err
	}
	parsed, err := protocol.ParseCredentialRequestResponseBytes(text)
	if err != nil {
		return err
	}
	return parsed.Verify(s.client.Challenge.String(), s.Meta.RPID, "", []string{s.client.Origin}, nil, nil,
		protocol.TopOriginExplicitVerificationMode, false, false, true, public, protocol.SignaturePolicy{})
}

// TestCorpusParts has go-webauthn verify what came without WebAuthn: OpenSSH's
// attestations, of which the hash of the client data is known.
func TestCorpusParts(t *testing.T) {
	corpus := fixtures.Corpus(t)
	files, err := filepath.Glob(filepath.Join(corpus, "real", "*", "sshsk", "*.json"))
	if err != nil || len(files) != 4 {
		t.Fatalf("%d files, %v", len(files), err)
	}
	for _, file := range files {
		text, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		var p struct {
			ClientDataHash, AuthData, Sig, Cert fixtures.Hex
		}
		if err := json.Unmarshal(text, &p); err != nil {
			t.Fatal(err)
		}
		object := protocol.AttestationObject{
			RawAuthData: p.AuthData, Format: "packed",
			AttStatement: map[string]any{"alg": int64(cose.ES256), "sig": []byte(p.Sig), "x5c": []any{[]byte(p.Cert)}},
		}
		if err := object.AuthData.Unmarshal(p.AuthData); err != nil {
			t.Errorf("%s: %v", file, err)
			continue
		}
		err = object.VerifyAttestation(p.ClientDataHash, nil, protocol.AttestationPolicy{}, protocol.SignaturePolicy{})
		var detailed *protocol.Error
		if errors.As(err, &detailed) {
			t.Errorf("%s: %v: %s", file, err, detailed.DevInfo)
		} else if err != nil || object.Type != "basic_full" {
			t.Errorf("%s: %s, %v", file, object.Type, err)
		}
	}
}
