package manage_test

import (
	"bytes"
	"testing"

	"github.com/touchstone-fido/touchstone/ctap2/pinuv"
	"github.com/touchstone-fido/touchstone/devices/manage"
)

// FuzzParseKnown: what is read can be written, and reads the same.
func FuzzParseKnown(f *testing.F) {
	for _, text := range damagedKnown {
		f.Add([]byte(text))
	}
	good, err := manage.FormatKnown([]manage.Known{{Identifier: repeated(1, 16), Protocol: pinuv.Two, Token: repeated(2, 32), StoreState: repeated(3, 16)}})
	if err != nil {
		f.Fatal(err)
	}
	f.Add(good)
	f.Fuzz(func(t *testing.T, text []byte) {
		all, err := manage.ParseKnown(text)
		if err != nil {
			return
		}
		one, err := manage.FormatKnown(all)
		if err != nil {
			t.Fatal(err)
		}
		again, err := manage.ParseKnown(one)
		if err != nil || len(again) != len(all) {
			t.Fatalf("%s\nreads as %v, %v", one, again, err)
		}
		two, err := manage.FormatKnown(again)
		if err != nil || !bytes.Equal(one, two) {
			t.Errorf("%s\nand again\n%s, %v", one, two, err)
		}
	})
}
