package replay

import (
	"context"
	"time"

	"github.com/touchstone-fido/touchstone/ctap2"
	"github.com/touchstone-fido/touchstone/ctap2/largeblob"
	"github.com/touchstone-fido/touchstone/ctap2/pinuv"
	"github.com/touchstone-fido/touchstone/ctap2/wire"
	"github.com/touchstone-fido/touchstone/devices/transcript"
)

// question is what a call has to ask.
type question struct {
	transcript.Question
	group []transcript.Exchange
}

func (q question) first() transcript.Exchange { return q.group[0] }

// errNoMethod: the client has no method for a question.
var errNoMethod = &notAsked{reason: "today's client has no method for it"}

// callers are the client's methods by command.
var callers = map[ctap2.Command]func(*asker, context.Context, question) ([]members, error){
	ctap2.CommandGetInfo:              (*asker).getInfo,
	ctap2.CommandMakeCredential:       (*asker).makeCredential,
	ctap2.CommandGetAssertion:         (*asker).getAssertion,
	ctap2.CommandGetNextAssertion:     (*asker).getNextAssertion,
	ctap2.CommandClientPIN:            (*asker).clientPIN,
	ctap2.CommandReset:                (*asker).reset,
	ctap2.CommandSelection:            (*asker).selection,
	ctap2.CommandCredentialManagement: (*asker).credentialManagement,
	ctap2.CommandCredManagementPre:    (*asker).credentialManagement,
	ctap2.CommandBioEnrollment:        (*asker).bioEnrollment,
	ctap2.CommandBioEnrollmentPre:     (*asker).bioEnrollment,
	ctap2.CommandConfig:               (*asker).config,
	ctap2.CommandLargeBlobs:           (*asker).largeBlobs,
}

// call asks the questions of a group by the client's method for them, and gives
// what it returns for each.
func (a *asker) call(ctx context.Context, group []transcript.Exchange) ([]members, error) {
	q, err := transcript.ParseQuestion(group[0].Request)
	if err != nil {
		return nil, err
	}
	method := callers[q.Command]
	if method == nil {
		return nil, errNoMethod
	}
	return method(a, ctx, question{q, group})
}

// one is the result of a method that asks one question.
func one(m members, err error) ([]members, error) { return []members{m}, err }

func (a *asker) getInfo(ctx context.Context, q question) ([]members, error) {
	info, err := a.client.GetInfo(ctx)
	if err != nil {
		return nil, err
	}
	a.pins.least = int(min(info.MinPINLength, pinuv.MaxPINBytes))
	m := members{}
	for n, raw := range info.Members {
		m[transcript.AnswerMember(q.Command, n)] = raw
	}
	for _, p := range info.Problems {
		if _, sent := info.Members[uint64(p.Member)]; sent {
			m[p.Member.String()] = "not as the standard has it"
		}
	}
	return one(m, nil)
}

func (a *asker) makeCredential(ctx context.Context, q question) ([]members, error) {
	var r ctap2.MakeCredentialRequest
	if err := wire.Decode(q.first().Request[1:], &r); err != nil {
		return nil, err
	}
	token, err := a.tokenFor(q.Question, q.first())
	if err != nil {
		return nil, err
	}
	if token != nil {
		r.Authorize(token)
	}
	r.ExcludeList = a.mapped(r.ExcludeList)
	if err := a.salts(ctx, q, r.Extensions, ctap2.ExtensionHMACSecretMC); err != nil {
		return nil, err
	}
	resp, err := a.client.MakeCredential(ctx, &r)
	if err != nil {
		return nil, err
	}
	m := members{"fmt": resp.Format, "authData": resp.RawAuthData}
	if resp.Statement != nil {
		m["attStmt"] = resp.Statement
	}
	if resp.EnterpriseAttestation {
		m["epAtt"] = true
	}
	m.rest(resp.LargeBlobKey, resp.UnsignedExtensionOutputs)
	return one(m, nil)
}

// rest adds what attestations and assertions both have.
func (m members) rest(blobKey []byte, unsigned map[string]wire.Raw) {
	if blobKey != nil {
		m["largeBlobKey"] = blobKey
	}
	if unsigned != nil {
		m["unsignedExtensionOutputs"] = unsigned
	}
}

func (a *asker) getAssertion(ctx context.Context, q question) ([]members, error) {
	var r ctap2.GetAssertionRequest
	if err := wire.Decode(q.first().Request[1:], &r); err != nil {
		return nil, err
	}
	token, err := a.tokenFor(q.Question, q.first())
	if err != nil {
		return nil, err
	}
	if token != nil {
		r.Authorize(token)
	}
	r.AllowList = a.mapped(r.AllowList)
	if err := a.salts(ctx, q, r.Extensions, ctap2.ExtensionHMACSecret); err != nil {
		return nil, err
	}
	got, err := a.client.GetAssertion(ctx, &r)
	if err != nil {
		return nil, err
	}
	m := assertion(got)
	if !has(q.first(), 1) {
		delete(m, "credential") // the client knows it from its allowList
	}
	return one(m, nil)
}

// has says whether a recorded answer has a member.
func has(e transcript.Exchange, member uint64) bool {
	var m map[uint64]wire.Raw
	return len(e.Answer) > 1 && wire.Decode(e.Answer[1:], &m) == nil && m[member] != nil
}

func assertion(got *ctap2.Assertion) members {
	m := members{"authData": got.RawAuthData, "signature": got.Signature}
	if len(got.Credential.ID) > 0 {
		m["credential"] = got.Credential
	}
	if got.User != nil {
		m["user"] = *got.User
	}
	if got.NumberOfCredentials > 0 {
		m["numberOfCredentials"] = got.NumberOfCredentials
	}
	if got.UserSelected {
		m["userSelected"] = true
	}
	m.rest(got.LargeBlobKey, got.UnsignedExtensionOutputs)
	return m
}

func (a *asker) getNextAssertion(ctx context.Context, _ question) ([]members, error) {
	got, err := a.client.GetNextAssertion(ctx)
	if err != nil {
		return nil, err
	}
	return one(assertion(got), nil)
}

func (a *asker) reset(ctx context.Context, _ question) ([]members, error) {
	err := a.client.Reset(ctx)
	if err == nil {
		a.pins.current, a.pins.wrong = nil, 0
	}
	return nil, err
}

func (a *asker) selection(ctx context.Context, _ question) ([]members, error) {
	return nil, a.client.Selection(ctx)
}

func (a *asker) config(ctx context.Context, q question) ([]members, error) {
	token, err := a.tokenFor(q.Question, q.first())
	if err != nil {
		return nil, err
	}
	switch ctap2.ConfigSubcommand(q.Sub) {
	case ctap2.ConfigEnableEP:
		return nil, a.client.EnableEnterpriseAttestation(ctx, token)
	case ctap2.ConfigToggleAlwaysUV:
		return nil, a.client.ToggleAlwaysUV(ctx, token)
	case ctap2.ConfigEnableLongTouch:
		return nil, a.client.EnableLongTouchForReset(ctx, token)
	case ctap2.ConfigSetMinPINLength:
		var p ctap2.MinPINLength
		if err := wire.Decode(q.Members[2], &p); err != nil {
			return nil, errNoMethod
		}
		return nil, a.client.SetMinPINLength(ctx, token, p)
	}
	return nil, errNoMethod
}

// largeBlobs reads the array in the fragments of the client, or writes the one
// that the questions make up together.
func (a *asker) largeBlobs(ctx context.Context, q question) ([]members, error) {
	const set = 2
	if q.Members[set] == nil {
		_, err := a.client.ReadLargeBlobArray(ctx)
		return nil, err
	}
	token, err := a.tokenFor(q.Question, q.first())
	if err != nil {
		return nil, err
	}
	var array []byte
	for _, e := range q.group {
		next, _ := transcript.ParseQuestion(e.Request)
		var fragment []byte
		if wire.Decode(next.Members[set], &fragment) != nil {
			return nil, errNoMethod
		}
		array = append(array, fragment...)
	}
	if !largeblob.Whole(array) {
		return nil, errNoMethod
	}
	return nil, a.client.WriteLargeBlobArray(ctx, token, array)
}

func (a *asker) bioEnrollment(ctx context.Context, q question) ([]members, error) {
	token, err := a.tokenFor(q.Question, q.first())
	if err != nil {
		return nil, err
	}
	option := ctap2.OptionBioEnroll
	if q.Command == ctap2.CommandBioEnrollmentPre {
		option = ctap2.OptionUserVerificationMgmtPreview
	}
	f, err := a.client.Fingerprints(&ctap2.Info{Options: map[string]bool{option: true}}, token)
	if err != nil {
		return nil, err
	}
	return a.fingerprint(ctx, f, q)
}

// bioParams are the parameters of the subcommands of authenticatorBioEnrollment.
type bioParams struct {
	ID      []byte `cbor:"1,keyasint"`
	Name    string `cbor:"2,keyasint"`
	Timeout uint   `cbor:"3,keyasint"` // milliseconds
}

func (a *asker) fingerprint(ctx context.Context, f *ctap2.Fingerprints, q question) ([]members, error) {
	var p bioParams
	if raw := q.Members[3]; raw != nil && wire.Decode(raw, &p) != nil {
		return nil, errNoMethod
	}
	p.ID = a.mappedID(p.ID)
	switch ctap2.BioSubcommand(q.Sub) {
	case 0:
		n, err := f.Modality(ctx)
		return one(members{"modality": uint(n)}, err)
	case ctap2.BioGetSensorInfo:
		return sensor(f.Sensor(ctx))
	case ctap2.BioEnumerate:
		list, err := f.Templates(ctx)
		return one(members{"templateInfos": list}, err)
	case ctap2.BioSetName:
		return nil, f.Rename(ctx, p.ID, p.Name)
	case ctap2.BioRemove:
		return nil, f.Remove(ctx, p.ID)
	case ctap2.BioEnrollCancel:
		return nil, f.CancelEnrollment(ctx)
	}
	return a.enroll(ctx, f, q, p)
}

func sensor(s ctap2.SensorInfo, err error) ([]members, error) {
	m := members{"fingerprintKind": uint(s.Kind), "maxCaptureSamplesRequiredForEnroll": s.MaxSamples}
	if s.MaxNameLength > 0 {
		m["maxTemplateFriendlyName"] = s.MaxNameLength
	}
	return one(m, err)
}

func (a *asker) enroll(ctx context.Context, f *ctap2.Fingerprints, q question, p bioParams) ([]members, error) {
	limit := time.Duration(p.Timeout) * time.Millisecond
	switch ctap2.BioSubcommand(q.Sub) {
	case ctap2.BioEnrollBegin:
		e, s, err := f.Begin(ctx, limit)
		if err != nil {
			return nil, err
		}
		a.enrol = e
		m := sample(s)
		m["templateId"] = e.TemplateID
		return one(m, nil)
	case ctap2.BioEnrollNext:
		if a.enrol == nil || string(a.enrol.TemplateID) != string(p.ID) {
			return nil, errNoMethod
		}
		s, err := a.enrol.Next(ctx, limit)
		return one(sample(s), err)
	}
	return nil, errNoMethod
}

func sample(s ctap2.Sample) members {
	return members{"lastEnrollSampleStatus": uint(s.Status), "remainingSamples": s.Remaining}
}
