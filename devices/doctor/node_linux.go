package doctor

import (
	"fmt"
	"os"
	"strconv"
	"strings"
	"syscall"

	"golang.org/x/sys/unix"
)

// describeNode says who may open a node: mode, owner, group and access list.
// It is empty if there is no node.
func describeNode(path string) string {
	info, err := os.Stat(path)
	if err != nil {
		return ""
	}
	text := fmt.Sprintf("mode %04o", info.Mode().Perm())
	if st, ok := info.Sys().(*syscall.Stat_t); ok {
		text += fmt.Sprintf(", owner %s, group %s", nameOfUser(number(st.Uid)), nameOfGroup(number(st.Gid)))
	}
	return text + ", " + accessList(path)
}

func number(n uint32) string { return strconv.FormatUint(uint64(n), 10) }

// accessList names whom the access list lets in beside owner and group: the
// person at the seat is among them, where logind does it.
func accessList(path string) string {
	b := make([]byte, 4096)
	n, err := unix.Getxattr(path, "system.posix_acl_access", b)
	if err != nil {
		return "no access list"
	}
	named, err := parseACL(b[:n])
	if err != nil {
		return err.Error()
	}
	if len(named) == 0 {
		return "nobody in the access list"
	}
	return "access list: " + strings.Join(named, ", ")
}
