package vpcd

import "fmt"

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
	n := len(historical)
	if n > 15 {
		return nil, fmt.Errorf("vpcd: %d historical bytes, 15 are possible", n)
	}
	atr := []byte{0x3B, 0x80 | byte(n), 0x80, 0x01}
	atr = append(atr, historical...)
	check := byte(0)
	for _, b := range atr[1:] {
		check ^= b
	}
	return append(atr, check), nil
}
