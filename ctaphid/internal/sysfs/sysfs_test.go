package sysfs

import (
	"os"
	"path/filepath"
	"testing"
)

func TestTree(t *testing.T) {
	if got := New("").Path("dev", "hidraw3"); got != filepath.FromSlash("/dev/hidraw3") {
		t.Errorf("the real tree: %s", got)
	}
	if got := New("/mnt").Path("sys/class"); got != filepath.FromSlash("/mnt/sys/class") {
		t.Errorf("another tree: %s", got)
	}
}

// TestAttribute: what a device says of itself does not reach a terminal as it is.
func TestAttribute(t *testing.T) {
	dir := t.TempDir()
	for text, want := range map[string]string{
		"YubiKey\n":          "YubiKey",
		"  Key \n":           "Key",
		"a\x1b[2Jb\n":        "a�[2Jb",
		"one\ntwo\n":         "one�two",
		"\u202egnp.exe":      "�gnp.exe",
		"Schlüssel\u00a0鍵":   "Schlüssel�鍵",
		" a\x1bb\nc\x80 ":    "a\uFFFDb\uFFFDc\uFFFD",
		"":                   "",
		"\xff\xfe":           "��",
		"zero\x00in\x7fthis": "zero�in�this",
	} {
		if err := os.WriteFile(filepath.Join(dir, "product"), []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
		if got := Attribute(dir, "product"); got != want {
			t.Errorf("%q: %q, want %q", text, got, want)
		}
	}
	if got := Attribute(dir, "serial"); got != "" {
		t.Errorf("an attribute that is not there: %q", got)
	}
}
