package view

import (
	"crypto/x509"
	"encoding/pem"
	"io"
)

// AttestationRoot shows the root certificate of a software key.
type AttestationRoot struct{ Certificate *x509.Certificate }

func (r AttestationRoot) pem() string {
	return string(pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: r.Certificate.Raw}))
}

// Envelope is touchstone/virtual-root/1.
func (r AttestationRoot) Envelope() any {
	return struct {
		Schema      string `json:"schema"`
		Subject     string `json:"subject"`
		Certificate string `json:"certificate"` // PEM
	}{"touchstone/virtual-root/1", r.Certificate.Subject.String(), r.pem()}
}

// Text writes the certificate in PEM.
func (r AttestationRoot) Text(w io.Writer) error {
	_, err := io.WriteString(w, r.pem())
	return err
}
