package redact

import (
	"bytes"
	"strings"
	"unicode/utf8"
)

const (
	lower  = "abcdefghijklmnopqrstuvwxyz"
	upper  = "ABCDEFGHIJKLMNOPQRSTUVWXYZ"
	digits = "0123456789"
)

// invalid is the domain that belongs to nobody (RFC 2606 §2).
const invalid = ".invalid"

// isDomain says whether a value could be the ID of a relying party.
func isDomain(value []byte) bool {
	return len(value) > 0 && len(bytes.Trim(value, lower+digits+".-")) == 0 &&
		!bytes.ContainsFunc(value, func(r rune) bool { return !strings.ContainsRune(lower+digits+".-", r) })
}

// drawDomain makes a domain of a domain: dots stay, and where there is room it
// ends in one that belongs to nobody.
func drawDomain(s *stream256, value []byte) []byte {
	p := make([]byte, len(value))
	for i, c := range value {
		p[i] = lower[s.below(len(lower))]
		if c == '.' || c == '-' {
			p[i] = c
		}
	}
	if end := len(p) - len(invalid); end > 0 {
		copy(p[end:], invalid)
		p[end-1] = lower[s.below(len(lower))]
	}
	return p
}

// isCutText says whether a value is a text that ends inside a character, as keys
// cut names (CTAP 2.3 §6.8.7 lets them).
func isCutText(value []byte) bool {
	end := textEnd(value)
	return end > 0 && end < len(value) && utf8.RuneStart(value[end]) && isText(value[:end])
}

// textEnd is where a character begins that is cut at the end of a value.
func textEnd(value []byte) int {
	for n := 1; n < utf8.UTFMax && n <= len(value); n++ {
		if at := len(value) - n; utf8.RuneStart(value[at]) {
			if value[at] >= utf8.RuneSelf && !utf8.FullRune(value[at:]) {
				return at
			}
			break
		}
	}
	return len(value)
}

// Characters of which each takes two, three and four bytes.
var wideRunes = map[int]struct{ first, count int }{
	2: {0x0430, 32},    // Cyrillic
	3: {0x4e00, 20000}, // Chinese
	4: {0x20000, 40000},
}

// drawText replaces letters by letters and digits by digits; all else of ASCII
// stays. Other characters give way to such as take as many bytes.
func drawText(s *stream256, value []byte) []byte {
	end := textEnd(value)
	p := make([]byte, 0, len(value))
	for _, r := range string(value[:end]) {
		set := ""
		switch {
		case strings.ContainsRune(lower, r):
			set = lower
		case strings.ContainsRune(upper, r):
			set = upper
		case strings.ContainsRune(digits, r):
			set = digits
		}
		switch w, ok := wideRunes[utf8.RuneLen(r)]; {
		case set != "":
			p = append(p, set[s.below(len(set))])
		case ok:
			p = utf8.AppendRune(p, rune(w.first+s.below(w.count)))
		default:
			p = utf8.AppendRune(p, r)
		}
	}
	return append(p, value[end:]...)
}
