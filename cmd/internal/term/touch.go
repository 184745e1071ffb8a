package term

import (
	"fmt"
	"io"
	"strings"
	"sync"
	"time"
)

// Statuses of a key at work, as [Touch] takes them.
const (
	processing = "processing"
	upNeeded   = "up-needed"
)

const (
	touchText  = "Touch your security key."
	workText   = "The security key is working."
	workIsSlow = time.Second // before that nobody wonders
)

// Touch tells a person what the key waits for. Feed it every sign of life of
// the key. In a pipe it asks for a touch once each time the key begins to wait;
// on a terminal it also counts the seconds, in place.
type Touch struct {
	mu   sync.Mutex
	w    io.Writer
	live bool

	text  string        // of the prompt
	limit time.Duration // from which to count down, 0 to count up

	waiting bool // for a touch
	last    time.Duration
	shown   int // characters of the line that is being counted on, 0 for none
}

// NewTouch returns a prompt on a command's stderr.
func NewTouch(s *Streams) *Touch { return &Touch{w: s.Err, live: s.live, text: touchText} }

// Ask has the prompt say something else from now on, and on a terminal count
// down from a limit; 0 lets it count up.
func (t *Touch) Ask(text string, limit time.Duration) {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.text, t.limit = text, limit
}

// Keepalive takes a status of the key, "processing", "up-needed" or any other
// for the end of the request, and the time since the request. A time that does
// not grow is that of another request.
func (t *Touch) Keepalive(status string, since time.Duration) {
	t.mu.Lock()
	defer t.mu.Unlock()
	if since <= t.last {
		t.waiting = false
	}
	t.last = since
	needed := status == upNeeded
	switch {
	case t.live:
		t.count(status, since)
	case needed && !t.waiting:
		fmt.Fprintln(t.w, t.text)
	}
	t.waiting = needed
}

// count shows how long the key has been at it, over what it showed before.
func (t *Touch) count(status string, since time.Duration) {
	text := ""
	switch {
	case status == upNeeded:
		text = t.text
	case status == processing && (t.shown > 0 || since >= workIsSlow):
		text = workText
	}
	if text == "" {
		t.finish()
		return
	}
	if status == upNeeded && t.limit > 0 {
		text += fmt.Sprintf(" %d s left", (max(0, t.limit-since)+time.Second-1)/time.Second)
	} else if seconds := int(since / time.Second); seconds > 0 {
		text += fmt.Sprintf(" %d s", seconds)
	}
	fmt.Fprintf(t.w, "\r%s%s", text, strings.Repeat(" ", max(0, t.shown-len(text))))
	t.shown = len(text)
}

// finish leaves the line as it stands.
func (t *Touch) finish() {
	if t.shown > 0 {
		fmt.Fprintln(t.w)
	}
	t.shown = 0
}
