package models_test

import (
	"encoding/hex"
	"os"
	"os/exec"
	"regexp"
	"slices"
	"strings"
	"testing"
	"unicode"
	"unicode/utf8"

	"github.com/touchstone-fido/touchstone/devices/models"
)

func aaguid(t *testing.T, s string) [16]byte {
	t.Helper()
	b, err := hex.DecodeString(strings.ReplaceAll(s, "-", ""))
	if err != nil || len(b) != 16 {
		t.Fatalf("%s: %v", s, err)
	}
	return [16]byte(b)
}

// TestName looks up keys whose AAGUID is public: the makers list them.
func TestName(t *testing.T) {
	for key, want := range map[string]string{
		"2fc0579f-8113-47ea-b116-bb5a8db9202a": "YubiKey 5 Series with NFC", // firmware 5.2 and 5.4
		"cb69481e-8ff7-4039-93ec-0a2729a154a8": "YubiKey 5 Series",
		"d7781e5d-e353-46aa-afe2-3ca49f13332a": "YubiKey 5 Series with NFC", // firmware 5.7
		"833b721a-ff5f-4d00-bb2e-bdda3ec01e29": "Feitian ePass FIDO2 Authenticator",
		"8876631b-d4a0-427f-5773-0ec71c9e0279": "Solo Secp256R1 FIDO2 CTAP2 Authenticator",
		"00000000-0000-0000-0000-000000000000": "",
		"ffffffff-ffff-ffff-ffff-ffffffffffff": "",
		"00000000-0000-0000-0000-000000000001": "",
	} {
		if got, ok := models.Name(aaguid(t, key)); got != want || ok != (want != "") {
			t.Errorf("%s: %q, %v; want %q", key, got, ok, want)
		}
	}
}

func TestNameByKeyIdentifier(t *testing.T) {
	b, err := hex.DecodeString("1434d2f277fe479c35ddf6aa4d08a07cbce99dd7")
	if err != nil {
		t.Fatal(err)
	}
	if got, ok := models.NameByKeyIdentifier([20]byte(b)); got != "NEOWAVE Winkeo FIDO2" || !ok {
		t.Errorf("%q, %v", got, ok)
	}
	if got, ok := models.NameByKeyIdentifier([20]byte{}); ok {
		t.Errorf("of nothing: %q", got)
	}
}

var line = regexp.MustCompile(`^([0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}|[0-9a-f]{40}) [1-9][0-9]* (.+)$`)

// TestTable holds the table to what the search relies on, and finds every line
// of it.
func TestTable(t *testing.T) {
	text, err := os.ReadFile("table.txt")
	if err != nil {
		t.Fatal(err)
	}
	if strings.Contains(string(text), "\r") {
		t.Fatal("line ends were changed on the way")
	}
	lines := slices.DeleteFunc(strings.Split(strings.TrimSpace(string(text)), "\n"), func(s string) bool { return strings.HasPrefix(s, "#") })
	if len(lines) < 400 || !slices.IsSorted(lines) {
		t.Errorf("%d lines, or not sorted", len(lines))
	}
	seen := map[string]bool{}
	for _, l := range lines {
		parts := line.FindStringSubmatch(l)
		if parts == nil || seen[parts[1]] {
			t.Fatalf("line %q", l)
		}
		key, name := parts[1], parts[2]
		seen[key] = true
		if utf8.RuneCountInString(name) > 120 || strings.ContainsFunc(name, func(r rune) bool { return !unicode.IsPrint(r) }) {
			t.Errorf("name %q", name)
		}
		if got, ok := find(t, key); got != name || !ok {
			t.Errorf("%s: found %q, %v; want %q", key, got, ok, name)
		}
	}
}

func find(t *testing.T, key string) (string, bool) {
	t.Helper()
	if len(key) == 36 {
		return models.Name(aaguid(t, key))
	}
	b, err := hex.DecodeString(key)
	if err != nil {
		t.Fatal(err)
	}
	return models.NameByKeyIdentifier([20]byte(b))
}

func TestSource(t *testing.T) {
	first, _, _ := strings.Cut(models.Source(), "\n")
	if !regexp.MustCompile(`^1: FIDO MDS3 BLOB no\. \d+, next update due \d{4}-\d\d-\d\d, signature and certificates verified`).MatchString(first) {
		t.Errorf("%q", models.Source())
	}
}

// TestCostsNothingAtStart: the table is searched where it lies, so that no
// program pays for it before it asks.
func TestCostsNothingAtStart(t *testing.T) {
	if os.Getenv("TOUCHSTONE_TEST_START") != "" {
		return
	}
	c := exec.Command(os.Args[0], "-test.run=^TestCostsNothingAtStart$")
	c.Env = append(os.Environ(), "TOUCHSTONE_TEST_START=1", "GODEBUG=inittrace=1")
	out, err := c.CombinedOutput()
	if err != nil || !strings.Contains(string(out), "init ") {
		t.Fatalf("%v: %s", err, out)
	}
	if strings.Contains(string(out), "devices/models @") {
		t.Errorf("the package has an initialiser: %s", out)
	}
}

func BenchmarkName(b *testing.B) {
	key := [16]byte{0x2f, 0xc0, 0x57, 0x9f, 0x81, 0x13, 0x47, 0xea, 0xb1, 0x16, 0xbb, 0x5a, 0x8d, 0xb9, 0x20, 0x2a}
	for b.Loop() {
		models.Name(key)
	}
}
