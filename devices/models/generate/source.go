package main

import (
	"bytes"
	"encoding/json"
	"fmt"
	"regexp"
	"strings"
	"unicode"
	"unicode/utf8"
)

// source is what one file tells: names by key, a key being an AAGUID or the
// identifier of an attestation certificate's key in hexadecimal.
type source struct {
	origin string
	names  map[string]string
}

// document is any of the JSON forms but the last.
type document struct {
	Number     int     `json:"no"`
	NextUpdate string  `json:"nextUpdate"`
	Entries    []entry `json:"entries"` // of a BLOB
	Keys       []entry `json:"keys"`    // of a list that others made of BLOBs
	statement
}

type entry struct {
	Statement statement `json:"metadataStatement"`
}

// statement is what is taken of a metadata statement.
type statement struct {
	Description    string   `json:"description"`
	AAGUID         string   `json:"aaguid"`
	KeyIdentifiers []string `json:"attestationCertificateKeyIdentifiers"`
}

// read reads a file of any form.
func (v verifier) read(raw []byte) (source, error) {
	raw = bytes.TrimSpace(bytes.TrimPrefix(raw, []byte("\ufeff")))
	signed := !bytes.HasPrefix(raw, []byte("{"))
	if signed {
		payload, err := v.verify(raw)
		if err != nil {
			return source{}, err
		}
		raw = payload
	}
	var d document
	if err := json.Unmarshal(raw, &d); err != nil {
		return source{}, err
	}
	s := source{names: map[string]string{}}
	switch {
	case d.Entries != nil:
		s.origin = fmt.Sprintf("FIDO MDS3 BLOB no. %d, next update due %s, %s", d.Number, clean(d.NextUpdate), proof(signed))
		s.takeAll(d.Entries)
	case d.Keys != nil:
		s.origin = "list of metadata statements, unsigned"
		s.takeAll(d.Keys)
	case d.Description != "":
		s.origin = "metadata statement, unsigned"
		s.take(d.statement)
	default:
		s.origin = "community list, unsigned"
		return s, s.takeNames(raw)
	}
	return s, nil
}

func proof(signed bool) string {
	if signed {
		return "signature and certificates verified as of that day"
	}
	return "unsigned"
}

func (s source) takeAll(entries []entry) {
	for _, e := range entries {
		s.take(e.Statement)
	}
}

func (s source) take(m statement) {
	s.name(m.AAGUID, m.Description)
	for _, id := range m.KeyIdentifiers {
		s.name(id, m.Description)
	}
}

// takeNames reads an object from AAGUIDs to names, or to objects with a member
// "name".
func (s source) takeNames(raw []byte) error {
	var list map[string]json.RawMessage
	if err := json.Unmarshal(raw, &list); err != nil {
		return err
	}
	for key, value := range list {
		var item struct{ Name string }
		if json.Unmarshal(value, &item.Name) == nil || json.Unmarshal(value, &item) == nil {
			s.name(key, item.Name)
		}
	}
	return nil
}

var keyForm = regexp.MustCompile(`^([0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}|[0-9a-f]{40})$`)

// zero is the AAGUID of keys that do not tell theirs.
const zero = "00000000-0000-0000-0000-000000000000"

// name keeps a name, if there is one, under a key, if it is one. Of several for
// the same key the least counts, so that the order in the file does not.
func (s source) name(key, name string) {
	key, name = strings.ToLower(key), clean(name)
	if !keyForm.MatchString(key) || key == zero || name == "" {
		return
	}
	if before, ok := s.names[key]; !ok || name < before {
		s.names[key] = name
	}
}

// maxName bounds a name in characters.
const maxName = 120

// clean makes a text that others wrote fit for a line of the table: printable,
// with single spaces between words, bounded.
func clean(s string) string {
	s = strings.Map(func(r rune) rune {
		switch {
		case unicode.IsSpace(r):
			return ' '
		case r == utf8.RuneError || !unicode.IsPrint(r):
			return -1
		}
		return r
	}, s)
	s = strings.Join(strings.Fields(s), " ")
	if r := []rune(s); len(r) > maxName {
		s = strings.TrimSpace(string(r[:maxName-1])) + "…"
	}
	return s
}
