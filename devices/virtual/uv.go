package virtual

import (
	"context"
	"time"

	"github.com/touchstone-fido/touchstone/ctap2"
)

// Limits on tries of built-in user verification (CTAP 2.3 §6.5.2.3).
const (
	maxUVRetries = 25 // at the most, before it is blocked
	maxUVTries   = 5  // at the most, within one command
)

// SampleStatus is how good one contact with the fingerprint sensor was:
// lastEnrollSampleStatus of CTAP 2.3 §6.7.4.
type SampleStatus uint8

// Sample statuses. A key that enrols a finger tells them to the platform, which
// decides what to say to its user.
const (
	SampleGood             SampleStatus = 0x00
	SampleTooHigh          SampleStatus = 0x01
	SampleTooLow           SampleStatus = 0x02
	SampleTooLeft          SampleStatus = 0x03
	SampleTooRight         SampleStatus = 0x04
	SampleTooFast          SampleStatus = 0x05
	SampleTooSlow          SampleStatus = 0x06
	SamplePoorQuality      SampleStatus = 0x07
	SampleTooSkewed        SampleStatus = 0x08
	SampleTooShort         SampleStatus = 0x09
	SampleMergeFailure     SampleStatus = 0x0a // not the finger of the samples before
	SampleExists           SampleStatus = 0x0b // of a finger that is enrolled
	SampleNoUserActivity   SampleStatus = 0x0d
	SampleNoUserTransition SampleStatus = 0x0e // the finger was not lifted
)

// Sample is one contact with the fingerprint sensor.
type Sample struct {
	// Finger says which finger it was, by any name; two samples with the same
	// one are of the same finger. None means that nobody touched the sensor.
	Finger string
	Status SampleStatus // SampleGood, or what was wrong with the contact
	// Denied is a user who refuses on purpose.
	Denied bool
}

// Finger is the user at the fingerprint sensor: it is called when the key wants
// a sample and returns when there was one, or as soon as ctx ends. As with
// [Presence], the key counts its own time.
type Finger func(ctx context.Context) Sample

// Touching is a user who puts this finger on the sensor at once, each time.
func Touching(finger string) Finger { return Sensing(Sample{Finger: finger}) }

// Sensing is a user whose every contact with the sensor is this one.
func Sensing(s Sample) Finger { return func(context.Context) Sample { return s } }

// uvConfigured tells whether the user can be verified by built-in means: by a
// finger that is enrolled or, on models that enrol none over CTAP, as the
// profile says.
func (a *Authenticator) uvConfigured() bool {
	if a.profile.enrolsFingers() {
		return a.profile.has(optUV) && len(a.state.fingers) > 0
	}
	return a.profile.is(optUV)
}

// freshUV is the record of uvRetries after they were restored by a PIN.
func (a *Authenticator) freshUV() uvRecord {
	if !a.profile.has(optUV) {
		return a.state.uv
	}
	return uvRecord{Version: recordVersion, Retries: a.profile.UV.Retries}
}

// saveUV makes the record the key's, in the store first.
func (a *Authenticator) saveUV(r uvRecord) error {
	var ch change
	ch.put(uvName, r)
	if err := a.apply(ch); err != nil {
		return err
	}
	a.state.uv = r
	return nil
}

// builtInUV is performBuiltInUv (CTAP 2.3 §6.5.3.1). Where the key may try again
// by itself it does so until its tries for one command, or all of them, are
// spent. The error is CTAP2_ERR_UV_BLOCKED, UV_INVALID, USER_ACTION_TIMEOUT,
// OPERATION_DENIED or KEEPALIVE_CANCEL.
func (a *Authenticator) builtInUV(c *call, internalRetry bool) error {
	tries := uint(1)
	if internalRetry {
		tries = a.profile.UV.InternalAttempts
	}
	err := error(ctap2.StatusUVBlocked)
	for range tries {
		if a.state.uv.Retries == 0 && !a.faulty(uvBlockedIgnored) {
			return ctap2.StatusUVBlocked
		}
		if err = a.tryUV(c); err != ctap2.StatusUVInvalid {
			return err
		}
	}
	if a.state.uv.Retries == 0 {
		return ctap2.StatusUVBlocked
	}
	return err
}

// tryUV is one try. It is paid for, durably, before the comparison.
func (a *Authenticator) tryUV(c *call) error {
	sample, err := a.sample(c, a.actionTime())
	if err != nil {
		return err
	}
	if sample.Finger == "" {
		return ctap2.StatusUserActionTimeout
	}
	paid := a.state.uv
	if paid.Retries > 0 && !a.faulty(uvFree) {
		paid.Retries--
	}
	paid.SincePIN++
	if err := a.saveUV(paid); err != nil {
		return err
	}
	if !a.recognises(sample) {
		return ctap2.StatusUVInvalid
	}
	return a.uvAccepted()
}

// recognises tells whether the sample is the user's. A model that enrols no
// fingers over CTAP knows one user, whose samples are all good ones.
func (a *Authenticator) recognises(s Sample) bool {
	if s.Status != SampleGood {
		return false
	}
	return !a.profile.enrolsFingers() || a.state.fingerOf(s.Finger) != nil || a.faulty(uvAnyFinger)
}

// uvAccepted gives back the tries of user verification, by either means.
func (a *Authenticator) uvAccepted() error {
	uv, pin := a.state.uv, a.state.pin
	if !a.faulty(uvNotRestored) {
		uv.Retries = a.profile.UV.Retries
	}
	var ch change
	ch.put(uvName, uv)
	if a.pinSet() && pin.Retries > 0 && pin.Retries < a.profile.PIN.Retries {
		pin.Retries = a.profile.PIN.Retries
		ch.put(pinName, pin)
	}
	if err := a.apply(ch); err != nil {
		return err
	}
	a.state.uv, a.state.pin = uv, pin
	return nil
}

// uvFailure is what makeCredential and getAssertion say of built-in user
// verification that failed: where a PIN will do, that a token is needed.
func (a *Authenticator) uvFailure(err error, fallback bool) error {
	switch {
	case err != ctap2.StatusUVInvalid && err != ctap2.StatusUVBlocked:
		return err
	case fallback && a.pinSet() && a.profile.mcGaByPIN():
		return ctap2.StatusPUATRequired
	case a.state.uv.Retries == 0:
		return ctap2.StatusPINBlocked
	}
	return ctap2.StatusOperationDenied
}

// sample waits for a contact with the sensor. Nobody touching it within limit is
// no error, and a sample without a finger.
func (a *Authenticator) sample(c *call, limit time.Duration) (Sample, error) {
	ctx, cancel := context.WithTimeout(c.ctx, limit)
	defer cancel()
	c.keepalive(keepaliveUPNeeded)
	s := a.cfg.Finger(ctx)
	c.keepalive(keepaliveProcessing)
	switch {
	case c.ctx.Err() != nil:
		return Sample{}, ctap2.StatusKeepaliveCancel
	case ctx.Err() != nil:
		return Sample{Status: SampleNoUserActivity}, nil
	case s.Denied:
		return Sample{}, ctap2.StatusOperationDenied
	}
	return s, nil
}
