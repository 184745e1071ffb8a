package ctaphid

import (
	"bytes"
	"context"
	"fmt"
	"strings"
	"time"
)

// Exchange sends one CTAP2 message, a command byte and its CBOR, and returns
// the key's, a status byte and its CBOR, whatever the status (CTAP 2.3
// §11.2.9.1.2). When ctx ends it sends CTAPHID_CANCEL and returns the answer
// that then comes, be it a cancelled status or the result that was under way;
// if none comes, the error wraps ctx's cause.
func (c *Channel) Exchange(ctx context.Context, msg []byte) ([]byte, error) {
	return c.transact(ctx, CommandCBOR, msg)
}

// Msg sends one U2F command APDU and returns the response APDU (CTAP 2.3
// §11.2.9.1.1). A key with [CapabilityNMSG] refuses with [CodeInvalidCommand].
func (c *Channel) Msg(ctx context.Context, apdu []byte) ([]byte, error) {
	return c.transact(ctx, CommandMsg, apdu)
}

// Wink asks the key to show itself, by blinking for example (CTAP 2.3
// §11.2.9.2.1). A key without [CapabilityWink] refuses with
// [CodeInvalidCommand].
func (c *Channel) Wink(ctx context.Context) error {
	_, err := c.transact(ctx, CommandWink, nil)
	return err
}

// Lock keeps the other channels out for that many seconds, 0 to 10; 0 lets
// them in again (CTAP 2.3 §11.2.9.2.2). More is the key's to refuse, up to
// 255, which is all that the packet can hold.
func (c *Channel) Lock(ctx context.Context, seconds int) error {
	if seconds < 0 || seconds > 0xff {
		return c.failure("lock", fmt.Errorf("lock time of %d s is not between 0 and 255", seconds))
	}
	_, err := c.transact(ctx, CommandLock, []byte{byte(seconds)})
	return err
}

// Ping sends data, 0 to [MaxMessage] bytes, and returns how long its echo took
// (CTAP 2.3 §11.2.9.1.4). An echo that differs is an [ErrProtocol].
func (c *Channel) Ping(ctx context.Context, data []byte) (time.Duration, error) {
	var took time.Duration
	err := c.request(ctx, CommandPing, data, func(echo []byte, t time.Duration) error {
		took = t
		return c.compareEcho(data, echo)
	})
	return took, err
}

func (c *Channel) compareEcho(sent, echo []byte) error {
	if bytes.Equal(sent, echo) {
		return nil
	}
	c.step = outOfStep
	fault := &ProtocolError{
		Fault: FaultPayload, CID: c.ID(), Command: CommandPing, Got: len(echo), Want: len(sent),
	}
	for i := range min(len(sent), len(echo)) {
		if sent[i] != echo[i] {
			return fmt.Errorf("echo differs from byte %d on: %w", i, fault)
		}
	}
	return fault
}

// Init gets host and key back in step: the key drops whatever it was doing for
// this channel (CTAP 2.3 §11.2.9.1.3). Requests do that by themselves where it
// is needed. If the key does not know the channel, Init allocates a new one.
func (c *Channel) Init(ctx context.Context) error {
	err := c.inTurn(ctx, func() error {
		c.step = max(c.step, outOfStep)
		return c.synchronise(ctx)
	})
	return c.failure("init", err)
}

func (c *Channel) transact(ctx context.Context, cmd Command, payload []byte) ([]byte, error) {
	var answer []byte
	err := c.request(ctx, cmd, payload, func(a []byte, _ time.Duration) error {
		answer = a
		return nil
	})
	return answer, err
}

// request runs one transaction and hands take the answer before the turn ends.
func (c *Channel) request(ctx context.Context, cmd Command, payload []byte, take func([]byte, time.Duration) error) error {
	err := c.inTurn(ctx, func() error {
		if err := c.synchronise(ctx); err != nil {
			return err
		}
		start := time.Now()
		answer, err := c.once(ctx, cmd, payload)
		if err != nil {
			return err
		}
		return take(answer, time.Since(start))
	})
	return c.failure(strings.ToLower(strings.TrimPrefix(cmd.String(), "CTAPHID_")), err)
}
