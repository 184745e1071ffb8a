package virtual

import (
	"github.com/touchstone-fido/touchstone/ctap2/cose"
	"github.com/touchstone-fido/touchstone/ctap2/pinuv"
)

// minPINLength is the shortest PIN in code points (CTAP 2.3 §6.5.1).
const minPINLength = pinuv.MinPINLength

// firmwareVersion counts changes that a platform could notice.
const firmwareVersion = 1

// infoResponse is the answer of authenticatorGetInfo. It has the members of CTAP
// 2.3 §6.4 that say something about this key; absent are those of features it
// does not have, and maxPINLength, which is the standard's 63.
type infoResponse struct {
	Versions             []string        `cbor:"1,keyasint"`
	Extensions           []string        `cbor:"2,keyasint"`
	AAGUID               []byte          `cbor:"3,keyasint"`
	Options              map[string]bool `cbor:"4,keyasint"`
	MaxMessage           int             `cbor:"5,keyasint"`
	Protocols            []int           `cbor:"6,keyasint"` // preferred first
	MaxListLength        int             `cbor:"7,keyasint"`
	MaxCredentialID      int             `cbor:"8,keyasint"` // bytes
	Transports           []string        `cbor:"9,keyasint"`
	Algorithms           []algorithmInfo `cbor:"10,keyasint"`
	ForcePINChange       bool            `cbor:"12,keyasint"`
	MinPINLength         int             `cbor:"13,keyasint"` // code points
	FirmwareVersion      int             `cbor:"14,keyasint"`
	RemainingCredentials int             `cbor:"20,keyasint"` // discoverable ones
	AttestationFormats   []string        `cbor:"22,keyasint"`
}

// algorithmInfo is a PublicKeyCredentialParameters.
type algorithmInfo struct {
	Algorithm cose.Algorithm `cbor:"alg"`
	Type      string         `cbor:"type"`
}

// getInfo is authenticatorGetInfo (CTAP 2.3 §6.4).
//
// The key claims FIDO_2_0 only: FIDO_2_1 and later demand credential management
// of a key with discoverable credentials (§9). What it has of later versions
// says so by its own member or option, as platforms expect.
func (a *Authenticator) getInfo(*call) (any, error) {
	return &infoResponse{
		Versions:             []string{"FIDO_2_0"},
		Extensions:           []string{extCredProtect, extHMACSecret},
		AAGUID:               a.state.identity.aaguid[:],
		Options:              a.infoOptions(),
		MaxMessage:           a.cfg.MaxMessage,
		Protocols:            []int{int(pinuv.Two), int(pinuv.One)},
		MaxListLength:        maxListLength,
		MaxCredentialID:      maxCredentialID,
		Transports:           []string{a.cfg.Transport.String()},
		Algorithms:           algorithmInfos(),
		ForcePINChange:       a.state.pin.ForceChange,
		MinPINLength:         minPINLength,
		FirmwareVersion:      firmwareVersion,
		RemainingCredentials: a.room(),
		AttestationFormats:   []string{formatPacked},
	}, nil
}

// infoOptions are the option IDs of CTAP 2.3 §6.4 that apply to the key.
func (a *Authenticator) infoOptions() map[string]bool {
	o := map[string]bool{
		"rk":             true,
		"up":             true,
		"plat":           false,
		"clientPin":      a.state.pin.set(),
		"pinUvAuthToken": true,
	}
	if !a.cfg.AlwaysRequireUV {
		o["makeCredUvNotRqd"] = true
	}
	return o
}

// protected tells whether some form of user verification protects the key (CTAP
// 2.3 §5). The only form it has is a PIN.
func (a *Authenticator) protected() bool { return a.state.pin.set() }

// room is how many more discoverable credentials can be stored at least.
func (a *Authenticator) room() int {
	return max(0, a.cfg.MaxCredentials-len(a.state.credentials.byID))
}

func algorithmInfos() []algorithmInfo {
	var list []algorithmInfo
	for _, s := range schemes {
		list = append(list, algorithmInfo{Algorithm: s.algorithm, Type: publicKeyType})
	}
	return list
}
