package redact

import (
	"bytes"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"maps"
	"slices"
	"strings"
)

// member is the header's member about redaction.
const member = "redacted"

// about is what that member says.
type about struct {
	Values     map[Kind]int `json:"values"`
	Kept       []Kind       `json:"kept,omitempty"`
	Signatures struct {
		Replaced int `json:"replaced"`
		Kept     int `json:"kept"`
	} `json:"signatures"`
	Notes []string `json:"notes"`
	// Pseudonyms are the first bytes of their hashes, one after the other in order,
	// in hex: by them Leaks tells what is one.
	Pseudonyms string `json:"pseudonyms"`
}

// digestSize is the bytes of a pseudonym's hash that the header has.
const digestSize = 6

func digest(pseudonym []byte) string {
	h := sha256.Sum256(pseudonym)
	return hex.EncodeToString(h[:digestSize])
}

// header redacts the header, and says in it what was done.
func (r *run) header() {
	h := &r.tape.Header
	for name, fact := range h.Device {
		if p, ok := r.book.names[fact]; ok && !factsOfModel[name] {
			h.Device[name] = p
		}
	}
	search := r.index()
	for _, text := range []*string{&h.Tool, &h.Client} {
		*text = swept(search, *text)
	}
	for name := range h.Device {
		h.Device[name] = swept(search, h.Device[name])
	}
	r.notes()
	earlier := readAbout(h.Extra)
	a := about{Values: r.result.Values, Kept: r.options.Keep}
	a.Signatures.Replaced, a.Signatures.Kept = r.result.Signatures, r.result.Kept
	for _, note := range slices.Concat(earlier.Notes, r.result.Notes) {
		if !slices.Contains(a.Notes, note) {
			a.Notes = append(a.Notes, swept(search, note))
		}
	}
	r.result.Notes = a.Notes
	a.Pseudonyms = r.pseudonyms()
	text, _ := json.Marshal(a) // of strings and numbers alone, so it cannot fail
	h.Extra = map[string]json.RawMessage{member: text}
	h.Seed, h.PIN = nil, ""
}

func swept(search index, text string) string {
	b := []byte(text)
	search.sweep(b)
	return string(b)
}

// pseudonyms are their digests, each once.
func (r *run) pseudonyms() string {
	seen := map[string]bool{}
	for p := range r.book.taken {
		seen[digest([]byte(p))] = true
	}
	return strings.Join(slices.Sorted(maps.Keys(seen)), "")
}

// notes say what no longer holds.
func (r *run) notes() {
	h, values := r.tape.Header, r.result.Values
	note := func(when bool, format string, args ...any) {
		if when {
			r.result.Notes = append(r.result.Notes, fmt.Sprintf(format, args...))
		}
	}
	note(len(h.Seed) > 0, "the seed was removed: the tape no longer replays byte for byte where keys are agreed on, only with new keys")
	note(h.PIN != "", "the PIN was removed from the header")
	note(values[PIN] > 0, "what PIN and hmac-secret protocols exchanged is noise: no PIN, token or secret can be found in it, and none verifies")
	note(r.result.Signatures > 0, "signatures over values that were replaced are noise, and cannot verify: %d", r.result.Signatures)
	note(r.result.Kept > 0, "signatures over what is as it was recorded are as they were: %d", r.result.Kept)
	note(values[Certificate] > 0, "certificates have other serial numbers, keys and signatures: no chain can be verified")
	note(values[Blob] > 0, "credBlobs and keys of large blobs were replaced: the large blobs cannot be opened")
	note(values[Unknown] > 0, "values without a known meaning were replaced: %d", values[Unknown])
	note(r.swept > 0, "values were replaced in places besides those that the standard has for them: %d", r.swept)
	note(r.book.shared > 0, "short values that share a pseudonym with another one: %d", r.book.shared)
	note(len(r.result.Dropped) > 0, "messages that could not be read were left out: %d", len(r.result.Dropped))
	if extra := slices.Sorted(maps.Keys(h.Extra)); len(extra) > 0 {
		extra = slices.DeleteFunc(extra, func(name string) bool { return name == member })
		note(len(extra) > 0, "members of the header without a known meaning were removed: %d", len(extra))
	}
}

// readAbout reads what a header says about redaction, nothing if it does not.
func readAbout(extra map[string]json.RawMessage) (a about) {
	if json.Unmarshal(extra[member], &a) != nil {
		return about{}
	}
	return a
}

// digests are those of the pseudonyms that a header lists.
func (a about) digests() map[string]bool {
	set := map[string]bool{}
	for one := range slices.Chunk(bytes.TrimSpace([]byte(a.Pseudonyms)), 2*digestSize) {
		set[string(one)] = true
	}
	return set
}
