package capture

import (
	"bytes"
	"fmt"
)

// marked is the bytes behind a mark.
type marked struct {
	data []byte
	sw   []byte // a status word apart from them, for bytes that stand below
	want int    // how many there should be, -1 if that is not said
	cut  bool   // they end inside a byte
}

// markedBytes reads what stands behind a mark.
func markedBytes(m *mark, text []byte) marked {
	switch m.coding {
	case codingBase64:
		data, ok := base64Run(bytes.TrimSpace(text))
		return marked{data: data, want: -1, cut: !ok && len(data) > 0}
	case codingBelow:
		return announced(text)
	}
	return hexMarked(text)
}

// hexMarked reads bytes in hex, or as numbers in brackets, with the status word
// that may stand apart from them.
func hexMarked(text []byte) marked {
	text = behindNotes(text)
	b := marked{want: -1}
	var rest []byte
	if isNumbers(text) {
		var whole bool
		b.data, whole = numberRun(text)
		b.cut = !whole
		return b
	}
	b.data, rest, b.cut = hexRun(bytes.TrimPrefix(text, []byte("[")))
	if sw, announced := statusWord(rest); announced {
		b.data = append(b.data, sw...)
		b.cut = b.cut || sw == nil
	}
	return b
}

// behindNotes passes over what logs put between their words and the bytes:
// protocol, lengths, times, quotes.
func behindNotes(text []byte) []byte {
	count := -1 // of bytes, that stands before them
	for {
		text = bytes.TrimLeft(text, " \t\"")
		before := len(text)
		text = bytes.TrimPrefix(text, []byte("b'"))
		text = bytes.TrimPrefix(text, []byte("T=0 "))
		text = bytes.TrimPrefix(text, []byte("T=1 "))
		if n := leadingDigits(text); n > 0 && n < len(text)-1 {
			if text[n] == ':' && text[n+1] == ' ' || text[n] == ' ' && text[n+1] == '(' {
				count = number(text[:n])
				text = text[n+1:]
			}
		}
		if len(text) > 0 && text[0] == '(' {
			inside := text[1:]
			if data, _, _ := hexRun(inside); (len(data) >= 2 || len(data) == count && count > 0) && !bytes.HasPrefix(inside[2*len(data):], []byte("+")) {
				return inside
			}
			if end := bytes.IndexByte(text, ')'); end > 0 {
				text = text[end+1:]
			}
		}
		if len(text) == before {
			return text
		}
	}
}

func leadingDigits(text []byte) int {
	n := 0
	for n < len(text) && text[n] >= '0' && text[n] <= '9' {
		n++
	}
	return n
}

// isNumbers says whether a list in brackets is of decimal numbers: some has
// not two digits, and none begins with a zero or has a letter.
func isNumbers(text []byte) bool {
	if len(text) < 2 || text[0] != '[' {
		return false
	}
	odd := false
	for _, word := range bytes.Split(text[1:], []byte(",")) {
		word = bytes.Trim(word, " ]")
		if len(word) == 0 {
			continue
		}
		n := leadingDigits(word)
		if n == 0 || n < len(word) && isHex(word[n]) || n > 1 && word[0] == '0' {
			return false
		}
		odd = odd || n != 2
	}
	return odd
}

// statusWord reads a status word that stands apart from the data, such as
// "SW=9000". It is nil if it is there but not whole.
func statusWord(text []byte) (sw []byte, announced bool) {
	at := bytes.Index(text, []byte("SW="))
	if at < 0 {
		return nil, false
	}
	n := digits(text[at+3:])
	word := text[at+3 : at+3+n]
	if n == 4 {
		return hexAppend(nil, word), true
	}
	return shiftedStatusWord(word), true
}

// shiftedStatusWord undoes a slip of python-fido2 0.9 and before, which shifts
// SW1 by 8+SW2 bits instead of by 8. Since SW1 is 6x or 9x it shows.
func shiftedStatusWord(digits []byte) []byte {
	if len(digits) < 4 || len(digits) > 70 {
		return nil
	}
	if len(digits)%2 == 1 {
		digits = append([]byte("0"), digits...)
	}
	n := hexAppend(nil, digits)
	if n[0] == 0 {
		return nil // nothing is printed with zeros before it
	}
	bits := len(n) * 8
	for first := n[0]; first < 0x80; first <<= 1 {
		bits--
	}
	size := 8 // of SW1, 1001xxxx
	if top(n, bits, 3) == 0b110 {
		size = 7 // 110xxxx
	}
	sw1, sw2 := top(n, bits, size), bits-size-8
	if sw2 < 0 || sw2 > 255 {
		return nil
	}
	return []byte{byte(sw1), byte(sw2)}
}

// top is the first count bits of a number of that many bits.
func top(n []byte, bits, count int) int {
	v := 0
	for i := range count {
		at := len(n)*8 - bits + i
		v = v<<1 | int(n[at/8]>>(7-at%8)&1)
	}
	return v
}

// announced reads what an announcement says of the bytes below it: their number
// in brackets, or a status word.
func announced(text []byte) marked {
	b := marked{want: -1}
	if n := digits(text); n == 4 { // behind "RECV (SW="
		b.sw = hexAppend(nil, text[:4])
	}
	var sw1, sw2 byte
	if n, _ := fmt.Sscanf(string(text[:min(len(text), 16)]), "0x%2x, SW2=0x%2x", &sw1, &sw2); n == 2 { // behind "Received (SW1="
		b.sw = []byte{sw1, sw2}
	}
	var size int
	if n, _ := fmt.Sscanf(string(bytes.TrimSpace(text[:min(len(text), 32)])), "(%d bytes", &size); n == 1 && size > 0 && size <= maxBytes {
		b.want = size
	}
	return b
}

// rowBelow reads a line of bytes: an offset, which is passed over, then either
// one long run of digits or up to 32 pairs with spaces between, and behind
// those perhaps the same as text. want is how many bytes are still to come, or
// less than 0.
func rowBelow(text []byte, want int) ([]byte, bool) {
	text = bytes.TrimSpace(text)
	if n := digits(text); n >= 4 && n <= 8 && n < len(text)-1 && (text[n] == ':' || text[n] == ' ' && text[n+1] == ' ') {
		text = bytes.TrimLeft(text[n+1:], " ")
	}
	if n := digits(text); n >= 8 {
		data, rest, _ := hexRun(text)
		return data, len(bytes.TrimSpace(rest)) == 0
	}
	var data []byte
	for len(data) < 32 && (want < 0 || len(data) < want) {
		if digits(text) != 2 || len(text) > 2 && text[2] != ' ' {
			break
		}
		data = hexAppend(data, text[:2])
		gap := bytes.TrimLeft(text[2:], " ")
		wide := len(text) - 2 - len(gap)
		text = gap
		if wide > 2 || wide == 2 && len(data) != 8 && len(data) != 16 {
			break
		}
	}
	if n := len(data); n == 3 && len(text) == 0 && isTextOf(data[2:], data[:2]) {
		data = data[:2]
	}
	return data, len(data) > 0
}

// isTextOf says whether the last byte of a row was the text of the two before
// it, as in "41 42 AB".
func isTextOf(last, bytesBefore []byte) bool {
	return fmt.Sprintf("%X", last) == string(bytesBefore) || fmt.Sprintf("%x", last) == string(bytesBefore)
}

// plural counts things in words.
func plural(n int, thing string) string {
	if n == 1 {
		return "1 " + thing
	}
	return fmt.Sprintf("%d %ss", n, thing)
}
