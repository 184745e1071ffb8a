package relyingparty_test

import (
	"bytes"
	"crypto/x509"
	"encoding/hex"
	"encoding/pem"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/go-webauthn/webauthn/protocol/webauthncose"

	"github.com/touchstone-fido/touchstone/ctap2/authdata"
	"github.com/touchstone-fido/touchstone/ctap2/webauthn"
	"github.com/touchstone-fido/touchstone/ctap2/wire"
	"github.com/touchstone-fido/touchstone/fixtures"
)

// What the index says of a registration or an assertion.
const (
	saysChain    = "chain verified to MDS root"
	saysNoChain  = "chain not verified here"
	saysSigned   = "signature verified with its clientDataJSON"
	saysNoClient = "no clientDataJSON"
	saysNone     = "clientDataJSON paired by file and rpIdHash"
)

var (
	indexWords  = regexp.MustCompile("^\\| `([^`]+/(?:attestation|assertion)/[^`]+)` \\|.*\\| [ABCD] \\|([^|]*)\\|")
	indexedPair = regexp.MustCompile(`signature verified with the key of (\S+\.json)`)
)

// words are what the index says of each registration and assertion.
func words(t *testing.T) map[string]string {
	t.Helper()
	text, err := os.ReadFile(filepath.Join(fixtures.Corpus(t), "INDEX.md"))
	if err != nil {
		t.Fatal(err)
	}
	all := map[string]string{}
	for line := range strings.Lines(string(text)) {
		if m := indexWords.FindStringSubmatch(line); m != nil {
			all[m[1]] = strings.TrimSpace(m[2])
		}
	}
	return all
}

// TestCorpusWords holds each registration to the index' words: whether its
// certificate chains to a root, whether its signature holds, and whether its
// client data came with it. What go-webauthn cannot do with the credential later
// is told. An item of the index that is not there fails.
func TestCorpusWords(t *testing.T) {
	said, roots, registrations := words(t), corpusRoots(t), specimens(t, "attestation")
	for _, s := range registrations {
		w := said[s.name]
		delete(said, s.name)
		_, statement, raw, err := webauthn.ParseAttestationObject(s.Response.AttestationObject)
		if err != nil {
			t.Fatal(err)
		}
		data, err := authdata.Parse(raw)
		if err != nil {
			t.Fatal(err)
		}
		if got := strings.Join(s.verdict(t, statement, raw, data, roots), "; "); !strings.HasSuffix(w, got) {
			t.Errorf("%s: %s, the index says %s", s.name, got, w)
		}
		if _, err := webauthncose.ParsePublicKey(data.Credential.PublicKey); err != nil {
			t.Logf("%s: go-webauthn cannot verify assertions by it: %v: %v", s.name, data.Credential.Key.Alg, err)
		}
	}
	for _, s := range specimens(t, "assertion") {
		holdToRegistration(t, s, registrations, said[s.name])
		delete(said, s.name)
	}
	for name := range said {
		t.Errorf("%s is in the index and not in the corpus", name)
	}
}

// verdict is what is found out of a registration, in the index' words.
func (s specimen) verdict(t *testing.T, statement wire.Raw, raw []byte, data authdata.Data, roots *x509.CertPool) []string {
	t.Helper()
	var x struct {
		X5C [][]byte `cbor:"x5c"`
	}
	if err := wire.Decode(statement, &x); err != nil {
		t.Fatal(err)
	}
	if len(x.X5C) == 0 {
		return []string{saysNone}
	}
	all := []string{saysNoChain}
	if chains(t, x.X5C, roots) {
		all[0] = saysChain
	}
	if len(s.Response.ClientDataJSON) == 0 {
		return append(all, saysNoClient)
	}
	y := &tally{t: t, counts: map[string]int{}}
	err := s.register(data, raw, y)
	if _, expired := s.expired(); expired && err != nil {
		s.instead(t, raw, data) // which fails when the signature does not verify
		err = nil
	}
	if err != nil {
		return append(all, err.Error())
	}
	return append(all, saysSigned)
}

// chains reports whether a certificate leads to one of the corpus' roots, at a
// time when it was valid.
func chains(t *testing.T, x5c [][]byte, roots *x509.CertPool) bool {
	t.Helper()
	leaf, err := x509.ParseCertificate(x5c[0])
	if err != nil {
		t.Fatal(err)
	}
	between := x509.NewCertPool()
	for _, der := range x5c[1:] {
		if c, err := x509.ParseCertificate(der); err == nil {
			between.AddCert(c)
		}
	}
	_, err = leaf.Verify(x509.VerifyOptions{
		Roots: roots, Intermediates: between, CurrentTime: leaf.NotBefore.Add(time.Hour), KeyUsages: []x509.ExtKeyUsage{x509.ExtKeyUsageAny},
	})
	return err == nil
}

// corpusRoots are the makers' root certificates.
func corpusRoots(t *testing.T) *x509.CertPool {
	t.Helper()
	text, err := os.ReadFile(filepath.Join(fixtures.Corpus(t), "real", "mds", "attestation-roots.pem"))
	if err != nil {
		t.Fatal(err)
	}
	pool := x509.NewCertPool()
	for block, rest := pem.Decode(text); block != nil; block, rest = pem.Decode(rest) {
		if c, err := x509.ParseCertificate(block.Bytes); err == nil {
			pool.AddCert(c)
		}
	}
	return pool
}

// holdToRegistration holds an assertion to the registration that the index names:
// its key is that credential's, and it is of the same relying party.
func holdToRegistration(t *testing.T, s specimen, all []specimen, w string) {
	t.Helper()
	m := indexedPair.FindStringSubmatch(w)
	if m == nil {
		t.Errorf("%s: the index names no registration: %s", s.name, w)
		return
	}
	i := slices.IndexFunc(all, func(r specimen) bool { return r.name == m[1] })
	if i < 0 {
		t.Logf("%s: its registration %s is not in the corpus", s.name, m[1])
		return
	}
	_, _, raw, err := webauthn.ParseAttestationObject(all[i].Response.AttestationObject)
	if err != nil {
		t.Fatal(err)
	}
	data, err := authdata.Parse(raw)
	if err != nil {
		t.Fatal(err)
	}
	public, err := hex.DecodeString(s.Meta.PublicKey)
	if err != nil || !bytes.Equal(public, data.Credential.PublicKey) || !bytes.Equal(s.ID, data.Credential.ID) {
		t.Errorf("%s: it is not of the credential of %s (%v)", s.name, m[1], err)
	}
}
