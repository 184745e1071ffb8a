package replay

import (
	"bytes"
	"crypto/ecdh"
	"io"

	"github.com/touchstone-fido/touchstone/ctap2"
	"github.com/touchstone-fido/touchstone/ctap2/authdata"
	"github.com/touchstone-fido/touchstone/ctap2/cose"
	"github.com/touchstone-fido/touchstone/ctap2/pinuv"
	"github.com/touchstone-fido/touchstone/ctap2/wire"
	"github.com/touchstone-fido/touchstone/devices/transcript"
)

// vault opens what a tape with a seed has encrypted: the host's private keys are
// somewhere in what its randomness gave. The nil vault opens nothing.
type vault struct {
	secrets map[string]*pinuv.Secret // by request
}

// Bounds of the search for the host's keys.
const (
	randomSize  = 128 << 10 // bytes of randomness that are looked at
	searchSize  = 4 << 10   // bytes from one key to the next
	privateSize = 32
	drawSize    = 4 // what every draw is a multiple of
)

func openVault(tape *transcript.Tape, all []transcript.Exchange) *vault {
	if len(tape.Header.Seed) == 0 {
		return nil
	}
	s := &search{random: make([]byte, randomSize)}
	if _, err := io.ReadFull(transcript.Randomness(tape.Header.Seed), s.random); err != nil {
		return nil
	}
	defer clear(s.random)
	v := &vault{secrets: map[string]*pinuv.Secret{}}
	peers := map[pinuv.Protocol]*ecdh.PublicKey{}
	for _, e := range all {
		q, err := transcript.ParseQuestion(e.Request)
		if e.Kind != transcript.CTAP2 || err != nil {
			continue
		}
		if peer := given(q, e.Answer); peer != nil {
			peers[q.Protocol()] = peer
			continue
		}
		if a, ok := q.Agreement(); ok {
			if secret := s.secret(a, peers[a.Protocol]); secret != nil {
				v.secrets[string(e.Request)] = secret
			}
		}
	}
	return v
}

// given is the key of an answer to getKeyAgreement, nil if it is none.
func given(q transcript.Question, answer []byte) *ecdh.PublicKey {
	if q.Command != ctap2.CommandClientPIN || ctap2.PINSubcommand(q.Sub) != ctap2.PINGetKeyAgreement || len(answer) < 2 {
		return nil
	}
	var a struct {
		Key *cose.Key `cbor:"1,keyasint"`
	}
	if wire.Decode(answer[1:], &a) != nil || a.Key == nil {
		return nil
	}
	peer, err := a.Key.ECDH()
	if err != nil {
		return nil
	}
	return peer
}

// search finds private keys in randomness, one after the other.
type search struct {
	random []byte
	at     int // behind the last key
}

func (s *search) secret(a transcript.Agreement, peer *ecdh.PublicKey) *pinuv.Secret {
	public, err := a.Platform.ECDH()
	if err != nil || peer == nil {
		return nil
	}
	for i := s.at; i+privateSize <= min(s.at+searchSize, len(s.random)); i += drawSize {
		own, err := ecdh.P256().NewPrivateKey(s.random[i : i+privateSize])
		if err != nil || !own.PublicKey().Equal(public) {
			continue
		}
		s.at = i + privateSize
		if secret, err := a.Protocol.Agree(own, peer); err == nil {
			return secret
		}
	}
	return nil
}

func (v *vault) wipe() {
	if v == nil {
		return
	}
	for _, s := range v.secrets {
		s.Wipe()
	}
}

// plain is what a request has encrypted, part by part, nil if it does not open.
func (v *vault) plain(request []byte) (parts [][]byte) {
	if v == nil || v.secrets[string(request)] == nil {
		return nil
	}
	q, err := transcript.ParseQuestion(request)
	if err != nil {
		return nil
	}
	a, _ := q.Agreement()
	for _, enc := range a.Enc {
		part, err := v.secrets[string(request)].Decrypt(enc)
		if err != nil {
			return nil
		}
		parts = append(parts, part)
	}
	return parts
}

// newPIN is the PIN that a request sets, nil if it is not known.
func (v *vault) newPIN(request []byte) []byte {
	parts := v.plain(request)
	if len(parts) == 0 || len(parts[0]) <= pinHashSize {
		return nil
	}
	return bytes.TrimRight(parts[0], "\x00")
}

const pinHashSize = 16

// pinHash is the hash of the PIN that a request proves, nil if it is not known.
func (v *vault) pinHash(request []byte) []byte {
	parts := v.plain(request)
	if len(parts) == 0 || len(parts[len(parts)-1]) != pinHashSize {
		return nil
	}
	return parts[len(parts)-1]
}

// salts are the salts of a request, nil if they are not known.
func (v *vault) salts(request []byte) []byte {
	parts := v.plain(request)
	if len(parts) == 0 {
		return nil
	}
	return parts[0]
}

// token is the token in an answer, nil if it does not open.
func (v *vault) token(request, answer []byte) *pinuv.Token {
	if v == nil || v.secrets[string(request)] == nil || len(answer) < 2 {
		return nil
	}
	var a struct {
		Token []byte `cbor:"2,keyasint"`
	}
	if wire.Decode(answer[1:], &a) != nil {
		return nil
	}
	key, err := v.secrets[string(request)].Decrypt(a.Token)
	if err != nil {
		return nil
	}
	token, err := pinuv.NewToken(v.secrets[string(request)].Protocol(), key)
	if err != nil {
		return nil
	}
	return token
}

// outputs are those of hmac-secret in an answer, nil if they do not open.
func (v *vault) outputs(request, answer []byte) []byte {
	if v == nil || v.secrets[string(request)] == nil || len(answer) < 2 {
		return nil
	}
	var a struct {
		AuthData []byte `cbor:"2,keyasint"`
	}
	if wire.Decode(answer[1:], &a) != nil {
		return nil
	}
	data, err := authdata.Parse(a.AuthData)
	if err != nil {
		return nil
	}
	var enc []byte
	for _, name := range []string{ctap2.ExtensionHMACSecret, ctap2.ExtensionHMACSecretMC} {
		if found, err := data.Extension(name, &enc); err == nil && found && len(enc) > 0 {
			break
		}
	}
	plain, err := v.secrets[string(request)].Decrypt(enc)
	if err != nil {
		return nil
	}
	return plain
}
