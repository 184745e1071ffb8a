package virtual

import (
	"maps"
	"slices"
	"strings"
)

// keptAtReset has the beginnings of the names of the records that faulty keys
// leave alone.
var keptAtReset = map[FaultID][]string{
	resetKeepsPIN:         {pinName},
	resetKeepsCredentials: {credentialPrefix, countPrefix, blobPrefix},
	resetKeepsSettings:    {settingsName},
	resetKeepsSecrets:     {secretsName},
	resetKeepsBlobs:       {blobsName},
}

// leaveAtReset takes out of the change of a reset what a faulty key does not
// change, and tells whether there is anything.
func (a *Authenticator) leaveAtReset(ch *change) (any bool) {
	for fault, prefixes := range keptAtReset {
		if !a.faulty(fault) {
			continue
		}
		any = true
		left := func(name string) bool {
			return slices.ContainsFunc(prefixes, func(p string) bool { return strings.HasPrefix(name, p) })
		}
		ch.deletes = slices.DeleteFunc(ch.deletes, left)
		maps.DeleteFunc(ch.puts, func(name string, _ []byte) bool { return left(name) })
	}
	return any
}

// resetInPart is a reset that left something in the store.
func (a *Authenticator) resetInPart() error {
	a.state.wipe()
	a.forgetAfterReset()
	return a.load()
}

// forgetAfterReset forgets all that a key forgets without power.
func (a *Authenticator) forgetAfterReset() {
	kept := a.volatile.token
	if a.faulty(tokenOutlivesReset) {
		a.volatile.token = token{}
	} else {
		kept = token{}
	}
	a.forgetVolatile()
	a.volatile.token = kept
}
