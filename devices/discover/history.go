package discover

import (
	"bytes"
	"errors"
	"maps"
	"reflect"
	"slices"
	"time"

	"github.com/touchstone-fido/touchstone/devices"
	"github.com/touchstone-fido/touchstone/nfc/pcsc"
)

// settling is how long a change must last to be told, where it only undoes the
// one before.
const settling = 100 * time.Millisecond

// history compares the listings of one backend, one after the other.
type history struct {
	backend string
	began   bool
	despite bool // keys were seen although looking failed, so that seeing none means something
	known   map[string]told
}

// state is how it is with a key, by its path, or with the place itself, whose
// path is empty.
type state struct {
	there  bool // the key is; the place can be looked at
	info   devices.Info
	reason error
}

// told is the state that was told last, when, and the one before it.
type told struct {
	now, before state
	at          time.Time
}

func newHistory(backend string) *history {
	return &history{backend: backend, known: map[string]told{"": {now: state{there: true}}}}
}

// update takes a listing and returns what is new. If again is not zero, another
// look is due after that time, as something has changed and may change back.
func (h *history) update(now time.Time, found []candidate, err error) (news []devices.Change, again time.Duration) {
	next := h.states(found, err)
	for _, path := range h.order(next, found) {
		wait := h.settles(now, path, next[path])
		if wait > 0 && (again == 0 || wait < again) {
			again = wait
		}
		if wait == 0 {
			news = append(news, h.tell(now, path, next[path])...)
		}
	}
	h.began = true
	maps.DeleteFunc(h.known, func(path string, t told) bool {
		return path != "" && !t.now.there && now.Sub(t.at) > settling
	})
	return news, again
}

// states is how it is now with everything that is known or found. Where the
// place could not be looked at, that is as it was.
func (h *history) states(found []candidate, err error) map[string]state {
	next := map[string]state{"": {there: err == nil, reason: err}}
	for _, c := range found {
		if !errors.Is(c.err, pcsc.ErrNoCard) {
			next[c.info.Path] = state{there: true, info: c.info, reason: c.err}
		}
	}
	h.despite = err != nil && (h.despite || len(next) > 1)
	for path, t := range h.known {
		if _, ok := next[path]; !ok && err != nil && !h.despite {
			next[path] = t.now
		}
	}
	return next
}

// order is the order to tell in: the place, what left, what is there as listed.
func (h *history) order(next map[string]state, found []candidate) []string {
	paths := []string{""}
	for _, path := range slices.Sorted(maps.Keys(h.known)) {
		if path != "" && !next[path].there {
			paths = append(paths, path)
		}
	}
	for _, c := range found {
		if next[c.info.Path].there {
			paths = append(paths, c.info.Path)
		}
	}
	return paths
}

// settles returns for how long to wait before a state is told: not at all,
// unless it is the one that had just ended.
func (h *history) settles(now time.Time, path string, s state) time.Duration {
	t := h.known[path]
	if s.same(t.now) || !s.same(t.before) {
		return 0
	}
	return max(0, settling-now.Sub(t.at))
}

// tell takes note of a state and returns what there is to tell of it.
func (h *history) tell(now time.Time, path string, s state) []devices.Change {
	last := h.known[path].now
	if s.same(last) {
		return nil
	}
	h.known[path] = told{now: s, before: last, at: now}
	change := func(kind devices.ChangeKind, of state) devices.Change {
		return devices.Change{Kind: kind, Time: now, Backend: h.backend, Device: of.info, Reason: of.reason, Hint: Hint(of.reason)}
	}
	removed := change(devices.Removed, state{info: last.info})
	switch {
	case path == "":
		return []devices.Change{h.placeChange(change, s)}
	case !s.there:
		return []devices.Change{removed}
	case !h.began:
		return []devices.Change{change(devices.Present, s)}
	case !last.there:
		return []devices.Change{change(devices.Added, s)}
	case !sameKey(s.info, last.info):
		return []devices.Change{removed, change(devices.Added, s)}
	}
	return []devices.Change{change(devices.Changed, s)}
}

func (h *history) placeChange(change func(devices.ChangeKind, state) devices.Change, s state) devices.Change {
	s.info = devices.Info{Backend: h.backend}
	if s.there {
		return change(devices.Recovered, s)
	}
	return change(devices.Failed, s)
}

// same reports whether two states look the same to whom they are told.
func (s state) same(other state) bool {
	return s.there == other.there && reflect.DeepEqual(s.info, other.info) && text(s.reason) == text(other.reason)
}

func text(err error) string {
	if err == nil {
		return ""
	}
	return err.Error()
}

// sameKey reports whether what is on a path is still the same key.
func sameKey(a, b devices.Info) bool {
	return a.VendorID == b.VendorID && a.ProductID == b.ProductID && a.Manufacturer == b.Manufacturer &&
		a.Product == b.Product && a.Serial == b.Serial &&
		(bytes.Equal(a.ATR, b.ATR) || len(a.ATR) == 0 || len(b.ATR) == 0) // a card that does not answer has none
}
