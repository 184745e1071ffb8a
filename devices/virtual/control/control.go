// Package control is the hand at software keys that are served to other
// programs: it touches them, takes them out and puts them back, takes their power
// and gives them faults, and tells what befalls them, in the process that serves
// them and from others by HTTP on loopback.
//
//	panel := control.NewPanel(nil)
//	user := panel.User("key", control.Manual, nil)
//	key, err := virtual.New(virtual.Config{Presence: user.Presence, Finger: user.Finger})
//	...
//	panel.Add(&control.Key{Name: "key", User: user, Power: device.PowerCycle})
//	listener, err := control.Listen("127.0.0.1:0")
//	go panel.Serve(ctx, listener)
//
//	hand, err := control.NewClient(listener.Addr().String()) // in a test
//	...
//	state, err := hand.Do(ctx, "key", control.Touch, control.TouchRequest{Wait: "10s"})
//
// A test does not sleep: it waits for an [Event], or lets a touch wait until the
// key asks for it. docs/control.md describes the HTTP side.
package control

import (
	"errors"
	"fmt"
	"slices"
	"sync"

	"github.com/touchstone-fido/touchstone/devices/virtual"
	"github.com/touchstone-fido/touchstone/devices/virtual/faulty"
)

// Errors of actions.
var (
	// ErrNotWaiting: the key does not wait for a touch or a finger.
	ErrNotWaiting = errors.New("the key does not wait for its user")
	// ErrUnknownKey: no key has that name.
	ErrUnknownKey = errors.New("there is no such key")
	// ErrCannot: the key has not what the action is for, such as a tape a user.
	ErrCannot = errors.New("the key cannot do that")
	// ErrRequest: the request makes no sense.
	ErrRequest = errors.New("wrong request")
)

// Key is a served key, with what there is to get hold of it by. What is nil
// cannot be done.
type Key struct {
	Name   string // other than those of the keys beside it
	Kind   string // how it is served, such as "udp"
	User   *User
	Faults *faulty.Switch
	Plug   *Plug
	Power  func() // takes the power away and gives it back
}

// State is how a key is at a time. Its JSON form is a promise.
type State struct {
	Name     string            `json:"name"`
	Kind     string            `json:"kind"`
	Address  string            `json:"address,omitempty"` // where it is served, once it is
	Inserted bool              `json:"inserted"`          // it is plugged in
	Presence Mode              `json:"presence,omitempty"`
	Finger   string            `json:"finger,omitempty"`  // what touches the sensor: see [ParseFinger]
	Waiting  string            `json:"waiting,omitempty"` // for "touch" or "finger"
	Faults   []virtual.FaultID `json:"faults"`
}

// State is how the key is now.
func (k *Key) State() State {
	s := State{Name: k.Name, Kind: k.Kind, Inserted: true, Faults: []virtual.FaultID{}}
	if k.Plug != nil {
		s.Inserted, s.Address = k.Plug.state()
	}
	if k.User != nil {
		s.Presence, s.Finger, s.Waiting = k.User.state()
	}
	if k.Faults != nil {
		s.Faults = append(s.Faults, k.Faults.Faults()...)
	}
	return s
}

// Panel has the served keys of a process side by side.
type Panel struct {
	log *log

	mu   sync.Mutex
	keys []*Key
}

// NewPanel is a panel without keys. onEvent, if not nil, hears of all that befalls
// them, in order; it must not call the panel.
func NewPanel(onEvent func(Event)) *Panel { return &Panel{log: newLog(onEvent)} }

// Add puts a key on the panel.
func (p *Panel) Add(k *Key) error {
	p.mu.Lock()
	defer p.mu.Unlock()
	if slices.ContainsFunc(p.keys, func(other *Key) bool { return other.Name == k.Name }) {
		return fmt.Errorf("there is a key %q already", k.Name)
	}
	p.keys = append(p.keys, k)
	return nil
}

// Keys is how the keys are now, in the order in which they were added.
func (p *Panel) Keys() []State {
	p.mu.Lock()
	keys := slices.Clone(p.keys)
	p.mu.Unlock()
	states := []State{}
	for _, k := range keys {
		states = append(states, k.State())
	}
	return states
}

// Key finds a key. The error is [ErrUnknownKey].
func (p *Panel) Key(name string) (*Key, error) {
	p.mu.Lock()
	defer p.mu.Unlock()
	for _, k := range p.keys {
		if k.Name == name {
			return k, nil
		}
	}
	return nil, fmt.Errorf("%w: %q", ErrUnknownKey, name)
}

// Done is the [virtual.Config.OnDone] of the key of that name.
func (p *Panel) Done(name string) func(virtual.Done) {
	return func(d virtual.Done) {
		status := fmt.Sprintf("0x%02x", d.Status)
		p.log.add(Event{Key: name, Event: EventDone, Command: d.Name(), Status: status})
	}
}

// Tell notes an event of the key of that name.
func (p *Panel) Tell(name, event string) { p.log.add(Event{Key: name, Event: event}) }
