package ceremony

import (
	"context"
	"fmt"

	"github.com/touchstone-fido/touchstone/ctap2"
	"github.com/touchstone-fido/touchstone/ctap2/pinuv"
	"github.com/touchstone-fido/touchstone/ctap2/webauthn"
)

// Assertion is a getAssertion request for a relying party's options, and what
// its answers mean.
type Assertion struct {
	Request *ctap2.GetAssertionRequest

	// Requirement is as in [Creation].
	Requirement webauthn.Requirement

	// WriteError is why the large blob was not written into the array of CTAP
	// 2.1, after [Assertion.Results]. A relying party is only told that it was
	// not.
	WriteError error

	info    *ctap2.Info
	inputs  webauthn.ExtensionInputs
	allowed []ctap2.Descriptor
	sent    ctap2.AssertionExtensions
	byAppID bool
}

// NewAssertion builds the request for options, for the relying party rpID and
// the hash of the client data, in the way of [NewCreation].
func NewAssertion(info *ctap2.Info, o *webauthn.RequestOptions, rpID string, hash []byte) (*Assertion, error) {
	allowed, err := o.Allowed()
	if err != nil {
		return nil, err
	}
	if err := o.Extensions.CheckGet(allowed); err != nil {
		return nil, err
	}
	a := &Assertion{info: info, inputs: o.Extensions, Requirement: o.UserVerification(), allowed: descriptors(allowed)}
	if err := a.extend(); err != nil {
		return nil, err
	}
	a.Request = &ctap2.GetAssertionRequest{RPID: rpID, ClientDataHash: hash, AllowList: a.allowed, Extensions: a.sent.Inputs()}
	return a, nil
}

// extend decides which extensions are sent. Those that depend on the credential
// are added by [Assertion.Prepare].
func (a *Assertion) extend() error {
	in, has := a.inputs, a.info.HasExtension
	a.sent.CredBlob = in.GetCredBlob && has(ctap2.ExtensionCredBlob)
	a.sent.ThirdPartyPayment = in.Payment != nil && in.Payment.IsPayment && has(ctap2.ExtensionThirdPartyPayment)
	a.sent.UVM = in.UVM && has(ctap2.ExtensionUVM)
	if s := in.HMACGetSecret; s != nil && (len(s.Salt1) != ctap2.SaltSize || s.Salt2 != nil && len(s.Salt2) != ctap2.SaltSize) {
		return fmt.Errorf("hmacGetSecret: %w: salts of %d and %d bytes", webauthn.TypeError, len(s.Salt1), len(s.Salt2))
	}
	if a.derives() && a.Requirement == webauthn.Discouraged {
		a.Requirement = webauthn.Preferred
	}
	if b := in.LargeBlob; b == nil || !b.Read && b.Write == nil {
		return nil
	}
	return a.access()
}

// access decides how the large blob is reached: by largeBlob of CTAP 2.3, or by
// the largeBlobKey of CTAP 2.1, with which the client looks into the array.
func (a *Assertion) access() (err error) {
	switch write := a.inputs.LargeBlob.Write; {
	case !a.info.HasExtension(ctap2.ExtensionLargeBlob):
		a.sent.LargeBlobKey = hasBlobArray(a.info)
	case write != nil:
		a.sent.LargeBlob, err = ctap2.WriteLargeBlob(*write)
	default:
		a.sent.LargeBlob = ctap2.ReadLargeBlob()
	}
	return err
}

// derives reports whether hmac-secret is asked for and there.
func (a *Assertion) derives() bool {
	return (a.inputs.PRF != nil || a.inputs.HMACGetSecret != nil) && a.info.HasExtension(ctap2.ExtensionHMACSecret)
}

// Purpose is what the user may have to be verified for: to get the assertion
// and, when a blob is to be written, for that too.
func (a *Assertion) Purpose() Purpose {
	perms := ctap2.PermissionGetAssertion
	if b := a.inputs.LargeBlob; b != nil && b.Write != nil && a.sent.LargeBlobKey {
		perms |= ctap2.PermissionLargeBlobWrite
	}
	return Purpose{Permissions: perms, RPID: a.Request.RPID, Requirement: a.Requirement}
}

// Prepare completes the request with what only the authenticator can tell: an
// allow list that it takes, and the key agreement for prf. It comes last, after
// the request was authorised; token is the one it was authorised with, or nil.
// Where prf has its own inputs for single credentials, the one that is on the
// authenticator is found first. Close the assertion after its results.
func (a *Assertion) Prepare(ctx context.Context, client *ctap2.Client, token *pinuv.Token) error {
	p := Preflight{Client: client, Info: a.info, RPID: a.Request.RPID, Token: token}
	if a.derives() && a.inputs.PRF != nil && len(a.inputs.PRF.EvalByCredential) > 0 && len(a.Request.AllowList) > 1 {
		found, err := p.Find(ctx, a.Request.AllowList)
		if err != nil {
			return err
		}
		if found != nil {
			a.Request.AllowList = []ctap2.Descriptor{*found}
		}
	}
	if err := a.agree(ctx, client); err != nil {
		return err
	}
	return p.Allow(ctx, a.Request)
}

// agree agrees on a key for the salts, if there are any for the credential.
func (a *Assertion) agree(ctx context.Context, client *ctap2.Client) error {
	salts := a.salts()
	if !a.derives() || len(salts) == 0 {
		return nil
	}
	a.Close() // of an earlier preparation
	h, err := hmacSecret(ctx, client, a.info, salts)
	if err != nil {
		return err
	}
	a.sent.HMACSecret = h
	a.Request.Extensions = a.sent.Inputs()
	return nil
}

// salts are those for the credential that is allowed, or for any.
func (a *Assertion) salts() [][]byte {
	if s := a.inputs.HMACGetSecret; s != nil {
		if s.Salt2 != nil {
			return [][]byte{s.Salt1, s.Salt2}
		}
		return [][]byte{s.Salt1}
	}
	var id []byte
	if len(a.Request.AllowList) == 1 {
		id = a.Request.AllowList[0].ID
	}
	v := a.inputs.PRF.ValuesFor(id)
	if v == nil {
		return nil
	}
	return v.Salts()
}

// Close wipes the secrets of the extensions.
func (a *Assertion) Close() {
	if a.sent.HMACSecret != nil {
		a.sent.HMACSecret.Close()
	}
}

// UseAppID makes the request one for the AppID of the extension appid, after the
// authenticator had no credential of the relying party (WebAuthn L3 §10.1.1), and
// reports whether there is one. The caller has held the AppID to the origin, by
// [webauthn.CheckAppID]. A token that was for the relying party is of no use.
func (a *Assertion) UseAppID() bool {
	if a.inputs.AppID == "" || len(a.allowed) == 0 || a.byAppID {
		return false
	}
	a.byAppID = true
	a.Request.RPID, a.Request.AllowList = a.inputs.AppID, a.allowed
	a.Request.PINUVAuthParam, a.Request.PINUVAuthProtocol = nil, 0
	return true
}

// Results are what the client tells the relying party of its extensions, for one
// of the assertions. With the large-blob array of CTAP 2.1 they read or write it,
// the latter with the token of the request; a write that fails is no error but a
// result. An output that is not what it should be is a [*ctap2.OutputError].
func (a *Assertion) Results(ctx context.Context, client *ctap2.Client, token *pinuv.Token, got *ctap2.Assertion) (webauthn.ExtensionOutputs, error) {
	out, err := a.sent.Outputs(got)
	if err != nil {
		return webauthn.ExtensionOutputs{}, err
	}
	results := webauthn.ExtensionOutputs{UVM: uvm(out.UVM)}
	if a.inputs.AppID != "" {
		results.AppID = &a.byAppID
	}
	if a.inputs.PRF != nil {
		results.PRF = &webauthn.PRFOutputs{Results: webauthn.PRFResults(out.HMACSecret)}
	}
	if a.inputs.HMACGetSecret != nil && len(out.HMACSecret) > 0 {
		results.HMACGetSecret = &webauthn.HMACOutputs{Output1: out.HMACSecret[0]}
		if len(out.HMACSecret) > 1 {
			results.HMACGetSecret.Output2 = out.HMACSecret[1]
		}
	}
	if a.inputs.GetCredBlob && out.CredBlob != nil {
		results.GetCredBlob = (*webauthn.Bytes)(&out.CredBlob)
	}
	if a.inputs.LargeBlob != nil {
		results.LargeBlob, err = a.largeBlob(ctx, client, token, out)
	}
	return results, err
}

// largeBlob is the result of largeBlob.
func (a *Assertion) largeBlob(ctx context.Context, client *ctap2.Client, token *pinuv.Token, out ctap2.AssertionOutputs) (*webauthn.LargeBlobOutputs, error) {
	in, results := a.inputs.LargeBlob, &webauthn.LargeBlobOutputs{}
	switch {
	case in.Write != nil && a.sent.LargeBlob != nil:
		results.Written = yes(out.LargeBlobWritten)
	case in.Write != nil:
		a.WriteError = a.write(ctx, client, token, out.LargeBlobKey)
		written := a.WriteError == nil
		results.Written = &written
	case a.sent.LargeBlob != nil && out.LargeBlob != nil:
		results.Blob = (*webauthn.Bytes)(&out.LargeBlob)
	case in.Read && out.LargeBlobKey != nil:
		blob, err := a.read(ctx, client, out.LargeBlobKey)
		results.Blob = blob
		return results, err
	}
	return results, nil
}

// write puts the blob of a key into the array.
func (a *Assertion) write(ctx context.Context, client *ctap2.Client, token *pinuv.Token, key []byte) error {
	if key == nil {
		return fmt.Errorf("largeBlobKey: %w", ctap2.ErrNoOutput)
	}
	return client.PutLargeBlob(ctx, token, key, *a.inputs.LargeBlob.Write)
}

// read looks for the blob of a key in the array.
func (a *Assertion) read(ctx context.Context, client *ctap2.Client, key []byte) (*webauthn.Bytes, error) {
	array, _, err := client.LargeBlobs(ctx)
	if err != nil {
		return nil, err
	}
	data, found, err := array.Find(key)
	if !found || err != nil {
		return nil, err
	}
	return (*webauthn.Bytes)(&data), nil
}
