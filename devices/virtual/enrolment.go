package virtual

import (
	"bytes"
	"slices"

	"github.com/touchstone-fido/touchstone/ctap2"
)

// enrolment is a fingerprint on its way to being enrolled (CTAP 2.3 §6.7.4).
// Until its last sample it is forgotten when the power goes.
type enrolment struct {
	id        []byte
	finger    string // empty before the first good sample
	remaining uint
}

// enrollBegin is subcommand 0x01. It ends an enrolment that is under way, and
// takes the first sample.
func (a *Authenticator) enrollBegin(c *call, r *bioRequest) (any, error) {
	a.volatile.enrolment = nil
	if len(a.state.fingers) >= a.profile.UV.Fingers && !a.faulty(fingersUnlimited) {
		return nil, ctap2.StatusFPDatabaseFull
	}
	id, err := a.newTemplateID()
	if err != nil {
		return nil, err
	}
	e := &enrolment{id: id, remaining: a.profile.UV.Samples}
	answer, err := a.capture(c, r, e)
	if err != nil {
		return nil, err
	}
	if e.remaining > 0 {
		a.volatile.enrolment = e
	}
	answer.TemplateID = id
	return answer, nil
}

// enrollCaptureNext is subcommand 0x02, enrollCaptureNextSample. The standard
// names no status for when there is nothing to go on with.
func (a *Authenticator) enrollCaptureNext(c *call, r *bioRequest) (any, error) {
	e := a.volatile.enrolment
	if e == nil || !bytes.Equal(e.id, r.templateID) {
		return nil, ctap2.StatusInvalidOption
	}
	answer, err := a.capture(c, r, e)
	if err != nil {
		return nil, err
	}
	if e.remaining == 0 {
		a.volatile.enrolment = nil
	}
	return answer, nil
}

// enrollCancel is subcommand 0x03, cancelCurrentEnrollment.
func (a *Authenticator) enrollCancel(*call, *bioRequest) (any, error) {
	if !a.faulty(bioCancelIgnored) {
		a.volatile.enrolment = nil
	}
	return nil, nil
}

// capture takes one sample. One that is of no use is told to the platform and
// costs nothing.
func (a *Authenticator) capture(c *call, r *bioRequest, e *enrolment) (*bioResponse, error) {
	s, err := a.sample(c, a.captureTime(r))
	if err != nil {
		return nil, err
	}
	if s.Finger == "" && a.faulty(sampleTimeoutError) {
		return nil, ctap2.StatusUserActionTimeout
	}
	status := a.judge(s, e)
	if status == SampleGood {
		if err := a.accept(e, s.Finger); err != nil {
			return nil, err
		}
	}
	remaining := e.remaining
	if a.faulty(remainingSamples) {
		remaining++
	}
	return &bioResponse{SampleStatus: &status, Remaining: &remaining}, nil
}

// judge tells what the enrolment thinks of a sample.
func (a *Authenticator) judge(s Sample, e *enrolment) SampleStatus {
	switch {
	case s.Finger == "":
		return SampleNoUserActivity
	case s.Status != SampleGood:
		return s.Status
	case e.finger != "" && e.finger != s.Finger && !a.faulty(fingersMerged):
		return SampleMergeFailure
	case a.state.fingerOf(s.Finger) != nil:
		return SampleExists
	}
	return SampleGood
}

// accept takes a good sample; the last one makes the fingerprint.
func (a *Authenticator) accept(e *enrolment, name string) error {
	if e.remaining > 1 {
		e.finger = name
		e.remaining--
		return nil
	}
	f := &finger{id: e.id, finger: name, sequence: a.state.nextFinger()}
	var ch change
	ch.put(fingerName(f.id), f.record())
	ch.after(func() {
		e.remaining = 0
		a.state.fingers = append(a.state.fingers, f)
	})
	return a.apply(ch)
}

// nextFinger is the sequence number of a fingerprint to come.
func (s *state) nextFinger() (next uint64) {
	for _, f := range s.fingers {
		next = max(next, f.sequence+1)
	}
	return next
}

func (s *state) removeFinger(f *finger) {
	s.fingers = slices.DeleteFunc(s.fingers, func(other *finger) bool { return other == f })
}
