package u2f

import (
	"bytes"
	"crypto/sha256"
	"encoding/asn1"
	"encoding/binary"
	"errors"
	"fmt"
	"math/big"
)

// instruction is the INS byte of a request.
type instruction byte

// Instructions (U2F Raw Message Formats 1.2 §4 to §6).
const (
	insRegister     instruction = 0x01
	insAuthenticate instruction = 0x02
	insVersion      instruction = 0x03
)

var instructionNames = map[instruction]string{
	insRegister:     "U2F_REGISTER",
	insAuthenticate: "U2F_AUTHENTICATE",
	insVersion:      "U2F_VERSION",
}

// String is the standard's name of the instruction.
func (i instruction) String() string { return instructionNames[i] }

// Control says what an authenticate request is for, its P1 (U2F Raw Message
// Formats 1.2 §5.1).
type Control byte

// Kinds of authenticate request.
const (
	CheckOnly   Control = 0x07 // whether the key handle is known; signs nothing
	Enforce     Control = 0x03 // sign after a touch
	DontEnforce Control = 0x08 // sign without; since 1.2
)

// MaxKeyHandle is the longest key handle in bytes.
const MaxKeyHandle = 255

// Sizes in bytes.
const (
	pointSize = 65 // an uncompressed point on P-256
	hashSize  = sha256.Size
)

// ErrMalformed: an answer that is not what the standard lets it be.
var ErrMalformed = errors.New("malformed U2F answer")

// request writes a request as an APDU with extended lengths. One without data
// has no Lc.
func request(ins instruction, p1 byte, data []byte) []byte {
	apdu := []byte{0, byte(ins), p1, 0, 0}
	if len(data) > 0 {
		apdu = binary.BigEndian.AppendUint16(apdu, uint16(len(data)))
		apdu = append(apdu, data...)
	}
	return append(apdu, 0, 0)
}

// split takes the status word off an answer.
func split(answer []byte) ([]byte, Status, error) {
	n := len(answer) - 2
	if n < 0 {
		return nil, 0, fmt.Errorf("%w: %d bytes, no status word", ErrMalformed, len(answer))
	}
	return answer[:n:n], Status(binary.BigEndian.Uint16(answer[n:])), nil
}

// Registration is the answer to a register request (U2F Raw Message Formats 1.2
// §4.3).
type Registration struct {
	PublicKey   []byte // a point on P-256, uncompressed, 65 bytes
	KeyHandle   []byte // 1 to 255 bytes
	Certificate []byte // the attestation certificate in DER, as it was sent
	Signature   []byte // by the certificate's key, in DER
}

// registrationReserved is the first byte of every registration.
const registrationReserved = 0x05

// ParseRegistration reads the answer to a register request without its status
// word, all of it. The certificate is as long as its DER header says, and the
// signature is the rest. The error wraps [ErrMalformed].
func ParseRegistration(b []byte) (*Registration, error) {
	if len(b) < 2+pointSize {
		return nil, fmt.Errorf("%w: registration of %d bytes", ErrMalformed, len(b))
	}
	if b[0] != registrationReserved {
		return nil, fmt.Errorf("%w: registration begins with 0x%02x, want 0x%02x", ErrMalformed, b[0], registrationReserved)
	}
	point, n, rest := b[1:1+pointSize], int(b[1+pointSize]), b[2+pointSize:]
	if n == 0 || n > len(rest) {
		return nil, fmt.Errorf("%w: key handle of %d bytes, %d left", ErrMalformed, n, len(rest))
	}
	certificate, signature, err := splitCertificate(rest[n:])
	if err != nil {
		return nil, err
	}
	r := &Registration{PublicKey: point, KeyHandle: rest[:n:n], Certificate: certificate, Signature: signature}
	if _, err := r.Key(); err != nil {
		return nil, fmt.Errorf("%w: public key: %w", ErrMalformed, err)
	}
	return r, nil
}

// splitCertificate cuts off a certificate, an ASN.1 SEQUENCE, and holds what
// follows to be one signature and nothing else.
func splitCertificate(b []byte) (certificate, signature []byte, err error) {
	var c asn1.RawValue
	signature, err = asn1.Unmarshal(b, &c)
	if err != nil {
		return nil, nil, fmt.Errorf("%w: certificate: %w", ErrMalformed, err)
	}
	if c.Class != asn1.ClassUniversal || c.Tag != asn1.TagSequence || !c.IsCompound {
		return nil, nil, fmt.Errorf("%w: certificate begins with 0x%02x", ErrMalformed, b[0])
	}
	return c.FullBytes, signature, checkSignature(signature)
}

// checkSignature holds an ECDSA signature to its form: a SEQUENCE of two
// positive INTEGERs in DER, without anything after it.
func checkSignature(der []byte) error {
	var s struct{ R, S *big.Int }
	rest, err := asn1.Unmarshal(der, &s)
	switch {
	case err != nil:
		return fmt.Errorf("%w: signature: %w", ErrMalformed, err)
	case len(rest) > 0:
		return fmt.Errorf("%w: %d bytes after the signature", ErrMalformed, len(rest))
	case s.R.Sign() <= 0 || s.S.Sign() <= 0:
		return fmt.Errorf("%w: signature with a number that is not positive", ErrMalformed)
	}
	// Unmarshal passes over what a SEQUENCE has too much.
	if again, err := asn1.Marshal(s); err != nil || !bytes.Equal(again, der) {
		return fmt.Errorf("%w: signature with more than two numbers", ErrMalformed)
	}
	return nil
}

// Authentication is the answer to an authenticate request that signs (U2F Raw
// Message Formats 1.2 §5.4).
type Authentication struct {
	Flags     byte // bit 0 is user presence, the others are reserved
	Counter   uint32
	Signature []byte // by the credential's key, in DER
}

// FlagUserPresent is the only flag that there is.
const FlagUserPresent = 0x01

// ParseAuthentication reads the answer to an authenticate request without its
// status word, all of it. The error wraps [ErrMalformed].
func ParseAuthentication(b []byte) (*Authentication, error) {
	const head = 1 + 4
	if len(b) < head {
		return nil, fmt.Errorf("%w: authentication of %d bytes", ErrMalformed, len(b))
	}
	if err := checkSignature(b[head:]); err != nil {
		return nil, err
	}
	return &Authentication{Flags: b[0], Counter: binary.BigEndian.Uint32(b[1:head]), Signature: b[head:]}, nil
}
