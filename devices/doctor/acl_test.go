package doctor

import (
	"encoding/hex"
	"slices"
	"strings"
	"testing"
)

// entries is an access list of version 2.
func entries(list ...string) []byte {
	b, err := hex.DecodeString("02000000" + strings.ReplaceAll(strings.Join(list, ""), " ", ""))
	if err != nil {
		panic(err)
	}
	return b
}

// What logind leaves on a node: the owner, user 4000000000, the group, the mask
// and all others.
var seated = []string{"0100 0600 ffffffff", "0200 0600 00286bee", "0400 0600 ffffffff", "1000 0600 ffffffff", "2000 0000 ffffffff"}

func TestParseACL(t *testing.T) {
	for _, tt := range []struct {
		name string
		list []byte
		want []string
	}{
		{"the person at the seat", entries(seated...), []string{"user 4000000000: rw-"}},
		{"a group", entries("0800 0500 00286bee"), []string{"group 4000000000: r-x"}},
		{"root", entries("0200 0200 00000000"), []string{"user root: -w-"}},
		{"no names", entries("0100 0600 ffffffff"), nil},
		{"nothing", entries(), nil},
	} {
		got, err := parseACL(tt.list)
		if err != nil || !slices.Equal(got, tt.want) {
			t.Errorf("%s: %q, %v, want %q", tt.name, got, err, tt.want)
		}
	}
	whole := entries(seated...)
	for n := range whole {
		if n%aclEntry == aclHeader {
			continue // a shorter list
		}
		if got, err := parseACL(whole[:n]); err == nil {
			t.Errorf("%d bytes of a list: %q", n, got)
		}
	}
	if got, err := parseACL([]byte{1, 0, 0, 0}); err == nil {
		t.Errorf("another version: %q", got)
	}
}
