package main

import (
	"crypto/x509"
	_ "embed" // for a root certificate
	"encoding/base64"
	"encoding/pem"
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/go-webauthn/webauthn/metadata"
	"github.com/golang-jwt/jwt/v5"
)

// oldRoot is GlobalSign Root CA - R3, to which BLOBs led until 2025. Later ones
// lead to [metadata.ProductionMDSRoot].
//
//go:embed globalsign-r3.pem
var oldRoot []byte

// errSignature says that a BLOB is not what FIDO signed.
var errSignature = errors.New("the BLOB's signature does not hold")

// verifier holds BLOBs to what signed them.
type verifier struct {
	roots *x509.CertPool
	now   time.Time
	// current verifies a BLOB whose certificate is still good. It may ask the
	// network whether that was revoked.
	current func(blob []byte) error
}

// newVerifier trusts FIDO's two roots.
func newVerifier(now time.Time) (verifier, error) {
	v := verifier{roots: x509.NewCertPool(), now: now, current: decode}
	ders := [][]byte{nil, nil}
	var err error
	if ders[0], err = base64.StdEncoding.DecodeString(metadata.ProductionMDSRoot); err != nil {
		return v, err
	}
	if block, _ := pem.Decode(oldRoot); block != nil {
		ders[1] = block.Bytes
	}
	for _, der := range ders {
		root, err := x509.ParseCertificate(der)
		if err != nil {
			return v, fmt.Errorf("root certificate: %w", err)
		}
		v.roots.AddCert(root)
	}
	return v, nil
}

// decode is go-webauthn's verification.
func decode(blob []byte) error {
	d, err := metadata.NewDecoder(metadata.WithIgnoreEntryParsingErrors())
	if err != nil {
		return err
	}
	_, err = d.DecodeBytes(blob)
	return err
}

// algorithms are those with a public key.
var algorithms = jwt.WithValidMethods([]string{"RS256", "RS384", "RS512", "PS256", "PS384", "PS512", "ES256", "ES384", "ES512"})

// verify checks the signature of a BLOB (MDS 3.1 §3.2) and returns its payload.
// The chain has to hold on the day that the BLOB gives for its next update, so
// that an old one can be told from a forged one. While the signer's certificate
// lasts, go-webauthn has to agree.
func (v verifier) verify(blob []byte) ([]byte, error) {
	var signer *x509.Certificate
	token, err := jwt.NewParser(algorithms, jwt.WithoutClaimsValidation()).Parse(string(blob), func(t *jwt.Token) (any, error) {
		var err error
		if signer, err = v.signer(t); err != nil {
			return nil, err
		}
		return signer.PublicKey, nil
	})
	if err == nil && v.now.Before(signer.NotAfter) {
		err = v.current(blob)
	}
	if err != nil {
		return nil, fmt.Errorf("%w: %w", errSignature, err)
	}
	_, payload, _ := strings.Cut(token.Raw, ".")
	payload, _, _ = strings.Cut(payload, ".")
	return base64.RawURLEncoding.DecodeString(payload)
}

// signer is the certificate of a BLOB, once its chain is found good.
func (v verifier) signer(token *jwt.Token) (*x509.Certificate, error) {
	claims, _ := token.Claims.(jwt.MapClaims)
	day, _ := claims["nextUpdate"].(string)
	due, err := time.Parse(time.DateOnly, day)
	if err != nil {
		return nil, fmt.Errorf("nextUpdate: %w", err)
	}
	chain, err := certificates(token.Header["x5c"])
	if err != nil {
		return nil, err
	}
	between := x509.NewCertPool()
	for _, c := range chain[1:] {
		between.AddCert(c)
	}
	_, err = chain[0].Verify(x509.VerifyOptions{
		DNSName: "mds.fidoalliance.org", Roots: v.roots, Intermediates: between, CurrentTime: due, KeyUsages: []x509.ExtKeyUsage{x509.ExtKeyUsageAny},
	})
	return chain[0], err
}

// certificates reads the header member x5c: at least one certificate, the
// signer's first (RFC 7515 §4.1.6).
func certificates(x5c any) ([]*x509.Certificate, error) {
	list, _ := x5c.([]any)
	if len(list) == 0 {
		return nil, errors.New("no certificate in x5c")
	}
	var chain []*x509.Certificate
	for _, item := range list {
		text, _ := item.(string)
		der, err := base64.StdEncoding.DecodeString(text)
		if err != nil {
			return nil, fmt.Errorf("x5c: %w", err)
		}
		c, err := x509.ParseCertificate(der)
		if err != nil {
			return nil, fmt.Errorf("x5c: %w", err)
		}
		chain = append(chain, c)
	}
	return chain, nil
}
