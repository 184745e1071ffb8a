package vpcd

import (
	"fmt"

	"github.com/touchstone-fido/touchstone/nfc"
)

// DefaultATR is the ATR of a contactless card with the historical bytes
// "Touchstone".
func DefaultATR() []byte {
	atr, _ := ContactlessATR("Touchstone")
	return atr
}

// ContactlessATR is the ATR that a reader makes up for an ISO 14443-4 card (PC/SC
// part 3, §3.1.3.2.3.1): T=0 and T=1 offered, the historical bytes, at most 15
// of them, and the check byte that makes all but the first XOR to zero.
func ContactlessATR(historical string) ([]byte, error) {
	return answer([]byte{0x80, 0x01}, []byte(historical))
}

// ContactATR is the ATR of a card with contacts that offers one protocol, T=0 or
// T=1, and has at most 15 historical bytes (ISO 7816-3 §8.2).
func ContactATR(p nfc.Protocol, historical []byte) ([]byte, error) {
	switch p {
	case nfc.ProtocolT0:
		return answer(nil, historical)
	case nfc.ProtocolT1:
		return answer([]byte{0x01}, historical)
	}
	return nil, fmt.Errorf("vpcd: no ATR offers the protocol %v", p)
}

// answer puts an ATR together: the TD bytes, of which the last names the
// protocol and each other one announces the next, and the historical bytes. T=0
// alone needs neither TD nor check byte.
func answer(td, historical []byte) ([]byte, error) {
	n := len(historical)
	if n > 15 {
		return nil, fmt.Errorf("vpcd: %d historical bytes, 15 are possible", n)
	}
	atr := []byte{0x3B, byte(n)}
	if len(td) > 0 {
		atr[1] |= 0x80
	}
	atr = append(append(atr, td...), historical...)
	if len(td) == 0 {
		return atr, nil
	}
	check := byte(0)
	for _, b := range atr[1:] {
		check ^= b
	}
	return append(atr, check), nil
}
