package main

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/base64"
	"errors"
	"math/big"
	"strings"
	"testing"
	"time"

	"github.com/golang-jwt/jwt/v5"
)

// authority is a root that certifies signers of BLOBs.
type authority struct {
	t    *testing.T
	key  *ecdsa.PrivateKey
	root *x509.Certificate
}

var (
	due   = time.Date(2025, 1, 1, 0, 0, 0, 0, time.UTC)
	later = due.AddDate(2, 0, 0)
)

func newAuthority(t *testing.T) authority {
	t.Helper()
	a := authority{t: t, key: newKey(t)}
	a.root = a.certify(&x509.Certificate{
		SerialNumber: big.NewInt(1), Subject: pkix.Name{CommonName: "root"}, NotBefore: due.AddDate(-9, 0, 0), NotAfter: due.AddDate(9, 0, 0),
		IsCA: true, BasicConstraintsValid: true,
	}, &a.key.PublicKey)
	return a
}

func newKey(t *testing.T) *ecdsa.PrivateKey {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	return key
}

func (a authority) certify(c *x509.Certificate, key *ecdsa.PublicKey) *x509.Certificate {
	a.t.Helper()
	parent := a.root
	if parent == nil {
		parent = c
	}
	der, err := x509.CreateCertificate(rand.Reader, c, parent, key, a.key)
	if err != nil {
		a.t.Fatal(err)
	}
	made, err := x509.ParseCertificate(der)
	if err != nil {
		a.t.Fatal(err)
	}
	return made
}

// blob is a BLOB signed for that host by a certificate of the year around due.
func (a authority) blob(host string, claims jwt.MapClaims) string {
	a.t.Helper()
	key := newKey(a.t)
	cert := a.certify(&x509.Certificate{
		SerialNumber: big.NewInt(2), DNSNames: []string{host}, NotBefore: due.AddDate(0, -6, 0), NotAfter: due.AddDate(0, 6, 0),
	}, &key.PublicKey)
	token := jwt.NewWithClaims(jwt.SigningMethodES256, claims)
	token.Header["x5c"] = []string{base64.StdEncoding.EncodeToString(cert.Raw), base64.StdEncoding.EncodeToString(a.root.Raw)}
	signed, err := token.SignedString(key)
	if err != nil {
		a.t.Fatal(err)
	}
	return signed
}

// trusting is a verifier in the year after the BLOBs that trusts this root.
func (a authority) trusting() verifier {
	v := verifier{roots: x509.NewCertPool(), now: later, current: func([]byte) error { return errors.New("asked about an old BLOB") }}
	v.roots.AddCert(a.root)
	return v
}

const mds = "mds.fidoalliance.org"

func claims(day string) jwt.MapClaims {
	return jwt.MapClaims{"no": 7, "nextUpdate": day, "entries": []any{
		map[string]any{"metadataStatement": map[string]any{"aaguid": keyA, "description": "Key A"}},
	}}
}

func TestVerify(t *testing.T) {
	a := newAuthority(t)
	good := a.blob(mds, claims("2025-01-01"))
	parts := strings.Split(good, ".")
	unsigned, err := jwt.NewWithClaims(jwt.SigningMethodNone, claims("2025-01-01")).SignedString(jwt.UnsafeAllowNoneSignatureType)
	if err != nil {
		t.Fatal(err)
	}
	for name, c := range map[string]struct {
		blob string
		v    verifier
		ok   bool
	}{
		"good":                        {good, a.trusting(), true},
		"of another root":             {good, newAuthority(t).trusting(), false},
		"of the real roots":           {good, realRoots(t), false},
		"of another host":             {a.blob("example.com", claims("2025-01-01")), a.trusting(), false},
		"not of the signer's time":    {a.blob(mds, claims("2024-01-01")), a.trusting(), false},
		"without a day":               {a.blob(mds, claims("")), a.trusting(), false},
		"changed":                     {parts[0] + "." + parts[1][:20] + "A" + parts[1][21:] + "." + parts[2], a.trusting(), false},
		"unsigned":                    {unsigned, a.trusting(), false},
		"of another BLOB's signer":    {parts[0] + "." + parts[1] + "." + strings.Split(a.blob(mds, claims("2025-01-01")), ".")[2], a.trusting(), false},
		"signature cut off":           {parts[0] + "." + parts[1] + ".", a.trusting(), false},
		"two parts":                   {parts[0] + "." + parts[1], a.trusting(), false},
		"nothing":                     {"", a.trusting(), false},
		"that go-webauthn objects to": {good, withNow(a.trusting(), due), false},
	} {
		s, err := c.v.read([]byte(c.blob + "\n"))
		if (err == nil) != c.ok || err != nil && !errors.Is(err, errSignature) {
			t.Errorf("%s: %v", name, err)
		}
		if c.ok && (s.names[keyA] != "Key A" || s.origin != "FIDO MDS3 BLOB no. 7, next update due 2025-01-01, signature and certificates verified as of that day") {
			t.Errorf("%s: %+v", name, s)
		}
	}
}

func withNow(v verifier, now time.Time) verifier {
	v.now = now
	return v
}

// TestCertificates: what stands in place of a chain is refused.
func TestCertificates(t *testing.T) {
	for _, x5c := range []any{nil, "text", []any{}, []any{7}, []any{"%"}, []any{"AAAA"}} {
		if chain, err := certificates(x5c); err == nil {
			t.Errorf("%v: %v", x5c, chain)
		}
	}
}

// realRoots is a verifier with the real roots, in the year after the BLOBs.
func realRoots(t testing.TB) verifier {
	t.Helper()
	v, err := newVerifier(later)
	if err != nil {
		t.Fatal(err)
	}
	return v
}
