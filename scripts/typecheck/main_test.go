package main

import (
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// module lays out a module of some files.
func module(t *testing.T, files map[string]string) string {
	t.Helper()
	dir := t.TempDir()
	files["go.mod"] = "module example.com/m\n\ngo 1.26\n"
	for name, text := range files {
		path := filepath.Join(dir, name)
		if err := errors.Join(os.MkdirAll(filepath.Dir(path), 0o755), os.WriteFile(path, []byte(text), 0o600)); err != nil {
			t.Fatal(err)
		}
	}
	return dir
}

func TestCheck(t *testing.T) {
	const a = "package a\n\nimport \"os\"\n\nvar Name = os.PathSeparator\n"
	for _, tt := range []struct {
		name  string
		files map[string]string
		want  map[string]string // system to part of the error, empty if there is none
	}{
		{"well", map[string]string{"a/a.go": a, "b/b.go": "package b\n\nimport \"example.com/m/a\"\n\nvar B = a.Name\n"},
			map[string]string{"linux/amd64": "", "windows/amd64": ""}},
		{"what a system has not", map[string]string{"a/a.go": "package a\n\nimport \"syscall\"\n\nvar K = syscall.Kill\n"},
			map[string]string{"freebsd/amd64": "", "windows/amd64": "undefined: syscall.Kill"}},
		{"in a function", map[string]string{"a/a.go": a, "a/f_windows.go": "package a\n\nfunc f() int { return Name + \"x\" }\n"},
			map[string]string{"linux/amd64": "", "windows/amd64": "f_windows.go:3"}},
		{"in a test", map[string]string{"a/a.go": a, "a/a_test.go": "package a\n\nvar T = nothing\n"},
			map[string]string{"darwin/arm64": "undefined: nothing"}},
		{"in an outside test", map[string]string{"a/a.go": a, "a/x_test.go": "package a_test\n\nimport \"example.com/m/a\"\n\nvar X int = a.Name + a.Nothing\n"},
			map[string]string{"darwin/arm64": "a.Nothing"}},
		{"no package for the system", map[string]string{"a/a_linux.go": a, "b/b.go": "package b\n\nimport \"example.com/m/a\"\n\nvar B = a.Name\n"},
			map[string]string{"linux/amd64": "", "windows/amd64": "build constraints exclude all Go files"}},
		{"no such architecture", map[string]string{"a/a.go": a}, map[string]string{"linux/pdp11": "pdp11"}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			dir := module(t, tt.files)
			for system, want := range tt.want {
				_, err := check(dir, system)
				if (err == nil) != (want == "") || err != nil && !strings.Contains(err.Error(), want) {
					t.Errorf("%s: %v, want %q", system, err, want)
				}
			}
		})
	}
}
