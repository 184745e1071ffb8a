package ctap2_test

import (
	"bytes"
	"context"
	"encoding/hex"
	"errors"
	"fmt"
	"reflect"
	"strings"
	"testing"

	"github.com/touchstone-fido/touchstone/ctap2"
	"github.com/touchstone-fido/touchstone/ctap2/largeblob"
	"github.com/touchstone-fido/touchstone/ctap2/pinuv"
	"github.com/touchstone-fido/touchstone/ctap2/wire"
	"github.com/touchstone-fido/touchstone/fixtures"
)

// text is a CBOR text string under 24 bytes long, in hex.
func text(s string) string { return fmt.Sprintf("%02x%x", 0x60+len(s), s) }

// extensionsOf is the extensions member of a request as it was sent, in hex.
func extensionsOf(t testing.TB, run func(*ctap2.Client)) string {
	t.Helper()
	var sent []byte
	run(ctap2.New(transportFunc(func(_ context.Context, msg []byte) ([]byte, error) { sent = msg; return []byte{0x7f}, nil }), ctap2.Config{}))
	var r map[int]wire.Raw
	if err := wire.Decode(sent[1:], &r); err != nil {
		t.Fatal(err)
	}
	if sent[0] == byte(ctap2.CommandMakeCredential) {
		return hex.EncodeToString(r[6])
	}
	return hex.EncodeToString(r[4])
}

func TestCreationInputs(t *testing.T) {
	prf := agreedSecret(t, pinuv.One, fixtures.WebAuthn().PRF[2])
	agreed := "a3 01" + coseHex(vectors.Platform) + "02" + sized(vectors.HMACSecret.SaltEncOne) + "03" + sized(vectors.HMACSecret.SaltAuthOne)
	for _, c := range []struct {
		name string
		in   ctap2.CreationExtensions
		want string
	}{
		{"none", ctap2.CreationExtensions{}, ""},
		{"credProtect", ctap2.CreationExtensions{CredProtect: ctap2.CredProtectRequired}, "a1" + text("credProtect") + "03"},
		{"credBlob", ctap2.CreationExtensions{CredBlob: []byte{1, 2}}, "a1" + text("credBlob") + "420102"},
		{"an empty credBlob", ctap2.CreationExtensions{CredBlob: []byte{}}, "a1" + text("credBlob") + "40"},
		{"largeBlobKey", ctap2.CreationExtensions{LargeBlobKey: true}, "a1" + text("largeBlobKey") + "f5"},
		{"largeBlob", ctap2.CreationExtensions{LargeBlob: ctap2.LargeBlobPreferred}, "a1" + text("largeBlob") + "a1" + text("support") + text("preferred")},
		{"minPinLength", ctap2.CreationExtensions{MinPINLength: true}, "a1" + text("minPinLength") + "f5"},
		{"pinComplexityPolicy", ctap2.CreationExtensions{PINComplexityPolicy: true}, "a1" + text("pinComplexityPolicy") + "f5"},
		{"hmac-secret", ctap2.CreationExtensions{HMACSecret: true}, "a1" + text("hmac-secret") + "f5"},
		{"hmac-secret-mc", ctap2.CreationExtensions{HMACSecretMC: prf}, "a2" + text("hmac-secret") + "f5" + text("hmac-secret-mc") + agreed},
		{"thirdPartyPayment", ctap2.CreationExtensions{ThirdPartyPayment: true}, "a1" + text("thirdPartyPayment") + "f5"},
		{"several, the shortest name first", ctap2.CreationExtensions{UVM: true, CredProtect: 2, CredBlob: []byte{1}}, "a3" + text("uvm") + "f5" + text("credBlob") + "4101" + text("credProtect") + "02"},
	} {
		got := extensionsOf(t, func(cl *ctap2.Client) {
			_, _ = cl.MakeCredential(t.Context(), &ctap2.MakeCredentialRequest{Extensions: c.in.Inputs()})
		})
		if want := strings.ReplaceAll(c.want, " ", ""); got != want {
			t.Errorf("%s:\n%s, want\n%s", c.name, got, want)
		}
	}
}

func TestAssertionInputs(t *testing.T) {
	for _, c := range []struct {
		name string
		in   ctap2.AssertionExtensions
		want string
	}{
		{"none", ctap2.AssertionExtensions{}, ""},
		{"credBlob", ctap2.AssertionExtensions{CredBlob: true}, "a1" + text("credBlob") + "f5"},
		{"largeBlobKey", ctap2.AssertionExtensions{LargeBlobKey: true}, "a1" + text("largeBlobKey") + "f5"},
		{"read", ctap2.AssertionExtensions{LargeBlob: ctap2.ReadLargeBlob()}, "a1" + text("largeBlob") + "a1" + text("read") + "f5"},
		{"payment and uvm", ctap2.AssertionExtensions{ThirdPartyPayment: true, UVM: true}, "a2" + text("uvm") + "f5" + text("thirdPartyPayment") + "f5"},
	} {
		got := extensionsOf(t, func(cl *ctap2.Client) {
			_, _ = cl.GetAssertion(t.Context(), &ctap2.GetAssertionRequest{Extensions: c.in.Inputs()})
		})
		if want := strings.ReplaceAll(c.want, " ", ""); got != want {
			t.Errorf("%s:\n%s, want\n%s", c.name, got, want)
		}
	}
}

// What is written is compressed; how well is the compressor's business.
func TestWriteLargeBlob(t *testing.T) {
	for _, data := range []string{"", "hello", strings.Repeat("hello", 1000)} {
		access, err := ctap2.WriteLargeBlob([]byte(data))
		if err != nil {
			t.Fatal(err)
		}
		b, err := wire.Encode(ctap2.AssertionExtensions{LargeBlob: access}.Inputs())
		if err != nil {
			t.Fatal(err)
		}
		var sent map[string]struct {
			Read  *bool  `cbor:"read"`
			Write []byte `cbor:"write"`
			Size  uint64 `cbor:"originalSize"`
		}
		if err := wire.Decode(b, &sent); err != nil {
			t.Fatal(err)
		}
		in := sent["largeBlob"]
		got, err := largeblob.Inflate(in.Write, in.Size)
		if err != nil || string(got) != data || in.Read != nil || len(in.Write) > 100 {
			t.Errorf("%d bytes are sent as %+v: %v", len(data), in, err)
		}
	}
}

// created is an answer to makeCredential with extension outputs in hex, and
// further members.
func created(t testing.TB, outputs, more string, n int) *ctap2.MakeCredentialResponse {
	t.Helper()
	data := newAuthData
	if outputs != "" {
		data = strings.Replace(newAuthData, rpHash+"41", rpHash+"c1", 1) + outputs
	}
	answer := fmt.Sprintf("00 a%d 01 646e6f6e65 02", 3+n) + long(data) + "03 a0" + more
	r, err := answering(t, answer).MakeCredential(t.Context(), &ctap2.MakeCredentialRequest{})
	if err != nil {
		t.Fatal(err)
	}
	return r
}

// long is a CBOR byte string with a length of two bytes, which need not be the
// shortest form.
func long(data string) string {
	data = strings.Join(strings.Fields(data), "")
	return fmt.Sprintf("59%04x%s", len(data)/2, data)
}

func asserted(t testing.TB, outputs, more string, n int) *ctap2.Assertion {
	t.Helper()
	data := gotAuthData
	if outputs != "" {
		data = rpHash + "81 00000002" + outputs
	}
	answer := fmt.Sprintf("00 a%d 02", 2+n) + long(data) + "03 42 3000" + more
	a, err := answering(t, answer).GetAssertion(t.Context(), &ctap2.GetAssertionRequest{})
	if err != nil {
		t.Fatal(err)
	}
	return a
}

func ptr[T any](v T) *T { return &v }

func TestCreationOutputs(t *testing.T) {
	everything := ctap2.CreationExtensions{
		CredProtect: 2, CredBlob: []byte{1}, LargeBlobKey: true, MinPINLength: true, PINComplexityPolicy: true, HMACSecret: true, ThirdPartyPayment: true, UVM: true,
	}
	for _, c := range []struct {
		name          string
		in            ctap2.CreationExtensions
		outputs, more string
		n             int
		want          ctap2.CreationOutputs
	}{
		{"none", everything, "", "", 0, ctap2.CreationOutputs{}},
		{
			"all of it", everything,
			"a6" + text("uvm") + "82 83 02 04 02 83 01 02 03" + text("credBlob") + "f4" + text("credProtect") + "03" + text("hmac-secret") + "f5" + text("minPinLength") + "08" + text("pinComplexityPolicy") + "f5",
			"05 5820" + hash, 1,
			ctap2.CreationOutputs{
				CredProtect: 3, CredBlob: ptr(false), LargeBlobKey: unhex(t, hash), MinPINLength: ptr(uint(8)), PINComplexityPolicy: ptr(true), HMACSecret: ptr(true),
				UVM: []ctap2.UVMEntry{{Method: 2, KeyProtection: 4, MatcherProtection: 2}, {Method: 1, KeyProtection: 2, MatcherProtection: 3}},
			},
		},
		{
			"largeBlob, unsigned", ctap2.CreationExtensions{LargeBlob: ctap2.LargeBlobRequired},
			"", "06 a1" + text("largeBlob") + "a1" + text("supported") + "f5", 1, ctap2.CreationOutputs{LargeBlob: ptr(true)},
		},
		{
			"largeBlob, signed by a key that has it so", ctap2.CreationExtensions{LargeBlob: ctap2.LargeBlobRequired},
			"a1" + text("largeBlob") + "a1" + text("supported") + "f4", "", 0, ctap2.CreationOutputs{LargeBlob: ptr(false)},
		},
		{
			"unsolicited", ctap2.CreationExtensions{},
			"a2" + text("vendor") + "61ff" + text("credProtect") + "07", "05 5820" + hash + "06 a1" + text("aaa") + "01", 2,
			ctap2.CreationOutputs{Unsolicited: []string{"aaa", "credProtect", "vendor", "largeBlobKey"}},
		},
	} {
		got, err := c.in.Outputs(created(t, c.outputs, c.more, c.n))
		if err != nil || !reflect.DeepEqual(got, c.want) {
			t.Errorf("%s:\n%+v, %v, want\n%+v", c.name, got, err, c.want)
		}
	}
}

func TestBadCreationOutputs(t *testing.T) {
	for _, c := range []struct {
		in        ctap2.CreationExtensions
		extension string
		output    string
	}{
		{ctap2.CreationExtensions{CredProtect: 2}, "credProtect", "00"},
		{ctap2.CreationExtensions{CredProtect: 2}, "credProtect", "04"},
		{ctap2.CreationExtensions{CredProtect: 2}, "credProtect", "f5"},
		{ctap2.CreationExtensions{CredBlob: []byte{1}}, "credBlob", "01"},
		{ctap2.CreationExtensions{LargeBlob: "required"}, "largeBlob", "a0"},
		{ctap2.CreationExtensions{LargeBlob: "required"}, "largeBlob", "f5"},
		{ctap2.CreationExtensions{MinPINLength: true}, "minPinLength", "03"},
		{ctap2.CreationExtensions{MinPINLength: true}, "minPinLength", "18 40"},
		{ctap2.CreationExtensions{MinPINLength: true}, "minPinLength", "1b ffffffffffffffff"},
		{ctap2.CreationExtensions{PINComplexityPolicy: true}, "pinComplexityPolicy", "00"},
		{ctap2.CreationExtensions{HMACSecret: true}, "hmac-secret", "40"},
		{ctap2.CreationExtensions{UVM: true}, "uvm", "80"},
		{ctap2.CreationExtensions{UVM: true}, "uvm", "81 82 01 02"},
		{ctap2.CreationExtensions{UVM: true}, "uvm", "81 84 01 02 03 04"},
		{ctap2.CreationExtensions{UVM: true}, "uvm", "84 83 01 02 03 83 01 02 03 83 01 02 03 83 01 02 03"},
	} {
		_, err := c.in.Outputs(created(t, "a1"+text(c.extension)+c.output, "", 0))
		var bad *ctap2.OutputError
		if !errors.As(err, &bad) || bad.Extension != c.extension {
			t.Errorf("%s is %s: %v", c.extension, c.output, err)
		}
	}
}

func TestAssertionOutputs(t *testing.T) {
	read, written := ctap2.AssertionExtensions{LargeBlob: ctap2.ReadLargeBlob()}, "a1"+text("largeBlob")+"a1"+text("written")
	blob := "a1" + text("largeBlob") + "a2" + text("blob") + "47 cb48cdc9c90700" + text("originalSize")
	for _, c := range []struct {
		name          string
		in            ctap2.AssertionExtensions
		outputs, more string
		n             int
		want          ctap2.AssertionOutputs
	}{
		{"none", ctap2.AssertionExtensions{CredBlob: true, LargeBlobKey: true, UVM: true}, "", "", 0, ctap2.AssertionOutputs{}},
		{"an empty blob", ctap2.AssertionExtensions{CredBlob: true}, "a1" + text("credBlob") + "40", "", 0, ctap2.AssertionOutputs{CredBlob: []byte{}}},
		{
			"a blob, a key and a payment", ctap2.AssertionExtensions{CredBlob: true, LargeBlobKey: true, ThirdPartyPayment: true},
			"a2" + text("credBlob") + "420102" + text("thirdPartyPayment") + "f5", "07 5820" + hash, 1,
			ctap2.AssertionOutputs{CredBlob: []byte{1, 2}, LargeBlobKey: unhex(t, hash), ThirdPartyPayment: ptr(true)},
		},
		{"read", read, "", "08" + blob + "05", 1, ctap2.AssertionOutputs{LargeBlob: []byte("hello")}},
		{"read, and there is none", read, "", "08 a1" + text("largeBlob") + "a0", 1, ctap2.AssertionOutputs{}},
		{"written", read, "", "08" + written + "f5", 1, ctap2.AssertionOutputs{LargeBlobWritten: ptr(true)}},
		{"not written", read, "", "08" + written + "f4", 1, ctap2.AssertionOutputs{LargeBlobWritten: ptr(false)}},
		{"unsolicited", ctap2.AssertionExtensions{}, "a1" + text("credBlob") + "00", "07 5820" + hash, 1, ctap2.AssertionOutputs{Unsolicited: []string{"credBlob", "largeBlobKey"}}},
	} {
		got, err := c.in.Outputs(asserted(t, c.outputs, c.more, c.n))
		if err != nil || !reflect.DeepEqual(got, c.want) {
			t.Errorf("%s:\n%+v, %v, want\n%+v", c.name, got, err, c.want)
		}
	}
	for name, bad := range map[string]string{
		"another size": blob + "06", "both": strings.Replace(blob, "a2", "a3", 1) + "05" + text("written") + "f5",
		"no size": "a1" + text("largeBlob") + "a1" + text("blob") + "40", "not compressed": "a1" + text("largeBlob") + "a2" + text("blob") + "41ff" + text("originalSize") + "01",
		"a bomb": blob + "1b ffffffffffffffff",
	} {
		_, err := read.Outputs(asserted(t, "", "08"+bad, 1))
		var e *ctap2.OutputError
		if !errors.As(err, &e) || e.Extension != "largeBlob" {
			t.Errorf("%s: %v", name, err)
		}
	}
}

// agreedSecret is an hmac-secret input with the keys, IV and salts of a vector.
func agreedSecret(t testing.TB, p pinuv.Protocol, v fixtures.PRFVector) *ctap2.HMACSecret {
	t.Helper()
	random := append(bytes.Clone(vectors.Platform.D), v.IV...)
	c := ctap2.New(play(t, agreement(p)), ctap2.Config{Rand: bytes.NewReader(random)})
	var second []byte
	if len(v.Salts) > 1 {
		second = v.Salts[1]
	}
	h, err := c.HMACSecret(t.Context(), p, v.Salts[0], second)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(h.Close)
	return h
}

// TestPRFVectors holds hmac-secret and hmac-secret-mc to WebAuthn L3 §16.17: one
// and two salts, under both protocols.
func TestPRFVectors(t *testing.T) {
	for _, v := range fixtures.WebAuthn().PRF {
		p := pinuv.Protocol(v.Protocol)
		h := agreedSecret(t, p, v)
		input, err := wire.Encode(h.Input())
		if err != nil {
			t.Fatal(err)
		}
		var sent struct {
			SaltEnc  []byte `cbor:"2,keyasint"`
			Protocol uint   `cbor:"4,keyasint"`
		}
		if err := wire.Decode(input, &sent); err != nil || !bytes.Equal(sent.SaltEnc, v.SaltEnc) || (sent.Protocol == 2) != (p == pinuv.Two) {
			t.Errorf("protocol %d, %d salts: %+v, %v", p, len(v.Salts), sent, err)
		}
		got, err := ctap2.AssertionExtensions{HMACSecret: h}.Outputs(asserted(t, "a1"+text("hmac-secret")+sized(v.OutputEnc), "", 0))
		compareOutputs(t, got.HMACSecret, v, err)
		made, err := ctap2.CreationExtensions{HMACSecretMC: h}.Outputs(created(t, "a2"+text("hmac-secret")+"f5"+text("hmac-secret-mc")+sized(v.OutputEnc), "", 0))
		compareOutputs(t, made.HMACSecretMC, v, err)
		_, err = ctap2.AssertionExtensions{HMACSecret: h}.Outputs(asserted(t, "a1"+text("hmac-secret")+sized(v.OutputEnc[:16]), "", 0))
		var bad *ctap2.OutputError
		if !errors.As(err, &bad) {
			t.Errorf("a block of it: %v", err)
		}
	}
}

func compareOutputs(t *testing.T, got [][]byte, v fixtures.PRFVector, err error) {
	t.Helper()
	if err != nil || len(got) != len(v.Outputs) {
		t.Errorf("%d outputs, %v, want %d", len(got), err, len(v.Outputs))
		return
	}
	for i, want := range v.Outputs {
		if !bytes.Equal(got[i], want) {
			t.Errorf("output %d of protocol %d is %x, want %x", i+1, v.Protocol, got[i], want)
		}
	}
}
