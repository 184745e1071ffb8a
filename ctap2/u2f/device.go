// Package u2f is the platform side of U2F, also called CTAP1: the raw messages
// of U2F 1.2 to a security key that has nothing newer, and a [Bridge] that lets
// such a key be used like any CTAP2 authenticator (CTAP 2.3 §10).
//
//	device := u2f.New(transport, u2f.Config{})
//	registration, err := device.Register(ctx, challenge, application) // waits for a touch
//	auth, err := device.Authenticate(ctx, u2f.Enforce, challenge, application, registration.KeyHandle)
//
//	client := ctap2.New(u2f.NewBridge(device), ctap2.Config{}) // the same by CTAP2
package u2f

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"time"
)

// Transport carries U2F messages to one key, one at a time. U2F sends an APDU
// with extended lengths and returns the response APDU with its status word,
// whatever that is. An error means that there is no whole response.
type Transport interface {
	U2F(ctx context.Context, apdu []byte) ([]byte, error)
}

// DefaultPace is how long to wait between two tries while a touch is needed.
const DefaultPace = 200 * time.Millisecond

// Config is what a [Device] may be given. The zero value is right for use with a
// person's key.
type Config struct {
	// Pace is the wait between two tries while a touch is needed; [DefaultPace]
	// when 0. A key answers at once and does not wait itself.
	Pace time.Duration

	// OnTouchNeeded, when not nil, is told after each try that a touch is needed
	// still, and how long ago the first try was: what a keepalive is in CTAP2.
	OnTouchNeeded func(since time.Duration)
}

// Device is a U2F key. It is safe for use by several goroutines as far as the
// transport is.
type Device struct {
	transport Transport
	cfg       Config
}

// New returns a device on an open transport. It sends nothing.
func New(t Transport, cfg Config) *Device {
	if cfg.Pace <= 0 {
		cfg.Pace = DefaultPace
	}
	return &Device{transport: t, cfg: cfg}
}

// Version is what a U2F key says of itself: "U2F_V2" (U2F Raw Message Formats
// 1.2 §6).
const Version = "U2F_V2"

// Version asks for the version. Keys of the first drafts want the request with
// an Lc of zero; they get it so when they refuse the other.
func (d *Device) Version(ctx context.Context) (string, error) {
	version, err := d.exchange(ctx, insVersion, request(insVersion, 0, nil))
	if errors.Is(err, StatusWrongLength) || errors.Is(err, StatusINSUnsupported) {
		version, err = d.exchange(ctx, insVersion, append(request(insVersion, 0, nil), 0, 0))
	}
	return string(version), err
}

// Register makes a key pair for an application (U2F Raw Message Formats 1.2
// §4). Both parameters are hashes of 32 bytes. It waits for a touch as long as
// ctx lets it.
func (d *Device) Register(ctx context.Context, challenge, application []byte) (*Registration, error) {
	data, err := parameters(challenge, application)
	if err != nil {
		return nil, err
	}
	answer, err := d.untilTouched(ctx, insRegister, request(insRegister, 0, data))
	if err != nil {
		return nil, err
	}
	return ParseRegistration(answer)
}

// Authenticate signs with the key pair that a key handle stands for (U2F Raw
// Message Formats 1.2 §5). Both parameters are hashes of 32 bytes. With
// [Enforce] it waits for a touch as long as ctx lets it. With [CheckOnly] nothing
// is signed and the error tells: [StatusConditions] that the key handle is known,
// [StatusWrongData] that it is not; see [Device.Known].
func (d *Device) Authenticate(ctx context.Context, c Control, challenge, application, keyHandle []byte) (*Authentication, error) {
	data, err := parameters(challenge, application)
	if err != nil {
		return nil, err
	}
	if n := len(keyHandle); n == 0 || n > MaxKeyHandle {
		return nil, fmt.Errorf("%v: key handle of %d bytes, want 1 to %d", insAuthenticate, n, MaxKeyHandle)
	}
	data = slices.Concat(data, []byte{byte(len(keyHandle))}, keyHandle)
	send := d.exchange
	if c == Enforce {
		send = d.untilTouched
	}
	answer, err := send(ctx, insAuthenticate, request(insAuthenticate, byte(c), data))
	if err != nil {
		return nil, err
	}
	return ParseAuthentication(answer)
}

// Known asks whether a key handle is this key's and of this application, without
// a touch. Handles of a length that U2F does not have are not asked for.
func (d *Device) Known(ctx context.Context, application, keyHandle []byte) (bool, error) {
	if n := len(keyHandle); n == 0 || n > MaxKeyHandle {
		return false, nil
	}
	_, err := d.Authenticate(ctx, CheckOnly, make([]byte, hashSize), application, keyHandle)
	switch {
	case err == nil, errors.Is(err, StatusConditions):
		return true, nil // a key that signs all the same knows the handle too
	case errors.Is(err, StatusWrongData), errors.Is(err, StatusWrongLength):
		return false, nil // a handle of a length that the key never makes is a wrong length to some
	}
	return false, err
}

// Touch waits for a touch: by registering what nobody will use.
func (d *Device) Touch(ctx context.Context) error {
	_, err := d.untilTouched(ctx, insRegister, request(insRegister, 0, make([]byte, 2*hashSize)))
	return err
}

// parameters are the challenge and the application parameter as a request has
// them. What is signed has them the other way round.
func parameters(challenge, application []byte) ([]byte, error) {
	if len(challenge) != hashSize || len(application) != hashSize {
		return nil, fmt.Errorf("U2F: challenge of %d and application of %d bytes, want %d", len(challenge), len(application), hashSize)
	}
	return slices.Concat(challenge, application), nil
}

// untilTouched sends a request again and again while the key wants a touch.
func (d *Device) untilTouched(ctx context.Context, ins instruction, apdu []byte) ([]byte, error) {
	start := time.Now()
	for {
		answer, err := d.exchange(ctx, ins, apdu)
		if !errors.Is(err, StatusConditions) {
			return answer, err
		}
		if d.cfg.OnTouchNeeded != nil {
			d.cfg.OnTouchNeeded(time.Since(start))
		}
		if err := pause(ctx, d.cfg.Pace); err != nil {
			return nil, fmt.Errorf("%v: %w", ins, err)
		}
	}
}

// pause waits, or returns the cause of ctx's end.
func pause(ctx context.Context, d time.Duration) error {
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-ctx.Done():
	case <-timer.C:
	}
	if ctx.Err() != nil {
		return context.Cause(ctx)
	}
	return nil
}

// exchange sends a request once and takes the status word for an error.
func (d *Device) exchange(ctx context.Context, ins instruction, apdu []byte) ([]byte, error) {
	answer, err := d.transport.U2F(ctx, apdu)
	if err != nil {
		return nil, fmt.Errorf("%v: %w", ins, err)
	}
	data, status, err := split(answer)
	if err != nil {
		return nil, fmt.Errorf("%v: %w", ins, err)
	}
	if status != StatusOK {
		return nil, fmt.Errorf("%v: %w", ins, status)
	}
	return data, nil
}
