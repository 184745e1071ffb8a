package virtual

import (
	"errors"
	"math"
)

var errCounter = errors.New("signature counter is exhausted")

// counts tells whether the credential has a counter of its own (WebAuthn L3
// §6.1.1). Where it has, its own small record is all that an assertion writes.
func (a *Authenticator) counts(c *credential) bool {
	return a.profile.Counter == CounterPerCredential && c.discoverable
}

// nextCount is the signature counter for the credential's next signature.
func (a *Authenticator) nextCount(c *credential) (uint32, error) {
	last := a.state.counter
	switch {
	case a.profile.Counter == CounterNone:
		return 0, nil
	case a.counts(c):
		last = c.count
	}
	switch {
	case last == math.MaxUint32:
		return 0, errCounter
	case a.faulty(counterStuck):
		return max(last, 1), nil
	case a.faulty(counterJumps) && last < math.MaxUint32/2:
		return last + 20000, nil
	}
	return last + 1, nil
}

// putCount makes a change store what nextCount gave. The first count of a
// credential of its own is not stored: it is what an absent record means.
func (a *Authenticator) putCount(ch *change, c *credential, count uint32) {
	record := counterRecord{Version: recordVersion, Value: count}
	switch {
	case a.profile.Counter == CounterNone, a.faulty(counterNotStored):
	case !a.counts(c):
		ch.put(counterName, record)
	case count > 1:
		ch.put(countName(c.id), record)
	}
}

// setCount follows when that change is durable.
func (a *Authenticator) setCount(c *credential, count uint32) {
	switch {
	case a.profile.Counter == CounterNone:
	case a.counts(c):
		c.count, c.counted = count, c.counted || count > 1
	default:
		a.state.counter = count
	}
}
