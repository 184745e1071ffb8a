package manage_test

import (
	"context"
	"encoding/hex"
	"errors"
	"strings"
	"testing"
	"time"

	"github.com/touchstone-fido/touchstone/ctap2"
	"github.com/touchstone-fido/touchstone/devices/manage"
	"github.com/touchstone-fido/touchstone/devices/virtual"
)

// hand is a user whose finger on the sensor a test chooses.
type hand struct{ samples []virtual.Sample }

// touch is the next of the samples; the last one is repeated.
func (h *hand) touch(context.Context) virtual.Sample {
	s := h.samples[0]
	if len(h.samples) > 1 {
		h.samples = h.samples[1:]
	}
	return s
}

func (h *hand) uses(fingers ...string) {
	h.samples = nil
	for _, f := range fingers {
		h.samples = append(h.samples, virtual.Sample{Finger: f})
	}
}

// sensor is a key with a fingerprint sensor, a PIN and these fingers.
func sensor(t *testing.T, fingers ...string) (*rig, *hand) {
	t.Helper()
	h := &hand{}
	h.uses("")
	r := protected(t, virtual.FingerprintProfile(), h.touch)
	for i, name := range fingers {
		if i > 0 { // the first of them verifies the user
			h.uses(fingers[0], name)
		} else {
			h.uses(name)
		}
		if _, err := fingerprints(t, r).Add(t.Context(), manage.Adding{Name: name}); err != nil {
			t.Fatal(err)
		}
	}
	return r, h
}

func fingerprints(t *testing.T, r *rig) *manage.Fingerprints {
	t.Helper()
	f, err := r.open().Fingerprints(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(f.Close)
	return f
}

func names(all []ctap2.Template) (s []string) {
	for _, t := range all {
		s = append(s, t.Name)
	}
	return s
}

// TestNoFingerprints: a key that says by itself that it has none is not asked for
// them, and its user not for the PIN.
func TestNoFingerprints(t *testing.T) {
	r, _ := sensor(t)
	f := fingerprints(t, r)
	is(t, "none", len(f.All), 0)
	is(t, "sensor", f.Sensor, ctap2.SensorInfo{Kind: ctap2.FingerprintTouch, MaxSamples: 4, MaxNameLength: 64})
	is(t, "asked for the PIN", r.asked, 0)
	r.wantSent("getFingerprintSensorInfo")

	r = protected(t, nil, nil)
	if _, err := r.open().Fingerprints(t.Context()); !errors.Is(err, ctap2.ErrUnsupported) {
		t.Errorf("no sensor: %v", err)
	}
	r = newRig(t, virtual.FingerprintProfile(), nil)
	f = fingerprints(t, r)
	if _, err := f.Add(t.Context(), manage.Adding{}); !errors.Is(err, manage.ErrUnprotected) {
		t.Errorf("no PIN: %v", err)
	}
}

func TestAddFingerprint(t *testing.T) {
	r, h := sensor(t)
	var got []ctap2.Sample
	f := fingerprints(t, r)
	h.samples = []virtual.Sample{
		{Finger: "thumb"}, {Finger: "thumb", Status: virtual.SampleTooHigh}, {Finger: "index"}, {}, {Finger: "thumb"},
	}
	r.sent = nil
	added, err := f.Add(t.Context(), manage.Adding{Name: "My thumb", Limit: time.Second, Sample: func(s ctap2.Sample) { got = append(got, s) }})
	if err != nil {
		t.Fatal(err)
	}
	is(t, "samples", got, []ctap2.Sample{
		{Status: ctap2.SampleGood, Remaining: 3}, {Status: ctap2.SampleTooHigh, Remaining: 3}, {Status: ctap2.SampleMergeFailure, Remaining: 3},
		{Status: ctap2.SampleNoUserActivity, Remaining: 3},
		{Status: ctap2.SampleGood, Remaining: 2}, {Status: ctap2.SampleGood, Remaining: 1}, {Status: ctap2.SampleGood, Remaining: 0},
	})
	is(t, "named", added.Name, "My thumb")
	is(t, "listed", f.All, []ctap2.Template{added})
	next := "enrollCaptureNextSample"
	r.wantSent("getPinUvAuthTokenUsingPinWithPermissions", "enrollBegin", next, next, next, next, next, next, "setFriendlyName", "enumerateEnrollments")
	is(t, "asked for the PIN", r.asked, 1)

	// from now on the user is verified by a finger
	f = fingerprints(t, r)
	is(t, "listed again", names(f.All), []string{"My thumb"})
	is(t, "asked for the PIN", r.asked, 0)
	is(t, "told of the sensor", r.told, 1)
}

// TestNobodyAtTheSensor: an enrolment that nobody takes part in is given up, at
// the key too.
func TestNobodyAtTheSensor(t *testing.T) {
	r, h := sensor(t)
	f := fingerprints(t, r)
	h.samples = []virtual.Sample{{Finger: "thumb"}, {}, {}, {Finger: "thumb"}, {}}
	r.sent = nil
	if _, err := f.Add(t.Context(), manage.Adding{}); !errors.Is(err, manage.ErrNobody) {
		t.Fatal(err)
	}
	if last := r.sent[len(r.sent)-1]; last != "cancelCurrentEnrollment" || len(r.sent) != 9 {
		t.Errorf("asked for %q", r.sent)
	}
	is(t, "none", len(fingerprints(t, r).All), 0)
}

// TestInterruptedEnrolment: the end of the context ends the enrolment at the key,
// which is usable at once.
func TestInterruptedEnrolment(t *testing.T) {
	stop := errors.New("stop")
	ctx, cancel := context.WithCancelCause(t.Context())
	samples := 0
	r := protected(t, virtual.FingerprintProfile(), func(ctx context.Context) virtual.Sample {
		if samples++; samples == 2 {
			cancel(stop)
			<-ctx.Done()
		}
		return virtual.Sample{Finger: "thumb"}
	})
	f := fingerprints(t, r)
	r.sent = nil
	_, err := f.Add(ctx, manage.Adding{})
	if !errors.Is(err, ctap2.StatusKeepaliveCancel) || !errors.Is(err, stop) {
		t.Fatal(err)
	}
	r.wantSent("getPinUvAuthTokenUsingPinWithPermissions", "enrollBegin", "enrollCaptureNextSample", "cancelCurrentEnrollment")
	if added, err := f.Add(t.Context(), manage.Adding{Name: "thumb"}); err != nil || added.Name != "thumb" {
		t.Errorf("afterwards: %+v, %v", added, err)
	}
}

// TestFingerprintWithoutName: a finger that is enrolled and cannot be named is
// told, and stays.
func TestFingerprintWithoutName(t *testing.T) {
	r, h := sensor(t)
	h.uses("thumb")
	f := fingerprints(t, r)
	r.refusing("setFriendlyName", ctap2.StatusInvalidLength)
	added, err := f.Add(t.Context(), manage.Adding{Name: "thumb"})
	if !errors.Is(err, ctap2.StatusInvalidLength) || len(added.ID) == 0 || !strings.Contains(err.Error(), "the finger is enrolled, but not named") {
		t.Errorf("%+v, %v", added, err)
	}
	r.refusing("setFriendlyName", 0)
	h.uses("thumb", "index")
	if _, err := fingerprints(t, r).Add(t.Context(), manage.Adding{Name: "index"}); !errors.Is(err, manage.ErrNotDone) {
		t.Errorf("a key that lies: %v", err)
	}
	for _, name := range []string{strings.Repeat("x", 65), strings.Repeat("ä", 33)} {
		f := fingerprints(t, r)
		r.sent = nil
		if _, err := f.Add(t.Context(), manage.Adding{Name: name}); !errors.Is(err, manage.ErrName) {
			t.Errorf("%s: %v", name, err)
		}
		r.wantSent()
	}
}

func TestFullSensor(t *testing.T) {
	model := virtual.FingerprintProfile()
	model.UV.Fingers = 1
	h := &hand{}
	h.uses("thumb")
	r := protected(t, model, h.touch)
	if _, err := fingerprints(t, r).Add(t.Context(), manage.Adding{}); err != nil {
		t.Fatal(err)
	}
	h.uses("thumb", "index")
	if _, err := fingerprints(t, r).Add(t.Context(), manage.Adding{}); !errors.Is(err, ctap2.StatusFPDatabaseFull) {
		t.Error(err)
	}
}

func TestFindFingerprint(t *testing.T) {
	f := &manage.Fingerprints{All: []ctap2.Template{
		{ID: []byte{0x01}, Name: "thumb"}, {ID: []byte{0x01, 0x02}, Name: "index"}, {ID: []byte{0xab, 0xcd}, Name: "thumb"}, {ID: []byte{0xac, 0xcd}, Name: "01"},
	}}
	for typed, want := range map[string]string{
		"01": "01", "0102": "0102", "index": "0102", "abcd": "abcd", "AB": "abcd", "q80": "abcd",
		"thumb": "2", "a": "2", "": "0", "ff": "0", "inde": "0",
	} {
		got, err := f.Find(typed)
		var not *manage.SelectionError
		if errors.As(err, &not) && len(want) == 1 {
			is(t, typed, hex.EncodeToString([]byte{byte(not.Matches)})[1:], want)
			is(t, "choices", len(not.Choices), 4)
			continue
		}
		if err != nil || hex.EncodeToString(got.ID) != want {
			t.Errorf("%s: %x, %v", typed, got.ID, err)
		}
	}
}

func TestRenameFingerprint(t *testing.T) {
	r, h := sensor(t, "thumb", "index")
	h.uses("thumb")
	f := fingerprints(t, r)
	r.sent = nil
	if changed, err := f.Rename(t.Context(), f.All[0], "thumb"); changed || err != nil {
		t.Errorf("the same: %t, %v", changed, err)
	}
	r.wantSent()
	if changed, err := f.Rename(t.Context(), f.All[0], "left thumb"); !changed || err != nil {
		t.Errorf("%t, %v", changed, err)
	}
	is(t, "names", names(f.All), []string{"left thumb", "index"})
	if _, err := f.Rename(t.Context(), f.All[0], ""); !errors.Is(err, manage.ErrName) {
		t.Errorf("no name: %v", err)
	}
	r.refusing("setFriendlyName", 0)
	if _, err := f.Rename(t.Context(), f.All[0], "other"); !errors.Is(err, manage.ErrNotDone) {
		t.Errorf("a key that lies: %v", err)
	}
}

func TestDeleteFingerprint(t *testing.T) {
	r, h := sensor(t, "thumb", "index")
	h.uses("thumb")
	f := fingerprints(t, r)
	thumb, index := f.All[0], f.All[1]
	if err := f.Delete(t.Context(), index); err != nil {
		t.Fatal(err)
	}
	is(t, "left", names(f.All), []string{"thumb"})
	if err := f.Delete(t.Context(), index); !errors.Is(err, ctap2.StatusInvalidOption) {
		t.Errorf("twice: %v", err)
	}
	r.refusing("removeEnrollment", 0)
	if err := f.Delete(t.Context(), thumb); !errors.Is(err, manage.ErrNotDone) {
		t.Errorf("a key that lies: %v", err)
	}
	r.answer = nil
	if err := f.Delete(t.Context(), thumb); err != nil || len(f.All) != 0 {
		t.Errorf("the last: %v", err)
	}
}
