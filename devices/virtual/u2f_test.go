package virtual_test

import (
	"bytes"
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/sha256"
	"crypto/x509"
	"encoding/asn1"
	"encoding/binary"
	"fmt"
	"maps"
	"testing"
	"testing/synctest"
	"time"

	"github.com/touchstone-fido/touchstone/devices/virtual"
)

// Instructions and controls of CTAP1.
const (
	insRegister     = 1
	insAuthenticate = 2
	insVersion      = 3
	checkOnly       = 7
	enforce         = 3
	dontEnforce     = 8
)

// u2f sends a command with extended lengths and returns data and status word.
func (r *rig) u2f(ins, p1 byte, data []byte) ([]byte, int) {
	r.t.Helper()
	return r.apdu(extended(ins, p1, data))
}

func (r *rig) apdu(command []byte) ([]byte, int) {
	r.t.Helper()
	touches := r.touches()
	answer := r.key.U2F(r.ctx, command)
	r.heard = append(r.heard, string(answer))
	r.tape = append(r.tape, exchange{label: fmt.Sprintf("U2F %x", command[min(1, len(command)):min(2, len(command))]), touches: r.touches() - touches, u2f: true, answer: answer})
	n := len(answer) - 2
	if n < 0 {
		r.t.Fatalf("answer %x", answer)
	}
	sw := int(binary.BigEndian.Uint16(answer[n:]))
	if sw != 0x9000 && n > 0 {
		r.t.Fatalf("status word %04x with data %x", sw, answer[:n])
	}
	return answer[:n], sw
}

func (r *rig) wantSW(want int, ins, p1 byte, data []byte) {
	r.t.Helper()
	if _, got := r.u2f(ins, p1, data); got != want {
		r.t.Fatalf("instruction %02x, P1 %02x: status word %04x, want %04x", ins, p1, got, want)
	}
}

// extended is a command with extended lengths, as platforms send it over USB.
func extended(ins, p1 byte, data []byte) []byte {
	b := []byte{0, ins, p1, 0, 0}
	b = binary.BigEndian.AppendUint16(b, uint16(len(data)))
	return append(append(b, data...), 0, 0)
}

// polled sends a command until there was a touch. A user who touches at once may
// still be too late for the first request.
func (r *rig) polled(ins, p1 byte, data []byte) []byte {
	r.t.Helper()
	for range 100 {
		answer, sw := r.u2f(ins, p1, data)
		if sw == 0x9000 {
			return answer
		}
		if sw != 0x6985 {
			r.t.Fatalf("status word %04x", sw)
		}
	}
	r.t.Fatal("no touch")
	return nil
}

// challenged is the data of a request: the challenge is hash, the application
// that of rpID.
func challenged(handle ...byte) []byte {
	data := append(bytes.Clone(hash[:]), rpHash(rpID)...)
	if handle == nil {
		return data
	}
	return append(append(data, byte(len(handle))), handle...)
}

// registered is a registration taken apart by hand.
type registered struct {
	point, handle, cert, sig []byte
}

func (r *rig) register() registered {
	r.t.Helper()
	b := r.polled(insRegister, 3, challenged())
	if b[0] != 5 || b[1] != 4 {
		r.t.Fatalf("registration %x", b)
	}
	n := int(b[66])
	reg := registered{point: b[1:66], handle: b[67 : 67+n]}
	var raw asn1.RawValue
	rest, err := asn1.Unmarshal(b[67+n:], &raw)
	if err != nil {
		r.t.Fatal(err)
	}
	reg.cert, reg.sig = raw.FullBytes, rest
	return reg
}

// signedBy checks an ES256 signature with a point.
func signedBy(t testing.TB, point, message, sig []byte) {
	t.Helper()
	public, err := ecdsa.ParseUncompressedPublicKey(elliptic.P256(), point)
	if err != nil {
		t.Fatal(err)
	}
	digest := sha256.Sum256(message)
	if !ecdsa.VerifyASN1(public, digest[:], sig) {
		t.Fatal("signature is wrong")
	}
}

// authenticated checks the answer to an authentication and returns its counter.
func (reg registered) authenticated(t testing.TB, flags byte, b []byte) uint32 {
	t.Helper()
	expect(t, "flags", b[0], flags)
	message := append(rpHash(rpID), b[:5]...)
	signedBy(t, reg.point, append(message, hash[:]...), b[5:])
	return binary.BigEndian.Uint32(b[1:])
}

func TestU2FRegistration(t *testing.T) {
	r := newRig(t)
	reg := r.register()
	expect(t, "size of the handle", len(reg.handle), 64)
	cert, err := x509.ParseCertificate(reg.cert)
	if err != nil {
		t.Fatal(err)
	}
	if err := cert.CheckSignatureFrom(r.key.AttestationRoot()); err != nil {
		t.Fatal(err)
	}
	for _, e := range cert.Extensions {
		if e.Id.String() == "1.3.6.1.4.1.45724.1.1.4" {
			t.Error("the certificate of CTAP1 names a model of CTAP2")
		}
	}
	public, err := cert.PublicKey.(*ecdsa.PublicKey).Bytes()
	if err != nil {
		t.Fatal(err)
	}
	message := bytes.Join([][]byte{{0}, rpHash(rpID), hash[:], reg.handle, reg.point}, nil)
	signedBy(t, public, message, reg.sig)
	second := r.register()
	expect(t, "same certificate", bytes.Equal(second.cert, reg.cert), true)
	expect(t, "same handle", bytes.Equal(second.handle, reg.handle), false)
	r.ok(cmdReset, nil)
	expect(t, "same certificate after a reset", bytes.Equal(r.register().cert, reg.cert), true)
	r.wantSW(0x6a80, insAuthenticate, checkOnly, challenged(reg.handle...))
}

func TestU2FAuthentication(t *testing.T) {
	r := newRig(t)
	reg := r.register()
	touches := r.touches()
	r.wantSW(0x6985, insAuthenticate, checkOnly, challenged(reg.handle...))
	expect(t, "touches for check-only", r.touches(), touches)
	first := reg.authenticated(t, 1, r.polled(insAuthenticate, enforce, challenged(reg.handle...)))
	expect(t, "touches", r.touches(), touches+1)
	b, sw := r.u2f(insAuthenticate, dontEnforce, challenged(reg.handle...))
	expect(t, "status word", sw, 0x9000)
	expect(t, "counter", reg.authenticated(t, 0, b), first+1)
	expect(t, "touches", r.touches(), touches+1)
	r.load()
	expect(t, "counter", reg.authenticated(t, 1, r.polled(insAuthenticate, enforce, challenged(reg.handle...))), first+2)
	r.setPIN() // a PIN changes nothing
	r.polled(insAuthenticate, enforce, challenged(reg.handle...))
}

func TestU2FRequests(t *testing.T) {
	r := newRig(t)
	reg := r.register()
	long := append(bytes.Clone(reg.handle), 0)
	elsewhere := append(append(bytes.Clone(hash[:]), rpHash("other.example")...), challenged(reg.handle...)[64:]...)
	overstated := challenged(reg.handle...)
	overstated[64]++
	for _, test := range []struct {
		name    string
		command []byte
		want    int
	}{
		{"nothing", nil, 0x6700},
		{"three bytes", []byte{0, 3, 0}, 0x6700},
		{"version, no lengths", []byte{0, 3, 0, 0}, 0x9000},
		{"version, short Le", []byte{0, 3, 0, 0, 0}, 0x9000},
		{"version, extended Le", []byte{0, 3, 0, 0, 0, 0, 0}, 0x9000},
		{"version, extended Le of 256", []byte{0, 3, 0, 0, 0, 1, 0}, 0x9000},
		{"version with data", extended(insVersion, 0, []byte{1}), 0x6700},
		{"version with P1", extended(insVersion, 9, nil), 0x9000},
		{"class 80", []byte{0x80, 3, 0, 0}, 0x6e00},
		{"unknown instruction", []byte{0, 4, 0, 0}, 0x6d00},
		{"vendor instruction", []byte{0, 0x40, 0, 0}, 0x6d00},
		{"Lc over the data", []byte{0, 1, 0, 0, 5, 1}, 0x6700},
		{"Lc under the data", append([]byte{0, 1, 0, 0, 1}, 1, 2, 3), 0x6700},
		{"extended Lc over the data", []byte{0, 1, 0, 0, 0, 1, 0, 1}, 0x6700},
		{"extended Lc of 0", []byte{0, 1, 0, 0, 0, 0, 0, 1}, 0x6700},
		{"short Lc of 0 and something", []byte{0, 3, 0, 0, 0, 1}, 0x6700},
		{"Lc cut", []byte{0, 1, 0, 0, 0, 1}, 0x6700},
		{"register without data", extended(insRegister, 0, nil), 0x6700},
		{"register with 63 bytes", extended(insRegister, 0, challenged()[:63]), 0x6700},
		{"register with 65 bytes", extended(insRegister, 0, append(challenged(), 0)), 0x6700},
		{"authenticate without data", extended(insAuthenticate, enforce, nil), 0x6700},
		{"authenticate without handle", extended(insAuthenticate, enforce, challenged()), 0x6700},
		{"authenticate with a cut handle", extended(insAuthenticate, enforce, challenged(reg.handle...)[:100]), 0x6700},
		{"authenticate with a long handle", extended(insAuthenticate, enforce, append(challenged(reg.handle...), 0)), 0x6700},
		{"authenticate, length overstated", extended(insAuthenticate, enforce, overstated), 0x6700},
		{"empty handle", extended(insAuthenticate, enforce, append(challenged(), 0)), 0x6a80},
		{"short handle", extended(insAuthenticate, enforce, challenged(reg.handle[:63]...)), 0x6a80},
		{"longer handle", extended(insAuthenticate, checkOnly, challenged(long...)), 0x6a80},
		{"handle of 255 bytes", extended(insAuthenticate, checkOnly, challenged(make([]byte, 255)...)), 0x6a80},
		{"another application", extended(insAuthenticate, checkOnly, elsewhere), 0x6a80},
		{"unknown control", extended(insAuthenticate, 0, challenged(reg.handle...)), 0x6a86},
	} {
		before := r.records()
		if _, got := r.apdu(test.command); got != test.want {
			t.Errorf("%s: status word %04x, want %04x", test.name, got, test.want)
		}
		expect(t, "records are the same", maps.Equal(before, r.records()), true)
	}
	for i := range reg.handle {
		bad := bytes.Clone(reg.handle)
		bad[i] ^= 0x80
		r.wantSW(0x6a80, insAuthenticate, checkOnly, challenged(bad...))
	}
}

// Short and extended encodings, with and without Le, mean the same.
func TestEncodingsOfU2F(t *testing.T) {
	r := newRig(t)
	reg := r.register()
	data := challenged(reg.handle...)
	short := append([]byte{0, insAuthenticate, dontEnforce, 0, byte(len(data))}, data...)
	long := extended(insAuthenticate, dontEnforce, data)
	for _, command := range [][]byte{short, append(bytes.Clone(short), 0), long, long[:len(long)-2]} {
		b, sw := r.apdu(command)
		expect(t, "status word", sw, 0x9000)
		reg.authenticated(t, 0, b)
	}
	version, sw := r.apdu([]byte{0, 3, 0, 0})
	expect(t, "version", fmt.Sprintf("%s %04x", version, sw), "U2F_V2 9000")
}

func TestU2FTouch(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := newRig(t, func(c *virtual.Config) { c.Presence = virtual.Delayed(450 * time.Millisecond) })
		start := time.Now()
		r.wantSW(0x6985, insRegister, 0, challenged())
		expect(t, "the answer comes at once", time.Since(start) < 50*time.Millisecond, true)
		for range 3 {
			time.Sleep(100 * time.Millisecond)
			r.wantSW(0x6985, insRegister, 0, challenged())
		}
		time.Sleep(100 * time.Millisecond)
		r.wantSW(0x9000, insRegister, 0, challenged())
		expect(t, "touches", r.touches(), 1)
		r.wantSW(0x6985, insRegister, 0, challenged()) // one touch serves one request
		time.Sleep(time.Second)
		r.wantSW(0x9000, insVersion, 0, nil)
		r.wantSW(0x9000, insRegister, 0, challenged()) // touched meanwhile
		r.wantSW(0x6985, insRegister, 0, challenged())
		time.Sleep(time.Minute) // nobody asked for the touch any more
		r.wantSW(0x6985, insRegister, 0, challenged())
		r.ok(cmdGetInfo, nil) // CTAP2 ends the wait
		time.Sleep(time.Second)
		r.wantSW(0x6985, insRegister, 0, challenged())
		r.key.PowerCycle()
	})
}

func TestUserWhoDoesNotTouchForU2F(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		for _, presence := range []virtual.Presence{virtual.Denied(), virtual.Delayed(time.Hour)} {
			r := newRig(t, func(c *virtual.Config) { c.Presence = presence })
			before := r.records()
			for range 3 {
				r.wantSW(0x6985, insRegister, 0, challenged())
				time.Sleep(20 * time.Second)
			}
			expect(t, "records are the same", maps.Equal(before, r.records()), true)
			if err := r.key.Close(); err != nil {
				t.Fatal(err)
			}
			r.wantSW(0x6f00, insVersion, 0, nil)
		}
	})
}

// A credential of CTAP1 is one of CTAP2 that is not discoverable.
func TestU2FCredentialsInCTAP2(t *testing.T) {
	r := newRig(t)
	reg := r.register()
	a := r.assert(assertion(reg.handle))
	signedBy(t, reg.point, append(bytes.Clone(a.raw), otherHash[:]...), a.body[uint64(3)].([]byte))
	expect(t, "credential", bytes.Equal(a.id, reg.handle), true)
	r.want(0x19, cmdMakeCredential, creation().with(m{5: descriptors(reg.handle)}))
	r.want(0x2e, cmdGetAssertion, assertion(reg.handle).with(m{1: "other.example"}))
	count := reg.authenticated(t, 1, r.polled(insAuthenticate, enforce, challenged(reg.handle...)))
	expect(t, "one counter for both", r.assert(assertion(reg.handle)).count, count+1)

	// The appid extension is the platform's: it sends the AppID as rpId.
	const appID = "https://example.com/app-id.json"
	application := append(bytes.Clone(hash[:]), rpHash(appID)...)
	b := r.polled(insRegister, 0, application)
	handle := b[67 : 67+64]
	r.ok(cmdGetAssertion, assertion(handle).with(m{1: appID}))
}

// And the other way, where the model says so.
func TestCTAP2CredentialsInU2F(t *testing.T) {
	r := newRig(t)
	for _, test := range []struct {
		name    string
		request m
		want    int
	}{
		{"not discoverable", creation(), 0x6985},
		{"credProtect 2", creation().with(m{6: s{"credProtect": 2}}), 0x6985},
		{"credProtect 3", creation().with(m{6: s{"credProtect": 3}}), 0x6a80},
		{"Ed25519", creation().with(m{4: []any{eddsa}}), 0x6a80},
		{"discoverable", discoverable("one"), 0x6a80},
	} {
		c := r.make(test.request)
		_, got := r.u2f(insAuthenticate, checkOnly, challenged(c.id...))
		expect(t, test.name, got, test.want)
		if test.want != 0x6985 {
			continue
		}
		point := append([]byte{4}, c.key[int64(-2)].([]byte)...)
		reg := registered{point: append(point, c.key[int64(-3)].([]byte)...)}
		reg.authenticated(t, 1, r.polled(insAuthenticate, enforce, challenged(c.id...)))
	}
	c := r.make(creation())
	r.become(func(p *virtual.Profile) { p.U2F.CTAP2Credentials = false })
	r.wantSW(0x6a80, insAuthenticate, checkOnly, challenged(c.id...))
	reg := r.register()
	r.wantSW(0x6985, insAuthenticate, checkOnly, challenged(reg.handle...))
}

func TestAlwaysUVEndsU2F(t *testing.T) {
	r := newRig(t)
	reg := r.register()
	r.ok(cmdConfig, m{1: 2})
	for _, version := range r.info()[uint64(1)].([]any) {
		expect(t, "a version is U2F_V2", version == "U2F_V2", false)
	}
	r.wantSW(0x6986, insVersion, 0, nil)
	r.wantSW(0x6986, insRegister, 0, challenged())
	r.wantSW(0x6986, insAuthenticate, checkOnly, challenged(reg.handle...))
	r.ok(cmdConfig, m{1: 2})
	r.wantSW(0x9000, insVersion, 0, nil)
}

func TestModelWithoutU2F(t *testing.T) {
	r := newRig(t, model(func(p *virtual.Profile) { p.Versions = []string{"FIDO_2_1"} }))
	r.wantSW(0x6d00, insVersion, 0, nil)
	for name := range r.records() {
		expect(t, "record "+name+" is the U2F certificate's", name == "attestation/u2f", false)
	}
	r.become(func(p *virtual.Profile) { p.Versions = []string{"FIDO_2_1", "U2F_V2"} })
	r.register() // the certificate was issued now
}

func TestModelWithU2FOnly(t *testing.T) {
	r := newRig(t, model(func(p *virtual.Profile) {
		*p = virtual.Profile{Versions: []string{"U2F_V2"}, MaxMessage: 1024, MaxCredentials: 0}
	}))
	for cmd := range 0x100 {
		r.want(0x01, byte(cmd), nil)
	}
	reg := r.register()
	reg.authenticated(t, 1, r.polled(insAuthenticate, enforce, challenged(reg.handle...)))
}

func TestU2FOverNFC(t *testing.T) {
	nfc := func(c *virtual.Config) { c.Transport, c.Presence = virtual.NFC, virtual.Denied() }
	r := newRig(t, nfc)
	r.register() // being there is touch enough
	expect(t, "touches", r.touches(), 0)
	r = newRig(t, nfc, model(func(p *virtual.Profile) { p.Field = virtual.FieldProfile{Window: time.Minute, Uses: 1} }))
	r.wantSW(0x9000, insRegister, 0, challenged())
	r.wantSW(0x6985, insRegister, 0, challenged())
	r.key.PowerCycle()
	r.wantSW(0x9000, insRegister, 0, challenged())
}

func TestU2FCounters(t *testing.T) {
	for policy, want := range map[virtual.CounterPolicy][2]uint32{
		virtual.CounterGlobal: {1, 3}, virtual.CounterPerCredential: {1, 2}, virtual.CounterNone: {0, 0},
	} {
		r := newRig(t, model(func(p *virtual.Profile) { p.Counter = policy }))
		reg := r.register()
		first := reg.authenticated(t, 1, r.polled(insAuthenticate, enforce, challenged(reg.handle...)))
		r.make(discoverable("one"))
		second := reg.authenticated(t, 1, r.polled(insAuthenticate, enforce, challenged(reg.handle...)))
		expect(t, fmt.Sprint("counts under policy ", policy), [2]uint32{first, second}, want)
	}
}

func TestU2FIsBusy(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := newRig(t, waiting)
		done := make(chan struct{})
		ctx, cancel := context.WithCancel(context.Background())
		go func() {
			defer close(done)
			r.key.Message(ctx, []byte{cmdSelection}, nil)
		}()
		synctest.Wait()
		r.wantSW(0x6f00, insVersion, 0, nil)
		cancel()
		<-done
		r.wantSW(0x9000, insVersion, 0, nil)
	})
}

func TestU2FStoreFails(t *testing.T) {
	r := newRig(t)
	reg := r.register()
	r.cfg.Store = &pulledPlug{Store: r.cfg.Store}
	r.load()
	r.wantSW(0x6f00, insAuthenticate, dontEnforce, challenged(reg.handle...))
	r.cfg.Rand = bytes.NewReader(nil)
	r.load()
	var sw int
	for range 100 {
		if _, sw = r.u2f(insRegister, 0, challenged()); sw != 0x6985 {
			break
		}
	}
	expect(t, "status word without randomness", sw, 0x6f00)
}
