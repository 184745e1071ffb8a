package capture

import (
	"bytes"
	"encoding/base64"
	"encoding/hex"
)

// maxBytes bounds what one line of a text can hold: the longest message and
// the longest APDU are shorter.
const maxBytes = 70 << 10

// hexRun reads bytes in hex from the beginning of text: digits in pairs, alone
// or many together, with single spaces, colons or commas between, each run with
// or without 0x. It returns the bytes and what follows them. cut says that the
// text ends inside a byte, or has dots where more bytes were.
func hexRun(text []byte) (data, rest []byte, cut bool) {
	rest = text
	for len(data) < maxBytes {
		token := rest
		if len(data) > 0 {
			token = separated(rest)
		}
		if len(token) > 2 && token[0] == '0' && (token[1] == 'x' || token[1] == 'X') {
			token = token[2:]
		}
		n := digits(token)
		cut = bytes.HasPrefix(token[n:], []byte("…"))
		if n == 0 || n < len(token) && (n%2 == 1 || isWord(token[n])) && !cut {
			break // nothing, a number, or a word that begins like hex
		}
		data = hexAppend(data, token[:n&^1])
		rest = token[n:]
		if cut || n%2 == 1 {
			return data, rest, true
		}
	}
	return data, rest, false
}

// separated takes off what may stand between two bytes, nil if nothing does.
func separated(text []byte) []byte {
	switch {
	case len(text) < 2:
		return nil
	case text[0] == ',' && text[1] == ' ':
		return text[2:]
	case (text[0] == ' ' || text[0] == ':' || text[0] == ',') && text[1] != ' ':
		return text[1:]
	}
	return nil
}

func digits(text []byte) int {
	n := 0
	for n < len(text) && isHex(text[n]) {
		n++
	}
	return n
}

func isHex(b byte) bool {
	return b >= '0' && b <= '9' || b >= 'a' && b <= 'f' || b >= 'A' && b <= 'F'
}

func isWord(b byte) bool {
	return b >= '0' && b <= '9' || b >= 'a' && b <= 'z' || b >= 'A' && b <= 'Z' || b == '_' || b >= 0x80
}

func hexAppend(data, digits []byte) []byte {
	n := len(data)
	data = append(data, make([]byte, len(digits)/2)...)
	_, _ = hex.Decode(data[n:], digits) // they are digits, in pairs
	return data
}

// numberRun reads bytes written as decimal numbers in brackets, such as
// "[0, 164, 4]". whole is false when the list breaks off or holds what is no
// byte; what came before is returned.
func numberRun(text []byte) (data []byte, whole bool) {
	text, ok := bytes.CutPrefix(text, []byte("["))
	for ok && len(data) < maxBytes {
		text = bytes.TrimLeft(text, " ")
		if len(text) > 0 && text[0] == ']' {
			return data, true
		}
		n, size := 0, 0
		for size < len(text) && size < 4 && text[size] >= '0' && text[size] <= '9' {
			n = n*10 + int(text[size]-'0')
			size++
		}
		if size == 0 || n > 255 || size == len(text) {
			return data, false // the last number may lack digits
		}
		data = append(data, byte(n))
		text = bytes.TrimPrefix(text[size:], []byte(","))
	}
	return data, false
}

// base64Run reads base64, standard or for URLs, from the beginning of text.
func base64Run(text []byte) (data []byte, ok bool) {
	n := 0
	for n < len(text) && (isWord(text[n]) && text[n] < 0x80 || text[n] == '+' || text[n] == '/' || text[n] == '-') {
		n++
	}
	encoding := base64.RawStdEncoding
	if bytes.ContainsAny(text[:n], "-_") {
		encoding = base64.RawURLEncoding
	}
	data, err := encoding.DecodeString(string(text[:n]))
	return data, err == nil && n >= 4 && n < maxBytes
}
