package nfc

import "fmt"

// StatusWord is SW1-SW2, the last two bytes of a response APDU (ISO 7816-4
// §5.6). Every word but [SWOK] serves as an error; compare with [errors.Is],
// or take it out with [errors.As].
type StatusWord uint16

// The status words that FIDO cards use (CTAP 2.3 §11.3, U2F raw messages
// §3.3) and those that smart cards of other kinds answer first.
const (
	SWOK                     StatusWord = 0x9000
	SWPending                StatusWord = 0x9100 // one status byte; ask again with NFCCTAP_GETRESPONSE
	SWMemoryFailure          StatusWord = 0x6581
	SWWrongLength            StatusWord = 0x6700
	SWLastOfChainExpected    StatusWord = 0x6883
	SWChainingNotSupported   StatusWord = 0x6884
	SWSecurityNotSatisfied   StatusWord = 0x6982
	SWAuthenticationBlocked  StatusWord = 0x6983
	SWReferenceDataUnusable  StatusWord = 0x6984
	SWConditionsNotSatisfied StatusWord = 0x6985 // user presence, or a request is under way
	SWNotAllowed             StatusWord = 0x6986 // no applet selected
	SWWrongData              StatusWord = 0x6A80 // in U2F: not a key handle of this key
	SWFunctionNotSupported   StatusWord = 0x6A81
	SWNotFound               StatusWord = 0x6A82 // no such applet
	SWNotEnoughMemory        StatusWord = 0x6A84
	SWIncorrectP1P2          StatusWord = 0x6A86
	SWWrongLc                StatusWord = 0x6A87
	SWReferenceNotFound      StatusWord = 0x6A88
	SWWrongP1P2              StatusWord = 0x6B00
	SWInsNotSupported        StatusWord = 0x6D00
	SWClaNotSupported        StatusWord = 0x6E00
	SWNoPreciseDiagnosis     StatusWord = 0x6F00
)

// First bytes of words whose second byte is a count.
const (
	swRemaining   = 0x61
	swRightLength = 0x6C
)

var statusText = map[StatusWord]string{
	SWOK:                     "success",
	SWPending:                "request still being processed",
	SWMemoryFailure:          "memory failure",
	SWWrongLength:            "wrong length",
	SWLastOfChainExpected:    "last command of the chain expected",
	SWChainingNotSupported:   "command chaining not supported",
	SWSecurityNotSatisfied:   "security status not satisfied",
	SWAuthenticationBlocked:  "authentication method blocked",
	SWReferenceDataUnusable:  "reference data not usable",
	SWConditionsNotSatisfied: "conditions of use not satisfied",
	SWNotAllowed:             "command not allowed",
	SWWrongData:              "incorrect data",
	SWFunctionNotSupported:   "function not supported",
	SWNotFound:               "applet not found",
	SWNotEnoughMemory:        "not enough memory",
	SWIncorrectP1P2:          "incorrect P1 or P2",
	SWWrongLc:                "Lc does not go with P1 and P2",
	SWReferenceNotFound:      "referenced data not found",
	SWWrongP1P2:              "wrong P1 or P2",
	SWInsNotSupported:        "instruction not supported",
	SWClaNotSupported:        "class not supported",
	SWNoPreciseDiagnosis:     "no precise diagnosis",
}

// Error gives the four hex digits and, where the word is known, its meaning.
func (sw StatusWord) Error() string {
	text := statusText[sw]
	if n, ok := sw.Remaining(); ok {
		text = fmt.Sprintf("%d more bytes to fetch", n)
	}
	if n, ok := sw.RightLength(); ok {
		text = fmt.Sprintf("wrong Le, %d is right", n)
	}
	if text == "" {
		text = "unknown status word"
	}
	return fmt.Sprintf("%04X %s", uint16(sw), text)
}

// Remaining gives the number of bytes, 1 to 256, that a 61xx word offers to
// GET RESPONSE; 256 also stands for more (ISO 7816-4 §5.3.4).
func (sw StatusWord) Remaining() (n int, ok bool) { return sw.count(swRemaining) }

// RightLength gives the Le, 1 to 256, that a 6Cxx word asks for.
func (sw StatusWord) RightLength() (n int, ok bool) { return sw.count(swRightLength) }

func (sw StatusWord) count(sw1 byte) (int, bool) {
	if byte(sw>>8) != sw1 {
		return 0, false
	}
	if n := int(sw & 0xFF); n > 0 {
		return n, true
	}
	return maxShortNe, true
}

// remaining is the 61xx word for n more bytes.
func remaining(n int) StatusWord { return counted(swRemaining, n) }

// rightLength is the 6Cxx word for an Le of n.
func rightLength(n int) StatusWord { return counted(swRightLength, n) }

func counted(sw1, n int) StatusWord {
	if n >= maxShortNe {
		n = 0
	}
	return StatusWord(sw1<<8 | n)
}
