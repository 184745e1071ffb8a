package nfc

import (
	"bytes"
	"context"
	"time"
)

const (
	versionU2F  = "U2F_V2"
	versionFIDO = "FIDO_2_0"

	keepaliveProcessing    = 1
	ctapErrRequestTooLarge = 0x39

	noPatience time.Duration = -1 // wait for ever
)

func status(sw StatusWord) (Response, error) { return Response{SW: sw}, nil }

// answer is what the card says to one command. Every command but the next part
// breaks a chain off, every one but GET RESPONSE drops the rest of an answer.
func (e *Emulator) answer(ctx context.Context, apdu []byte) (Response, error) {
	if e.job != nil && e.job.lost {
		if err := e.drop(ctx); err != nil {
			return Response{}, err
		}
	}
	chain, rest, held := e.chain, e.rest, e.held
	e.chain, e.rest, e.held = nil, nil, nil
	cmd, err := ParseCommand(apdu)
	if err != nil || e.misfit(cmd, len(apdu)) {
		return status(SWWrongLength)
	}
	switch {
	case held.waitsFor(cmd):
		return e.reply(cmd, held.Data, held.SW)
	case cmd.CLA&ClassChain != 0 && e.cfg.Quirks.NoChaining != 0:
		return status(e.cfg.Quirks.NoChaining)
	case cmd.INS == INSGetResponse && (cmd.CLA == ClassISO || cmd.CLA == ClassCTAP):
		return e.getResponse(cmd, rest)
	case cmd.INS == INSSelect && cmd.CLA == ClassISO:
		return e.selectApplet(ctx, cmd)
	case cmd.CLA&^ClassChain == ClassCTAP:
		return e.ctap(ctx, cmd, chain)
	case cmd.CLA&^ClassChain == ClassISO:
		return e.u2f(ctx, cmd, apdu, chain)
	}
	return status(SWClaNotSupported)
}

// reply sends data as far as the command and its Ne allow and keeps the rest
// for GET RESPONSE.
func (e *Emulator) reply(cmd Command, data []byte, sw StatusWord) (Response, error) {
	if e.wrongLe(cmd, len(data)) {
		cmd.Data = bytes.Clone(cmd.Data)
		e.held = &held{cmd, Response{Data: data, SW: sw}}
		return status(rightLength(len(data)))
	}
	ne := e.room(cmd)
	if len(data) <= ne {
		return Response{Data: data, SW: sw}, nil
	}
	e.rest = &Response{Data: data[ne:], SW: sw}
	return Response{Data: data[:ne], SW: remaining(len(data) - ne)}, nil
}

// getResponse is ISO GET RESPONSE (ISO 7816-4 §7.6.1).
func (e *Emulator) getResponse(cmd Command, rest *Response) (Response, error) {
	switch {
	case rest == nil:
		return status(SWConditionsNotSatisfied)
	case cmd.P1 != 0 || cmd.P2 != 0:
		return status(SWIncorrectP1P2)
	case rest.SW == remaining(endlessOffer):
		e.rest = rest
		return *rest, nil
	}
	return e.reply(cmd, rest.Data, rest.SW)
}

// selectApplet is SELECT by name (CTAP 2.3 §11.3.3). Another name than the
// whole of ours, no more and no less, changes nothing.
func (e *Emulator) selectApplet(ctx context.Context, cmd Command) (Response, error) {
	switch {
	case cmd.P1 != P1ByName || cmd.P2 != 0:
		return status(SWIncorrectP1P2)
	case string(cmd.Data) != string(AID):
		return status(SWNotFound)
	}
	if err := e.deselect(ctx); err != nil {
		return Response{}, err
	}
	e.selected = true
	version := versionFIDO
	if _, ok := e.handler.(u2fHandler); ok {
		version = versionU2F
	}
	return e.reply(cmd, []byte(version), SWOK)
}

// ctap is the commands of class 80. Only messages can be chained.
func (e *Emulator) ctap(ctx context.Context, cmd Command, chain *Command) (Response, error) {
	if cmd.INS < INSMessage || cmd.INS > INSControl {
		return status(SWInsNotSupported)
	}
	if cmd.CLA != ClassCTAP && cmd.INS != INSMessage {
		return status(SWClaNotSupported)
	}
	if !e.selected {
		return status(SWNotAllowed) // as YubiKey 5.8 says it
	}
	switch cmd.INS {
	case INSMessage:
		return e.message(ctx, cmd, chain)
	case INSPoll:
		return e.poll(ctx, cmd)
	}
	return e.control(ctx, cmd)
}

// message is NFCCTAP_MSG (CTAP 2.3 §11.3.7.1).
func (e *Emulator) message(ctx context.Context, cmd Command, chain *Command) (Response, error) {
	switch {
	case e.job != nil:
		return status(SWConditionsNotSatisfied)
	case cmd.P1&^P1Poll != 0 || cmd.P2 != 0:
		return status(SWIncorrectP1P2)
	}
	msg := e.join(cmd, chain)
	switch {
	case cmd.CLA&ClassChain != 0:
		return status(SWOK)
	case len(msg) == 0:
		return status(SWWrongLength)
	case len(msg) > e.cfg.MaxMessage:
		return e.reply(cmd, []byte{ctapErrRequestTooLarge}, SWOK)
	}
	msg = bytes.Clone(msg)
	e.start(func(ctx context.Context, j *job) []byte {
		return e.handler.Message(ctx, msg, func(status byte) { j.status.Store(uint32(status)) })
	})
	if cmd.P1&P1Poll == 0 {
		return e.settle(ctx, cmd, noPatience)
	}
	return e.settle(ctx, cmd, e.cfg.Patience)
}

// join appends the data of cmd to those of the chain it continues, and keeps
// them if cmd is not the last part. What is over the limit is not kept: one
// byte too many is enough to know.
func (e *Emulator) join(cmd Command, chain *Command) []byte {
	whole := cmd.Data
	if continues(cmd, chain) {
		whole = append(chain.Data, cmd.Data...)
	}
	if cmd.CLA&ClassChain == 0 {
		return whole
	}
	if limit := e.cfg.MaxMessage + 1; len(whole) > limit {
		whole = whole[:limit]
	}
	cmd.Data = bytes.Clone(whole)
	e.chain = &cmd
	return nil
}

// continues compares headers; the poll bit counts on the last part only.
func continues(cmd Command, chain *Command) bool {
	if chain == nil || cmd.CLA&^ClassChain != chain.CLA&^ClassChain || cmd.INS != chain.INS || cmd.P2 != chain.P2 {
		return false
	}
	return cmd.INS == INSMessage || cmd.P1 == chain.P1
}

// settle answers with what the handler has to say, or puts the client off.
func (e *Emulator) settle(ctx context.Context, cmd Command, patience time.Duration) (Response, error) {
	j := e.job
	there, err := j.wait(ctx, patience)
	if err != nil {
		return Response{}, err
	}
	if !there || e.putsOff(cmd) {
		return e.reply(cmd, []byte{byte(j.status.Load())}, SWPending)
	}
	e.job = nil
	switch {
	case len(j.answer) == 0:
		return status(SWNoPreciseDiagnosis)
	case e.cfg.Quirks.Endless != EndlessNot:
		e.rest = offer(e.cfg.Quirks.Endless)
		return *e.rest, nil
	}
	return e.reply(cmd, j.answer, SWOK)
}

// poll is NFCCTAP_GETRESPONSE (CTAP 2.3 §11.3.7.2). A cancelled handler gets
// the usual patience to say so.
func (e *Emulator) poll(ctx context.Context, cmd Command) (Response, error) {
	cancel := cmd.P1 == P1Cancel && !e.cfg.NoCancel
	switch {
	case cmd.P1 != 0 && !cancel || cmd.P2 != 0:
		return status(SWIncorrectP1P2)
	case len(cmd.Data) != 0:
		return status(SWWrongLength)
	case e.job == nil:
		return status(SWConditionsNotSatisfied)
	case cancel:
		e.job.cancel()
		return e.settle(ctx, cmd, e.cfg.Patience)
	}
	return e.settle(ctx, cmd, 0)
}

// control is NFCCTAP_CONTROL, of which only the end is defined (CTAP 2.3
// §11.3.4).
func (e *Emulator) control(ctx context.Context, cmd Command) (Response, error) {
	switch {
	case cmd.P1 != P1End || cmd.P2 != 0:
		return status(SWIncorrectP1P2)
	case len(cmd.Data) != 0:
		return status(SWWrongLength)
	}
	if err := e.deselect(ctx); err != nil {
		return Response{}, err
	}
	return status(SWOK)
}

// deselect ends the client's session, if there is one.
func (e *Emulator) deselect(ctx context.Context) error {
	if err := e.drop(ctx); err != nil {
		return err
	}
	if h, ok := e.handler.(deselector); ok && e.selected {
		h.Deselect()
	}
	e.selected = false
	return nil
}

// u2f hands a command of class 00 to a handler that speaks CTAP1, which gets
// a chain as the one long command that it stands for.
func (e *Emulator) u2f(ctx context.Context, cmd Command, apdu []byte, chain *Command) (Response, error) {
	h, ok := e.handler.(u2fHandler)
	switch {
	case !ok:
		return status(SWInsNotSupported)
	case !e.selected:
		return status(SWNotAllowed)
	case e.job != nil:
		return status(SWConditionsNotSatisfied)
	}
	chained := continues(cmd, chain)
	whole := e.join(cmd, chain)
	if cmd.CLA&ClassChain != 0 {
		return status(SWOK)
	}
	if len(whole) > e.cfg.MaxMessage {
		return status(SWWrongLength)
	}
	if chained {
		apdu = unchained(cmd, whole)
	}
	apdu = bytes.Clone(apdu)
	j := e.start(func(ctx context.Context, _ *job) []byte { return h.U2F(ctx, apdu) })
	if _, err := j.wait(ctx, noPatience); err != nil {
		return Response{}, err
	}
	e.job = nil
	resp, err := ParseResponse(j.answer)
	if err != nil {
		return status(SWNoPreciseDiagnosis)
	}
	return e.reply(cmd, resp.Data, resp.SW)
}

// unchained writes the last part of a chain with the data of all of them, at
// most MaxMessage, which an extended length can say.
func unchained(last Command, whole []byte) []byte {
	last.Data = whole
	if last.Extended = last.Extended || len(whole) > maxShortNc; last.Extended && last.Ne != 0 {
		last.Ne = maxExtendedNe
	}
	apdu, _ := last.Bytes()
	return apdu
}
