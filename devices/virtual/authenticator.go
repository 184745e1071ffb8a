// Package virtual is a security key in software: the authenticator side of
// CTAP 2.3, from a message's command byte to the answer's status byte. It reads
// requests by itself and strictly, keeps its state in a [Store], and takes its
// randomness, its clock and its user from a [Config], so that a run with a
// seeded reader is the same byte for byte.
//
//	store, err := statefile.Open("key.db") // or leave Store out: in memory
//	...
//	key, err := virtual.New(virtual.Config{Store: store})
//	if err != nil {
//		return err
//	}
//	defer key.Close()
//	answer := key.Message(ctx, []byte{0x04}, func(status byte) { ... }) // getInfo
//	key.PowerCycle()
//
// Of the standard's commands it has authenticatorMakeCredential (§6.1),
// GetAssertion (§6.2), GetNextAssertion (§6.3), GetInfo (§6.4), ClientPIN
// (§6.5), Reset (§6.6) and Selection (§6.9), with the extensions credProtect
// (§12.1) and hmac-secret (§12.7). It has a PIN and no built-in user
// verification. It is a test instrument: its keys are as safe as the memory and
// the file that hold them.
package virtual

import (
	"context"
	"crypto/rand"
	"crypto/x509"
	"errors"
	"fmt"
	"io"
	"sync"
	"time"

	"github.com/touchstone-fido/touchstone/ctap2/authdata"
)

// Transport is what the key is plugged into. It decides how long an unused
// pinUvAuthToken lives (CTAP 2.3 §6.5.2.1) and what getInfo says.
type Transport uint8

// Transports.
const (
	USB Transport = iota
	NFC
)

// String is the transport's name in getInfo and WebAuthn: "usb" or "nfc".
func (t Transport) String() string {
	if t == NFC {
		return "nfc"
	}
	return "usb"
}

// DefaultAAGUID is the model of key that a new key belongs to unless its
// [Config] says otherwise: a random UUID of Touchstone's own,
// 61c5e308-878a-4352-b3a5-54aead6cc6ea.
var DefaultAAGUID = authdata.AAGUID{
	0x61, 0xc5, 0xe3, 0x08, 0x87, 0x8a, 0x43, 0x52,
	0xb3, 0xa5, 0x54, 0xae, 0xad, 0x6c, 0xc6, 0xea,
}

// Limits of [Config].
const (
	DefaultMessage = 1200 // bytes of the largest message
	MinMessage     = 1024 // bytes that every authenticator must take (CTAP 2.3 §6.4)
	MaxMessage     = 7609 // bytes that fit CTAPHID (CTAP 2.3 §11.2.4)

	DefaultCredentials   = 100              // room for discoverable credentials
	DefaultActionTimeout = 30 * time.Second // for a touch
)

// Config is what a key is made of. The zero value is a USB key in memory that
// a user touches at once.
type Config struct {
	// Rand is the source of every random byte; nil for crypto/rand. One that
	// starts over each time, such as a seeded one, makes a key that keeps its
	// state repeat its private keys.
	Rand      io.Reader
	Now       func() time.Time // clock of tokens, windows and timers; nil for time.Now
	Store     Store            // where the state is kept; nil for NewMemory()
	Presence  Presence         // who touches the key; nil for Auto()
	Transport Transport

	// AAGUID of a factory-new key; zero for DefaultAAGUID. A key that is loaded
	// keeps its own, and New fails when this names another.
	AAGUID authdata.AAGUID

	Attestation    Attestation
	MaxMessage     int           // maxMsgSize in bytes, MinMessage..MaxMessage; 0 for DefaultMessage
	MaxCredentials int           // room for discoverable credentials; 0 for DefaultCredentials
	ActionTimeout  time.Duration // how long a touch is waited for; 0 for DefaultActionTimeout

	// NoCounter makes every signature counter 0 (WebAuthn L3 §6.1.1).
	NoCounter bool
	// AlwaysRequireUV takes the makeCredUvNotRqd option away: once a PIN is set,
	// every new credential needs it (CTAP 2.3 §6.1.2 step 8).
	AlwaysRequireUV bool
	// OnError hears of errors that the platform sees as CTAP1_ERR_OTHER only,
	// such as a full disk. They hold no secrets.
	OnError func(error)
}

func (cfg *Config) setDefaults() error {
	if cfg.Rand == nil {
		cfg.Rand = rand.Reader
	}
	if cfg.Now == nil {
		cfg.Now = time.Now
	}
	if cfg.Store == nil {
		cfg.Store = NewMemory()
	}
	if cfg.Presence == nil {
		cfg.Presence = Auto()
	}
	if cfg.OnError == nil {
		cfg.OnError = func(error) {}
	}
	return cfg.setLimits()
}

func (cfg *Config) setLimits() error {
	if cfg.MaxMessage == 0 {
		cfg.MaxMessage = DefaultMessage
	}
	if cfg.MaxCredentials == 0 {
		cfg.MaxCredentials = DefaultCredentials
	}
	if cfg.ActionTimeout == 0 {
		cfg.ActionTimeout = DefaultActionTimeout
	}
	switch {
	case cfg.MaxMessage < MinMessage || cfg.MaxMessage > MaxMessage:
		return fmt.Errorf("largest message of %d bytes is not within %d and %d", cfg.MaxMessage, MinMessage, MaxMessage)
	case cfg.MaxCredentials < 0:
		return fmt.Errorf("room for %d credentials", cfg.MaxCredentials)
	case cfg.ActionTimeout < 0:
		return fmt.Errorf("user action timeout of %v", cfg.ActionTimeout)
	}
	return nil
}

// Authenticator is one security key. Its methods may be called from several
// goroutines, but not from inside the functions that it calls: Presence,
// keepalive and OnError.
type Authenticator struct {
	cfg  Config
	root *x509.Certificate // set once

	gate   sync.Mutex // guards cancel and closed
	cancel context.CancelFunc
	closed bool

	mu       sync.Mutex // held by the one command, power cycle or close that runs
	state    state
	volatile volatile
}

// volatile is what a key forgets without power.
type volatile struct {
	poweredUp  time.Time
	agreement  agreementKeys
	token      token
	mismatches int         // wrong PINs in a row since power-up
	next       *assertions // what authenticatorGetNextAssertion goes on with
}

// New loads the key that cfg.Store holds and powers it up. An empty store
// becomes a factory-new key. A record that cannot be read is a [*RecordError]
// and changes nothing. The store is the key's from then on, unless New fails.
func New(cfg Config) (*Authenticator, error) {
	if err := cfg.setDefaults(); err != nil {
		return nil, fmt.Errorf("virtual key: %w", err)
	}
	a := &Authenticator{cfg: cfg}
	if err := a.load(); err != nil {
		return nil, fmt.Errorf("virtual key: %w", err)
	}
	a.root = a.state.identity.root
	a.powerUp()
	return a, nil
}

// PowerCycle unplugs the key and inserts it again, or takes it out of the NFC
// field and back. A command that waits for the user ends with
// CTAP2_ERR_KEEPALIVE_CANCEL. Tokens, key agreement keys, the count of wrong
// PINs in a row and assertions in progress are gone; the ten seconds in which
// authenticatorReset is allowed begin (CTAP 2.3 §6.6).
func (a *Authenticator) PowerCycle() {
	a.interrupt(false)
	a.mu.Lock()
	defer a.mu.Unlock()
	a.powerUp()
}

func (a *Authenticator) powerUp() {
	a.forgetVolatile()
	a.volatile.poweredUp = a.cfg.Now()
}

// forgetVolatile wipes tokens, key agreement keys and remembered assertions.
func (a *Authenticator) forgetVolatile() {
	a.volatile.token.stop()
	a.volatile.next.wipe()
	a.volatile = volatile{poweredUp: a.volatile.poweredUp}
}

// AttestationRoot is the certificate of the authority that issued the key's
// attestation certificate, for the trust anchors of a relying party.
func (a *Authenticator) AttestationRoot() *x509.Certificate { return a.root }

// Close powers the key down and closes its store. Messages are answered with
// CTAP1_ERR_OTHER from then on. A second Close does nothing.
func (a *Authenticator) Close() error {
	if !a.interrupt(true) {
		return nil
	}
	a.mu.Lock()
	defer a.mu.Unlock()
	a.forgetVolatile()
	a.state.wipe()
	a.state.identity.wipe()
	if err := a.cfg.Store.Close(); err != nil {
		return fmt.Errorf("virtual key: %w", err)
	}
	return nil
}

// interrupt cancels the command that runs, if any. It returns false when the
// key was closed before.
func (a *Authenticator) interrupt(closing bool) bool {
	a.gate.Lock()
	defer a.gate.Unlock()
	if a.cancel != nil {
		a.cancel()
	}
	was := a.closed
	a.closed = a.closed || closing
	return !was
}

// String says what it is and none of what it holds.
func (a *Authenticator) String() string {
	return "virtual security key (" + a.cfg.Transport.String() + ")"
}

// GoString is the same as String, so that no format verb prints keys.
func (a *Authenticator) GoString() string { return a.String() }

var errClosed = errors.New("the key is closed")
