package nfc

// capabilities is what a card says of itself in the historical bytes of its
// ATR (ISO 7816-4 §8.1.1.2.7), if it does.
type capabilities struct {
	told     bool
	extended bool // takes extended Lc and Le
}

const (
	categoryStatus  = 0x00 // compact TLV, and three status bytes behind it
	categoryCompact = 0x80 // compact TLV
	tagCapabilities = 0x7  // with three bytes in full, of which the last is of interest
	bitExtended     = 0x40
)

// readCapabilities finds the card capabilities in an ATR. One that is broken
// or has none tells nothing.
func readCapabilities(atr []byte) capabilities {
	list := historical(atr)
	if len(list) == 0 {
		return capabilities{}
	}
	switch list[0] {
	case categoryStatus:
		list = list[1:max(1, len(list)-3)]
	case categoryCompact:
		list = list[1:]
	default:
		return capabilities{}
	}
	for len(list) > 0 {
		tag, n := list[0]>>4, int(list[0]&0xF)
		if list = list[1:]; n > len(list) {
			break
		}
		if tag == tagCapabilities && n == 3 {
			return capabilities{told: true, extended: list[2]&bitExtended != 0}
		}
		list = list[n:]
	}
	return capabilities{}
}

// historical is the historical bytes of an ATR (ISO 7816-3 §8.2): they follow
// the interface bytes, of which each T0 and TD announces up to four.
func historical(atr []byte) []byte {
	if len(atr) < 2 {
		return nil
	}
	k, announced, at := int(atr[1]&0xF), atr[1]>>4, 2
	for announced != 0 {
		for _, bit := range []byte{1, 2, 4} {
			if announced&bit != 0 {
				at++
			}
		}
		if announced&8 == 0 {
			break
		}
		if at >= len(atr) {
			return nil
		}
		announced = atr[at] >> 4
		at++
	}
	if at+k > len(atr) {
		return nil
	}
	return atr[at : at+k]
}
