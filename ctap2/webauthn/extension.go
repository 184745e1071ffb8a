package webauthn

import "encoding/json"

// ExtensionInputs is an AuthenticationExtensionsClientInputsJSON: the client
// extensions of WebAuthn L3 §10 and of CTAP 2.3 §12, for both ceremonies.
// Extensions that it does not have are left out.
type ExtensionInputs struct {
	AppID        string `json:"appid,omitempty"`        // get
	AppIDExclude string `json:"appidExclude,omitempty"` // create
	CredProps    bool   `json:"credProps,omitempty"`    // create
	UVM          bool   `json:"uvm,omitempty"`          // WebAuthn L2

	PRF       *PRFInputs       `json:"prf,omitempty"`
	LargeBlob *LargeBlobInputs `json:"largeBlob,omitempty"`
	Payment   *PaymentInputs   `json:"payment,omitempty"`

	ProtectionPolicy        string `json:"credentialProtectionPolicy,omitempty"` // create
	EnforceProtectionPolicy bool   `json:"enforceCredentialProtectionPolicy,omitempty"`

	CredBlob            Bytes `json:"credBlob,omitempty"`    // create
	GetCredBlob         bool  `json:"getCredBlob,omitempty"` // get
	MinPINLength        bool  `json:"minPinLength,omitempty"`
	PINComplexityPolicy bool  `json:"pinComplexityPolicy,omitempty"`

	// What prf does for web sites, for other programs (CTAP 2.3 §12.7).
	HMACCreateSecret bool           `json:"hmacCreateSecret,omitempty"`
	HMACGetSecret    *HMACGetSecret `json:"hmacGetSecret,omitempty"`
}

// PRFValues are one or two inputs or results of the prf extension. Second is nil
// for none.
type PRFValues struct {
	First  Bytes `json:"first"`
	Second Bytes `json:"second,omitempty"`
}

// PRFInputs are the inputs of the prf extension (WebAuthn L3 §10.1.4).
type PRFInputs struct {
	Eval             *PRFValues           `json:"eval,omitempty"`
	EvalByCredential map[string]PRFValues `json:"evalByCredential,omitempty"` // by credential ID in base64url
}

// LargeBlobInputs are the inputs of the largeBlob extension (WebAuthn L3
// §10.1.5).
type LargeBlobInputs struct {
	Support string `json:"support,omitempty"` // create: required or preferred
	Read    bool   `json:"read,omitempty"`    // get
	Write   *Bytes `json:"write,omitempty"`   // get
}

// PaymentInputs are what CTAP needs of the payment extension of Secure Payment
// Confirmation: the credential may be used for payments on other sites.
type PaymentInputs struct {
	IsPayment bool `json:"isPayment"`
}

// HMACGetSecret are the salts of hmac-secret, 32 bytes each; Salt2 is nil for
// none.
type HMACGetSecret struct {
	Salt1 Bytes `json:"salt1"`
	Salt2 Bytes `json:"salt2,omitempty"`
}

func (o *object) extensions() ExtensionInputs {
	return ExtensionInputs{
		AppID: o.text("appid"), AppIDExclude: o.text("appidExclude"), CredProps: o.flag("credProps"), UVM: o.flag("uvm"),
		PRF: o.prf(), LargeBlob: o.largeBlob(), Payment: o.payment(),
		ProtectionPolicy: o.text("credentialProtectionPolicy"), EnforceProtectionPolicy: o.flag("enforceCredentialProtectionPolicy"),
		CredBlob: o.bytes("credBlob"), GetCredBlob: o.flag("getCredBlob"),
		MinPINLength: o.flag("minPinLength"), PINComplexityPolicy: o.flag("pinComplexityPolicy"),
		HMACCreateSecret: o.flag("hmacCreateSecret"), HMACGetSecret: o.hmacGetSecret(),
	}
}

func (o *object) prf() *PRFInputs {
	if !o.has("prf") {
		return nil
	}
	in, p := &PRFInputs{}, o.object("prf")
	if p.has("eval") {
		v := p.object("eval").prfValues()
		in.Eval = &v
	}
	by := p.object("evalByCredential")
	for id := range by.members {
		if in.EvalByCredential == nil {
			in.EvalByCredential = map[string]PRFValues{}
		}
		in.EvalByCredential[id] = by.object(id).prfValues()
	}
	return in
}

func (o *object) prfValues() PRFValues {
	o.require("first")
	return PRFValues{First: o.bytes("first"), Second: o.bytes("second")}
}

func (o *object) largeBlob() *LargeBlobInputs {
	if !o.has("largeBlob") {
		return nil
	}
	b := o.object("largeBlob")
	in := &LargeBlobInputs{Support: b.text("support"), Read: b.flag("read")}
	if b.has("write") {
		write := b.bytes("write")
		in.Write = &write
	}
	return in
}

func (o *object) payment() *PaymentInputs {
	if !o.has("payment") {
		return nil
	}
	return &PaymentInputs{IsPayment: o.object("payment").flag("isPayment")}
}

func (o *object) hmacGetSecret() *HMACGetSecret {
	if !o.has("hmacGetSecret") {
		return nil
	}
	s := o.object("hmacGetSecret")
	s.require("salt1")
	return &HMACGetSecret{Salt1: s.bytes("salt1"), Salt2: s.bytes("salt2")}
}

// UnmarshalJSON reads the inputs alone, as [ParseCreationOptions] reads them
// inside options.
func (e *ExtensionInputs) UnmarshalJSON(text []byte) error {
	o := parseObject("extensions", text)
	*e = o.extensions()
	return *o.err
}

// ExtensionOutputs is an AuthenticationExtensionsClientOutputsJSON, what a
// client answers to [ExtensionInputs]. Members that are nil have no output.
type ExtensionOutputs struct {
	AppID         *bool             `json:"appid,omitempty"`
	AppIDExclude  *bool             `json:"appidExclude,omitempty"`
	CredProps     *CredProps        `json:"credProps,omitempty"`
	PRF           *PRFOutputs       `json:"prf,omitempty"`
	LargeBlob     *LargeBlobOutputs `json:"largeBlob,omitempty"`
	CredBlob      *bool             `json:"credBlob,omitempty"`    // create: whether it was stored
	GetCredBlob   *Bytes            `json:"getCredBlob,omitempty"` // get
	UVM           [][]uint64        `json:"uvm,omitempty"`
	HMACCreate    *bool             `json:"hmacCreateSecret,omitempty"`
	HMACGetSecret *HMACOutputs      `json:"hmacGetSecret,omitempty"`
}

// CredProps is the output of credProps: whether the credential is discoverable,
// nil when the client does not know (WebAuthn L3 §10.1.3).
type CredProps struct {
	RK *bool `json:"rk,omitempty"`
}

// PRFOutputs is the output of prf; Enabled is told at creation only.
type PRFOutputs struct {
	Enabled *bool      `json:"enabled,omitempty"`
	Results *PRFValues `json:"results,omitempty"`
}

// LargeBlobOutputs is the output of largeBlob: Supported at creation, Blob after
// a read of a credential that has one, Written after a write.
type LargeBlobOutputs struct {
	Supported *bool  `json:"supported,omitempty"`
	Blob      *Bytes `json:"blob,omitempty"`
	Written   *bool  `json:"written,omitempty"`
}

// HMACOutputs is the output of hmacGetSecret.
type HMACOutputs struct {
	Output1 Bytes `json:"output1"`
	Output2 Bytes `json:"output2,omitempty"`
}

// WithoutSecrets are the outputs without the results of prf and hmac-secret:
// these are for the client's side, and a page that has no use for them on the
// server does not send them there (WebAuthn L3 §10.1.4).
func (o ExtensionOutputs) WithoutSecrets() ExtensionOutputs {
	if o.PRF != nil {
		o.PRF = &PRFOutputs{Enabled: o.PRF.Enabled}
	}
	o.HMACGetSecret = nil
	return o
}

// Results are the outputs as the responses have them, for their
// ClientExtensionResults.
func (o ExtensionOutputs) Results() map[string]any {
	results := map[string]any{}
	text, err := json.Marshal(o)
	if err == nil {
		err = json.Unmarshal(text, &results)
	}
	if err != nil {
		panic(err) // of texts, numbers and booleans there is nothing to fail
	}
	return results
}
