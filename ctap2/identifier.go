package ctap2

import (
	"crypto/aes"
	"crypto/cipher"
	"crypto/hkdf"
	"crypto/sha256"
	"fmt"
)

// identifierSize is the size in bytes of what EncIdentifier and
// EncCredStoreState hide, behind an IV of the same size.
const identifierSize = 16

// DeviceIdentifier decrypts EncIdentifier with a persistent pinUvAuthToken: 16
// bytes that stay the same until the authenticator is reset (CTAP 2.3 §6.4
// member 0x19).
func (i *Info) DeviceIdentifier(persistentToken []byte) ([]byte, error) {
	return openIdentifier(persistentToken, i.EncIdentifier, "encIdentifier")
}

// CredentialStoreState decrypts EncCredStoreState with a persistent
// pinUvAuthToken: 16 bytes that change whenever a discoverable credential is
// made, updated or deleted (CTAP 2.3 §6.4 member 0x1e).
func (i *Info) CredentialStoreState(persistentToken []byte) ([]byte, error) {
	return openIdentifier(persistentToken, i.EncCredStoreState, "encCredStoreState")
}

func openIdentifier(token, encrypted []byte, info string) ([]byte, error) {
	if len(encrypted) != 2*identifierSize {
		return nil, fmt.Errorf("%s of %d bytes, want %d", info, len(encrypted), 2*identifierSize)
	}
	key, err := hkdf.Key(sha256.New, token, make([]byte, 32), info, 16)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", info, err)
	}
	defer clear(key)
	block, err := aes.NewCipher(key)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", info, err)
	}
	out := make([]byte, identifierSize)
	cipher.NewCBCDecrypter(block, encrypted[:identifierSize]).CryptBlocks(out, encrypted[identifierSize:])
	return out, nil
}
