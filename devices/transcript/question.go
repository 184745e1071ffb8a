package transcript

import (
	"bytes"
	"crypto/sha256"
	"encoding/binary"
	"errors"
	"fmt"

	"github.com/touchstone-fido/touchstone/ctap2"
	"github.com/touchstone-fido/touchstone/ctap2/cose"
	"github.com/touchstone-fido/touchstone/ctap2/pinuv"
	"github.com/touchstone-fido/touchstone/ctap2/wire"
)

// Question is a CTAP2 request taken apart: as much as it takes to hold it
// against another one, and to know what its pinUvAuthParam covers.
type Question struct {
	Command ctap2.Command
	Sub     uint64              // subcommand, 0 for none
	Members map[uint64]wire.Raw // parameters by number, nil for none
}

// ErrNoQuestion: bytes are no CTAP2 request.
var ErrNoQuestion = errors.New("no CTAP2 request")

// layout is where the parameters of a command are that all commands have.
type layout struct {
	sub, subParams, protocol, param uint64
}

var layouts = map[ctap2.Command]layout{
	ctap2.CommandMakeCredential:       {protocol: 9, param: 8},
	ctap2.CommandGetAssertion:         {protocol: 7, param: 6},
	ctap2.CommandClientPIN:            {sub: 2, protocol: 1, param: 4},
	ctap2.CommandBioEnrollment:        {sub: 2, subParams: 3, protocol: 4, param: 5},
	ctap2.CommandBioEnrollmentPre:     {sub: 2, subParams: 3, protocol: 4, param: 5},
	ctap2.CommandCredentialManagement: {sub: 1, subParams: 2, protocol: 3, param: 4},
	ctap2.CommandCredManagementPre:    {sub: 1, subParams: 2, protocol: 3, param: 4},
	ctap2.CommandLargeBlobs:           {protocol: 6, param: 5},
	ctap2.CommandConfig:               {sub: 1, subParams: 2, protocol: 3, param: 4},
}

// ParseQuestion reads a command byte and its parameters. The error wraps
// [ErrNoQuestion].
func ParseQuestion(msg []byte) (Question, error) {
	if len(msg) == 0 {
		return Question{}, fmt.Errorf("%w: it is empty", ErrNoQuestion)
	}
	q := Question{Command: ctap2.Command(msg[0])}
	if len(msg) == 1 {
		return q, nil
	}
	if err := wire.Decode(msg[1:], &q.Members); err != nil {
		return q, fmt.Errorf("%w: %w", ErrNoQuestion, err)
	}
	q.Sub = q.uint(layouts[q.Command].sub)
	return q, nil
}

// uint is a member that is a number, 0 for none.
func (q Question) uint(member uint64) (n uint64) {
	if raw, ok := q.Members[member]; ok && wire.Decode(raw, &n) != nil {
		return 0
	}
	return n
}

// bytes is a member that is a byte string, nil for none.
func (q Question) bytes(member uint64) (b []byte) {
	if raw, ok := q.Members[member]; ok && wire.Decode(raw, &b) != nil {
		return nil
	}
	return b
}

// String names the command and its subcommand, such as "authenticatorClientPIN
// getKeyAgreement".
func (q Question) String() string {
	name := q.Command.String()
	switch q.Command {
	case ctap2.CommandClientPIN:
		return name + " " + ctap2.PINSubcommand(q.Sub).String()
	case ctap2.CommandCredentialManagement, ctap2.CommandCredManagementPre:
		return name + " " + ctap2.CredMgmtSubcommand(q.Sub).String()
	case ctap2.CommandBioEnrollment, ctap2.CommandBioEnrollmentPre:
		if q.Sub != 0 {
			return name + " " + ctap2.BioSubcommand(q.Sub).String()
		}
	case ctap2.CommandConfig:
		return name + " " + ctap2.ConfigSubcommand(q.Sub).String()
	case ctap2.CommandLargeBlobs:
		if _, set := q.Members[blobsSet]; set {
			return name + " set"
		}
		return name + " get"
	}
	return name
}

// Members of requests, by number.
const (
	makeHash, makeUser, makeExclude, makeExtensions = 1, 3, 5, 6

	assertRP, assertHash, assertAllow, assertExtensions = 1, 2, 3, 4

	pinKeyAgreement, pinParam, pinNewPINEnc, pinHashEnc, pinPermissions = 3, 4, 5, 6, 9

	bioModality = 1

	blobsSet, blobsOffset = 2, 3
)

// Protocol is the PIN/UV auth protocol that the request names, 0 for none.
func (q Question) Protocol() pinuv.Protocol {
	return pinuv.Protocol(q.uint(layouts[q.Command].protocol))
}

// Token is what the request proves with a pinUvAuthToken: the pinUvAuthParam
// and what it covers, by the command's clause of CTAP 2.3 §6. ok is false of a
// request that has none, or an empty one, which only asks for a touch.
func (q Question) Token() (param, covered []byte, ok bool) {
	param = q.bytes(layouts[q.Command].param)
	if len(param) == 0 || q.Command == ctap2.CommandClientPIN {
		return nil, nil, false
	}
	return param, q.covered(), true
}

// domain is what the messages of authenticatorLargeBlobs and authenticatorConfig
// begin with: 32 bytes of 0xff and the command.
func domain(c ctap2.Command) []byte { return append(bytes.Repeat([]byte{0xff}, 32), byte(c)) }

func (q Question) covered() []byte {
	params := q.Members[layouts[q.Command].subParams]
	switch q.Command {
	case ctap2.CommandMakeCredential:
		return q.bytes(makeHash)
	case ctap2.CommandGetAssertion:
		return q.bytes(assertHash)
	case ctap2.CommandCredentialManagement, ctap2.CommandCredManagementPre:
		return append([]byte{byte(q.Sub)}, params...)
	case ctap2.CommandBioEnrollment, ctap2.CommandBioEnrollmentPre:
		return append([]byte{byte(q.uint(bioModality)), byte(q.Sub)}, params...)
	case ctap2.CommandConfig:
		return append(append(domain(q.Command), byte(q.Sub)), params...)
	case ctap2.CommandLargeBlobs:
		hash := sha256.Sum256(q.bytes(blobsSet))
		place := binary.LittleEndian.AppendUint32(append(domain(q.Command), 0), uint32(q.uint(blobsOffset)))
		return append(place, hash[:]...)
	}
	return nil
}

// Agreement is what a request hides under a shared secret.
type Agreement struct {
	Protocol pinuv.Protocol
	Platform cose.Key // the platform's public key
	Param    []byte   // that authenticates Enc, nil for none
	Enc      [][]byte // what is encrypted, in the order in which Param covers it
}

// Agreement is what the request has of a key agreement: PINs of clientPIN, salts
// of hmac-secret and hmac-secret-mc (CTAP 2.3 §6.5.5, §12.7, §12.8). ok is false
// of one that has none.
func (q Question) Agreement() (a Agreement, ok bool) {
	switch q.Command {
	case ctap2.CommandClientPIN:
		return q.pinAgreement()
	case ctap2.CommandMakeCredential:
		return saltAgreement(q.Members[makeExtensions], ctap2.ExtensionHMACSecretMC)
	case ctap2.CommandGetAssertion:
		return saltAgreement(q.Members[assertExtensions], ctap2.ExtensionHMACSecret)
	}
	return Agreement{}, false
}

func (q Question) pinAgreement() (a Agreement, ok bool) {
	raw, has := q.Members[pinKeyAgreement]
	if !has || wire.Decode(raw, &a.Platform) != nil {
		return Agreement{}, false
	}
	a.Protocol, a.Param = q.Protocol(), q.bytes(pinParam)
	for _, member := range []uint64{pinNewPINEnc, pinHashEnc} {
		if enc := q.bytes(member); enc != nil {
			a.Enc = append(a.Enc, enc)
		}
	}
	return a, true
}

// salts is the input of hmac-secret.
type salts struct {
	Platform cose.Key       `cbor:"1,keyasint"`
	Enc      []byte         `cbor:"2,keyasint"`
	Auth     []byte         `cbor:"3,keyasint"`
	Protocol pinuv.Protocol `cbor:"4,keyasint"`
}

func saltAgreement(extensions wire.Raw, name string) (Agreement, bool) {
	var inputs map[string]wire.Raw
	if extensions == nil || wire.Decode(extensions, &inputs) != nil {
		return Agreement{}, false
	}
	var s salts
	if raw, has := inputs[name]; !has || wire.Decode(raw, &s) != nil || len(s.Enc) == 0 {
		return Agreement{}, false
	}
	if s.Protocol == 0 {
		s.Protocol = pinuv.One // the member came with protocol two
	}
	return Agreement{Protocol: s.Protocol, Platform: s.Platform, Param: s.Auth, Enc: [][]byte{s.Enc}}, true
}
