package explain

import (
	"bytes"
	"encoding/binary"
	"fmt"
	"strings"

	"github.com/touchstone-fido/touchstone/ctap2"
	"github.com/touchstone-fido/touchstone/ctap2/wire"
	"github.com/touchstone-fido/touchstone/ctaphid"
	"github.com/touchstone-fido/touchstone/nfc"
)

// answer understands an answer by its request, if there is one.
func (r *reading) answer(m message, c *conversation) {
	if m.frame.kind == frameAPDU {
		r.cardAnswer(m, c)
		return
	}
	command := ctaphid.Command(m.frame.code)
	if r.req == nil {
		r.orphan()
	} else if r.req.frame.kind == frameHID && r.req.frame.code != m.frame.code && command != ctaphid.CommandError {
		r.remark(m.frame.clause, "%v is answered with %v", ctaphid.Command(r.req.frame.code), command)
		r.req.command = 0
	}
	switch command {
	case ctaphid.CommandCBOR:
		r.status(m.data, c)
	case ctaphid.CommandMsg:
		r.msgAnswer(m.data)
	case ctaphid.CommandInit:
		r.initAnswer(m.data)
	case ctaphid.CommandError:
		r.errorAnswer(m.data)
	case ctaphid.CommandPing:
		if r.req != nil && r.req.frame.code == m.frame.code && !bytes.Equal(m.data, r.req.payload) {
			r.remark(m.frame.clause, "the answer is not what was sent")
		}
	default:
		if len(m.data) > 0 {
			r.step.Fields = []Field{hexField("payload", m.data, LikeValue)}
		}
	}
}

// orphan remarks on an answer to nothing, unless the tape has no host side at
// all.
func (r *reading) orphan() {
	if r.t.story.HostSide {
		r.remark("", "the request that this answers is not on the tape")
	}
}

func (r *reading) msgAnswer(data []byte) {
	body, sw, err := swOf(data)
	if err != nil {
		r.remark(clauseU2F+" §3.3", "%v", err)
		r.step.Fields = []Field{hexField("bytes", data, LikeValue)}
		return
	}
	r.u2fAnswer(body, sw)
}

// cardAnswer understands what a card answered: a CTAP2 answer within 9000, or
// what else it was asked for.
func (r *reading) cardAnswer(m message, c *conversation) {
	sw := nfc.StatusWord(m.frame.code)
	message := r.req != nil && r.req.frame.kind == frameAPDU && int(r.req.frame.code) == insMessage
	if r.req == nil {
		r.orphan()
	}
	if message && sw == nfc.SWOK {
		r.step.Frame = "NFCCTAP_MSG"
		r.status(m.data, c)
		return
	}
	r.u2fAnswer(m.data, sw)
}

func (r *reading) initAnswer(data []byte) {
	s := r.step
	if len(data) < ctaphid.InitAnswerSize {
		r.remark(s.Clause, "the answer has %s, and has to have %d", bytesOf(len(data)), ctaphid.InitAnswerSize)
		s.Fields = []Field{hexField("payload", data, LikeValue)}
		return
	}
	nonce, channel := data[:ctaphid.InitNonceSize], ctaphid.ChannelID(binary.BigEndian.Uint32(data[8:]))
	s.Fields = []Field{
		hexField("nonce", nonce, LikeFresh),
		{Name: "channel", Value: channel.String(), Like: LikeFresh},
		{Name: "protocol version", Value: fmt.Sprint(data[12])},
		{Name: "device version", Value: fmt.Sprintf("%d.%d.%d", data[13], data[14], data[15])},
		{Name: "capabilities", Value: fmt.Sprintf("0x%02x", data[16]), Note: ctaphid.Capability(data[16]).String()},
	}
	s.Gist = "channel " + channel.String()
	switch {
	case channel == 0 || channel == ctaphid.BroadcastCID:
		r.remark(s.Clause, "the channel %v is reserved", channel)
	case r.req != nil && !bytes.Equal(nonce, r.req.payload):
		r.remark(s.Clause, "the nonce is not the one that was sent: this answers somebody else")
	}
	if data[12] != 2 {
		r.remark(s.Clause, "the protocol version is %d, and has to be 2", data[12])
	}
}

func (r *reading) errorAnswer(data []byte) {
	if len(data) != 1 {
		r.remark(r.step.Clause, "an error of %s has to have 1", bytesOf(len(data)))
	}
	if len(data) > 0 {
		r.step.Name = ctaphid.ErrorCode(data[0]).String()
	}
}

// status understands a CTAP2 answer: a status, and the map of its results.
func (r *reading) status(data []byte, c *conversation) {
	s := r.step
	if len(data) == 0 {
		r.remark("CTAP 2.3 §8.2", "the answer is empty: there is no status")
		return
	}
	status := ctap2.Status(data[0])
	s.Name, s.Clause = status.String(), "CTAP 2.3 §8.2"
	r.checkStatus(status, data[1:])
	raw := r.body(data[1:])
	if r.req == nil {
		r.req = guess(raw)
		if r.req != nil {
			s.Gist = "read as an answer to " + r.req.command.String()
		}
	}
	r.results(status, raw)
	c.settle(r.req)
	if r.req != nil && r.req.exchange < 0 {
		r.req = nil // a guess is no request
	}
}

// results takes the map of an answer apart.
func (r *reading) results(status ctap2.Status, raw wire.Raw) {
	s := r.step
	if r.req == nil || status != ctap2.StatusOK {
		if raw != nil {
			f := Field{Name: "results"}
			f.fill(raw)
			s.Fields = append(s.Fields, f)
		}
		return
	}
	known, ok := commands[r.req.command]
	if !ok {
		return
	}
	s.Clause = known.clause
	if known.subName != nil {
		_, s.Clause = known.subName(r.req.sub)
	}
	if known.answer == nil {
		if raw != nil {
			r.remark(s.Clause, "%v is answered with results, and has none", r.req.command)
		}
		return
	}
	if raw == nil {
		if len(s.Data) == 1 && (known.bare == nil || !known.bare(r.req.sub)) {
			r.remark(s.Clause, "the answer has no results")
		}
		return
	}
	var found map[uint64]wire.Raw
	s.Fields, found = r.members(*known.answer, raw)
	r.conclude(found)
}

func (r *reading) conclude(found map[uint64]wire.Raw) {
	r.req.members = orEmpty(r.req.members)
	if r.req.command == ctap2.CommandMakeCredential {
		r.attestation(found)
	}
	r.checkFound(found)
	r.t.vault.answer(r, found)
	if text := resultGist(r.req, r.step.Fields); text != "" && r.step.Gist == "" {
		r.step.Gist = text
	}
}

func orEmpty(m map[uint64]wire.Raw) map[uint64]wire.Raw {
	if m == nil {
		return map[uint64]wire.Raw{}
	}
	return m
}

// settle remembers the request that "next" commands go on from.
func (c *conversation) settle(req *request) {
	if req == nil {
		return
	}
	switch req.command {
	case ctap2.CommandGetNextAssertion:
	default:
		c.last = req
	}
}

// verified notes whether a signature holds. One of an algorithm that cannot be
// checked here is passed over.
func (r *reading) verified(what, clause string, err error) {
	switch {
	case err == nil:
		r.step.Fields = append(r.step.Fields, Field{Name: "verified", Value: "the signature of the " + what + " holds", Clause: clause})
	case isSignature(err):
		r.remark(clause, "the signature of the %s does not hold", what)
	}
}

// answerOK says whether a step is an answer of success.
func answerOK(s *Step) bool {
	switch {
	case s.Frame == ctaphid.CommandCBOR.String() || s.Frame == "NFCCTAP_MSG":
		return len(s.Data) > 0 && ctap2.Status(s.Data[0]) == ctap2.StatusOK
	case s.Frame == ctaphid.CommandError.String():
		return false
	case strings.HasPrefix(s.Name, "SW "):
		return strings.HasPrefix(s.Name, "SW 9000")
	}
	return true
}
