package virtual_test

import (
	"fmt"
	"testing"
)

// TestCredProtect goes through CTAP 2.3 §12.1: who sees a credential of which
// level, of which kind, by its ID or without it, with and without user
// verification.
func TestCredProtect(t *testing.T) {
	visible := map[string]bool{
		"level 1, found": true, "level 1, named": true, "level 1, found, verified": true, "level 1, named, verified": true,
		"level 2, found": false, "level 2, named": true, "level 2, found, verified": true, "level 2, named, verified": true,
		"level 3, found": false, "level 3, named": false, "level 3, found, verified": true, "level 3, named, verified": true,
	}
	for level := 1; level <= 3; level++ {
		for _, rk := range []bool{true, false} {
			r := newRig(t)
			c := r.make(discoverable("one").with(m{6: s{"credProtect": level}, 7: s{"rk": rk}}))
			expect(t, "output", c.extensions["credProtect"], any(uint64(level)))
			r.setPIN()
			for _, named := range []bool{true, false} {
				for _, verified := range []bool{true, false} {
					if !named && !rk {
						continue
					}
					name := describe(level, named, verified)
					r.wantVisible(fmt.Sprintf("%s, rk=%v", name, rk), c, named, verified, visible[name])
				}
			}
		}
	}
}

func describe(level int, named, verified bool) string {
	name := fmt.Sprintf("level %d, found", level)
	if named {
		name = fmt.Sprintf("level %d, named", level)
	}
	if verified {
		name += ", verified"
	}
	return name
}

// wantVisible asks for the credential with getAssertion and, if it is named, as
// a member of an excludeList.
func (r *rig) wantVisible(name string, c made, named, verified, visible bool) {
	r.t.Helper()
	get, create := assertion(), creation()
	if named {
		get, create = assertion(c.id), creation().with(m{5: descriptors(c.id)})
	}
	want := map[bool]byte{true: 0, false: 0x2e}[visible]
	wantExcluded := map[bool]byte{true: 0x19, false: 0}[visible && named]
	if verified {
		get = r.token().ga(get)
	}
	if got, _ := r.raw(message(r.t, cmdGetAssertion, get)); got != want {
		r.t.Errorf("%s: getAssertion %02x, want %02x", name, got, want)
	}
	if verified {
		create = r.token().mc(create)
	}
	if got, _ := r.raw(message(r.t, cmdMakeCredential, create)); got != wantExcluded {
		r.t.Errorf("%s: makeCredential %02x, want %02x", name, got, wantExcluded)
	}
}

func TestCredProtectSurvives(t *testing.T) {
	r := newRig(t)
	wrapped := r.make(creation().with(m{6: s{"credProtect": 3}}))
	stored := r.make(discoverable("one").with(m{6: s{"credProtect": 2}}))
	r.load()
	r.want(0x2e, cmdGetAssertion, assertion(wrapped.id))
	r.want(0x2e, cmdGetAssertion, assertion())
	r.assert(assertion(wrapped.id, stored.id), stored)
}

// A hidden credential is skipped, not the end of the search.
func TestHiddenCredentialsAreSkipped(t *testing.T) {
	r := newRig(t)
	hidden := r.make(creation().with(m{6: s{"credProtect": 3}}))
	open := r.make(creation())
	r.assert(assertion(hidden.id, open.id), open)
	r.want(0x19, cmdMakeCredential, creation().with(m{5: descriptors(hidden.id, open.id)}))
	r.make(discoverable("one").with(m{6: s{"credProtect": 2}}))
	r.make(discoverable("two"))
	r.make(discoverable("three").with(m{6: s{"credProtect": 3}}))
	expect(t, "who is found", r.users(assertion(), nil), "two")
}
