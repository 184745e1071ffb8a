package profiles_test

import (
	"errors"
	"os"
	"path/filepath"
	"reflect"
	"strings"
	"testing"

	"github.com/touchstone-fido/touchstone/devices/virtual"
	"github.com/touchstone-fido/touchstone/devices/virtual/profiles"
)

func all(t testing.TB) []profiles.Model {
	t.Helper()
	models, err := profiles.All()
	if err != nil {
		t.Fatal(err)
	}
	return models
}

// TestEveryFileIsAKey makes a key of each profile, which says where it comes
// from.
func TestEveryFileIsAKey(t *testing.T) {
	models := all(t)
	if len(models) < 20 {
		t.Fatalf("%d profiles", len(models))
	}
	for _, m := range models {
		if m.Product == "" || len(m.Sources) == 0 {
			t.Errorf("%s: product %q, sources %q", m.Name, m.Product, m.Sources)
		}
		if strings.ToLower(m.Name) != m.Name || strings.ContainsAny(m.Name, `/\ ?:`) {
			t.Errorf("%q is no name for a profile", m.Name)
		}
		key, err := virtual.New(virtual.Config{Profile: m.Profile})
		if err != nil {
			t.Errorf("%s: %v", m.Name, err)
			continue
		}
		key.Close()
	}
}

// TestOwnProfilesAreTheOnesInTheLibrary: Touchstone's own models are there as
// functions, too.
func TestOwnProfilesAreTheOnesInTheLibrary(t *testing.T) {
	for name, want := range map[string]*virtual.Profile{
		"touchstone": virtual.DefaultProfile(), "touchstone-fingerprint": virtual.FingerprintProfile(),
	} {
		m, err := profiles.Named(name)
		if err != nil {
			t.Fatal(err)
		}
		m.Profile.Silent = nil // of what such a key has not got anyway
		if !reflect.DeepEqual(m.Profile, want) {
			t.Errorf("%s is %+v, in the library %+v", name, m.Profile, want)
		}
	}
}

func TestNamed(t *testing.T) {
	if _, err := profiles.Named("yubikey-5-nfc-5.8"); !errors.Is(err, profiles.ErrUnknown) {
		t.Errorf("a profile that is not there: %v", err)
	}
	for _, name := range []string{"", ".", "../profiles", "touchstone.toml", "TOUCHSTONE"} {
		if _, err := profiles.Named(name); !errors.Is(err, profiles.ErrUnknown) {
			t.Errorf("%q: %v", name, err)
		}
	}
}

// small is the least that is a profile.
const small = `[untold]
versions = ["FIDO_2_0"]
`

func TestParseRefuses(t *testing.T) {
	for name, test := range map[string]struct{ text, want string }{
		"unknown member":        {"product = \"x\"\ncolour = 1\n" + small, `profile x.toml:2:1: there is no member "colour"`},
		"unknown in a section":  {small + "[hid]\nwinks = true\n", `profile x.toml:4:1: there is no member "hid.winks"`},
		"unknown section":       {small + "[usbx]\nwink = true\n", `profile x.toml:3:2: there is no member "usbx"`},
		"no TOML":               {"product = \n", "profile x.toml:1:11: "},
		"wrong type":            {small + "[hid]\nwink = 1\n", "profile x.toml:4:8: "},
		"negative":              {small + "maxMsgSize = 1024\nfirmwareVersion = -1\n", "profile x.toml:4:19: "},
		"told and untold":       {"[getInfo]\nversions = [\"FIDO_2_0\"]\n" + small, "profile x.toml: versions is both in getInfo and in untold"},
		"no UUID":               {small + "aaguid = \"1\"\n", "profile x.toml:3:10: "},
		"no version":            {small + "[hid]\nversion = \"5.4\"\n", "profile x.toml:4:11: "},
		"a version too large":   {small + "[hid]\nversion = \"5.4.256\"\n", "profile x.toml:4:11: "},
		"no duration":           {small + "[timers]\naction = \"soon\"\n", "profile x.toml:4:10: "},
		"a negative duration":   {small + "[timers]\naction = \"-1s\"\n", "profile x.toml:4:10: "},
		"no such counter":       {small + "[credentials]\ncounter = \"odd\"\n", `profile x.toml: credentials.counter: "odd" is none of its words`},
		"no such status":        {small + "[choices]\nnoPIN = \"OTHER\"\n", `profile x.toml: choices.noPIN: "OTHER" is none of its words`},
		"no such attestation":   {small + "[attestation]\nkind = \"odd\"\n", `profile x.toml: attestation.kind: "odd" is none of its words`},
		"no such extension":     {small + "extensions = [\"odd\"]\n", `profile x.toml: profile: the software key has no extension "odd"`},
		"a message too long":    {small + "maxMsgSize = 7610\n", "profile x.toml: profile: largest message in bytes is 7610, not within 1024 and 7609"},
		"not as new":            {small + "forcePINChange = true\n", "profile x.toml: forcePINChange cannot be true on a key without a PIN"},
		"tried before":          {small + "uvCountSinceLastPinEntry = 1\n", "profile x.toml: uvCountSinceLastPinEntry cannot be more than 0 on an unused key"},
		"an identifier of none": {small + "encIdentifier = false\n", "profile x.toml: encIdentifier and encCredStoreState are true, for a value of the key's own, or absent"},
		"no order of options":   {small + "[untold.options]\nrk = true\n[quirks]\noptionOrder = [\"up\"]\n", "profile x.toml: profile: the order of options does not have each option once"},
		"nothing":               {"", "profile x.toml: profile: no version"},
	} {
		_, err := profiles.Parse("x", []byte(test.text))
		var wrong *profiles.Error
		if !errors.As(err, &wrong) || !strings.HasPrefix(err.Error(), test.want) {
			t.Errorf("%s: %v, want %s", name, err, test.want)
		}
	}
}

func TestParseSmallest(t *testing.T) {
	m, err := profiles.Parse("x", []byte(small))
	if err != nil {
		t.Fatal(err)
	}
	key, err := virtual.New(virtual.Config{Profile: m.Profile})
	if err != nil {
		t.Fatal(err)
	}
	defer key.Close()
	if answer := key.Message(t.Context(), []byte{4}, nil); string(answer) != "\x00\xa0" {
		t.Errorf("getInfo of a key that tells nothing: %x", answer)
	}
}

func TestRead(t *testing.T) {
	path := filepath.Join(t.TempDir(), "mine.toml")
	if err := os.WriteFile(path, []byte(small), 0o600); err != nil {
		t.Fatal(err)
	}
	m, err := profiles.Read(path)
	if err != nil || m.Name != "mine" {
		t.Errorf("%+v, %v", m, err)
	}
	if _, err := profiles.Read(path + ".not"); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("a file that is not there: %v", err)
	}
	if err := os.WriteFile(path, []byte(strings.Repeat("#", 1<<20+1)), 0o600); err != nil {
		t.Fatal(err)
	}
	if _, err := profiles.Read(path); err == nil || !strings.Contains(err.Error(), "more than") {
		t.Errorf("a file that is too long: %v", err)
	}
}

func FuzzParse(f *testing.F) {
	f.Add([]byte(small))
	for _, name := range profiles.Names() {
		text, err := os.ReadFile(name + profiles.Extension)
		if err != nil {
			f.Fatal(err)
		}
		f.Add(text)
	}
	f.Fuzz(func(t *testing.T, text []byte) {
		m, err := profiles.Parse("x", text)
		if err != nil {
			var wrong *profiles.Error
			if !errors.As(err, &wrong) {
				t.Fatalf("error of another kind: %v", err)
			}
			return
		}
		key, err := virtual.New(virtual.Config{Profile: m.Profile})
		if err != nil {
			t.Fatalf("a profile that is no key: %v", err)
		}
		key.Message(t.Context(), []byte{4}, nil)
		key.Close()
	})
}
