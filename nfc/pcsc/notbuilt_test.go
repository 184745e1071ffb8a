//go:build !(windows || (cgo && darwin) || (cgo && pcsc && (linux || freebsd)))

package pcsc

import "testing"

// "Could not look" is not "there is nothing".
func TestNotBuilt(t *testing.T) {
	readers, err := List(t.Context())
	if readers != nil {
		t.Errorf("%+v", readers)
	}
	wantKind(t, err, "list readers", ErrNotBuilt)
	_, err = Open(t.Context(), "r")
	wantKind(t, err, "open", ErrNotBuilt)
	wantKind(t, Wait(t.Context(), "r"), "wait for card", ErrNotBuilt)
	wantKind(t, Watch(t.Context(), func() { t.Error("something has changed") }), "watch", ErrNotBuilt)
	if Built {
		t.Error("Built is true")
	}
}
