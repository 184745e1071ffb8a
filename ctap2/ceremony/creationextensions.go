package ceremony

import (
	"fmt"

	"github.com/touchstone-fido/touchstone/ctap2"
	"github.com/touchstone-fido/touchstone/ctap2/webauthn"
)

// extend decides which extensions are sent.
func (c *Creation) extend() error {
	in, has := c.inputs, c.info.HasExtension
	if err := c.protect(); err != nil {
		return err
	}
	if err := c.support(); err != nil {
		return err
	}
	if has(ctap2.ExtensionCredBlob) && in.CredBlob != nil && uint(len(in.CredBlob)) <= c.info.MaxCredBlobLength {
		c.sent.CredBlob = in.CredBlob
	}
	c.sent.MinPINLength = in.MinPINLength && has(ctap2.ExtensionMinPINLength)
	c.sent.PINComplexityPolicy = in.PINComplexityPolicy && has(ctap2.ExtensionPINComplexityPolicy)
	c.sent.ThirdPartyPayment = in.Payment != nil && in.Payment.IsPayment && has(ctap2.ExtensionThirdPartyPayment)
	c.sent.UVM = in.UVM && has(ctap2.ExtensionUVM)
	c.derive()
	return nil
}

// derive asks for hmac-secret, and to have it evaluated at once where the
// authenticator can. The secret depends on whether the user was verified, so
// where prf is asked for the user is verified if that can be done at all, as
// browsers have it.
func (c *Creation) derive() {
	in := c.inputs
	if !c.info.HasExtension(ctap2.ExtensionHMACSecret) || in.PRF == nil && !in.HMACCreateSecret {
		return
	}
	c.sent.HMACSecret = true
	if c.Requirement == webauthn.Discouraged {
		c.Requirement = webauthn.Preferred
	}
	if in.PRF != nil && in.PRF.Eval != nil && c.info.HasExtension(ctap2.ExtensionHMACSecretMC) {
		c.salts = in.PRF.Eval.Salts()
	}
}

// protect decides on credProtect (CTAP 2.3 §12.1). A policy that is to be
// enforced, and is more than what every credential has, needs the extension.
func (c *Creation) protect() error {
	level, err := c.inputs.Protection()
	if err != nil {
		return err
	}
	switch policy := ctap2.CredProtect(level); {
	case c.info.HasExtension(ctap2.ExtensionCredProtect):
		c.sent.CredProtect = policy
	case policy > ctap2.CredProtectOptional && c.inputs.EnforceProtectionPolicy:
		return fmt.Errorf("%w: %w: credential protection", webauthn.NotSupportedError, ctap2.ErrUnsupported)
	}
	return nil
}

// support decides on large blobs: by largeBlob of CTAP 2.3, or by a largeBlobKey
// of CTAP 2.1, which only discoverable credentials have.
func (c *Creation) support() error {
	b := c.inputs.LargeBlob
	if b == nil || b.Support != webauthn.SupportRequired && b.Support != webauthn.SupportPreferred {
		return nil
	}
	switch {
	case c.info.HasExtension(ctap2.ExtensionLargeBlob):
		c.sent.LargeBlob = ctap2.LargeBlobSupport(b.Support)
	case hasBlobArray(c.info) && c.Discoverable:
		c.sent.LargeBlobKey = true
	case b.Support == webauthn.SupportRequired:
		return fmt.Errorf("%w: %w: large blobs", webauthn.NotSupportedError, ctap2.ErrUnsupported)
	}
	return nil
}

// hasBlobArray reports whether the authenticator has the large-blob array of
// CTAP 2.1.
func hasBlobArray(info *ctap2.Info) bool {
	on, _ := info.Option(ctap2.OptionLargeBlobs)
	return on && info.HasExtension(ctap2.ExtensionLargeBlobKey)
}

// Results are what the client tells the relying party of its extensions. An
// output that is not what it should be is a [*ctap2.OutputError]. A credential
// that was made without the protection that is to be enforced, or without the
// large blob that is required, is an error that matches [ErrNotAsAsked].
func (c *Creation) Results(r *ctap2.MakeCredentialResponse) (webauthn.ExtensionOutputs, error) {
	out, err := c.sent.Outputs(r)
	if err != nil {
		return webauthn.ExtensionOutputs{}, err
	}
	if err := c.asAsked(out); err != nil {
		return webauthn.ExtensionOutputs{}, err
	}
	results := webauthn.ExtensionOutputs{UVM: uvm(out.UVM)}
	if c.inputs.CredProps {
		results.CredProps = &webauthn.CredProps{RK: &c.Discoverable}
	}
	if c.inputs.PRF != nil {
		results.PRF = &webauthn.PRFOutputs{Enabled: yes(out.HMACSecret), Results: webauthn.PRFResults(out.HMACSecretMC)}
	}
	if c.inputs.HMACCreateSecret {
		results.HMACCreate = yes(out.HMACSecret)
	}
	if c.inputs.LargeBlob != nil && c.inputs.LargeBlob.Support != "" {
		supported := out.LargeBlobKey != nil || *yes(out.LargeBlob)
		results.LargeBlob = &webauthn.LargeBlobOutputs{Supported: &supported}
	}
	if c.inputs.CredBlob != nil {
		results.CredBlob = yes(out.CredBlob)
	}
	if c.inputs.AppIDExclude != "" {
		checked := true
		results.AppIDExclude = &checked
	}
	return results, nil
}

// ErrNotAsAsked: the authenticator made a credential, and not as it was asked
// to.
var ErrNotAsAsked = fmt.Errorf("the credential is not as the relying party requires it: %w", webauthn.NotAllowedError)

// asAsked holds the outputs to what is required.
func (c *Creation) asAsked(out ctap2.CreationOutputs) error {
	if c.inputs.EnforceProtectionPolicy && c.sent.CredProtect > ctap2.CredProtectOptional && out.CredProtect < c.sent.CredProtect {
		return fmt.Errorf("%w: credential protection %d, asked for %d", ErrNotAsAsked, out.CredProtect, c.sent.CredProtect)
	}
	b := c.inputs.LargeBlob
	if b != nil && b.Support == webauthn.SupportRequired && out.LargeBlobKey == nil && !*yes(out.LargeBlob) {
		return fmt.Errorf("%w: no large blob", ErrNotAsAsked)
	}
	return nil
}

// yes is an output that is false when there is none.
func yes(b *bool) *bool {
	v := b != nil && *b
	return &v
}

func uvm(entries []ctap2.UVMEntry) [][]uint64 {
	var all [][]uint64
	for _, e := range entries {
		all = append(all, []uint64{e.Method, e.KeyProtection, e.MatcherProtection})
	}
	return all
}
