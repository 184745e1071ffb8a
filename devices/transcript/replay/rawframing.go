package replay

import (
	"bytes"
	"context"
	"errors"

	"github.com/touchstone-fido/touchstone/ctap2"
	"github.com/touchstone-fido/touchstone/ctaphid"
	"github.com/touchstone-fido/touchstone/devices/transcript"
	"github.com/touchstone-fido/touchstone/nfc"
)

// framing asks what is not a CTAP2 message.
func (a *asker) framing(ctx context.Context, e transcript.Exchange) {
	if a.opts.Timeout > 0 {
		var stop context.CancelFunc
		ctx, stop = context.WithTimeoutCause(ctx, a.opts.Timeout, ctap2.ErrTimeout)
		defer stop()
	}
	heard := e
	a.tap.waited = false
	answer, err := a.ask(ctx, &heard)
	var not *notAsked
	if errors.As(err, &not) {
		a.leaveOut([]transcript.Exchange{e}, not.reason)
		return
	}
	s := a.begin(e)
	s.Request = heard.Request
	heard.Answer, heard.Refusal = answer, nil
	if err != nil {
		heard.Answer, heard.Refusal = a.refusalOf(e, err)
		if heard.Answer == nil && heard.Refusal == nil {
			a.lost(&s, err)
			a.judge(s)
			return
		}
	}
	a.learn(e, heard)
	if a.against {
		s.Got = a.bodies[1].exchange(heard)
		if len(e.Waits) == 0 && a.tap.waited && a.ch != nil {
			s.Got = append(s.Got, Fact{"keepalive", "before the answer"}) // of what has none
		}
	} else {
		s.Got = exact(heard)
	}
	a.judge(s)
}

// refusalOf is how the framing refused: a status word is the answer to what is no
// message.
func (a *asker) refusalOf(e transcript.Exchange, err error) ([]byte, error) {
	refused := refusal(err)
	if sw, ok := refused.(nfc.StatusWord); ok && e.Kind != transcript.CTAP2 {
		return nfc.Response{SW: sw}.Bytes(), nil
	}
	return nil, refused
}

// ask asks, and changes the question to what it has become of this key.
func (a *asker) ask(ctx context.Context, e *transcript.Exchange) ([]byte, error) {
	switch {
	case e.Kind == transcript.Opening:
		return a.opened(ctx, e)
	case e.Kind == transcript.U2F:
		return a.u2f(ctx, e)
	case a.ch != nil && e.Command != 0:
		return a.command(ctx, e)
	case a.applet != nil && e.Command == 0:
		cmd, err := nfc.ParseCommand(e.Request)
		if err != nil {
			return nil, &notAsked{reason: "it is no command APDU"}
		}
		r, err := a.applet.Transmit(ctx, cmd)
		return r.Bytes(), err
	}
	return nil, &notAsked{reason: "the key is on another transport"}
}

// opened is what the key has said when it was opened. Where the host of the tape
// has opened it again, this one does so too: on USB the tape only, since one
// channel is enough for a key.
func (a *asker) opened(ctx context.Context, e *transcript.Exchange) ([]byte, error) {
	first := !a.begun
	a.begun = true
	switch {
	case e.Command == ctaphid.CommandInit && a.key.Reports != nil:
		if !first && !a.against {
			ch, err := ctaphid.Open(ctx, a.key.Reports, a.hidConfig())
			if err != nil {
				return nil, err
			}
			a.ch, a.tap.inner = ch, ch
		}
		v := a.ch.DeviceVersion()
		answer := make([]byte, ctaphid.InitNonceSize+4)
		return append(answer, a.ch.ProtocolVersion(), v[0], v[1], v[2], byte(a.ch.Capabilities())), nil
	case e.Command != 0 || a.key.Card == nil:
		return nil, &notAsked{reason: "the key is on another transport"}
	case first && isFIDO(e.Request) && a.applet != nil:
		return nfc.Response{Data: []byte(a.applet.Version()), SW: nfc.SWOK}.Bytes(), nil
	case first && isFIDO(e.Request):
		return nil, a.refused
	}
	if !isFIDO(e.Request) || a.applet == nil {
		a.begun = !first
		return nil, &notAsked{reason: "it selects no FIDO applet"}
	}
	cmd, err := nfc.ParseCommand(e.Request)
	if err != nil {
		return nil, err
	}
	r, err := a.applet.Transmit(ctx, cmd)
	return r.Bytes(), err
}

func isFIDO(apdu []byte) bool {
	cmd, err := nfc.ParseCommand(apdu)
	return err == nil && bytes.HasPrefix(cmd.Data, nfc.AID)
}

// u2f sends a command APDU of CTAP1, with the key's own key handle.
func (a *asker) u2f(ctx context.Context, e *transcript.Exchange) ([]byte, error) {
	cmd, err := nfc.ParseCommand(e.Request)
	if err != nil {
		return nil, &notAsked{reason: "it is no command APDU"}
	}
	const head = applicationEnd + 1
	if cmd.INS == nfc.INSU2FAuthenticate && len(cmd.Data) > head {
		if own := a.mappedID(cmd.Data[head:]); !bytes.Equal(own, cmd.Data[head:]) {
			cmd.Data = append(append(bytes.Clone(cmd.Data[:head-1]), byte(len(own))), own...)
		}
	}
	if a.applet != nil {
		r, err := a.applet.Transmit(ctx, cmd)
		return r.Bytes(), err
	}
	cmd.Extended = true
	if e.Request, err = cmd.Bytes(); err != nil {
		return nil, &notAsked{reason: err.Error()}
	}
	return a.ch.Msg(ctx, e.Request)
}

// command asks for what CTAPHID has besides messages.
func (a *asker) command(ctx context.Context, e *transcript.Exchange) ([]byte, error) {
	var err error
	switch e.Command {
	case ctaphid.CommandPing:
		_, err = a.ch.Ping(ctx, e.Request)
		if err == nil {
			return e.Request, nil
		}
		return nil, err
	case ctaphid.CommandWink:
		err = a.ch.Wink(ctx)
	case ctaphid.CommandLock:
		if len(e.Request) != 1 {
			return nil, &notAsked{reason: "it is no LOCK with a number of seconds"}
		}
		err = a.ch.Lock(ctx, int(e.Request[0]))
	default:
		return nil, &notAsked{reason: "the channel has no method for it"}
	}
	if err != nil {
		return nil, err
	}
	return []byte{}, nil
}
