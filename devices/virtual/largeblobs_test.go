package virtual_test

import (
	"bytes"
	"crypto/sha256"
	"encoding/binary"
	"testing"

	"github.com/touchstone-fido/touchstone/ctap2/largeblob"
	"github.com/touchstone-fido/touchstone/devices/virtual"
	"github.com/touchstone-fido/touchstone/fixtures"
)

// lb adds the token's pinUvAuthParam to a set request.
func (k tok) lb(request m) m {
	offset, _ := request[3].(int)
	sum := sha256.Sum256(request[2].([]byte))
	message := append(bytes.Repeat([]byte{0xff}, 32), 0x0c, 0)
	message = binary.LittleEndian.AppendUint32(message, uint32(offset))
	return request.with(m{5: k.token.Authenticate(message, sum[:]), 6: k.protocol})
}

// setBlobs writes the array in fragments of 500 bytes.
func (r *rig) setBlobs(token tok, array []byte) {
	r.t.Helper()
	const fragment = 500
	for offset := 0; offset < len(array); offset += fragment {
		request := m{2: array[offset:min(offset+fragment, len(array))], 3: offset}
		if offset == 0 {
			request[4] = len(array)
		}
		r.ok(cmdLargeBlobs, token.lb(request))
	}
}

// blobs reads the array.
func (r *rig) blobs() []byte {
	r.t.Helper()
	var all []byte
	for {
		part := r.ok(cmdLargeBlobs, m{1: 700, 3: len(all)})[uint64(1)].([]byte)
		all = append(all, part...)
		if len(part) < 700 {
			return all
		}
	}
}

// array is a serialised array of n bytes, with content that is no CBOR: the key
// must not care.
func array(n int) []byte {
	b := bytes.Repeat([]byte{0xff}, n-16)
	sum := sha256.Sum256(b)
	return append(b, sum[:16]...)
}

func TestLargeBlobs(t *testing.T) {
	r := newRig(t)
	initial := unhex(t, "8076be8b528d0075f7aae98d6fa57a6d3c")
	if got := r.blobs(); !bytes.Equal(got, initial) {
		t.Fatalf("initial array %x", got)
	}
	r.ok(cmdLargeBlobs, m{2: initial, 3: 0, 4: len(initial)}) // without a PIN
	r.setPIN()
	token := r.tokenFor(permLBW)
	for _, size := range []int{17, 18, 500, 501, 1024, 4096} {
		want := array(size)
		r.setBlobs(token, want)
		if got := r.blobs(); !bytes.Equal(got, want) {
			t.Fatalf("%d bytes come back as %d", size, len(got))
		}
	}
	r.load()
	if got := r.blobs(); !bytes.Equal(got, array(4096)) {
		t.Fatal("lost by loading")
	}
	r.key.PowerCycle()
	r.ok(cmdReset, nil)
	if got := r.blobs(); !bytes.Equal(got, initial) {
		t.Fatalf("after a reset: %x", got)
	}
}

func TestReadingLargeBlobs(t *testing.T) {
	r := newRig(t)
	for _, test := range []struct {
		name    string
		request m
		want    byte
		size    int
	}{
		{"all", m{1: 1000, 3: 0}, 0, 17},
		{"some", m{1: 5, 3: 2}, 0, 5},
		{"the rest", m{1: 1000, 3: 10}, 0, 7},
		{"nothing", m{1: 0, 3: 0}, 0, 0},
		{"at the end", m{1: 10, 3: 17}, 0, 0},
		{"past the end", m{1: 10, 3: 18}, 0x02, 0},
		{"far past the end", m{1: 10, 3: uint64(1) << 63}, 0x02, 0},
		{"as much as fits", m{1: 1136, 3: 0}, 0, 17},
		{"more than fits", m{1: 1137, 3: 0}, 0x03, 0},
		{"enormous", m{1: uint64(1) << 63, 3: 0}, 0x03, 0},
		{"no offset", m{1: 1}, 0x02, 0},
		{"neither get nor set", m{3: 0}, 0x02, 0},
		{"nothing at all", m{}, 0x02, 0},
		{"get and set", m{1: 1, 2: []byte{1}, 3: 0, 4: 17}, 0x02, 0},
		{"with length", m{1: 1, 3: 0, 4: 17}, 0x02, 0},
		{"with param", m{1: 1, 3: 0, 5: []byte{1}}, 0x02, 0},
		{"with protocol", m{1: 1, 3: 0, 6: 1}, 0x02, 0},
		{"get is text", m{1: "x", 3: 0}, 0x11, 0},
		{"set is text", m{2: "x", 3: 0}, 0x11, 0},
		{"offset is text", m{1: 1, 3: "x"}, 0x11, 0},
		{"length is text", m{2: []byte{1}, 3: 0, 4: "x"}, 0x11, 0},
		{"param is text", m{1: 1, 3: 0, 5: "x"}, 0x11, 0},
		{"protocol is text", m{1: 1, 3: 0, 6: "x"}, 0x11, 0},
		{"offset is negative", m{1: 1, 3: -1}, 0x11, 0},
		{"unknown member", m{1: 1, 3: 0, 99: 1}, 0, 1},
	} {
		status, body := r.raw(message(t, cmdLargeBlobs, test.request))
		expect(t, test.name, status, test.want)
		if status == 0 {
			expect(t, test.name, len(decode(t, body)[uint64(1)].([]byte)), test.size)
		}
	}
}

func TestWritingLargeBlobs(t *testing.T) {
	r := newRig(t)
	whole := array(40)
	damaged := bytes.Clone(whole)
	damaged[39] ^= 1
	type step struct {
		request m
		want    byte
	}
	for _, test := range []struct {
		name  string
		steps []step
	}{
		{"in one", []step{{m{2: whole, 3: 0, 4: 40}, 0}}},
		{"in three", []step{{m{2: whole[:10], 3: 0, 4: 40}, 0}, {m{2: whole[10:20], 3: 10}, 0}, {m{2: whole[20:], 3: 20}, 0}}},
		{"an empty fragment in between", []step{{m{2: whole[:10], 3: 0, 4: 40}, 0}, {m{2: []byte{}, 3: 10}, 0}, {m{2: whole[10:], 3: 10}, 0}}},
		{"no length", []step{{m{2: whole, 3: 0}, 0x02}}},
		{"length of 16", []step{{m{2: whole, 3: 0, 4: 16}, 0x02}}},
		{"length over the capacity", []step{{m{2: whole, 3: 0, 4: 4097}, 0x18}}},
		{"enormous length", []step{{m{2: whole, 3: 0, 4: uint64(1) << 63}, 0x18}}},
		{"fragment as long as fits", []step{{m{2: make([]byte, 1136), 3: 0, 4: 1200}, 0}}},
		{"fragment over the limit", []step{{m{2: make([]byte, 1137), 3: 0, 4: 1200}, 0x03}}},
		{"more than announced", []step{{m{2: whole, 3: 0, 4: 39}, 0x02}}},
		{"more than announced, later", []step{{m{2: whole[:10], 3: 0, 4: 40}, 0}, {m{2: whole[9:], 3: 10}, 0x02}, {m{2: whole[10:], 3: 10}, 0}}},
		{"length in a later fragment", []step{{m{2: whole[:10], 3: 0, 4: 40}, 0}, {m{2: whole[10:], 3: 10, 4: 40}, 0x02}}},
		{"wrong offset", []step{{m{2: whole[:10], 3: 0, 4: 40}, 0}, {m{2: whole[10:], 3: 11}, 0x04}, {m{2: whole[10:], 3: 9}, 0x04}}},
		{"offset with nothing begun", []step{{m{2: whole[10:], 3: 10}, 0x04}}},
		{"offset of the one before", []step{{m{2: whole, 3: 0, 4: 40}, 0}, {m{2: whole, 3: 40}, 0x04}}},
		{"begun again", []step{{m{2: whole[:10], 3: 0, 4: 40}, 0}, {m{2: whole, 3: 0, 4: 40}, 0}}},
		{"wrong hash", []step{{m{2: damaged, 3: 0, 4: 40}, 0x3d}, {m{2: whole[10:], 3: 10}, 0x04}}},
	} {
		t.Run(test.name, func(t *testing.T) {
			before := r.blobs()
			ok := true
			for _, s := range test.steps {
				r.want(s.want, cmdLargeBlobs, s.request)
				ok = s.want == 0
			}
			if got := r.blobs(); !ok && !bytes.Equal(got, before) {
				t.Fatal("a refused array is kept")
			}
			r.key.PowerCycle()
		})
	}
	r.ok(cmdLargeBlobs, m{2: whole[:10], 3: 0, 4: 40})
	r.key.PowerCycle()
	r.want(0x04, cmdLargeBlobs, m{2: whole[10:], 3: 10})
}

func TestTokenForLargeBlobs(t *testing.T) {
	r := newRig(t)
	r.setPIN()
	whole := array(40)
	request := m{2: whole, 3: 0, 4: 40}
	token := r.tokenFor(permLBW)
	good := token.lb(request)
	r.want(0x36, cmdLargeBlobs, request)
	r.want(0x14, cmdLargeBlobs, good.with(m{6: absent{}}))
	r.want(0x02, cmdLargeBlobs, good.with(m{6: 3}))
	r.want(0x33, cmdLargeBlobs, good.with(m{6: 1}))
	r.want(0x33, cmdLargeBlobs, good.with(m{5: []byte{}}))
	for i := range good[5].([]byte) {
		bad := bytes.Clone(good[5].([]byte))
		bad[i] ^= 1
		r.want(0x33, cmdLargeBlobs, good.with(m{5: bad}))
	}
	r.ok(cmdLargeBlobs, good)
	r.ok(cmdLargeBlobs, good) // nothing is used up
	r.want(0x33, cmdLargeBlobs, r.cmToken().lb(request))

	// What making a credential leaves of a token is lbw.
	p := r.agree(2)
	token = p.take(p.getTokenWith(pin, 0x03|permLBW, rpID))
	c := r.make(token.mc(creation()))
	r.want(0x33, cmdGetAssertion, token.ga(assertion(c.id)))
	r.ok(cmdLargeBlobs, token.lb(request))
}

func TestAlwaysUVProtectsLargeBlobs(t *testing.T) {
	r := newRig(t, model(func(p *virtual.Profile) { p.Options["alwaysUv"] = true }))
	r.want(0x36, cmdLargeBlobs, m{2: array(40), 3: 0, 4: 40})
	r.ok(cmdLargeBlobs, m{1: 17, 3: 0})
}

func TestModelWithoutLargeBlobs(t *testing.T) {
	r := newRig(t, model(func(p *virtual.Profile) { p.Options["largeBlobs"] = false }))
	r.want(0x01, cmdLargeBlobs, m{1: 17, 3: 0})
	r.setPIN()
	p := r.agree(2)
	r.want(0x40, cmdClientPIN, p.getTokenWith(pin, permLBW, absent{}))
}

// TestLargeBlobVectors: the message that authorises a write, and what a platform
// stores under a largeBlobKey.
func TestLargeBlobVectors(t *testing.T) {
	v := fixtures.PINUV()
	r := newRig(t)
	r.setPIN()
	r.draw(authenticatorKey, "000102030405060708090a0b0c0d0e0f101112131415161718191a1b1c1d1e1f")
	p := r.agree(2)
	r.ok(cmdClientPIN, p.getTokenWith(pin, permLBW, absent{}))
	param := unhex(t, "008b5df6adffc88a1ed8861176ccd3e55277ab04720916aaf5d3c176b15dee38")
	r.ok(cmdLargeBlobs, m{2: largeblob.Serialize(nil), 3: 0, 4: 17, 5: param, 6: 2})
	stored := v.LargeBlob.Array
	r.setBlobs(r.tokenFor(permLBW), stored)
	elements, err := largeblob.Parse(r.blobs())
	if err != nil || len(elements) != 1 {
		t.Fatalf("%d elements, %v", len(elements), err)
	}
}
