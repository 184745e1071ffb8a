package ctap2

import (
	"errors"
	"fmt"

	"github.com/touchstone-fido/touchstone/ctap2/largeblob"
)

// LargeBlobAccess is the input of [ExtensionLargeBlob] in getAssertion: to read
// the credential's blob, or to write it. It is made by [ReadLargeBlob] and
// [WriteLargeBlob].
type LargeBlobAccess struct {
	input largeBlobInput
}

type largeBlobInput struct {
	Read  bool   `cbor:"read,omitempty"`
	Write []byte `cbor:"write,omitempty"` // compressed
	Size  *uint  `cbor:"originalSize,omitempty"`
}

// ReadLargeBlob asks for the blob of the credential that is used.
func ReadLargeBlob() *LargeBlobAccess { return &LargeBlobAccess{largeBlobInput{Read: true}} }

// WriteLargeBlob compresses data to be written as the credential's blob. The
// request must allow exactly one credential. Which permission a token needs for
// it is not told by any source at hand: an authenticator with this extension
// does not have the option largeBlobs, without which none grants lbw.
func WriteLargeBlob(data []byte) (*LargeBlobAccess, error) {
	packed, err := largeblob.Deflate(data)
	if err != nil {
		return nil, err
	}
	size := uint(len(data))
	return &LargeBlobAccess{largeBlobInput{Write: packed, Size: &size}}, nil
}

// AssertionExtensions are the inputs of extensions to getAssertion. Members that
// are zero are not sent. Whether the authenticator has the extensions is for the
// caller to look up in getInfo; one that has not leaves them unread.
type AssertionExtensions struct {
	CredBlob          bool
	LargeBlobKey      bool
	LargeBlob         *LargeBlobAccess // never together with LargeBlobKey
	HMACSecret        *HMACSecret
	ThirdPartyPayment bool
	UVM               bool
}

// Inputs is the value for [GetAssertionRequest.Extensions], nil for none.
func (e AssertionExtensions) Inputs() map[string]any {
	in := map[string]any{}
	if e.HMACSecret != nil {
		in[ExtensionHMACSecret] = e.HMACSecret.Input()
	}
	if e.LargeBlob != nil {
		in[ExtensionLargeBlob] = e.LargeBlob.input
	}
	for name, asked := range map[string]bool{
		ExtensionCredBlob: e.CredBlob, ExtensionLargeBlobKey: e.LargeBlobKey,
		ExtensionThirdPartyPayment: e.ThirdPartyPayment, ExtensionUVM: e.UVM,
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

// AssertionOutputs are the outputs of extensions to getAssertion. Members that
// are nil have no output.
type AssertionOutputs struct {
	CredBlob          []byte   // empty and not nil when the credential has none
	LargeBlobKey      []byte   // 32 bytes
	LargeBlob         []byte   // what was read, inflated; empty and not nil for an empty blob
	LargeBlobWritten  *bool    // whether the blob was written
	HMACSecret        [][]byte // 32 bytes for each salt
	ThirdPartyPayment *bool
	UVM               []UVMEntry
	Unsolicited       []string // as in [CreationOutputs]
}

// Outputs reads the outputs of these extensions from an answer to the request
// that they were sent with. The error is an [*OutputError].
func (e AssertionExtensions) Outputs(a *Assertion) (AssertionOutputs, error) {
	o := &outputs{asked: e.Inputs(), signed: a.AuthData.Extensions, unsigned: a.UnsignedExtensionOutputs}
	out := AssertionOutputs{
		CredBlob: o.credBlob(), ThirdPartyPayment: o.flag(ExtensionThirdPartyPayment),
		UVM: o.uvm(), Unsolicited: o.unsolicited(),
	}
	out.LargeBlob, out.LargeBlobWritten = o.largeBlob()
	if e.LargeBlobKey {
		out.LargeBlobKey = a.LargeBlobKey
	} else if a.LargeBlobKey != nil {
		out.Unsolicited = append(out.Unsolicited, ExtensionLargeBlobKey)
	}
	if _, ok := a.AuthData.Extensions[ExtensionHMACSecret]; ok && e.HMACSecret != nil {
		var err error
		out.HMACSecret, err = e.HMACSecret.Outputs(a.AuthData)
		o.fail(ExtensionHMACSecret, err)
	}
	if o.err != nil {
		return AssertionOutputs{}, o.err
	}
	return out, nil
}

func (o *outputs) credBlob() []byte {
	b := []byte{}
	if !o.read(ExtensionCredBlob, &b) {
		return nil
	}
	return b
}

// largeBlob reads {"blob": bytes, "originalSize": number} or {"written": bool}.
// A credential without a blob has neither.
func (o *outputs) largeBlob() (blob []byte, written *bool) {
	var m struct {
		Blob    []byte  `cbor:"blob"`
		Size    *uint64 `cbor:"originalSize"`
		Written *bool   `cbor:"written"`
	}
	if !o.read(ExtensionLargeBlob, &m) || m.Blob == nil {
		return nil, m.Written
	}
	if m.Size == nil {
		o.fail(ExtensionLargeBlob, fmt.Errorf("%w: originalSize", ErrMissingMember))
		return nil, nil
	}
	blob, err := largeblob.Inflate(m.Blob, *m.Size)
	o.fail(ExtensionLargeBlob, err)
	if m.Written != nil {
		o.fail(ExtensionLargeBlob, errors.New("both a blob and written"))
	}
	return blob, nil
}
