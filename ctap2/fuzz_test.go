package ctap2_test

import (
	"context"
	"testing"

	"github.com/touchstone-fido/touchstone/ctap2"
	"github.com/touchstone-fido/touchstone/ctap2/largeblob"
	"github.com/touchstone-fido/touchstone/ctap2/pinuv"
	"github.com/touchstone-fido/touchstone/ctap2/wire"
)

// FuzzAnswers gives every command any answer: an error or a result, no panic and
// no end of it.
func FuzzAnswers(f *testing.F) {
	for _, s := range []string{
		"", "00", "2e", "2c", "00a0", "00a10308", "00a30102", getInfoAnswer, makeCredentialAnswer, assertionAnswer,
		"00 a2 01 03 02 16", "00 a3 03" + exampleRP + "04 5820" + exampleHash + "05 02",
		"00 a7" + credentialAnswer + "08" + coseKey + "09 02 0a 03 0b 5820" + hash + "0c f5",
		"00 a1 01 01", "00 a3 02 01 03 04 08 0f", "00 a1 07 81 a2 01 42cea3 02 6766696e67657231", "00 a3 04 42cea3 05 00 06 02",
		"00 a1 01 51 8076be8b528d0075f7aae98d6fa57a6d3c",
		"00 a3 04 42cea3 05 18ff 06 1bffffffffffffffff",
	} {
		f.Add(unhex(f, s))
	}
	f.Fuzz(func(t *testing.T, answer []byte) {
		for _, run := range everything {
			asked := 0
			run(t.Context(), ctap2.New(transportFunc(func(context.Context, []byte) ([]byte, error) {
				if asked++; asked > 20 {
					return []byte{0x7f}, nil
				}
				return answer, nil
			}), ctap2.Config{}))
		}
	})
}

// all is a getInfo with everything that a command may ask for.
var all = &ctap2.Info{Options: map[string]bool{ctap2.OptionCredMgmt: true, ctap2.OptionBioEnroll: true, ctap2.OptionAlwaysUV: true}}

var everything = []func(context.Context, *ctap2.Client){
	func(ctx context.Context, c *ctap2.Client) {
		_, _ = c.GetInfo(ctx)
		_, _ = c.ReadLargeBlobArray(ctx) // with what getInfo said of sizes
	},
	func(ctx context.Context, c *ctap2.Client) {
		_, _ = c.MakeCredential(ctx, &ctap2.MakeCredentialRequest{})
		_, _ = c.GetAssertions(ctx, &ctap2.GetAssertionRequest{})
	},
	func(ctx context.Context, c *ctap2.Client) {
		_, _ = c.PINRetries(ctx)
		_, _ = c.UVRetries(ctx)
		for _, p := range []pinuv.Protocol{pinuv.One, pinuv.Two} {
			_, _ = c.PINToken(ctx, p, []byte("1234"))
			_, _ = c.HMACSecret(ctx, p, make([]byte, 32), nil)
		}
	},
	func(ctx context.Context, c *ctap2.Client) {
		m, _ := c.CredentialManagement(all, nil)
		_, _ = m.Metadata(ctx)
		for range m.RelyingParties(ctx) {
		}
		for credential := range m.Credentials(ctx, make([]byte, 32)) {
			_, _ = credential.Key()
		}
		_ = m.Delete(ctx, ctap2.Descriptor{})
	},
	func(ctx context.Context, c *ctap2.Client) {
		f, _ := c.Fingerprints(all, nil)
		_, _ = f.Modality(ctx)
		_, _ = f.Sensor(ctx)
		_, _ = f.Templates(ctx)
		_, _ = f.Enroll(ctx, 0, func(s ctap2.Sample) error { _ = s.Status.String(); return nil })
	},
	func(ctx context.Context, c *ctap2.Client) {
		_ = c.SetAlwaysUV(ctx, nil, true)
		_, _ = c.VendorPrototype(ctx, nil, 1, nil)
		_ = c.ChangeLargeBlobs(ctx, nil, func(a *largeblob.Array) error {
			_, _, _ = a.Find(make([]byte, 32))
			_, err := a.Collect(nil)
			return err
		})
	},
}

func FuzzExtensionOutputs(f *testing.F) {
	f.Add(unhex(f, "a1"+text("credProtect")+"03"), unhex(f, "a1"+text("largeBlob")+"a1"+text("supported")+"f5"))
	f.Add(unhex(f, "a1"+text("uvm")+"81 83 01 02 03"), unhex(f, "a1"+text("largeBlob")+"a2"+text("blob")+"47cb48cdc9c90700"+text("originalSize")+"05"))
	f.Fuzz(func(t *testing.T, signed, unsigned []byte) {
		var s, u map[string]wire.Raw
		if wire.Decode(signed, &s) != nil || wire.Decode(unsigned, &u) != nil {
			return
		}
		r := &ctap2.MakeCredentialResponse{UnsignedExtensionOutputs: u}
		r.AuthData.Extensions = s
		_, _ = ctap2.CreationExtensions{CredProtect: 1, CredBlob: []byte{1}, LargeBlob: "required", MinPINLength: true, PINComplexityPolicy: true, HMACSecret: true, UVM: true}.Outputs(r)
		a := &ctap2.Assertion{UnsignedExtensionOutputs: u}
		a.AuthData.Extensions = s
		_, _ = ctap2.AssertionExtensions{CredBlob: true, LargeBlob: ctap2.ReadLargeBlob(), ThirdPartyPayment: true, UVM: true}.Outputs(a)
	})
}
