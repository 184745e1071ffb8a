package control

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"time"

	"github.com/touchstone-fido/touchstone/devices/virtual"
)

// Action is what is done to a key, the last part of the path of a POST.
type Action string

// Actions, each with the request that it takes.
const (
	Touch      Action = "touch"       // TouchRequest
	Refuse     Action = "deny"        // DenyRequest
	Remove     Action = "remove"      // none
	Insert     Action = "insert"      // none
	PowerCycle Action = "power-cycle" // none
	Presence   Action = "presence"    // PresenceRequest
	Finger     Action = "finger"      // FingerRequest
	Faults     Action = "faults"      // FaultsRequest
)

// TouchRequest is for [Touch].
type TouchRequest struct {
	// Wait is how long to wait for the key to ask for it, as "10s", at most
	// [MaxWait]; not at all if empty.
	Wait string `json:"wait,omitempty"`
	// Short is a touch for a moment, where the key may want a long one.
	Short bool `json:"short,omitempty"`
}

// DenyRequest is for [Refuse].
type DenyRequest struct {
	Wait string `json:"wait,omitempty"` // as in TouchRequest
}

// PresenceRequest is for [Presence].
type PresenceRequest struct {
	Mode Mode `json:"mode"`
}

// FingerRequest is for [Finger].
type FingerRequest struct {
	Finger string `json:"finger"` // see [ParseFinger]
}

// FaultsRequest is for [Faults]. Clear comes first, then Off, then On.
type FaultsRequest struct {
	Clear bool              `json:"clear,omitempty"` // none of those it had
	Off   []virtual.FaultID `json:"off,omitempty"`
	On    []virtual.FaultID `json:"on,omitempty"`
}

// MaxWait is the longest that a request may wait.
const MaxWait = 10 * time.Minute

// Schemas of what is answered.
const (
	KeySchema    = "touchstone/virtual-key/1"
	KeysSchema   = "touchstone/virtual-keys/1"
	EventsSchema = "touchstone/virtual-events/1"
	errorSchema  = "touchstone/error/1"
)

// KeyEnvelope is [KeySchema]: how a key is, after what was done.
type KeyEnvelope struct {
	Schema string `json:"schema"`
	Key    State  `json:"key"`
}

// KeysEnvelope is [KeysSchema].
type KeysEnvelope struct {
	Schema string  `json:"schema"`
	Keys   []State `json:"keys"`
}

// EventsEnvelope is [EventsSchema]: what befell the keys.
type EventsEnvelope struct {
	Schema string  `json:"schema"`
	Events []Event `json:"events"`
	Last   uint64  `json:"last"`             // to ask after next
	Missed bool    `json:"missed,omitempty"` // some events are not kept any more
}

// errorEnvelope is the error envelope of the program, as far as it applies.
type errorEnvelope struct {
	Schema string `json:"schema"`
	Error  string `json:"error"`
	Exit   int    `json:"exit"`
}

// decode reads one JSON object of known members, and nothing behind it. No bytes
// at all are an empty one.
func decode(body []byte, into any) error {
	if len(bytes.TrimSpace(body)) == 0 {
		return nil
	}
	d := json.NewDecoder(bytes.NewReader(body))
	d.DisallowUnknownFields()
	if err := d.Decode(into); err != nil {
		return fmt.Errorf("%w: %w", ErrRequest, err)
	}
	if _, err := d.Token(); !errors.Is(err, io.EOF) {
		return fmt.Errorf("%w: more than one value", ErrRequest)
	}
	return nil
}

// parseWait reads how long to wait; nothing is no time.
func parseWait(text string) (time.Duration, error) {
	if text == "" {
		return 0, nil
	}
	d, err := time.ParseDuration(text)
	if err != nil || d < 0 || d > MaxWait {
		return 0, fmt.Errorf("%w: %q is no time to wait, such as 10s, up to %v", ErrRequest, text, MaxWait)
	}
	return d, nil
}
