// Package virtual is a security key in software: the authenticator side of CTAP
// 2.0 to 2.3 and of CTAP1 (U2F). What kind of key it is, a [Profile] says as
// data, and all that it does follows from that; what happens around it (random
// bytes, the clock, the user, where its state is kept) a [Config] decides, so
// that a run with a seeded reader is the same byte for byte.
//
//	store, err := statefile.Open("key.db") // or leave Store out: in memory
//	...
//	model := virtual.DefaultProfile()
//	model.Options["alwaysUv"] = true
//	key, err := virtual.New(virtual.Config{Store: store, Profile: model})
//	if err != nil {
//		return err
//	}
//	defer key.Close()
//	answer := key.Message(ctx, []byte{0x04}, func(status byte) { ... }) // getInfo
//	key.PowerCycle()
//
// It reads requests by itself and strictly, from the command byte on. Each rule
// of the standard is a function of its own, named after the step that it is, and
// each says its clause. Where the standard leaves something open, or its
// implementations differ, [Choices] has both answers.
//
// It is a test instrument: its keys are as safe as the memory and the file that
// hold them.
package virtual

import (
	"context"
	"crypto/rand"
	"crypto/x509"
	"errors"
	"fmt"
	"io"
	"sync"
	"sync/atomic"
	"time"

	"github.com/touchstone-fido/touchstone/ctap2/authdata"
)

// Transport is what the key is plugged into. It decides how long an unused
// pinUvAuthToken lives (CTAP 2.3 §6.5.2.1), whether a reset is allowed, and what
// a touch is.
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

// Config is what a test bench decides about a key; what model it is, its Profile
// does. The zero value is a key of the default model in memory, on USB, that a
// user touches at once.
type Config struct {
	// Rand is the source of every random byte; nil for crypto/rand. One that
	// starts over each time, such as a seeded one, makes a key that keeps its
	// state repeat its private keys.
	Rand      io.Reader
	Now       func() time.Time // clock of tokens, windows and timers; nil for time.Now
	Store     Store            // where the state is kept; nil for NewMemory()
	Presence  Presence         // who touches the key; nil for Auto()
	Finger    Finger           // who touches the fingerprint sensor; nil for nobody
	Transport Transport

	// Profile is the model of key; nil for DefaultProfile(), of which a key that
	// is loaded may have any AAGUID. New copies it.
	Profile *Profile
	// Faults are what is wrong with the key; nothing is with one that has none.
	Faults []FaultID
	// OnWink is called when the platform wants the key to show itself; nil for
	// nothing to happen.
	OnWink func()
	// OnDone hears of each command that was carried out, when its answer is ready.
	OnDone func(Done)
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
	if cfg.Finger == nil {
		cfg.Finger = Touching("")
	}
	if cfg.OnWink == nil {
		cfg.OnWink = func() {}
	}
	if cfg.OnDone == nil {
		cfg.OnDone = func(Done) {}
	}
	if cfg.OnError == nil {
		cfg.OnError = func(error) {}
	}
	return cfg.setProfile()
}

func (cfg *Config) setProfile() error {
	if cfg.Profile == nil {
		cfg.Profile = DefaultProfile()
		cfg.Profile.AAGUID = authdata.AAGUID{}
		return nil
	}
	cfg.Profile = cfg.Profile.clone()
	return cfg.Profile.Check()
}

// Authenticator is one security key. Its methods may be called from several
// goroutines, but not from inside the functions that it calls: Presence,
// Finger, keepalive, OnWink, OnDone and OnError.
type Authenticator struct {
	cfg     Config
	profile *Profile
	faults  atomic.Pointer[faultSet]
	root    *x509.Certificate // set once

	gate   sync.Mutex // guards cancel and closed
	cancel context.CancelFunc
	closed bool

	mu       sync.Mutex // held by the one command, power cycle or close that runs
	state    state
	volatile volatile
}

// volatile is what a key forgets without power.
type volatile struct {
	poweredUp   time.Time
	placedUses  int // of being placed in the field
	agreement   agreementKeys
	token       token
	older       token        // before the last one; of a faulty key
	mismatches  int          // wrong PINs in a row since power-up
	next        *assertions  // what authenticatorGetNextAssertion goes on with
	enumeration *enumeration // what credential management goes on with
	enrolment   *enrolment   // of a fingerprint
	blobs       pendingBlobs // the large-blob array that is being written
	poll        *poll        // the touch that a CTAP1 request waits for
	signers     signers
}

// New loads the key that cfg.Store holds and powers it up. An empty store
// becomes a factory-new key. A record that cannot be read is a [*RecordError]
// and changes nothing. The store is the key's from then on, unless New fails.
func New(cfg Config) (*Authenticator, error) {
	if err := cfg.setDefaults(); err != nil {
		return nil, fmt.Errorf("virtual key: %w", err)
	}
	a := &Authenticator{cfg: cfg, profile: cfg.Profile}
	if err := a.SetFaults(cfg.Faults); err != nil {
		return nil, err
	}
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
	kept := a.outlivesPower()
	a.forgetVolatile()
	a.volatile.poweredUp, a.volatile.placedUses = a.cfg.Now(), 0
	kept(&a.volatile)
}

// forgetVolatile wipes all that does not outlive the power, but for the time when
// it came.
func (a *Authenticator) forgetVolatile() {
	a.volatile.token.stop()
	a.volatile.next.wipe()
	a.volatile.poll.stop()
	a.volatile = volatile{poweredUp: a.volatile.poweredUp, placedUses: a.volatile.placedUses}
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
	for _, c := range []certified{a.state.identity.certified, a.state.u2f, a.state.enterprise} {
		c.wipe()
	}
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
