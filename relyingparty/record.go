package relyingparty

import (
	"errors"
	"fmt"
)

// ErrRecord: a stored registration or assertion contradicts the response in it.
var ErrRecord = errors.New("the stored record was changed")

// member is one member of a stored record, and whether it is what the response
// in the record says.
type member struct {
	name string
	same bool
}

// unchanged is an [ErrRecord] that names the first member that is not the same
// as what was done: "registered" or "asserted".
func unchanged(done string, members []member) error {
	for _, m := range members {
		if !m.same {
			return fmt.Errorf("%w: %s is not what was %s", ErrRecord, m.name, done)
		}
	}
	return nil
}
