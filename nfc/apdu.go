package nfc

import "fmt"

// AID names the FIDO applet (CTAP 2.3 §11.3.3). SELECT takes it as its data.
var AID = []byte{0xA0, 0x00, 0x00, 0x06, 0x47, 0x2F, 0x00, 0x01}

// What the length fields of ISO 7816-4 §5.2 can say.
const (
	maxShortNc    = 255
	maxShortNe    = 256
	maxExtendedNc = 65535
	maxExtendedNe = 65536
)

// The classes, instructions and first parameters of CTAP 2.3 §11.3, of U2F raw
// messages §3 and of ISO 7816-4.
const (
	ClassISO   = 0x00
	ClassCTAP  = 0x80
	ClassChain = 0x10 // a bit: set on every part of a chain but the last

	INSU2FRegister     = 0x01
	INSU2FAuthenticate = 0x02
	INSU2FVersion      = 0x03
	INSMessage         = 0x10 // NFCCTAP_MSG
	INSPoll            = 0x11 // NFCCTAP_GETRESPONSE
	INSControl         = 0x12 // NFCCTAP_CONTROL
	INSSelect          = 0xA4
	INSGetResponse     = 0xC0

	P1Poll   = 0x80 // a bit, in MSG: the client can poll
	P1Cancel = 0x11 // in GETRESPONSE: give up (2.3; reserved in 2.2)
	P1End    = 0x01 // in CONTROL: end of CTAP
	P1ByName = 0x04 // in SELECT: by application identifier
)

// Command is a command APDU (ISO 7816-4 §5.1).
type Command struct {
	CLA, INS, P1, P2 byte
	// Data is the command data field: at most 255 bytes, or 65535 if Extended.
	Data []byte
	// Ne is the most bytes that the answer may have: 1 to 256, or to 65536 if
	// Extended, where the greatest means all there are. 0 leaves Le out.
	Ne int
	// Extended asks for three-byte length fields. A command with neither Data
	// nor Ne has no length field, so parsing never sets it there.
	Extended bool
}

// ParseCommand reads a command APDU in any of the seven forms of ISO 7816-4
// §5.2: four header bytes, then nothing, Le, Lc and data, or all three, with
// short or extended lengths. Data is part of apdu. The error wraps
// [ErrMalformed]; a card answers it with 6700.
func ParseCommand(apdu []byte) (Command, error) {
	if len(apdu) < 4 {
		return Command{}, fmt.Errorf("%w: %d bytes", ErrMalformed, len(apdu))
	}
	c := Command{CLA: apdu[0], INS: apdu[1], P1: apdu[2], P2: apdu[3]}
	body := apdu[4:]
	switch {
	case len(body) == 0:
		return c, nil
	case len(body) == 1:
		c.Ne = orMax(int(body[0]), maxShortNe)
		return c, nil
	case body[0] == 0:
		c.Extended = true
		return c, c.parseExtended(body[1:])
	}
	return c, c.parseBody(body[1:], int(body[0]), 1, maxShortNe)
}

// parseExtended reads what follows the zero byte that marks extended lengths.
func (c *Command) parseExtended(body []byte) error {
	if len(body) < 2 {
		return fmt.Errorf("%w: extended length cut short", ErrMalformed)
	}
	n := int(body[0])<<8 | int(body[1])
	if len(body) == 2 {
		c.Ne = orMax(n, maxExtendedNe)
		return nil
	}
	if n == 0 {
		return fmt.Errorf("%w: extended Lc is 0", ErrMalformed)
	}
	return c.parseBody(body[2:], n, 2, maxExtendedNe)
}

// parseBody splits rest into nc bytes of data and an optional Le of width
// bytes, of which zero stands for max.
func (c *Command) parseBody(rest []byte, nc, width, max int) error {
	if len(rest) != nc && len(rest) != nc+width {
		return fmt.Errorf("%w: Lc is %d, %d bytes follow", ErrMalformed, nc, len(rest))
	}
	c.Data = rest[:nc:nc]
	if le := rest[nc:]; len(le) > 0 {
		n := 0
		for _, b := range le {
			n = n<<8 | int(b)
		}
		c.Ne = orMax(n, max)
	}
	return nil
}

func orMax(n, max int) int {
	if n == 0 {
		return max
	}
	return n
}

// Bytes writes the command. The error wraps [ErrMalformed] and says that Data
// or Ne do not fit the lengths that Extended allows; nothing is chained here.
func (c Command) Bytes() ([]byte, error) {
	nc, ne := maxShortNc, maxShortNe
	if c.Extended {
		nc, ne = maxExtendedNc, maxExtendedNe
	}
	if len(c.Data) > nc || c.Ne < 0 || c.Ne > ne {
		return nil, fmt.Errorf("%w: %d bytes of data and Ne %d do not fit (extended: %t)",
			ErrMalformed, len(c.Data), c.Ne, c.Extended)
	}
	apdu := make([]byte, 4, 4+3+len(c.Data)+3)
	apdu[0], apdu[1], apdu[2], apdu[3] = c.CLA, c.INS, c.P1, c.P2
	if c.Extended {
		return c.appendExtended(apdu), nil
	}
	if len(c.Data) > 0 {
		apdu = append(apdu, byte(len(c.Data)))
		apdu = append(apdu, c.Data...)
	}
	if c.Ne > 0 {
		apdu = append(apdu, byte(c.Ne))
	}
	return apdu, nil
}

func (c Command) appendExtended(apdu []byte) []byte {
	if len(c.Data) > 0 || c.Ne > 0 {
		apdu = append(apdu, 0)
	}
	if n := len(c.Data); n > 0 {
		apdu = append(apdu, byte(n>>8), byte(n))
		apdu = append(apdu, c.Data...)
	}
	if c.Ne > 0 {
		apdu = append(apdu, byte(c.Ne>>8), byte(c.Ne))
	}
	return apdu
}

// Response is a response APDU (ISO 7816-4 §5.1).
type Response struct {
	// Data is the response data field, at most 65536 bytes.
	Data []byte
	SW   StatusWord
}

// ParseResponse splits the status word from the data, which is part of apdu.
// The error wraps [ErrProtocol]: fewer than 2 bytes, or more than 65538.
func ParseResponse(apdu []byte) (Response, error) {
	n := len(apdu) - 2
	if n < 0 || n > maxExtendedNe {
		return Response{}, fmt.Errorf("%w: response of %d bytes", ErrProtocol, len(apdu))
	}
	sw := StatusWord(apdu[n])<<8 | StatusWord(apdu[n+1])
	return Response{Data: apdu[:n:n], SW: sw}, nil
}

// Bytes writes the response.
func (r Response) Bytes() []byte {
	apdu := make([]byte, len(r.Data), len(r.Data)+2)
	copy(apdu, r.Data)
	return append(apdu, byte(r.SW>>8), byte(r.SW))
}
