package explain

import (
	"bytes"
	"crypto/sha256"
	"encoding/binary"
	"slices"

	"github.com/touchstone-fido/touchstone/ctap2"
	"github.com/touchstone-fido/touchstone/ctap2/wire"
)

// coverage is what a pinUvAuthParam covers.
type coverage struct {
	what    string // in the standard's terms
	clause  string
	message []byte
	secret  bool // under the shared secret and not under a token
}

// readParam reads a pinUvAuthParam and says what it covers.
func readParam(r *reading, f *Field, raw wire.Raw) {
	f.fill(raw)
	param, _ := byteString(raw)
	if len(param) == 0 {
		f.Value, f.Note = "empty", "asks only for a touch"
		f.Clause = "CTAP 2.3 §6.1.2"
		return
	}
	r.checkParamSize(param)
	c, ok := r.req.covers()
	if !ok {
		return
	}
	f.Clause = c.clause
	f.Note += ", covers " + c.what
	if c.secret {
		f.Note += ", under the shared secret"
	} else {
		f.Note += ", under the token"
	}
}

// protocolMembers are the numbers of pinUvAuthProtocol.
var protocolMembers = map[ctap2.Command]uint64{
	ctap2.CommandMakeCredential: 0x09, ctap2.CommandGetAssertion: 0x07, ctap2.CommandClientPIN: 0x01, ctap2.CommandBioEnrollment: 0x04,
	ctap2.CommandBioEnrollmentPre: 0x04, ctap2.CommandCredentialManagement: 0x03, ctap2.CommandCredManagementPre: 0x03,
	ctap2.CommandLargeBlobs: 0x06, ctap2.CommandConfig: 0x03,
}

func (r *reading) checkParamSize(param []byte) {
	sizes := map[uint64]int{1: 16, 2: 32}
	n, _ := number(r.req.members[protocolMembers[r.req.command]])
	if want, ok := sizes[n]; ok && len(param) != want {
		r.remark("CTAP 2.3 §6.5.4", "pinUvAuthParam has %s, and protocol %d makes %d", bytesOf(len(param)), n, want)
	}
	if r.req.members[protocolMembers[r.req.command]] == nil {
		r.remark(r.step.Clause, "there is a pinUvAuthParam and no pinUvAuthProtocol")
	}
}

// covers is what the pinUvAuthParam of the request has to be made over.
func (q *request) covers() (coverage, bool) {
	switch q.command {
	case ctap2.CommandMakeCredential:
		hash, _ := byteString(q.members[0x01])
		return coverage{what: "clientDataHash", clause: "CTAP 2.3 §6.1.2", message: hash}, true
	case ctap2.CommandGetAssertion:
		hash, _ := byteString(q.members[0x02])
		return coverage{what: "clientDataHash", clause: "CTAP 2.3 §6.2.2", message: hash}, true
	case ctap2.CommandClientPIN:
		return q.pinCovers()
	case ctap2.CommandCredentialManagement, ctap2.CommandCredManagementPre:
		return coverage{
			what: "subCommand ‖ subCommandParams", clause: "CTAP 2.3 §6.8",
			message: slices.Concat([]byte{byte(q.sub)}, q.members[0x02]),
		}, true
	case ctap2.CommandBioEnrollment, ctap2.CommandBioEnrollmentPre:
		modality, _ := number(q.members[0x01])
		return coverage{
			what: "modality ‖ subCommand ‖ subCommandParams", clause: "CTAP 2.3 §6.7",
			message: slices.Concat([]byte{byte(modality), byte(q.sub)}, q.members[0x03]),
		}, true
	case ctap2.CommandConfig:
		return coverage{
			what: "32 × ff ‖ 0d ‖ subCommand ‖ subCommandParams", clause: "CTAP 2.3 §6.11",
			message: slices.Concat(bytes.Repeat([]byte{0xff}, 32), []byte{byte(ctap2.CommandConfig), byte(q.sub)}, q.members[0x02]),
		}, true
	case ctap2.CommandLargeBlobs:
		return q.blobCovers(), true
	}
	return coverage{}, false
}

func (q *request) pinCovers() (coverage, bool) {
	newPIN, _ := byteString(q.members[0x05])
	hash, _ := byteString(q.members[0x06])
	switch ctap2.PINSubcommand(q.sub) {
	case ctap2.PINSet:
		return coverage{what: "newPinEnc", clause: "CTAP 2.3 §6.5.5.5", message: newPIN, secret: true}, true
	case ctap2.PINChange:
		return coverage{
			what: "newPinEnc ‖ pinHashEnc", clause: "CTAP 2.3 §6.5.5.6", message: slices.Concat(newPIN, hash), secret: true,
		}, true
	}
	return coverage{}, false
}

func (q *request) blobCovers() coverage {
	set, _ := byteString(q.members[0x02])
	offset, _ := number(q.members[0x03])
	hash := sha256.Sum256(set)
	message := append(bytes.Repeat([]byte{0xff}, 32), byte(ctap2.CommandLargeBlobs), 0)
	message = binary.LittleEndian.AppendUint32(message, uint32(offset))
	return coverage{
		what: "32 × ff ‖ 0c 00 ‖ offset ‖ SHA-256(set)", clause: "CTAP 2.3 §6.10.2", message: append(message, hash[:]...),
	}
}
