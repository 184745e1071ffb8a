package pcsc

import (
	"bytes"
	"testing"

	"github.com/touchstone-fido/touchstone/fixtures"
)

func TestMaxAPDU(t *testing.T) {
	for list, want := range map[string]int{
		"0a0400000100":                     65538, // as vpcd, and libccid for readers of extended APDUs
		"0a0400000000":                     261,   // as libccid for readers of short ones
		"0a0400010000":                     258,
		"0b02e65e0c02015d0a0400080000":     2050, // behind wIdVendor and wIdProduct
		"0a0401000100":                     0,    // more than there is
		"0a04ff000000":                     0,    // forbidden
		"0a020001":                         0,    // of another length
		"0b02e65e":                         0,    // not told
		"0b05e65e":                         0,    // cut
		"0a":                               0,
		"":                                 0,
		"0a04000001000a040000000000000000": 65538, // the first counts
	} {
		if got := maxAPDU(fixtures.Unhex(t, list)); got != want {
			t.Errorf("%s: %d, want %d", list, got, want)
		}
	}
}

func TestFeature(t *testing.T) {
	for list, want := range map[string]uint32{
		"120442330012":             0x42330012,
		"060442000db6120442330012": 0x42330012,
		"120342330012":             0,
		"060442000db6":             0,
		"1204423300":               0,
		"":                         0,
	} {
		code, ok := feature(fixtures.Unhex(t, list), featureTLVProperties)
		if code != want || ok != (want != 0) {
			t.Errorf("%s: %x, %t, want %x", list, code, ok, want)
		}
	}
}

// A driver may answer anything.
func FuzzProperties(f *testing.F) {
	for _, seed := range []string{"", "0a", "0a0400000100", "120442330012", "0b02e65e0c02015d0a0400080000", "ff00ff000a0400010000"} {
		f.Add(fixtures.Unhex(f, seed))
	}
	f.Fuzz(func(t *testing.T, list []byte) {
		if n := maxAPDU(list); n != 0 && (n < 258 || n > 65538) {
			t.Errorf("%x: %d", list, n)
		}
		if code, ok := feature(list, featureTLVProperties); !ok && code != 0 {
			t.Errorf("%x: %x and no feature", list, code)
		}
		if value := entry(list, propertyMaxAPDUData); !bytes.Contains(list, value) {
			t.Errorf("%x: value %x", list, value)
		}
	})
}
