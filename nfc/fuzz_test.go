package nfc

import (
	"bytes"
	"context"
	"testing"
	"testing/synctest"
	"time"
)

func FuzzParseCommand(f *testing.F) {
	for _, seed := range []string{"", "801000", "80120100", "00c000000e", "80100000010400", "8010000000", "80100000000104",
		"801000000000010400 00", "80110000000000", selectHex, "8010000002 04", "80100000000000"} {
		f.Add(unhex(f, seed))
	}
	f.Fuzz(func(t *testing.T, apdu []byte) {
		c, err := ParseCommand(apdu)
		if err != nil {
			return
		}
		back, err := c.Bytes()
		if err != nil || !bytes.Equal(back, apdu) {
			t.Errorf("%x read as %+v, written as %x, %v", apdu, c, back, err)
		}
	})
}

func FuzzParseResponse(f *testing.F) {
	for _, seed := range []string{"", "90", "9000", "006105", "6c10"} {
		f.Add(unhex(f, seed))
	}
	f.Fuzz(func(t *testing.T, apdu []byte) {
		r, err := ParseResponse(apdu)
		if err != nil {
			return
		}
		if back := r.Bytes(); !bytes.Equal(back, apdu) || r.SW.Error() == "" {
			t.Errorf("%x read as %+v, written as %x", apdu, r, back)
		}
	})
}

// split cuts fuzzed bytes into pieces of the lengths that they name.
func split(b []byte) [][]byte {
	var pieces [][]byte
	for len(b) > 0 {
		n := min(int(b[0]), len(b)-1)
		pieces = append(pieces, b[1:1+n])
		b = b[1+n:]
	}
	return pieces
}

// The bits of a mode of FuzzApplet: the low two are an encoding.
const (
	fuzzT0 = 1 << (iota + 2)
	fuzzReader
	fuzzSmallReader
	fuzzATR
	fuzzSelect // SELECTs are answered from the script too
	fuzzOmitLe
)

// A card may answer anything: the host comes to an end, with an answer or an
// error, and never gives the card a message again that it may have run.
func FuzzApplet(f *testing.F) {
	for _, seed := range []string{"", "02 9000", "03 009000", "03 006105 04 01029000", "03 019100 03 009000",
		"03 029100 02 6a86 03 2d9000", "03 006105", "02 6c05 03 009000", "04 00006100", "02 6e00", "02 6101 02 6e00 03 009000",
		"02 6700 02 6700 02 9000", "02 6884 02 6a82 02 6700", "02 6884 00 02 9000", "00 03 009000", "02 6700 0a 4649444f5f325f309000 02 6700"} {
		for _, mode := range []uint8{0, 1, 2, fuzzT0, fuzzReader, fuzzReader | fuzzATR, fuzzATR, fuzzSmallReader, fuzzSelect, fuzzSelect | fuzzReader, fuzzOmitLe} {
			f.Add(unhex(f, seed), mode, uint8(1))
			f.Add(unhex(f, seed), mode, uint8(240))
		}
	}
	f.Fuzz(func(t *testing.T, script []byte, mode, chunk uint8) {
		synctest.Test(t, func(t *testing.T) { fuzzApplet(t, script, mode, chunk) })
	})
}

// wildCard answers from a script, the last answer again and again, and watches
// that no message comes twice.
type wildCard struct {
	t       *testing.T
	mode    uint8
	answers [][]byte
	sent    int

	chain []byte
	last  []byte // whole message that it was given last, nil if it cannot have run it
}

func (c *wildCard) Traits(context.Context) (Traits, error) {
	var traits Traits
	if c.mode&fuzzT0 != 0 {
		traits.Protocol = ProtocolT0
	}
	if c.mode&fuzzReader != 0 {
		traits.MaxAPDU = 65538
	}
	if c.mode&fuzzSmallReader != 0 {
		traits.MaxAPDU = 100
	}
	if c.mode&fuzzATR != 0 {
		traits.ATR = atrExtended
	}
	return traits, nil
}

func (c *wildCard) Transmit(_ context.Context, apdu []byte) ([]byte, error) {
	c.sent++
	if apdu[1] == INSSelect && c.mode&fuzzSelect == 0 {
		return []byte("FIDO_2_0\x90\x00"), nil
	}
	answer, err := c.next()
	cmd, bad := ParseCommand(apdu)
	if bad != nil {
		c.t.Fatalf("sent %x: %v", apdu, bad)
	}
	c.watch(cmd, answer, err)
	return answer, err
}

func (c *wildCard) Close() error { return nil }

func (c *wildCard) next() ([]byte, error) {
	if len(c.answers) == 0 {
		return nil, ErrGone
	}
	next := c.answers[0]
	if len(c.answers) > 1 {
		c.answers = c.answers[1:]
	}
	if len(next) == 0 {
		return nil, ErrTransmission
	}
	return next, nil
}

// watch keeps the last whole message, unless the answer shows that it was not
// run: that its extended lengths were refused, or its Le.
func (c *wildCard) watch(cmd Command, answer []byte, err error) {
	if cmd.INS != INSMessage {
		c.chain = nil
		return
	}
	c.chain = append(c.chain, cmd.Data...)
	if cmd.CLA&ClassChain != 0 {
		return
	}
	if c.last != nil && bytes.Equal(c.chain, c.last) {
		c.t.Errorf("a message of %d bytes was sent again, after it may have run", len(c.last))
	}
	c.last, c.chain = c.chain, nil
	resp, bad := ParseResponse(answer)
	if err != nil || bad != nil {
		return
	}
	_, le := resp.SW.RightLength()
	if le || cmd.Extended && (resp.SW == SWWrongLength || resp.SW == SWClaNotSupported || resp.SW == SWInsNotSupported) {
		c.last = nil
	}
}

func fuzzApplet(t *testing.T, script []byte, mode, chunk uint8) {
	card := &wildCard{t: t, mode: mode, answers: split(script)}
	cfg := Config{ChunkSize: max(1, int(chunk)), Timeout: 2 * time.Second, MaxAnswer: 300, Encoding: Encoding(mode & 3 % 3), OmitLe: mode&fuzzOmitLe != 0}
	a, err := Open(t.Context(), card, cfg)
	if err != nil {
		if mode&fuzzSelect == 0 {
			t.Error(err)
		}
		return
	}
	defer a.Close()
	for i := range 3 {
		msg := bytes.Repeat([]byte{byte(i)}, 300)
		answer, err := a.Exchange(t.Context(), msg)
		if (err == nil) != (len(answer) > 0) || len(answer) > 300 {
			t.Errorf("answer of %d bytes, %v", len(answer), err)
		}
	}
	if card.sent > 3000 {
		t.Errorf("%d commands sent", card.sent)
	}
}

// An ATR may be anything.
func FuzzReadCapabilities(f *testing.F) {
	for _, atr := range [][]byte{nil, {0x3B}, {0x3B, 0xFF}, {0x3B, 0x80, 0x80, 0x01, 0x01}, atrExtended, atrShort,
		unhex(f, "3bfd1300008131fe158073c021c057597562694b657940"), unhex(f, "3b8b8001506f6c617269732023031747")} {
		f.Add(atr)
	}
	f.Fuzz(func(t *testing.T, atr []byte) {
		if c := readCapabilities(atr); c.extended && !c.told {
			t.Errorf("%x: %+v", atr, c)
		}
		if list := historical(atr); len(list) > 15 || !bytes.Contains(atr, list) {
			t.Errorf("%x: historical bytes %x", atr, list)
		}
	})
}

// hasty is a handler that waits for the user for a moment only.
func hasty(ctx context.Context, msg []byte) []byte {
	switch msg[0] {
	case cmdTouch:
		select {
		case <-ctx.Done():
			return []byte{0x2D}
		case <-time.After(100 * time.Microsecond):
		}
	case cmdFill:
		return make([]byte, 700)
	case cmdRefuse:
		return nil
	}
	return append([]byte{0}, msg...)
}

type hastyU2F struct{ handlerFunc }

func (hastyU2F) U2F(_ context.Context, apdu []byte) []byte { return apdu }

// A host may send anything: every command is answered, within its Ne, with
// 9100 only for those who can poll, and a card can always be selected again.
func FuzzEmulator(f *testing.F) {
	for _, seed := range []string{"", "00", "07 80108000011000", "07 80100000011100", "07 80108000011100 05 8011000000 05 8011110000",
		"06 901080000110 04 80108000", "07 80108000011400 05 00c0000005 05 80c0000000", "04 80120100", "05 0003000000",
		"08 8010800000000114", "06 100100000101 06 000100000102", "0b 801000000000021011 0000", "08 00a4040008a00000",
		"06 801080000114 05 00c0000000 05 00c0000001", "07 80108000011400 07 80108000011400", "04 80110000 05 8011000001"} {
		for _, quirks := range []uint8{0, 1, 2, 4, 8, 16, 32, 3, 7} {
			f.Add(unhex(f, seed), true, quirks)
			f.Add(unhex(f, seed), false, quirks)
		}
	}
	f.Fuzz(func(t *testing.T, script []byte, u2f bool, quirks uint8) {
		var h Handler = handlerFunc(hasty)
		if u2f {
			h = hastyU2F{hasty}
		}
		e := NewEmulator(h, EmulatorConfig{MaxMessage: 400, Patience: 1, Quirks: fuzzQuirks(quirks)})
		defer e.Close()
		if a, err := Open(t.Context(), e, Config{}); err != nil || a.Version() == "" {
			t.Fatalf("never opened: %v", err)
		}
		for _, apdu := range split(script) {
			answer, err := e.Transmit(t.Context(), apdu)
			if err != nil {
				t.Fatalf("%x: %v", apdu, err)
			}
			checkAnswer(t, apdu, answer, e.cfg.Quirks)
		}
		if a, err := Open(t.Context(), e, Config{}); err != nil || a.Version() == "" {
			t.Fatalf("not to be opened again: %v", err)
		}
	})
}

// fuzzQuirks is those quirks that leave a card one that can be opened.
func fuzzQuirks(bits uint8) Quirks {
	on := func(bit int) bool { return bits>>bit&1 != 0 }
	q := Quirks{T0: on(0), Fetched: on(1), ExactLe: on(2)}
	q.NeedLe = on(3) && !q.T0
	if on(4) {
		q.PutOff = 2
	}
	if on(5) {
		q.MaxFrame = 64
	}
	if on(6) {
		q.NoChaining = SWChainingNotSupported
	}
	return q
}

func checkAnswer(t *testing.T, apdu, answer []byte, q Quirks) {
	resp, err := ParseResponse(answer)
	if err != nil {
		t.Fatalf("%x: answer %x: %v", apdu, answer, err)
	}
	cmd, err := ParseCommand(apdu)
	if err != nil && resp.SW != SWWrongLength {
		t.Errorf("malformed %x: answer %x", apdu, answer)
	}
	if cmd.Ne > 0 && len(resp.Data) > cmd.Ne {
		t.Errorf("%x: %d bytes, more than Ne", apdu, len(resp.Data))
	}
	if q.T0 && len(cmd.Data) > 0 && len(resp.Data) > 0 {
		t.Errorf("%x: over T=0, %d bytes in answer to data", apdu, len(resp.Data))
	}
	if q.MaxFrame > 0 && len(answer) > q.MaxFrame {
		t.Errorf("%x: %d bytes, more than a frame", apdu, len(answer))
	}
	canPoll := cmd.INS == INSPoll || cmd.INS == INSMessage && cmd.P1 == P1Poll
	if resp.SW == SWPending && cmd.CLA == ClassCTAP && cmd.INS != INSGetResponse && (!canPoll || len(resp.Data) != 1) {
		t.Errorf("%x: answer %x", apdu, answer)
	}
}
