package webauthn_test

import (
	"encoding/json"
	"errors"
	"testing"

	"github.com/touchstone-fido/touchstone/ctap2/webauthn"
)

func FuzzOptions(f *testing.F) {
	for _, s := range []string{creationJSON, leastCreation, requestJSON, extensionsJSON, `{}`, `null`} {
		f.Add([]byte(s))
	}
	f.Fuzz(func(t *testing.T, text []byte) {
		if o, err := webauthn.ParseCreationOptions(text); err == nil {
			_, _ = o.Algorithms()
			_ = o.Extensions.CheckCreate()
			_, _ = o.Extensions.Protection()
			again, err := json.Marshal(o)
			if err != nil {
				t.Fatal(err)
			}
			if _, err := webauthn.ParseCreationOptions(again); err != nil {
				t.Fatalf("own %s: %v", again, err)
			}
		} else if !errors.Is(err, webauthn.TypeError) {
			t.Fatal(err)
		}
		if o, err := webauthn.ParseRequestOptions(text); err == nil {
			allowed, _ := o.Allowed()
			_ = o.Extensions.CheckGet(allowed)
			_ = o.Extensions.PRF.ValuesFor([]byte{1})
		}
	})
}
