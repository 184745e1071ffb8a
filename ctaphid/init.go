package ctaphid

import (
	"bytes"
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
)

// Sizes of the payloads of CTAPHID_INIT in bytes (CTAP 2.3 §11.2.9.1.3).
const (
	InitNonceSize  = 8  // of a request, all of it a nonce
	InitAnswerSize = 17 // of an answer at least: nonce, channel, protocol version, device version, capabilities
)

// synchronise brings host and key in step, where they are not.
func (c *Channel) synchronise(ctx context.Context) error {
	if c.step == outOfStep {
		err := c.initialise(ctx, c.ID())
		if !errors.Is(err, CodeInvalidChannel) {
			return err
		}
		c.step = noChannel
	}
	if c.step == noChannel {
		return c.initialise(ctx, BroadcastCID)
	}
	return nil
}

// initialise runs one INIT on channel cid (CTAP 2.3 §11.2.9.1.3).
func (c *Channel) initialise(ctx context.Context, cid ChannelID) error {
	if ctx.Err() != nil {
		return context.Cause(ctx)
	}
	var nonce [InitNonceSize]byte
	if _, err := io.ReadFull(c.cfg.Rand, nonce[:]); err != nil {
		return fmt.Errorf("draw the nonce of INIT: %w", err)
	}
	request := Message{CID: cid, Command: CommandInit, Payload: nonce[:]}
	cut, err := NewFragmenter(request, c.cfg.ReportSize)
	if err != nil {
		return err
	}
	if err := c.write(ctx, cut); err != nil {
		return err
	}
	s, err := c.awaitInit(ctx, cid, nonce)
	if errors.Is(err, errEnded) {
		return context.Cause(ctx)
	}
	if err != nil {
		return err
	}
	c.session.Store(s)
	c.step = inStep
	return nil
}

// awaitInit waits for the answer with the right nonce. What else arrives on
// the channel belongs to a dropped transaction or to another program. That may
// be true of an error too, so most of them count only when no answer comes.
func (c *Channel) awaitInit(ctx context.Context, cid ChannelID, nonce [InitNonceSize]byte) (*session, error) {
	heard, stop := c.watch(ctx, min(initSilence, c.cfg.Silence))
	defer stop()
	var refused error
	for {
		p, err := c.next(heard.ctx, cid)
		switch {
		case errors.Is(err, ErrTimeout) && refused != nil:
			return nil, refused
		case err != nil:
			return nil, err
		case p.Init && p.Command == CommandInit && bytes.HasPrefix(p.Data, nonce[:]):
			return readSession(p)
		case p.Init && p.Command == CommandError && len(p.Data) > 0:
			refused = ErrorCode(p.Data[0])
		}
		if refused == CodeChannelBusy || refused == CodeInvalidChannel && cid != BroadcastCID {
			return nil, refused
		}
	}
}

// readSession takes the answer to INIT apart. It may grow in later versions,
// so a longer one is fine.
func readSession(p Packet) (*session, error) {
	if len(p.Data) < InitAnswerSize {
		return nil, &ProtocolError{
			Fault: FaultPayload, CID: p.CID, Command: CommandInit, Got: len(p.Data), Want: InitAnswerSize,
		}
	}
	s := &session{
		id:       ChannelID(binary.BigEndian.Uint32(p.Data[8:])),
		protocol: p.Data[12],
		version:  [3]byte(p.Data[13:16]),
		caps:     Capability(p.Data[16]),
	}
	if !s.id.usable() || p.CID != BroadcastCID && s.id != p.CID {
		return nil, fmt.Errorf("%w: INIT on channel %v was answered with channel %v", FaultPayload, p.CID, s.id)
	}
	return s, nil
}
