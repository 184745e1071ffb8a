package transcript

import (
	"context"
	"encoding/binary"
	"fmt"
	"io"

	"github.com/touchstone-fido/touchstone/ctaphid"
)

type playedReports struct{ session }

var _ ctaphid.ReportConn = (*playedReports)(nil)

// ReadReport gives the answer that the tape has next.
func (c *playedReports) ReadReport(ctx context.Context, p []byte) (int, error) {
	c.player.mu.Lock()
	defer c.player.mu.Unlock()
	return c.read(ctx, p)
}

func (c *playedReports) read(ctx context.Context, p []byte) (int, error) {
	if err := c.usable(ctx, ctaphid.ErrClosed); err != nil {
		return 0, err
	}
	next, ok := c.player.next()
	switch {
	case next.dir == In && len(next.data) > len(p):
		return 0, fmt.Errorf("%w: %d bytes for a report of %d", io.ErrShortBuffer, len(p), len(next.data))
	case next.late:
		return 0, c.player.notDue(opRead, "", next, ok)
	}
	report, err := c.player.answer(ctx)
	if err != nil {
		return 0, err
	}
	return copy(p, c.player.table.answer(report)), nil
}

// PollReport gives a report that the host of the tape found in the same way.
func (c *playedReports) PollReport(p []byte) (int, error) {
	c.player.mu.Lock()
	defer c.player.mu.Unlock()
	return c.poll(p)
}

func (c *playedReports) poll(p []byte) (int, error) {
	if next, ok := c.player.next(); !ok || !next.late {
		return 0, nil
	}
	report, err := c.player.answer(context.Background())
	if err != nil {
		return 0, err
	}
	return copy(p, c.player.table.answer(report)), nil
}

// WriteReport takes p if it is what the tape has next.
func (c *playedReports) WriteReport(ctx context.Context, p []byte) error {
	c.player.mu.Lock()
	defer c.player.mu.Unlock()
	return c.write(ctx, p)
}

func (c *playedReports) write(ctx context.Context, p []byte) error {
	if err := c.usable(ctx, ctaphid.ErrClosed); err != nil {
		return err
	}
	table := &c.player.table
	var tape []byte
	err := c.player.ask(p, func(request []byte) []byte {
		tape = request
		return table.request(request, p)
	})
	if err != nil {
		return err
	}
	table.accept(tape, p)
	return c.player.failure(opWrite)
}

// channels carries over what differs between the tape and the host that asks
// again: nonces, and channels that the tape does not give away.
type channels struct {
	strict bool
	nonces map[[nonceSize]byte][nonceSize]byte
	host   map[ctaphid.ChannelID]ctaphid.ChannelID // by the tape's
	taken  map[ctaphid.ChannelID]bool              // the values of host
	given  map[ctaphid.ChannelID]bool              // by an answer to INIT that was played
}

func newChannels(strict bool) channels {
	return channels{
		strict: strict,
		nonces: map[[nonceSize]byte][nonceSize]byte{},
		host:   map[ctaphid.ChannelID]ctaphid.ChannelID{},
		taken:  map[ctaphid.ChannelID]bool{},
		given:  map[ctaphid.ChannelID]bool{},
	}
}

// request is the tape's request as this host would have to send it.
func (c *channels) request(tape, asked []byte) []byte {
	want := append([]byte(nil), tape...)
	p, err := ctaphid.ParsePacket(tape)
	q, wrong := ctaphid.ParsePacket(asked)
	if c.strict || err != nil || wrong != nil {
		return want
	}
	putChannel(want, c.channel(p.CID, q.CID))
	if isInit(p) && isInit(q) {
		r, _ := ctaphid.ParsePacket(want)
		copy(r.Data, q.Data)
	}
	return want
}

// channel is what the host must send for the tape's channel. While that is
// open, what it does send is right.
func (c *channels) channel(tape, asked ctaphid.ChannelID) ctaphid.ChannelID {
	if id, ok := c.host[tape]; ok {
		return id
	}
	if c.fixed(tape) || c.fixed(asked) || c.taken[asked] {
		return tape
	}
	return asked
}

func (c *channels) fixed(id ctaphid.ChannelID) bool {
	return id == ctaphid.BroadcastCID || id == 0 || c.given[id]
}

// accept remembers what a request that was right says.
func (c *channels) accept(tape, asked []byte) {
	p, err := ctaphid.ParsePacket(tape)
	q, wrong := ctaphid.ParsePacket(asked)
	if c.strict || err != nil || wrong != nil {
		return
	}
	if !c.fixed(p.CID) {
		c.host[p.CID] = q.CID
		c.taken[q.CID] = true
	}
	if isInit(p) && isInit(q) {
		c.nonces[[nonceSize]byte(p.Data)] = [nonceSize]byte(q.Data)
	}
}

// answer is the tape's answer as this host must get it.
func (c *channels) answer(tape []byte) []byte {
	p, err := ctaphid.ParsePacket(tape)
	if c.strict || err != nil {
		return tape
	}
	report := append([]byte(nil), tape...)
	if id, ok := c.host[p.CID]; ok {
		putChannel(report, id)
	}
	if id, ok := givenChannel(p); ok {
		r, _ := ctaphid.ParsePacket(report)
		if nonce, ok := c.nonces[[nonceSize]byte(p.Data)]; ok {
			copy(r.Data, nonce[:])
		}
		if host, ok := c.host[id]; ok {
			putChannel(r.Data[nonceSize:], host)
		} else {
			c.given[id] = true
		}
	}
	return report
}

func putChannel(at []byte, id ctaphid.ChannelID) {
	binary.BigEndian.PutUint32(at, uint32(id))
}

// isInit says whether p is a request for a channel.
func isInit(p ctaphid.Packet) bool {
	return p.Init && p.Command == ctaphid.CommandInit && p.Length == nonceSize && len(p.Data) == nonceSize
}
