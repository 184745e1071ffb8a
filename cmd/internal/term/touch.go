package term

import (
	"fmt"
	"io"
	"sync"
	"time"
)

// Touch tells a person when to touch the key. Feed it every sign of life of the
// key; it speaks once each time the key begins to wait.
type Touch struct {
	mu      sync.Mutex
	w       io.Writer
	waiting bool
	last    time.Duration
}

// NewTouch returns a prompt that writes to w, a command's stderr.
func NewTouch(w io.Writer) *Touch { return &Touch{w: w} }

// Keepalive takes a status of the key, "processing" or "up-needed", and the
// time since the request. A time that does not grow is that of another request.
func (t *Touch) Keepalive(status string, since time.Duration) {
	t.mu.Lock()
	defer t.mu.Unlock()
	if since <= t.last {
		t.waiting = false
	}
	t.last = since
	needed := status == "up-needed"
	if needed && !t.waiting {
		fmt.Fprintln(t.w, "Touch your security key.")
	}
	t.waiting = needed
}
