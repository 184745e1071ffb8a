package ctap2_test

import (
	"errors"
	"strings"
	"testing"

	"github.com/touchstone-fido/touchstone/ctap2"
)

func TestTouch(t *testing.T) {
	probe := "01 a6 01 5820" + strings.Repeat("00", 32) + "02 a1 626964 6d746f7563682e696e76616c6964" +
		"03 a2 626964 4100 646e616d65 65746f756368 04 81 a2 63616c67 26 6474797065 6a7075626c69632d6b6579 08 40 09 01"
	for _, c := range []struct {
		version, ask, answer string
		want                 error
	}{
		{ctap2.Version21, "0b", "00", nil},
		{ctap2.Version23, "0b", "27", ctap2.StatusOperationDenied},
		{ctap2.Version20, probe, "35", nil},
		{ctap2.Version20, probe, "31", nil},
		{ctap2.Version20, probe, "33", nil},
		{ctap2.Version20, probe, "2d", ctap2.StatusKeepaliveCancel},
	} {
		err := ctap2.New(play(t, step{c.ask, c.answer}), ctap2.Config{}).Touch(t.Context(), &ctap2.Info{Versions: []string{c.version}})
		if !errors.Is(err, c.want) || (err == nil) != (c.want == nil) {
			t.Errorf("%s, %s: %v, want %v", c.version, c.answer, err, c.want)
		}
	}
}
