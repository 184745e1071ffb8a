package manage_test

import (
	"crypto/sha256"
	"encoding/base64"
	"encoding/hex"
	"errors"
	"strings"
	"testing"

	"github.com/touchstone-fido/touchstone/ctap2"
	"github.com/touchstone-fido/touchstone/devices/enroll"
	"github.com/touchstone-fido/touchstone/devices/manage"
	"github.com/touchstone-fido/touchstone/devices/virtual"
)

// summary is what tells passkeys apart in these tests.
func summary(all []manage.Passkey) (s []string) {
	for _, p := range all {
		s = append(s, p.User.Name+" at "+p.RP.ID)
	}
	return s
}

// stocked is a key with three passkeys, two of them with keys for large blobs.
func stocked(t *testing.T) (r *rig, alice, bob, carol []byte) {
	t.Helper()
	r = protected(t, nil, nil)
	alice = r.make("example.com", "alice", ctap2.CreationExtensions{LargeBlobKey: true, CredProtect: ctap2.CredProtectRequired})
	bob = r.make("example.org", "bob", ctap2.CreationExtensions{LargeBlobKey: true})
	carol = r.make("example.com", "carol", ctap2.CreationExtensions{ThirdPartyPayment: true})
	return r, alice, bob, carol
}

func list(t *testing.T, r *rig, rp string) *manage.Passkeys {
	t.Helper()
	p, err := r.open().Passkeys(t.Context(), rp)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(p.Close)
	return p
}

func TestPasskeys(t *testing.T) {
	r, alice, _, carol := stocked(t)
	p := list(t, r, "")
	is(t, "all", summary(p.All), []string{"alice at example.com", "carol at example.com", "bob at example.org"})
	is(t, "how many", []uint{p.Metadata.Existing, p.Metadata.Remaining}, []uint{3, 97})
	is(t, "IDs", hex.EncodeToString(p.All[0].ID.ID)+hex.EncodeToString(p.All[1].ID.ID), hex.EncodeToString(alice)+hex.EncodeToString(carol))
	is(t, "protection", p.All[0].CredProtect, ctap2.CredProtectRequired)
	is(t, "blob keys", []int{len(p.All[0].LargeBlobKey), len(p.All[1].LargeBlobKey)}, []int{32, 0})
	is(t, "payment", []bool{*p.All[0].ThirdPartyPayment, *p.All[1].ThirdPartyPayment}, []bool{false, true})
	is(t, "asked for the PIN", r.asked, 1)
	r.wantSent("getPinUvAuthTokenUsingPinWithPermissions", "getCredsMetadata", "enumerateRPsBegin", "enumerateRPsGetNextRP",
		"enumerateCredentialsBegin", "enumerateCredentialsGetNextCredential", "enumerateCredentialsBegin")

	is(t, "of one", summary(list(t, r, "example.org").All), []string{"bob at example.org"})
	is(t, "of none", len(list(t, r, "example.net").All), 0)
}

// TestPasskeysOfKeys lists on keys of other kinds, and on those that cannot.
func TestPasskeysOfKeys(t *testing.T) {
	r := protected(t, preview(), nil)
	r.make("example.com", "alice", ctap2.CreationExtensions{})
	is(t, "prototype", summary(list(t, r, "").All), []string{"alice at example.com"})

	r = newRig(t, nil, nil)
	if _, err := r.open().Passkeys(t.Context(), ""); !errors.Is(err, manage.ErrUnprotected) || !errors.Is(err, enroll.ErrNoVerification) {
		t.Errorf("no PIN set: %v", err)
	}
	r.wantSent()

	old := virtual.DefaultProfile()
	delete(old.Options, "credMgmt")
	delete(old.Options, "perCredMgmtRO")
	r = protected(t, old, nil)
	if _, err := r.open().Passkeys(t.Context(), ""); !errors.Is(err, ctap2.ErrUnsupported) || r.asked != 0 {
		t.Errorf("no credential management: %v, asked %d times", err, r.asked)
	}

	r, _, _, _ = stocked(t)
	r.types = "13579"
	var wrong *ctap2.PINError
	if _, err := r.open().Passkeys(t.Context(), ""); !errors.As(err, &wrong) || wrong.Left != 7 || r.asked != 1 {
		t.Errorf("a wrong PIN: %v, asked %d times", err, r.asked)
	}
	r.types = pin
	r.refusing("enumerateCredentialsGetNextCredential", ctap2.StatusNotAllowed)
	if _, err := r.open().Passkeys(t.Context(), ""); !errors.Is(err, ctap2.StatusNotAllowed) {
		t.Errorf("a listing that breaks off: %v", err)
	}
	r.refusing("enumerateRPsGetNextRP", ctap2.StatusNotAllowed)
	if _, err := r.open().Passkeys(t.Context(), ""); !errors.Is(err, ctap2.StatusNotAllowed) {
		t.Errorf("a listing of relying parties that breaks off: %v", err)
	}
}

// TestCutRPIDs: a relying party ID that the key has cut short is shown as it is
// and told to be cut; the whole ID finds it, and is shown then.
func TestCutRPIDs(t *testing.T) {
	const whole = "a-rather-long-name-for-a-host.example.com"
	r := protected(t, nil, nil)
	r.make(whole, "alice", ctap2.CreationExtensions{})
	cut := func(m map[any]any) { m[uint64(3)] = map[string]any{"id": whole[:32]} }
	r.changing("enumerateRPsBegin", cut)

	p := list(t, r, "")
	if got := p.All[0].RP; got.ID != whole[:32] || got.Complete() {
		t.Errorf("%q, complete: %t", got.ID, got.Complete())
	}
	for _, rp := range []string{whole, whole[:32]} {
		if one, err := p.Find(manage.Which{RP: rp}); err != nil || one.User.Name != "alice" {
			t.Errorf("by %s: %v", rp, err)
		}
	}
	if got := list(t, r, whole).All; len(got) != 1 || got[0].RP.ID != whole || !got[0].RP.Complete() {
		t.Errorf("by the whole ID: %+v", got)
	}
	is(t, "by what is shown", summary(list(t, r, whole[:32]).All), []string{"alice at " + whole[:32]})
}

func TestFind(t *testing.T) {
	r, alice, bob, _ := stocked(t)
	p := list(t, r, "")
	a, b := hex.EncodeToString(alice), base64.RawURLEncoding.EncodeToString(bob)
	for _, c := range []struct {
		which manage.Which
		want  string
		n     int // that match, if not one
	}{
		{manage.Which{ID: a}, "alice", 1},
		{manage.Which{ID: a[:8]}, "alice", 1},
		{manage.Which{ID: strings.ToUpper(a[:9])}, "alice", 1},
		{manage.Which{ID: b}, "bob", 1},
		{manage.Which{ID: b[:10]}, "bob", 1},
		{manage.Which{RP: "example.org"}, "bob", 1},
		{manage.Which{User: "carol"}, "carol", 1},
		{manage.Which{User: "Display carol", RP: "example.com"}, "carol", 1},
		{manage.Which{User: hex.EncodeToString([]byte("id of alice"))}, "alice", 1},
		{manage.Which{User: base64.RawURLEncoding.EncodeToString([]byte("id of alice"))}, "alice", 1},
		{manage.Which{RP: "example.com"}, "", 2},
		{manage.Which{}, "", 3},
		{manage.Which{User: "alic"}, "", 0},
		{manage.Which{ID: a[:8], RP: "example.org"}, "", 0},
		{manage.Which{ID: a + "00"}, "", 0},
		{manage.Which{RP: "xample.com"}, "", 0},
	} {
		got, err := p.Find(c.which)
		var not *manage.SelectionError
		switch {
		case c.n == 1 && (err != nil || got.User.Name != c.want):
			t.Errorf("%+v: %q, %v", c.which, got.User.Name, err)
		case c.n != 1 && (!errors.As(err, &not) || not.Matches != c.n):
			t.Errorf("%+v: %q, %v", c.which, got.User.Name, err)
		}
	}
}

// TestSelectionErrors: what there is to choose from is told, and what may have
// been meant.
func TestSelectionErrors(t *testing.T) {
	r, alice, _, carol := stocked(t)
	p := list(t, r, "")
	_, err := p.Find(manage.Which{RP: "example.com"})
	var not *manage.SelectionError
	if !errors.As(err, &not) {
		t.Fatal(err)
	}
	is(t, "several", not.Error(), "2 on the key match passkey at example.com, want one")
	is(t, "hint", not.Hint(), "There is:\n  "+hex.EncodeToString(alice[:4])+`  "alice" at "example.com"`+"\n  "+
		hex.EncodeToString(carol[:4])+`  "carol" at "example.com"`)
	hash := sha256.Sum256([]byte("example.org"))
	_, err = p.Find(manage.Which{ID: hex.EncodeToString(hash[:])})
	if want := `begins the hash of the relying party ID "example.org", not a passkey's ID`; err == nil || !strings.Contains(err.Error(), want) {
		t.Errorf("a hash: %v", err)
	}
	if !errors.As(err, &not) || len(not.Choices) != 3 {
		t.Errorf("a hash: %v", err)
	}
	empty := &manage.Passkeys{}
	if _, err = empty.Find(manage.Which{ID: "00"}); !errors.As(err, &not) || not.Hint() != "" || err.Error() != "there is no passkey 00 on the key" {
		t.Errorf("an empty key: %v", err)
	}
}

func TestShortIDs(t *testing.T) {
	id := func(s string) []byte {
		b, err := hex.DecodeString(s)
		if err != nil {
			t.Fatal(err)
		}
		return b
	}
	for _, c := range []struct{ ids, want []string }{
		{nil, []string{}},
		{[]string{"0011223344556677"}, []string{"00112233"}},
		{[]string{"00112233445566", "00112233445567", "ff112233445566"}, []string{"00112233445566", "00112233445567", "ff112233"}},
		{[]string{"0011223344aa", "0011223355aa"}, []string{"0011223344", "0011223355"}},
		{[]string{"01", "0102"}, []string{"01", "0102"}},
		{[]string{"0102030405", "0102030405"}, []string{"01020304", "01020304"}}, // of two relying parties, perhaps
	} {
		var ids [][]byte
		for _, s := range c.ids {
			ids = append(ids, id(s))
		}
		is(t, strings.Join(c.ids, " "), manage.ShortIDs(ids), c.want)
	}
}

func TestDeletePasskey(t *testing.T) {
	r, alice, _, carol := stocked(t)
	p := list(t, r, "")
	one, err := p.Find(manage.Which{ID: hex.EncodeToString(alice)})
	if err != nil {
		t.Fatal(err)
	}
	r.sent = nil
	if err := p.Delete(t.Context(), one); err != nil {
		t.Fatal(err)
	}
	r.wantSent("deleteCredential", "enumerateCredentialsBegin", "getCredsMetadata")
	is(t, "left", summary(p.All), []string{"carol at example.com", "bob at example.org"})
	is(t, "existing", p.Metadata.Existing, 2)
	if err := p.Delete(t.Context(), one); !errors.Is(err, ctap2.StatusNoCredentials) {
		t.Errorf("deleted twice: %v", err)
	}
	is(t, "the key", summary(list(t, r, "").All), []string{"carol at example.com", "bob at example.org"})

	// the last of a relying party, and a key that only says that it deletes
	p = list(t, r, "example.com")
	one, err = p.Find(manage.Which{ID: hex.EncodeToString(carol)})
	if err != nil {
		t.Fatal(err)
	}
	r.refusing("deleteCredential", 0)
	if err := p.Delete(t.Context(), one); !errors.Is(err, manage.ErrNotDone) {
		t.Errorf("a key that lies: %v", err)
	}
	is(t, "still listed", len(p.All), 1)
	r.answer = nil
	if err := p.Delete(t.Context(), one); err != nil || len(p.All) != 0 {
		t.Errorf("%v, %d left", err, len(p.All))
	}
}

// TestUnsureDelete: a key that deletes and cannot be asked again.
func TestUnsureDelete(t *testing.T) {
	r, _, _, _ := stocked(t)
	p := list(t, r, "")
	r.refusing("enumerateCredentialsBegin", ctap2.StatusPINAuthInvalid)
	if err := p.Delete(t.Context(), p.All[0]); !errors.Is(err, ctap2.StatusPINAuthInvalid) {
		t.Errorf("%v", err)
	}
}

func TestRenamePasskey(t *testing.T) {
	r, alice, _, _ := stocked(t)
	name := func(s string) *string { return &s }
	for _, c := range []struct {
		names                 manage.Names
		changed               bool
		lies, cuts            bool
		err                   error
		wantName, wantDisplay string
	}{
		{names: manage.Names{Name: name("anna")}, changed: true, wantName: "anna", wantDisplay: "Display alice"},
		{names: manage.Names{Name: name("anna")}, wantName: "anna", wantDisplay: "Display alice"},
		{names: manage.Names{DisplayName: name("Anna Ä")}, changed: true, wantName: "anna", wantDisplay: "Anna Ä"},
		{names: manage.Names{DisplayName: name("")}, changed: true, wantName: "anna", wantDisplay: ""},
		{names: manage.Names{Name: name("lena")}, lies: true, changed: true, err: manage.ErrNotDone, wantName: "anna"},
		{names: manage.Names{Name: name("annabell")}, cuts: true, changed: true, wantName: "annab"},
	} {
		p := list(t, r, "")
		one, err := p.Find(manage.Which{ID: hex.EncodeToString(alice)})
		if err != nil {
			t.Fatal(err)
		}
		if c.lies {
			r.refusing("updateUserInformation", 0)
		}
		if c.cuts {
			r.changing("enumerateCredentialsBegin", func(m map[any]any) {
				user := m[uint64(6)].(map[any]any)
				user["name"] = user["name"].(string)[:5]
			})
		}
		r.sent = nil
		now, changed, err := p.Rename(t.Context(), one, c.names)
		r.answer = nil
		if !errors.Is(err, c.err) || changed != c.changed || now.User.Name != c.wantName || now.User.DisplayName != c.wantDisplay {
			t.Errorf("%+v: %+v, %t, %v", c, now.User, changed, err)
		}
		if !c.changed {
			r.wantSent()
		}
		if cut := c.names.Cut(now.User); err == nil && cut != c.cuts {
			t.Errorf("%+v: cut %t", c, cut)
		}
	}
}

func TestRenameThatCannot(t *testing.T) {
	name := "anna"
	r := protected(t, preview(), nil)
	r.make("example.com", "alice", ctap2.CreationExtensions{})
	p := list(t, r, "")
	if _, _, err := p.Rename(t.Context(), p.All[0], manage.Names{Name: &name}); !errors.Is(err, ctap2.ErrUnsupported) {
		t.Errorf("the prototype: %v", err)
	}
	if err := r.open().Renames(); !errors.Is(err, ctap2.ErrUnsupported) {
		t.Error(err)
	}
	r, _, _, _ = stocked(t)
	if err := r.open().Renames(); err != nil {
		t.Error(err)
	}
	p = list(t, r, "")
	if err := p.Delete(t.Context(), p.All[0]); err != nil {
		t.Fatal(err)
	}
	gone := list(t, r, "").All[0]
	r.answer = nil
	other := list(t, r, "")
	if err := other.Delete(t.Context(), gone); err != nil {
		t.Fatal(err)
	}
	if _, changed, err := other.Rename(t.Context(), gone, manage.Names{Name: &name}); !errors.Is(err, ctap2.StatusNoCredentials) || changed {
		t.Errorf("one that is gone: %t, %v", changed, err)
	}
}

// TestNamesCutInACharacter: what the key has cut in the middle of a character is
// not sent back as it came.
func TestNamesCutInACharacter(t *testing.T) {
	r, alice, _, _ := stocked(t)
	half := "Display \xc3"
	r.changing("enumerateCredentialsBegin", func(m map[any]any) { m[uint64(6)].(map[any]any)["displayName"] = half })
	p := list(t, r, "example.com")
	r.answer = nil
	is(t, "shown", p.All[0].User.DisplayName, half)
	name := "anna"
	now, changed, err := p.Rename(t.Context(), p.All[0], manage.Names{Name: &name})
	if err != nil || !changed || now.User.DisplayName != "Display " || hex.EncodeToString(now.ID.ID) != hex.EncodeToString(alice) {
		t.Errorf("%+v, %t, %v", now.User, changed, err)
	}
}
