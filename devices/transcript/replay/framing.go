package replay

import (
	"encoding/binary"

	"github.com/touchstone-fido/touchstone/ctap2/u2f"
	"github.com/touchstone-fido/touchstone/ctaphid"
	"github.com/touchstone-fido/touchstone/devices/transcript"
	"github.com/touchstone-fido/touchstone/nfc"
)

// exchange says what the answer of an exchange means.
func (s *side) exchange(e transcript.Exchange) []Fact {
	var f facts
	switch {
	case e.Refusal != nil:
		f.add("status", "%v", e.Refusal)
		return f
	case e.Answer == nil:
		f.add("status", "none")
		return f
	case e.Kind == transcript.CTAP2:
		return s.message(e.Request, e.Answer)
	case e.Kind == transcript.Opening:
		return opening(e)
	case e.Kind == transcript.U2F:
		return s.u2f(e)
	case e.Command == ctaphid.CommandPing:
		if string(e.Answer) != string(e.Request) {
			f.add("echo", "differs")
			return f
		}
		f.add("echo", "%s", size(len(e.Answer)))
		return f
	}
	f.add("answer", "%s", hexOrSize(e.Answer))
	return f
}

// opening tells what a key says of its framing (CTAP 2.3 §11.2.9.1.3, §11.3.3).
func opening(e transcript.Exchange) []Fact {
	var f facts
	if e.Command != ctaphid.CommandInit {
		r, err := nfc.ParseResponse(e.Answer)
		if err != nil {
			f.add("status", "no response")
			return f
		}
		f.add("status", "%v", r.SW)
		f.add("version", "%q", r.Data)
		return f
	}
	if len(e.Answer) < ctaphid.InitAnswerSize {
		f.add("answer", "%s", size(len(e.Answer)))
		return f
	}
	a := e.Answer[ctaphid.InitNonceSize+4:]
	f.add("protocolVersion", "%d", a[0])
	f.add("deviceVersion", "%d.%d.%d", a[1], a[2], a[3])
	f.add("capabilities", "%v", ctaphid.Capability(a[4]))
	return f
}

// u2f tells an answer of CTAP1.
func (s *side) u2f(e transcript.Exchange) []Fact {
	var f facts
	r, err := nfc.ParseResponse(e.Answer)
	if err != nil {
		f.add("status", "no response")
		return f
	}
	f.add("status", "%v", r.SW)
	cmd, err := nfc.ParseCommand(e.Request)
	if err != nil || r.SW != nfc.SWOK {
		if len(r.Data) > 0 {
			f.add("body", "%s", size(len(r.Data)))
		}
		return f
	}
	switch cmd.INS {
	case nfc.INSU2FRegister:
		s.registration(&f, cmd.Data, r.Data)
	case nfc.INSU2FAuthenticate:
		s.authentication(&f, cmd.Data, r.Data)
	default:
		f.add("body", "%q", r.Data)
	}
	return f
}

// Where challenge and application are in the data of a U2F command.
const (
	challengeEnd   = 32
	applicationEnd = 64
)

func (s *side) registration(f *facts, data, answer []byte) {
	r, err := u2f.ParseRegistration(answer)
	if err != nil || len(data) < applicationEnd {
		f.add("registration", "cannot be read")
		return
	}
	f.add("keyHandle", "%s, %s", s.credentials.of(r.KeyHandle), size(len(r.KeyHandle)))
	f.add("signature", "%s", verdict(r.Verify(data[:challengeEnd], data[challengeEnd:applicationEnd])))
	if key, err := r.Key(); err != nil {
		f.add("publicKey", "not on the curve")
	} else {
		s.keys[string(r.KeyHandle)] = key
	}
}

func (s *side) authentication(f *facts, data, answer []byte) {
	const head, flagsAndCount = applicationEnd + 1, 5
	if len(data) < head || len(answer) < flagsAndCount {
		f.add("authentication", "cannot be read")
		return
	}
	handle := string(data[head:])
	f.add("flags", "0x%02x", answer[0])
	n := binary.BigEndian.Uint32(answer[1:])
	last, known := s.counts[handle]
	s.counts[handle] = n
	f.add("counter", "%s", growth(n, last, known))
	a, err := u2f.ParseAuthentication(answer)
	if err != nil {
		f.add("authentication", "cannot be read")
		return
	}
	key, ok := s.keys[handle]
	if !ok {
		f.add("signature", "of a key that is not known")
		return
	}
	f.add("signature", "%s", verdict(a.Verify(key, data[:challengeEnd], data[challengeEnd:applicationEnd])))
}
