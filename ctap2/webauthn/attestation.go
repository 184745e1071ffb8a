package webauthn

import (
	"bytes"
	"fmt"

	"github.com/touchstone-fido/touchstone/ctap2/authdata"
	"github.com/touchstone-fido/touchstone/ctap2/wire"
)

// Conveyance is a relying party's preference for attestation (WebAuthn L3
// §5.4.7).
type Conveyance string

// Preferences.
const (
	ConveyanceNone       Conveyance = "none"
	ConveyanceIndirect   Conveyance = "indirect"
	ConveyanceDirect     Conveyance = "direct"
	ConveyanceEnterprise Conveyance = "enterprise"
)

// Attestation statement formats that this package names.
const (
	FormatNone   = "none"
	FormatPacked = "packed"
)

// AttestationObject encodes an attestation for the relying party: fmt, attStmt
// and authData (WebAuthn L3 §6.5.4). With [ConveyanceNone] the statement is
// replaced by an empty one, unless it is a self attestation of an
// authenticator that does not tell its model (§5.1.3); the AAGUID stays, as
// Level 3 has it. A statement of nil is written as the empty map.
func AttestationObject(c Conveyance, format string, statement wire.Raw, authData []byte) ([]byte, error) {
	if statement == nil {
		statement = emptyMap
	}
	if c == ConveyanceNone && !isAnonymousSelf(format, statement, authData) {
		format, statement = FormatNone, emptyMap
	}
	var members []wire.Raw
	for _, v := range []any{"fmt", format, "attStmt", statement, "authData", authData} {
		if raw, ok := v.(wire.Raw); ok {
			members = append(members, raw) // as the authenticator wrote it
			continue
		}
		b, err := wire.Encode(v)
		if err != nil {
			return nil, fmt.Errorf("attestation object: %w", err)
		}
		members = append(members, b)
	}
	return wire.Map(members...), nil
}

var emptyMap = wire.Raw{0xa0}

func isAnonymousSelf(format string, statement wire.Raw, authData []byte) bool {
	d, err := authdata.Parse(authData)
	if err != nil || d.Credential == nil || d.Credential.AAGUID != (authdata.AAGUID{}) || format != FormatPacked {
		return false
	}
	var members map[string]wire.Raw
	if wire.Decode(statement, &members) != nil {
		return false
	}
	_, certified := members["x5c"]
	return !certified
}

// ParseAttestationObject splits an attestation object into its three parts.
func ParseAttestationObject(b []byte) (format string, statement wire.Raw, authData []byte, err error) {
	var o struct {
		Format    string   `cbor:"fmt"`
		Statement wire.Raw `cbor:"attStmt"`
		AuthData  []byte   `cbor:"authData"`
	}
	if err := wire.Decode(b, &o); err != nil {
		return "", nil, nil, fmt.Errorf("attestation object: %w", err)
	}
	return o.Format, bytes.Clone(o.Statement), o.AuthData, nil
}
