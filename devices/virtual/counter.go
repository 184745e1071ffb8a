package virtual

import (
	"errors"
	"math"
)

var errCounter = errors.New("signature counter is exhausted")

// nextCount is the signature counter for the next signature (WebAuthn L3
// §6.1.1): one counter for all credentials, or always 0.
func (a *Authenticator) nextCount() (uint32, error) {
	switch {
	case a.cfg.NoCounter:
		return 0, nil
	case a.state.counter == math.MaxUint32:
		return 0, errCounter
	}
	return a.state.counter + 1, nil
}

// putCount makes a change store what nextCount gave.
func (a *Authenticator) putCount(ch *change, count uint32) {
	if !a.cfg.NoCounter {
		ch.put(counterName, counterRecord{Version: recordVersion, Value: count})
	}
}

// setCount follows when that change is durable.
func (a *Authenticator) setCount(count uint32) {
	if !a.cfg.NoCounter {
		a.state.counter = count
	}
}
