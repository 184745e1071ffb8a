package ctap2

import (
	"context"
	"errors"
	"fmt"
	"time"
)

// Sample is what became of one sample of a finger, and how many good ones are
// still wanted.
type Sample struct {
	Status    SampleStatus
	Remaining uint
}

// Enrollment is a finger being enrolled. It is made by [Fingerprints.Begin] and
// ends when a sample leaves none remaining, or with [Enrollment.Cancel].
type Enrollment struct {
	fingers *Fingerprints

	// TemplateID is what the finger will be known by.
	TemplateID []byte
}

// Begin starts to enrol a finger and takes the first sample, for which it waits
// for the user up to limit; 0 leaves the limit to the authenticator (CTAP 2.3
// §6.7.4). An enrolment that was under way is given up. A sample that is not
// good is no error. [StatusFPDatabaseFull] says that there is no room.
func (f *Fingerprints) Begin(ctx context.Context, limit time.Duration) (*Enrollment, Sample, error) {
	r, k, err := f.authorized(ctx, BioEnrollBegin, timed(bioParams{Timeout: milliseconds(limit)}))
	if err != nil {
		return nil, Sample{}, err
	}
	if len(r.TemplateID) == 0 {
		return nil, Sample{}, k.missing("templateId")
	}
	s, err := r.sample(k)
	if err != nil {
		return nil, Sample{}, err
	}
	return &Enrollment{fingers: f, TemplateID: r.TemplateID}, s, nil
}

// timed leaves out parameters that say nothing.
func timed(p bioParams) any {
	if p.Timeout == 0 {
		return nil
	}
	return p
}

// Next takes the next sample, in the way of [Fingerprints.Begin].
func (e *Enrollment) Next(ctx context.Context, limit time.Duration) (Sample, error) {
	params := bioParams{TemplateID: e.TemplateID, Timeout: milliseconds(limit)}
	r, k, err := e.fingers.authorized(ctx, BioEnrollNext, params)
	if err != nil {
		return Sample{}, err
	}
	return r.sample(k)
}

// Cancel gives the enrolment up (CTAP 2.3 §6.7.5). Where none is under way it
// does nothing.
func (e *Enrollment) Cancel(ctx context.Context) error {
	return e.fingers.CancelEnrollment(ctx)
}

// CancelEnrollment gives up the enrolment that is under way, if there is one.
func (f *Fingerprints) CancelEnrollment(ctx context.Context) error {
	_, _, err := f.send(ctx, bioRequest{Modality: BioFingerprint, Subcommand: BioEnrollCancel})
	return err
}

func (r *bioResponse) sample(k call) (Sample, error) {
	switch {
	case r.SampleStatus == nil:
		return Sample{}, k.missing("lastEnrollSampleStatus")
	case r.Remaining == nil:
		return Sample{}, k.missing("remainingSamples")
	}
	return Sample{Status: *r.SampleStatus, Remaining: *r.Remaining}, nil
}

// cancelLimit is how long an enrolment that failed may take to be given up.
const cancelLimit = 5 * time.Second

// maxAttempts bounds the samples of one enrolment, good and bad: a hostile key
// may want more for ever.
const maxAttempts = 1 << 10

// Enroll enrols a finger: it takes samples until none remain, tells progress of
// each, and returns the ID of the new template. Each sample may take up to
// limit, 0 for the authenticator's own limit. An error, from progress too, or
// the end of ctx gives the enrolment up; after the last sample the finger is
// enrolled, and the ID comes with progress' error.
func (f *Fingerprints) Enroll(ctx context.Context, limit time.Duration, progress func(Sample) error) ([]byte, error) {
	e, s, err := f.Begin(ctx, limit)
	var refused *Error
	if errors.As(err, &refused) && refused.Status != StatusKeepaliveCancel {
		return nil, err // nothing was begun
	}
	for i := 0; err == nil; i++ {
		if err = progress(s); s.Remaining == 0 {
			return e.TemplateID, err
		}
		if err == nil && i == maxAttempts {
			err = fmt.Errorf("enrolment: no end after %d samples", i)
		}
		if err == nil {
			s, err = e.Next(ctx, limit)
		}
	}
	return nil, f.giveUp(ctx, err)
}

// giveUp cancels an enrolment that failed with err, even when ctx has ended.
func (f *Fingerprints) giveUp(ctx context.Context, err error) error {
	ctx, stop := context.WithTimeout(context.WithoutCancel(ctx), cancelLimit)
	defer stop()
	if cancel := f.CancelEnrollment(ctx); cancel != nil {
		return errors.Join(err, cancel)
	}
	return err
}
