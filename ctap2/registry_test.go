package ctap2_test

import (
	"testing"

	"github.com/touchstone-fido/touchstone/ctap2"
)

func TestUserVerifyNames(t *testing.T) {
	for bits, want := range map[uint64]string{
		0: "0x0", 2: "fingerprint_internal", 0x0a05: "presence_internal passcode_internal none passcode_external",
		0x1002: "fingerprint_internal pattern_external", 0x8000_0000_0000_0400: "all 0x8000000000000000",
	} {
		if got := (&ctap2.Info{UVModality: bits}).UserVerify().String(); got != want {
			t.Errorf("%x is %q, want %q", bits, got, want)
		}
	}
}
