package relyingparty

import (
	"bytes"
	"encoding/json"

	"github.com/touchstone-fido/touchstone/ctap2/authdata"
	"github.com/touchstone-fido/touchstone/ctap2/webauthn"
	"github.com/touchstone-fido/touchstone/ctap2/wire"
)

// Told is what an authenticator said of extensions in the data that it signed
// (authenticator extension outputs, CTAP 2.3 §12). What it did not say is nil or
// empty. hmac-secret's results are there for the client only, and encrypted.
type Told struct {
	ProtectionPolicy    string          `json:"credentialProtectionPolicy,omitempty"`
	HMACSecret          *bool           `json:"hmacSecret,omitempty"`   // registration: the credential has the secrets of prf
	CredBlob            *bool           `json:"credBlob,omitempty"`     // registration: the blob was stored
	GetCredBlob         *webauthn.Bytes `json:"getCredBlob,omitempty"`  // assertion: empty for none
	MinPINLength        *uint           `json:"minPINLength,omitempty"` // code points
	PINComplexityPolicy *bool           `json:"pinComplexityPolicy,omitempty"`
	ThirdPartyPayment   *bool           `json:"thirdPartyPayment,omitempty"` // assertion
	UVM                 [][]uint64      `json:"uvm,omitempty"`               // method, key protection, matcher protection
}

// told reads the extension outputs of authenticator data, nil for none. Members
// that are not what they should be are left out: nothing hangs on them but what
// is shown, and go-webauthn has judged what does.
func told(authData []byte) *Told {
	d, err := authdata.Parse(authData)
	if err != nil || len(d.Extensions) == 0 {
		return nil
	}
	t := &Told{
		HMACSecret: output[bool](d, "hmac-secret"), CredBlob: output[bool](d, "credBlob"),
		MinPINLength: output[uint](d, "minPinLength"), PINComplexityPolicy: output[bool](d, "pinComplexityPolicy"),
		ThirdPartyPayment: output[bool](d, "thirdPartyPayment"), GetCredBlob: (*webauthn.Bytes)(output[[]byte](d, "credBlob")),
	}
	if level := output[uint](d, "credProtect"); level != nil {
		t.ProtectionPolicy = webauthn.ProtectionPolicy(*level)
	}
	if uvm := output[[][]uint64](d, "uvm"); uvm != nil && len(*uvm) > 0 {
		t.UVM = *uvm
	}
	return t
}

// same reports whether two say the same, in their JSON form.
func (t *Told) same(other *Told) bool {
	a, errA := json.Marshal(t)
	b, errB := json.Marshal(other)
	return errA == nil && errB == nil && bytes.Equal(a, b)
}

func output[T any](d authdata.Data, name string) *T {
	var v T
	raw, ok := d.Extensions[name]
	if !ok || wire.Decode(raw, &v) != nil {
		return nil
	}
	return &v
}
