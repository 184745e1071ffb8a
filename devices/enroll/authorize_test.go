package enroll_test

import (
	"context"
	"errors"
	"slices"
	"testing"

	"github.com/touchstone-fido/touchstone/ctap2"
	"github.com/touchstone-fido/touchstone/ctap2/ceremony"
	"github.com/touchstone-fido/touchstone/devices/enroll"
	"github.com/touchstone-fido/touchstone/devices/virtual"
)

func TestAuthorize(t *testing.T) {
	s := newScene(t, virtual.Config{})
	info := func() *ctap2.Info {
		i, err := s.conn.GetInfo(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		return i
	}
	manage := ceremony.Purpose{Permissions: ctap2.PermissionCredentialManagement}
	asked := 0
	pin := func(pin string) enroll.Ask {
		return enroll.Ask{PIN: func(_ context.Context, r enroll.PINRequest) ([]byte, error) {
			asked++
			return []byte(pin), nil
		}}
	}
	if _, err := enroll.Authorize(t.Context(), s.conn, info(), manage, pin("2468")); !errors.Is(err, enroll.ErrNoVerification) || asked != 0 {
		t.Errorf("a key without PIN: %v, asked %d times", err, asked)
	}
	s.setPIN("2468")
	var wrong *ctap2.PINError
	if _, err := enroll.Authorize(t.Context(), s.conn, info(), manage, pin("1357")); !errors.As(err, &wrong) || wrong.Left != 7 || asked != 1 {
		t.Errorf("a wrong PIN: %v, asked %d times", err, asked)
	}
	if _, err := enroll.Authorize(t.Context(), s.conn, info(), manage, enroll.Ask{}); !errors.Is(err, enroll.ErrNoPIN) {
		t.Errorf("nobody to ask: %v", err)
	}
	s.asked = nil
	key := info()
	token, err := enroll.Authorize(t.Context(), s.conn, key, manage, pin("2468"))
	if err != nil {
		t.Fatal(err)
	}
	defer token.Wipe()
	if !slices.Contains(s.asked, "getPinUvAuthTokenUsingPinWithPermissions") {
		t.Errorf("asked %v", s.asked)
	}
	manager, err := s.conn.CredentialManagement(key, token)
	if err != nil {
		t.Fatal(err)
	}
	if m, err := manager.Metadata(t.Context()); err != nil || m.Existing != 0 {
		t.Errorf("%+v, %v", m, err)
	}
	if err := s.conn.SetAlwaysUV(t.Context(), token, true); !errors.Is(err, ctap2.StatusPINAuthInvalid) {
		t.Errorf("a setting with a token for passkeys: %v", err)
	}
}
