package virtual_test

import (
	"fmt"
	"io"
	"maps"
	"reflect"
	"testing"

	"github.com/touchstone-fido/touchstone/devices/virtual"
)

// stage is a key that is ready for an attempt, whose random source and whose
// store can be made to fail.
type stage struct {
	*rig
	source   *source
	plug     *pulledPlug
	known    made // one@example.com, with a blob
	template []byte
	platform *platform
	token    tok
}

// source ends after a number of draws.
type source struct {
	io.Reader
	left int
}

func (s *source) Read(p []byte) (int, error) {
	if s.left--; s.left < 0 {
		return 0, io.ErrUnexpectedEOF
	}
	return s.Reader.Read(p)
}

const plenty = 1 << 30

// ready sets a key up that is in a field, so that U2F does not wait. The token
// has the permissions.
func ready(t *testing.T, permissions int, rp any) *stage {
	s := &stage{source: &source{seeded(8), plenty}, plug: &pulledPlug{Store: virtual.NewMemory(), changes: plenty}}
	s.rig = newRig(t, complete, func(c *virtual.Config) {
		c.Transport, c.Rand, c.Store = virtual.NFC, s.source, s.plug
		c.OnError = func(error) {}
	})
	s.known = s.make(discoverable("one"))
	s.assert(assertion(s.known.id))
	s.writeBlob(s.known.id, []byte("blob"), 4)
	s.setPIN()
	s.template = s.enrol("thumb")
	s.platform = s.agree(2)
	s.token = s.platform.take(s.platform.getTokenWith(pin, permissions, rp))
	return s
}

// attempt is a request that draws random bytes or changes the state.
type attempt struct {
	name        string
	permissions int // of its token
	paysFirst   bool
	cmd         byte
	request     func(s *stage) m
}

const (
	forCredentials = 0x03
	forManagement  = permCM | permBE | permLBW | permACFG
)

var attempts = []attempt{
	{"getInfo", forManagement, false, cmdGetInfo, func(*stage) m { return nil }},
	{"makeCredential", forCredentials, false, cmdMakeCredential, func(s *stage) m { return s.token.mc(creation()) }},
	{"makeCredential, stored", forCredentials, false, cmdMakeCredential, func(s *stage) m { return s.token.mc(discoverable("new")) }},
	{"makeCredential, overwriting", forCredentials, false, cmdMakeCredential, func(s *stage) m { return s.token.mc(discoverable("one")) }},
	{"getAssertion", forCredentials, false, cmdGetAssertion, func(s *stage) m {
		return assertion(s.known.id).with(m{4: st{"hmac-secret": s.platform.salts(make([]byte, 32))}})
	}},
	{"writing a blob", forCredentials, false, cmdGetAssertion, func(s *stage) m {
		return assertion(s.known.id).with(m{4: st{"largeBlob": st{"write": []byte{7}, "originalSize": 1}}})
	}},
	{"key agreement", forManagement, false, cmdClientPIN, func(*stage) m { return m{1: 1, 2: 2} }},
	{"changePIN", forManagement, true, cmdClientPIN, func(s *stage) m { return s.platform.changePIN(pin, "567890") }},
	{"getToken", forManagement, true, cmdClientPIN, func(s *stage) m { return s.platform.getToken(pin) }},
	{"getToken, wrong", forManagement, true, cmdClientPIN, func(s *stage) m { return s.platform.getToken("9999") }},
	{"persistent token", forManagement, true, cmdClientPIN, func(s *stage) m { return s.platform.getTokenWith(pin, permPCMR, absent{}) }},
	{"getToken by UV", forManagement, true, cmdClientPIN, func(s *stage) m { return s.platform.getUVToken(3, rpID) }},
	{"delete", forManagement, false, cmdCredMgmt, func(s *stage) m { return s.token.cm(6, m{2: s.named()}) }},
	{"update", forManagement, false, cmdCredMgmt, func(s *stage) m { return s.token.cm(7, m{2: s.named(), 3: st{"id": []byte("one"), "name": "new"}}) }},
	{"enrol", forManagement, false, cmdBio, func(s *stage) m { return s.token.be(1, nil) }},
	{"rename a finger", forManagement, false, cmdBio, func(s *stage) m { return s.token.be(5, m{1: s.template, 2: "new"}) }},
	{"remove a finger", forManagement, false, cmdBio, func(s *stage) m { return s.token.be(6, m{1: s.template}) }},
	{"large blobs", forManagement, false, cmdLargeBlobs, func(s *stage) m { return s.token.lb(m{2: array(50), 3: 0, 4: 50}) }},
	{"config", forManagement, false, cmdConfig, func(s *stage) m { return s.token.acfg(3, m{1: 6, 2: texts("x"), 3: true}) }},
	{"alwaysUv", forManagement, false, cmdConfig, func(s *stage) m { return s.token.acfg(2, nil) }},
	{"reset", forManagement, false, cmdReset, func(*stage) m { return nil }},
}

// st is a map with named members, as s is elsewhere.
type st = s

func (s *stage) named() st { return st{"id": s.known.id, "type": "public-key"} }

// begin sets a key up for the attempt.
func (a attempt) begin(t *testing.T) *stage {
	if a.permissions == forCredentials {
		return ready(t, a.permissions, rpID)
	}
	return ready(t, a.permissions, absent{})
}

// wantMemoryAsStored compares what the key says with what a key says that is
// loaded from its store.
func (r *stage) wantMemoryAsStored(what string) {
	r.t.Helper()
	memory := r.info()
	other := *r.rig
	other.cfg.Store, other.cfg.Rand = storeOf(r.t, r.records()), seeded(9)
	other.load()
	stored := other.info()
	if !reflect.DeepEqual(memory, stored) {
		r.t.Errorf("%s: the key says %v, its store %v", what, memory, stored)
	}
}

// Whenever the random source ends, what was not done is not stored, and the key
// is what its store says.
func TestRandomnessEndsAnywhere(t *testing.T) {
	for _, a := range attempts {
		for _, draws := range []int{0, 1, 2, 3, 4, 5, 6, 7, plenty} {
			s := a.begin(t)
			request, before := a.request(s), s.records()
			s.source.left = draws
			status := s.status(a.cmd, request)
			s.source.left = plenty
			what := fmt.Sprintf("%s with %d draws", a.name, draws)
			s.wantMemoryAsStored(what)
			if status == 0x7f && !a.paysFirst && !maps.Equal(before, s.records()) {
				t.Errorf("%s failed and changed the store", what)
			}
			if draws == plenty && status == 0x7f {
				t.Errorf("%s fails", what)
			}
		}
	}
}

// The same when the store fails.
func TestStoreFailsAnywhere(t *testing.T) {
	for _, a := range attempts {
		for changes := range 4 {
			s := a.begin(t)
			request, before := a.request(s), s.records()
			s.plug.changes = changes
			status := s.status(a.cmd, request)
			s.plug.changes = plenty
			what := fmt.Sprintf("%s with %d changes", a.name, changes)
			s.wantMemoryAsStored(what)
			if status == 0x7f && changes == 0 && !maps.Equal(before, s.records()) {
				t.Errorf("%s failed and changed the store", what)
			}
		}
	}
}
