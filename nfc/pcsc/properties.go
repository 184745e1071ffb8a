package pcsc

import "encoding/binary"

// What a reader tells of itself (PC/SC part 10, §2.2 and §2.6.14).
const (
	getFeatureRequest    = 3400 // the control code that asks for the features, before SCARD_CTL_CODE
	featureTLVProperties = 0x12
	propertyMaxAPDUData  = 0x0A
)

// feature finds the control code of a feature in the answer to the question
// for all of them: tag, length 4, code, the most significant byte first.
func feature(list []byte, tag byte) (code uint32, ok bool) {
	value := entry(list, tag)
	if len(value) != 4 {
		return 0, false
	}
	return binary.BigEndian.Uint32(value), true
}

// maxAPDU finds the longest APDU, in bytes, in a reader's properties: tag,
// length, value, the least significant byte first. The reader tells how much
// data it takes, 0 standing for short APDUs only. The result is 0 if it does
// not tell, or tells what the standard has no meaning for.
func maxAPDU(properties []byte) int {
	value := entry(properties, propertyMaxAPDUData)
	if len(value) != 4 {
		return 0
	}
	switch n := binary.LittleEndian.Uint32(value); {
	case n == 0:
		return shortAPDU
	case n >= 256 && n <= 65536:
		return int(n) + 2
	}
	return 0
}

// shortAPDU is the longest short APDU: a command of 255 bytes of data.
const shortAPDU = 4 + 1 + 255 + 1

// entry is the value of the first entry of a tag, nil if there is none.
func entry(list []byte, tag byte) []byte {
	for len(list) >= 2 {
		n := 2 + int(list[1])
		if n > len(list) {
			return nil
		}
		if list[0] == tag {
			return list[2:n]
		}
		list = list[n:]
	}
	return nil
}
