package virtual

import (
	"time"

	"github.com/touchstone-fido/touchstone/ctap2"
	"github.com/touchstone-fido/touchstone/ctap2/wire"
)

// Members of the request of authenticatorBioEnrollment (CTAP 2.3 §6.7), and of
// its subCommandParams.
const (
	beModality    uint64 = 0x01
	beSubcommand  uint64 = 0x02
	beParams      uint64 = 0x03
	beProtocol    uint64 = 0x04
	beParam       uint64 = 0x05
	beGetModality uint64 = 0x06

	beTemplateID   uint64 = 0x01
	beFriendlyName uint64 = 0x02
	beTimeout      uint64 = 0x03
)

// modalityFingerprint is the only modality there is.
const modalityFingerprint = 0x01

// Kinds of sensor, as fingerprintKind says them.
const (
	kindTouch = 1
	kindSwipe = 2
)

// bioRequest is a request of authenticatorBioEnrollment. Which members it must
// have depends on the subcommand.
type bioRequest struct {
	fields     *fields
	params     *fields
	raw        wire.Raw // subCommandParams as they were sent
	modality   uint64
	subcommand uint64
	auth       pinAuth
	prototype  bool

	templateID []byte
	name       string
	timeout    *uint64 // milliseconds
}

// bioResponse is the answer of authenticatorBioEnrollment.
type bioResponse struct {
	Modality     uint64         `cbor:"1,keyasint,omitempty"`
	Kind         uint           `cbor:"2,keyasint,omitempty"`
	MaxSamples   uint           `cbor:"3,keyasint,omitempty"`
	TemplateID   []byte         `cbor:"4,keyasint,omitempty"`
	SampleStatus *SampleStatus  `cbor:"5,keyasint,omitempty"`
	Remaining    *uint          `cbor:"6,keyasint,omitempty"`
	Templates    []templateInfo `cbor:"7,keyasint,omitempty"`
	MaxName      int            `cbor:"8,keyasint,omitempty"`
}

type templateInfo struct {
	ID   []byte `cbor:"1,keyasint"`
	Name string `cbor:"2,keyasint,omitempty"`
}

// bioSubcommand is one subcommand of authenticatorBioEnrollment.
type bioSubcommand struct {
	authorized bool     // whether it wants a token with the be permission
	needs      []uint64 // of subCommandParams
	run        func(*Authenticator, *call, *bioRequest) (any, error)
}

var bioSubcommands = map[uint64]bioSubcommand{
	0x01: {true, nil, (*Authenticator).enrollBegin},
	0x02: {true, []uint64{beTemplateID}, (*Authenticator).enrollCaptureNext},
	0x03: {false, nil, (*Authenticator).enrollCancel},
	0x04: {true, nil, (*Authenticator).enumerateFingers},
	0x05: {true, []uint64{beTemplateID, beFriendlyName}, (*Authenticator).renameFinger},
	0x06: {true, []uint64{beTemplateID}, (*Authenticator).removeFinger},
	0x07: {false, nil, (*Authenticator).sensorInfo},
}

// bioEnrollment is authenticatorBioEnrollment (CTAP 2.3 §6.7).
func (a *Authenticator) bioEnrollment(c *call) (any, error) { return a.bio(c, false) }

// bioEnrollmentPre is the prototype of FIDO_2_1_PRE.
func (a *Authenticator) bioEnrollmentPre(c *call) (any, error) { return a.bio(c, true) }

func (a *Authenticator) bio(c *call, prototype bool) (any, error) {
	r, err := parseBio(c.params)
	if err != nil {
		return nil, err
	}
	r.prototype = prototype
	if !r.fields.has(beSubcommand) {
		return a.getModality(r)
	}
	sub, ok := bioSubcommands[r.subcommand]
	if !ok {
		return nil, ctap2.StatusInvalidSubcommand
	}
	if err := a.bioGate(r, sub); err != nil {
		return nil, err
	}
	return sub.run(a, c, r)
}

func parseBio(m members) (*bioRequest, error) {
	f := newFields(m)
	params := f.sub(beParams)
	r := &bioRequest{
		fields:     f,
		params:     params,
		raw:        f.raw(beParams),
		modality:   f.uint(beModality),
		subcommand: f.uint(beSubcommand),
		auth:       f.pinAuth(beParam, beProtocol),
		templateID: params.bytes(beTemplateID),
		name:       params.text(beFriendlyName),
		timeout:    params.optionalUint(beTimeout),
	}
	f.boolean(beGetModality)
	f.inherit(params)
	return r, f.err
}

// getModality says what the sensor senses, to a request without a subcommand
// that asks for it.
func (a *Authenticator) getModality(r *bioRequest) (any, error) {
	if !is(r.fields.boolean(beGetModality), true) {
		return nil, ctap2.StatusMissingParameter
	}
	return &bioResponse{Modality: modalityFingerprint}, nil
}

// bioGate is what comes before each subcommand (CTAP 2.3 §6.7).
func (a *Authenticator) bioGate(r *bioRequest, sub bioSubcommand) error {
	if sub.authorized && !r.auth.given {
		return ctap2.StatusPUATRequired
	}
	if err := r.complete(sub); err != nil {
		return err
	}
	if !sub.authorized {
		return nil
	}
	if len(r.name) > a.profile.UV.MaxFingerName && !a.faulty(fingerNameUnlimited) {
		return ctap2.StatusInvalidLength
	}
	_, err := a.authorize(r.auth, ctap2.PermissionBioEnrollment, r.prototype,
		[]byte{byte(r.modality), byte(r.subcommand)}, r.raw)
	return err
}

// complete wants the members that the subcommand needs, and a modality that
// there is. The standard has no status for another one.
func (r *bioRequest) complete(sub bioSubcommand) error {
	if err := r.fields.require(beModality).err; err != nil {
		return err
	}
	if r.modality != modalityFingerprint {
		return ctap2.StatusInvalidParameter
	}
	for _, key := range sub.needs {
		r.params.require(key)
	}
	return r.params.err
}

// sensorInfo is subcommand 0x07, getFingerprintSensorInfo.
func (a *Authenticator) sensorInfo(*call, *bioRequest) (any, error) {
	kind := uint(kindTouch)
	if a.profile.UV.Swipe {
		kind = kindSwipe
	}
	return &bioResponse{Kind: kind, MaxSamples: a.profile.UV.Samples, MaxName: a.profile.UV.MaxFingerName}, nil
}

// enumerateFingers is subcommand 0x04, enumerateEnrollments.
func (a *Authenticator) enumerateFingers(*call, *bioRequest) (any, error) {
	if !a.fingersEnrolled() && !a.faulty(bioEmptyOK) {
		return nil, ctap2.StatusInvalidOption
	}
	r := &bioResponse{}
	for _, f := range a.state.fingers {
		r.Templates = append(r.Templates, templateInfo{f.id, f.name})
	}
	return r, nil
}

// renameFinger is subcommand 0x05, setFriendlyName.
func (a *Authenticator) renameFinger(_ *call, r *bioRequest) (any, error) {
	f := a.state.template(r.templateID)
	if f == nil {
		return nil, ctap2.StatusInvalidOption
	}
	renamed := *f
	renamed.name = r.name
	var ch change
	ch.put(fingerName(f.id), renamed.record())
	ch.after(func() { f.name = r.name })
	return nil, a.apply(ch)
}

// removeFinger is subcommand 0x06, removeEnrollment.
func (a *Authenticator) removeFinger(_ *call, r *bioRequest) (any, error) {
	f := a.state.template(r.templateID)
	if f == nil {
		return nil, ctap2.StatusInvalidOption
	}
	if a.faulty(fingerKept) {
		return nil, nil
	}
	var ch change
	ch.delete(fingerName(f.id))
	ch.after(func() { a.state.removeFinger(f) })
	return nil, a.apply(ch)
}

// captureTime is how long the key waits for one sample.
func (a *Authenticator) captureTime(r *bioRequest) time.Duration {
	if r.timeout == nil {
		return a.actionTime()
	}
	const longest = time.Hour
	return time.Duration(min(*r.timeout, uint64(longest/time.Millisecond))) * time.Millisecond
}
