package virtual_test

import (
	"bytes"
	"fmt"
	"slices"
	"time"

	"github.com/touchstone-fido/touchstone/ctap2/pinuv"
)

// one of a list.
func pick[T any](p *player, list ...T) T { return list[p.dice.IntN(len(list))] }

func (p *player) chance(percent int) bool { return p.dice.IntN(100) < percent }

// someIDs are IDs of credentials: of this relying party and of others, of gone
// ones, and of none.
func (p *player) someIDs() (ids [][]byte) {
	for range p.dice.IntN(4) {
		switch {
		case len(p.is.made) > 0 && p.chance(70):
			ids = append(ids, p.is.made[p.dice.IntN(len(p.is.made))].id)
		case len(p.is.gone) > 0 && p.chance(50):
			ids = append(ids, p.is.gone[p.dice.IntN(len(p.is.gone))])
		default:
			ids = append(ids, bytes.Repeat([]byte{byte(p.dice.IntN(256))}, 64))
		}
	}
	return ids
}

func (p *player) someAuth() auth { return pick(p, authNone, authGood, authGood, authGood, authWrong) }

// param is a pinUvAuthParam of that kind.
func (p *player) param(a auth, over ...[]byte) []byte {
	if a == authWrong || p.tok.token == nil {
		return make([]byte, 32)
	}
	return p.tok.token.Authenticate(over...)
}

// withAuth adds the param to a request, unless there is none.
func (p *player) withAuth(request m, a auth, at, protocolAt int, over ...[]byte) m {
	if a == authNone {
		return request
	}
	return request.with(m{at: p.param(a, over...), protocolAt: max(p.tok.protocol, 1)})
}

func relyingParty(p *player) string { return pick(p, rpID, "a.example", "b.example") }

func (p *player) makes() {
	q := refCreation{
		rp: relyingParty(p), user: pick(p, "one", "two", "three"), discoverable: p.chance(60), protect: 1 + p.dice.IntN(3),
		upFalse: p.chance(3), unknownAlg: p.chance(3), auth: p.someAuth(),
	}
	if p.chance(40) {
		q.exclude = p.someIDs()
	}
	params := []any{pick(p, es256, eddsa)}
	if q.unknownAlg {
		params = []any{s{"alg": -999, "type": "public-key"}}
	}
	request := m{
		1: hash[:], 2: s{"id": q.rp}, 3: s{"id": []byte(q.user), "name": q.user}, 4: params, 6: s{"credProtect": q.protect},
		7: s{"rk": q.discoverable},
	}
	if q.upFalse {
		request[7] = s{"rk": q.discoverable, "up": false}
	}
	if len(q.exclude) > 0 {
		request[5] = descriptors(q.exclude...)
	}
	want, uv := p.is.make(q)
	body := p.expects(want, cmdMakeCredential, p.withAuth(request, q.auth, 8, 9, hash[:]))
	if want == statusOK {
		p.wasMade(q, uv, body)
	}
}

// wasMade holds a new credential against the model, which then has it.
func (p *player) wasMade(q refCreation, uv bool, body map[any]any) {
	p.t.Helper()
	d := parseAuthDataOf(p.t, q.rp, body)
	p.counted(d.count)
	if got := d.flags&flagUV != 0; got != uv || d.flags&flagUP == 0 {
		p.t.Fatalf("flags %02x, verified %v", d.flags, uv)
	}
	if level := d.extensions["credProtect"]; level != uint64(q.protect) {
		p.t.Fatalf("credProtect is %v, asked %d", level, q.protect)
	}
	if p.is.find(d.id) >= 0 {
		p.t.Fatalf("the ID %x is another credential's", d.id)
	}
	if i := slices.IndexFunc(p.is.made, func(c refCredential) bool { return c.sameAccount(q) }); i >= 0 {
		p.is.forget(i)
	}
	p.is.made = append(p.is.made, refCredential{made{d, body}, q.rp, q.user, q.discoverable, q.protect})
}

// counted wants counters to grow.
func (p *player) counted(count uint32) {
	p.t.Helper()
	if count <= p.is.lastCount {
		p.t.Fatalf("counter %d after %d", count, p.is.lastCount)
	}
	p.is.lastCount = count
}

func (p *player) asserts() {
	q := refAssertion{rp: relyingParty(p), quiet: p.chance(20), auth: p.someAuth()}
	request := m{1: q.rp, 2: otherHash[:]}
	if p.chance(60) {
		q.allow = p.someIDs()
	}
	if len(q.allow) > 0 {
		request[3] = descriptors(q.allow...)
	}
	if q.quiet {
		request[5] = s{"up": false}
	}
	want, uv, ids := p.is.assert(q)
	body := p.expects(want, cmdGetAssertion, p.withAuth(request, q.auth, 6, 7, otherHash[:]))
	if want != statusOK {
		return
	}
	flags := byte(0)
	if !q.quiet {
		flags |= flagUP
	}
	if uv {
		flags |= flagUV
	}
	p.wasAsserted(q.rp, ids[0], flags, body)
	if n := body[uint64(5)]; len(ids) > 1 && n != uint64(len(ids)) || len(ids) == 1 && n != nil {
		p.t.Fatalf("%v credentials, the model has %d", n, len(ids))
	}
	if len(ids) > 1 {
		p.is.next = &refNext{ids[1:], p.is.now, uv, flags}
		for p.is.next != nil && p.chance(70) {
			p.goesOn()
		}
	}
}

// wasAsserted holds an assertion against the model.
func (p *player) wasAsserted(rp string, id []byte, flags byte, body map[any]any) {
	p.t.Helper()
	d := parseAuthDataOf(p.t, rp, body)
	p.counted(d.count)
	used := body[uint64(1)].(map[any]any)["id"].([]byte)
	i := p.is.find(used)
	if !bytes.Equal(used, id) || d.flags != flags {
		p.t.Fatalf("credential %x with flags %02x, the model wants %x with %02x", used, d.flags, id, flags)
	}
	c := p.is.made[i]
	c.verify(p.t, append(bytes.Clone(d.raw), otherHash[:]...), body[uint64(3)].([]byte))
	user, _ := body[uint64(4)].(map[any]any)
	if c.discoverable != (user != nil) || user != nil && string(user["id"].([]byte)) != c.user {
		p.t.Fatalf("user %v, the model has %q", user, c.user)
	}
}

func (p *player) goesOn() {
	n := p.is.next
	if n == nil || p.is.now.Sub(n.last) > 30*time.Second || n.byToken && p.is.live() == nil {
		p.is.next = nil
		p.expects(0x30, cmdGetNextAssertion, nil)
		return
	}
	body := p.expects(statusOK, cmdGetNextAssertion, nil)
	rp := p.is.made[p.is.find(n.ids[0])].rp
	p.wasAsserted(rp, n.ids[0], n.flags, body)
	if n.ids, n.last = n.ids[1:], p.is.now; len(n.ids) == 0 {
		p.is.next = nil
	}
}

// agreed is a key agreement, which is a command.
func (p *player) agreed() *platform {
	p.t.Helper()
	p.sent++
	p.is.next = nil
	return p.agree(2)
}

func somePIN(p *player) string { return pick(p, "1234", "567890", "12345678", "123", "üüüü") }

func (p *player) setsPIN() {
	pin := somePIN(p)
	want := byte(statusOK)
	switch {
	case p.is.pin != "":
		want = 0x33
	case !p.is.allows(pin):
		want = 0x37
	}
	p.expects(want, cmdClientPIN, p.agreed().setPIN(pin))
	if want == statusOK {
		p.is.pin, p.is.retries, p.is.mustChange = pin, allRetries, false
	}
}

// guess is mostly the right PIN.
func (p *player) guess() string {
	if p.chance(75) {
		return p.is.pin
	}
	return "9999"
}

func (p *player) changesPIN() {
	old, fresh := p.guess(), somePIN(p)
	want := p.is.try(old)
	if want == statusOK && (!p.is.allows(fresh) || p.is.mustChange && fresh == p.is.pin) {
		want = 0x37
	}
	p.expects(want, cmdClientPIN, p.agreed().changePIN(old, fresh))
	if want == statusOK {
		p.is.pin, p.is.retries, p.is.mustChange, p.is.token, p.is.persistent = fresh, allRetries, false, nil, false
	}
}

func (p *player) takesToken() {
	permissions := pick(p, 1, 2, 3, 3, permCM, permLBW, permACFG, permCM|permLBW|permACFG, permPCMR, permBE, permPCMR|permCM, 0)
	bound := pick[any](p, absent{}, rpID, "a.example")
	if permissions&3 != 0 && p.chance(90) {
		bound = relyingParty(p)
	}
	pin := p.guess()
	request := p.agreed()
	want := p.granted(permissions, bound == any(absent{}))
	if want == statusOK {
		want = p.is.try(pin)
		if want == statusOK && p.is.mustChange {
			want = 0x37
		}
	}
	body := p.expects(want, cmdClientPIN, request.getTokenWith(pin, permissions, bound))
	if want != statusOK {
		return
	}
	token, err := pinuv.NewToken(pinuv.Two, request.decrypt(body[uint64(2)].([]byte)))
	if err != nil {
		p.t.Fatal(err)
	}
	if permissions == permPCMR {
		p.kept, p.is.persistent = &tok{2, token}, true
		return
	}
	p.tok, p.is.token = tok{2, token}, &refToken{issued: p.is.now, permissions: permissions}
	if rp, ok := bound.(string); ok {
		p.is.token.rp = rp
	}
}

// granted is the status for permissions that are asked for.
func (p *player) granted(permissions int, unbound bool) byte {
	switch {
	case permissions == 0:
		return 0x02
	case permissions&permBE != 0, permissions&permPCMR != 0 && permissions != permPCMR:
		return 0x40
	case permissions&3 != 0 && unbound:
		return 0x14
	}
	return statusOK
}

func (p *player) retriesAre() {
	body := p.expects(statusOK, cmdClientPIN, m{2: 1})
	if body[uint64(3)] != uint64(p.is.retries) || body[uint64(4)] != any(p.is.mismatches >= 3) {
		p.t.Fatalf("retries %v, blocked %v; %s", body[uint64(3)], body[uint64(4)], p.is)
	}
}

func (p *player) manages() {
	a := p.someAuth()
	switch p.dice.IntN(4) {
	case 0:
		p.readsMetadata(a)
	case 1:
		p.lists(a)
	case 2:
		p.readsPersistently()
	default:
		p.deletes(a)
	}
}

// reads is the status for what looks at all relying parties.
func (p *player) reads(a auth) byte {
	switch {
	case a == authNone:
		return 0x36
	case !p.is.verify(a, permCM, ""), p.is.token.rp != "":
		return statusStale
	}
	return statusOK
}

// cred is a request of credential management.
func (p *player) cred(a auth, sub int, params m) m {
	if a == authNone {
		return m{1: sub}.with(m{2: params}.without(params == nil))
	}
	if a == authGood && p.tok.token != nil {
		return p.tok.cm(sub, params)
	}
	return m{1: sub, 3: 2, 4: make([]byte, 32)}.with(m{2: params}.without(params == nil))
}

// without is the request, or nothing.
func (base m) without(all bool) m {
	if all {
		return m{}
	}
	return base
}

func (p *player) readsMetadata(a auth) {
	want := p.reads(a)
	body := p.expects(want, cmdCredMgmt, p.cred(a, 1, nil))
	if want == statusOK && (body[uint64(1)] != uint64(p.is.stored()) || body[uint64(2)] != uint64(room-p.is.stored())) {
		p.t.Fatalf("metadata %v, the model has %d", body, p.is.stored())
	}
}

func (p *player) lists(a auth) {
	rp := relyingParty(p)
	var users []string
	for _, c := range p.is.made {
		if c.discoverable && c.rp == rp {
			users = append(users, fmt.Sprint(c.user, c.protect))
		}
	}
	want := p.reads(a)
	if want == statusOK && len(users) == 0 {
		want = 0x2e
	}
	body := p.expects(want, cmdCredMgmt, p.cred(a, 4, m{1: rpHash(rp)}))
	if want != statusOK {
		return
	}
	if body[uint64(9)] != uint64(len(users)) {
		p.t.Fatalf("%v credentials, the model has %d", body[uint64(9)], len(users))
	}
	for i, user := range users {
		if i > 0 {
			body = p.expects(statusOK, cmdCredMgmt, m{1: 5})
		}
		if got := fmt.Sprint(string(body[uint64(6)].(map[any]any)["id"].([]byte)), body[uint64(10)]); got != user {
			p.t.Fatalf("%s, the model has %s", got, user)
		}
	}
	p.expects(0x30, cmdCredMgmt, m{1: 5})
}

// readsPersistently uses the persistent token, to read and to delete.
func (p *player) readsPersistently() {
	if p.kept == nil {
		return
	}
	want := byte(statusOK)
	if !p.is.persistent {
		want = statusStale
	}
	p.expects(want, cmdCredMgmt, p.kept.cm(1, nil))
	if len(p.is.made) > 0 {
		p.expects(statusStale, cmdCredMgmt, p.kept.cm(6, m{2: descriptorOf(p.is.made[0].id)}))
	}
}

func (p *player) deletes(a auth) {
	ids := p.someIDs()
	if len(ids) == 0 {
		return
	}
	i := p.is.find(ids[0])
	there := i >= 0 && p.is.made[i].discoverable
	want := byte(statusOK)
	switch {
	case a == authNone:
		want = 0x36
	case !p.is.verify(a, permCM, ""), p.is.token.rp != "" && (!there || p.is.made[i].rp != p.is.token.rp):
		want = statusStale
	case !there:
		want = 0x2e
	}
	p.expects(want, cmdCredMgmt, p.cred(a, 6, m{2: descriptorOf(ids[0])}))
	if want == statusOK {
		p.is.forget(i)
	}
}

func (p *player) configures() {
	a := p.someAuth()
	sub, params := 2, m(nil)
	length := 4 + p.dice.IntN(3)
	if p.chance(60) {
		sub, params = 3, m{1: length}
	}
	want := p.authorised(a, permACFG, sub == 2)
	if want == statusOK && sub == 3 && length < p.is.minPIN {
		want = 0x37
	}
	request := m{1: sub}.with(m{2: params}.without(params == nil))
	switch {
	case a == authGood && p.tok.token != nil:
		request = p.tok.acfg(sub, params)
	case a != authNone:
		request = request.with(m{3: 2, 4: make([]byte, 32)})
	}
	p.expects(want, cmdConfig, request)
	switch {
	case want != statusOK:
	case sub == 2:
		p.is.alwaysUV = !p.is.alwaysUV
	default:
		p.is.minPIN = length
		if p.is.pin != "" && len([]rune(p.is.pin)) < length {
			p.is.mustChange, p.is.token, p.is.persistent = true, nil, false
		}
	}
}

// authorised is the status of a command that wants a token where there is anything
// to get one with. Switching alwaysUv off wants none on a key without a PIN.
func (p *player) authorised(a auth, permission int, toggles bool) byte {
	switch {
	case !p.is.protected() && (!p.is.alwaysUV || toggles):
		return statusOK
	case a == authNone:
		return 0x36
	case !p.is.verify(a, permission, ""):
		return statusStale
	}
	return statusOK
}

func (p *player) writesBlobs() {
	a := p.someAuth()
	blobs := array(17 + p.dice.IntN(100))
	broken := p.chance(20)
	if broken {
		blobs[len(blobs)-1] ^= 1
	}
	want := p.authorised(a, permLBW, false)
	if want == statusOK && broken {
		want = 0x3d
	}
	request := m{2: blobs, 3: 0, 4: len(blobs)}
	switch {
	case a == authGood && p.tok.token != nil:
		request = p.tok.lb(request)
	case a != authNone:
		request = request.with(m{5: make([]byte, 32), 6: 2})
	}
	p.expects(want, cmdLargeBlobs, request)
	if want == statusOK {
		p.is.blobs = blobs
	}
	p.readsBlobs()
}

func (p *player) readsBlobs() {
	want := p.is.blobs
	if want == nil {
		want = unhex(p.t, "8076be8b528d0075f7aae98d6fa57a6d3c")
	}
	if got := p.expects(statusOK, cmdLargeBlobs, m{1: 500, 3: 0})[uint64(1)].([]byte); !bytes.Equal(got, want) {
		p.t.Fatalf("blobs %x, the model has %x", got, want)
	}
}

func (p *player) informs() {
	info := p.expects(statusOK, cmdGetInfo, nil)
	options := info[uint64(4)].(map[any]any)
	got := fmt.Sprint(options["clientPin"], options["alwaysUv"], options["makeCredUvNotRqd"], info[uint64(0x0c)], info[uint64(0x0d)], info[uint64(0x14)])
	want := fmt.Sprint(p.is.pin != "", p.is.alwaysUV, !p.is.alwaysUV, p.is.mustChange, p.is.minPIN, room-p.is.stored())
	if got != want {
		p.t.Fatalf("getInfo says %s, the model %s", got, want)
	}
}

func (p *player) resets() {
	if p.is.now.Sub(p.is.poweredUp) > 10*time.Second {
		p.expects(0x30, cmdReset, nil)
		if p.chance(50) {
			return
		}
		p.cyclesPower()
	}
	p.expects(statusOK, cmdReset, nil)
	p.is.reset()
	p.informs()
	p.readsBlobs()
}

func (p *player) cyclesPower() {
	p.key.PowerCycle()
	p.is.powerCycle()
}

// reloads takes the key out of its store again.
func (p *player) reloads() {
	p.load()
	p.is.powerCycle()
}

func (p *player) waits() {
	p.is.now = p.is.now.Add(pick(p, time.Second, 9*time.Second, 31*time.Second, 11*time.Minute))
}

// attacks sends what cannot be right: the key has to refuse it, and to be as
// before.
func (p *player) attacks() {
	msg := message(p.t, pick[byte](p, cmdMakeCredential, cmdGetAssertion, cmdClientPIN, cmdCredMgmt, cmdConfig, cmdLargeBlobs), pick(p,
		discoverable("one"), creation(), assertion(), m{1: 2, 2: 3, 3: m{1: 2, 3: -25}, 4: []byte{1}, 5: make([]byte, 64)}, m{1: 6, 2: m{2: descriptorOf([]byte{1})}},
		m{1: 3, 2: m{1: 4}}, m{2: make([]byte, 40), 3: 0},
	))
	switch p.dice.IntN(6) {
	case 0:
		msg = msg[:1+p.dice.IntN(len(msg)-1)]
	case 1:
		msg = append(msg, byte(p.dice.IntN(256)))
	case 2:
		msg = append([]byte{msg[0]}, slices.Concat([]byte{0xbf}, msg[2:], []byte{0xff})...)
	case 3:
		msg = append([]byte{msg[0], 0xb8, msg[1] & 0x1f}, msg[2:]...)
	case 4:
		msg = append([]byte{pick[byte](p, 0x00, 0x03, 0x05, 0x0e, 0x3f, 0x42, 0x80, 0xff)}, msg[1:]...)
	default:
		msg = append([]byte{msg[0]}, noise(p, 1+p.dice.IntN(60))...)
	}
	before := p.sent
	if status, _ := p.sends(msg); status == statusOK {
		p.t.Fatalf("after %d commands: %x is accepted", before, msg)
	}
}

// noise is bytes that are no CBOR map: their first one is not the head of one.
func noise(p *player, n int) []byte {
	b := make([]byte, n)
	for i := range b {
		b[i] = byte(p.dice.IntN(256))
	}
	if b[0]>>5 == 5 {
		b[0] ^= 0x80
	}
	return b
}
