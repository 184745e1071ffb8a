package ctaphid

import "time"

// channels are the ones that a device has handed out (CTAP 2.3 §11.2.3).
type channels struct {
	first, next ChannelID
	limit       int
	used        map[ChannelID]uint64 // when it was used last, by clock
	clock       uint64
}

func newChannels(first ChannelID, limit int) channels {
	return channels{first: first, next: first, limit: limit, used: make(map[ChannelID]uint64)}
}

func (c *channels) has(id ChannelID) bool {
	_, ok := c.used[id]
	return ok
}

func (c *channels) touch(id ChannelID) {
	c.clock++
	c.used[id] = c.clock
}

// allocate hands out a channel. At the limit it takes away the one that was
// idle longest, other than those in use; false if there is no such one.
func (c *channels) allocate(inUse func(ChannelID) bool) (ChannelID, bool) {
	if len(c.used) >= c.limit && !c.recycle(inUse) {
		return 0, false
	}
	for !c.next.usable() || c.has(c.next) {
		c.next++
	}
	id := c.next
	c.next++
	c.touch(id)
	return id, true
}

func (c *channels) recycle(inUse func(ChannelID) bool) bool {
	var oldest ChannelID
	for id, used := range c.used {
		if !inUse(id) && (oldest == 0 || used < c.used[oldest]) {
			oldest = id
		}
	}
	delete(c.used, oldest)
	return oldest != 0
}

func (c *channels) forget() { clear(c.used) }

// channelLock keeps all channels but one out (CTAP 2.3 §11.2.9.2.2). The zero
// channelLock is open.
type channelLock struct {
	owner ChannelID
	until time.Time
}

func (l *channelLock) heldBy(id ChannelID) bool { return l.owner == id && l.held() }

func (l *channelLock) held() bool { return l.owner != 0 && time.Now().Before(l.until) }

func (l *channelLock) set(owner ChannelID, seconds byte) {
	*l = channelLock{owner, time.Now().Add(time.Duration(seconds) * time.Second)}
}
