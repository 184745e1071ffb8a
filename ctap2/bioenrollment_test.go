package ctap2_test

import (
	"context"
	"errors"
	"fmt"
	"reflect"
	"testing"
	"time"

	"github.com/touchstone-fido/touchstone/ctap2"
	"github.com/touchstone-fido/touchstone/ctap2/pinuv"
)

func fingers(t testing.TB, steps ...step) *ctap2.Fingerprints {
	t.Helper()
	info := &ctap2.Info{Options: map[string]bool{ctap2.OptionBioEnroll: false}} // can, none enrolled
	f, err := ctap2.New(play(t, steps...), ctap2.Config{}).Fingerprints(info, vectorToken(t, pinuv.Two))
	if err != nil {
		t.Fatal(err)
	}
	return f
}

// bio is a request with parameters in hex, authorised by the vectors' token.
func bio(t testing.TB, sub, params string) string {
	auth := "04 02 05" + mac(t, pinuv.Two, "01"+sub+params)
	if params == "" {
		return "09 a4 01 01 02" + sub + auth
	}
	return "09 a5 01 01 02" + sub + "03" + params + auth
}

func TestFingerprintSensor(t *testing.T) {
	f := fingers(t, step{"09 a1 06 f5", "00 a1 01 01"}, step{"09 a2 01 01 02 07", "00 a3 02 01 03 04 08 0f"})
	if m, err := f.Modality(t.Context()); err != nil || m != ctap2.BioFingerprint {
		t.Errorf("%v, %v", m, err)
	}
	want := ctap2.SensorInfo{Kind: ctap2.FingerprintTouch, MaxSamples: 4, MaxNameLength: 15}
	if s, err := f.Sensor(t.Context()); err != nil || s != want || s.NameLimit() != 15 {
		t.Errorf("%+v, %v", s, err)
	}
	for told, limit := range map[uint]uint{0: 64, 64: 64, 200: 64, 1: 1} {
		if got := (ctap2.SensorInfo{MaxNameLength: told}).NameLimit(); got != limit {
			t.Errorf("limit %d of %d, want %d", got, told, limit)
		}
	}
}

func TestFingerprintCommand(t *testing.T) {
	for _, c := range []struct {
		options map[string]bool
		ask     string
	}{
		{map[string]bool{ctap2.OptionBioEnroll: true}, "09 a1 06 f5"},
		{map[string]bool{ctap2.OptionUserVerificationMgmtPreview: false}, "40 a1 06 f5"},
		{map[string]bool{ctap2.OptionBioEnroll: false, ctap2.OptionUserVerificationMgmtPreview: true}, "09 a1 06 f5"},
	} {
		f, err := ctap2.New(play(t, step{c.ask, "00 a1 01 01"}), ctap2.Config{}).Fingerprints(&ctap2.Info{Options: c.options}, nil)
		if err != nil {
			t.Fatal(err)
		}
		if _, err := f.Modality(t.Context()); err != nil {
			t.Errorf("%v: %v", c.options, err)
		}
	}
	if _, err := answering(t, "").Fingerprints(&ctap2.Info{}, nil); !errors.Is(err, ctap2.ErrUnsupported) {
		t.Error(err)
	}
}

func TestTemplates(t *testing.T) {
	want := "09 a4 01 01 02 04 04 02 05" + vectorMAC(t, "bioEnrollment enumerateEnrollments", "0104")
	got, err := fingers(t, step{want, "00 a1 07 82 a2 01 42cea3 02 6766696e67657231 a1 01 42bf5e"}).Templates(t.Context())
	if err != nil || !reflect.DeepEqual(got, []ctap2.Template{{ID: []byte{0xce, 0xa3}, Name: "finger1"}, {ID: []byte{0xbf, 0x5e}}}) {
		t.Errorf("%+v, %v", got, err)
	}
	if got, err := fingers(t, step{want, "2c"}).Templates(t.Context()); err != nil || len(got) != 0 {
		t.Errorf("none enrolled: %+v, %v", got, err)
	}
	if _, err := fingers(t, step{want, "36"}).Templates(t.Context()); !errors.Is(err, ctap2.StatusPUATRequired) {
		t.Error(err)
	}
}

func TestRenameAndRemove(t *testing.T) {
	f := fingers(t,
		step{bio(t, "05", "a2 01 42cea3 02 6474"+"68756d"), "00"},
		step{bio(t, "06", "a1 01 42cea3"), "2c"},
	)
	if err := f.Rename(t.Context(), []byte{0xce, 0xa3}, "thum"); err != nil {
		t.Error(err)
	}
	if err := f.Remove(t.Context(), []byte{0xce, 0xa3}); !errors.Is(err, ctap2.StatusInvalidOption) {
		t.Error(err)
	}
}

func TestEnrollFinger(t *testing.T) {
	f := fingers(t,
		step{"09 a5 01 01 02 01 03 a1 03 19 2710 04 02 05" + vectorMAC(t, "bioEnrollment enrollBegin", "0101a103192710"), "00 a3 04 42cea3 05 00 06 02"},
		step{bio(t, "02", "a2 01 42cea3 03 19 2710"), "00 a2 05 05 06 02"},
		step{bio(t, "02", "a2 01 42cea3 03 19 2710"), "00 a2 05 00 06 01"},
		step{bio(t, "02", "a2 01 42cea3 03 19 2710"), "00 a2 05 00 06 00"},
	)
	var got []ctap2.Sample
	id, err := f.Enroll(t.Context(), 10*time.Second, func(s ctap2.Sample) error { got = append(got, s); return nil })
	want := []ctap2.Sample{{ctap2.SampleGood, 2}, {ctap2.SampleTooFast, 2}, {ctap2.SampleGood, 1}, {ctap2.SampleGood, 0}}
	if err != nil || string(id) != "\xce\xa3" || !reflect.DeepEqual(got, want) {
		t.Errorf("%x, %v, %v", id, got, err)
	}
}

// TestEnrollmentIsGivenUp: whatever goes wrong after a key began, it is told.
func TestEnrollmentIsGivenUp(t *testing.T) {
	begin, next := bio(t, "01", ""), bio(t, "02", "a1 01 42cea3")
	begun := step{begin, "00 a3 04 42cea3 05 00 06 02"}
	cancel := step{"09 a2 01 01 02 03", "00"}
	stop := errors.New("enough")
	for _, c := range []struct {
		name  string
		stop  bool // by progress
		steps []step
		want  error
	}{
		{"no room", false, []step{{begin, "17"}}, ctap2.StatusFPDatabaseFull},
		{"the token is refused", false, []step{{begin, "33"}}, ctap2.StatusPINAuthInvalid},
		{"cancelled at the first sample", false, []step{{begin, "2d"}, cancel}, ctap2.StatusKeepaliveCancel},
		{"cancelled later", false, []step{begun, {next, "2d"}, cancel}, ctap2.StatusKeepaliveCancel},
		{"the user has enough", true, []step{begun, cancel}, stop},
		{"no template", false, []step{{begin, "00 a2 05 00 06 02"}, cancel}, ctap2.ErrMissingMember},
		{"no feedback", false, []step{begun, {next, "00 a1 06 01"}, cancel}, ctap2.ErrMissingMember},
		{"no count", false, []step{begun, {next, "00 a1 05 00"}, cancel}, ctap2.ErrMissingMember},
		{"the cancel fails too", false, []step{begun, {next, "2f"}, {cancel.want, "7f"}}, ctap2.StatusOther},
	} {
		_, err := fingers(t, c.steps...).Enroll(t.Context(), 0, func(ctap2.Sample) error {
			if c.stop {
				return stop
			}
			return nil
		})
		if !errors.Is(err, c.want) {
			t.Errorf("%s: %v", c.name, err)
		}
	}
}

// TestEnrollmentIsGivenUpAfterTheContext: the cancel is sent though the context
// of the enrolment has ended.
func TestEnrollmentIsGivenUpAfterTheContext(t *testing.T) {
	ctx, end := context.WithCancel(t.Context())
	var asked []byte
	c := ctap2.New(transportFunc(func(ctx context.Context, msg []byte) ([]byte, error) {
		if err := ctx.Err(); err != nil {
			return nil, err
		}
		asked = msg
		end()
		return []byte{0x2d}, ctx.Err()
	}), ctap2.Config{})
	f, err := c.Fingerprints(&ctap2.Info{Options: map[string]bool{ctap2.OptionBioEnroll: true}}, nil)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := f.Enroll(ctx, 0, func(ctap2.Sample) error { return nil }); !errors.Is(err, context.Canceled) {
		t.Error(err)
	}
	if fmt.Sprintf("%x", asked) != "09a201010203" {
		t.Errorf("the last word is %x", asked)
	}
}

// TestEndlessEnrollment: a key that always wants one sample more is left.
func TestEndlessEnrollment(t *testing.T) {
	f, err := answering(t, "00 a3 04 41 01 05 00 06 01").Fingerprints(&ctap2.Info{Options: map[string]bool{ctap2.OptionBioEnroll: true}}, nil)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := f.Enroll(t.Context(), 0, func(ctap2.Sample) error { return nil }); err == nil {
		t.Error("it ended")
	}
}

// An error of progress after the last sample cannot undo the enrolment.
func TestLateObjection(t *testing.T) {
	late := errors.New("late")
	f := fingers(t, step{bio(t, "01", ""), "00 a3 04 42cea3 05 00 06 00"})
	id, err := f.Enroll(t.Context(), 0, func(ctap2.Sample) error { return late })
	if string(id) != "\xce\xa3" || !errors.Is(err, late) {
		t.Errorf("%x, %v", id, err)
	}
}

func TestBadBioAnswers(t *testing.T) {
	for _, answer := range []string{"00", "00 a0", "00 a1 07 81 a0", "00 a1 07 01", "00 80", "00 a3 02 6161 03 01 08 01"} {
		f, err := answering(t, answer).Fingerprints(&ctap2.Info{Options: map[string]bool{ctap2.OptionBioEnroll: true}}, nil)
		if err != nil {
			t.Fatal(err)
		}
		_, modality := f.Modality(t.Context())
		_, sensor := f.Sensor(t.Context())
		_, templates := f.Templates(t.Context())
		for _, err := range []error{modality, sensor, templates} {
			var bad *ctap2.ResponseError
			if !errors.As(err, &bad) {
				t.Errorf("%s: %v", answer, err)
			}
		}
	}
}
