package virtual

import (
	"bytes"
	"testing"

	"github.com/touchstone-fido/touchstone/ctap2"
	"github.com/touchstone-fido/touchstone/ctap2/pinuv"
	"github.com/touchstone-fido/touchstone/fixtures"
)

var unhex = fixtures.Unhex

// TestHMACSecretVector is the one of WebAuthn L3's test vectors: a credential's
// secret and what it makes of a salt.
func TestHMACSecretVector(t *testing.T) {
	credRandom := unhex(t, "437e065e723a98b2f08f39d8baf7c53ecb3c363c5e5104bdaaf5d5ca2e028154")
	salt := unhex(t, "527413ebb48293772df30f031c5ac4650c7de14bf9498671ae163447b6a772b3")
	want := unhex(t, "3c33e07d202c3b029cc21f1722767021bf27d595933b3d2b6a1b9d5dddc77fae")
	if got := hmacOutputs(credRandom, salt); !bytes.Equal(got, want) {
		t.Errorf("one salt gives %x", got)
	}
	if got := hmacOutputs(credRandom, append(bytes.Clone(salt), salt...)); !bytes.Equal(got, append(bytes.Clone(want), want...)) {
		t.Errorf("two salts give %x", got)
	}
}

// TestIndexFollowsCredentials checks that the indexes agree after additions and
// removals in every order.
func TestIndexFollowsCredentials(t *testing.T) {
	index := newCredentials()
	all := make([]*credential, 12)
	for i := range all {
		all[i] = &credential{
			id:       []byte{byte(i)},
			rpIDHash: [32]byte{byte(i % 3)},
			user:     userEntity{ID: []byte{byte(i)}},
			protect:  protectOptional,
			sequence: uint64(i + 1),
		}
		index.add(all[i])
	}
	for i := range all {
		c := all[i*5%len(all)]
		index.remove(c)
		left := 0
		for rp := range byte(3) {
			left += len(index.visible([32]byte{rp}, false))
		}
		if want := len(all) - i - 1; left != want || len(index.byID) != want || len(index.byUser) != want {
			t.Fatalf("%d by relying party, %d by ID, %d by user, want %d", left, len(index.byID), len(index.byUser), want)
		}
		if index.ofUser(c.rpIDHash, c.user.ID) != nil {
			t.Fatal("a removed credential is found")
		}
	}
	if len(index.byRP) != 0 {
		t.Fatalf("%d empty relying parties are left", len(index.byRP))
	}
}

// TestNamesAreCut goes through every length around the limit.
func TestNamesAreCut(t *testing.T) {
	for n := range 5 {
		name := string(bytes.Repeat([]byte("x"), maxName-n)) + "😀😀"
		want := maxName - n
		if n == 4 {
			want = maxName
		}
		if got := len(cut(name)); got != want {
			t.Errorf("%d bytes before a character of 4: cut to %d, want %d", maxName-n, got, want)
		}
	}
}

// TestSpentToken checks each thing that using a token up takes away, since one
// of them alone would do to make it useless today.
func TestSpentToken(t *testing.T) {
	all := token{userVerified: true, userPresent: true, permissions: defined()}
	all.spend()
	if all.userVerified || all.userPresent || all.permissions != ctap2.PermissionLargeBlobWrite {
		t.Errorf("verified %v, permissions %02x", all.userVerified, uint(all.permissions))
	}
}

// TestSecretsAreWiped looks at memory that was let go of.
func TestSecretsAreWiped(t *testing.T) {
	store := NewMemory()
	a, err := New(Config{Store: store})
	if err != nil {
		t.Fatal(err)
	}
	raw := bytes.Repeat([]byte{1}, tokenSize)
	key, err := pinuv.NewToken(pinuv.Two, raw)
	if err != nil {
		t.Fatal(err)
	}
	a.volatile.token.key = key
	id := a.state.identity
	s := a.state.secrets.record
	if err := a.Close(); err != nil {
		t.Fatal(err)
	}
	for name, b := range map[string][]byte{"token": raw, "attestation key": id.key, "wrapping key": s.Wrap, "deriving key": s.Derive} {
		if !bytes.Equal(b, make([]byte, len(b))) {
			t.Errorf("%s is still there", name)
		}
	}
	if _, err := New(Config{Store: store}); err != nil {
		t.Errorf("the store was wiped, too: %v", err)
	}
}

// TestIdentifierVectors are the fact sheet's: what getInfo makes of a device
// identifier, of a store state, and of the persistent token.
func TestIdentifierVectors(t *testing.T) {
	v := fixtures.PINUV().Identifiers
	for label, want := range map[string][]byte{labelIdentifier: v.EncIdentifier, labelStoreState: v.EncCredStoreState} {
		iv := bytes.NewReader(want[:16])
		got, err := encryptIdentifier(iv, v.Token, label, v.Plain)
		if err != nil || !bytes.Equal(got, want) {
			t.Errorf("%s is %x, %v, want %x", label, got, err, want)
		}
	}
}

// TestComplexPINs goes through what the complexity policy refuses.
func TestComplexPINs(t *testing.T) {
	for pin, want := range map[string]bool{
		"": false, "1111": false, "1212": false, "1234": false, "9876": false, "abcd": false, "2580": true,
		"1235": true, "aab1": true, "😀😁😂": false, "😀😁x😂": true, "12345678901": true,
	} {
		if complexPIN([]byte(pin)) != want {
			t.Errorf("%q is complex: %v", pin, !want)
		}
	}
}

// TestSignersAreBounded fills the keys that are kept ready and checks that the
// oldest go first, and that none outlives the power.
func TestSignersAreBounded(t *testing.T) {
	a, err := New(Config{})
	if err != nil {
		t.Fatal(err)
	}
	var ids [][]byte
	for range maxSigners + 2 {
		private, _, err := schemes[0].generate(a.cfg.Rand)
		if err != nil {
			t.Fatal(err)
		}
		c := &credential{id: private[:16], scheme: schemes[0], private: private}
		ids = append(ids, c.id)
		for range 2 {
			if _, err := a.sign(c, []byte("message")); err != nil {
				t.Fatal(err)
			}
		}
	}
	s := &a.volatile.signers
	if len(s.byID) != maxSigners || len(s.order) != maxSigners || s.byID[string(ids[1])] != nil || s.byID[string(ids[2])] == nil {
		t.Errorf("%d keys in %d places", len(s.byID), len(s.order))
	}
	a.PowerCycle()
	if len(a.volatile.signers.byID) != 0 {
		t.Error("keys outlive the power")
	}
}
