package nfc

import (
	"errors"
	"fmt"
	"slices"
)

// deliver carries msg to the card. Where the card refuses the form of it, and
// so has not run it, another form is tried.
func (t *transaction) deliver(msg []byte) (Response, error) {
	if t.extends(msg) {
		resp, err := t.deliverExtended(msg)
		if err != nil || !t.refusedExtended(resp.SW) {
			return resp, err
		}
	}
	resp, err := t.deliverShort(msg)
	if sw, refused := t.refusedChain(err); refused {
		return t.deliverUnchained(msg, sw)
	}
	return resp, err
}

// extended says whether commands are written with extended lengths.
func (t *transaction) extended() bool {
	return t.manner.Load().Encoding.Value == EncodingExtended
}

// extends says whether msg is.
func (t *transaction) extends(msg []byte) bool {
	return t.extended() && (!t.cfg.auto() || len(msg) <= t.extendedRoom())
}

func (t *transaction) deliverExtended(msg []byte) (Response, error) {
	if err := ended(t.ctx); err != nil {
		return Response{}, err
	}
	resp, err := t.send(t.cfg.message(msg, true), maxShortNc)
	if err == nil && !refusesForm(resp.SW) {
		t.proven.extended = true
	}
	return resp, err
}

// deliverShort chains msg, in smaller and smaller parts while the card finds
// them too long.
func (t *transaction) deliverShort(msg []byte) (Response, error) {
	for {
		if err := ended(t.ctx); err != nil {
			return Response{}, err
		}
		resp, err := t.send(t.cfg.message(msg, false), t.manner.Load().ChunkSize.Value)
		t.proven.chain = t.proven.chain || t.parts > 0
		if !t.shrinks(err) {
			return resp, err
		}
	}
}

// deliverUnchained sends msg in one extended APDU to a card that has refused
// the first part of a chain with sw. A reader of which it is not known whether
// it carries that is tried first, or else the message might be lost.
func (t *transaction) deliverUnchained(msg []byte, sw StatusWord) (Response, error) {
	if room := t.extendedRoom(); t.barred == "" && len(msg) > room {
		return Response{}, neither(sw, fmt.Sprintf("the message is longer than %d bytes", room))
	}
	if t.barred == "" && t.manner.Load().MaxAPDU.Value == 0 {
		if _, err := t.probe(len(msg)); errors.Is(err, ErrTransmission) {
			t.barred, t.stale = fmt.Sprintf("the reader lost a SELECT of %d bytes", len(msg)), true
		} else if err != nil {
			return Response{}, err
		}
	}
	if t.barred != "" {
		return Response{}, neither(sw, t.barred)
	}
	resp, err := t.deliverExtended(msg)
	switch {
	case err != nil:
		return resp, err
	case refusesForm(resp.SW):
		t.barred = fmt.Sprintf("the card refused one (%v)", resp.SW)
		return Response{}, neither(sw, t.barred)
	}
	t.encode(EncodingExtended, fmt.Sprintf("the card refused a part of a chain (%v)", sw))
	return resp, nil
}

// neither is the error of a message that can be sent in no form.
func neither(sw StatusWord, extended string) error {
	return &Error{Op: "chain", SW: sw, Err: fmt.Errorf("%w, and extended APDUs will not do: %s", sw, extended)}
}

// refusesForm says whether sw refuses a command for the way it is written.
func refusesForm(sw StatusWord) bool {
	return sw == SWWrongLength || sw == SWClaNotSupported || sw == SWInsNotSupported
}

// refusedExtended says whether the card would not have an extended message,
// which then goes out again as a chain. A card that has taken others before
// can only mean the length of this one.
func (t *transaction) refusedExtended(sw StatusWord) bool {
	if !t.cfg.auto() || !refusesForm(sw) || t.proven.extended && sw != SWWrongLength {
		return false
	}
	if !t.proven.extended {
		t.barred = fmt.Sprintf("the card refused one (%v)", sw)
		t.encode(EncodingShort, fmt.Sprintf("the card refused an extended one (%v)", sw))
	}
	return true
}

// refusedChain says whether the card would have no part of a chain. It was the
// first part, so that nothing of the message is left with the card, and the
// card has never taken one before.
func (t *transaction) refusedChain(err error) (StatusWord, bool) {
	sw, ok := t.refusedFirst(err)
	if ok = ok && (refusesForm(sw) || sw == SWChainingNotSupported || sw == SWFunctionNotSupported); ok {
		t.stale = false
	}
	return sw, ok
}

// refusedFirst is the status word with which the first part was refused.
func (t *transaction) refusedFirst(err error) (StatusWord, bool) {
	if err == nil || !t.cfg.auto() || t.proven.chain {
		return 0, false
	}
	var e *Error
	if !errors.As(err, &e) || e.Op != "chain" || e.SW == 0 {
		return 0, false
	}
	return e.SW, true
}

// smaller are the sizes, in bytes, that are tried when a greater one fails.
var smaller = []int{240, 192, 128, 64, 32}

// below is the next size below n, 0 if there is none.
func below(n int) int {
	if i := slices.IndexFunc(smaller, func(size int) bool { return size < n }); i >= 0 {
		return smaller[i]
	}
	return 0
}

// shrinks makes the parts of chains smaller if the card has found the first
// one too long, and says whether to try again.
func (t *transaction) shrinks(err error) bool {
	sw, ok := t.refusedFirst(err)
	size := t.manner.Load().ChunkSize.Value
	n := below(size)
	if !ok || sw != SWWrongLength || n == 0 {
		return false
	}
	t.stale = false
	t.choose(AboutChunkSize, func(m *Manner) { m.ChunkSize = because(n, "the card refused a part of %d (%v)", size, sw) })
	return true
}

// lost takes a lesson from an APDU that was lost on the way, in case its length
// was the reason. It is for the next one: this one may have arrived.
func (t *transaction) lost(cmd Command) {
	if !t.cfg.auto() || cmd.INS == INSSelect {
		return
	}
	n := below(cmd.Ne)
	if cmd.Ne == 0 {
		n = below(len(cmd.Data))
	}
	switch m := t.manner.Load(); {
	case cmd.Extended && t.proven.extended, !cmd.Extended && n == 0:
	case cmd.Extended:
		t.barred = "the reader lost one"
		t.encode(EncodingShort, "the reader lost an extended one")
	case cmd.Ne > 0 && n < m.AnswerSize.Value:
		t.choose(AboutAnswerSize, func(m *Manner) { m.AnswerSize = because(n, "the reader lost an answer when asked for %d", cmd.Ne) })
	case cmd.Ne == 0 && n < m.ChunkSize.Value:
		t.choose(AboutChunkSize, func(m *Manner) { m.ChunkSize = because(n, "the reader lost a part of %d", len(cmd.Data)) })
	}
}

// form writes a command in the way that reader and card take. One that cannot
// be written at all is left for that to be found out.
func (t *transaction) form(cmd Command) Command {
	if !t.cfg.auto() || !cmd.Extended && cmd.Ne > maxShortNe {
		return cmd
	}
	m := t.manner.Load()
	switch {
	case cmd.Extended && m.MaxAPDU.Value > 0:
		cmd.Ne = min(cmd.Ne, m.MaxAPDU.Value-2)
	case cmd.Extended:
	case m.Le.Value == LeNotWithData && len(cmd.Data) > 0:
		cmd.Ne = 0
	case cmd.INS == INSPoll && m.PollLe.Value > 0 && cmd.Ne > 0:
		cmd.Ne = m.PollLe.Value
	default:
		cmd.Ne = min(cmd.Ne, m.AnswerSize.Value)
	}
	return cmd
}

// pollExactly remembers that the card has a poll ask for just the one status
// byte that it has while it is not done.
func (t *transaction) pollExactly(sw StatusWord) {
	if t.cfg.auto() && t.manner.Load().PollLe.Value == 0 {
		t.choose(AboutPollLe, func(m *Manner) { m.PollLe = because(1, "the card wants the exact Le (%v)", sw) })
	}
}
