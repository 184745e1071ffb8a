package manage

import (
	"bytes"
	"context"
	"encoding/hex"
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/touchstone-fido/touchstone/ctap2"
	"github.com/touchstone-fido/touchstone/ctap2/pinuv"
)

// Errors of fingerprints.
var (
	// ErrNobody: nobody has touched the sensor for several samples in a row.
	ErrNobody = errors.New("nobody touches the sensor")
	// ErrName: a name that the key cannot give to a finger.
	ErrName = errors.New("the key takes no such name for a finger")
)

// Fingerprints are the fingers that a key knows its user by, as they were when it
// was asked. They may hold a token: the caller closes them soon.
type Fingerprints struct {
	All    []ctap2.Template
	Sensor ctap2.SensorInfo

	key     *Key
	fingers *ctap2.Fingerprints
	token   *pinuv.Token
}

// Fingerprints lists the enrolled fingers. A key that says by itself that there
// are none is asked for no more than what its sensor is like, and the user is not
// verified.
func (k *Key) Fingerprints(ctx context.Context) (*Fingerprints, error) {
	fingers, err := k.conn.Fingerprints(k.info, nil)
	if err != nil {
		return nil, err
	}
	f := &Fingerprints{key: k, fingers: fingers}
	if f.Sensor, err = fingers.Sensor(ctx); err != nil {
		return nil, err
	}
	if !k.option(ctap2.OptionBioEnroll) && !k.option(ctap2.OptionUserVerificationMgmtPreview) {
		return f, nil
	}
	err = f.authorize(ctx)
	if err == nil {
		f.All, err = f.fingers.Templates(ctx)
	}
	if err != nil {
		f.Close()
		return nil, err
	}
	return f, nil
}

// Close wipes the token.
func (f *Fingerprints) Close() { f.token.Wipe() }

// authorize verifies the user, if that was not done before.
func (f *Fingerprints) authorize(ctx context.Context) (err error) {
	if f.token != nil {
		return nil
	}
	if f.token, err = f.key.authorize(ctx, ctap2.PermissionBioEnrollment); err != nil {
		return err
	}
	f.fingers, err = f.key.conn.Fingerprints(f.key.info, f.token)
	return err
}

// Find returns the one finger that a person means: by the beginning of its ID in
// hex or base64url, or by its whole name. None or several are a
// [*SelectionError].
func (f *Fingerprints) Find(typed string) (ctap2.Template, error) {
	var ids [][]byte
	for _, t := range f.All {
		ids = append(ids, t.ID)
	}
	some := among(ids, typed)
	if len(some) != 1 || !isID(ids[some[0]], typed) { // a whole ID is no name
		for i, t := range f.All {
			if t.Name == typed && typed != "" && !slices.Contains(some, i) {
				some = append(some, i)
			}
		}
	}
	if len(some) == 1 {
		return f.All[some[0]], nil
	}
	e := &SelectionError{What: "fingerprint", Typed: typed, Matches: len(some)}
	for _, t := range f.All {
		e.Choices = append(e.Choices, fmt.Sprintf("%s  %q", hex.EncodeToString(t.ID), t.Name))
	}
	return ctap2.Template{}, e
}

// CheckName refuses a name that the key would refuse, with [ErrName].
func (f *Fingerprints) CheckName(name string) error {
	if limit := f.Sensor.NameLimit(); name == "" || uint(len(name)) > limit {
		return fmt.Errorf("%w: %d bytes, want 1 to %d", ErrName, len(name), limit)
	}
	return nil
}

// Adding says how to enrol a finger.
type Adding struct {
	Name  string        // empty for none
	Limit time.Duration // how long each sample may take; 0 for the key's own limit

	// Sample, when not nil, is told of each sample.
	Sample func(ctap2.Sample)
}

// patience is for how many samples in a row nobody needs to touch the sensor.
const patience = 3

// Add enrols a finger, names it and lists it. The end of ctx, and [ErrNobody],
// give the enrolment up at the key; one that was finished stays, whatever comes
// after it, and is returned with the error.
func (f *Fingerprints) Add(ctx context.Context, a Adding) (ctap2.Template, error) {
	if a.Name != "" {
		if err := f.CheckName(a.Name); err != nil {
			return ctap2.Template{}, err
		}
	}
	if err := f.authorize(ctx); err != nil {
		return ctap2.Template{}, err
	}
	id, err := f.fingers.Enroll(ctx, a.Limit, a.tell())
	if err != nil {
		return ctap2.Template{}, err
	}
	added := ctap2.Template{ID: id}
	if a.Name != "" {
		if err := f.fingers.Rename(ctx, id, a.Name); err != nil {
			return added, fmt.Errorf("the finger is enrolled, but not named: %w", err)
		}
		added.Name = a.Name
	}
	return added, f.check(ctx, added)
}

// tell is told of every sample, and gives up when nobody is there.
func (a Adding) tell() func(ctap2.Sample) error {
	idle := 0
	return func(s ctap2.Sample) error {
		if a.Sample != nil {
			a.Sample(s)
		}
		if idle++; s.Status != ctap2.SampleNoUserActivity {
			idle = 0
		}
		if idle == patience {
			return ErrNobody
		}
		return nil
	}
}

// check lists the fingers again, with this one among them as it is to be.
func (f *Fingerprints) check(ctx context.Context, want ctap2.Template) (err error) {
	if f.All, err = f.fingers.Templates(ctx); err != nil {
		return err
	}
	if !slices.ContainsFunc(f.All, func(t ctap2.Template) bool { return bytes.Equal(t.ID, want.ID) && t.Name == want.Name }) {
		return fmt.Errorf("fingerprint: %w", ErrNotDone)
	}
	return nil
}

// Rename names a finger and lists it. Where it has that name already nothing is
// sent, and changed is false.
func (f *Fingerprints) Rename(ctx context.Context, finger ctap2.Template, name string) (changed bool, err error) {
	if err := f.CheckName(name); err != nil {
		return false, err
	}
	if finger.Name == name {
		return false, nil
	}
	if err := f.fingers.Rename(ctx, finger.ID, name); err != nil {
		return false, err
	}
	return true, f.check(ctx, ctap2.Template{ID: finger.ID, Name: name})
}

// Delete has the key forget a finger and lists the others: one that is still
// there is [ErrNotDone].
func (f *Fingerprints) Delete(ctx context.Context, finger ctap2.Template) (err error) {
	if err := f.fingers.Remove(ctx, finger.ID); err != nil {
		return err
	}
	if f.All, err = f.fingers.Templates(ctx); err != nil {
		return err
	}
	if slices.ContainsFunc(f.All, func(t ctap2.Template) bool { return bytes.Equal(t.ID, finger.ID) }) {
		return fmt.Errorf("delete fingerprint: %w", ErrNotDone)
	}
	return nil
}
