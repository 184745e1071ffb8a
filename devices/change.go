package devices

import "time"

// ChangeKind is what happened.
type ChangeKind string

// Kinds of change. A key that is added can be used, or has a reason why not, as
// one that changed has.
const (
	Present   ChangeKind = "present"   // the key was there when the watch began
	Added     ChangeKind = "added"     // the key came
	Removed   ChangeKind = "removed"   // the key left
	Changed   ChangeKind = "changed"   // the key can be used now, or cannot any more
	Failed    ChangeKind = "failed"    // a place cannot be looked at, so that keys may come and go unseen
	Recovered ChangeKind = "recovered" // it can be looked at again
)

// Change is one event of a watch over the keys that are there.
type Change struct {
	Kind    ChangeKind
	Time    time.Time // when it was seen
	Backend string    // where
	Device  Info      // the key; nothing but the backend where a place failed or recovered
	Reason  error     // why the key cannot be used, or the place not be looked at
	Hint    string    // what would mend that
}

// Usable reports whether the change is a key that can be opened from now on.
func (c Change) Usable() bool {
	return c.Reason == nil && (c.Kind == Present || c.Kind == Added || c.Kind == Changed)
}

// OfKey reports whether the change is one of a key, and not of a place.
func (c Change) OfKey() bool { return c.Kind != Failed && c.Kind != Recovered }
