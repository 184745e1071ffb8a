package replay

import (
	"context"
	"errors"
	"fmt"

	"github.com/touchstone-fido/touchstone/ctap2"
	"github.com/touchstone-fido/touchstone/ctap2/pinuv"
	"github.com/touchstone-fido/touchstone/ctap2/wire"
	"github.com/touchstone-fido/touchstone/ctaphid"
	"github.com/touchstone-fido/touchstone/devices/transcript"
	"github.com/touchstone-fido/touchstone/nfc"
)

// asker plays the host of a tape.
type asker struct {
	tape    *transcript.Tape
	key     Key
	opts    Options
	against bool // a key answers, not the tape
	report  *Report

	all    []transcript.Exchange
	tap    *tap
	client *ctap2.Client
	ch     *ctaphid.Channel
	applet *nfc.Applet

	vault  *vault
	pins   pins
	tokens []granted

	rightHash []byte            // of the PIN that is set on the key of the tape, nil if not known
	ids       map[string][]byte // of the key, by that of the tape
	bodies    [2]*side          // what was seen: of the tape and of the key
	tells     bool              // the key of the tape says when it waits for a touch
	ended     error             // why nothing more can be asked
	begun     bool              // the first opening of the tape is over
	refused   error             // how the card of the tape refused to be opened
	enrol     *ctap2.Enrollment
}

func newAsker(tape *transcript.Tape, key Key, o Options) *asker {
	a := &asker{
		tape: tape, key: key, opts: o, all: tape.Exchanges(), report: &Report{Tape: tape.Name},
		ids: map[string][]byte{}, bodies: [2]*side{newSide(), newSide()},
	}
	a.vault = openVault(tape, a.all)
	a.pins = pins{ask: o.PIN, header: []byte(tape.Header.PIN)}
	if a.vault != nil {
		a.bodies[0].open = a.vault.outputs
	}
	a.tap = &tap{agreements: map[pinuv.Protocol][]byte{}, same: a.sameQuestion, tell: o.OnEvent}
	for _, e := range a.all {
		for _, w := range e.Waits {
			a.tells = a.tells || w.Status == ctaphid.KeepaliveUPNeeded
		}
	}
	return a
}

// sameQuestion holds what the client is about to ask against the tape. What is
// asked of a key has its credentials in it, not those of the tape.
func (a *asker) sameQuestion(asked []byte, e transcript.Exchange) string {
	if !a.against {
		return e.Differs(transcript.Exchange{Kind: e.Kind, Command: e.Command, Request: asked}, a.opts.Match)
	}
	q, err := transcript.ParseQuestion(asked)
	tape, wrong := transcript.ParseQuestion(e.Request)
	if err != nil || wrong != nil {
		return "the encoding"
	}
	if len(e.Request) > 1 && wire.Canonical(e.Request[1:]) != nil {
		return "the encoding is not canonical"
	}
	for n, raw := range tape.Members {
		if tape.Members[n], err = a.mappedRaw(raw); err != nil {
			return err.Error()
		}
	}
	return q.Differs(tape, transcript.MatchRekeyed)
}

// run asks everything in its order.
func (a *asker) run(ctx context.Context) (*Report, error) {
	defer a.wipe()
	if err := a.open(ctx); err != nil {
		return a.report, err
	}
	for i := 0; i < len(a.all); {
		if ctx.Err() != nil {
			return a.report, context.Cause(ctx)
		}
		if err := a.think(ctx, i); err != nil {
			return a.report, err
		}
		n := a.group(i)
		a.step(ctx, a.all[i:i+n])
		i += n
	}
	if a.against && gone(a.ended) {
		return a.report, a.ended
	}
	return a.report, nil
}

func gone(err error) bool { return errors.Is(err, ctaphid.ErrGone) || errors.Is(err, nfc.ErrGone) }

func (a *asker) wipe() {
	a.pins.wipe()
	a.vault.wipe()
	for _, g := range a.tokens {
		g.token.Wipe()
		g.tape.Wipe()
	}
}

// think waits for as long as the host of the tape did before its question.
func (a *asker) think(ctx context.Context, i int) error {
	if a.opts.Speed <= 0 || i == 0 {
		return nil
	}
	before := max(a.all[i-1].Asked, a.all[i-1].Answered)
	cfg := transcript.PlayConfig{Speed: a.opts.Speed, Pause: a.opts.Pause}
	return cfg.Rest(ctx, a.all[i].Asked-before)
}

// open opens the framing. What the key said of itself then answers the openings
// of the tape.
func (a *asker) open(ctx context.Context) error {
	var err error
	if a.key.Reports != nil {
		a.ch, err = ctaphid.Open(ctx, a.key.Reports, a.hidConfig())
		a.tap.inner = a.ch
	} else {
		cfg := nfc.Config{OnKeepalive: func(k nfc.Keepalive) { a.tap.keepalive(ctaphid.KeepaliveStatus(k.Status), k.Since) }}
		a.applet, err = nfc.Open(ctx, a.key.Card, cfg)
		a.tap.inner = a.applet
	}
	if a.refused = refusal(err); a.refused != nil && !a.against {
		return nil // as the tape may say
	}
	if err != nil {
		return err
	}
	a.client = ctap2.New(a.tap, ctap2.Config{Rand: a.opts.Rand, Timeout: a.opts.Timeout})
	return nil
}

func (a *asker) hidConfig() ctaphid.Config {
	return ctaphid.Config{
		Rand: a.opts.Rand, ReportSize: a.tape.Header.ReportSize,
		OnKeepalive: func(k ctaphid.Keepalive) { a.tap.keepalive(k.Status, k.Since) },
	}
}

// group is how many exchanges from i on one call of the client asks.
func (a *asker) group(i int) int {
	n := 1
	q, err := transcript.ParseQuestion(a.all[i].Request)
	if a.all[i].Kind != transcript.CTAP2 || err != nil {
		return n
	}
	for i+n < len(a.all) && a.all[i+n].Kind == transcript.CTAP2 {
		next, err := transcript.ParseQuestion(a.all[i+n].Request)
		if err != nil || !goesOn(q, next) {
			break
		}
		n++
	}
	return n
}

// goesOn says whether a question belongs to the call that asks first.
func goesOn(first, next transcript.Question) bool {
	if first.Command != next.Command {
		return false
	}
	switch first.Command {
	case ctap2.CommandCredentialManagement, ctap2.CommandCredManagementPre:
		begin := ctap2.CredMgmtSubcommand(first.Sub)
		return (begin == ctap2.CredMgmtRPsBegin || begin == ctap2.CredMgmtCredentialsBegin) && next.Sub == first.Sub+1
	}
	return false
}

// step asks a group and judges each of its questions.
func (a *asker) step(ctx context.Context, group []transcript.Exchange) {
	if a.ended != nil {
		a.leaveOut(group, "the session has ended: "+a.ended.Error())
		return
	}
	if a.refused != nil && group[0].Kind != transcript.Opening {
		a.leaveOut(group, "the key did not open: "+a.refused.Error())
		return
	}
	if group[0].Answer == nil && group[0].Refusal == nil {
		a.leaveOut(group, "the tape has no answer: "+group[0].Missing)
		return
	}
	if group[0].Kind != transcript.CTAP2 {
		a.framing(ctx, group[0])
		return
	}
	a.message(ctx, group)
}

func (a *asker) leaveOut(group []transcript.Exchange, reason string) {
	for _, e := range group {
		s := a.begin(e)
		s.Verdict, s.Reason = NotAsked, reason
		a.report.add(s)
	}
}

// begin is the step of an exchange, with what the tape says.
func (a *asker) begin(e transcript.Exchange) Step {
	s := Step{Line: e.Line, Time: e.Asked, Question: e.Name()}
	if a.against {
		s.Recorded = a.bodies[0].exchange(e)
		return s
	}
	s.Recorded = exact(e)
	return s
}

// judge compares what the tape says with what came.
func (a *asker) judge(s Step) {
	s.Differences = compare(s.Recorded, s.Got)
	s.Verdict = Same
	if len(s.Differences) > 0 {
		s.Verdict = Differs
	}
	a.report.add(s)
}

// message asks a CTAP2 question through the client's method for it, or as it is
// where there is none.
func (a *asker) message(ctx context.Context, group []transcript.Exchange) {
	a.tap.begin(group)
	results, err := a.call(ctx, group)
	var not *notAsked
	if len(a.tap.sent) == 0 && errors.As(err, &not) && not.final {
		a.leaveOut(group, not.reason)
		return
	}
	asked := len(a.tap.sent)
	for i, out := range a.tap.sent {
		s := a.begin(group[i])
		s.Request = out.request
		a.tell(&s, group[i], out, at(results, i), i == asked-1, err)
		a.judge(s)
	}
	why := ""
	if err != nil && asked == 0 {
		why = err.Error()
	}
	for _, e := range group[asked:] {
		a.raw(ctx, e, why)
	}
}

func at(results []members, i int) members {
	if i < len(results) {
		return results[i]
	}
	return nil
}

// tell fills in what came: by meaning from a key, and from the tape as the client
// has understood it.
func (a *asker) tell(s *Step, e transcript.Exchange, out sent, result members, last bool, err error) {
	heard := e
	heard.Request, heard.Answer, heard.Refusal = out.request, out.answer, nil
	if out.err != nil {
		heard.Answer, heard.Refusal = nil, refusal(out.err)
		if heard.Refusal == nil {
			a.lost(s, out.err)
			return
		}
	}
	a.learn(e, heard)
	if a.against {
		s.Got = a.bodies[1].exchange(heard)
		a.touches(s, e, out)
	} else {
		s.Got = told(heard, result)
	}
	if misread := clientError(err); last && misread != "" {
		s.Got = append(s.Got, Fact{"client", misread})
	}
}

// touches tells who asks for a touch, where the key of the tape does say so.
func (a *asker) touches(s *Step, e transcript.Exchange, out sent) {
	if !a.tells {
		return
	}
	recorded := false
	for _, w := range e.Waits {
		recorded = recorded || w.Status == ctaphid.KeepaliveUPNeeded
	}
	s.Recorded = append(s.Recorded, Fact{"touch", yesNo(recorded)})
	s.Got = append(s.Got, Fact{"touch", yesNo(out.touch)})
}

func yesNo(b bool) string {
	if b {
		return "asked for"
	}
	return "not asked for"
}

// lost tells of an answer that did not come.
func (a *asker) lost(s *Step, err error) {
	s.Got = []Fact{{"status", "no answer: " + kindOf(err)}}
	s.Reason = err.Error()
	a.ended = stops(err)
}

// stops is err if nothing can be asked after it.
func stops(err error) error {
	var mismatch *transcript.MismatchError
	var auth *transcript.AuthError
	var end *transcript.EndError
	if errors.As(err, &mismatch) || errors.As(err, &auth) || errors.As(err, &end) || errors.Is(err, transcript.ErrCut) || gone(err) {
		return err
	}
	return nil
}

// kindOf names the kind of an error of the framing, without what is of its time.
func kindOf(err error) string {
	for _, kind := range []error{
		ctaphid.ErrGone, ctaphid.ErrTimeout, ctaphid.ErrProtocol, ctaphid.ErrBusy, nfc.ErrGone, nfc.ErrTimeout, nfc.ErrProtocol, nfc.ErrTransmission,
	} {
		if errors.Is(err, kind) {
			return kind.Error()
		}
	}
	return "failed"
}

// refusal is how the framing refused, nil if it did not.
func refusal(err error) error {
	var code ctaphid.ErrorCode
	var sw nfc.StatusWord
	switch {
	case errors.As(err, &code):
		return code
	case errors.As(err, &sw):
		return sw
	}
	return nil
}

// clientError says what the client could not make sense of, "" if it could.
func clientError(err error) string {
	var bad *ctap2.ResponseError
	if errors.As(err, &bad) {
		return fmt.Sprintf("cannot read the answer: %v", bad.Err)
	}
	return ""
}
