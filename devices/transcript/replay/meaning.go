package replay

import (
	"bytes"
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"strings"

	"github.com/touchstone-fido/touchstone/ctap2"
	"github.com/touchstone-fido/touchstone/ctap2/authdata"
	"github.com/touchstone-fido/touchstone/ctap2/cose"
	"github.com/touchstone-fido/touchstone/ctap2/pinuv"
	"github.com/touchstone-fido/touchstone/ctap2/wire"
	"github.com/touchstone-fido/touchstone/devices/transcript"
)

// side is what has been seen of one key: what is equal to what, and the public
// keys that signatures are held to.
type side struct {
	credentials, blobKeys, ivs, fingers, secrets *names

	agreements map[pinuv.Protocol]string // last key agreement key

	keys   map[string]cose.Key // by credential ID
	counts map[string]uint32   // last signature counter, by credential ID

	persistent *pinuv.Token      // that opens what getInfo encrypts, nil for none
	opened     map[string][]byte // what was opened last, by member

	lastHash []byte // client data hash of the assertions that go on
	open     opener // what is encrypted, nil if it cannot be opened
}

// opener opens the outputs of hmac-secret in the answer to a question, nil if it
// cannot.
type opener func(question, answer []byte) []byte

func newSide() *side {
	return &side{
		credentials: naming("credential"), blobKeys: naming("largeBlobKey"), agreements: map[pinuv.Protocol]string{},
		ivs: naming("IV"), fingers: naming("template"), secrets: naming("output"),
		keys: map[string]cose.Key{}, counts: map[string]uint32{}, opened: map[string][]byte{},
	}
}

// message says what the answer to a CTAP2 request means.
func (s *side) message(request, answer []byte) []Fact {
	var f facts
	if len(answer) == 0 {
		f.add("status", "none: the answer is empty")
		return f
	}
	status := ctap2.Status(answer[0])
	f.add("status", "%v", status)
	body := answer[1:]
	if status != ctap2.StatusOK {
		if len(body) > 0 {
			f.add("body", "%s after an error", size(len(body)))
		}
		return f
	}
	q, _ := transcript.ParseQuestion(request)
	if len(body) == 0 {
		if q.Command == ctap2.CommandReset {
			s.forget()
		}
		return f
	}
	if !f.encoding("encoding", body) {
		return f
	}
	s.members(&f, q, body, answer, request)
	return f
}

// forget is for a key that was reset: its counters begin again.
func (s *side) forget() { clear(s.counts) }

// encoding says how well-formed CBOR is, and whether it can be read.
func (f *facts) encoding(name string, body []byte) bool {
	remarks, err := wire.Inspect(body)
	if err != nil {
		f.add(name, "no CBOR item: %v", reason(err))
		return false
	}
	var rules []string
	for _, r := range remarks {
		rules = append(rules, string(r.Rule))
	}
	if len(rules) > 0 {
		f.add(name, "not canonical: %s", strings.Join(rules, ", "))
	}
	return true
}

// reason is what is wrong with CBOR, without the place.
func reason(err error) string {
	if malformed, ok := err.(*wire.MalformedError); ok {
		return malformed.Reason
	}
	return err.Error()
}

// members says what the members of an answer mean. One that the standard gives
// a meaning to has a function of its own; of others their value counts.
func (s *side) members(f *facts, q transcript.Question, body, answer, request []byte) {
	var members map[uint64]wire.Raw
	if err := wire.Decode(body, &members); err != nil {
		f.add("members", "cannot be read")
		return
	}
	a := &answered{side: s, facts: f, question: q, request: request, answer: answer, members: members}
	for n := range 256 {
		raw, ok := members[uint64(n)]
		if !ok {
			continue
		}
		name := transcript.AnswerMember(q.Command, uint64(n))
		if tell := tellers[name]; tell != nil {
			tell(a, name, raw)
			continue
		}
		a.plain(name, raw)
	}
	for n := range members {
		if n > 255 {
			f.add(transcript.AnswerMember(q.Command, n), "is there")
		}
	}
}

// answered is an answer that is being told.
type answered struct {
	*side
	*facts
	question        transcript.Question
	request, answer []byte
	members         map[uint64]wire.Raw
}

// tellers tell members by name.
var tellers = map[string]func(*answered, string, wire.Raw){
	"aaguid":            (*answered).exact,
	"rpIDHash":          (*answered).exact,
	"config":            (*answered).exact,
	"encIdentifier":     (*answered).identifier,
	"encCredStoreState": (*answered).identifier,
	"pinUvAuthToken":    (*answered).encrypted,
	"keyAgreement":      (*answered).agreement,
	"authData":          (*answered).authData,
	"attStmt":           (*answered).statement,
	"signature":         (*answered).signature,
	"credential":        (*answered).credential,
	"credentialID":      (*answered).credential,
	"publicKey":         (*answered).publicKey,
	"largeBlobKey":      (*answered).blobKey,
	"user":              (*answered).exact,
	"templateId":        (*answered).template,
	"templateInfos":     (*answered).templates,
}

// value tells a member by its value; bytes says how a byte string in it is told.
func (a *answered) value(name string, raw wire.Raw, bytes func([]byte) string) {
	var v any
	if err := wire.Decode(raw, &v); err != nil {
		a.add(name, "cannot be read")
		return
	}
	a.flatten(name, v, bytes)
}

// plain tells values; byte strings of unknown meaning may be random.
func (a *answered) plain(name string, raw wire.Raw) {
	a.value(name, raw, func(b []byte) string { return size(len(b)) })
}

func (a *answered) exact(name string, raw wire.Raw) { a.value(name, raw, hexOrSize) }

// hexOrSize is a byte string, long ones by their hash.
func hexOrSize(b []byte) string {
	const most = 64
	if len(b) > most {
		hash := sha256.Sum256(b)
		return fmt.Sprintf("%s, SHA-256 %x", size(len(b)), hash[:8])
	}
	return hex.EncodeToString(b)
}

// encrypted tells what is new each time: its size, and whether its IV is.
func (a *answered) encrypted(name string, raw wire.Raw) {
	const iv = 16
	a.value(name, raw, func(b []byte) string {
		if len(b) < 2*iv || name == "pinUvAuthToken" && a.question.Protocol() < 2 {
			return size(len(b))
		}
		if len(bytes.Trim(b[:iv], "\x00")) == 0 {
			return size(len(b)) + " behind an IV of zeros"
		}
		if a.ivs.isNew(b[:iv]) {
			return size(len(b)) + " behind a new IV"
		}
		return size(len(b)) + " behind an IV of before"
	})
}

// identifier tells what getInfo encrypts for holders of a persistent token: its
// form, and whether what is in it is what was in it before.
func (a *answered) identifier(name string, raw wire.Raw) {
	a.encrypted(name, raw)
	var enc []byte
	if a.persistent == nil || wire.Decode(raw, &enc) != nil {
		return
	}
	plain, err := (&ctap2.Info{EncIdentifier: enc}).DeviceIdentifier(a.persistent.Bytes())
	if name == "encCredStoreState" {
		plain, err = (&ctap2.Info{EncCredStoreState: enc}).CredentialStoreState(a.persistent.Bytes())
	}
	if err != nil {
		a.add(name+".opened", "cannot be opened")
		return
	}
	before, known := a.side.opened[name]
	a.side.opened[name] = plain
	switch {
	case !known:
	case bytes.Equal(before, plain):
		a.add(name+".opened", "the same as before")
	default:
		a.add(name+".opened", "another than before")
	}
}

func (a *answered) agreement(name string, raw wire.Raw) {
	key, err := cose.Parse(raw)
	if err != nil {
		a.add(name, "no COSE key")
		return
	}
	a.key(name, key)
	if _, err := key.ECDH(); err != nil {
		a.add(name+".point", "not on the curve")
	}
	p := a.question.Protocol()
	last, known := a.agreements[p]
	a.agreements[p] = string(key.X)
	switch {
	case !known:
	case last == string(key.X):
		a.add(name+".is", "the last one of this protocol")
	default:
		a.add(name+".is", "another than the last one of this protocol")
	}
}

// key tells what kind of key it is.
func (a *answered) key(name string, key cose.Key) {
	a.add(name, "type %d, %v, curve %d", key.Type, key.Alg, key.Curve)
}

func (a *answered) credential(name string, raw wire.Raw) {
	a.value(name, raw, func(b []byte) string { return a.credentialName(b) })
}

func (a *answered) credentialName(id []byte) string {
	return fmt.Sprintf("%s, %s", a.credentials.of(id), size(len(id)))
}

// publicKey tells whose key it is; of credential management.
func (a *answered) publicKey(name string, raw wire.Raw) {
	key, err := cose.Parse(raw)
	if err != nil {
		a.add(name, "no COSE key")
		return
	}
	a.key(name, key)
	var id ctap2.Descriptor
	if wire.Decode(a.members[7], &id) != nil {
		return
	}
	if known, ok := a.keys[string(id.ID)]; ok && !sameKey(known, key) {
		a.add(name+".is", "another than the credential's")
	}
	a.keys[string(id.ID)] = key
}

func sameKey(a, b cose.Key) bool {
	return bytes.Equal(a.X, b.X) && bytes.Equal(a.Y, b.Y) && bytes.Equal(a.N, b.N)
}

func (a *answered) blobKey(name string, raw wire.Raw) {
	a.value(name, raw, func(b []byte) string { return fmt.Sprintf("%s, %s", size(len(b)), a.blobKeys.of(b)) })
}

func (a *answered) template(name string, raw wire.Raw) {
	a.value(name, raw, func(b []byte) string { return a.fingers.of(b) })
}

func (a *answered) templates(name string, raw wire.Raw) { a.template(name, raw) }

// used is the credential that an assertion or attestation is about, nil if the
// answer does not say.
func (a *answered) used() []byte {
	var d ctap2.Descriptor
	if wire.Decode(a.members[1], &d) == nil && len(d.ID) > 0 {
		return d.ID
	}
	if data, ok := a.data(); ok && data.Credential != nil {
		return data.Credential.ID
	}
	var allowed []ctap2.Descriptor
	if wire.Decode(a.question.Members[3], &allowed) == nil && len(allowed) == 1 {
		return allowed[0].ID
	}
	return nil
}

func (a *answered) data() (authdata.Data, bool) {
	data, err := authdata.Parse(a.bytes(2))
	return data, err == nil
}

// bytes is a member that is a byte string.
func (a *answered) bytes(member uint64) (b []byte) {
	if wire.Decode(a.members[member], &b) != nil {
		return nil
	}
	return b
}
