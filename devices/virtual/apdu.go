package virtual

import "encoding/binary"

// statusWord ends a response APDU (ISO 7816-4 §5.1.3).
type statusWord uint16

// Status words of CTAP1 (U2F Raw Message Formats §3.3).
const (
	swOK            statusWord = 0x9000
	swWrongLength   statusWord = 0x6700
	swNoTouch       statusWord = 0x6985 // conditions of use not satisfied
	swNotAllowed    statusWord = 0x6986
	swWrongData     statusWord = 0x6a80
	swWrongP1P2     statusWord = 0x6a86
	swNoInstruction statusWord = 0x6d00
	swNoClass       statusWord = 0x6e00
	swOther         statusWord = 0x6f00
)

// apdu is a command APDU (ISO 7816-4 §5.1). How long an answer the host wants is
// not of interest: answers are whole.
type apdu struct {
	class, instruction, p1, p2 byte
	data                       []byte
}

// parseAPDU reads a command with short or extended lengths. It reports false
// when the lengths do not fit. Platforms send an extended Lc of 0 where ISO 7816
// would have none.
func parseAPDU(b []byte) (apdu, bool) {
	if len(b) < 4 {
		return apdu{}, false
	}
	cmd := apdu{class: b[0], instruction: b[1], p1: b[2], p2: b[3]}
	rest := b[4:]
	if len(rest) <= 1 || rest[0] == 0 && len(rest) == 3 { // no data, with or without Le
		return cmd, true
	}
	n, le := int(rest[0]), 1
	rest = rest[1:]
	if n == 0 && len(rest) >= 2 {
		n, le = int(binary.BigEndian.Uint16(rest)), 2
		rest = rest[2:]
	}
	if n == 0 && le == 1 || len(rest) != n && len(rest) != n+le {
		return apdu{}, false
	}
	cmd.data = rest[:n]
	return cmd, true
}

// reply is a response APDU.
func reply(sw statusWord, data ...byte) []byte {
	return binary.BigEndian.AppendUint16(data, uint16(sw))
}
