package capture

import (
	"bytes"
	"encoding/binary"
	"errors"
	"strconv"
	"strings"
	"unicode/utf16"
)

// maxDiagnosticDepth bounds how deep a text in diagnostic notation is followed.
const maxDiagnosticDepth = 16

var (
	// errDiagnostic is a text that is no diagnostic notation.
	errDiagnostic = errors.New("no CBOR in diagnostic notation")
	// errDiagnosticCut is one that breaks off.
	errDiagnosticCut = errors.New("the CBOR breaks off")
)

// parseDiagnostic reads one item of CBOR in diagnostic notation (RFC 8949 §8)
// as browsers and cbor.me write it, and returns its encoding, the shortest one
// with the members of maps in their order, and what follows the item.
func parseDiagnostic(text []byte) (encoded, rest []byte, err error) {
	p := diagnostic{text: text}
	encoded, err = p.item(nil, 0)
	return encoded, p.text, err
}

// pieces puts an item together that stands in more lines than one.
type pieces struct {
	text   []byte
	depth  int  // of open brackets
	inside byte // the quote of the text or bytes that go on: ", ' or ”
	broken bool // a text has gone on in another line
}

// add takes a line, or what of it belongs to the item. It returns whether the
// item is whole.
func (p *pieces) add(line []byte) bool {
	if p.inside == 0 && len(p.text) > 0 {
		p.text = append(p.text, ' ')
	}
	p.broken = p.broken || p.inside != 0 && p.inside != '\''
	p.text = append(p.text, line...)
	for i := 0; i < len(line); i++ {
		rest := line[i:]
		switch b := line[i]; {
		case p.inside != 0 && b == '\\':
			i++
		case p.inside == '"' && b == '"', p.inside == '\'' && b == '\'', p.inside == bent && bytes.HasPrefix(rest, []byte("”")):
			p.inside = 0
		case p.inside != 0:
		case b == '"', b == '\'':
			p.inside = b
		case bytes.HasPrefix(rest, []byte("“")):
			p.inside = bent
		case b == '{', b == '[':
			p.depth++
		case b == '}', b == ']':
			p.depth--
		}
	}
	return p.depth <= 0 && p.inside == 0
}

// bent stands for the quotes that a web page has bent.
const bent = 0xff

type diagnostic struct{ text []byte }

func (p *diagnostic) space() {
	p.text = bytes.TrimLeft(p.text, " \t\r\n\u00a0")
}

// take takes one of the given beginnings off the text.
func (p *diagnostic) take(word string) bool {
	p.space()
	if !bytes.HasPrefix(p.text, []byte(word)) {
		return false
	}
	p.text = p.text[len(word):]
	return true
}

func (p *diagnostic) item(to []byte, depth int) ([]byte, error) {
	p.space()
	switch {
	case depth > maxDiagnosticDepth:
		return to, errDiagnostic
	case len(p.text) == 0:
		return to, errDiagnosticCut
	case p.take("<<"):
		return p.embedded(to, depth)
	case p.take("{"):
		return p.list(to, 5, "}", depth)
	case p.take("["):
		return p.list(to, 4, "]", depth)
	case p.take("h'"), p.take("h’"), p.take("h‘"):
		return p.bytes(to)
	case p.text[0] == '"', bytes.HasPrefix(p.text, []byte("“")):
		return p.string(to)
	}
	return p.word(to)
}

// list reads the items of an array or map up to its end.
func (p *diagnostic) list(to []byte, major byte, end string, depth int) ([]byte, error) {
	var items []byte
	n := 0
	for !p.take(end) {
		if n > 0 && !p.take(",") {
			return to, p.unexpected()
		}
		var err error
		if items, err = p.item(items, depth+1); err != nil {
			return to, err
		}
		if major == 5 {
			if !p.take(":") {
				return to, p.unexpected()
			}
			if items, err = p.item(items, depth+1); err != nil {
				return to, err
			}
		}
		if n++; len(items) > maxBytes {
			return to, errDiagnostic
		}
	}
	return append(cborHead(to, major, uint64(n)), items...), nil
}

func (p *diagnostic) unexpected() error {
	if p.space(); len(p.text) == 0 {
		return errDiagnosticCut
	}
	return errDiagnostic
}

// embedded reads CBOR inside a byte string.
func (p *diagnostic) embedded(to []byte, depth int) ([]byte, error) {
	var inside []byte
	for n := 0; !p.take(">>"); n++ {
		if n > 0 && !p.take(",") {
			return to, p.unexpected()
		}
		var err error
		if inside, err = p.item(inside, depth+1); err != nil {
			return to, err
		}
	}
	return append(cborHead(to, 2, uint64(len(inside))), inside...), nil
}

func (p *diagnostic) bytes(to []byte) ([]byte, error) {
	var data []byte
	for {
		n := digits(p.text)
		if n%2 == 1 && n < len(p.text) {
			return to, errDiagnostic
		}
		data = hexAppend(data, p.text[:n&^1])
		p.text = p.text[n&^1:]
		switch {
		case p.take("'"), p.take("’"), p.take("′"):
			return append(cborHead(to, 2, uint64(len(data))), data...), nil
		case len(p.text) == 0 || len(p.text) == 1 && isHex(p.text[0]):
			return to, errDiagnosticCut
		case digits(p.text) == 0:
			return to, errDiagnostic
		}
	}
}

// string reads a text string, whose quotes a web page may have bent.
func (p *diagnostic) string(to []byte) ([]byte, error) {
	open, end := `"`, `"`
	if bytes.HasPrefix(p.text, []byte("“")) {
		open, end = "“", "”"
	}
	body := p.text[len(open):]
	var text strings.Builder
	for {
		switch {
		case len(body) == 0:
			return to, errDiagnosticCut
		case bytes.HasPrefix(body, []byte(end)):
			p.text = body[len(end):]
			return append(cborHead(to, 3, uint64(text.Len())), text.String()...), nil
		case body[0] == '\\':
			char, size := escaped(body)
			text.WriteRune(char)
			body = body[size:]
		default:
			text.WriteByte(body[0])
			body = body[1:]
		}
		if text.Len() > maxBytes {
			return to, errDiagnostic
		}
	}
}

// escaped is the character that is written with a backslash at the beginning of
// text, as in JSON (RFC 8259 §7), and how many bytes that takes.
func escaped(text []byte) (rune, int) {
	if len(text) < 2 {
		return '\\', len(text)
	}
	switch text[1] {
	case 'n':
		return '\n', 2
	case 'r':
		return '\r', 2
	case 't':
		return '\t', 2
	case 'b':
		return '\b', 2
	case 'f':
		return '\f', 2
	case 'u':
		high, ok := escapedUnit(text)
		if !ok {
			break
		}
		if low, ok := escapedUnit(text[escapedSize:]); ok && utf16.IsSurrogate(high) {
			return utf16.DecodeRune(high, low), 2 * escapedSize
		}
		return high, escapedSize
	}
	return rune(text[1]), 2
}

// escapedSize is how many bytes one unit of UTF-16 takes, as in \u00e4.
const escapedSize = 6

func escapedUnit(text []byte) (rune, bool) {
	if len(text) < escapedSize || text[0] != '\\' || text[1] != 'u' {
		return 0, false
	}
	n, err := strconv.ParseUint(string(text[2:escapedSize]), 16, 16)
	return rune(n), err == nil
}

// word reads a number or a simple value.
func (p *diagnostic) word(to []byte) ([]byte, error) {
	n := 0
	for n < len(p.text) && (isWord(p.text[n]) || p.text[n] == '-' || p.text[n] == '+' || p.text[n] == '.') {
		n++
	}
	word := string(p.text[:n])
	if n == 0 {
		return to, errDiagnostic
	}
	if n == len(p.text) {
		return to, errDiagnosticCut // it may go on
	}
	p.text = p.text[n:]
	switch word {
	case "false":
		return append(to, 0xf4), nil
	case "true":
		return append(to, 0xf5), nil
	case "null":
		return append(to, 0xf6), nil
	case "undefined":
		return append(to, 0xf7), nil
	}
	if digits, negative := strings.CutPrefix(word, "-"); negative {
		if v, err := strconv.ParseUint(digits, 0, 64); err == nil && v > 0 {
			return cborHead(to, 1, v-1), nil
		}
	} else if v, err := strconv.ParseUint(word, 0, 64); err == nil {
		return cborHead(to, 0, v), nil
	}
	return to, errDiagnostic
}

// cborHead appends the head of an item in its shortest form (RFC 8949 §3).
func cborHead(to []byte, major byte, n uint64) []byte {
	major <<= 5
	switch {
	case n < 24:
		return append(to, major|byte(n))
	case n < 1<<8:
		return append(to, major|24, byte(n))
	case n < 1<<16:
		return binary.BigEndian.AppendUint16(append(to, major|25), uint16(n))
	case n < 1<<32:
		return binary.BigEndian.AppendUint32(append(to, major|26), uint32(n))
	}
	return binary.BigEndian.AppendUint64(append(to, major|27), n)
}
