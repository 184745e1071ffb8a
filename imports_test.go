package touchstone

import (
	"go/ast"
	"go/parser"
	"go/token"
	"io/fs"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"
)

const module = "github.com/touchstone-fido/touchstone"

// leaves are the packages below ctap2 that know nothing of commands.
var leaves = []string{"ctap2/wire", "ctap2/cose", "ctap2/authdata", "ctap2/pinuv", "ctap2/largeblob"}

// rules says what each room may import from this module. A room that is not
// here may not exist.
var rules = map[string][]string{
	".":                         {},
	"ctap2/wire":                {},
	"ctap2/pinuv":               {},
	"ctap2/cose":                {"ctap2/wire"},
	"ctap2/authdata":            {"ctap2/wire", "ctap2/cose"},
	"ctap2/largeblob":           {"ctap2/wire"},
	"ctap2":                     leaves,
	"ctap2/u2f/u2ftest":         {},
	"ctap2/u2f":                 append([]string{"ctap2"}, leaves...),
	"ctap2/webauthn":            leaves,
	"ctap2/ceremony":            append([]string{"ctap2", "ctap2/webauthn"}, leaves...),
	"ctaphid":                   {},
	"ctaphid/internal/sysfs":    {},
	"ctaphid/hidraw":            {"ctaphid", "ctaphid/internal/sysfs"},
	"ctaphid/simulator":         {"ctaphid"},
	"ctaphid/usbhid":            {"ctaphid", "ctaphid/internal/sysfs"},
	"ctaphid/usbip":             {"ctaphid"},
	"ctaphid/uhid":              {"ctaphid"},
	"nfc":                       {},
	"nfc/pcsc":                  {"nfc"},
	"nfc/vpcd":                  {"nfc"},
	"nfc/nfctest":               {"nfc"},
	"fixtures":                  {},
	"internal/leftover":         {},
	"relyingparty":              append([]string{"ctap2/u2f", "ctap2/webauthn"}, leaves...),
	"devices":                   append([]string{"ctap2", "ctap2/u2f", "ctaphid", "nfc"}, leaves...),
	"devices/models":            {},
	"devices/holders":           {},
	"devices/models/generate":   {},
	"devices/discover":          append([]string{"devices", "devices/models", "devices/holders", "ctap2", "ctaphid", "nfc", "ctaphid/hidraw", "ctaphid/usbhid", "nfc/pcsc"}, leaves...),
	"devices/doctor":            append([]string{"devices", "devices/discover", "devices/holders", "packaging/udev", "ctap2", "ctaphid", "nfc", "ctaphid/hidraw", "nfc/pcsc"}, leaves...),
	"devices/virtual":           append([]string{"ctap2"}, leaves...),
	"devices/virtual/statefile": {"devices/virtual"},
	"devices/virtual/faulty":    {"devices/virtual", "ctaphid", "nfc"},
	"devices/virtual/control":   {"devices/virtual", "devices/virtual/faulty"},
	"devices/virtual/profiles":  append([]string{"devices/virtual", "ctap2"}, leaves...),
	"devices/enroll":            append([]string{"ctap2", "ctap2/ceremony", "ctap2/webauthn", "devices"}, leaves...),
	"devices/reset":             append([]string{"ctap2", "devices"}, leaves...),
	"devices/manage":            append([]string{"ctap2", "ctap2/ceremony", "ctap2/webauthn", "devices", "devices/enroll"}, leaves...),
	"packaging/udev":            {},
	"scripts/typecheck":         {},
	"cmd/internal/term":         {},
	"cmd/internal/view":         {"ctaphid", "nfc", "ctap2", "ctap2/u2f", "ctap2/authdata", "ctap2/wire", "ctap2/pinuv", "ctap2/webauthn", "devices", "devices/doctor", "devices/manage", "devices/reset", "devices/transcript", "devices/transcript/capture", "devices/transcript/redact", "devices/transcript/diff", "devices/transcript/explain", "devices/transcript/replay", "devices/virtual", "devices/virtual/control", "devices/virtual/profiles", "relyingparty"},
	"rig":                       {},
	"rig/browser":               {},
	"rig/guestinit":             {},
	"cmd":                       {"*"},
	"cmd/touchstone":            {"cmd"},

	"devices/transcript":         append([]string{"ctap2", "ctaphid", "nfc"}, leaves...),
	"devices/transcript/capture": append([]string{"ctap2", "ctaphid", "nfc", "devices/transcript"}, leaves...),
	"devices/transcript/redact":  append([]string{"ctap2", "ctaphid", "nfc", "devices/transcript"}, leaves...),
	"devices/transcript/diff":    {"devices/transcript", "devices/transcript/explain"},
	"devices/transcript/explain": append([]string{"devices/transcript", "ctap2", "ctap2/u2f", "ctaphid", "nfc"}, leaves...),
	"devices/transcript/replay":  append([]string{"devices/transcript", "ctap2", "ctap2/u2f", "ctaphid", "nfc"}, leaves...),
}

// TestImports reads every Go file, whatever its build tags, and holds it to the
// rules. Test files may import what they like.
func TestImports(t *testing.T) {
	seen := map[string]bool{}
	for _, file := range goFiles(t) {
		room := filepath.ToSlash(filepath.Dir(file))
		allowed, ok := rules[room]
		if !ok {
			t.Errorf("%s: the room %s has no rule", file, room)
			continue
		}
		seen[room] = true
		for _, path := range imports(t, file) {
			if !slices.Contains(allowed, path) && !slices.Contains(allowed, "*") {
				t.Errorf("%s imports %s, which %s may not", file, path, room)
			}
		}
	}
	for room := range rules {
		if !seen[room] {
			t.Errorf("the room %s has a rule and no file", room)
		}
	}
}

// goFiles lists the module's Go files that are not tests.
func goFiles(t *testing.T) []string {
	t.Helper()
	var files []string
	err := filepath.WalkDir(".", func(path string, d fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		if d.IsDir() && path != "." && (strings.HasPrefix(d.Name(), ".") || d.Name() == "testdata") {
			return filepath.SkipDir
		}
		if strings.HasSuffix(path, ".go") && !strings.HasSuffix(path, "_test.go") {
			files = append(files, path)
		}
		return nil
	})
	if err != nil || len(files) == 0 {
		t.Fatalf("%d files, %v", len(files), err)
	}
	return files
}

func parse(t *testing.T, file string, mode parser.Mode) *ast.File {
	t.Helper()
	f, err := parser.ParseFile(token.NewFileSet(), file, nil, mode)
	if err != nil {
		t.Fatal(err)
	}
	return f
}

// imports lists what a file imports from this module, without the module's
// path.
func imports(t *testing.T, file string) []string {
	t.Helper()
	var own []string
	for _, spec := range parse(t, file, parser.ImportsOnly).Imports {
		path, err := strconv.Unquote(spec.Path.Value)
		if err != nil {
			t.Fatal(err)
		}
		if path == module {
			own = append(own, ".")
		} else if rest, ok := strings.CutPrefix(path, module+"/"); ok {
			own = append(own, rest)
		}
	}
	return own
}

// TestVirtualKeyReadsByItself holds the software key to the names and codes of
// ctap2: if it shared the client's request structs, a wrong member number in
// them would go unseen.
func TestVirtualKeyReadsByItself(t *testing.T) {
	names := []string{"Status", "Command", "PIN", "Permission"}
	for _, file := range goFiles(t) {
		if filepath.ToSlash(filepath.Dir(file)) != "devices/virtual" {
			continue
		}
		ast.Inspect(parse(t, file, 0), func(n ast.Node) bool {
			sel, ok := n.(*ast.SelectorExpr)
			if !ok {
				return true
			}
			if pkg, ok := sel.X.(*ast.Ident); ok && pkg.Name == "ctap2" && pkg.Obj == nil {
				name := sel.Sel.Name
				if !slices.ContainsFunc(names, func(p string) bool { return strings.HasPrefix(name, p) }) {
					t.Errorf("%s uses ctap2.%s", file, name)
				}
			}
			return true
		})
	}
}

// TestMainIsShort keeps the program in package cmd, where it is tested.
func TestMainIsShort(t *testing.T) {
	fset := token.NewFileSet()
	f, err := parser.ParseFile(fset, "cmd/touchstone/main.go", nil, 0)
	if err != nil {
		t.Fatal(err)
	}
	if n := fset.File(f.Pos()).LineCount(); n > 25 {
		t.Errorf("main.go has %d lines", n)
	}
}
