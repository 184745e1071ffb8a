package manage

import (
	"bytes"
	"encoding/base64"
	"encoding/hex"
	"fmt"
	"strings"
)

// shortID is how many hex digits of an ID are shown at least.
const shortID = 8

// ShortIDs are the beginnings of IDs in hex, of eight digits or as many more as
// tell all of them apart: what a person types to mean one.
func ShortIDs(ids [][]byte) []string {
	short := make([]string, len(ids))
	for i, id := range ids {
		n := shortID
		for j, other := range ids {
			if i != j && !bytes.Equal(id, other) {
				n = max(n, 2*common(id, other)+2)
			}
		}
		short[i] = hex.EncodeToString(id[:min(len(id), n/2)])
	}
	return short
}

// common is how many bytes a and b begin with in common.
func common(a, b []byte) int {
	n := 0
	for n < len(a) && n < len(b) && a[n] == b[n] {
		n++
	}
	return n
}

// begins reports whether an ID begins as a person typed it, in hex or in
// base64url.
func begins(id []byte, typed string) bool {
	return typed != "" && (strings.HasPrefix(hex.EncodeToString(id), strings.ToLower(typed)) ||
		strings.HasPrefix(base64.RawURLEncoding.EncodeToString(id), typed))
}

// isID reports whether a person typed all of an ID.
func isID(id []byte, typed string) bool {
	return strings.EqualFold(hex.EncodeToString(id), typed) || base64.RawURLEncoding.EncodeToString(id) == typed
}

// among are the places of those IDs that a person means: the one that was typed
// as a whole, or all that begin so.
func among(ids [][]byte, typed string) []int {
	var some []int
	for i, id := range ids {
		switch {
		case isID(id, typed):
			return []int{i}
		case begins(id, typed):
			some = append(some, i)
		}
	}
	return some
}

// SelectionError says that what was typed means none of the things on a key, or
// several.
type SelectionError struct {
	What    string   // such as "passkey"
	Typed   string   // what the person asked for, such as "a3f0 at example.com"
	Matches int      // how many there are: 0, or more than one
	Choices []string // what there is to choose from, a line each
	Remark  string   // what may have been meant instead, or empty
}

// Error says how many there are.
func (e *SelectionError) Error() string {
	what := e.What
	if e.Typed != "" {
		what += " " + e.Typed
	}
	s := "there is no " + what + " on the key"
	if e.Matches > 0 {
		s = fmt.Sprintf("%d on the key match %s, want one", e.Matches, what)
	}
	if e.Remark != "" {
		s += ": " + e.Remark
	}
	return s
}

// Hint lists what there is to choose from.
func (e *SelectionError) Hint() string {
	if len(e.Choices) == 0 {
		return ""
	}
	return "There is:\n  " + strings.Join(e.Choices, "\n  ")
}
