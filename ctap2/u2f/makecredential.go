package u2f

import (
	"context"
	"slices"

	"github.com/touchstone-fido/touchstone/ctap2"
	"github.com/touchstone-fido/touchstone/ctap2/authdata"
	"github.com/touchstone-fido/touchstone/ctap2/cose"
	"github.com/touchstone-fido/touchstone/ctap2/wire"
)

// creation is what a bridge reads of makeCredential's parameters. Extensions are
// left unread, as by an authenticator that has none.
type creation struct {
	Hash []byte `cbor:"1,keyasint"`
	RP   struct {
		ID string `cbor:"id"`
	} `cbor:"2,keyasint"`
	Parameters []struct {
		Algorithm cose.Algorithm `cbor:"alg"`
		Type      string         `cbor:"type"`
	} `cbor:"4,keyasint"`
	ExcludeList []descriptor    `cbor:"5,keyasint"`
	Options     map[string]bool `cbor:"7,keyasint"`
	Param       *[]byte         `cbor:"8,keyasint"`
	Protocol    uint            `cbor:"9,keyasint"`
	Enterprise  uint            `cbor:"10,keyasint"`
}

// makeCredential registers (CTAP 2.3 §10.2).
func (b *Bridge) makeCredential(ctx context.Context, params []byte) ([]byte, error) {
	var r creation
	if err := wire.Decode(params, &r); err != nil {
		return nil, ctap2.StatusInvalidCBOR
	}
	c := common{hash: r.Hash, options: r.Options, param: r.Param, protocol: r.Protocol}
	if c.probe() {
		return nil, b.touch(ctx)
	}
	if err := r.check(c); err != nil {
		return nil, err
	}
	app := application(r.RP.ID)
	excluded, err := b.first(ctx, app, r.ExcludeList)
	if err != nil {
		return nil, err
	}
	if excluded != nil {
		if err := b.device.Touch(ctx); err != nil {
			return nil, err
		}
		return nil, ctap2.StatusCredentialExcluded
	}
	made, err := b.device.Register(ctx, r.Hash, app)
	if err != nil {
		return nil, err
	}
	return made.attestation(app)
}

func (r *creation) check(c common) error {
	up, sent := r.Options[ctap2.OptionUP]
	switch err := c.check(); {
	case err != nil:
		return err
	case r.RP.ID == "":
		return ctap2.StatusMissingParameter
	case r.Options[ctap2.OptionRK]:
		return ctap2.StatusUnsupportedOption
	case sent && !up:
		return ctap2.StatusInvalidOption
	case r.Enterprise != 0:
		return ctap2.StatusInvalidParameter
	case !r.takesES256():
		return ctap2.StatusUnsupportedAlgorithm
	}
	return nil
}

func (r *creation) takesES256() bool {
	for _, p := range r.Parameters {
		if p.Algorithm == cose.ES256 && p.Type == ctap2.PublicKeyType {
			return true
		}
	}
	return false
}

// attestation is the answer to makeCredential for a registration: authenticator
// data with the user present, a counter and an AAGUID of zero and the key handle
// as credential ID, and a statement in the format fido-u2f (WebAuthn L3 §8.6).
func (r *Registration) attestation(application []byte) ([]byte, error) {
	key, err := r.Key()
	if err != nil {
		return nil, err
	}
	data := authdata.Data{Flags: authdata.FlagUP, Credential: &authdata.Credential{ID: r.KeyHandle, Key: key}}
	copy(data.RPIDHash[:], application)
	raw, err := data.Bytes()
	if err != nil {
		return nil, err
	}
	statement := map[string]any{"sig": r.Signature, "x5c": [][]byte{slices.Clone(r.MendedCertificate())}}
	return wire.Encode(map[int]any{1: "fido-u2f", 2: raw, 3: statement})
}
