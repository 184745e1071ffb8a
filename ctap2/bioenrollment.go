package ctap2

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/touchstone-fido/touchstone/ctap2/pinuv"
	"github.com/touchstone-fido/touchstone/ctap2/wire"
)

// BioSubcommand is the subCommand of authenticatorBioEnrollment (CTAP 2.3
// §6.7).
type BioSubcommand uint

// Subcommands of authenticatorBioEnrollment.
const (
	BioEnrollBegin   BioSubcommand = 0x01
	BioEnrollNext    BioSubcommand = 0x02
	BioEnrollCancel  BioSubcommand = 0x03
	BioEnumerate     BioSubcommand = 0x04
	BioSetName       BioSubcommand = 0x05
	BioRemove        BioSubcommand = 0x06
	BioGetSensorInfo BioSubcommand = 0x07
)

var bioNames = map[BioSubcommand]string{
	BioEnrollBegin:   "enrollBegin",
	BioEnrollNext:    "enrollCaptureNextSample",
	BioEnrollCancel:  "cancelCurrentEnrollment",
	BioEnumerate:     "enumerateEnrollments",
	BioSetName:       "setFriendlyName",
	BioRemove:        "removeEnrollment",
	BioGetSensorInfo: "getFingerprintSensorInfo",
}

// String is the standard's name of the subcommand.
func (s BioSubcommand) String() string { return subcommand(bioNames, s) }

// BioModality is a kind of biometric sensor (CTAP 2.3 §6.7.2).
type BioModality uint

// BioFingerprint is the only modality there is.
const BioFingerprint BioModality = 1

// FingerprintKind is how a finger is read.
type FingerprintKind uint

// Kinds of fingerprint sensors (CTAP 2.3 §6.7.3).
const (
	FingerprintTouch FingerprintKind = 1
	FingerprintSwipe FingerprintKind = 2
)

// SampleStatus is what became of one sample of a finger, lastEnrollSampleStatus
// (CTAP 2.3 §6.7.4).
type SampleStatus uint

// What can become of a sample. 0x0c is unused; prototypes had a full database
// there.
const (
	SampleGood                 SampleStatus = 0x00
	SampleTooHigh              SampleStatus = 0x01
	SampleTooLow               SampleStatus = 0x02
	SampleTooLeft              SampleStatus = 0x03
	SampleTooRight             SampleStatus = 0x04
	SampleTooFast              SampleStatus = 0x05
	SampleTooSlow              SampleStatus = 0x06
	SamplePoorQuality          SampleStatus = 0x07
	SampleTooSkewed            SampleStatus = 0x08
	SampleTooShort             SampleStatus = 0x09
	SampleMergeFailure         SampleStatus = 0x0a
	SampleExists               SampleStatus = 0x0b
	SampleDatabaseFull         SampleStatus = 0x0c // FIDO_2_1_PRE only
	SampleNoUserActivity       SampleStatus = 0x0d
	SampleNoPresenceTransition SampleStatus = 0x0e
)

var sampleNames = map[SampleStatus]string{
	SampleGood:                 "CTAP2_ENROLL_FEEDBACK_FP_GOOD",
	SampleTooHigh:              "CTAP2_ENROLL_FEEDBACK_FP_TOO_HIGH",
	SampleTooLow:               "CTAP2_ENROLL_FEEDBACK_FP_TOO_LOW",
	SampleTooLeft:              "CTAP2_ENROLL_FEEDBACK_FP_TOO_LEFT",
	SampleTooRight:             "CTAP2_ENROLL_FEEDBACK_FP_TOO_RIGHT",
	SampleTooFast:              "CTAP2_ENROLL_FEEDBACK_FP_TOO_FAST",
	SampleTooSlow:              "CTAP2_ENROLL_FEEDBACK_FP_TOO_SLOW",
	SamplePoorQuality:          "CTAP2_ENROLL_FEEDBACK_FP_POOR_QUALITY",
	SampleTooSkewed:            "CTAP2_ENROLL_FEEDBACK_FP_TOO_SKEWED",
	SampleTooShort:             "CTAP2_ENROLL_FEEDBACK_FP_TOO_SHORT",
	SampleMergeFailure:         "CTAP2_ENROLL_FEEDBACK_FP_MERGE_FAILURE",
	SampleExists:               "CTAP2_ENROLL_FEEDBACK_FP_EXISTS",
	SampleDatabaseFull:         "CTAP2_ENROLL_FEEDBACK_FP_DATABASE_FULL",
	SampleNoUserActivity:       "CTAP2_ENROLL_FEEDBACK_NO_USER_ACTIVITY",
	SampleNoPresenceTransition: "CTAP2_ENROLL_FEEDBACK_NO_USER_PRESENCE_TRANSITION",
}

// String is the standard's name of the feedback, or its number.
func (s SampleStatus) String() string {
	if name, ok := sampleNames[s]; ok {
		return name
	}
	return fmt.Sprintf("enrol feedback 0x%02x", uint(s))
}

type bioRequest struct {
	Modality       BioModality    `cbor:"1,keyasint,omitempty"`
	Subcommand     BioSubcommand  `cbor:"2,keyasint,omitempty"`
	Params         wire.Raw       `cbor:"3,keyasint,omitempty"`
	Protocol       pinuv.Protocol `cbor:"4,keyasint,omitempty"`
	PINUVAuthParam []byte         `cbor:"5,keyasint,omitempty"`
	GetModality    bool           `cbor:"6,keyasint,omitempty"`
}

type bioParams struct {
	TemplateID []byte `cbor:"1,keyasint,omitempty"`
	Name       string `cbor:"2,keyasint,omitempty"`
	Timeout    uint   `cbor:"3,keyasint,omitempty"` // milliseconds
}

type bioResponse struct {
	Modality      *BioModality     `cbor:"1,keyasint"`
	Kind          *FingerprintKind `cbor:"2,keyasint"`
	MaxSamples    *uint            `cbor:"3,keyasint"`
	TemplateID    []byte           `cbor:"4,keyasint"`
	SampleStatus  *SampleStatus    `cbor:"5,keyasint"`
	Remaining     *uint            `cbor:"6,keyasint"`
	Templates     *[]Template      `cbor:"7,keyasint"`
	MaxNameLength uint             `cbor:"8,keyasint"`
}

// Template is an enrolled finger.
type Template struct {
	ID   []byte `cbor:"1,keyasint"`
	Name string `cbor:"2,keyasint"` // "" when it has none
}

// Fingerprints enrols, names and removes the fingers that an authenticator
// knows its user by (CTAP 2.3 §6.7). It is made by [Client.Fingerprints].
type Fingerprints struct {
	client  *Client
	command Command
	token   *pinuv.Token
}

// Fingerprints returns the manager of the authenticator's fingerprints: over
// the prototype command of FIDO_2_1_PRE where the authenticator has no other,
// and [ErrUnsupported] where it has neither.
//
// The token needs permission be; nil is enough for [Fingerprints.Modality] and
// [Fingerprints.Sensor]. Prototypes take [Client.PINToken]'s. The caller keeps
// the token, and wipes it.
func (c *Client) Fingerprints(info *Info, token *pinuv.Token) (*Fingerprints, error) {
	f := &Fingerprints{client: c, command: CommandBioEnrollment, token: token}
	if _, sent := info.Option(OptionBioEnroll); sent {
		return f, nil
	}
	if _, sent := info.Option(OptionUserVerificationMgmtPreview); sent {
		f.command = CommandBioEnrollmentPre
		return f, nil
	}
	return nil, fmt.Errorf("%w: bio enrolment", ErrUnsupported)
}

// Modality asks what the authenticator reads of its user (CTAP 2.3 §6.7.2).
func (f *Fingerprints) Modality(ctx context.Context) (BioModality, error) {
	r, k, err := f.send(ctx, bioRequest{GetModality: true})
	switch {
	case err != nil:
		return 0, err
	case r.Modality == nil:
		return 0, k.missing("modality")
	}
	return *r.Modality, nil
}

// SensorInfo describes a fingerprint sensor.
type SensorInfo struct {
	Kind       FingerprintKind
	MaxSamples uint // good samples that an enrolment takes, at most

	// MaxNameLength is how long a finger's name may be in bytes of UTF-8, or 0
	// when the authenticator does not tell. See [SensorInfo.NameLimit].
	MaxNameLength uint
}

// maxFriendlyName is the longest name in bytes that the standard has.
const maxFriendlyName = 64

// NameLimit is the longest name in bytes of UTF-8 that a finger can be given:
// 64, or less when the authenticator says so (CTAP 2.3 §6.7.7).
func (s SensorInfo) NameLimit() uint {
	if s.MaxNameLength == 0 {
		return maxFriendlyName
	}
	return min(s.MaxNameLength, maxFriendlyName)
}

// Sensor asks what the fingerprint sensor is like (CTAP 2.3 §6.7.3).
func (f *Fingerprints) Sensor(ctx context.Context) (SensorInfo, error) {
	r, k, err := f.send(ctx, bioRequest{Modality: BioFingerprint, Subcommand: BioGetSensorInfo})
	switch {
	case err != nil:
		return SensorInfo{}, err
	case r.Kind == nil:
		return SensorInfo{}, k.missing("fingerprintKind")
	case r.MaxSamples == nil:
		return SensorInfo{}, k.missing("maxCaptureSamplesRequiredForEnroll")
	}
	return SensorInfo{Kind: *r.Kind, MaxSamples: *r.MaxSamples, MaxNameLength: r.MaxNameLength}, nil
}

// Templates lists the enrolled fingers (CTAP 2.3 §6.7.6), none when there are
// none.
func (f *Fingerprints) Templates(ctx context.Context) ([]Template, error) {
	r, k, err := f.authorized(ctx, BioEnumerate, nil)
	switch {
	case errors.Is(err, StatusInvalidOption):
		return nil, nil // how the standard says that there is none
	case err != nil:
		return nil, err
	case r.Templates == nil:
		return nil, k.missing("templateInfos")
	}
	for _, t := range *r.Templates {
		if len(t.ID) == 0 {
			return nil, k.missing("templateId")
		}
	}
	return *r.Templates, nil
}

// Rename gives a finger a name of at most [SensorInfo.NameLimit] bytes (CTAP 2.3
// §6.7.7). A finger that is not there is [StatusInvalidOption].
func (f *Fingerprints) Rename(ctx context.Context, id []byte, name string) error {
	_, _, err := f.authorized(ctx, BioSetName, bioParams{TemplateID: id, Name: name})
	return err
}

// Remove forgets a finger (CTAP 2.3 §6.7.8). One that is not there is
// [StatusInvalidOption].
func (f *Fingerprints) Remove(ctx context.Context, id []byte) error {
	_, _, err := f.authorized(ctx, BioRemove, bioParams{TemplateID: id})
	return err
}

// milliseconds is a time limit as the standard has it, rounded up; 0 for none.
func milliseconds(d time.Duration) uint {
	if d <= 0 {
		return 0
	}
	return uint((d + time.Millisecond - 1) / time.Millisecond)
}

// authorized sends a subcommand that needs the token. The token covers the
// modality, the subcommand and the bytes of its parameters (CTAP 2.3 §6.7).
func (f *Fingerprints) authorized(ctx context.Context, s BioSubcommand, params any) (*bioResponse, call, error) {
	raw, err := encodeParams(params)
	if err != nil {
		return nil, call{}, err
	}
	r := bioRequest{Modality: BioFingerprint, Subcommand: s, Params: raw}
	r.Protocol, r.PINUVAuthParam = authorize(f.token, []byte{byte(BioFingerprint), byte(s)}, raw)
	return f.send(ctx, r)
}

func (f *Fingerprints) send(ctx context.Context, r bioRequest) (*bioResponse, call, error) {
	resp := &bioResponse{}
	k := call{command: f.command, params: r, result: resp}
	if r.Subcommand != 0 {
		k.subcommand = r.Subcommand.String()
	}
	switch r.Subcommand {
	case BioEnrollCancel, BioSetName, BioRemove:
		k.result = nil // they answer a status only
	}
	_, err := f.client.do(ctx, k)
	return resp, k, err
}
