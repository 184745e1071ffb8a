package nfc

import (
	"errors"
	"fmt"
)

// send carries cmd, in parts of at most chunk bytes if it is short and too
// long for one, and puts the response together.
func (t *transaction) send(cmd Command, chunk int) (Response, error) {
	t.parts = 0
	for !cmd.Extended && len(cmd.Data) > chunk {
		if err := t.part(cmd, chunk); err != nil {
			return Response{}, err
		}
		t.parts++
		cmd.Data = cmd.Data[chunk:]
	}
	resp, err := t.single(cmd)
	if err != nil {
		return Response{}, err
	}
	return t.complete(cmd, resp)
}

// complete makes the whole response out of the first one to cmd.
func (t *transaction) complete(cmd Command, resp Response) (Response, error) {
	resp, err := t.exactly(cmd, resp)
	if err != nil {
		return Response{}, err
	}
	if _, more := resp.SW.Remaining(); more {
		resp, err = t.collect(resp)
	}
	if err == nil && len(resp.Data) > t.cfg.MaxAnswer {
		err = fmt.Errorf("%w: answer of more than %d bytes", ErrProtocol, t.cfg.MaxAnswer)
	}
	return resp, err
}

// part sends the first chunk bytes of a chain (ISO 7816-4 §5.3.3). Until the
// last part the card has nothing to lose, so here the end of ctx ends all.
func (t *transaction) part(cmd Command, chunk int) error {
	if err := ended(t.ctx); err != nil {
		t.stale = true
		return err
	}
	cmd.CLA |= ClassChain
	cmd.Data = cmd.Data[:chunk]
	cmd.Ne = 0
	if cmd.INS == INSMessage && t.cfg.ChainPoll == ChainPollLast {
		cmd.P1 &^= P1Poll
	}
	resp, err := t.single(cmd)
	if err == nil {
		err = refusal("chain", resp.SW)
	}
	t.stale = t.stale || err != nil
	return err
}

// exactly sends cmd once more if resp, the response to it, names the Le that
// the card wants.
func (t *transaction) exactly(cmd Command, resp Response) (Response, error) {
	n, ok := resp.SW.RightLength()
	if !ok {
		return resp, nil
	}
	if cmd.INS == INSPoll && n == 1 {
		t.pollExactly(resp.SW)
	}
	cmd.Ne = n
	return t.raw(cmd)
}

// collect fetches what a 61xx offers (ISO 7816-4 §5.3.4). The loop ends: every
// round must bring at least one byte, and there is a limit to them.
func (t *transaction) collect(resp Response) (Response, error) {
	whole := append([]byte(nil), resp.Data...)
	n, more := resp.SW.Remaining()
	for more {
		offered := n
		next, err := t.getResponse(n)
		if err != nil {
			return Response{}, fail("get response", err)
		}
		n, more = next.SW.Remaining()
		switch {
		case next.SW == SWPending && len(whole) == 0:
			return next, nil // over T=0 a status byte has to be fetched too
		case !more && next.SW != SWOK:
			return Response{}, refusal("get response", next.SW)
		case len(next.Data) == 0:
			return Response{}, fail("get response", fmt.Errorf("%w: it offers %d bytes of an answer and gives none",
				ErrProtocol, offered))
		case len(whole)+len(next.Data) > t.cfg.MaxAnswer:
			return Response{}, fail("get response", fmt.Errorf("%w: its answer does not end, or has more than %d bytes",
				ErrProtocol, t.cfg.MaxAnswer))
		}
		whole = append(whole, next.Data...)
	}
	return Response{Data: whole, SW: SWOK}, nil
}

// getResponse asks for n more bytes. The class should be 00; a card that does
// not know that one is asked with 80, from then on.
func (t *transaction) getResponse(n int) (Response, error) {
	cmd := Command{CLA: t.manner.Load().ResponseClass.Value, INS: INSGetResponse, Ne: n}
	if t.cfg.OmitLe {
		cmd.Ne = 0
	}
	resp, err := t.single(cmd)
	unknown := resp.SW == SWClaNotSupported || resp.SW == SWInsNotSupported
	if err == nil && unknown && cmd.CLA == ClassISO {
		t.classRefused(resp.SW)
		cmd.CLA = ClassCTAP
		resp, err = t.single(cmd)
	}
	if err != nil {
		return resp, err
	}
	return t.exactly(cmd, resp)
}

func (t *transaction) classRefused(sw StatusWord) {
	t.choose(AboutResponseClass, func(m *Manner) {
		m.ResponseClass = because[byte](ClassCTAP, "the card refused class 00 (%v)", sw)
	})
}

// single sends one APDU in the form that reader and card take.
func (t *transaction) single(cmd Command) (Response, error) {
	return t.raw(t.form(cmd))
}

// raw sends one APDU as it is and reads its response.
func (t *transaction) raw(cmd Command) (Response, error) {
	apdu, err := cmd.Bytes()
	if err != nil {
		return Response{}, err
	}
	if err := ended(t.late); err != nil {
		return Response{}, err
	}
	answer, err := t.card.Transmit(t.late, apdu)
	if cause := ended(t.late); err != nil && cause != nil && !errors.Is(err, ErrGone) {
		return Response{}, interrupted(err, cause)
	}
	if errors.Is(err, ErrTransmission) {
		t.lost(cmd)
	}
	if err != nil {
		return Response{}, err
	}
	return ParseResponse(answer)
}

// interrupted is err, of a backend, if it says more of the cause for which it
// gave up than the cause itself.
func interrupted(err, cause error) error {
	var own *Error
	if errors.Is(err, cause) && !errors.As(err, &own) {
		return err
	}
	return cause
}
