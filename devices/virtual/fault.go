package virtual

import (
	"errors"
	"fmt"
	"slices"

	"github.com/touchstone-fido/touchstone/ctap2"
)

// FaultID names a fault. IDs stay what they are from version to version.
type FaultID string

// Fault is one bug that a key can be given, of a real or a likely key, so that
// whoever checks keys can prove that the check is able to fail.
type Fault struct {
	ID   FaultID
	Area string // what it is in, such as "makeCredential"
	Text string // what the key does wrong, in a sentence
	Rule string // the clause that it breaks: of CTAP 2.3, unless it says otherwise
	Seen string // where it was seen, or empty when it is only likely
}

// Faults are all faults of the key itself, by area. Those of what carries its
// messages are in package faulty.
func Faults() []Fault { return slices.Concat(faultLists...) }

// ErrFault: there is no fault of that name.
var ErrFault = errors.New("there is no such fault")

// faultSet are the faults that a key has.
type faultSet map[FaultID]bool

// newFaultSet refuses names that stand for nothing.
func newFaultSet(ids []FaultID) (faultSet, error) {
	if len(ids) == 0 {
		return nil, nil
	}
	set, all := faultSet{}, Faults()
	for _, id := range ids {
		if !slices.ContainsFunc(all, func(f Fault) bool { return f.ID == id }) {
			return nil, fmt.Errorf("%w: %q", ErrFault, id)
		}
		set[id] = true
	}
	return set, nil
}

// SetFaults gives the key these faults in the place of those that it had. It may
// be called at any time: a command that is running has them from its next step
// on. The error wraps [ErrFault] when there is no such fault, and nothing changes
// then.
func (a *Authenticator) SetFaults(ids []FaultID) error {
	set, err := newFaultSet(ids)
	if err != nil {
		return fmt.Errorf("virtual key: %w", err)
	}
	a.faults.Store(&set)
	return nil
}

// faulty tells whether the key has the fault. Sound keys have none.
func (a *Authenticator) faulty(id FaultID) bool { return (*a.faults.Load())[id] }

// hasFaults tells whether it has any.
func (a *Authenticator) hasFaults() bool { return *a.faults.Load() != nil }

// unless is the right status, unless the key has the fault.
func (a *Authenticator) unless(id FaultID, right, wrong ctap2.Status) ctap2.Status {
	if a.faulty(id) {
		return wrong
	}
	return right
}
