package replay

import (
	"bytes"
	"maps"

	"github.com/touchstone-fido/touchstone/ctap2"
	"github.com/touchstone-fido/touchstone/ctap2/authdata"
	"github.com/touchstone-fido/touchstone/ctap2/u2f"
	"github.com/touchstone-fido/touchstone/ctap2/wire"
	"github.com/touchstone-fido/touchstone/devices/transcript"
	"github.com/touchstone-fido/touchstone/nfc"
)

// mappedID is the key's ID for one of the tape's: the same if there is none.
func (a *asker) mappedID(id []byte) []byte {
	if own, ok := a.ids[string(id)]; ok {
		return own
	}
	return id
}

func (a *asker) mapped(list []ctap2.Descriptor) []ctap2.Descriptor {
	for i := range list {
		list[i].ID = a.mappedID(list[i].ID)
	}
	return list
}

// mappedRaw puts the key's IDs in the place of the tape's, wherever they are.
func (a *asker) mappedRaw(raw wire.Raw) (wire.Raw, error) {
	holds := false
	for id, own := range a.ids {
		holds = holds || id != string(own) && bytes.Contains(raw, []byte(id))
	}
	var v any
	if !holds || wire.Decode(raw, &v) != nil {
		return raw, nil
	}
	return wire.Encode(a.mappedValue(v))
}

func (a *asker) mappedValue(v any) any {
	switch v := v.(type) {
	case []byte:
		return a.mappedID(v)
	case []any:
		for i := range v {
			v[i] = a.mappedValue(v[i])
		}
	case map[any]any:
		for key := range maps.Clone(v) {
			v[key] = a.mappedValue(v[key])
		}
	}
	return v
}

// learn remembers which ID of the key stands for which of the tape, from two
// answers to the same question.
func (a *asker) learn(tape, key transcript.Exchange) {
	if !a.against {
		return
	}
	theirs, own := identified(tape), identified(key)
	if theirs == nil || own == nil {
		return
	}
	a.ids[string(theirs)] = own
	a.bodies[1].credentials.stands(own, a.bodies[0].credentials, theirs)
	a.bodies[1].fingers.stands(own, a.bodies[0].fingers, theirs)
}

// identified is the ID of the credential or template that an answer is about, nil
// for none.
func identified(e transcript.Exchange) []byte {
	if e.Kind == transcript.U2F {
		return keyHandle(e)
	}
	if e.Kind != transcript.CTAP2 || statusOf(e) != ctap2.StatusOK || len(e.Answer) < 2 {
		return nil
	}
	q, err := transcript.ParseQuestion(e.Request)
	var m map[uint64]wire.Raw
	if err != nil || wire.Decode(e.Answer[1:], &m) != nil {
		return nil
	}
	switch q.Command {
	case ctap2.CommandMakeCredential:
		return madeCredential(m[2])
	case ctap2.CommandGetAssertion, ctap2.CommandGetNextAssertion:
		return described(m[1])
	case ctap2.CommandCredentialManagement, ctap2.CommandCredManagementPre:
		return described(m[7])
	case ctap2.CommandBioEnrollment, ctap2.CommandBioEnrollmentPre:
		var id []byte
		if wire.Decode(m[4], &id) == nil {
			return id
		}
	}
	return nil
}

func madeCredential(raw wire.Raw) []byte {
	var b []byte
	if wire.Decode(raw, &b) != nil {
		return nil
	}
	data, err := authdata.Parse(b)
	if err != nil || data.Credential == nil {
		return nil
	}
	return data.Credential.ID
}

func described(raw wire.Raw) []byte {
	var d ctap2.Descriptor
	if wire.Decode(raw, &d) != nil || len(d.ID) == 0 {
		return nil
	}
	return d.ID
}

// keyHandle is that of a U2F registration.
func keyHandle(e transcript.Exchange) []byte {
	cmd, err := nfc.ParseCommand(e.Request)
	if err != nil || cmd.INS != nfc.INSU2FRegister {
		return nil
	}
	resp, err := nfc.ParseResponse(e.Answer)
	if err != nil || resp.SW != nfc.SWOK {
		return nil
	}
	r, err := u2f.ParseRegistration(resp.Data)
	if err != nil {
		return nil
	}
	return r.KeyHandle
}
