package virtual

import (
	"bytes"
	"io"
	"slices"
)

// templateIDSize is the size of a template ID in bytes.
const templateIDSize = 4

// finger is a fingerprint that is enrolled.
type finger struct {
	id       []byte
	finger   string // of the simulated user
	name     string // templateFriendlyName; empty for none
	sequence uint64
}

func (f *finger) record() fingerRecord {
	return fingerRecord{Version: recordVersion, Finger: f.finger, Name: f.name, Sequence: f.sequence}
}

// fingerOf finds the fingerprint of the user's finger.
func (s *state) fingerOf(name string) *finger {
	return s.fingerWhere(func(f *finger) bool { return f.finger == name })
}

// template finds a fingerprint by its template ID.
func (s *state) template(id []byte) *finger {
	return s.fingerWhere(func(f *finger) bool { return bytes.Equal(f.id, id) })
}

func (s *state) fingerWhere(is func(*finger) bool) *finger {
	i := slices.IndexFunc(s.fingers, is)
	if i < 0 {
		return nil
	}
	return s.fingers[i]
}

// fingersEnrolled tells whether there is at least one.
func (a *Authenticator) fingersEnrolled() bool { return len(a.state.fingers) > 0 }

// newTemplateID draws an ID that no fingerprint has.
func (a *Authenticator) newTemplateID() ([]byte, error) {
	for range 64 {
		id := make([]byte, templateIDSize)
		if _, err := io.ReadFull(a.cfg.Rand, id); err != nil {
			return nil, err
		}
		if a.state.template(id) == nil {
			return id, nil
		}
	}
	return nil, errRepeats
}
