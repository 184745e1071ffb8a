package devices_test

import (
	"bytes"
	"reflect"
	"slices"
	"strings"

	"github.com/touchstone-fido/touchstone/ctap2"
	"github.com/touchstone-fido/touchstone/ctap2/pinuv"
	"github.com/touchstone-fido/touchstone/ctap2/webauthn"
	"github.com/touchstone-fido/touchstone/devices/virtual"
)

// stored is what matters of a discoverable credential.
type stored struct {
	id, user, displayName string
	protect               ctap2.CredProtect
	blobKey               string
	payment               bool
}

// listing is everything that credential management lists, by relying party.
func (b *bench) listing(m *ctap2.CredentialManager) map[string][]stored {
	b.Helper()
	all := map[string][]stored{}
	for rp, err := range m.RelyingParties(b.Context()) {
		b.must(err)
		b.equal("hash of "+rp.ID, rp.IDHash, rpHash(rp.ID))
		for c, err := range m.Credentials(b.Context(), rp.IDHash) {
			b.must(err)
			key, err := c.Key()
			b.must(err)
			b.equal("public key", key, b.keys[string(c.ID.ID)])
			all[rp.ID] = append(all[rp.ID], stored{
				string(c.ID.ID), c.User.Name, c.User.DisplayName, c.CredProtect, string(c.LargeBlobKey),
				c.ThirdPartyPayment != nil && *c.ThirdPartyPayment,
			})
		}
		slices.SortFunc(all[rp.ID], func(a, b stored) int { return strings.Compare(a.user, b.user) })
	}
	return all
}

// populated makes credentials with all that credential management tells of them.
func (b *bench) populated() map[string][]stored {
	b.Helper()
	want := map[string][]stored{}
	for _, rpID := range []string{"a.example", "b.example", strings.Repeat("long", 10) + ".example"} {
		for i, user := range []string{"alice", "bob"} {
			o := discoverable(rpID, user)
			o.Extensions.ProtectionPolicy = protectionPolicies[i+1]
			info := b.info()
			if user == "alice" && info.HasExtension(ctap2.ExtensionLargeBlobKey) {
				o.Extensions.LargeBlob = &webauthn.LargeBlobInputs{Support: webauthn.SupportRequired}
			}
			o.Extensions.Payment = &webauthn.PaymentInputs{IsPayment: user == "bob"}
			m := b.mustCreate(o)
			want[rpID] = append(want[rpID], stored{
				string(m.id()), user, "The " + user, ctap2.CredProtect(i + 2), string(m.LargeBlobKey), user == "bob",
			})
		}
	}
	return want
}

func matrixManagement(b *bench) {
	b.setPIN()
	token := b.token(ctap2.PermissionCredentialManagement, "")
	m, err := b.CredentialManagement(b.info(), token)
	b.must(err)
	b.equal("what is listed on an empty key", b.listing(m), map[string][]stored{})
	want := b.populated()
	m, err = b.CredentialManagement(b.info(), b.token(ctap2.PermissionCredentialManagement, ""))
	b.must(err)
	b.manage(m, want)

	first := want["b.example"][0]
	updated := ctap2.User{ID: []byte("alice"), Name: "anna", DisplayName: "Anna"}
	id := ctap2.Descriptor{ID: []byte(first.id)}
	b.must(m.UpdateUser(b.Context(), id, updated))
	want["b.example"][0].user, want["b.example"][0].displayName = "anna", "Anna"
	b.equal("after an update", b.listing(m), want)
	b.refused("another user's ID", m.UpdateUser(b.Context(), id, ctap2.User{ID: []byte("eve"), Name: "eve"}), ctap2.StatusInvalidParameter)

	bound, err := b.CredentialManagement(b.info(), b.token(ctap2.PermissionCredentialManagement, "b.example"))
	b.must(err)
	_, err = bound.Metadata(b.Context())
	b.refused("counting with a token for one relying party", err, ctap2.StatusPINAuthInvalid)
	other := ctap2.Descriptor{ID: []byte(want[strings.Repeat("long", 10)+".example"][0].id)}
	b.refused("deleting another's with it", bound.Delete(b.Context(), other), ctap2.StatusPINAuthInvalid)
	b.must(bound.Delete(b.Context(), id))

	wrong, err := b.CredentialManagement(b.info(), b.token(ctap2.PermissionConfig, ""))
	b.must(err)
	_, err = wrong.Metadata(b.Context())
	b.refused("a token for other things", err, ctap2.StatusPINAuthInvalid)
}

// manage counts, lists and deletes.
func (b *bench) manage(m *ctap2.CredentialManager, want map[string][]stored) {
	b.Helper()
	count := func(existing uint) {
		b.Helper()
		got, err := m.Metadata(b.Context())
		b.must(err)
		b.equal("metadata", got, ctap2.CredentialsMetadata{Existing: existing, Remaining: 100 - existing})
	}
	count(6)
	b.equal("what is listed", b.listing(m), want)
	for _, s := range want["a.example"] {
		b.must(m.Delete(b.Context(), ctap2.Descriptor{ID: []byte(s.id)}))
		b.refused("deleting it again", m.Delete(b.Context(), ctap2.Descriptor{ID: []byte(s.id)}), ctap2.StatusNoCredentials)
	}
	delete(want, "a.example")
	count(4)
	b.equal("what is left", b.listing(m), want)
	for c, err := range m.Credentials(b.Context(), rpHash("a.example")) {
		b.Errorf("%v is left, %v", c.ID, err)
	}
}

// prototypes is a key of FIDO_2_1_PRE: CTAP 2.0 with the prototype commands.
func prototypes(p *virtual.Profile) {
	p.Versions = []string{"U2F_V2", "FIDO_2_0", "FIDO_2_1_PRE"}
	for name := range p.Options {
		if !slices.Contains([]string{"rk", "up", "plat", "clientPin", "uv"}, name) {
			delete(p.Options, name)
		}
	}
	p.Options[ctap2.OptionCredentialMgmtPreview] = true
	p.Extensions = []string{ctap2.ExtensionCredProtect, ctap2.ExtensionHMACSecret, ctap2.ExtensionThirdPartyPayment}
	p.EncIdentifier, p.EncStoreState = false, false
}

func matrixManagementPre(b *bench) {
	b = b.again(prototypes)
	b.setPIN()
	want := b.populated()
	token, err := b.PINToken(b.Context(), b.cell.protocol, []byte(matrixPINText))
	b.must(err)
	m, err := b.CredentialManagement(b.info(), token)
	b.must(err)
	b.manage(m, want)
	b.equal("messages to the command of CTAP 2.1", len(b.key.sent(ctap2.CommandCredentialManagement)), 0)
	first := want["b.example"][0]
	b.refused("an update", m.UpdateUser(b.Context(), ctap2.Descriptor{ID: []byte(first.id)}, ctap2.User{ID: []byte("alice")}), ctap2.ErrUnsupported)
}

// matrixPersistent lists with a persistent token, over a power cycle, and reads
// what getInfo encrypts for its holder (CTAP 2.2).
func matrixPersistent(b *bench) {
	ctx := b.Context()
	b.setPIN()
	m := b.mustCreate(discoverable(matrixRP, "alice"))
	token := b.token(ctap2.PermissionPersistentReadOnly, "")
	b.equal("the token", token.Bytes(), b.record("persistent", 1))
	manager, err := b.CredentialManagement(b.info(), token)
	b.must(err)
	want := b.listing(manager)
	b.equal("credentials", len(want[matrixRP]), 1)
	b.refused("deleting", manager.Delete(ctx, ctap2.Descriptor{ID: m.id()}), ctap2.StatusPINAuthInvalid)
	b.refused("configuring", b.EnableEnterpriseAttestation(ctx, token), ctap2.StatusPINAuthInvalid)

	_, state := b.identifiers(token)
	b.key.PowerCycle()
	b.equal("what is listed after a power cycle", b.listing(manager), want)
	device, same := b.identifiers(token)
	b.equal("store state after a power cycle", same, state)

	cm := func() *ctap2.CredentialManager {
		cm, err := b.CredentialManagement(b.info(), b.token(ctap2.PermissionCredentialManagement, ""))
		b.must(err)
		return cm
	}
	for what, changes := range map[string]func() error{
		"made": func() error { _, err := b.create(discoverable(matrixRP, "bob")); return err },
		"updated": func() error {
			return cm().UpdateUser(ctx, ctap2.Descriptor{ID: m.id()}, ctap2.User{ID: []byte("alice")})
		},
	} {
		b.must(changes())
		d, next := b.identifiers(token)
		b.equal("device identifier", d, device)
		if bytes.Equal(next, state) {
			b.Errorf("store state is the same after a credential was %s", what)
		}
		state = next
	}
	b.mustCreate(creationOptions(matrixRP, "carol"))
	_, same = b.identifiers(token)
	b.equal("store state after one that is not discoverable", same, state)
	b.must(cm().Delete(ctx, ctap2.Descriptor{ID: m.id()}))
	if _, next := b.identifiers(token); bytes.Equal(next, state) {
		b.Error("store state is the same after a credential was deleted")
	}
	b.ends(token, device)
}

// identifiers decrypts both of getInfo's identifiers, twice: they are encrypted
// anew each time, and are what the key stores.
func (b *bench) identifiers(t *pinuv.Token) (device, state []byte) {
	b.Helper()
	one, two := b.info(), b.info()
	if bytes.Equal(one.EncIdentifier, two.EncIdentifier) || bytes.Equal(one.EncCredStoreState, two.EncCredStoreState) {
		b.Error("identifiers look the same twice")
	}
	for _, info := range []*ctap2.Info{one, two} {
		var err error
		device, err = info.DeviceIdentifier(t.Bytes())
		b.must(err)
		state, err = info.CredentialStoreState(t.Bytes())
		b.must(err)
		b.equal("device identifier", device, b.record("persistent", 2))
		b.equal("store state", state, b.record("persistent", 3))
	}
	return device, state
}

// ends has a persistent token end with the PIN, and the device identifier with a
// reset.
func (b *bench) ends(t *pinuv.Token, device []byte) {
	b.Helper()
	b.must(b.ChangePIN(b.Context(), b.cell.protocol, []byte(matrixPINText), []byte("97531")))
	manager, err := b.CredentialManagement(b.info(), t)
	b.must(err)
	_, err = manager.Metadata(b.Context())
	b.refused("a persistent token of the PIN before", err, ctap2.StatusPINAuthInvalid)
	next, err := b.PINTokenWithPermissions(b.Context(), b.cell.protocol, []byte("97531"), ctap2.PermissionPersistentReadOnly, "")
	b.must(err)
	same, _ := b.identifiers(next)
	b.equal("device identifier after another PIN", same, device)
	b.must(b.Reset(b.Context()))
	b.setPIN()
	if other, _ := b.identifiers(b.token(ctap2.PermissionPersistentReadOnly, "")); reflect.DeepEqual(other, device) {
		b.Error("the device identifier outlives a reset")
	}
}
