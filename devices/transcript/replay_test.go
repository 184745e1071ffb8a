package transcript

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"testing"

	"github.com/touchstone-fido/touchstone/ctaphid"
	"github.com/touchstone-fido/touchstone/nfc"
)

// askAgain puts all questions of a tape to a player of it, with the real
// clients in the tape's dialect, and compares the answers.
func askAgain(ctx context.Context, t testing.TB, tape *Tape) error {
	t.Helper()
	player, err := NewPlayer(tape, PlayConfig{})
	if err != nil {
		return err
	}
	if tape.Header.Transport == HID {
		err = askReports(ctx, t, tape, player)
	} else {
		err = askCard(ctx, t, tape, player)
	}
	if err != nil {
		return err
	}
	return player.Close()
}

// exchange is a question of a tape with its answer, nil if it has none.
type exchange struct {
	command ctaphid.Command // 0 on a card's tape
	apdu    nfc.Command
	cid     ctaphid.ChannelID
	ask     []byte
	answer  []byte
}

// exchangesHID takes the exchanges from a tape up to its first cut.
func exchangesHID(tape *Tape) []exchange {
	var all []exchange
	out, in := ctaphid.NewAssembler(0), ctaphid.NewAssembler(0)
	for _, s := range tape.steps() {
		if s.dir == 0 {
			break
		}
		p, err := ctaphid.ParsePacket(s.data)
		if err != nil {
			break
		}
		if s.dir == Out {
			if m, whole, _ := out.Add(p); whole {
				all = append(all, exchange{command: m.Command, cid: m.CID, ask: bytes.Clone(m.Payload)})
			}
			continue
		}
		if m, whole, _ := in.Add(p); whole && m.Command != ctaphid.CommandKeepalive && len(all) > 0 {
			all[len(all)-1].answer = bytes.Clone(m.Payload)
		}
	}
	return all
}

func askReports(ctx context.Context, t testing.TB, tape *Tape, player *Player) error {
	conn, err := player.Reports()
	if err != nil {
		t.Fatal(err)
	}
	cfg := tape.HIDConfig()
	var ch *ctaphid.Channel
	for i, ex := range exchangesHID(tape) {
		if ch == nil || ex.command == ctaphid.CommandInit {
			if ch, err = ctaphid.Open(ctx, conn, cfg); err != nil {
				return err
			}
			cfg.Channel = 0
		}
		answer, err := askChannel(ctx, ch, ex)
		var code ctaphid.ErrorCode
		if errors.As(err, &code) {
			answer, err = []byte{byte(code)}, nil
		}
		if err != nil {
			return err
		}
		if ex.command != ctaphid.CommandInit && !bytes.Equal(answer, ex.answer) {
			return fmt.Errorf("answer %d is %x, on the tape %x", i, answer, ex.answer)
		}
	}
	return nil
}

func askChannel(ctx context.Context, ch *ctaphid.Channel, ex exchange) ([]byte, error) {
	switch ex.command {
	case ctaphid.CommandInit:
		return nil, nil
	case ctaphid.CommandCBOR:
		return ch.Exchange(ctx, ex.ask)
	case ctaphid.CommandMsg:
		return ch.Msg(ctx, ex.ask)
	case ctaphid.CommandPing:
		_, err := ch.Ping(ctx, ex.ask)
		return ex.answer, err
	}
	return nil, fmt.Errorf("nobody asks again for %v", ex.command)
}

// exchangesCard takes the exchanges from a card's tape: chains and what GET
// RESPONSE fetched put together, the opening left out.
func exchangesCard(tape *Tape, opening int) []exchange {
	var all []exchange
	var chain []byte
	for _, s := range tape.steps() {
		if s.dir == 0 {
			break
		}
		if s.dir == In {
			if r, err := nfc.ParseResponse(s.data); err == nil && len(all) > 0 {
				all[len(all)-1].answer = append(all[len(all)-1].answer, r.Data...)
			}
			continue
		}
		if opening--; opening >= 0 {
			continue
		}
		c, err := nfc.ParseCommand(s.data)
		switch {
		case err != nil:
			return all
		case instruction(s.data) == apduGetResponse, instruction(s.data) == apduPoll:
		case c.CLA&nfc.ClassChain != 0:
			chain = append(chain, c.Data...)
		default:
			all = append(all, exchange{apdu: c, ask: append(chain, c.Data...)})
			chain = nil
		}
	}
	return all
}

func askCard(ctx context.Context, t testing.TB, tape *Tape, player *Player) error {
	card, err := player.Card()
	if err != nil {
		t.Fatal(err)
	}
	cfg := tape.NFCConfig()
	if cfg.Opening == nil {
		return askRaw(ctx, tape, card)
	}
	key, err := nfc.Open(ctx, card, cfg)
	if err != nil {
		return err
	}
	for i, ex := range exchangesCard(tape, len(cfg.Opening)) {
		answer, err := askApplet(ctx, key, cfg, ex)
		if err != nil {
			return err
		}
		if !bytes.Equal(answer, ex.answer) {
			return fmt.Errorf("answer %d is %x, on the tape %x", i, answer, ex.answer)
		}
	}
	return nil
}

// askApplet asks for a message as such if it has the form of the others.
func askApplet(ctx context.Context, key *nfc.Applet, cfg nfc.Config, ex exchange) ([]byte, error) {
	odd := ex.apdu.Extended != (cfg.Encoding == nfc.EncodingExtended)
	if ex.apdu.INS == 0x10 && !odd {
		return key.Exchange(ctx, ex.ask)
	}
	r, err := key.Transmit(ctx, ex.apdu)
	return r.Data, err
}

// askRaw sends the APDUs as they are: the tape selects nothing, so that there
// is no applet to ask.
func askRaw(ctx context.Context, tape *Tape, card nfc.Card) error {
	for i := 0; i+1 < len(tape.Records); i += 2 {
		answer, err := card.Transmit(ctx, tape.Records[i].Data)
		if err != nil {
			return err
		}
		if !bytes.Equal(answer, tape.Records[i+1].Data) {
			return fmt.Errorf("answer %d is %x, on the tape %x", i, answer, tape.Records[i+1].Data)
		}
	}
	return nil
}
