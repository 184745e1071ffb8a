package explain

import (
	"encoding/hex"
	"fmt"

	"github.com/touchstone-fido/touchstone/ctap2"
	"github.com/touchstone-fido/touchstone/ctap2/wire"
	"github.com/touchstone-fido/touchstone/ctaphid"
	"github.com/touchstone-fido/touchstone/nfc"
)

// hidClauses are the clauses of the commands of CTAPHID.
var hidClauses = map[ctaphid.Command]string{
	ctaphid.CommandMsg: "1.1", ctaphid.CommandCBOR: "1.2", ctaphid.CommandInit: "1.3", ctaphid.CommandPing: "1.4",
	ctaphid.CommandCancel: "1.5", ctaphid.CommandError: "1.6", ctaphid.CommandKeepalive: "1.7",
	ctaphid.CommandWink: "2.1", ctaphid.CommandLock: "2.2",
}

func hidFrame(c ctaphid.Command) frame {
	f := frame{kind: frameHID, code: uint16(c), name: c.String(), clause: "CTAP 2.3 §11.2.9"}
	if clause, ok := hidClauses[c]; ok {
		f.clause += "." + clause
	}
	return f
}

// request understands a request.
func (r *reading) request(m message) {
	switch {
	case m.frame.kind == frameAPDU && int(m.frame.code) == insMessage:
		r.ctap2(m.data)
	case m.frame.kind == frameAPDU:
		r.apdu(m.data)
	default:
		r.hid(ctaphid.Command(m.frame.code), m.data)
	}
}

func (r *reading) hid(c ctaphid.Command, payload []byte) {
	s := r.step
	switch c {
	case ctaphid.CommandCBOR:
		r.ctap2(payload)
	case ctaphid.CommandMsg:
		r.apdu(payload)
	case ctaphid.CommandInit:
		s.Gist = "a channel, please"
		if s.Channel != "" && s.Channel != ctaphid.BroadcastCID.String() {
			s.Gist = "begin anew on this channel"
		}
		s.Fields = []Field{hexField("nonce", payload, LikeFresh)}
		if len(payload) != ctaphid.InitNonceSize {
			r.remark(s.Clause, "the nonce has %s, and has to have %d", bytesOf(len(payload)), ctaphid.InitNonceSize)
		}
	case ctaphid.CommandPing:
		s.Gist = "say this again, " + bytesOf(len(payload))
	case ctaphid.CommandWink:
		s.Gist = "show yourself"
	case ctaphid.CommandLock:
		s.Fields = []Field{{Name: "seconds", Value: hex.EncodeToString(payload)}}
	case ctaphid.CommandKeepalive, ctaphid.CommandError:
		r.remark(s.Clause, "only a key sends %v", c)
	default:
		s.Fields = []Field{hexField("payload", payload, LikeValue)}
	}
}

// ctap2 understands a CTAP2 request: a command and the map of its parameters.
func (r *reading) ctap2(payload []byte) {
	s := r.step
	if len(payload) == 0 {
		r.remark("CTAP 2.3 §6", "the request is empty")
		return
	}
	r.req.command = ctap2.Command(payload[0])
	s.Name = r.req.command.String()
	known, ok := commands[r.req.command]
	if !ok {
		s.Fields = []Field{hexField("parameters", payload[1:], LikeValue)}
		return
	}
	s.Clause = known.clause
	raw := r.body(payload[1:])
	switch {
	case raw == nil && known.ask != nil:
		r.remark(known.clause, "%s has no parameters", s.Name)
		return
	case raw == nil:
	case known.ask == nil:
		r.remark(known.clause, "%s has parameters, and takes none", s.Name)
		f := Field{Name: "parameters"}
		f.fill(raw)
		s.Fields = []Field{f}
	default:
		r.parameters(known, raw)
	}
	if known.gist != nil {
		s.Gist = known.gist(r)
	}
}

// parameters takes a request's map apart. The subcommand goes first, as others
// are read by it.
func (r *reading) parameters(known command, raw []byte) {
	all, _ := pairs(raw)
	r.req.members = map[uint64]wire.Raw{}
	for _, p := range all {
		if n, ok := number(p.key); ok {
			r.req.members[n] = p.value
		}
	}
	if known.subKey > 0 {
		if n, ok := number(r.req.members[known.subKey]); ok {
			r.req.sub = n
			name, clause := known.subName(n)
			r.step.Name += " " + name
			r.step.Clause = clause
		}
	}
	r.step.Fields, _ = r.members(*known.ask, raw)
	r.t.learn(r.req)
	r.t.vault.request(r)
}

// learn notes what later messages are read by.
func (t *teller) learn(req *request) {
	r := reading{t: t, req: req}
	if id, ok := r.askedRP(); ok {
		t.keys.rp(id)
	}
	if id, ok := textString(req.members[0x0a]); ok && req.command == ctap2.CommandClientPIN {
		t.keys.rp(id)
	}
}

// apdu understands a command APDU: SELECT, U2F and others.
func (r *reading) apdu(data []byte) {
	s := r.step
	c, err := nfc.ParseCommand(data)
	if err != nil {
		r.remark(clauseISO, "%v", err)
		s.Fields = append(s.Fields, hexField("bytes", data, LikeValue))
		return
	}
	r.req.apdu = c
	f := apduFrame(c)
	s.Name, s.Clause = f.name, f.clause
	switch instruction(c) {
	case insSelect:
		r.selects(c)
	case insRegister:
		r.u2fRegister(c)
	case insAuthenticate:
		r.u2fAuthenticate(c)
	case insVersion:
		s.Gist = "which version of U2F"
	case insControl:
		s.Gist = "end of this client's CTAP"
	default:
		s.Fields = append(s.Fields, Field{Name: "parameters", Value: fmt.Sprintf("P1 %02x P2 %02x", c.P1, c.P2)}, hexField("data", c.Data, LikeValue))
	}
}

func (r *reading) selects(c nfc.Command) {
	f := hexField("name", c.Data, LikeValue)
	if sameBytes(c.Data, nfc.AID) {
		f.Note = "the FIDO applet"
		r.step.Gist = "open the FIDO applet"
	}
	r.step.Fields = append(r.step.Fields, f)
}
