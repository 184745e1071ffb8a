package main

import (
	"bytes"
	"fmt"
	"maps"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"unicode"
	"unicode/utf8"

	"github.com/touchstone-fido/touchstone/fixtures"
)

const (
	keyA = "2fc0579f-8113-47ea-b116-bb5a8db9202a"
	keyB = "cb69481e-8ff7-4039-93ec-0a2729a154a8"
	u2f  = "1434d2f277fe479c35ddf6aa4d08a07cbce99dd7"
)

func TestRead(t *testing.T) {
	for name, c := range map[string]struct {
		file, origin string
		names        map[string]string
	}{
		"payload": {`{"no":3,"nextUpdate":"2025-03-01","entries":[{"metadataStatement":{"aaguid":"` + keyA + `","description":"A"}},
			{"metadataStatement":{"aaid":"4e4e#4005","description":"UAF"}},
			{"metadataStatement":{"attestationCertificateKeyIdentifiers":["` + strings.ToUpper(u2f) + `","short"],"description":"U"}}]}`,
			"FIDO MDS3 BLOB no. 3, next update due 2025-03-01, unsigned", map[string]string{keyA: "A", u2f: "U"}},
		"list": {`{"metadata":{},"keys":[{"Vendor":"V","metadataStatement":{"aaguid":"` + strings.ToUpper(keyA) + `","description":"A"}}]}`,
			"list of metadata statements, unsigned", map[string]string{keyA: "A"}},
		"statement": {`{"aaguid":"` + keyB + `","description":" B \n  key "}`, "metadata statement, unsigned", map[string]string{keyB: "B key"}},
		"names": {"\ufeff" + `{"` + keyA + `":"A","` + keyB + `":{"name":"B","icon_dark":"x"},"` + zero + `":"none","text":"no key","x":7}`,
			"community list, unsigned", map[string]string{keyA: "A", keyB: "B"}},
		"twice": {`{"keys":[{"metadataStatement":{"aaguid":"` + keyA + `","description":"Z"}},{"metadataStatement":{"aaguid":"` + keyA + `","description":"A"}}]}`,
			"list of metadata statements, unsigned", map[string]string{keyA: "A"}},
		"nothing": {`{}`, "community list, unsigned", map[string]string{}},
	} {
		s, err := realRoots(t).read([]byte(c.file))
		if err != nil || s.origin != c.origin || !maps.Equal(s.names, c.names) {
			t.Errorf("%s: %+v, %v", name, s, err)
		}
	}
	for _, bad := range []string{`{`, `{"no":"three"}`, `{"entries":7}`, `[]`, `a.b.c`, ``} {
		if s, err := realRoots(t).read([]byte(bad)); err == nil {
			t.Errorf("%s: %+v", bad, s)
		}
	}
}

// TestClean: no name leaves its line, or paints on a terminal.
func TestClean(t *testing.T) {
	for text, want := range map[string]string{
		"Key":                      "Key",
		" a \t b\r\n1 c ":          "a b 1 c",
		"a\x1b[31mb\u202ec\u200bd": "a[31mbcd",
		"\xff\xfe":                 "",
		"Clé 鍵":                    "Clé 鍵",
		strings.Repeat("é", 120):   strings.Repeat("é", 120),
		strings.Repeat("é", 1<<16): strings.Repeat("é", 119) + "…",
	} {
		if got := clean(text); got != want {
			t.Errorf("%.40q: %q, want %q", text, got, want)
		}
	}
}

// TestRun: the first file that names a key counts, and only files that do are
// sources.
func TestRun(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "somebody")
	if err := os.Mkdir(dir, 0o755); err != nil {
		t.Fatal(err)
	}
	var files []string
	for i, text := range []string{`{"` + keyB + `":"B"}`, `{"` + keyB + `":"other"}`, `{"` + keyA + `":"A","` + keyB + `":"B3"}`} {
		file := filepath.Join(dir, fmt.Sprintf("%d.json", i+1))
		files = append(files, file)
		if err := os.WriteFile(file, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	var b bytes.Buffer
	if err := run(files, realRoots(t), &b); err != nil {
		t.Fatal(err)
	}
	want := head + "# source 1: community list, unsigned (somebody/1.json)\n# source 2: community list, unsigned (somebody/3.json)\n" +
		keyA + " 2 A\n" + keyB + " 1 B\n"
	if b.String() != want {
		t.Errorf("%s\nwant\n%s", b.String(), want)
	}
	for _, bad := range [][]string{nil, {filepath.Join(dir, "none")}, {dir}} {
		if err := run(bad, realRoots(t), &b); err == nil {
			t.Errorf("%v", bad)
		}
	}
}

// made are the files that the table was made from, below the corpus.
var made = []string{
	"opotonniee+fido-mds-explorer/mds-no122.jwt",
	"opotonniee+fido-mds-explorer/mds-no138.noicons.json",
	"DevClate+EntraFIDOFinder/FidoKeys-20260124.noicons.json",
	"passkeydeveloper+passkey-authenticator-aaguids/combined-aaguid-names.json",
	"passkeydeveloper+passkey-authenticator-aaguids/aaguid-names.json",
	"Nitrokey+nitrokey-3-firmware/v6-metadata-nk3xn-v6.json",
	"canokeys+canokey-core/canokeys+canokey-core-FIDO2_Conformance_Testing.json",
	"solokeys+solo1/metadata-Solo-FIDO2-U2F-Authenticator.json",
	"trezor+trezor-firmware/trezor-ctap2.json",
}

// TestTableIsWhatIsMade makes the table anew and compares every byte. On its
// way it verifies a BLOB that FIDO signed.
func TestTableIsWhatIsMade(t *testing.T) {
	var files []string
	for _, name := range made {
		files = append(files, filepath.Join(fixtures.Corpus(t), "real", "mds", filepath.FromSlash(name)))
	}
	var b bytes.Buffer
	if err := run(files, realRoots(t), &b); err != nil {
		t.Fatal(err)
	}
	want, err := os.ReadFile("../table.txt")
	if err != nil {
		t.Fatal(err)
	}
	if !bytes.Equal(b.Bytes(), want) {
		t.Error("devices/models/table.txt is not what scripts/models makes of the files in this test")
	}
}

// FuzzRead: whatever a file holds, what is taken of it is keys and names.
func FuzzRead(f *testing.F) {
	f.Add([]byte(`{"no":3,"nextUpdate":"2025-03-01","entries":[{"metadataStatement":{"aaguid":"` + keyA + `","description":"A"}}]}`))
	f.Add([]byte(`{"aaguid":"` + keyB + `","description":"B","attestationCertificateKeyIdentifiers":["` + u2f + `"]}`))
	f.Add([]byte(`{"` + keyA + `":{"name":"a\u202eb\n"}}`))
	f.Add([]byte(`{"keys":[{}]}`))
	f.Add([]byte("eyJhbGciOiJub25lIn0.e30."))
	f.Add([]byte("eyJhbGciOiJSUzI1NiIsIng1YyI6WyJBQUFBIl19.eyJuZXh0VXBkYXRlIjoiMjAyNS0wMS0wMSJ9.AAAA"))
	v := realRoots(f)
	f.Fuzz(func(t *testing.T, raw []byte) {
		s, err := v.read(raw)
		if err != nil {
			return
		}
		for key, name := range s.names {
			if !keyForm.MatchString(key) || name == "" || utf8.RuneCountInString(name) > maxName ||
				strings.ContainsFunc(name, func(r rune) bool { return !unicode.IsPrint(r) }) {
				t.Errorf("%q: %q", key, name)
			}
		}
	})
}
