//go:build cgo && pcsc && linux

package pcsc

import (
	"bytes"
	"context"
	"reflect"
	"sync"
	"testing"
	"time"

	"github.com/touchstone-fido/touchstone/nfc"
	"github.com/touchstone-fido/touchstone/nfc/nfctest"
	"github.com/touchstone-fido/touchstone/nfc/vpcd"
)

// changing is a card in the reader behind which the real one can be changed:
// taking one out and putting another in takes the service a second.
type changing struct {
	mu   sync.Mutex
	card *nfc.Emulator
}

func (c *changing) put(card *nfc.Emulator) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.card = card
}

func (c *changing) present() *nfc.Emulator {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.card
}

func (c *changing) Transmit(ctx context.Context, apdu []byte) ([]byte, error) {
	return c.present().Transmit(ctx, apdu)
}

func (c *changing) Reset() { c.present().Reset() }

// contactATR is the ATR of a contact card whose historical bytes say that it
// takes extended lengths, or nothing.
func contactATR(t *testing.T, p nfc.Protocol, extended bool) []byte {
	t.Helper()
	historical := []byte("Touchstone")
	if extended {
		historical = []byte{0x80, 0x73, 0x00, 0x00, 0xC0}
	}
	atr, err := vpcd.ContactATR(p, historical)
	if err != nil {
		t.Fatal(err)
	}
	return atr
}

// The whole matrix of cards behind the real service, with the protocol that
// the card's ATR offers.
func TestPcscdMatrix(t *testing.T) {
	for _, p := range []nfc.Protocol{nfc.ProtocolT0, nfc.ProtocolT1} {
		t.Run(p.String(), func(t *testing.T) {
			slot := &changing{card: nfc.NewEmulator(&nfctest.Echo{}, nfc.EmulatorConfig{})}
			atr := contactATR(t, p, false)
			r := newRigOf(t, slot, atr)
			r.wantTraits(nfc.Traits{Protocol: p, ATR: atr})
			for _, cell := range nfctest.Cells(true) {
				if cell.Protocol != p {
					continue
				}
				t.Run(cell.Name, func(t *testing.T) {
					key := &nfctest.Echo{}
					emulator := nfc.NewEmulator(key, cell.Card)
					defer emulator.Close()
					slot.put(emulator)
					card, err := Open(r.ctx, r.reader)
					if err != nil {
						t.Fatal(err)
					}
					cell.Play(t, r.ctx, key, card, nfc.Config{Poll: time.Millisecond})
				})
			}
		})
	}
}

func (r *rig) wantTraits(want nfc.Traits) {
	r.t.Helper()
	c := r.open().(*card)
	defer c.Close()
	got, err := c.Traits(r.ctx)
	if got.MaxAPDU != 0 {
		r.t.Skipf("NOT RUN: this vpcd driver tells that it carries %d bytes, for which the matrix has other outcomes", got.MaxAPDU)
	}
	if err != nil || !reflect.DeepEqual(got, want) {
		r.t.Fatalf("traits %+v, %v, want %+v", got, err, want)
	}
}

// A card whose ATR says so is spoken to with extended APDUs once the reader has
// carried one.
func TestPcscdExtended(t *testing.T) {
	key := &nfctest.Echo{}
	emulator := nfc.NewEmulator(key, nfc.EmulatorConfig{MaxMessage: 60000})
	defer emulator.Close()
	atr := contactATR(t, nfc.ProtocolT1, true)
	r := newRigOf(t, emulator, atr)
	r.wantTraits(nfc.Traits{Protocol: nfc.ProtocolT1, ATR: atr})
	a := r.applet(nfc.Config{})
	defer a.Close()
	want := nfc.Choice[nfc.Encoding]{Value: nfc.EncodingExtended, Why: "the reader carried 1024 bytes and the card said so in its ATR"}
	if got := a.Manner().Encoding; got != want {
		t.Errorf("encoding %+v, want %+v", got, want)
	}
	for _, n := range []int{1, 255, 256, 1024, 30000} {
		answer, err := a.Exchange(r.ctx, bytes.Repeat([]byte{1}, n))
		if err != nil || len(answer) != n+1 {
			t.Errorf("%d bytes: %d back, %v", n, len(answer), err)
		}
	}
}
