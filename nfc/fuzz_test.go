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

// A card may answer anything: the host comes to an end, with an answer or an
// error.
func FuzzApplet(f *testing.F) {
	for _, seed := range []string{"", "02 9000", "03 009000", "03 006105 04 01029000", "03 019100 03 009000",
		"03 029100 02 6a86 03 2d9000", "03 006105", "02 6c05 03 009000", "04 00006100", "02 6e00", "02 6101 02 6e00 03 009000"} {
		f.Add(unhex(f, seed), false, uint8(1))
		f.Add(unhex(f, seed), true, uint8(255))
	}
	f.Fuzz(func(t *testing.T, script []byte, extended bool, chunk uint8) {
		synctest.Test(t, func(t *testing.T) { fuzzApplet(t, script, extended, chunk) })
	})
}

func fuzzApplet(t *testing.T, script []byte, extended bool, chunk uint8) {
	answers, sent := split(script), 0
	card := cardFunc(func(_ context.Context, apdu []byte) ([]byte, error) {
		sent++
		if apdu[1] == INSSelect {
			return []byte("FIDO_2_0\x90\x00"), nil
		}
		if len(answers) == 0 {
			return nil, ErrGone
		}
		next := answers[0]
		if len(answers) > 1 { // the last one again and again
			answers = answers[1:]
		}
		return next, nil
	})
	cfg := Config{ChunkSize: max(1, int(chunk)), Timeout: 2 * time.Second, MaxAnswer: 300}
	if extended {
		cfg.Encoding = EncodingExtended
	}
	a := open(t, card, cfg)
	for range 2 {
		answer, err := a.Exchange(t.Context(), make([]byte, 300))
		if (err == nil) != (len(answer) > 0) || len(answer) > 300 {
			t.Errorf("answer of %d bytes, %v", len(answer), err)
		}
	}
	if sent > 2000 {
		t.Errorf("%d commands sent", sent)
	}
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
		"08 8010800000000114", "06 100100000101 06 000100000102", "0b 801000000000021011 0000", "08 00a4040008a00000"} {
		f.Add(unhex(f, seed), true)
		f.Add(unhex(f, seed), false)
	}
	f.Fuzz(func(t *testing.T, script []byte, u2f bool) {
		var h Handler = handlerFunc(hasty)
		if u2f {
			h = hastyU2F{hasty}
		}
		e := NewEmulator(h, EmulatorConfig{MaxMessage: 400, Patience: 1})
		defer e.Close()
		r := raw{t, e}.selected()
		for _, apdu := range split(script) {
			answer, err := e.Transmit(t.Context(), apdu)
			if err != nil {
				t.Fatalf("%x: %v", apdu, err)
			}
			checkAnswer(t, apdu, answer)
		}
		r.selected()
	})
}

func checkAnswer(t *testing.T, apdu, answer []byte) {
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
	canPoll := cmd.INS == INSPoll || cmd.INS == INSMessage && cmd.P1 == P1Poll
	if resp.SW == SWPending && cmd.CLA == ClassCTAP && (!canPoll || len(resp.Data) != 1) {
		t.Errorf("%x: answer %x", apdu, answer)
	}
}
