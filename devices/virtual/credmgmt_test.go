package virtual_test

import (
	"bytes"
	"crypto/sha256"
	"fmt"
	"maps"
	"reflect"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/touchstone-fido/touchstone/devices/virtual"
	"github.com/touchstone-fido/touchstone/fixtures"
)

func rpHash(id string) []byte {
	h := sha256.Sum256([]byte(id))
	return h[:]
}

// shelf is a key with a PIN and credentials: one and two at example.com, three
// at other.example.
func shelf(t testing.TB, changes ...func(*virtual.Config)) (r *rig, one, two made) {
	t.Helper()
	r = newRig(t, changes...)
	one = r.make(discoverable("one").with(m{2: s{"id": rpID, "name": "Example"}, 6: s{"credProtect": 2, "largeBlobKey": true, "thirdPartyPayment": true}}))
	two = r.make(discoverable("two").with(m{2: s{"id": rpID, "name": "Example"}, 4: []any{eddsa}}))
	r.ok(cmdMakeCredential, discoverable("three").with(m{2: s{"id": "other.example"}}))
	r.setPIN()
	return r, one, two
}

func (r *rig) metadata(token tok) string {
	r.t.Helper()
	body := r.ok(cmdCredMgmt, token.cm(1, nil))
	expect(r.t, "members", len(body), 2)
	return fmt.Sprint(body[uint64(1)], "/", body[uint64(2)])
}

func TestCredentialMetadata(t *testing.T) {
	r := newRig(t)
	r.setPIN()
	expect(t, "metadata of an empty key", r.metadata(r.cmToken()), "0/100")
	r.want(0x2e, cmdCredMgmt, r.cmToken().cm(2, nil))
	r.want(0x2e, cmdCredMgmt, r.cmToken().cm(4, m{1: rpHash(rpID)}))
	r, _, _ = shelf(t)
	token := r.cmToken()
	expect(t, "metadata", r.metadata(token), "3/97")
	expect(t, "again", r.metadata(token), "3/97") // nothing is used up
}

func TestEnumerateRPs(t *testing.T) {
	r, _, _ := shelf(t)
	want := []map[any]any{
		{uint64(3): map[any]any{"id": rpID, "name": "Example"}, uint64(4): rpHash(rpID), uint64(5): uint64(2)},
		{uint64(3): map[any]any{"id": "other.example"}, uint64(4): rpHash("other.example")},
	}
	for range 2 {
		got := []map[any]any{r.ok(cmdCredMgmt, r.cmToken().cm(2, nil)), r.ok(cmdCredMgmt, m{1: 3})}
		if !reflect.DeepEqual(got, want) {
			t.Fatalf("relying parties %v, want %v", got, want)
		}
		r.want(0x30, cmdCredMgmt, m{1: 3})
		r.want(0x30, cmdCredMgmt, m{1: 3})
	}
}

func TestEnumerateCredentials(t *testing.T) {
	r, one, two := shelf(t)
	blobKey := one.body[uint64(5)]
	want := []map[any]any{
		{
			uint64(6): map[any]any{"id": []byte("one"), "name": "one@example.com", "displayName": "The one"},
			uint64(7): map[any]any{"id": one.id, "type": "public-key"},
			uint64(8): one.key, uint64(9): uint64(2), uint64(10): uint64(2), uint64(11): blobKey, uint64(12): true,
		},
		{
			uint64(6): map[any]any{"id": []byte("two"), "name": "two@example.com", "displayName": "The two"},
			uint64(7): map[any]any{"id": two.id, "type": "public-key"},
			uint64(8): two.key, uint64(10): uint64(1), uint64(12): false,
		},
	}
	got := []map[any]any{r.ok(cmdCredMgmt, r.cmToken().cm(4, m{1: rpHash(rpID)})), r.ok(cmdCredMgmt, m{1: 5})}
	if !reflect.DeepEqual(got, want) {
		t.Fatalf("credentials %v, want %v", got, want)
	}
	r.want(0x30, cmdCredMgmt, m{1: 5})
	r.want(0x2e, cmdCredMgmt, r.cmToken().cm(4, m{1: rpHash("third.example")}))
	r.become(func(p *virtual.Profile) { p.Extensions = []string{"hmac-secret"} })
	_, there := r.ok(cmdCredMgmt, r.cmToken().cm(4, m{1: rpHash(rpID)}))[uint64(12)]
	expect(t, "thirdPartyPayment without the extension", there, false)
}

// What ends an enumeration, and what does not.
func TestWhatEndsAnEnumeration(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r, _, _ := shelf(t)
		for _, kind := range []struct {
			begin m
			sub   int
			next  int
		}{{nil, 2, 3}, {m{1: rpHash(rpID)}, 4, 5}} {
			for _, test := range []struct {
				name string
				do   func()
				want byte
			}{
				{"nothing", func() {}, 0},
				{"30 seconds", func() { time.Sleep(30 * time.Second) }, 0},
				{"31 seconds", func() { time.Sleep(31 * time.Second) }, 0x30},
				{"the other continuation", func() { r.want(0x30, cmdCredMgmt, m{1: 8 - kind.next}) }, 0x30},
				{"metadata", func() { r.metadata(r.cmToken()) }, 0x30},
				{"getInfo", func() { r.ok(cmdGetInfo, nil) }, 0x30},
				{"U2F", func() { r.key.U2F(r.ctx, []byte{0, 3, 0, 0}) }, 0x30},
				{"a power cycle", func() { r.key.PowerCycle() }, 0x30},
				{"deselection", func() { r.key.Deselect() }, 0x30},
			} {
				r.ok(cmdCredMgmt, r.cmToken().cm(kind.sub, kind.begin))
				test.do()
				if got, _ := r.raw(message(t, cmdCredMgmt, m{1: kind.next})); got != test.want {
					t.Errorf("subcommand %d after %s: %02x, want %02x", kind.next, test.name, got, test.want)
				}
			}
		}
	})
}

func TestTokenExpiryEndsAnEnumeration(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := newRig(t)
		for i := range 40 {
			r.ok(cmdMakeCredential, discoverable("one").with(m{2: s{"id": fmt.Sprint(i, ".example")}}))
		}
		r.setPIN()
		for persistent, want := range map[bool]byte{false: 0x30, true: 0} {
			token := r.cmToken()
			if persistent {
				token = r.tokenFor(permPCMR)
			}
			r.ok(cmdCredMgmt, token.cm(2, nil))
			for range 20 { // ten minutes
				time.Sleep(30 * time.Second)
				r.ok(cmdCredMgmt, m{1: 3})
			}
			time.Sleep(time.Second)
			r.want(want, cmdCredMgmt, m{1: 3})
		}
	})
}

func TestGateOfCredentialManagement(t *testing.T) {
	r, one, _ := shelf(t)
	token := r.cmToken()
	id := s{"id": one.id, "type": "public-key"}
	user := s{"id": []byte("one")}
	type row struct {
		name    string
		request m
		want    byte
	}
	tests := []row{
		{"nothing", m{}, 0x14},
		{"subCommand is text", m{1: "x"}, 0x11},
		{"unknown subcommand", token.cm(8, nil), 0x3e},
		{"subcommand 0", token.cm(0, nil), 0x3e},
		{"params are an array", token.cm(4, nil).with(m{2: []any{}}), 0x11},
		{"protocol is text", m{1: 1, 3: "x"}, 0x11},
		{"param is text", m{1: 1, 4: "x"}, 0x11},
		{"rpIDHash is text", token.cm(4, m{1: "x"}), 0x11},
		{"rpIDHash of 31 bytes", token.cm(4, m{1: make([]byte, 31)}), 0x03},
		{"no rpIDHash", token.cm(4, nil), 0x14},
		{"credentialID is bytes", token.cm(6, m{2: one.id}), 0x11},
		{"credentialID without type", token.cm(6, m{2: s{"id": one.id}}), 0x12},
		{"credentialID without id", token.cm(6, m{2: s{"type": "public-key"}}), 0x12},
		{"credentialID of another type", token.cm(6, m{2: s{"id": one.id, "type": "x"}}), 0x2e},
		{"no credentialID", token.cm(6, nil), 0x14},
		{"unknown credential", token.cm(6, m{2: s{"id": []byte{1}, "type": "public-key"}}), 0x2e},
		{"no user", token.cm(7, m{2: id}), 0x14},
		{"no credential to update", token.cm(7, m{3: user}), 0x14},
		{"user is text", token.cm(7, m{2: id, 3: "x"}), 0x11},
		{"user without id", token.cm(7, m{2: id, 3: s{"name": "x"}}), 0x14},
		{"another user", token.cm(7, m{2: id, 3: s{"id": []byte("two")}}), 0x02},
		{"user of an unknown credential", token.cm(7, m{2: s{"id": []byte{1}, "type": "public-key"}, 3: user}), 0x2e},
		{"next RP", m{1: 3}, 0x30},
		{"next credential", m{1: 5}, 0x30},
	}
	for name, request := range map[string]m{
		"metadata": token.cm(1, nil), "RPs": token.cm(2, nil), "credentials": token.cm(4, m{1: rpHash(rpID)}),
		"delete": token.cm(6, m{2: id}), "update": token.cm(7, m{2: id, 3: user}),
	} {
		tests = append(tests,
			row{name + " without a param", request.with(m{4: absent{}}), 0x36},
			row{name + " without a protocol", request.with(m{3: absent{}}), 0x14},
			row{name + " with protocol 3", request.with(m{3: 3}), 0x02},
			row{name + " with protocol 1", request.with(m{3: 1}), 0x33},
			row{name + " with a cut param", request.with(m{4: request[4].([]byte)[:16]}), 0x33},
			row{name + " with another param", request.with(m{4: flip(request[4].([]byte))}), 0x33},
		)
	}
	before := r.records()
	for _, test := range tests {
		if got, _ := r.raw(message(t, cmdCredMgmt, test.request)); got != test.want {
			t.Errorf("%s: status %02x, want %02x", test.name, got, test.want)
		}
		if !maps.Equal(before, r.records()) {
			t.Fatalf("%s changes the key", test.name)
		}
	}
	for name, other := range map[string]tok{"another permission": r.tokenFor(permACFG), "the legacy token": r.legacy()} {
		if got, _ := r.raw(message(t, cmdCredMgmt, other.cm(1, nil))); got != 0x33 {
			t.Errorf("%s: %02x", name, got)
		}
	}
	r.key.PowerCycle()
	fresh := newRig(t) // no PIN, no token to have
	fresh.want(0x36, cmdCredMgmt, m{1: 1})
}

// legacy gets the token of getPinToken.
func (r *rig) legacy() tok {
	r.t.Helper()
	p := r.agree(2)
	return p.take(p.getToken(pin))
}

func TestDeleteCredential(t *testing.T) {
	r, one, two := shelf(t)
	token := r.cmToken()
	remove := token.cm(6, m{2: s{"id": one.id, "type": "public-key", "transports": []any{"usb"}}})
	expect(t, "members of the answer", len(r.ok(cmdCredMgmt, remove)), 0)
	r.want(0x2e, cmdCredMgmt, remove)
	r.want(0x2e, cmdGetAssertion, assertion(one.id))
	expect(t, "metadata", r.metadata(token), "2/98")
	r.load()
	expect(t, "metadata after loading", r.metadata(r.cmToken()), "2/98")
	expect(t, "who is left", r.users(assertion(), []made{two}), "two")
	r.ok(cmdCredMgmt, r.cmToken().cm(6, m{2: s{"id": two.id, "type": "public-key"}}))
	body := r.ok(cmdCredMgmt, r.cmToken().cm(2, nil))
	expect(t, "relying parties left", body[uint64(5)], any(uint64(1)))
	r.make(r.token().mc(creation().with(m{5: descriptors(one.id, two.id)}))) // they exclude nothing
}

func TestUpdateUserInformation(t *testing.T) {
	r, one, two := shelf(t)
	update := func(user s) m { return r.cmToken().cm(7, m{2: s{"id": one.id, "type": "public-key"}, 3: user}) }
	stored := func() any { return r.ok(cmdCredMgmt, r.cmToken().cm(4, m{1: rpHash(rpID)}))[uint64(6)] }
	for _, test := range []struct {
		user s
		want map[any]any
	}{
		{s{"id": []byte("one"), "name": "new", "displayName": "New"}, map[any]any{"id": []byte("one"), "name": "new", "displayName": "New"}},
		{s{"id": []byte("one"), "name": "", "displayName": "New"}, map[any]any{"id": []byte("one"), "displayName": "New"}},
		{s{"id": []byte("one"), "name": strings.Repeat("é", 40)}, map[any]any{"id": []byte("one"), "name": strings.Repeat("é", 32)}},
		{s{"id": []byte("one")}, map[any]any{"id": []byte("one")}},
	} {
		r.ok(cmdCredMgmt, update(test.user))
		r.load()
		if got := stored(); !reflect.DeepEqual(got, test.want) {
			t.Errorf("user %v, want %v", got, test.want)
		}
	}
	r.assert(assertion(one.id), one)
	expect(t, "order", r.users(r.token().ga(assertion()), []made{one, two}), "two one")
}

// The matrix of tokens that are bound to a relying party.
func TestBoundTokensInCredentialManagement(t *testing.T) {
	for _, choice := range []bool{false, true} {
		r, one, _ := shelf(t, model(func(p *virtual.Profile) { p.Choices.BoundEnumeration = choice }))
		foreign := bytes.Clone(r.enumerated("other.example"))
		bound := func() tok {
			p := r.agree(2)
			return p.take(p.getTokenWith(pin, permCM, rpID))
		}
		id := func(id []byte) s { return s{"id": id, "type": "public-key"} }
		own := map[bool]byte{false: 0x33, true: 0}[choice]
		for _, test := range []struct {
			name    string
			request func(tok) m
			want    byte
		}{
			{"metadata", func(k tok) m { return k.cm(1, nil) }, 0x33},
			{"relying parties", func(k tok) m { return k.cm(2, nil) }, 0x33},
			{"own credentials", func(k tok) m { return k.cm(4, m{1: rpHash(rpID)}) }, own},
			{"foreign credentials", func(k tok) m { return k.cm(4, m{1: rpHash("other.example")}) }, 0x33},
			{"unknown credentials", func(k tok) m { return k.cm(4, m{1: rpHash("third.example")}) }, 0x33},
			{"delete a foreign one", func(k tok) m { return k.cm(6, m{2: id(foreign)}) }, 0x33},
			{"delete an unknown one", func(k tok) m { return k.cm(6, m{2: id([]byte{1})}) }, 0x33},
			{"update a foreign one", func(k tok) m { return k.cm(7, m{2: id(foreign), 3: s{"id": []byte("three")}}) }, 0x33},
			{"update an own one", func(k tok) m { return k.cm(7, m{2: id(one.id), 3: s{"id": []byte("one")}}) }, 0},
			{"delete an own one", func(k tok) m { return k.cm(6, m{2: id(one.id)}) }, 0},
		} {
			if got, _ := r.raw(message(t, cmdCredMgmt, test.request(bound()))); got != test.want {
				t.Errorf("choice %v, %s: status %02x, want %02x", choice, test.name, got, test.want)
			}
		}
	}
}

// enumerated is the ID of the relying party's first credential.
func (r *rig) enumerated(rp string) []byte {
	r.t.Helper()
	body := r.ok(cmdCredMgmt, r.cmToken().cm(4, m{1: rpHash(rp)}))
	return body[uint64(7)].(map[any]any)["id"].([]byte)
}

func TestPersistentToken(t *testing.T) {
	r, one, _ := shelf(t)
	token := r.tokenFor(permPCMR)
	raw := string(token.token.Bytes())
	expect(t, "the same for another", string(r.persistent()) == raw, true)
	id := s{"id": one.id, "type": "public-key"}
	works := func(when string) {
		t.Helper()
		expect(t, "metadata "+when, r.metadata(token), "3/97")
		r.ok(cmdCredMgmt, token.cm(2, nil))
		r.ok(cmdCredMgmt, m{1: 3})
		r.ok(cmdCredMgmt, token.cm(4, m{1: rpHash(rpID)}))
		r.ok(cmdCredMgmt, m{1: 5})
		r.want(0x33, cmdCredMgmt, token.cm(6, m{2: id}))
		r.want(0x33, cmdCredMgmt, token.cm(7, m{2: id, 3: s{"id": []byte("one")}}))
		r.want(0x33, cmdConfig, token.acfg(2, nil))
		r.want(0x33, cmdMakeCredential, token.mc(creation()))
		r.want(0x33, cmdGetAssertion, token.ga(assertion(one.id)))
	}
	works("at first")
	r.key.PowerCycle()
	works("after a power cycle")
	r.load()
	works("after loading")
	r.cmToken()
	works("after another token")
	p := r.agree(1) // under the other protocol it is the same one
	other := p.take(p.getTokenWith(pin, permPCMR, absent{}))
	expect(t, "metadata under protocol one", r.metadata(other), "3/97")

	r.wrong(0x31)
	works("after a wrong PIN")
	r.ok(cmdClientPIN, r.agree(2).changePIN(pin, "567890"))
	r.want(0x33, cmdCredMgmt, token.cm(1, nil))
	r.ok(cmdClientPIN, r.agree(2).changePIN("567890", pin))
	token = r.tokenFor(permPCMR)
	works("once more")
	r.become(func(p *virtual.Profile) { p.Options["perCredMgmtRO"] = false })
	r.want(0x33, cmdCredMgmt, token.cm(1, nil)) // a model without it does not know it
	r.become(func(p *virtual.Profile) { p.Options["perCredMgmtRO"] = true })
	works("on a model with it")
	r.ok(cmdConfig, r.tokenFor(permACFG).acfg(3, m{3: true}))
	r.want(0x33, cmdCredMgmt, token.cm(1, nil))
}

func TestPersistentTokenEndsWithAReset(t *testing.T) {
	r := newRig(t)
	r.setPIN()
	token := r.tokenFor(permPCMR)
	r.ok(cmdReset, nil)
	r.setPIN()
	r.want(0x33, cmdCredMgmt, token.cm(1, nil))
	r.metadata(r.tokenFor(permPCMR))
}

// The prototype is there when the model says so, without the subcommand that
// came later, and takes the token of getPinToken.
func TestPrototypeOfCredentialManagement(t *testing.T) {
	r, one, _ := shelf(t)
	r.want(0x01, cmdCredPre, m{1: 1})
	r.become(func(p *virtual.Profile) { p.Options["credentialMgmtPreview"] = true })
	id := s{"id": one.id, "type": "public-key"}
	for name, token := range map[string]func() tok{"permissions": r.cmToken, "legacy": r.legacy} {
		t.Run(name, func(t *testing.T) {
			k := token()
			r.ok(cmdCredPre, k.cm(1, nil))
			r.ok(cmdCredPre, k.cm(2, nil))
			r.ok(cmdCredPre, m{1: 3})
			r.want(0x3e, cmdCredPre, k.cm(7, m{2: id, 3: s{"id": []byte("one")}}))
		})
	}
	r.ok(cmdCredPre, r.legacy().cm(6, m{2: id}))
	r.become(func(p *virtual.Profile) {
		p.Versions = []string{"FIDO_2_0", "FIDO_2_1_PRE"}
		for _, id := range []string{"credMgmt", "pinUvAuthToken"} {
			delete(p.Options, id)
		}
	})
	r.want(0x01, cmdCredMgmt, m{1: 1})
	k := r.legacy()
	r.ok(cmdCredPre, k.cm(1, nil))
	r.ok(cmdMakeCredential, k.mc(creation())) // it is good for everything, again and again
	r.ok(cmdMakeCredential, k.mc(creation()))
	r.ok(cmdCredPre, k.cm(2, nil))
}

// TestManagementVectors: the messages that the fact sheet authorises.
func TestManagementVectors(t *testing.T) {
	token := fixtures.PINUV().Token
	r, _, _ := shelf(t)
	granted := func(permissions int) {
		r.draw(authenticatorKey, fmt.Sprintf("%x", []byte(token)))
		r.ok(cmdClientPIN, r.agree(2).getTokenWith(pin, permissions, absent{}))
	}
	params := unhex(t, "a379a6f6eeafb9a55e378c118034e2751e682fab9f2d30ab13d2125586ce1947")
	granted(permCM)
	r.ok(cmdCredMgmt, m{1: 1, 3: 2, 4: unhex(t, "9b4c8120a4823a95f47cde17a244f4507244ee6e3957d1fab9fa29b44d3829b7")})
	r.ok(cmdCredMgmt, m{1: 4, 2: m{1: params}, 3: 2, 4: unhex(t, "297e215b5ce8e700cdfed6d105d18a5b2494ae4688d772d60bba4060b247aed8")})
	// The credential is not there, which is found out after the MAC.
	r.want(0x2e, cmdCredMgmt, m{
		1: 6, 2: m{2: s{"id": []byte{1, 2, 3, 4}, "type": "public-key"}}, 3: 2,
		4: unhex(t, "ee9017674e0011f990d4aacb38d20aa651343a99f5862f3259d049bd02fe6a2b"),
	})
	granted(permACFG)
	r.ok(cmdConfig, m{1: 2, 3: 2, 4: unhex(t, "32cf0f9234e40e7ac115bf2eef1a33b55404f74cb39063c9e46037fc672fd963")})
	r.ok(cmdConfig, m{1: 3, 2: m{1: 6, 3: true}, 3: 2, 4: unhex(t, "39663c1202b51ba15f8b7eab0d1487643dab1a92596b4281c00f1ead50d02c64")})
}

func TestBioVectors(t *testing.T) {
	finger := "thumb"
	r := newRig(t, fingerprint(&finger))
	r.setPIN()
	r.draw(authenticatorKey, "000102030405060708090a0b0c0d0e0f101112131415161718191a1b1c1d1e1f")
	r.ok(cmdClientPIN, r.agree(2).getTokenWith(pin, permBE, absent{}))
	r.want(0x2c, cmdBio, m{1: 1, 2: 4, 4: 2, 5: unhex(t, "a7e619f5f020a118a25cb911cd2fdcbf450cbdc57f7d1bd5d1dc5831d12e5e86")})
	r.ok(cmdBio, m{1: 1, 2: 1, 3: m{3: 10000}, 4: 2, 5: unhex(t, "6bbb0881a5b91af3083def9018f2f8dbfeda0759009de0d50d66a57688db35ca")})
}
