// Package models names products: by the AAGUID that a key tells (CTAP 2.3 §6.4),
// and by the key identifier of a U2F attestation certificate, as FIDO's Metadata
// Service (MDS3) lists them.
//
//	if name, ok := models.Name(info.AAGUID); ok {
//		fmt.Println(name) // YubiKey 5 Series with NFC
//	}
//
// A name is a claim of the one who asked for the listing, and an AAGUID is one
// of the key itself: without an attestation that is verified neither proves
// what a key is.
//
// The table is a text in the program that is searched where it lies. scripts/models
// makes it anew from a newer list.
package models

import (
	_ "embed" // for the table
	"encoding/hex"
	"fmt"
	"strings"
)

// table is comments and then lines "KEY SOURCE NAME", sorted. A # sorts before
// every key.
//
//go:embed table.txt
var table string

// Name returns the product name of a model, at most 120 printable characters,
// and whether the table has one. It has none for the zero AAGUID of U2F keys.
func Name(aaguid [16]byte) (name string, ok bool) {
	return find(fmt.Sprintf("%x-%x-%x-%x-%x", aaguid[:4], aaguid[4:6], aaguid[6:8], aaguid[8:10], aaguid[10:]))
}

// NameByKeyIdentifier is [Name] for keys without an AAGUID. The identifier is
// the SHA-1 of the public key in the attestation certificate, as RFC 5280
// §4.2.1.2 has it in method 1 and MDS3 in attestationCertificateKeyIdentifiers.
func NameByKeyIdentifier(id [20]byte) (name string, ok bool) {
	return find(hex.EncodeToString(id[:]))
}

// find searches the table by halves.
func find(key string) (name string, ok bool) {
	rest := table
	for rest != "" {
		start := 1 + strings.LastIndexByte(rest[:len(rest)/2], '\n')
		line, after, _ := strings.Cut(rest[start:], "\n")
		here, entry, _ := strings.Cut(line, " ")
		switch {
		case here == key:
			_, name, ok = strings.Cut(entry, " ")
			return name, ok
		case here < key:
			rest = after
		default:
			rest = rest[:start]
		}
	}
	return "", false
}

// Source says what the table was made from, one source on a line: with MDS3 BLOBs
// their number and date.
func Source() string {
	var sources []string
	for line := range strings.Lines(table) {
		source, ok := strings.CutPrefix(line, "# source ")
		if ok {
			sources = append(sources, strings.TrimSpace(source))
		}
		if !strings.HasPrefix(line, "#") {
			break
		}
	}
	return strings.Join(sources, "\n")
}
