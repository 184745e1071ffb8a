package profiles_test

import (
	"bytes"
	"context"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"maps"
	"os"
	"path/filepath"
	"reflect"
	"slices"
	"strings"
	"testing"

	"github.com/fxamacker/cbor/v2"

	"github.com/touchstone-fido/touchstone/ctap2"
	"github.com/touchstone-fido/touchstone/devices/virtual"
	"github.com/touchstone-fido/touchstone/devices/virtual/profiles"
	"github.com/touchstone-fido/touchstone/fixtures"
)

// Where the public data of a profile is.
const (
	blob138   = "real/mds/opotonniee+fido-mds-explorer/mds-no138.noicons.json"
	nitrokey3 = "real/mds/Nitrokey+nitrokey-3-firmware/"
	ofYubico  = "real/Yubico+libfido2/getinfo/"
)

// described are the profiles whose getInfo is in FIDO's metadata, or in metadata
// of their maker's.
var described = map[string]string{
	"yubikey-5-nfc-5.4": blob138, "yubikey-5-nfc-5.7": blob138, "yubikey-bio-5.5": blob138, "yubikey-bio-5.7": blob138,
	"security-key-nfc-5.4": blob138, "security-key-nfc-5.7": blob138, "titan-v2": blob138, "nitrokey-3-mini-2.1": blob138,
	"token2-fido2": blob138, "token2-pin-plus": blob138, "feitian-epass-nfc": blob138, "feitian-epass-nfc-2.0": blob138,
	"feitian-biopass": blob138, "feitian-biopass-pro": blob138,
	"nitrokey-3-nfc":  nitrokey3 + "v6-metadata-nk3xn-v6.json",
	"nitrokey-3-mini": nitrokey3 + "v6-metadata-nk3am-v6.json",
}

// captured are those whose getInfo was captured, byte for byte.
var captured = map[string]struct {
	file   string
	pinSet bool // by whoever captured it
}{
	"yubikey-5-nfc-5.2":  {file: "real/Yubico+Yubico.NET.SDK/getinfo/yubikey5nfc-194B.hex"},
	"yubikey-5-5.1":      {file: "real/mphi-rc+pi-zero-security-key/getinfo/from-login.hex"},
	"security-key-5.0":   {file: ofYubico + "from-2019-05-24-407f348-fuzz-mgmt-c-dummy-wire-data.hex"},
	"yubico-2.3-preview": {file: ofYubico + "from-2026-03-26-2a64743-wiredata-fido2-h-wiredata-ctap-cbor-info.hex"},
	"nitrokey-fido2":     {file: "real/Nitrokey+nitrokey-fido2-firmware/getinfo/issue-73.hex", pinSet: true},
}

// elsewhere are those whose getInfo is in no capture and no metadata of the
// corpus, and why.
var elsewhere = map[string]string{
	"solo-2":                 "the source of its firmware, which is not in the corpus",
	"yubikey-4":              "it has no getInfo",
	"touchstone":             "Touchstone's own",
	"touchstone-fingerprint": "Touchstone's own",
	"ctap-2.3-everything":    "Touchstone's own",
}

// volatile are members and options of getInfo that are not the same on each key
// of a model, or not at each time: metadata may have them of a key in use.
var volatile = []string{"4.clientPin", "19", "1e"}

// TestGetInfoIsThePublicData: what a key of each profile says is what the public
// data says, member for member.
func TestGetInfoIsThePublicData(t *testing.T) {
	dir := fixtures.Corpus(t)
	for _, m := range all(t) {
		t.Run(m.Name, func(t *testing.T) {
			got := answer(t, m, captured[m.Name].pinSet)
			switch {
			case described[m.Name] != "":
				compare(t, decode(t, got), statement(t, filepath.Join(dir, described[m.Name]), m.Profile.AAGUID.String()))
			case captured[m.Name].file != "":
				want := fixtures.Unhex(t, read(t, filepath.Join(dir, captured[m.Name].file)))
				compare(t, decode(t, got), decode(t, want))
				if !m.Profile.EncIdentifier && !bytes.Equal(got, want) {
					t.Errorf("encoded %x, captured %x", got, want)
				}
			case elsewhere[m.Name] == "":
				t.Error("nothing to hold it against")
			}
		})
	}
}

// direct carries messages to a key without any framing.
type direct struct{ key *virtual.Authenticator }

func (d direct) Exchange(ctx context.Context, msg []byte) ([]byte, error) {
	return d.key.Message(ctx, msg, nil), nil
}

// answer is the body of getInfo of a key of the model, without its status.
func answer(t *testing.T, m profiles.Model, pinSet bool) []byte {
	t.Helper()
	key, err := virtual.New(virtual.Config{Profile: m.Profile})
	if err != nil {
		t.Fatal(err)
	}
	defer key.Close()
	if pinSet {
		client := ctap2.New(direct{key}, ctap2.Config{})
		if err := client.SetPIN(t.Context(), m.Profile.PINProtocols[0], []byte("123456")); err != nil {
			t.Fatal(err)
		}
	}
	return key.Message(t.Context(), []byte{4}, nil)[1:]
}

func decode(t *testing.T, b []byte) map[any]any {
	t.Helper()
	if len(b) == 0 { // of a key without CTAP2
		return nil
	}
	var v map[any]any
	if err := cbor.Unmarshal(b, &v); err != nil {
		t.Fatal(err)
	}
	return v
}

func read(t *testing.T, file string) string {
	t.Helper()
	b, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	return string(b)
}

// compare wants the maps to be equal, member for member, the volatile ones to be
// there.
func compare(t *testing.T, got, want map[any]any) {
	t.Helper()
	g, w := flat(got), flat(want)
	for name := range w {
		v, there := g[name]
		if !there || !slices.Contains(volatile, name) && !reflect.DeepEqual(v, w[name]) {
			t.Errorf("%s is %v (there: %v), in the public data %v", name, v, there, w[name])
		}
	}
	for name, v := range g {
		if _, there := w[name]; !there {
			t.Errorf("%s is %v, and not in the public data", name, v)
		}
	}
}

// flat names members by their numbers, and options by member and ID.
func flat(info map[any]any) map[string]any {
	all := map[string]any{}
	for key, v := range info {
		name := fmt.Sprintf("%x", key)
		options, ok := v.(map[any]any)
		if !ok {
			all[name] = v
			continue
		}
		for id, value := range options {
			all[name+"."+id.(string)] = value
		}
	}
	return all
}

// numbers are the members by their names in metadata.
var numbers = map[string]uint64{
	"versions": 1, "extensions": 2, "aaguid": 3, "options": 4, "maxMsgSize": 5, "pinUvAuthProtocols": 6,
	"maxCredentialCountInList": 7, "maxCredentialIdLength": 8, "transports": 9, "algorithms": 10,
	"maxSerializedLargeBlobArray": 11, "forcePINChange": 12, "minPINLength": 13, "firmwareVersion": 14,
	"maxCredBlobLength": 15, "maxRPIDsForSetMinPINLength": 16, "preferredPlatformUvAttempts": 17, "uvModality": 18,
	"certifications": 19, "remainingDiscoverableCredentials": 20, "vendorPrototypeConfigCommands": 21,
	"attestationFormats": 22, "uvCountSinceLastPinEntry": 23, "longTouchForReset": 24, "transportsForReset": 26,
	"pinComplexityPolicy": 27, "maxPINLength": 29, "authenticatorConfigCommands": 31,
}

// statement is the getInfo that metadata has of the model, in the form of a key's
// answer.
func statement(t *testing.T, file, aaguid string) map[any]any {
	t.Helper()
	type metadata struct {
		AAGUID  string         `json:"aaguid"`
		GetInfo map[string]any `json:"authenticatorGetInfo"`
	}
	var list struct {
		metadata
		Entries []struct {
			Statement metadata `json:"metadataStatement"`
		} `json:"entries"`
	}
	d := json.NewDecoder(strings.NewReader(read(t, file)))
	d.UseNumber()
	if err := d.Decode(&list); err != nil {
		t.Fatal(err)
	}
	found := []metadata{list.metadata}
	for _, e := range list.Entries {
		found = append(found, e.Statement)
	}
	i := slices.IndexFunc(found, func(m metadata) bool { return m.AAGUID == aaguid })
	if i < 0 {
		t.Fatalf("%s has no %s", file, aaguid)
	}
	info := map[any]any{}
	for name, v := range found[i].GetInfo {
		number, ok := numbers[name]
		if !ok {
			t.Fatalf("%s: unknown member %s", aaguid, name)
		}
		info[number] = asKeysSay(t, v)
	}
	id, err := hex.DecodeString(found[i].GetInfo["aaguid"].(string))
	if err != nil {
		t.Fatal(err)
	}
	info[numbers["aaguid"]] = id
	return info
}

// asKeysSay is a value of JSON as CBOR decodes to it.
func asKeysSay(t *testing.T, v any) any {
	switch v := v.(type) {
	case json.Number:
		n, err := v.Int64()
		if err != nil {
			t.Fatal(err)
		}
		if n < 0 {
			return n
		}
		return uint64(n)
	case []any:
		list := []any{}
		for _, item := range v {
			list = append(list, asKeysSay(t, item))
		}
		return list
	case map[string]any:
		m := map[any]any{}
		for name, item := range v {
			m[name] = asKeysSay(t, item)
		}
		return m
	}
	return v
}

// TestAllProfilesAreHeldAgainstSomething keeps the tables whole.
func TestAllProfilesAreHeldAgainstSomething(t *testing.T) {
	tables := map[string]int{}
	for _, names := range [][]string{
		slices.Collect(maps.Keys(described)), slices.Collect(maps.Keys(captured)), slices.Collect(maps.Keys(elsewhere)),
	} {
		for _, name := range names {
			tables[name]++
		}
	}
	for _, name := range profiles.Names() {
		if tables[name] != 1 {
			t.Errorf("%s is in %d tables", name, tables[name])
		}
		delete(tables, name)
	}
	if len(tables) > 0 {
		t.Errorf("there is no profile of these: %v", tables)
	}
}
