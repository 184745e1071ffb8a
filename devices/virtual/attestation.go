package virtual

import (
	"slices"

	"github.com/touchstone-fido/touchstone/ctap2"
	"github.com/touchstone-fido/touchstone/ctap2/authdata"
	"github.com/touchstone-fido/touchstone/ctap2/cose"
)

// Attestation is how a model vouches for new credentials.
type Attestation uint8

// Kinds of attestation (WebAuthn L3 §6.5.3).
const (
	// AttestationBasic signs with the key's attestation key and adds its
	// certificate.
	AttestationBasic Attestation = iota
	// AttestationSelf signs with the new credential's own key.
	AttestationSelf
	// AttestationNone does not vouch.
	AttestationNone
)

// Attestation statement formats.
const (
	formatPacked = "packed"
	formatU2F    = "fido-u2f"
	formatNone   = "none"
)

// packedStatement is an attestation statement in the packed format (WebAuthn L3
// §8.2).
type packedStatement struct {
	Algorithm cose.Algorithm `cbor:"alg"`
	Signature []byte         `cbor:"sig"`
	Chain     [][]byte       `cbor:"x5c,omitempty"`
}

// u2fStatement is one in the fido-u2f format (WebAuthn L3 §8.6).
type u2fStatement struct {
	Signature []byte   `cbor:"sig"`
	Chain     [][]byte `cbor:"x5c"`
}

// choosesFormat tells whether the model knows attestationFormatsPreference.
func (p *Profile) choosesFormat() bool { return len(p.Attestation.Formats) > 0 }

// allowEnterprise is step 9 of makeCredential: whether the parameter may be
// there, and then what it grants (CTAP 2.3 §7.1).
func (m *making) allowEnterprise() error {
	asked := m.req.enterprise
	switch {
	case asked == nil, !m.key.enterpriseEnabled() && m.key.faulty(epDisabledAccepted):
		return nil
	case !m.key.enterpriseEnabled():
		return ctap2.StatusInvalidParameter
	case *asked != vendorFacilitated && *asked != platformManaged && !m.key.faulty(epAnyValue):
		return ctap2.StatusInvalidOption
	}
	m.enterprise = m.key.profile.Attestation.Enterprise.grants(*asked, m.req.rp.ID) || m.key.faulty(epToAll)
	return nil
}

// Values of enterpriseAttestation.
const (
	vendorFacilitated = 1 // the key has a list of relying parties
	platformManaged   = 2 // the platform has
)

// grants decides about a request. A model that knows the vendor-facilitated kind
// only takes the other for it, as it may.
func (e EnterpriseProfile) grants(asked uint64, rpID string) bool {
	if asked == platformManaged && e.PlatformManaged {
		return true
	}
	return listed(rpID, e.RPIDs)
}

// attest is step 19 of makeCredential.
func (m *making) attest(count uint32) (*creationResponse, error) {
	format := m.format()
	aaguid := m.key.state.identity.aaguid
	if format == formatU2F { // a key of CTAP1 is of no model (WebAuthn L3 §8.6)
		aaguid = authdata.AAGUID{}
	}
	authData, err := m.authData(count, aaguid)
	if err != nil {
		return nil, err
	}
	r := &creationResponse{
		Format: format, AuthData: authData, Enterprise: m.enterprise && !m.key.faulty(epUntold), LargeBlobKey: m.blobKey, Unsigned: m.unsigned,
	}
	r.Statement, err = m.statement(format, authData)
	return r, err
}

// format chooses by the platform's preference: nothing at all when that is none
// and nothing else, else the first that the model has, else its own first.
// Enterprise attestation is packed.
func (m *making) format() string {
	formats := m.key.profile.Attestation.Formats
	switch {
	case m.enterprise:
		return formatPacked
	case m.withoutStatement(), m.key.profile.Attestation.Kind == AttestationNone:
		return formatNone
	}
	for _, format := range m.req.formats {
		if slices.Contains(formats, format) && m.canBe(format) {
			return format
		}
	}
	for _, format := range formats {
		if m.canBe(format) {
			return format
		}
	}
	return formatPacked
}

// withoutStatement tells whether the platform wants no attestation.
func (m *making) withoutStatement() bool {
	return slices.Equal(m.req.formats, []string{formatNone})
}

// canBe tells whether the format has statements about the credential: fido-u2f
// has them about ES256 only, and always with a certificate.
func (m *making) canBe(format string) bool {
	return format != formatU2F || m.scheme.algorithm == cose.ES256 && m.key.state.u2f.key != nil
}

func (m *making) statement(format string, authData []byte) (any, error) {
	message := append(authData[:len(authData):len(authData)], m.req.clientDataHash...)
	if m.key.faulty(attSignature) {
		message = authData
	}
	switch {
	case m.withoutStatement() && !m.enterprise:
		return nil, nil
	case format == formatNone:
		return struct{}{}, nil
	case format == formatU2F:
		return m.u2fStatement()
	case m.enterprise:
		return m.key.state.enterprise.packed(message, m.key.state.identity.chain)
	case m.key.profile.Attestation.Kind == AttestationSelf:
		sig, err := m.scheme.sign(m.signer, message)
		return &packedStatement{Algorithm: m.scheme.algorithm, Signature: sig}, err
	}
	return m.key.basicStatement(message)
}

// packed makes a statement over the message with the attestation key.
func (c certified) packed(message []byte, chain [][]byte) (any, error) {
	sig, err := c.sign(message)
	return &packedStatement{Algorithm: cose.ES256, Signature: sig, Chain: append([][]byte{c.cert}, chain...)}, err
}

// sign makes an ES256 signature with the attestation key.
func (c certified) sign(message []byte) ([]byte, error) {
	es256 := schemeOf(cose.ES256)
	signer, err := es256.signer(c.key)
	if err != nil {
		return nil, err
	}
	return es256.sign(signer, message)
}

// u2fStatement says the same of the credential as CTAP1's registration would.
func (m *making) u2fStatement() (any, error) {
	message, err := registrationMessage(m.rpIDHash, m.req.clientDataHash, m.credential.id, m.signer.Public())
	if err != nil {
		return nil, err
	}
	sig, err := m.key.state.u2f.sign(message)
	return &u2fStatement{Signature: sig, Chain: [][]byte{m.key.state.u2f.cert}}, err
}
