package doctor

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"golang.org/x/sys/unix"
)

func TestDescribeNode(t *testing.T) {
	path := filepath.Join(t.TempDir(), "node")
	if got := describeNode(path); got != "" {
		t.Errorf("nothing there: %q", got)
	}
	if err := os.WriteFile(path, nil, 0o640); err != nil {
		t.Fatal(err)
	}
	owner, group := nameOfUser(fmt.Sprint(os.Getuid())), nameOfGroup(fmt.Sprint(os.Getgid()))
	want := fmt.Sprintf("mode 0640, owner %s, group %s, no access list", owner, group)
	if got := describeNode(path); got != want {
		t.Errorf("%q, want %q", got, want)
	}
	if err := unix.Setxattr(path, "system.posix_acl_access", entries(seated...), 0); err != nil {
		t.Skipf("NOT RUN: no access lists on this file system: %v", err)
	}
	if got := describeNode(path); !strings.HasSuffix(got, "access list: user 4000000000: rw-") {
		t.Errorf("with an access list: %q", got)
	}
}
