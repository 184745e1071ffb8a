package view

import (
	"encoding/hex"
	"fmt"
	"io"

	"github.com/touchstone-fido/touchstone/ctap2"
	"github.com/touchstone-fido/touchstone/ctap2/webauthn"
	"github.com/touchstone-fido/touchstone/devices"
)

// Fingerprints shows the fingers that a key knows its user by, and its sensor.
type Fingerprints struct {
	Device devices.Info
	Sensor ctap2.SensorInfo
	All    []ctap2.Template
}

type fingerprint struct {
	ID   webauthn.Bytes `json:"id"`
	Name string         `json:"name,omitempty"`
}

type sensor struct {
	Kind          string `json:"kind"`          // "touch", "swipe", or the number of another kind
	MaxSamples    uint   `json:"maxSamples"`    // good ones that a finger takes
	MaxNameLength uint   `json:"maxNameLength"` // bytes of UTF-8
}

func newSensor(s ctap2.SensorInfo) sensor {
	kind := fmt.Sprint(uint(s.Kind))
	switch s.Kind {
	case ctap2.FingerprintTouch:
		kind = "touch"
	case ctap2.FingerprintSwipe:
		kind = "swipe"
	}
	return sensor{Kind: kind, MaxSamples: s.MaxSamples, MaxNameLength: s.NameLimit()}
}

// Envelope is touchstone/fingerprints/1.
func (f Fingerprints) Envelope() any {
	e := struct {
		Schema       string        `json:"schema"`
		Device       Device        `json:"device"`
		Sensor       sensor        `json:"sensor"`
		Fingerprints []fingerprint `json:"fingerprints"`
	}{"touchstone/fingerprints/1", NewDevice(f.Device), newSensor(f.Sensor), []fingerprint{}}
	for _, t := range f.All {
		e.Fingerprints = append(e.Fingerprints, fingerprint{t.ID, t.Name})
	}
	return e
}

// Text writes a row for each finger, and what the sensor is like.
func (f Fingerprints) Text(w io.Writer) error {
	if len(f.All) > 0 {
		var rows [][]string
		for _, t := range f.All {
			rows = append(rows, []string{hex.EncodeToString(t.ID), orDash(oneLine(t.Name))})
		}
		if err := table(w, []string{"FINGERPRINT", "NAME"}, rows); err != nil {
			return err
		}
	}
	s := newSensor(f.Sensor)
	_, err := fmt.Fprintf(w, "%s on the key. A finger takes up to %s (%s); a name has up to %d bytes.\n",
		count(len(f.All), "fingerprint"), count(s.MaxSamples, "good sample"), s.Kind, s.MaxNameLength)
	return err
}

// FingerprintAction is what was done about a finger.
type FingerprintAction string

// Actions.
const (
	FingerprintAdded   FingerprintAction = "added"
	FingerprintRenamed FingerprintAction = "renamed"
	FingerprintDeleted FingerprintAction = "deleted"
)

// FingerprintChanged tells what was done about one finger.
type FingerprintChanged struct {
	Device      devices.Info
	Action      FingerprintAction
	Fingerprint ctap2.Template // as it is now, or was
	Before      string         // the name that it had, if it was renamed
	Changed     bool
	Enrolled    int // how many there are now
}

// Envelope is touchstone/fingerprint/1.
func (f FingerprintChanged) Envelope() any {
	return struct {
		Schema      string            `json:"schema"`
		Device      Device            `json:"device"`
		Action      FingerprintAction `json:"action"`
		Changed     bool              `json:"changed"`
		Fingerprint fingerprint       `json:"fingerprint"`
		Before      string            `json:"before,omitempty"`
		Enrolled    int               `json:"enrolled"`
	}{
		"touchstone/fingerprint/1", NewDevice(f.Device), f.Action, f.Changed,
		fingerprint{f.Fingerprint.ID, f.Fingerprint.Name}, f.Before, f.Enrolled,
	}
}

// Text writes what was done and how many there are now.
func (f FingerprintChanged) Text(w io.Writer) error {
	label, text := fingerLabel(f.Fingerprint), ""
	switch {
	case !f.Changed:
		text = label + " has that name already; nothing was sent."
	case f.Action == FingerprintRenamed:
		text = "Renamed " + fingerLabel(ctap2.Template{ID: f.Fingerprint.ID, Name: f.Before}) + " to " + oneLine(f.Fingerprint.Name) + "."
	case f.Action == FingerprintAdded:
		text = "Added " + label + "."
	default:
		text = "Deleted " + label + "."
	}
	_, err := fmt.Fprintf(w, "%s\n%s on the key.\n", text, count(f.Enrolled, "fingerprint"))
	return err
}

// fingerLabel names a finger in a sentence.
func fingerLabel(t ctap2.Template) string {
	label := "fingerprint " + hex.EncodeToString(t.ID)
	if t.Name != "" {
		label += " (" + oneLine(t.Name) + ")"
	}
	return label
}

// samples says what can become of a sample, and what to do about it.
var samples = map[ctap2.SampleStatus]string{
	ctap2.SampleGood:                 "good",
	ctap2.SampleTooHigh:              "too high on the sensor",
	ctap2.SampleTooLow:               "too low on the sensor",
	ctap2.SampleTooLeft:              "too far left on the sensor",
	ctap2.SampleTooRight:             "too far right on the sensor",
	ctap2.SampleTooFast:              "too fast: leave the finger there for longer",
	ctap2.SampleTooSlow:              "too slow: lift the finger sooner",
	ctap2.SamplePoorQuality:          "of poor quality: clean finger and sensor, press evenly",
	ctap2.SampleTooSkewed:            "askew: keep the finger straight",
	ctap2.SampleTooShort:             "too little of the finger: cover the sensor",
	ctap2.SampleMergeFailure:         "does not go with the samples before: use the same finger",
	ctap2.SampleExists:               "of a finger that the key knows already: use another",
	ctap2.SampleDatabaseFull:         "not stored: the key has no room for more",
	ctap2.SampleNoUserActivity:       "nobody touched the sensor",
	ctap2.SampleNoPresenceTransition: "the finger was not lifted: lift it and touch again",
}

// SampleText says what became of a sample of a finger and how many are wanted
// yet.
func SampleText(n int, s ctap2.Sample) string {
	what, ok := samples[s.Status]
	if !ok {
		what = s.Status.String()
	}
	if s.Remaining == 0 {
		return fmt.Sprintf("Sample %d: %s. That was the last.", n, what)
	}
	return fmt.Sprintf("Sample %d: %s. %s to go.", n, what, count(s.Remaining, "good sample"))
}
