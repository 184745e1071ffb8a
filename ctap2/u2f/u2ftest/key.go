// Package u2ftest is a U2F key in memory for tests: it is written from the
// standard by itself, reads APDUs by itself, and is strict about them.
//
//	key, err := u2ftest.New()
//	key.Untouched = 2 // the third request that wants a touch gets it
//	device := u2f.New(key, u2f.Config{})
package u2ftest

import (
	"bytes"
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/sha256"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/binary"
	"fmt"
	"math/big"
	"slices"
	"time"
)

// Key is a U2F key. It is not safe for use by several goroutines at once.
type Key struct {
	// Untouched is how many requests that want a touch are refused before one is
	// granted.
	Untouched int

	// Answer, when not nil and what it returns is not nil, answers in place of
	// the key.
	Answer func(apdu []byte) []byte

	// Asked lists what was asked for: INS and P1 in hex, such as "02 07".
	Asked []string

	// Counter is the number of signatures so far.
	Counter uint32

	attestation *ecdsa.PrivateKey
	certificate []byte
	credentials map[string]credential // by key handle
}

type credential struct {
	application string
	private     *ecdsa.PrivateKey
}

// New makes a key with an attestation certificate of its own.
func New() (*Key, error) {
	private, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		return nil, err
	}
	template := &x509.Certificate{
		SerialNumber: big.NewInt(1), Subject: pkix.Name{CommonName: "U2F test key"},
		NotBefore: time.Unix(0, 0), NotAfter: time.Unix(1<<32, 0),
	}
	der, err := x509.CreateCertificate(rand.Reader, template, template, &private.PublicKey, private)
	if err != nil {
		return nil, err
	}
	return &Key{attestation: private, certificate: der, credentials: map[string]credential{}}, nil
}

// Handles are the key handles made for an application parameter, a hash of 32
// bytes.
func (k *Key) Handles(application []byte) [][]byte {
	var handles [][]byte
	for handle, c := range k.credentials {
		if c.application == string(application) {
			handles = append(handles, []byte(handle))
		}
	}
	return handles
}

// Word is a status word as an answer ends with it.
func Word(sw uint16) []byte { return binary.BigEndian.AppendUint16(nil, sw) }

// U2F answers one request. The error is ctx's own, and for an APDU that is none
// with extended lengths.
func (k *Key) U2F(ctx context.Context, apdu []byte) ([]byte, error) {
	if err := ctx.Err(); err != nil {
		return nil, err
	}
	if len(apdu) < 4 {
		return nil, fmt.Errorf("u2ftest: APDU of %d bytes", len(apdu))
	}
	k.Asked = append(k.Asked, fmt.Sprintf("%02x %02x", apdu[1], apdu[2]))
	if k.Answer != nil {
		if reply := k.Answer(apdu); reply != nil {
			return reply, nil
		}
	}
	if apdu[0] != 0 || apdu[3] != 0 {
		return Word(0x6e00), nil
	}
	return k.run(apdu)
}

func (k *Key) run(apdu []byte) ([]byte, error) {
	switch apdu[1] {
	case 1, 2:
		data, err := body(apdu)
		if err != nil {
			return nil, err
		}
		if apdu[1] == 1 {
			return k.register(data)
		}
		return k.authenticate(apdu[2], data)
	case 3:
		if !bytes.Equal(apdu, []byte{0, 3, 0, 0, 0, 0, 0}) {
			return Word(0x6700), nil
		}
		return append([]byte("U2F_V2"), Word(0x9000)...), nil
	}
	return Word(0x6d00), nil
}

// body holds an APDU to the form with extended lengths and a full Le.
func body(apdu []byte) ([]byte, error) {
	const head = 7
	if len(apdu) < head || apdu[4] != 0 {
		return nil, fmt.Errorf("u2ftest: APDU %x has no extended Lc", apdu)
	}
	end := head + int(apdu[5])<<8 + int(apdu[6])
	if len(apdu) != end+2 || !bytes.Equal(apdu[end:], []byte{0, 0}) {
		return nil, fmt.Errorf("u2ftest: APDU %x has another length, or no full Le", apdu)
	}
	return apdu[head:end], nil
}

func (k *Key) touched() bool {
	if k.Untouched > 0 {
		k.Untouched--
		return false
	}
	return true
}

func sign(private *ecdsa.PrivateKey, parts ...[]byte) ([]byte, error) {
	hash := sha256.Sum256(slices.Concat(parts...))
	return ecdsa.SignASN1(rand.Reader, private, hash[:])
}

// register: the data is challenge and application; what is signed has them the
// other way round.
func (k *Key) register(data []byte) ([]byte, error) {
	if len(data) != 64 {
		return Word(0x6700), nil
	}
	if !k.touched() {
		return Word(0x6985), nil
	}
	private, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		return nil, err
	}
	point, err := private.PublicKey.Bytes()
	if err != nil {
		return nil, err
	}
	handle := fmt.Sprintf("handle %02d", len(k.credentials))
	k.credentials[handle] = credential{string(data[32:]), private}
	signature, err := sign(k.attestation, []byte{0}, data[32:], data[:32], []byte(handle), point)
	return slices.Concat([]byte{5}, point, []byte{byte(len(handle))}, []byte(handle), k.certificate, signature, Word(0x9000)), err
}

func (k *Key) authenticate(control byte, data []byte) ([]byte, error) {
	if len(data) < 65 || len(data) != 65+int(data[64]) {
		return Word(0x6700), nil
	}
	c, ok := k.credentials[string(data[65:])]
	if !ok || c.application != string(data[32:64]) {
		return Word(0x6a80), nil
	}
	flags := byte(1)
	switch {
	case control == 7, control == 3 && !k.touched():
		return Word(0x6985), nil
	case control == 8:
		flags = 0
	}
	k.Counter++
	head := binary.BigEndian.AppendUint32([]byte{flags}, k.Counter)
	signature, err := sign(c.private, data[32:64], head, data[:32])
	return slices.Concat(head, signature, Word(0x9000)), err
}
