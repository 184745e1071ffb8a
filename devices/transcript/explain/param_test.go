package explain

import (
	"context"
	"slices"
	"strings"
	"testing"

	"github.com/touchstone-fido/touchstone/ctap2"
	"github.com/touchstone-fido/touchstone/ctap2/cose"
	"github.com/touchstone-fido/touchstone/ctap2/largeblob"
	"github.com/touchstone-fido/touchstone/ctap2/pinuv"
	"github.com/touchstone-fido/touchstone/ctap2/wire"
	"github.com/touchstone-fido/touchstone/devices/transcript"
)

// authorised uses each kind of command that wants a token.
func authorised(t testing.TB) func(*ctap2.Client) {
	ctx := context.Background()
	return func(c *ctap2.Client) {
		t.Helper()
		info := must(c.GetInfo(ctx))(t)
		if err := c.SetPIN(ctx, pinuv.Two, []byte(pin)); err != nil {
			t.Fatal(err)
		}
		token := func(p ctap2.Permission, rpID string) *pinuv.Token {
			return must(c.PINTokenWithPermissions(ctx, pinuv.Two, []byte(pin), p, rpID))(t)
		}
		creation := &ctap2.MakeCredentialRequest{
			ClientDataHash: clientData, RP: ctap2.RelyingParty{ID: "example.com"}, User: ctap2.User{ID: []byte("handle")},
			Parameters: ctap2.Parameters(cose.ES256), Options: map[string]bool{"rk": true},
		}
		creation.Authorize(token(ctap2.PermissionMakeCredential, "example.com"))
		must(c.MakeCredential(ctx, creation))(t)
		manager := must(c.CredentialManagement(info, token(ctap2.PermissionCredentialManagement, "")))(t)
		for rp, err := range manager.RelyingParties(ctx) {
			if err != nil {
				t.Fatal(err)
			}
			for _, err := range manager.Credentials(ctx, rp.IDHash) {
				if err != nil {
					t.Fatal(err)
				}
			}
		}
		blobs := token(ctap2.PermissionLargeBlobWrite, "")
		array := largeblob.Serialize(slices.Repeat([]wire.Raw{{0xa0}}, 2000)) // more than one fragment
		if err := c.WriteLargeBlobArray(ctx, blobs, array); err != nil {
			t.Fatal(err)
		}
		if err := c.SetMinPINLength(ctx, token(ctap2.PermissionConfig, ""), ctap2.MinPINLength{Length: 5}); err != nil {
			t.Fatal(err)
		}
	}
}

// TestEveryParamIsHeldAgainstWhatItCovers wants each pinUvAuthParam under a token
// to be found right, and none when a bit of it was changed.
func TestEveryParamIsHeldAgainstWhatItCovers(t *testing.T) {
	story := read(t, record(t, transcript.NFC, true, authorised(t)), Options{})
	commands := map[string]bool{}
	for _, step := range story.Steps {
		param, ok := find(step.Fields, "pinUvAuthParam")
		if !ok || strings.Contains(param.Note, "shared secret") {
			continue
		}
		if len(step.Opened) != 1 || !strings.HasPrefix(step.Opened[0], "pinUvAuthParam holds, under the token of line") {
			t.Errorf("%s: opened %q", step.Name, step.Opened)
		}
		commands[step.Name] = true
	}
	for _, name := range []string{
		"authenticatorMakeCredential", "authenticatorCredentialManagement enumerateRPsBegin", "authenticatorLargeBlobs",
		"authenticatorCredentialManagement enumerateCredentialsBegin", "authenticatorConfig setMinPINLength",
	} {
		if !commands[name] {
			t.Errorf("no pinUvAuthParam of %s", name)
		}
	}
}

func TestMessageAfterAnInterruptedOneHasItsOwnPackets(t *testing.T) {
	story := read(t, tape("hid", out(report("00000001900040")), out(report("0000000190000104"))), Options{})
	if n := len(story.Steps); n != 2 || len(story.Steps[1].Parts) != 1 || story.Steps[1].Line != 3 {
		t.Errorf("%d steps, %+v", n, story.Steps)
	}
}

func TestHashOfAnotherRPIsNoticed(t *testing.T) {
	ask := cbor(t, 0x0a, map[int]any{1: 2})
	got := remarksOf(t, exchange(ask, cbor(t, 0, map[int]any{3: map[string]any{"id": "example.com"}, 4: make([]byte, 32), 5: 1})))
	if len(got) != 1 || !strings.HasPrefix(got[0], `rpIDHash is not the SHA-256 of rp.id "example.com"`) {
		t.Errorf("remarks %q", got)
	}
}
