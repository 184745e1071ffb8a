package ctaphid

import (
	"context"
	"crypto/rand"
	"fmt"
	"io"
	"sync"
	"sync/atomic"
	"time"
)

const (
	defaultSilence = 30 * time.Second
	defaultDrain   = 3 * time.Second
	initSilence    = 3 * time.Second        // a key answers INIT at once or never
	busyPause      = 100 * time.Millisecond // between two tries at a busy key
	writeLimit     = 5 * time.Second        // for all reports of one message
)

// Keepalive is one sign of life of a key at work (CTAP 2.3 §11.2.9.1.7).
type Keepalive struct {
	Status KeepaliveStatus
	Since  time.Duration // since the request was sent
}

// Config says how a [Channel] behaves. The zero Config is good for hardware.
type Config struct {
	// Rand gives the nonces of INIT; crypto/rand if nil.
	Rand io.Reader
	// ReportSize is the bytes of a report; 64 if zero.
	ReportSize int
	// OnKeepalive is called for every KEEPALIVE packet, in order, by the
	// goroutine that waits for the answer. It may end that call's context; it
	// must not use the channel.
	OnKeepalive func(Keepalive)
	// Silence is how long the channel may bring nothing while an answer is
	// due; 30 s if zero. The answer to INIT is due within 3 s at most.
	Silence time.Duration
	// Drain is how long to wait for the key's last word when the context of a
	// request has ended; 3 s if zero.
	Drain time.Duration
	// Channel, when not zero, is a channel that is known already: Open sends
	// nothing, and versions and capabilities are unknown and zero. It is for
	// recordings that begin in mid-session.
	Channel ChannelID
}

func (cfg Config) withDefaults() Config {
	if cfg.Rand == nil {
		cfg.Rand = rand.Reader
	}
	if cfg.ReportSize == 0 {
		cfg.ReportSize = ReportSize
	}
	if cfg.Silence == 0 {
		cfg.Silence = defaultSilence
	}
	if cfg.Drain == 0 {
		cfg.Drain = defaultDrain
	}
	return cfg
}

func (cfg Config) check() error {
	if cfg.ReportSize < MinReportSize {
		return fmt.Errorf("report size %d is below %d", cfg.ReportSize, MinReportSize)
	}
	if cfg.Channel == BroadcastCID {
		return fmt.Errorf("the broadcast channel %v cannot be used as one's own", cfg.Channel)
	}
	return nil
}

// Channel is the host's end of one channel to a key (CTAP 2.3 §11.2). Its
// methods may be called at the same time; they take turns, and waiting for
// the turn ends with the context. All errors are of type [Error].
//
// When a context ends, the packets of a message that has begun are still
// sent, a CBOR request is cancelled, and the answer that comes within
// Config.Drain is returned as if nothing had been. After a failure that
// leaves a request half-done, the next one begins with an INIT to get back in
// step; after ERR_INVALID_CHANNEL, with a new channel. A busy key is asked
// again every 100 ms until the context ends, or for Config.Silence when it has
// no deadline.
type Channel struct {
	conn    ReportConn
	cfg     Config
	session atomic.Pointer[session]
	turn    chan struct{} // holds a token while a transaction runs
	closed  chan struct{}
	close   sync.Once

	// What follows belongs to the holder of the turn.
	step    step
	asm     *Assembler
	in, out []byte // one report each
}

// session is what the last answer to INIT said.
type session struct {
	id       ChannelID
	protocol byte
	version  [3]byte
	caps     Capability
}

// step says how far host and key agree on what was said.
type step int

const (
	inStep    step = iota // the last request has its answer
	outOfStep             // a request or its answer is half-done: INIT on the channel
	noChannel             // the key does not know the channel: INIT on broadcast
)

// Open asks the key on conn for a channel (CTAP 2.3 §11.2.9.1.3) and returns
// it. It ignores answers to other programs. When Open fails, conn is still the
// caller's to close; afterwards it is the channel's.
func Open(ctx context.Context, conn ReportConn, cfg Config) (*Channel, error) {
	cfg = cfg.withDefaults()
	if err := cfg.check(); err != nil {
		return nil, &Error{Op: "open", Err: err}
	}
	c := &Channel{
		conn:   conn,
		cfg:    cfg,
		turn:   make(chan struct{}, 1),
		closed: make(chan struct{}),
		asm:    NewAssembler(cfg.ReportSize),
		in:     make([]byte, cfg.ReportSize),
		out:    make([]byte, cfg.ReportSize),
	}
	c.session.Store(&session{id: cfg.Channel})
	if cfg.Channel == 0 {
		c.step = noChannel
	}
	err := c.inTurn(ctx, func() error { return c.synchronise(ctx) })
	if err != nil {
		return nil, c.failure("open", err)
	}
	return c, nil
}

// ID is the channel. It changes when the key forgot it and gave another one.
func (c *Channel) ID() ChannelID { return c.session.Load().id }

// ProtocolVersion is the version of the framing, 2 for CTAPHID.
func (c *Channel) ProtocolVersion() byte { return c.session.Load().protocol }

// DeviceVersion is the maker's own version: major, minor, build.
func (c *Channel) DeviceVersion() [3]byte { return c.session.Load().version }

// Capabilities is what the key says it can do.
func (c *Channel) Capabilities() Capability { return c.session.Load().caps }

// Close closes the connection. A running transaction ends with [ErrClosed] and
// is not cancelled at the key. Closing twice does nothing.
func (c *Channel) Close() error {
	var err error
	c.close.Do(func() {
		close(c.closed)
		err = c.conn.Close()
	})
	if err != nil {
		return &Error{Op: "close", CID: c.ID(), Err: err}
	}
	return nil
}

func (c *Channel) isClosed() bool {
	select {
	case <-c.closed:
		return true
	default:
		return false
	}
}

func (c *Channel) failure(op string, err error) error {
	if err == nil {
		return nil
	}
	if c.isClosed() {
		err = ErrClosed
	}
	return &Error{Op: op, CID: c.ID(), Err: err}
}
