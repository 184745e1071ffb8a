package nfc

import (
	"errors"
	"fmt"
	"time"
)

// Encoding is how an [Applet] writes a message into command APDUs. Cards must
// take both (CTAP 2.3 §11.3.5); some readers and older cards take short only.
type Encoding int

const (
	// EncodingAuto begins with short APDUs and finds out what reader and card
	// are good for, from the card's [Traits], from harmless SELECTs, and from
	// what the card refuses. A message goes out again, in another form, only
	// when the card has refused its form and so cannot have run it.
	EncodingAuto Encoding = iota
	// EncodingShort sends short APDUs: a long message is chained, a long
	// answer is fetched with GET RESPONSE (CTAP 2.3 §11.3.6).
	EncodingShort
	// EncodingExtended sends each message in one APDU with extended lengths.
	EncodingExtended
)

var encodingNames = map[Encoding]string{EncodingAuto: "auto", EncodingShort: "short", EncodingExtended: "extended"}

// String is "auto", "short" or "extended".
func (e Encoding) String() string { return encodingNames[e] }

// Sizes of the parts of a chained message in bytes.
const (
	DefaultChunkSize = 240        // readers that put their own header around it still take it
	MaxChunkSize     = maxShortNc // all that a short APDU carries
)

// ChainPoll is which parts of a chained message say that the client can poll.
// Clients differ; cards must heed the last part.
type ChainPoll int

const (
	// ChainPollAll sets the bit on every part.
	ChainPollAll ChainPoll = iota
	// ChainPollLast sets the bit on the last part only.
	ChainPollLast
)

// Keepalive is one "not yet" of a card (CTAP 2.3 §11.3.7.2).
type Keepalive struct {
	// Status is 1 while the card is processing, 2 while it waits for the user,
	// 0 if the card sent no status byte.
	Status byte
	// Since is the time since the message was sent.
	Since time.Duration
}

// Config says how to speak to a card. The zero value is right for real cards;
// the switches exist for odd readers and for replaying what others recorded.
type Config struct {
	// Encoding is found out unless set. With one that is set, every message is
	// written as these switches say, whatever reader and card make of it.
	Encoding Encoding
	// ChunkSize is the most bytes of a message in one short APDU, 1 to
	// [MaxChunkSize]. 0 is [DefaultChunkSize]. EncodingAuto may go below it.
	ChunkSize int
	// OmitLe leaves Le out of every command.
	OmitLe bool
	// NoPoll says that this client cannot poll, so that the card must hold the
	// answer to a message back until it has it. A card that puts the client
	// off with 9100 all the same is polled: it can, and the answer counts.
	NoPoll bool
	// ChainPoll is which parts of a chain announce polling.
	ChainPoll ChainPoll
	// Opening holds the command APDUs that open the applet; the answer to the
	// last must be 9000 with the version. nil is one SELECT by AID.
	Opening [][]byte

	// Poll is the time between two polls. 0 is 100 ms.
	Poll time.Duration
	// Drain is how long to wait for a card's last word after a cancel. 0 is 3 s.
	Drain time.Duration
	// Timeout is the longest that one exchange may take before it is cancelled
	// with [ErrTimeout]. 0 is 5 minutes.
	Timeout time.Duration
	// MaxAnswer is the most bytes that an answer may have. 0 is 64 KiB.
	MaxAnswer int

	// OnKeepalive, if set, is called from within Exchange for every status
	// update until the exchange is cancelled. It must not call the applet.
	OnKeepalive func(Keepalive)
	// OnDecision, if set, is called from within Open and Exchange when
	// EncodingAuto decides on its [Manner] or changes it, and while another
	// program keeps the card. It must not call the applet, but for Manner.
	OnDecision func(Decision)
}

// withDefaults fills in what is zero and refuses what cannot be meant.
func (c Config) withDefaults() (Config, error) {
	set(&c.ChunkSize, DefaultChunkSize)
	set(&c.Poll, 100*time.Millisecond)
	set(&c.Drain, 3*time.Second)
	set(&c.Timeout, 5*time.Minute)
	set(&c.MaxAnswer, 64<<10)
	if c.ChunkSize < 1 || c.ChunkSize > MaxChunkSize {
		return c, fmt.Errorf("chunk size %d is not within 1 to %d", c.ChunkSize, MaxChunkSize)
	}
	if c.Poll < 0 || c.Drain < 0 || c.Timeout < 0 || c.MaxAnswer < 0 {
		return c, errors.New("a limit is negative")
	}
	return c, nil
}

func set[T comparable](v *T, def T) {
	var zero T
	if *v == zero {
		*v = def
	}
}

// auto says whether the applet finds out how to speak.
func (c Config) auto() bool { return c.Encoding == EncodingAuto }

// opening is the commands that open the applet.
func (c Config) opening() ([]Command, error) {
	if c.Opening == nil {
		return []Command{c.command(selectCommand())}, nil
	}
	var cmds []Command
	for i, apdu := range c.Opening {
		cmd, err := ParseCommand(apdu)
		if err != nil {
			return nil, fmt.Errorf("opening APDU %d: %w", i+1, err)
		}
		cmds = append(cmds, cmd)
	}
	if len(cmds) == 0 {
		return nil, fmt.Errorf("%w: no opening APDU", ErrMalformed)
	}
	return cmds, nil
}

func selectCommand() Command {
	return Command{CLA: ClassISO, INS: INSSelect, P1: P1ByName, Data: AID}
}

// message is the NFCCTAP_MSG that carries msg (CTAP 2.3 §11.3.7.1).
func (c Config) message(msg []byte, extended bool) Command {
	cmd := Command{CLA: ClassCTAP, INS: INSMessage, Data: msg, Extended: extended}
	if !c.NoPoll {
		cmd.P1 = P1Poll
	}
	return c.command(cmd)
}

// poll is the NFCCTAP_GETRESPONSE (CTAP 2.3 §11.3.7.2): p1 is 0, or P1Cancel.
func (c Config) poll(p1 byte, extended bool) Command {
	return c.command(Command{CLA: ClassCTAP, INS: INSPoll, P1: p1, Extended: extended})
}

// command asks for all of the answer, unless Le is to be left out.
func (c Config) command(cmd Command) Command {
	switch {
	case c.OmitLe:
	case cmd.Extended:
		cmd.Ne = maxExtendedNe
	default:
		cmd.Ne = maxShortNe
	}
	return cmd
}
