package nfc

import "context"

// Protocol is the transmission protocol between reader and card (ISO 7816-3).
type Protocol int

// Protocols, as PC/SC tells them apart. ISO 14443-4 shows as T=1 on most
// readers, and as T=0 on a few.
const (
	ProtocolUnknown Protocol = iota
	ProtocolT0               // bytes: no answer to a command with data, no extended lengths
	ProtocolT1               // blocks
	ProtocolRaw              // none that the reader knows
)

var protocolNames = map[Protocol]string{ProtocolT0: "T=0", ProtocolT1: "T=1", ProtocolRaw: "raw"}

// String is the usual name, such as "T=1", or "unknown".
func (p Protocol) String() string {
	if name, ok := protocolNames[p]; ok {
		return name
	}
	return "unknown"
}

// Traits is what the reader's side of a connection knows about it. Whatever is
// zero is not known.
type Traits struct {
	Protocol Protocol
	// MaxAPDU is the most bytes that the reader carries in one APDU, commands
	// with their header and responses with their status word. A reader for
	// short APDUs carries 261.
	MaxAPDU int
	// ATR is the card's answer to reset, or the one that the reader made up
	// for a contactless card (PC/SC part 3, §3.1.3.2.3).
	ATR []byte
}

// Room is the most bytes of data that a short command APDU carries over the
// connection: 255, or less where the reader takes less.
func (t Traits) Room() int {
	if t.MaxAPDU < minMaxAPDU {
		return maxShortNc
	}
	return min(maxShortNc, t.MaxAPDU-(maxShortAPDU-maxShortNc))
}

// maxShortAPDU is the longest short command: header, Lc, data, Le. A reader
// that carries no more has no room for extended lengths.
const maxShortAPDU = 4 + 1 + maxShortNc + 1

// minMaxAPDU is the least MaxAPDU that is believed: a SELECT must fit.
const minMaxAPDU = 32

// traited is a card that knows its traits.
type traited interface {
	Traits(ctx context.Context) (Traits, error)
}

// claimer is a card that other programs use too.
type claimer interface {
	Claim(ctx context.Context, waiting func()) error
}

// traits asks the card's side what it knows, which may be nothing.
func (t *transaction) traits() (Traits, error) {
	card, ok := t.card.(traited)
	if !ok {
		return Traits{}, nil
	}
	traits, err := card.Traits(t.ctx)
	if traits.MaxAPDU < minMaxAPDU {
		traits.MaxAPDU = 0
	}
	return traits, err
}

// claim waits until the card is free for this transaction.
func (t *transaction) claim() error {
	card, ok := t.card.(claimer)
	if !ok {
		return nil
	}
	return card.Claim(t.ctx, func() {
		t.tell(Decision{About: AboutWaiting, Is: "waiting", Why: "another program holds the card"})
	})
}
