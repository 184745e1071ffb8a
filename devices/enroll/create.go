package enroll

import (
	"context"
	"fmt"

	"github.com/touchstone-fido/touchstone/ctap2"
	"github.com/touchstone-fido/touchstone/ctap2/ceremony"
	"github.com/touchstone-fido/touchstone/ctap2/cose"
	"github.com/touchstone-fido/touchstone/ctap2/pinuv"
	"github.com/touchstone-fido/touchstone/ctap2/webauthn"
	"github.com/touchstone-fido/touchstone/ctap2/wire"
	"github.com/touchstone-fido/touchstone/devices"
)

// CreateOptions are what a relying party asks a client to make
// (PublicKeyCredentialCreationOptions). What is empty has the standard's default.
type CreateOptions struct {
	RP                 ctap2.RelyingParty
	Origin             string
	Challenge          []byte
	User               ctap2.User
	Algorithms         []cose.Algorithm // in order of preference
	Exclude            []ctap2.Descriptor
	Discoverable       Requirement
	UserVerification   Requirement
	Attestation        webauthn.Conveyance
	AttestationFormats []string // in order of preference
	Extensions         webauthn.ExtensionInputs

	// Enterprise is the kind of enterprise attestation to ask for, where
	// Attestation asks for one and the key has it; [ctap2.EnterpriseVendor] when
	// 0. For the other kind it is the caller who has the list of relying parties
	// that may ask (CTAP 2.3 §7.1).
	Enterprise ctap2.EnterpriseAttestation
}

// Created is a credential that was made.
type Created struct {
	// Response is for the relying party: its extension results are without
	// secrets.
	Response     webauthn.RegistrationResponse
	Discoverable bool          // whether a discoverable credential was asked for
	Verified     string        // how the user was verified: "", "pin" or "uv"
	Remarks      []wire.Remark // on the encoding of the key's answer

	// Extensions are all results. Those of prf are secrets of the user.
	Extensions webauthn.ExtensionOutputs

	// EnterpriseAttestation says that the key granted one.
	EnterpriseAttestation bool
}

// PRFResults are the secrets of prf, nil for none.
func (c *Created) PRFResults() *webauthn.PRFValues { return prfResults(c.Extensions) }

func prfResults(e webauthn.ExtensionOutputs) *webauthn.PRFValues {
	if e.PRF == nil {
		return nil
	}
	return e.PRF.Results
}

// Create makes a credential. It refuses an origin that may not use the relying
// party ID with [webauthn.ErrOrigin] before the key is asked for anything but
// its getInfo. What is required and the key cannot do is [ErrUnsupported].
func Create(ctx context.Context, key *devices.Conn, o CreateOptions, ask Ask) (*Created, error) {
	if err := webauthn.CheckOrigin(o.Origin, o.RP.ID); err != nil {
		return nil, err
	}
	if id := o.Extensions.AppIDExclude; id != "" {
		if err := webauthn.CheckAppID(o.Origin, id); err != nil {
			return nil, err
		}
	}
	info, err := key.GetInfo(ctx)
	if err != nil {
		return nil, err
	}
	m := &making{
		flow: &flow{key: key, info: info, ask: ask}, options: o,
		client: webauthn.ClientData{Type: webauthn.TypeCreate, Challenge: o.Challenge, Origin: o.Origin},
	}
	if err := m.run(ctx, m.begin); err != nil {
		return nil, err
	}
	return m.created()
}

// making is a creation under way.
type making struct {
	*flow
	options  CreateOptions
	client   webauthn.ClientData
	creation *ceremony.Creation
	answer   *ctap2.MakeCredentialResponse
	results  webauthn.ExtensionOutputs
}

func (o *CreateOptions) webauthn() *webauthn.CreationOptions {
	all := &webauthn.CreationOptions{
		RP:        webauthn.RelyingParty{ID: o.RP.ID, Name: o.RP.Name},
		User:      webauthn.User{ID: o.User.ID, Name: o.User.Name, DisplayName: o.User.DisplayName},
		Challenge: o.Challenge, Exclude: known(o.Exclude),
		Selection:   webauthn.AuthenticatorSelection{ResidentKey: o.Discoverable, UserVerification: o.UserVerification},
		Attestation: o.Attestation, AttestationFormats: o.AttestationFormats, Extensions: o.Extensions,
	}
	for _, alg := range o.Algorithms {
		all.Parameters = append(all.Parameters, webauthn.Parameter{Type: webauthn.PublicKey, Algorithm: alg})
	}
	return all
}

func (m *making) begin() (attempt, error) {
	creation, err := ceremony.NewCreation(m.info, m.options.webauthn(), m.options.RP.ID, m.client.Hash())
	if err != nil {
		return attempt{}, err
	}
	if creation.Request.EnterpriseAttestation != 0 && m.options.Enterprise != 0 {
		creation.Request.EnterpriseAttestation = m.options.Enterprise
	}
	m.creation = creation
	return attempt{round: creation, request: creation.Request, send: m.send}, nil
}

// send makes the credential, unless one is there that the AppID excludes.
func (m *making) send(ctx context.Context, _ *pinuv.Token) error {
	excluded, err := m.creation.ExcludedByAppID(ctx, m.key.Client)
	if err != nil {
		return err
	}
	if excluded {
		if err := m.key.Touch(ctx, m.info); err != nil {
			return err
		}
		return fmt.Errorf("a credential of AppID %s: %w", m.options.Extensions.AppIDExclude, ctap2.StatusCredentialExcluded)
	}
	if m.answer, err = m.key.MakeCredential(ctx, m.creation.Request); err != nil {
		return err
	}
	m.results, err = m.creation.Results(m.answer)
	return err
}

// created is the response for the relying party, and all that goes with it.
func (m *making) created() (*Created, error) {
	a := m.answer
	object, err := webauthn.AttestationObject(m.options.webauthn().Conveyance(), a.Format, a.Statement, a.RawAuthData)
	if err != nil {
		return nil, err
	}
	response, err := webauthn.NewRegistrationResponse(m.client.JSON(), object, a.RawAuthData, transports(m.key, m.info))
	if err != nil {
		return nil, err
	}
	response.ClientExtensionResults = m.results.WithoutSecrets().Results()
	return &Created{
		Response: response, Discoverable: m.creation.Discoverable, Verified: m.verified, Remarks: a.Remarks,
		Extensions: m.results, EnterpriseAttestation: a.EnterpriseAttestation,
	}, nil
}

// transports are those that the key tells of, or the one that it is on.
func transports(key *devices.Conn, info *ctap2.Info) []string {
	if len(info.Transports) > 0 {
		return info.Transports
	}
	return []string{string(key.Info.Transport)}
}
