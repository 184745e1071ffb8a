package devices_test

import (
	"bytes"
	"crypto/x509"
	"encoding/asn1"
	"slices"

	"github.com/touchstone-fido/touchstone/ctap2"
	"github.com/touchstone-fido/touchstone/ctap2/authdata"
	"github.com/touchstone-fido/touchstone/ctap2/cose"
	"github.com/touchstone-fido/touchstone/ctap2/pinuv"
	"github.com/touchstone-fido/touchstone/ctap2/webauthn"
	"github.com/touchstone-fido/touchstone/ctap2/wire"
	"github.com/touchstone-fido/touchstone/devices/virtual"
)

// vendorCommand is one that the key of the matrix has.
const vendorCommand = 0x746f756368

func withVendorCommand(p *virtual.Profile) {
	p.ConfigCommands = append(p.ConfigCommands, virtual.ConfigVendorPrototype)
	p.VendorConfigCommands = []uint64{vendorCommand}
}

// matrixConfig runs the subcommands of authenticatorConfig on a key without a
// PIN, which takes them from anybody, and on one with a PIN.
func matrixConfig(b *bench) {
	for _, pin := range []bool{false, true} {
		b := b.again(withVendorCommand)
		if pin {
			b.setPIN()
			b.refused("without a token", b.ToggleAlwaysUV(b.Context(), nil), ctap2.StatusPUATRequired)
			b.refused("with a token for other things",
				b.ToggleAlwaysUV(b.Context(), b.token(ctap2.PermissionCredentialManagement, "")), ctap2.StatusPINAuthInvalid)
		}
		b.equal("commands", b.info().AuthenticatorConfigCommands, []uint64{1, 2, 3, 4, 0xff})
		b.equal("vendor's commands", b.info().VendorPrototypeConfigCommands, []uint64{vendorCommand})
		answer, err := b.VendorPrototype(b.Context(), b.configuration(), vendorCommand, map[uint]any{2: "x"})
		b.must(err)
		b.equal("the vendor's answer", answer, wire.Raw(nil))
		_, err = b.VendorPrototype(b.Context(), b.configuration(), vendorCommand+1, nil)
		b.refused("an unknown vendor's command", err, ctap2.StatusInvalidParameter)

		b.must(b.EnableEnterpriseAttestation(b.Context(), b.configuration()))
		b.equal("ep", b.option(ctap2.OptionEP), true)
		b.alwaysUV(pin)
		b.longTouch()
	}
}

func (b *bench) option(name string) bool {
	b.Helper()
	on, sent := b.info().Option(name)
	b.equal("whether there is the option "+name, sent, true)
	return on
}

// alwaysUV turns alwaysUv on and off: without user verification nothing is made
// while it is on, and U2F is not there.
func (b *bench) alwaysUV(pin bool) {
	b.Helper()
	b.must(b.SetAlwaysUV(b.Context(), b.configuration(), true))
	b.must(b.SetAlwaysUV(b.Context(), b.configuration(), true)) // does nothing
	b.equal("alwaysUv", b.option(ctap2.OptionAlwaysUV), true)
	b.equal("makeCredUvNotRqd", b.option(ctap2.OptionMakeCredUVNotRqd), false)
	b.equal("U2F", b.info().Supports("U2F_V2"), false)
	m, err := b.create(creationOptions(matrixRP, "alice"))
	if pin {
		b.must(err)
		b.equal("user verification of a client that discourages it", m.uv(), true)
	} else if err == nil {
		b.Error("a credential without user verification")
	}
	b.must(b.SetAlwaysUV(b.Context(), b.configuration(), false))
	b.equal("alwaysUv", b.option(ctap2.OptionAlwaysUV), false)
	b.mustCreate(creationOptions(matrixRP, "alice"))
}

// longTouch has a reset want a long touch.
func (b *bench) longTouch() {
	b.Helper()
	b.equal("longTouchForReset", b.info().LongTouchForReset, false)
	b.must(b.EnableLongTouchForReset(b.Context(), b.configuration()))
	b.equal("longTouchForReset", b.info().LongTouchForReset, true)
	b.decision.Store(int32(virtual.DecisionGranted))
	b.refused("a reset by a short touch", b.Reset(b.Context()), ctap2.StatusOperationDenied)
	b.decision.Store(int32(virtual.DecisionHeld))
	b.must(b.Reset(b.Context()))
	info := b.info()
	b.equal("longTouchForReset after a reset", info.LongTouchForReset, false)
	b.equal("ep after a reset", info.Options[ctap2.OptionEP], false)
}

// matrixPINPolicy sets the rules for PINs, which the extensions tell to those
// relying parties that may know them.
func matrixPINPolicy(b *bench) {
	b.setPIN()
	asks := func(rpID string) made {
		b.Helper()
		o := creationOptions(rpID, "alice")
		o.Extensions.MinPINLength, o.Extensions.PINComplexityPolicy = true, true
		return b.mustCreate(o)
	}
	b.equal("outputs to one that may not know", asks(matrixRP).AuthData.Extensions, map[string]wire.Raw(nil))
	b.must(b.SetMinPINLength(b.Context(), b.configuration(), ctap2.MinPINLength{RPIDs: []string{matrixRP, "example.org"}}))
	b.policy(asks(matrixRP), 4, false)
	b.equal("outputs to another", asks("example.net").AuthData.Extensions, map[string]wire.Raw(nil))

	b.must(b.SetMinPINLength(b.Context(), b.configuration(), ctap2.MinPINLength{Length: 6, ComplexityPolicy: true}))
	b.policy(asks("example.org"), 6, true)
	info := b.info()
	b.equal("getInfo", [3]any{info.MinPINLength, info.PINComplexityPolicy, info.ForcePINChange}, [3]any{uint(6), true, true})
	change := func(pin string) error {
		return b.ChangePIN(b.Context(), b.cell.protocol, []byte(matrixPINText), []byte(pin))
	}
	b.refused("four characters", change("4 ab"), pinuv.ErrPINTooShort)
	b.refused("one character six times", change("777777"), ctap2.StatusPINPolicyViolation)
	b.must(change("271828"))

	token, err := b.PINTokenWithPermissions(b.Context(), b.cell.protocol, []byte("271828"), ctap2.PermissionConfig, "")
	b.must(err)
	b.refused("a shorter one", b.SetMinPINLength(b.Context(), token, ctap2.MinPINLength{Length: 5}), ctap2.StatusPINPolicyViolation)
	many := slices.Repeat([]string{"a.example"}, 9)
	b.refused("nine relying parties", b.SetMinPINLength(b.Context(), token, ctap2.MinPINLength{RPIDs: many}), ctap2.StatusKeyStoreFull)
}

// policy reads the outputs of minPinLength and pinComplexityPolicy.
func (b *bench) policy(m made, length uint, complex bool) {
	b.Helper()
	out, err := ctap2.CreationExtensions{MinPINLength: true, PINComplexityPolicy: true}.Outputs(m.MakeCredentialResponse)
	b.must(err)
	b.equal("outputs", out, ctap2.CreationOutputs{MinPINLength: &length, PINComplexityPolicy: &complex})
}

// matrixEnterprise asks for both kinds of enterprise attestation (CTAP 2.3 §7.1).
func matrixEnterprise(b *bench) {
	const known = "enterprise.example"
	kinds := []ctap2.EnterpriseAttestation{0, ctap2.EnterpriseVendor, ctap2.EnterprisePlatform}
	_, err := b.enterprise(known, ctap2.EnterpriseVendor)
	b.refused("while it is off", err, ctap2.StatusInvalidParameter)
	b.must(b.EnableEnterpriseAttestation(b.Context(), nil))
	_, err = b.enterprise(known, 3)
	b.refused("a third kind", err, ctap2.StatusInvalidOption)
	for rpID, granted := range map[string][]bool{known: {false, true, true}, matrixRP: {false, false, true}} {
		for i, kind := range kinds {
			m, err := b.enterprise(rpID, kind)
			b.must(err)
			b.equal("whether it is granted", m.EnterpriseAttestation, granted[i])
			b.equal("serial number in the certificate", b.attested(m, bytes.Repeat([]byte{6}, 32)), map[bool]string{true: "1"}[granted[i]])
		}
	}
	o := creationOptions(known, "alice")
	o.Attestation = webauthn.ConveyanceEnterprise
	b.equal("what a client asks for", b.mustCreate(o).EnterpriseAttestation, true)

	b = b.again(func(p *virtual.Profile) { p.Attestation.Enterprise.PlatformManaged = false })
	b.must(b.EnableEnterpriseAttestation(b.Context(), nil))
	for rpID, granted := range map[string]bool{known: true, matrixRP: false} { // takes 2 for 1
		m, err := b.enterprise(rpID, ctap2.EnterprisePlatform)
		b.must(err)
		b.equal("whether a vendor's list grants the platform's kind", m.EnterpriseAttestation, granted)
	}
}

func (b *bench) enterprise(rpID string, kind ctap2.EnterpriseAttestation) (*ctap2.MakeCredentialResponse, error) {
	return b.MakeCredential(b.Context(), &ctap2.MakeCredentialRequest{
		ClientDataHash: bytes.Repeat([]byte{6}, 32), RP: ctap2.RelyingParty{ID: rpID}, User: ctap2.User{ID: []byte("u")},
		Parameters: ctap2.Parameters(cose.ES256), EnterpriseAttestation: kind,
	})
}

// idSerial is the certificate extension with a key's serial number.
var idSerial = asn1.ObjectIdentifier{1, 3, 6, 1, 4, 1, 45724, 1, 1, 2}

// attested verifies a statement up to the key's root, and returns the serial
// number in its certificate.
func (b *bench) attested(m *ctap2.MakeCredentialResponse, hash []byte) string {
	b.Helper()
	var s struct {
		Signature []byte   `cbor:"sig"`
		Chain     [][]byte `cbor:"x5c"`
	}
	b.must(wire.Decode(m.Statement, &s))
	leaf, err := x509.ParseCertificate(s.Chain[0])
	b.must(err)
	roots := x509.NewCertPool()
	roots.AddCert(b.key.AttestationRoot())
	_, err = leaf.Verify(x509.VerifyOptions{Roots: roots, KeyUsages: []x509.ExtKeyUsage{x509.ExtKeyUsageAny}})
	b.must(err)
	signed := slices.Concat(m.RawAuthData, hash)
	if m.Format == "fido-u2f" {
		c := m.AuthData.Credential
		signed = slices.Concat([]byte{0}, m.AuthData.RPIDHash[:], hash, c.ID, []byte{4}, c.Key.X, c.Key.Y)
	}
	b.must(leaf.CheckSignature(x509.ECDSAWithSHA256, signed, s.Signature))
	for _, e := range leaf.Extensions {
		if e.Id.Equal(idSerial) {
			var serial []byte
			_, err := asn1.Unmarshal(e.Value, &serial)
			b.must(err)
			return string(serial)
		}
	}
	return ""
}

// matrixFormats asks for attestation formats by preference (CTAP 2.2).
func matrixFormats(b *bench) {
	b = b.again(func(p *virtual.Profile) { p.Attestation.Formats = []string{"packed", "fido-u2f"} })
	b.equal("formats", b.info().AttestationFormats, []string{"packed", "fido-u2f"})
	for _, test := range []struct {
		asked []string
		want  string
	}{
		{nil, "packed"}, {[]string{"fido-u2f"}, "fido-u2f"}, {[]string{"tpm", "fido-u2f", "packed"}, "fido-u2f"},
		{[]string{"packed", "fido-u2f"}, "packed"}, {[]string{"tpm"}, "packed"}, {[]string{"none", "fido-u2f"}, "fido-u2f"},
	} {
		o := creationOptions(matrixRP, "alice")
		o.AttestationFormats = test.asked
		m := b.mustCreate(o)
		b.equal("format", m.Format, test.want)
		data := webauthn.ClientData{Type: webauthn.TypeCreate, Challenge: o.Challenge, Origin: "https://" + matrixRP}
		b.attested(m.MakeCredentialResponse, data.Hash())
		model := virtual.DefaultAAGUID
		if test.want == "fido-u2f" {
			model = authdata.AAGUID{}
		}
		b.equal("AAGUID", m.AuthData.Credential.AAGUID, model)
	}
	o := creationOptions(matrixRP, "alice")
	o.Attestation = webauthn.ConveyanceNone
	m := b.mustCreate(o)
	b.equal("format and statement of none", [2]any{m.Format, len(m.Statement)}, [2]any{"none", 0})
}

func matrixPayment(b *bench) {
	for _, asked := range []bool{false, true} {
		o := creationOptions(matrixRP, "alice")
		o.Extensions.Payment = &webauthn.PaymentInputs{IsPayment: asked}
		m := b.mustCreate(o)
		b.equal("outputs at creation", len(m.AuthData.Extensions), 0)
		r := requestOptions(matrixRP, m.descriptor())
		r.Extensions.Payment = &webauthn.PaymentInputs{IsPayment: true}
		var payment bool
		sent, err := b.mustGet(r).AuthData.Extension(ctap2.ExtensionThirdPartyPayment, &payment)
		b.must(err)
		b.equal("thirdPartyPayment", [2]bool{sent, payment}, [2]bool{true, asked})
	}
}

// matrixUVM is told how the user was verified, at creation and later.
func matrixUVM(b *bench) {
	asks := func(b *bench, want ctap2.UserVerify, requirement webauthn.Requirement) {
		b.Helper()
		o := creationOptions(matrixRP, "alice")
		o.Extensions.UVM, o.Selection.UserVerification = true, requirement
		m := b.mustCreate(o)
		entries := [][]uint64{{uint64(want), 1, 1}}
		b.equal("uvm at creation", m.results.UVM, entries)
		r := requestOptions(matrixRP, m.descriptor())
		r.Extensions.UVM, r.Verification = true, requirement
		b.equal("uvm", b.mustGet(r).results.UVM, entries)
	}
	asks(b, ctap2.UserVerifyPresence, webauthn.Discouraged)
	b.setPIN()
	asks(b, ctap2.UserVerifyPasscodeExternal, webauthn.Required)
	b = b.cell.benchOf(b.T, virtual.FingerprintProfile(), defaultModel)
	b.setPIN()
	b.enrolThumb()
	asks(b, ctap2.UserVerifyFingerprint, webauthn.Required)
}
