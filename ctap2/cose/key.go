package cose

import (
	"crypto"
	"crypto/ecdh"
	"crypto/ecdsa"
	"crypto/ed25519"
	"crypto/elliptic"
	"crypto/rsa"
	"errors"
	"fmt"
	"math/big"

	"filippo.io/mldsa"

	"github.com/touchstone-fido/touchstone/ctap2/wire"
)

// Key types (RFC 9053 §7) and curves (RFC 9053 §7.1).
const (
	TypeOKP = 1
	TypeEC2 = 2
	TypeRSA = 3
	TypeAKP = 7 // algorithm key pair: ML-DSA

	CurveP256    = 1
	CurveP384    = 2
	CurveP521    = 3
	CurveEd25519 = 6
	CurveEd448   = 7
	CurveP256K   = 8
)

// Labels of COSE_Key members. Those below -1 mean different things for each
// key type.
const (
	labelType  = 1
	labelAlg   = 3
	labelCurve = -1 // EC2, OKP
	labelX     = -2 // EC2, OKP
	labelY     = -3 // EC2
	labelN     = -1 // RSA
	labelE     = -2 // RSA
	labelPub   = -1 // AKP
)

// Errors that callers tell apart.
var (
	// ErrUnsupported: the key is well formed, but of a type, curve or
	// algorithm that this package cannot turn into a Go key.
	ErrUnsupported = errors.New("unsupported COSE key")
	// ErrInvalid: members are missing, of the wrong size, or not on the curve.
	ErrInvalid = errors.New("invalid COSE key")
)

// Key is a COSE_Key holding a public key. Which members are set depends on
// Type: EC2 has Curve, X and Y; OKP has Curve and X; RSA has N and E; AKP has
// Pub.
type Key struct {
	Type  int64
	Alg   Algorithm
	Curve int64
	X, Y  []byte // fixed width, big endian
	N, E  []byte // big endian
	Pub   []byte
}

// Parse reads exactly one COSE_Key.
func Parse(b []byte) (Key, error) {
	k, rest, err := ParseFirst(b)
	if err != nil {
		return Key{}, err
	}
	if len(rest) > 0 {
		return Key{}, fmt.Errorf("%w: %d trailing bytes", ErrInvalid, len(rest))
	}
	return k, nil
}

// ParseFirst reads the COSE_Key at the start of b and returns the bytes after
// it. Members it does not know are skipped; a key type it does not know leaves
// only Type and Alg set. Ed25519 keys in the form that one browser mangled them
// to are read too.
func ParseFirst(b []byte) (key Key, rest []byte, err error) {
	if isMangled(b) {
		return parseMangled(b)
	}
	var m map[int64]wire.Raw
	rest, err = wire.DecodeFirst(b, &m)
	if err != nil {
		return Key{}, nil, fmt.Errorf("%w: %w", ErrInvalid, err)
	}
	key, err = fromMap(m)
	if err != nil {
		return Key{}, nil, err
	}
	return key, rest, nil
}

func fromMap(m map[int64]wire.Raw) (Key, error) {
	var k Key
	f := fields{m: m}
	f.read(labelType, "kty", &k.Type)
	if _, ok := m[labelAlg]; ok {
		f.read(labelAlg, "alg", &k.Alg)
	}
	switch k.Type {
	case TypeEC2:
		f.read(labelCurve, "crv", &k.Curve)
		f.read(labelX, "x", &k.X)
		f.read(labelY, "y", &k.Y)
	case TypeOKP:
		f.read(labelCurve, "crv", &k.Curve)
		f.read(labelX, "x", &k.X)
	case TypeRSA:
		f.read(labelN, "n", &k.N)
		f.read(labelE, "e", &k.E)
	case TypeAKP:
		f.read(labelPub, "pub", &k.Pub)
	}
	return k, f.err
}

// fields reads required members until the first error.
type fields struct {
	m   map[int64]wire.Raw
	err error
}

func (f *fields) read(label int64, name string, into any) {
	if f.err != nil {
		return
	}
	raw, ok := f.m[label]
	if !ok {
		f.err = fmt.Errorf("%w: member %s (%d) is missing", ErrInvalid, name, label)
		return
	}
	if err := wire.Decode(raw, into); err != nil {
		f.err = fmt.Errorf("%w: member %s (%d): %w", ErrInvalid, name, label, err)
	}
}

// MarshalCBOR encodes the key canonically, with exactly the members its type
// has (WebAuthn L3 §6.5.1.1). An algorithm of 0 is left out.
func (k Key) MarshalCBOR() ([]byte, error) {
	m := map[int64]any{labelType: k.Type}
	if k.Alg != noneSeen {
		m[labelAlg] = int64(k.Alg)
	}
	switch k.Type {
	case TypeEC2:
		m[labelCurve], m[labelX], m[labelY] = k.Curve, k.X, k.Y
	case TypeOKP:
		m[labelCurve], m[labelX] = k.Curve, k.X
	case TypeRSA:
		m[labelN], m[labelE] = k.N, k.E
	case TypeAKP:
		m[labelPub] = k.Pub
	default:
		return nil, fmt.Errorf("%w: key type %d", ErrUnsupported, k.Type)
	}
	return wire.Encode(m)
}

// UnmarshalCBOR reads exactly one COSE_Key, as [Parse] does.
func (k *Key) UnmarshalCBOR(b []byte) error {
	parsed, err := Parse(b)
	if err != nil {
		return err
	}
	*k = parsed
	return nil
}

// Public returns the key as an [*ecdsa.PublicKey], [ed25519.PublicKey],
// [*rsa.PublicKey] or [*mldsa.PublicKey], checked to be on its curve and of its
// size. Other keys are [ErrUnsupported].
func (k Key) Public() (crypto.PublicKey, error) {
	switch {
	case k.Type == TypeEC2:
		return k.ecdsa()
	case k.Type == TypeOKP && k.Curve == CurveEd25519:
		if len(k.X) != ed25519.PublicKeySize {
			return nil, fmt.Errorf("%w: Ed25519 key of %d bytes", ErrInvalid, len(k.X))
		}
		return ed25519.PublicKey(k.X), nil
	case k.Type == TypeRSA:
		return k.rsa()
	case k.Type == TypeAKP:
		return k.mldsa()
	}
	return nil, fmt.Errorf("%w: type %d, curve %d, %v", ErrUnsupported, k.Type, k.Curve, k.Alg)
}

var curves = map[int64]elliptic.Curve{
	CurveP256: elliptic.P256(),
	CurveP384: elliptic.P384(),
	CurveP521: elliptic.P521(),
}

func (k Key) ecdsa() (*ecdsa.PublicKey, error) {
	curve, ok := curves[k.Curve]
	if !ok {
		return nil, fmt.Errorf("%w: EC2 curve %d", ErrUnsupported, k.Curve)
	}
	point, err := k.point((curve.Params().BitSize + 7) / 8)
	if err != nil {
		return nil, err
	}
	pub, err := ecdsa.ParseUncompressedPublicKey(curve, point)
	if err != nil {
		return nil, fmt.Errorf("%w: %w", ErrInvalid, err)
	}
	return pub, nil
}

// point is the uncompressed SEC 1 form of an EC2 key; size is that of one
// coordinate in bytes.
func (k Key) point(size int) ([]byte, error) {
	if len(k.X) != size || len(k.Y) != size {
		return nil, fmt.Errorf("%w: coordinates of %d and %d bytes, want %d", ErrInvalid, len(k.X), len(k.Y), size)
	}
	return append(append([]byte{4}, k.X...), k.Y...), nil
}

const maxRSABytes = 1024

func (k Key) rsa() (*rsa.PublicKey, error) {
	n := new(big.Int).SetBytes(k.N)
	e := new(big.Int).SetBytes(k.E)
	if len(k.N) > maxRSABytes || n.BitLen() < 1024 || !e.IsInt64() || e.Int64() < 3 || e.Int64() > 1<<31-1 {
		return nil, fmt.Errorf("%w: RSA modulus of %d bits, exponent of %d bytes", ErrInvalid, n.BitLen(), len(k.E))
	}
	return &rsa.PublicKey{N: n, E: int(e.Int64())}, nil
}

// ECDH returns a P-256 key for key agreement (CTAP 2.3 §6.5.6), checked to be
// on the curve. The algorithm member is not looked at: it is a label that some
// keys get wrong.
func (k Key) ECDH() (*ecdh.PublicKey, error) {
	if k.Type != TypeEC2 || k.Curve != CurveP256 {
		return nil, fmt.Errorf("%w: key agreement wants EC2 on P-256, got type %d curve %d", ErrUnsupported, k.Type, k.Curve)
	}
	point, err := k.point(32)
	if err != nil {
		return nil, err
	}
	pub, err := ecdh.P256().NewPublicKey(point)
	if err != nil {
		return nil, fmt.Errorf("%w: %w", ErrInvalid, err)
	}
	return pub, nil
}

// KeyAgreement is the COSE form of a P-256 key agreement key: exactly
// {1:2, 3:-25, -1:1, -2:x, -3:y} (CTAP 2.3 §6.5.6).
func KeyAgreement(pub *ecdh.PublicKey) Key {
	p := pub.Bytes()
	return Key{Type: TypeEC2, Alg: ECDHES, Curve: CurveP256, X: p[1:33], Y: p[33:65]}
}

// FromPublic is the COSE form of an ECDSA key on a NIST curve, of an Ed25519, an
// RSA or an ML-DSA key, labelled with alg. Other keys are [ErrUnsupported].
func FromPublic(pub crypto.PublicKey, alg Algorithm) (Key, error) {
	switch pub := pub.(type) {
	case *ecdsa.PublicKey:
		return fromECDSA(pub, alg)
	case ed25519.PublicKey:
		return Key{Type: TypeOKP, Alg: alg, Curve: CurveEd25519, X: pub}, nil
	case *rsa.PublicKey:
		return Key{Type: TypeRSA, Alg: alg, N: pub.N.Bytes(), E: big.NewInt(int64(pub.E)).Bytes()}, nil
	case *mldsa.PublicKey:
		return Key{Type: TypeAKP, Alg: alg, Pub: pub.Bytes()}, nil
	}
	return Key{}, fmt.Errorf("%w: %T", ErrUnsupported, pub)
}

func fromECDSA(pub *ecdsa.PublicKey, alg Algorithm) (Key, error) {
	for id, curve := range curves {
		if curve == pub.Curve {
			p, err := pub.Bytes()
			if err != nil {
				return Key{}, fmt.Errorf("%w: %w", ErrInvalid, err)
			}
			size := (len(p) - 1) / 2
			return Key{Type: TypeEC2, Alg: alg, Curve: id, X: p[1 : 1+size], Y: p[1+size:]}, nil
		}
	}
	return Key{}, fmt.Errorf("%w: curve %v", ErrUnsupported, pub.Curve.Params().Name)
}
