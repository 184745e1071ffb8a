package ctap2

import (
	"context"
	"crypto/rand"
	"fmt"
	"io"
	"sync/atomic"
	"time"

	"github.com/touchstone-fido/touchstone/ctap2/wire"
)

// Config is what a [Client] may be given. The zero value is right for use with
// a person's key.
type Config struct {
	// Rand is the source of the platform's key agreement keys and IVs;
	// crypto/rand when nil.
	Rand io.Reader

	// Timeout is how long one command may take, the wait for the user included,
	// before it is cancelled with [ErrTimeout]; 0 sets no limit.
	Timeout time.Duration
}

// Client speaks CTAP2 with one authenticator. Its methods are safe for use by
// several goroutines as far as the transport is; multi-step methods are not
// kept together.
type Client struct {
	transport Transport
	rand      io.Reader
	timeout   time.Duration
	limits    atomic.Pointer[limits] // nil until getInfo has told
}

// limits are what getInfo said that requests must keep to.
type limits struct {
	message        uint // the longest request in bytes
	minPIN, maxPIN uint // code points, 0 for the standard's
}

// known are the limits as far as they are known, none before the first getInfo.
func (c *Client) known() limits {
	if l := c.limits.Load(); l != nil {
		return *l
	}
	return limits{}
}

// New returns a client on an open transport. It sends nothing.
func New(t Transport, cfg Config) *Client {
	if cfg.Rand == nil {
		cfg.Rand = rand.Reader
	}
	return &Client{transport: t, rand: cfg.Rand, timeout: cfg.Timeout}
}

// call is one command: what to send and where the answer goes.
type call struct {
	command    Command
	subcommand string // for errors
	params     any    // encoded after the command byte, nil for none
	result     any    // pointer that the answer's map is decoded into, nil for none
	optional   bool   // the answer may have no map
}

// do runs a call and returns the remarks on the encoding of its answer.
func (c *Client) do(ctx context.Context, k call) ([]wire.Remark, error) {
	msg := []byte{byte(k.command)}
	if k.params != nil {
		body, err := wire.Encode(k.params)
		if err != nil {
			return nil, fmt.Errorf("%v: %w", k.command, err)
		}
		msg = append(msg, body...)
	}
	if limit := c.known().message; limit > 0 && uint(len(msg)) > limit {
		return nil, fmt.Errorf("%v: %w: %d bytes, maxMsgSize is %d", k.command, ErrMessageTooLong, len(msg), limit)
	}
	if c.timeout > 0 {
		var stop context.CancelFunc
		ctx, stop = context.WithTimeoutCause(ctx, c.timeout, ErrTimeout)
		defer stop()
	}
	answer, err := c.transport.Exchange(ctx, msg)
	if err != nil {
		return nil, fmt.Errorf("%v: %w", k.command, err)
	}
	return k.read(ctx, answer)
}

func (k call) read(ctx context.Context, answer []byte) ([]wire.Remark, error) {
	if len(answer) == 0 {
		return nil, k.bad(ErrEmptyResponse)
	}
	if status := Status(answer[0]); status != StatusOK {
		return nil, k.refused(ctx, status)
	}
	if k.result == nil {
		return nil, nil
	}
	body := answer[1:]
	switch {
	case len(body) == 0 && k.optional:
		return nil, nil
	case len(body) == 0:
		return nil, k.bad(ErrEmptyResponse)
	}
	remarks, err := wire.Inspect(body)
	if err != nil {
		return nil, k.bad(err)
	}
	if err := wire.Decode(body, k.result); err != nil {
		return nil, k.bad(err)
	}
	return remarks, nil
}

func (k call) bad(err error) error {
	return &ResponseError{Command: k.command, Subcommand: k.subcommand, Err: err}
}

// missing is the error for an answer without a required member.
func (k call) missing(member string) error {
	return k.bad(fmt.Errorf("%w: %s", ErrMissingMember, member))
}

func (k call) refused(ctx context.Context, status Status) error {
	e := &Error{Command: k.command, Subcommand: k.subcommand, Status: status}
	if status == StatusKeepaliveCancel {
		e.Cause = context.Cause(ctx)
	}
	return e
}
