package authdata_test

import (
	"bytes"
	"encoding/hex"
	"errors"
	"reflect"
	"strings"
	"testing"

	"github.com/touchstone-fido/touchstone/ctap2/authdata"
	"github.com/touchstone-fido/touchstone/ctap2/cose"
	"github.com/touchstone-fido/touchstone/ctap2/wire"
	"github.com/touchstone-fido/touchstone/fixtures"
)

var unhex = fixtures.Unhex

var hash = strings.Repeat("5a", 32)

func full(t testing.TB) (authdata.Data, []byte) {
	v := fixtures.PINUV()
	key := cose.Key{Type: cose.TypeEC2, Alg: cose.ES256, Curve: cose.CurveP256, X: []byte(v.Platform.X), Y: []byte(v.Platform.Y)}
	raw, err := key.MarshalCBOR()
	if err != nil {
		t.Fatal(err)
	}
	d := authdata.Data{
		Flags: authdata.FlagUP | authdata.FlagUV | authdata.FlagAT | authdata.FlagED, SignCount: 0x01020304,
		Credential: &authdata.Credential{AAGUID: [16]byte{0xcb, 0x69}, ID: []byte{1, 2, 3}, Key: key, PublicKey: raw},
		Extensions: map[string]wire.Raw{"credProtect": {2}},
	}
	copy(d.RPIDHash[:], unhex(t, hash))
	b := unhex(t, hash+"c5 01020304 cb69"+strings.Repeat("00", 14)+"0003 010203")
	b = append(append(b, raw...), unhex(t, "a1 6b"+hex.EncodeToString([]byte("credProtect"))+"02")...)
	return d, b
}

func TestParseAndBytes(t *testing.T) {
	want, b := full(t)
	got, err := authdata.Parse(b)
	if err != nil || !reflect.DeepEqual(got, want) {
		t.Fatalf("Parse = %+v, %v\nwant %+v", got, err, want)
	}
	again, err := got.Bytes()
	if err != nil || !bytes.Equal(again, b) {
		t.Errorf("Bytes = %x, %v\nwant %x", again, err, b)
	}
	got.Credential.PublicKey = nil // written from Key then
	again, err = got.Bytes()
	if err != nil || !bytes.Equal(again, b) {
		t.Errorf("Bytes from Key = %x, %v", again, err)
	}
	var level uint
	if ok, err := want.Extension("credProtect", &level); !ok || err != nil || level != 2 {
		t.Errorf("credProtect: %v, %v, %d", ok, err, level)
	}
	if ok, err := want.Extension("hmac-secret", &level); ok || err != nil {
		t.Errorf("an absent extension: %v, %v", ok, err)
	}
	if ok, err := want.Extension("credProtect", new(string)); !ok || err == nil {
		t.Errorf("an extension of another type: %v, %v", ok, err)
	}
}

func TestEveryPrefixFails(t *testing.T) {
	_, b := full(t)
	for n := range b {
		if _, err := authdata.Parse(b[:n]); err == nil {
			t.Errorf("%d of %d bytes were read", n, len(b))
		}
	}
	if _, err := authdata.Parse(append(b, 0)); !errors.Is(err, authdata.ErrTrailing) {
		t.Errorf("one byte more: %v", err)
	}
}

func TestParseShort(t *testing.T) {
	d, err := authdata.Parse(unhex(t, hash+"23 00000007"))
	if err != nil || d.SignCount != 7 || d.Credential != nil || d.Extensions != nil {
		t.Fatalf("%+v, %v", d, err)
	}
	if d.Flags.Reserved() == 0 || d.Flags.String() != "UP RFU1 RFU2" {
		t.Errorf("flags %v, reserved %v", d.Flags, d.Flags.Reserved())
	}
}

func TestParseRefuses(t *testing.T) {
	key := "a5010203262001215820" + hash + "225820" + hash
	for _, c := range []struct {
		name, data string
		kind       error
	}{
		{"no flags", hash, authdata.ErrTruncated},
		{"credential announced", hash + "40 00000000", authdata.ErrTruncated},
		{"credential ID longer than the data", hash + "40 00000000" + strings.Repeat("00", 16) + "0010 00", authdata.ErrTruncated},
		{"credential ID of 1024 bytes", hash + "40 00000000" + strings.Repeat("00", 16) + "0400" + strings.Repeat("00", 1024) + key, nil},
		{"no key", hash + "40 00000000" + strings.Repeat("00", 18), cose.ErrInvalid},
		{"extensions announced", hash + "80 00000000", authdata.ErrTruncated},
		{"extensions are a list", hash + "80 00000000 80", nil},
		{"extensions are null", hash + "80 00000000 f6", nil},
		{"extension twice", hash + "80 00000000 a2 616100 616100", nil},
		{"credential without its flag", hash + "01 00000000" + strings.Repeat("00", 18) + key, authdata.ErrTrailing},
	} {
		_, err := authdata.Parse(unhex(t, c.data))
		if err == nil || c.kind != nil && !errors.Is(err, c.kind) {
			t.Errorf("%s: %v, want %v", c.name, err, c.kind)
		}
	}
}

func TestBytesRefuses(t *testing.T) {
	d, _ := full(t)
	d.Credential.ID = make([]byte, authdata.MaxCredentialID+1)
	if _, err := d.Bytes(); err == nil {
		t.Error("a credential ID of 1024 bytes was written")
	}
}

func TestAAGUIDText(t *testing.T) {
	a := authdata.AAGUID(unhex(t, "cb69481e8ff7403993ec0a2729a154a8"))
	if a.String() != "cb69481e-8ff7-4039-93ec-0a2729a154a8" {
		t.Error(a)
	}
}

func FuzzParse(f *testing.F) {
	_, b := full(f)
	f.Add(b)
	f.Add(b[:37])
	f.Add(unhex(f, hash+"80 00000000 a1 6161 f5"))
	f.Fuzz(func(t *testing.T, data []byte) {
		d, err := authdata.Parse(data)
		if err != nil {
			return
		}
		again, err := d.Bytes()
		if err != nil {
			t.Fatalf("read but not written: %v", err)
		}
		if _, err := authdata.Parse(again); err != nil {
			t.Fatalf("own bytes %x: %v", again, err)
		}
	})
}
