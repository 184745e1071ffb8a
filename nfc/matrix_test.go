package nfc_test

import (
	"testing"
	"testing/synctest"

	"github.com/touchstone-fido/touchstone/nfc"
	"github.com/touchstone-fido/touchstone/nfc/nfctest"
)

// The whole matrix in memory: by a card whose side tells its protocol, and by
// one of which nothing is known.
func TestMatrix(t *testing.T) {
	for name, told := range map[string]bool{"told": true, "untold": false} {
		for _, cell := range nfctest.Cells(told) {
			t.Run(name+"/"+cell.Name, func(t *testing.T) {
				synctest.Test(t, func(t *testing.T) {
					key := &nfctest.Echo{}
					cell.Play(t, t.Context(), key, nfc.NewEmulator(key, cell.Card), nfc.Config{})
				})
			})
		}
	}
}
