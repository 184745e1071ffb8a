package devices

import (
	"context"
	"sync/atomic"
	"time"

	"github.com/touchstone-fido/touchstone/ctap2"
)

// witness tells of a key at work: what it says while it works, and that it is
// done.
type witness struct {
	ctap2.Transport
	tell  func(Event)
	heard atomic.Bool // in the present request
}

// transport is the witness, or what it would watch for nobody.
func (w *witness) transport() ctap2.Transport {
	if w.tell == nil {
		return w.Transport
	}
	return w
}

func (w *witness) keepalive(e Event) {
	w.heard.Store(true)
	w.tell(e)
}

// Exchange ends with an event if there was one in it.
func (w *witness) Exchange(ctx context.Context, msg []byte) ([]byte, error) {
	start := time.Now()
	answer, err := w.Transport.Exchange(ctx, msg)
	if w.heard.Swap(false) {
		w.tell(Event{Status: EventDone, Since: time.Since(start)})
	}
	return answer, err
}
