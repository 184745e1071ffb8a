package virtual_test

import (
	"flag"
	"fmt"
	"math/rand/v2"
	"slices"
	"testing"
	"time"
	"unicode/utf8"

	"github.com/touchstone-fido/touchstone/devices/virtual"
)

// modelCommands is how many commands the model test sends.
var modelCommands = flag.Int("model.commands", 6000, "how many commands to hold against the reference model")

// modelSeed begins the model test's choices.
var modelSeed = flag.Uint64("model.seed", 1, "seed of the commands that are held against the reference model")

// reference is what a key of the default model may do, in maps and lists and with
// none of the key's own code: the rules of CTAP 2.3 as a platform sees them.
type reference struct {
	now, poweredUp time.Time

	pin        string // empty for none
	retries    int
	mismatches int // in a row since power-up
	minPIN     int
	mustChange bool
	alwaysUV   bool

	made      []refCredential // that exist, oldest first
	gone      [][]byte        // IDs of those that were deleted, replaced or reset
	lastCount uint32
	blobs     []byte

	token      *refToken
	persistent bool // the persistent token that the test has is good
	next       *refNext
}

// refCredential is a credential.
type refCredential struct {
	made
	rp, user     string
	discoverable bool
	protect      int
}

// refToken is the pinUvAuthToken in use.
type refToken struct {
	issued      time.Time
	used        bool
	permissions int
	rp          string // empty while it is bound to none
	spent       bool
}

// refNext is what authenticatorGetNextAssertion may go on with.
type refNext struct {
	ids     [][]byte
	last    time.Time
	byToken bool
	flags   byte
}

const (
	room        = 6 // discoverable credentials of the key in the test
	allRetries  = 8
	statusOK    = 0x00
	statusStale = 0x33
)

// live is the token after time had its say.
func (m *reference) live() *refToken {
	if t := m.token; t != nil {
		age := m.now.Sub(t.issued)
		if !t.used && age > 30*time.Second || age > 10*time.Minute {
			m.token = nil
		}
	}
	return m.token
}

func (m *reference) protected() bool { return m.pin != "" }

// auth is the pinUvAuthParam of a request.
type auth int

const (
	authNone  auth = iota
	authGood       // of the token that the test got last
	authWrong      // of no token
)

// verify is whether a pinUvAuthParam is good for the permission, at a relying
// party unless rp is empty.
func (m *reference) verify(a auth, permission int, rp string) bool {
	t := m.live()
	if a != authGood || t == nil {
		return false
	}
	t.used = true
	switch {
	case t.spent && permission != permLBW, t.permissions&permission == 0:
		return false
	case rp == "":
		return true
	case t.rp == "":
		t.rp = rp
	}
	return t.rp == rp
}

// spend uses the token up.
func (m *reference) spend() {
	if m.token != nil {
		m.token.spent = true
		m.token.permissions &= permLBW
	}
}

// uvWanted is the status for a request that lacks a param on a key with alwaysUv.
func (m *reference) uvWanted(a auth) byte {
	if m.alwaysUV && !(m.protected() && a != authNone) {
		return 0x36
	}
	return statusOK
}

// visible is whether credProtect lets a credential be used.
func (c *refCredential) visible(uv, byID bool) bool {
	return c.protect < 2 || uv || c.protect == 2 && byID
}

// find is the index of the credential with that ID, -1 for none.
func (m *reference) find(id []byte) int {
	return slices.IndexFunc(m.made, func(c refCredential) bool { return slices.Equal(c.id, id) })
}

// stored is how many discoverable credentials there are.
func (m *reference) stored() (n int) {
	for _, c := range m.made {
		if c.discoverable {
			n++
		}
	}
	return n
}

// forget moves a credential to those that are gone.
func (m *reference) forget(i int) {
	m.gone = append(m.gone, m.made[i].id)
	m.made = slices.Delete(m.made, i, i+1)
}

// creation is a makeCredential of the test.
type refCreation struct {
	rp, user     string
	discoverable bool
	protect      int
	exclude      [][]byte
	upFalse      bool
	unknownAlg   bool
	auth         auth
}

// make is what the key has to answer, in the order of CTAP 2.3 §6.1.2, and whether
// the user was verified.
func (m *reference) make(q refCreation) (status byte, uv bool) {
	switch {
	case q.unknownAlg:
		return 0x26, false
	case q.upFalse:
		return 0x2c, false
	case m.uvWanted(q.auth) != statusOK:
		return m.uvWanted(q.auth), false
	case m.protected() && q.auth == authNone && (q.discoverable || m.alwaysUV):
		return 0x36, false
	}
	if q.auth != authNone && m.protected() {
		if !m.verify(q.auth, 0x01, q.rp) {
			return statusStale, false
		}
		uv = true
	}
	for _, id := range q.exclude {
		if i := m.find(id); i >= 0 && m.made[i].rp == q.rp && m.made[i].visible(uv, true) {
			return 0x19, uv
		}
	}
	m.spend()
	replaces := slices.ContainsFunc(m.made, func(c refCredential) bool { return c.sameAccount(q) })
	if q.discoverable && !replaces && m.stored() == room {
		return 0x28, uv
	}
	return statusOK, uv
}

func (c *refCredential) sameAccount(q refCreation) bool {
	return c.discoverable && q.discoverable && c.rp == q.rp && c.user == q.user
}

// refAssertion is a getAssertion of the test.
type refAssertion struct {
	rp    string
	allow [][]byte
	quiet bool // up=false
	auth  auth
}

// assert is what the key has to answer, in the order of CTAP 2.3 §6.2.2, and with
// which credentials, the first one first.
func (m *reference) assert(q refAssertion) (status byte, uv bool, ids [][]byte) {
	if s := m.uvWanted(q.auth); s != statusOK && !q.quiet {
		return s, false, nil
	}
	if q.auth != authNone && m.protected() {
		if !m.verify(q.auth, 0x02, q.rp) {
			return statusStale, false, nil
		}
		uv = true
	}
	ids = m.locate(q, uv)
	if len(ids) == 0 {
		return 0x2e, uv, nil
	}
	if !q.quiet {
		m.spend()
	}
	return statusOK, uv, ids
}

func (m *reference) locate(q refAssertion, uv bool) (ids [][]byte) {
	for _, id := range q.allow {
		if i := m.find(id); i >= 0 && m.made[i].rp == q.rp && m.made[i].visible(uv, true) {
			return [][]byte{id}
		}
	}
	if len(q.allow) > 0 {
		return nil
	}
	for _, c := range slices.Backward(m.made) {
		if c.discoverable && c.rp == q.rp && c.visible(uv, false) {
			ids = append(ids, c.id)
		}
	}
	return ids
}

// usable is the status when a PIN cannot be tried.
func (m *reference) usable() byte {
	switch {
	case m.pin == "":
		return 0x35
	case m.retries == 0:
		return 0x32
	case m.mismatches >= 3:
		return 0x34
	}
	return statusOK
}

// try is what a PIN that is tried costs.
func (m *reference) try(pin string) byte {
	if s := m.usable(); s != statusOK {
		return s
	}
	if pin == m.pin {
		m.retries, m.mismatches = allRetries, 0
		return statusOK
	}
	m.retries--
	m.mismatches++
	switch {
	case m.retries == 0:
		return 0x32
	case m.mismatches >= 3:
		return 0x34
	}
	return 0x31
}

// allows is whether a new PIN is long enough.
func (m *reference) allows(pin string) bool { return utf8.RuneCountInString(pin) >= m.minPIN }

// powerCycle is what a key forgets without power.
func (m *reference) powerCycle() {
	m.token, m.next, m.mismatches, m.poweredUp = nil, nil, 0, m.now
}

// reset is what a reset leaves.
func (m *reference) reset() {
	for len(m.made) > 0 {
		m.forget(0)
	}
	m.pin, m.retries, m.minPIN, m.mustChange, m.alwaysUV = "", allRetries, 4, false, false
	m.lastCount, m.blobs, m.persistent = 0, nil, false
	at := m.poweredUp
	m.powerCycle()
	m.poweredUp = at
}

// player sends commands to a key and holds it against the model.
type player struct {
	*rig
	is   *reference
	dice *rand.Rand
	sent int
	tok  tok  // the last token
	kept *tok // the last persistent token
}

// TestModel sends long sequences of commands, well-formed and hostile, and wants
// nothing of the key that the model forbids.
func TestModel(t *testing.T) {
	p := newPlayer(t)
	p.session(*modelCommands)
	t.Logf("%d commands", p.sent)
}

// session sends at least n commands.
func (p *player) session(n int) {
	for p.sent = 0; p.sent < n; {
		p.play()
	}
}

// TestModelFindsFaults plays on keys with faults, of which the model must find
// those that are about what it has rules for.
func TestModelFindsFaults(t *testing.T) {
	for _, fault := range []virtual.FaultID{
		"mc-exclude-list-ignored", "mc-param-unchecked", "mc-uv-not-demanded", "ga-other-rp", "ga-param-unchecked", "ga-oldest-first",
		"next-repeats-first", "pin-wrong-is-free", "pin-no-auth-block", "pin-retries-in-memory", "pin-change-keeps-token",
		"token-permission-unchecked", "token-rp-unchecked", "token-not-spent", "token-survives-power", "token-never-expires",
		"cm-permission-unchecked", "cm-bound-token-reads-all", "cm-delete-does-nothing", "cfg-min-pin-lowered",
		"lb-token-not-needed", "reset-keeps-pin", "reset-keeps-credentials", "reset-keeps-blobs", "reset-any-time",
		"ext-protect-2-as-1", "ext-protect-3-as-2", "ctr-stuck", "ctr-falls", "state-credential-lost",
	} {
		t.Run(string(fault), func(t *testing.T) {
			t.Parallel()
			if found(t, fault, 20000) == "" {
				t.Error("the model does not mind")
			}
		})
	}
}

// found is what the model finds wrong with a key within n commands.
func found(t *testing.T, fault virtual.FaultID, n int) (what string) {
	defer func() {
		if why, ok := recover().(stopped); ok {
			what = string(why)
		}
	}()
	newPlayer(stopper{t}, fault).session(n)
	return ""
}

func newPlayer(t testing.TB, faults ...virtual.FaultID) *player {
	now := time.Unix(1e9, 0)
	p := &player{
		is:   &reference{now: now, poweredUp: now, retries: allRetries, minPIN: 4},
		dice: rand.New(rand.NewPCG(*modelSeed, 0)),
	}
	p.rig = newRig(t, model(func(p *virtual.Profile) { p.MaxCredentials = room }), func(c *virtual.Config) {
		c.Now, c.Faults = func() time.Time { return p.is.now }, faults
	})
	return p
}

// moves are what a player can do, with how often.
var moves = []struct {
	weight int
	move   func(*player)
}{
	{30, (*player).makes}, {40, (*player).asserts}, {20, (*player).goesOn}, {10, (*player).setsPIN},
	{12, (*player).changesPIN}, {25, (*player).takesToken}, {8, (*player).retriesAre}, {15, (*player).manages},
	{6, (*player).configures}, {8, (*player).writesBlobs}, {8, (*player).informs}, {2, (*player).resets},
	{4, (*player).cyclesPower}, {8, (*player).waits}, {3, (*player).reloads}, {40, (*player).attacks},
}

func (p *player) play() {
	total := 0
	for _, m := range moves {
		total += m.weight
	}
	n := p.dice.IntN(total)
	for _, m := range moves {
		if n -= m.weight; n < 0 {
			m.move(p)
			return
		}
	}
}

// expects sends a request and wants the status of the model.
func (p *player) expects(want byte, cmd byte, params m) map[any]any {
	p.t.Helper()
	status, body := p.sends(message(p.t, cmd, params))
	if status != want {
		p.t.Fatalf("after %d commands: %s: status %02x, the model wants %02x; %s", p.sent, label(message(p.t, cmd, params)), status, want, p.is)
	}
	if len(body) == 0 {
		return nil
	}
	return decode(p.t, body)
}

func (p *player) sends(msg []byte) (byte, []byte) {
	p.t.Helper()
	p.sent++
	p.heard, p.tape = p.heard[:0], p.tape[:0]
	if msg[0] != cmdGetNextAssertion {
		p.is.next = nil
	}
	return p.raw(msg)
}

// String is the state of the model, for a failure.
func (m *reference) String() string {
	return fmt.Sprintf("PIN %q, retries %d, mismatches %d, at least %d, must change %v, alwaysUv %v, %d credentials, token %+v",
		m.pin, m.retries, m.mismatches, m.minPIN, m.mustChange, m.alwaysUV, len(m.made), m.token)
}
