package touchstone

import (
	"fmt"
	"go/build"
	"os"
	"path"
	"strings"
	"testing"
)

// TestBuilds holds the README's table of builds to the build constraints of the
// backends. scripts/test holds the release binaries to it.
func TestBuilds(t *testing.T) {
	readme, err := os.ReadFile("README.md")
	if err != nil {
		t.Fatal(err)
	}
	for _, b := range []struct {
		name, goos string
		cgo        bool
		tags       []string
	}{
		{"`touchstone-linux-amd64`, `touchstone-linux-arm64`", "linux", false, nil},
		{"`touchstone-linux-amd64-pcsc`", "linux", true, []string{"pcsc"}},
		{"`touchstone-windows-amd64.exe`", "windows", true, nil},
		{"`touchstone-darwin-arm64`", "darwin", false, nil},
		{"Linux: `go install` without a C compiler", "linux", false, nil},
		{"Linux: `go install` with one", "linux", true, nil},
		{"Linux: `go install -tags pcsc` with one and libpcsclite's headers (Debian: `libpcsclite-dev`)", "linux", true, []string{"pcsc"}},
		{"macOS: `go install` with Xcode's command line tools", "darwin", true, nil},
		{"Windows: `go install` with a C compiler", "windows", true, nil},
		{"Windows: `go install` without one", "windows", false, nil},
		{"FreeBSD: `go install -tags pcsc` with a C compiler and pcsc-lite", "freebsd", true, []string{"pcsc"}},
	} {
		c := build.Default
		c.GOOS, c.GOARCH, c.CgoEnabled, c.BuildTags = b.goos, "amd64", b.cgo, b.tags
		has := func(file string) bool {
			ok, err := c.MatchFile(path.Dir(file), path.Base(file))
			if err != nil {
				t.Fatal(err)
			}
			return ok
		}
		row := fmt.Sprintf("| %s | %s | %s | %s |\n", b.name, yesOrDash(has("ctaphid/hidraw/open_linux.go")),
			yesOrDash(!has("ctaphid/usbhid/stub.go")), yesOrDash(has("nfc/pcsc/built.go")))
		if !strings.Contains(string(readme), row) {
			t.Errorf("the README has no row %s", row)
		}
	}
}

func yesOrDash(b bool) string {
	if b {
		return "yes"
	}
	return "-"
}
