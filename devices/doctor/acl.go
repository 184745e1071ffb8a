package doctor

import (
	"encoding/binary"
	"errors"
	"fmt"
	"os/user"
	"strconv"
	"strings"
)

// The form of an access list in the attribute system.posix_acl_access:
// linux/posix_acl_xattr.h. Numbers are little endian.
const (
	aclVersion = 2
	aclHeader  = 4
	aclEntry   = 8 // tag, permissions, number

	aclUser  = 0x02
	aclGroup = 0x08
)

var errACL = errors.New("the access list makes no sense")

// parseACL names the users and groups of an access list, such as
// "user anna: rw-". What the mode bits say as well is left out.
func parseACL(b []byte) ([]string, error) {
	if len(b) < aclHeader || binary.LittleEndian.Uint32(b) != aclVersion || (len(b)-aclHeader)%aclEntry != 0 {
		return nil, errACL
	}
	var named []string
	for b = b[aclHeader:]; len(b) > 0; b = b[aclEntry:] {
		number := strconv.FormatUint(uint64(binary.LittleEndian.Uint32(b[4:])), 10)
		may := permissions(binary.LittleEndian.Uint16(b[2:]))
		switch binary.LittleEndian.Uint16(b) {
		case aclUser:
			named = append(named, fmt.Sprintf("user %s: %s", nameOfUser(number), may))
		case aclGroup:
			named = append(named, fmt.Sprintf("group %s: %s", nameOfGroup(number), may))
		}
	}
	return named, nil
}

func permissions(bits uint16) string {
	var b strings.Builder
	for i, letter := range "rwx" {
		if bits&(4>>i) == 0 {
			letter = '-'
		}
		b.WriteRune(letter)
	}
	return b.String()
}

func nameOfUser(number string) string {
	if u, err := user.LookupId(number); err == nil {
		return u.Username
	}
	return number
}

func nameOfGroup(number string) string {
	if g, err := user.LookupGroupId(number); err == nil {
		return g.Name
	}
	return number
}

// userName is who runs this program, for use in a command.
func userName() string {
	if u, err := user.Current(); err == nil {
		return u.Username
	}
	return "YOU"
}
