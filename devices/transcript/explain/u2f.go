package explain

import (
	"encoding/binary"
	"fmt"

	"github.com/touchstone-fido/touchstone/ctap2/cose"
	"github.com/touchstone-fido/touchstone/ctap2/u2f"
	"github.com/touchstone-fido/touchstone/nfc"
)

const u2fHash = 32 // bytes of a challenge and of an application parameter

// u2fRegister reads a registration request (§4.1).
func (r *reading) u2fRegister(c nfc.Command) {
	s := r.step
	s.Gist = "make a U2F credential"
	if len(c.Data) != 2*u2fHash {
		r.remark(s.Clause, "the request has %s, and has to have 64", bytesOf(len(c.Data)))
		s.Fields = append(s.Fields, hexField("data", c.Data, LikeValue))
		return
	}
	s.Fields = append(s.Fields, hexField("challenge parameter", c.Data[:u2fHash], LikeFresh), r.application(c.Data[u2fHash:]))
}

func (r *reading) application(hash []byte) Field {
	f := hexField("application parameter", hash, LikeValue)
	if name, ok := r.t.keys.rpOf(hash); ok {
		f.Note = "SHA-256 of " + name
	}
	return f
}

var u2fControls = map[byte]string{
	byte(u2f.CheckOnly): "check-only: is this key handle yours", byte(u2f.Enforce): "sign after a touch",
	byte(u2f.DontEnforce): "sign without a touch",
}

// u2fAuthenticate reads an authentication request (§5.1).
func (r *reading) u2fAuthenticate(c nfc.Command) {
	s := r.step
	s.Gist = u2fControls[c.P1]
	if s.Gist == "" {
		r.remark(s.Clause, "there is no control byte 0x%02x", c.P1)
	}
	s.Fields = append(s.Fields, Field{Name: "control byte", Value: fmt.Sprintf("0x%02x", c.P1), Note: s.Gist})
	const head = 2*u2fHash + 1
	if len(c.Data) < head || len(c.Data) != head+int(c.Data[head-1]) {
		r.remark(s.Clause, "the request's lengths do not fit")
		s.Fields = append(s.Fields, hexField("data", c.Data, LikeValue))
		return
	}
	s.Fields = append(s.Fields, hexField("challenge parameter", c.Data[:u2fHash], LikeFresh),
		r.application(c.Data[u2fHash:2*u2fHash]), hexField("key handle", c.Data[head:], LikeFresh))
}

// u2fAnswer reads the answer to a command APDU, without its status word.
func (r *reading) u2fAnswer(data []byte, sw nfc.StatusWord) {
	s := r.step
	s.Name = "SW " + sw.Error()
	if r.req == nil {
		s.Fields = append(s.Fields, hexField("data", data, LikeValue))
		return
	}
	s.Clause = apduFrame(r.req.apdu).clause
	which := instruction(r.req.apdu)
	switch {
	case sw != nfc.SWOK && len(data) > 0:
		s.Fields = append(s.Fields, hexField("data", data, LikeValue))
	case sw != nfc.SWOK:
	case which == insSelect, which == insVersion:
		s.Fields = append(s.Fields, Field{Name: "version", Value: string(data)})
		s.Gist = string(data)
	case which == insRegister:
		r.u2fRegistered(data)
	case which == insAuthenticate:
		r.u2fAuthenticated(data)
	case len(data) > 0:
		s.Fields = append(s.Fields, hexField("data", data, LikeValue))
	}
}

func (r *reading) u2fRegistered(data []byte) {
	reg, err := u2f.ParseRegistration(data)
	if err != nil {
		r.remark(clauseU2F+" §4.3", "%v", err)
		r.step.Fields = append(r.step.Fields, hexField("data", data, LikeValue))
		return
	}
	certificate := Field{Name: "attestation certificate", Like: LikeOwn}
	r.certificate(&certificate, reg.Certificate)
	r.step.Fields = append(r.step.Fields, hexField("public key", reg.PublicKey, LikeFresh),
		hexField("key handle", reg.KeyHandle, LikeFresh), certificate, hexField("signature", reg.Signature, LikeOwn))
	if key, err := reg.Key(); err == nil {
		r.t.keys.credential(reg.KeyHandle, key)
	}
	ask := r.req.apdu.Data
	if key, err := signer([][]byte{reg.Certificate}, cose.ES256, cose.Key{}); err == nil && len(ask) == 2*u2fHash {
		message := append([]byte{0}, ask[u2fHash:]...)
		message = append(append(append(message, ask[:u2fHash]...), reg.KeyHandle...), reg.PublicKey...)
		r.verified("registration", clauseU2F+" §4.3", key.Verify(message, reg.Signature))
	}
}

func (r *reading) u2fAuthenticated(data []byte) {
	a, err := u2f.ParseAuthentication(data)
	if err != nil {
		r.remark(clauseU2F+" §5.4", "%v", err)
		r.step.Fields = append(r.step.Fields, hexField("data", data, LikeValue))
		return
	}
	presence := Field{Name: "user presence", Value: fmt.Sprintf("0x%02x", a.Flags)}
	r.step.Fields = append(r.step.Fields, presence,
		Field{Name: "counter", Value: fmt.Sprint(a.Counter), Like: LikeOwn}, hexField("signature", a.Signature, LikeOwn))
	ask := r.req.apdu.Data
	if len(ask) <= 2*u2fHash {
		return
	}
	if key, ok := r.t.keys.keyOf(ask[2*u2fHash+1:]); ok {
		message := append(append([]byte{}, ask[u2fHash:2*u2fHash]...), a.Flags)
		message = append(binary.BigEndian.AppendUint32(message, a.Counter), ask[:u2fHash]...)
		r.verified("authentication", clauseU2F+" §5.4", key.Verify(message, a.Signature))
	}
}
