package control

import (
	"context"
	"sort"
	"sync"
	"time"
)

// Kinds of events. Later versions may have more.
const (
	EventInserted    = "inserted"     // the key was plugged in
	EventRemoved     = "removed"      // it was pulled out
	EventWaiting     = "waiting"      // it waits for what Detail says: touch or finger
	EventTouched     = "touched"      // its user touched it, or its sensor
	EventDenied      = "denied"       // its user refused
	EventGivenUp     = "given-up"     // it waits no more: cancelled, or the time was up
	EventDone        = "done"         // it carried a command out: Command, Status
	EventWinked      = "winked"       // it showed itself
	EventPowerCycled = "power-cycled" // its power was taken and given back
	EventFaults      = "faults"       // its faults were switched
	EventPresence    = "presence"     // what its user does was switched to Detail
	EventFinger      = "finger"       // what touches its sensor was switched to Detail
)

// Event is what befell a key. Its JSON form is a promise.
type Event struct {
	Seq     uint64 `json:"seq"`  // 1 for the first event of the process, then one more each
	Time    string `json:"time"` // RFC 3339 in UTC, to the millisecond
	Key     string `json:"key"`
	Event   string `json:"event"`
	Detail  string `json:"detail,omitempty"`
	Command string `json:"command,omitempty"` // by the standard's name
	Status  string `json:"status,omitempty"`  // of the answer, as 0x00; of U2F the status word, as 0x9000
}

// maxEvents is how many events are kept.
const maxEvents = 10000

const eventTime = "2006-01-02T15:04:05.000Z"

// log keeps the newest events and lets others wait for more.
type log struct {
	onEvent func(Event)

	mu    sync.Mutex
	last  uint64
	kept  []Event
	more  chan struct{} // closed by the next event
	clock func() time.Time
}

func newLog(onEvent func(Event)) *log {
	if onEvent == nil {
		onEvent = func(Event) {}
	}
	return &log{onEvent: onEvent, more: make(chan struct{}), clock: time.Now}
}

func (l *log) add(e Event) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.last++
	e.Seq, e.Time = l.last, l.clock().UTC().Format(eventTime)
	if len(l.kept) == maxEvents {
		l.kept = append(l.kept[:0], l.kept[maxEvents/10:]...)
	}
	l.kept = append(l.kept, e)
	close(l.more)
	l.more = make(chan struct{})
	l.onEvent(e)
}

// Query says which events are wanted.
type Query struct {
	After uint64 // events of a larger Seq
	Key   string // of that key; empty for all
	Event string // of that kind; empty for all
}

func (q Query) wants(e Event) bool {
	return e.Seq > q.After && (q.Key == "" || q.Key == e.Key) && (q.Event == "" || q.Event == e.Event)
}

// Events are the events of a query that there are. When there are none it waits
// for the first one, or for the end of ctx, which is no error. last is the Seq to
// ask after next, missed whether some events that the query is after are not kept
// any more.
func (p *Panel) Events(ctx context.Context, q Query) (events []Event, last uint64, missed bool) {
	for {
		events, last, missed, more := p.log.find(q)
		if len(events) > 0 {
			return events, last, missed
		}
		select {
		case <-more:
		case <-ctx.Done():
			return nil, last, missed
		}
	}
}

func (l *log) find(q Query) (events []Event, last uint64, missed bool, more <-chan struct{}) {
	l.mu.Lock()
	defer l.mu.Unlock()
	missed = len(l.kept) > 0 && q.After+1 < l.kept[0].Seq
	first := sort.Search(len(l.kept), func(i int) bool { return l.kept[i].Seq > q.After })
	for _, e := range l.kept[first:] {
		if q.wants(e) {
			events = append(events, e)
		}
	}
	return events, l.last, missed, l.more
}
