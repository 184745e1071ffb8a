package ctap2

import (
	"fmt"

	"github.com/touchstone-fido/touchstone/ctap2/pinuv"
)

// LargeBlobSupport is the input of [ExtensionLargeBlob] in makeCredential.
type LargeBlobSupport string

// How much a credential should have room for a large blob.
const (
	LargeBlobRequired  LargeBlobSupport = "required"
	LargeBlobPreferred LargeBlobSupport = "preferred"
)

// CreationExtensions are the inputs of extensions to makeCredential. Members
// that are zero are not sent. Whether the authenticator has the extensions is
// for the caller to look up in getInfo; one that has not leaves them unread.
type CreationExtensions struct {
	CredProtect         CredProtect
	CredBlob            []byte           // up to getInfo's maxCredBlobLength bytes
	LargeBlobKey        bool             // for a discoverable credential
	LargeBlob           LargeBlobSupport // never together with LargeBlobKey
	MinPINLength        bool
	PINComplexityPolicy bool
	HMACSecret          bool
	HMACSecretMC        *HMACSecret // evaluates at once; asks for HMACSecret too
	ThirdPartyPayment   bool
	UVM                 bool
}

// Inputs is the value for [MakeCredentialRequest.Extensions], nil for none.
func (e CreationExtensions) Inputs() map[string]any {
	in := map[string]any{}
	if e.CredProtect != 0 {
		in[ExtensionCredProtect] = e.CredProtect
	}
	if e.CredBlob != nil {
		in[ExtensionCredBlob] = e.CredBlob
	}
	if e.LargeBlob != "" {
		in[ExtensionLargeBlob] = map[string]any{"support": string(e.LargeBlob)}
	}
	if e.HMACSecretMC != nil {
		in[ExtensionHMACSecretMC] = e.HMACSecretMC.Input()
	}
	for name, asked := range map[string]bool{
		ExtensionLargeBlobKey: e.LargeBlobKey, ExtensionMinPINLength: e.MinPINLength,
		ExtensionPINComplexityPolicy: e.PINComplexityPolicy, ExtensionThirdPartyPayment: e.ThirdPartyPayment,
		ExtensionUVM: e.UVM, ExtensionHMACSecret: e.HMACSecret || e.HMACSecretMC != nil,
	} {
		if asked {
			in[name] = true
		}
	}
	if len(in) == 0 {
		return nil
	}
	return in
}

// CreationOutputs are the outputs of extensions to makeCredential. Members that
// are zero or nil have no output.
type CreationOutputs struct {
	CredProtect         CredProtect // the policy that was set, perhaps a stricter one
	CredBlob            *bool       // whether the blob was stored
	LargeBlobKey        []byte      // 32 bytes
	LargeBlob           *bool       // whether there is room for a blob
	MinPINLength        *uint       // code points
	PINComplexityPolicy *bool
	HMACSecret          *bool
	HMACSecretMC        [][]byte // 32 bytes for each salt
	UVM                 []UVMEntry

	// Unsolicited names the outputs of extensions that were not asked for, which
	// the standard forbids and some keys have.
	Unsolicited []string
}

// Outputs reads the outputs of these extensions from the answer to the request
// that they were sent with. The error is an [*OutputError].
func (e CreationExtensions) Outputs(r *MakeCredentialResponse) (CreationOutputs, error) {
	o := &outputs{asked: e.Inputs(), signed: r.AuthData.Extensions, unsigned: r.UnsignedExtensionOutputs}
	out := CreationOutputs{
		CredProtect: o.credProtect(), CredBlob: o.flag(ExtensionCredBlob), LargeBlob: o.supported(),
		MinPINLength: o.minPINLength(), PINComplexityPolicy: o.flag(ExtensionPINComplexityPolicy),
		HMACSecret: o.flag(ExtensionHMACSecret), UVM: o.uvm(), Unsolicited: o.unsolicited(),
	}
	if e.LargeBlobKey {
		out.LargeBlobKey = r.LargeBlobKey
	} else if r.LargeBlobKey != nil {
		out.Unsolicited = append(out.Unsolicited, ExtensionLargeBlobKey)
	}
	if _, ok := r.AuthData.Extensions[ExtensionHMACSecretMC]; ok && e.HMACSecretMC != nil {
		var err error
		out.HMACSecretMC, err = e.HMACSecretMC.CreationOutputs(r.AuthData)
		o.fail(ExtensionHMACSecretMC, err)
	}
	if o.err != nil {
		return CreationOutputs{}, o.err
	}
	return out, nil
}

func (o *outputs) credProtect() CredProtect {
	var p CredProtect
	if o.read(ExtensionCredProtect, &p) && !p.Valid() {
		o.fail(ExtensionCredProtect, fmt.Errorf("policy %d", p))
	}
	return p
}

// supported reads {"supported": bool}.
func (o *outputs) supported() *bool {
	var m struct {
		Supported *bool `cbor:"supported"`
	}
	if o.read(ExtensionLargeBlob, &m) && m.Supported == nil {
		o.fail(ExtensionLargeBlob, fmt.Errorf("%w: supported", ErrMissingMember))
	}
	return m.Supported
}

func (o *outputs) minPINLength() *uint {
	var n uint
	if !o.read(ExtensionMinPINLength, &n) {
		return nil
	}
	if n < pinuv.MinPINLength || n > pinuv.MaxPINBytes {
		o.fail(ExtensionMinPINLength, fmt.Errorf("%d code points, want %d to %d", n, pinuv.MinPINLength, pinuv.MaxPINBytes))
	}
	return &n
}
