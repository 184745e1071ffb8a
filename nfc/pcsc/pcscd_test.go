//go:build cgo && pcsc && linux

// The whole way on a real daemon: a software card behind the vpcd driver,
// pcscd, libpcsclite, this package, nfc.Applet. As any user, in a network of
// its own, because the driver listens on all interfaces:
//
//	go test -tags pcsc -c -o /tmp/pcsc.test ./nfc/pcsc
//	unshare --user --map-root-user --net --mount sh -c '
//		ip link set lo up && mount -t tmpfs none /run
//		pcscd --foreground & daemon=$!
//		until [ -S /run/pcscd/pcscd.comm ] || ! kill -0 $daemon; do :; done
//		TOUCHSTONE_PCSCD=1 /tmp/pcsc.test -test.v -test.run Pcscd; status=$?
//		kill $daemon; wait $daemon; exit $status'
package pcsc

import (
	"bytes"
	"cmp"
	"context"
	"errors"
	"net"
	"os"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/ebfe/scard"

	"github.com/touchstone-fido/touchstone/nfc"
	"github.com/touchstone-fido/touchstone/nfc/vpcd"
)

// The first byte of a message tells the handler below what to do.
const (
	cmdEcho  = 0x10 // status 0 and the message back
	cmdTouch = 0x11 // ask for a touch until touched
)

type authenticator struct {
	touched chan struct{}
	cycles  chan struct{}
	started func() // if set, called when a touch is waited for
}

func (a *authenticator) Message(ctx context.Context, msg []byte, keepalive func(byte)) []byte {
	if msg[0] != cmdTouch {
		return append([]byte{0}, msg...)
	}
	keepalive(2)
	if a.started != nil {
		a.started()
	}
	select {
	case <-a.touched:
		return []byte{0}
	case <-ctx.Done():
		return []byte{0x2D}
	}
}

func (a *authenticator) PowerCycle() { a.cycles <- struct{}{} }

// rig is a card in the reader of a running pcscd.
type rig struct {
	t      *testing.T
	ctx    context.Context
	auth   *authenticator
	card   vpcd.CardDevice
	conn   net.Conn
	served chan error
	reader string
	left   chan struct{} // closed when what was to go away has gone
}

func newRig(t *testing.T) *rig { return newRigOf(t, nil, nil) }

// newRigOf is a rig with another card than the usual one, or another ATR.
func newRigOf(t *testing.T, card vpcd.CardDevice, atr []byte) *rig {
	if os.Getenv("TOUCHSTONE_PCSCD") != "1" {
		t.Skip("NOT RUN: needs pcscd with the vpcd driver and TOUCHSTONE_PCSCD=1; see the top of pcscd_test.go")
	}
	ctx, cancel := context.WithTimeout(t.Context(), 3*time.Minute)
	t.Cleanup(cancel)
	r := &rig{
		t: t, ctx: ctx, served: make(chan error, 1), left: make(chan struct{}),
		auth:   &authenticator{touched: make(chan struct{}), cycles: make(chan struct{}, 100)},
		reader: cmp.Or(os.Getenv("TOUCHSTONE_PCSCD_READER"), "Virtual PCD 00 00"),
	}
	r.awaitEmpty() // the service may still see the card of the test before
	if card == nil {
		emulator := nfc.NewEmulator(r.auth, nfc.EmulatorConfig{MaxMessage: 60000})
		t.Cleanup(func() { emulator.Close() })
		card = emulator
	}
	r.card = card
	r.conn = r.insert(card, atr)
	if err := Wait(ctx, r.reader); err != nil {
		t.Fatalf("the card never came: %v", err)
	}
	return r
}

func (r *rig) awaitEmpty() {
	r.t.Helper()
	ctx, err := scard.EstablishContext()
	if err != nil {
		r.t.Fatal(err)
	}
	defer ctx.Release()
	for r.ctx.Err() == nil {
		if left, err := becomes(ctx, r.reader, false, noticing); left || err != nil {
			return
		}
	}
	r.t.Fatal("there is a card in the reader")
}

func (r *rig) insert(card vpcd.CardDevice, atr []byte) net.Conn {
	var d net.Dialer
	conn, err := d.DialContext(r.ctx, "tcp", cmp.Or(os.Getenv("TOUCHSTONE_VPCD"), vpcd.Addr))
	if err != nil {
		r.t.Fatalf("no virtual reader: %v", err)
	}
	go func() { r.served <- vpcd.Serve(r.ctx, conn, card, atr) }()
	r.t.Cleanup(func() { conn.Close() })
	return conn
}

func (r *rig) open() nfc.Card {
	r.t.Helper()
	card, err := Open(r.ctx, r.reader)
	if err != nil {
		r.t.Fatal(err)
	}
	r.t.Cleanup(func() { card.Close() })
	return card
}

func (r *rig) applet(cfg nfc.Config) *nfc.Applet {
	r.t.Helper()
	key, err := nfc.Open(r.ctx, r.open(), cfg)
	if err != nil {
		r.t.Fatal(err)
	}
	return key
}

func (r *rig) find() Reader {
	r.t.Helper()
	readers, err := List(r.ctx)
	if err != nil {
		r.t.Fatal(err)
	}
	i := slices.IndexFunc(readers, func(x Reader) bool { return x.Name == r.reader })
	if i < 0 {
		r.t.Fatalf("no %q among %+v", r.reader, readers)
	}
	return readers[i]
}

func TestPcscdList(t *testing.T) {
	r := newRig(t)
	got := r.find()
	if !got.CardPresent || got.Err != nil || !bytes.Equal(got.ATR, vpcd.DefaultATR()) {
		t.Errorf("reader is %+v, want our card, %x", got, vpcd.DefaultATR())
	}
	if _, err := Open(r.ctx, "No such reader"); !errors.Is(err, ErrNoReader) {
		t.Errorf("opening an unknown reader: %v", err)
	}
	if _, err := Open(r.ctx, strings.TrimSuffix(r.reader, "0")+"1"); !errors.Is(err, ErrNoCard) {
		t.Errorf("opening an empty reader: %v", err)
	}
}

func TestPcscdExchange(t *testing.T) {
	for name, encoding := range map[string]nfc.Encoding{"short": nfc.EncodingShort, "extended": nfc.EncodingExtended} {
		t.Run(name, func(t *testing.T) {
			r := newRig(t)
			status := byte(0)
			key := r.applet(nfc.Config{
				Encoding:    encoding,
				Poll:        10 * time.Millisecond,
				OnKeepalive: func(k nfc.Keepalive) { status = k.Status; r.touch() },
			})
			defer key.Close()
			if key.Version() != "FIDO_2_0" {
				t.Errorf("version %q", key.Version())
			}
			for _, n := range []int{1, 240, 255, 256, 1200} {
				r.echo(key, n)
			}
			answer, err := key.Exchange(r.ctx, []byte{cmdTouch})
			if err != nil || !bytes.Equal(answer, []byte{0}) || status != 2 {
				t.Errorf("touch: answer %x, keepalive %d, %v", answer, status, err)
			}
		})
	}
}

func (r *rig) touch() {
	select {
	case r.auth.touched <- struct{}{}:
	default:
	}
}

func (r *rig) echo(key *nfc.Applet, n int) {
	r.t.Helper()
	msg := bytes.Repeat([]byte{cmdEcho}, n)
	begin := time.Now()
	answer, err := key.Exchange(r.ctx, msg)
	if err != nil || !bytes.Equal(answer, append([]byte{0}, msg...)) {
		r.t.Errorf("echo of %d bytes: %d bytes back, %v", n, len(answer), err)
	}
	r.t.Logf("echo of %d bytes: %v", n, time.Since(begin))
}

// The daemon carries extended APDUs up to what 16 bits of length can frame.
func TestPcscdLargest(t *testing.T) {
	r := newRig(t)
	key := r.applet(nfc.Config{Encoding: nfc.EncodingExtended, OmitLe: true})
	defer key.Close()
	for _, n := range []int{7609, 30000, 60000} {
		r.echo(key, n)
	}
}

func TestPcscdCancel(t *testing.T) {
	r := newRig(t)
	ctx, cancel := context.WithCancel(r.ctx)
	key := r.applet(nfc.Config{Poll: 10 * time.Millisecond, OnKeepalive: func(nfc.Keepalive) { cancel() }})
	defer key.Close()
	answer, err := key.Exchange(ctx, []byte{cmdTouch})
	if err != nil || !bytes.Equal(answer, []byte{0x2D}) {
		t.Errorf("cancelled: answer %x, %v", answer, err)
	}
	r.echo(key, 1)
}

// A command that cannot be interrupted runs on; the card stays usable.
func TestPcscdAbandon(t *testing.T) {
	r := newRig(t)
	card := r.open()
	touch := []byte{0x80, 0x10, 0x00, 0x00, 0x01, cmdTouch, 0x00} // without polling
	if _, err := card.Transmit(r.ctx, []byte("\x00\xA4\x04\x00\x08"+string(nfc.AID))); err != nil {
		t.Fatal(err)
	}
	for _, busy := range []bool{false, true} {
		ctx, cancel := context.WithTimeout(r.ctx, 50*time.Millisecond)
		defer cancel()
		_, err := card.Transmit(ctx, touch)
		if !errors.Is(err, context.DeadlineExceeded) || errors.Is(err, ErrBusy) != busy {
			t.Errorf("abandoned: %v, want busy: %t", err, busy)
		}
	}
	r.auth.touched <- struct{}{}
	key, err := nfc.Open(r.ctx, card, nfc.Config{})
	if err != nil {
		t.Fatal(err)
	}
	r.echo(key, 1)
}

// Other programs wait for us, and their reset is not missed.
func TestPcscdOtherProgram(t *testing.T) {
	r := newRig(t)
	key := r.applet(nfc.Config{})
	defer key.Close()
	begin := time.Now()
	r.echo(key, 1)
	other := r.applet(nfc.Config{}) // has to wait until we have been idle for a while
	if waited := time.Since(begin); waited < grace {
		t.Errorf("the other program came in after %v", waited)
	}
	if err := other.Close(); err != nil {
		t.Fatal(err)
	}

	ctx, err := scard.EstablishContext()
	if err != nil {
		t.Fatal(err)
	}
	defer ctx.Release()
	rude, err := ctx.Connect(r.reader, scard.ShareShared, scard.ProtocolAny)
	if err != nil {
		t.Fatal(err)
	}
	if err := rude.Disconnect(scard.ResetCard); err != nil {
		t.Fatal(err)
	}
	if _, err := key.Exchange(r.ctx, []byte{cmdEcho}); !errors.Is(err, ErrReset) {
		t.Errorf("after a reset: %v", err)
	}
	r.echo(key, 1) // selected again
}

func TestPcscdExclusive(t *testing.T) {
	r := newRig(t)
	ctx, err := scard.EstablishContext()
	if err != nil {
		t.Fatal(err)
	}
	defer ctx.Release()
	selfish, err := ctx.Connect(r.reader, scard.ShareExclusive, scard.ProtocolAny)
	if err != nil {
		t.Fatal(err)
	}
	if got := r.find(); !got.CardPresent || !errors.Is(got.Err, ErrInUse) {
		t.Errorf("reader is %+v, want ErrInUse", got)
	}
	begin := time.Now()
	_, err = Open(r.ctx, r.reader)
	wantKind(t, err, "open", ErrInUse)
	if took := time.Since(begin); took < patience-retry || took > 2*patience || !strings.Contains(err.Error(), "exclusively") {
		t.Errorf("given up after %v: %v", took, err)
	}
	if err := selfish.Disconnect(scard.LeaveCard); err != nil {
		t.Fatal(err)
	}
	r.open()
}
