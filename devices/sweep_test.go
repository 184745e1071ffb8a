package devices_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"testing"
	"testing/synctest"
	"time"

	"github.com/touchstone-fido/touchstone/ctap2"
	"github.com/touchstone-fido/touchstone/ctap2/cose"
	"github.com/touchstone-fido/touchstone/ctap2/pinuv"
	"github.com/touchstone-fido/touchstone/ctap2/webauthn"
	"github.com/touchstone-fido/touchstone/ctaphid"
	"github.com/touchstone-fido/touchstone/devices"
	"github.com/touchstone-fido/touchstone/devices/enroll"
	"github.com/touchstone-fido/touchstone/devices/virtual"
	"github.com/touchstone-fido/touchstone/nfc"
	"github.com/touchstone-fido/touchstone/relyingparty"
)

// The fault sweep: a passkey is made with a PIN, again and again, and each time
// one thing goes wrong at one crossing of the report or APDU seam. Time is
// virtual, so that waiting costs none.

// fault is what goes wrong with one crossing.
type fault string

const (
	faultNone      fault = "none"
	faultDrop      fault = "dropped"
	faultDuplicate fault = "duplicated"
	faultDelay     fault = "delayed past the timeout"
	faultChannel   fault = "on a wrong channel"
	faultSequence  fault = "flipped in sequence"
	faultTruncate  fault = "truncated"
	faultGone      fault = "device gone"
	faultInterrupt fault = "interrupted by the user"
)

var faults = []fault{
	faultDrop, faultDuplicate, faultDelay, faultChannel, faultSequence, faultTruncate, faultGone, faultInterrupt,
}

const (
	sweepTimeout = 10 * time.Second // of one request
	sweepDelay   = 15 * time.Second
	// What a request may take beyond its timeout: the rest of a message is
	// written, the last word waited for, and the way back looked for.
	sweepLimit = sweepTimeout + 10*time.Second
	sweepPIN   = "2468"
	sweepRP    = "example.com"
)

// trouble lets one fault happen at one crossing, counted from 0 over both
// directions.
type trouble struct {
	fault     fault
	at        int
	crossings int
	interrupt context.CancelCauseFunc
}

// present is a time within the validity of the key's certificates.
var present = time.Date(2026, 11, 1, 0, 0, 0, 0, time.UTC)

var errUser = errors.New("interrupted")

// strikes counts a crossing and says what goes wrong with it.
func (s *trouble) strikes() fault {
	s.crossings++
	if s.crossings-1 != s.at {
		return faultNone
	}
	if s.fault == faultInterrupt {
		s.interrupt(errUser)
		return faultNone
	}
	return s.fault
}

// socket is where a key is plugged in, again after it has left.
type socket interface {
	link(*trouble) devices.Link
	replug()
	remove()
}

// repeatable is randomness that is the same in every run, so that crossings are
// too.
func repeatable() io.Reader { return rand.NewChaCha8([32]byte{1}) }

// newSweepKey is a software key with a PIN.
func newSweepKey(t *testing.T) *virtual.Authenticator {
	key, err := virtual.New(virtual.Config{Presence: virtual.Delayed(350 * time.Millisecond), Rand: repeatable()})
	if err != nil {
		t.Fatal(err)
	}
	card := nfc.NewEmulator(key, nfc.EmulatorConfig{})
	conn, err := devices.Connect(t.Context(), devices.Link{Card: card}, devices.Options{})
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	if err := conn.SetPIN(t.Context(), pinuv.Two, []byte(sweepPIN)); err != nil {
		t.Fatal(err)
	}
	return key
}

// sweepRun is what came of one enrolment.
type sweepRun struct {
	err       error
	after     error // of using the key again
	took      time.Duration
	crossings int
}

// enrolWith makes a passkey on a fresh key while the fault happens, and then
// uses the key again.
func enrolWith(t *testing.T, plug func(*virtual.Authenticator) socket, f fault, at int) (run sweepRun) {
	synctest.Test(t, func(t *testing.T) {
		time.Sleep(time.Until(present)) // certificates are not valid in the year 2000
		key := newSweepKey(t)
		s := plug(key)
		defer s.remove()
		ctx, interrupt := context.WithCancelCause(t.Context())
		defer interrupt(nil)
		trouble := &trouble{fault: f, at: at, interrupt: interrupt}
		start := time.Now()
		conn, err := devices.Connect(ctx, s.link(trouble), devices.Options{Timeout: sweepTimeout, Rand: repeatable()})
		if err == nil {
			err = enrol(ctx, conn)
		}
		run = sweepRun{err: err, took: time.Since(start), crossings: trouble.crossings}
		switch f {
		case faultGone:
			s.replug()
		case faultDelay: // while the late report is still to come, but not much later
			time.Sleep(sweepDelay - 2*time.Second - run.took)
		}
		run.after = stillUsable(s, conn, f)
	})
	return run
}

// enrol makes a passkey as the command does, and has the relying party verify
// what comes of it.
func enrol(ctx context.Context, conn *devices.Conn) error {
	party := relyingparty.Party{ID: sweepRP, Name: sweepRP, Origin: "https://" + sweepRP, Rand: repeatable()}
	ceremony, err := party.Begin(relyingparty.Policy{RequireUserVerification: true, Algorithms: []cose.Algorithm{cose.ES256}})
	if err != nil {
		return err
	}
	user := relyingparty.User{ID: bytes.Repeat([]byte{7}, 32), Name: "alice", DisplayName: "Alice"}
	created, err := enroll.Create(ctx, conn, enroll.CreateOptions{
		RP: ctap2.RelyingParty{ID: party.ID, Name: party.Name}, Origin: party.Origin, Challenge: ceremony.Challenge,
		User:       ctap2.User{ID: user.ID, Name: user.Name, DisplayName: user.DisplayName},
		Algorithms: []cose.Algorithm{cose.ES256}, Discoverable: enroll.Required, UserVerification: enroll.Required,
		Attestation: webauthn.ConveyanceDirect,
	}, enroll.Ask{PIN: func(context.Context, enroll.PINRequest) ([]byte, error) { return []byte(sweepPIN), nil }})
	if err != nil {
		return err
	}
	if _, err := party.Register(ceremony, user, created.Response); err != nil {
		return fmt.Errorf("%w: %w", errFalseSuccess, err)
	}
	return nil
}

// errFalseSuccess is a passkey that is none.
var errFalseSuccess = errors.New("success without a valid registration")

// stillUsable wants the key to take the next command, from the connection that
// there was and from another one, and all PIN tries to be left.
func stillUsable(s socket, conn *devices.Conn, f fault) error {
	ctx := context.Background()
	if conn != nil {
		_, err := conn.GetInfo(ctx)
		if err != nil && f != faultGone {
			return fmt.Errorf("next command: %w", err)
		}
		if err := conn.Close(); err != nil {
			return fmt.Errorf("close: %w", err)
		}
	}
	again, err := devices.Connect(ctx, s.link(&trouble{at: -1}), devices.Options{Timeout: sweepTimeout})
	if err != nil {
		return fmt.Errorf("next connection: %w", err)
	}
	retries, err := again.PINRetries(ctx)
	if err != nil || retries.Left != 8 {
		return fmt.Errorf("%d PIN tries are left, %w", retries.Left, err)
	}
	return errors.Join(enrol(ctx, again), again.Close())
}

// sweep tries every fault at every crossing.
func sweep(t *testing.T, plug func(*virtual.Authenticator) socket) {
	sound := enrolWith(t, plug, faultNone, -1)
	if sound.err != nil || sound.crossings < 20 {
		t.Fatalf("without a fault: %d crossings, %v", sound.crossings, sound.err)
	}
	tried, failed := 0, 0
	for _, f := range faults {
		t.Run(string(f), func(t *testing.T) {
			for at := range sound.crossings {
				run := enrolWith(t, plug, f, at)
				if run.crossings <= at {
					t.Errorf("the enrolment ended before crossing %d", at)
				}
				tried++
				if run.err != nil {
					failed++
				}
				if err := judge(f, run); err != nil {
					t.Errorf("crossing %d: %v\n\tthe enrolment ended after %v with: %v", at, err, run.took, run.err)
				}
			}
		})
	}
	t.Logf("%d crossings, %d faults tried: %d ended with an error, %d with a passkey", sound.crossings, tried, failed, tried-failed)
}

// judge wants a passkey or a typed error, in time, and a key that works.
func judge(f fault, run sweepRun) error {
	switch {
	case run.after != nil:
		return fmt.Errorf("afterwards: %w", run.after)
	case run.took > sweepLimit:
		return errors.New("it took too long")
	case run.err != nil && !typed(run.err), errors.Is(run.err, errFalseSuccess):
		return errors.New("not an error that a caller can tell")
	case f == faultInterrupt && run.err != nil && !errors.Is(run.err, errUser):
		return errors.New("the interruption is not told")
	case f == faultGone && !errors.Is(run.err, ctaphid.ErrGone) && !errors.Is(run.err, nfc.ErrGone):
		return errors.New("that the key has left is not told")
	}
	return nil
}

// typed reports whether a caller can tell what happened without reading.
func typed(err error) bool {
	var hid *ctaphid.Error
	var card *nfc.Error
	var refused *ctap2.Error
	var answer *ctap2.ResponseError
	return errors.Is(err, enroll.ErrUnsupported) || errors.As(err, &hid) || errors.As(err, &card) || errors.As(err, &refused) || errors.As(err, &answer)
}
