package ctap2_test

import (
	"bytes"
	"encoding/hex"
	"encoding/json"
	"os"
	"path/filepath"
	"reflect"
	"strings"
	"testing"

	"github.com/touchstone-fido/touchstone/ctap2"
	"github.com/touchstone-fido/touchstone/ctap2/cose"
	"github.com/touchstone-fido/touchstone/ctap2/pinuv"
	"github.com/touchstone-fido/touchstone/ctap2/wire"
	"github.com/touchstone-fido/touchstone/fixtures"
)

// getInfoAnswer has every member 0x01 to 0x1f, and 0x20, which has no name yet.
var getInfoAnswer = `00 b820
	01 81 684649444f5f325f33
	02 82 6b6372656450726f74656374 6b686d61632d736563726574
	03 50 000102030405060708090a0b0c0d0e0f
	04 a3 62726b f5 627576 f4 69636c69656e7450696e f5
	05 19 04b0
	06 82 02 01
	07 08
	08 18 80
	09 82 636e6663 63757362
	0a 81 a2 63616c67 26 64747970656a7075626c69632d6b6579
	0b 19 0400
	0c f5
	0d 06
	0e 1a 00050704
	0f 18 20
	10 00
	11 03
	12 02
	13 a1 644649444f 01
	14 00
	15 81 1b ffffffffffffffff
	16 81 667061636b6564
	17 02
	18 18 f4
	18 19 58 20 ` + strings.Repeat("19", 32) + `
	18 1a 81 63757362
	18 1b f5
	18 1c 46 687474703a2f
	18 1d 18 3f
	18 1e 58 20 ` + strings.Repeat("1e", 32) + `
	18 1f 82 01 18ff
	18 20 6161`

func TestEveryMember(t *testing.T) {
	info, err := ctap2.New(play(t, step{"04", getInfoAnswer}), ctap2.Config{}).GetInfo(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	want := &ctap2.Info{
		Versions: []string{"FIDO_2_3"}, Extensions: []string{"credProtect", "hmac-secret"},
		AAGUID:     [16]byte{0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15},
		Options:    map[string]bool{"rk": true, "uv": false, "clientPin": true},
		MaxMsgSize: 1200, PINUVAuthProtocols: []pinuv.Protocol{2, 1},
		MaxCredentialCountInList: 8, MaxCredentialIDLength: 128, Transports: []string{"nfc", "usb"},
		Algorithms: ctap2.Parameters(cose.ES256), MaxSerializedLargeBlobArray: 1024,
		ForcePINChange: true, MinPINLength: 6, FirmwareVersion: 0x50704, MaxCredBlobLength: 32,
		PreferredPlatformUVAttempts: 3, UVModality: 2, Certifications: map[string]uint64{"FIDO": 1},
		VendorPrototypeConfigCommands: []uint64{1<<64 - 1}, AttestationFormats: []string{"packed"},
		UVCountSinceLastPINEntry: 2, EncIdentifier: unhex(t, strings.Repeat("19", 32)),
		TransportsForReset: []string{"usb"}, PINComplexityPolicy: true, PINComplexityPolicyURL: "http:/",
		MaxPINLength: 63, EncCredStoreState: unhex(t, strings.Repeat("1e", 32)),
		AuthenticatorConfigCommands: []uint64{1, 255},
	}
	got := *info
	got.Members = nil
	if !reflect.DeepEqual(&got, want) {
		t.Errorf("\n got %+v\nwant %+v", &got, want)
	}
	if !reflect.DeepEqual(info.Unknown(), []uint64{0x20}) || string(info.Members[0x20]) != "\x61a" {
		t.Errorf("unknown members %v, 0x20 is %x", info.Unknown(), info.Members[0x20])
	}
	for m := ctap2.InfoVersions; m <= ctap2.InfoAuthenticatorConfigCommands; m++ {
		if !info.Has(m) || strings.HasPrefix(m.String(), "member") {
			t.Errorf("%v: has %v", m, info.Has(m))
		}
	}
}

func TestAbsentIsNotZero(t *testing.T) {
	info, err := ctap2.ParseInfo(unhex(t, "a3 01 80 03 50"+strings.Repeat("00", 16)+"14 00"))
	if err != nil {
		t.Fatal(err)
	}
	if !info.Has(ctap2.InfoRemainingDiscoverableCredentials) || info.Has(ctap2.InfoMaxMsgSize) {
		t.Errorf("Has tells %v and %v", info.Has(0x14), info.Has(0x05))
	}
	if info.MaxMessage() != 1024 {
		t.Errorf("MaxMessage = %d", info.MaxMessage())
	}
	if v, sent := info.Option("up"); !v || sent {
		t.Errorf("up = %v, %v", v, sent)
	}
	if v, sent := info.Option("rk"); v || sent {
		t.Errorf("rk = %v, %v", v, sent)
	}
}

func TestProblemsLeaveTheRestReadable(t *testing.T) {
	info, err := ctap2.ParseInfo(unhex(t, "a3 03 4f"+strings.Repeat("00", 15)+"05 6161 06 81 01"))
	if err != nil {
		t.Fatal(err)
	}
	var got []ctap2.InfoMember
	for _, p := range info.Problems {
		got = append(got, p.Member)
	}
	if !reflect.DeepEqual(got, []ctap2.InfoMember{ctap2.InfoVersions, ctap2.InfoAAGUID, ctap2.InfoMaxMsgSize}) {
		t.Errorf("problems %v", info.Problems)
	}
	if info.PINUVAuthProtocol() != pinuv.One {
		t.Errorf("protocol %v", info.PINUVAuthProtocol())
	}
	if info.Has(ctap2.InfoMaxMsgSize) || !info.Has(ctap2.InfoPINUVAuthProtocols) {
		t.Errorf("Has tells %v of a bad member, %v of a good one", info.Has(ctap2.InfoMaxMsgSize), info.Has(ctap2.InfoPINUVAuthProtocols))
	}
}

func TestHalfReadMembersAreDropped(t *testing.T) {
	info, err := ctap2.ParseInfo(unhex(t, "a2 01 82 684649444f5f325f30 05 04 a2 62726b f5 627576 6161"))
	if err != nil || len(info.Problems) != 3 || info.Versions != nil || info.Options != nil {
		t.Errorf("%+v, %v", info, err)
	}
}

func TestIdentifierVectors(t *testing.T) {
	v := vectors.Identifiers
	info := &ctap2.Info{EncIdentifier: []byte(v.EncIdentifier), EncCredStoreState: []byte(v.EncCredStoreState)}
	if got, err := info.DeviceIdentifier(v.Token); err != nil || !bytes.Equal(got, v.Plain) {
		t.Errorf("%x, %v", got, err)
	}
	if got, err := info.CredentialStoreState(v.Token); err != nil || !bytes.Equal(got, v.Plain) {
		t.Errorf("%x, %v", got, err)
	}
	info.EncIdentifier = info.EncIdentifier[1:]
	if _, err := info.DeviceIdentifier(v.Token); err == nil {
		t.Error("31 bytes were decrypted")
	}
}

func TestPolicyURLAsText(t *testing.T) {
	info, err := ctap2.ParseInfo(unhex(t, "a1 181c 63 61622f"))
	if err != nil || info.PINComplexityPolicyURL != "ab/" {
		t.Errorf("%q, %v", info.PINComplexityPolicyURL, err)
	}
}

func TestChoiceOfProtocol(t *testing.T) {
	for _, c := range []struct {
		name, data string
		want       pinuv.Protocol
	}{
		{"the first that is known", "a1 06 83 03 02 01", pinuv.Two},
		{"the authenticator prefers one", "a1 06 82 01 02", pinuv.One},
		{"CTAP 2.0 key with PIN and no list", "a1 04 a1 69636c69656e7450696e f4", pinuv.One},
		{"no PIN", "a1 04 a1 62726b f5", 0},
		{"only unknown ones", "a2 04 a1 69636c69656e7450696e f4 06 81 09", 0},
	} {
		info, err := ctap2.ParseInfo(unhex(t, c.data))
		if err != nil || info.PINUVAuthProtocol() != c.want {
			t.Errorf("%s: %v, %v", c.name, info.PINUVAuthProtocol(), err)
		}
	}
}

// TestCorpusGetInfo reads what real keys answered: all of it, with a remark on
// the one that is not canonical.
func TestCorpusGetInfo(t *testing.T) {
	files, err := filepath.Glob(filepath.Join(fixtures.Corpus(t), "real", "*", "getinfo", "*.hex"))
	if err != nil || len(files) == 0 {
		t.Fatalf("no getInfo in the corpus (%v)", err)
	}
	noted := map[string]string{
		"issue-73.hex": `map keys out of order: "clientPin" after "credentialMgmtPreview" in 0x04 (byte 115)`,
	}
	for _, file := range files {
		info := readInfo(t, file)
		if len(info.Problems) > 0 || len(info.Unknown()) > 0 {
			t.Errorf("%s: problems %v, unknown members %v", file, info.Problems, info.Unknown())
		}
		if got := remarkText(info.Remarks); got != noted[filepath.Base(file)] {
			t.Errorf("%s: remarks %q, want %q", file, got, noted[filepath.Base(file)])
		}
		compareWithIndex(t, file, info)
	}
}

func readInfo(t *testing.T, file string) *ctap2.Info {
	t.Helper()
	text, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	info, err := ctap2.ParseInfo(unhex(t, string(text)))
	if err != nil {
		t.Fatalf("%s: %v", file, err)
	}
	return info
}

func remarkText(remarks []wire.Remark) string {
	var s []string
	for _, r := range remarks {
		s = append(s, r.String())
	}
	return strings.Join(s, "; ")
}

// compareWithIndex holds our reading to what the corpus says beside the bytes.
func compareWithIndex(t *testing.T, file string, info *ctap2.Info) {
	t.Helper()
	text, err := os.ReadFile(strings.TrimSuffix(file, ".hex") + ".json")
	if err != nil {
		t.Fatal(err)
	}
	var want struct{ Decoded map[string]json.RawMessage }
	if err := json.Unmarshal(text, &want); err != nil {
		t.Fatal(err)
	}
	for name, got := range map[string]any{
		"1": info.Versions, "2": info.Extensions, "3": "h:" + hex.EncodeToString(info.AAGUID[:]),
		"4": info.Options, "5": info.MaxMsgSize, "6": info.PINUVAuthProtocols, "7": info.MaxCredentialCountInList,
		"8": info.MaxCredentialIDLength, "9": info.Transports, "13": info.MinPINLength, "14": info.FirmwareVersion,
		"22": info.AttestationFormats, "29": info.MaxPINLength, "31": info.AuthenticatorConfigCommands,
	} {
		if raw, ok := want.Decoded[name]; ok && !sameJSON(t, got, raw) {
			t.Errorf("%s: member %s = %v, the corpus says %s", file, name, got, raw)
		}
	}
}

func sameJSON(t *testing.T, got any, want json.RawMessage) bool {
	t.Helper()
	b, err := json.Marshal(got)
	if err != nil {
		t.Fatal(err)
	}
	var g, w any
	if json.Unmarshal(b, &g) != nil || json.Unmarshal(want, &w) != nil {
		return false
	}
	return reflect.DeepEqual(g, w)
}

func BenchmarkParseInfo(b *testing.B) {
	body := unhex(b, "a60181684649444f5f325f3002816b686d61632d7365637265740350cb69481e8ff7403993ec0a2729a154a804a462726bf5627570f564706c6174f469636c69656e7450696ef4051904b0068101")
	b.ReportAllocs()
	for b.Loop() {
		if _, err := ctap2.ParseInfo(body); err != nil {
			b.Fatal(err)
		}
	}
}
