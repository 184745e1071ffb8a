package ctap2

import (
	"context"
	"errors"
	"fmt"
	"slices"

	"github.com/touchstone-fido/touchstone/ctap2/authdata"
	"github.com/touchstone-fido/touchstone/ctap2/cose"
	"github.com/touchstone-fido/touchstone/ctap2/pinuv"
)

// HMACSecret is one use of the hmac-secret extension in getAssertion (CTAP 2.3
// §12.7), or of hmac-secret-mc in makeCredential (§12.8): it encrypts the salts
// and opens the outputs.
type HMACSecret struct {
	secret *pinuv.Secret
	input  hmacSecretInput
	size   int // of the salts, and so of the outputs, in bytes
}

type hmacSecretInput struct {
	KeyAgreement cose.Key       `cbor:"1,keyasint"`
	SaltEnc      []byte         `cbor:"2,keyasint"`
	SaltAuth     []byte         `cbor:"3,keyasint"`
	Protocol     pinuv.Protocol `cbor:"4,keyasint,omitempty"`
}

// SaltSize is the size of an hmac-secret salt and of an output, in bytes.
const SaltSize = 32

// HMACSecret agrees on a key and prepares one or two salts of 32 bytes; salt2
// may be nil. Close it after use.
func (c *Client) HMACSecret(ctx context.Context, p pinuv.Protocol, salt1, salt2 []byte) (*HMACSecret, error) {
	if len(salt1) != SaltSize || (salt2 != nil && len(salt2) != SaltSize) {
		return nil, fmt.Errorf("hmac-secret: salts of %d and %d bytes, want %d", len(salt1), len(salt2), SaltSize)
	}
	secret, own, err := c.KeyAgreement(ctx, p)
	if err != nil {
		return nil, err
	}
	salts := slices.Concat(salt1, salt2)
	defer clear(salts)
	saltEnc, err := secret.Encrypt(c.rand, salts)
	if err != nil {
		secret.Wipe()
		return nil, err
	}
	h := &HMACSecret{secret: secret, size: len(salts), input: hmacSecretInput{
		KeyAgreement: own, SaltEnc: saltEnc, SaltAuth: secret.Authenticate(saltEnc),
	}}
	if p != pinuv.One {
		h.input.Protocol = p // absent means one; CTAP 2.0 keys do not know the member
	}
	return h, nil
}

// Input is the value for [ExtensionHMACSecret] in a getAssertion request and for
// [ExtensionHMACSecretMC] in a makeCredential request.
func (h *HMACSecret) Input() any { return h.input }

// ErrNoOutput: the authenticator gave no output for an extension.
var ErrNoOutput = errors.New("the authenticator gave no extension output")

// Outputs decrypts the outputs from an assertion's authenticator data: 32 bytes
// for each salt that was given.
func (h *HMACSecret) Outputs(d authdata.Data) ([][]byte, error) {
	return h.outputs(d, ExtensionHMACSecret)
}

// CreationOutputs is [HMACSecret.Outputs] for a new credential's authenticator
// data, from [ExtensionHMACSecretMC].
func (h *HMACSecret) CreationOutputs(d authdata.Data) ([][]byte, error) {
	return h.outputs(d, ExtensionHMACSecretMC)
}

func (h *HMACSecret) outputs(d authdata.Data, extension string) ([][]byte, error) {
	var enc []byte
	ok, err := d.Extension(extension, &enc)
	if err != nil {
		return nil, err
	}
	if !ok {
		return nil, fmt.Errorf("%s: %w", extension, ErrNoOutput)
	}
	plain, err := h.secret.Decrypt(enc)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", extension, err)
	}
	if len(plain) != h.size {
		clear(plain)
		return nil, fmt.Errorf("%s: outputs of %d bytes, want %d", extension, len(plain), h.size)
	}
	return slices.Collect(slices.Chunk(plain, SaltSize)), nil
}

// Close wipes the shared secret.
func (h *HMACSecret) Close() { h.secret.Wipe() }
