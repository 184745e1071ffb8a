package nfc

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"
)

// toldCard is a script of which the card's side knows something.
type toldCard struct {
	*script
	traits Traits
	err    error
}

func (c toldCard) Traits(context.Context) (Traits, error) { return c.traits, c.err }

// dialogue returns a script of pairs of command and answer. "lost" and "gone"
// are answers that never came.
func dialogue(t testing.TB, pairs ...string) *script {
	s := &script{t: t}
	for i := 0; i < len(pairs); i += 2 {
		next := step{want: pairs[i], answer: pairs[i+1]}
		switch next.answer {
		case "lost":
			next = step{want: pairs[i], err: fmt.Errorf("reader: %w", ErrTransmission)}
		case "gone":
			next = step{want: pairs[i], err: ErrGone}
		}
		s.steps = append(s.steps, next)
	}
	return s
}

// Commands in hex. A message of n bytes is n times aa.
const (
	selBare = "00a4040008a0000006472f0001"
	selExt  = "00a40400000008a0000006472f00010000"
	version = fidoVersion + "9000"
)

func aa(n int) string       { return strings.Repeat("aa", n) }
func message(n int) []byte  { return bytes.Repeat([]byte{0xAA}, n) }
func part(n int) string     { return fmt.Sprintf("90108000%02x%s", n, aa(n)) }
func last(n int) string     { return lastBare(n) + "00" }
func lastBare(n int) string { return fmt.Sprintf("80108000%02x%s", n, aa(n)) }
func ext(n int) string      { return fmt.Sprintf("8010800000%04x%s0000", n, aa(n)) }
func probe(n int) string    { return fmt.Sprintf("00a4040000%04x%s0000", n, strings.Repeat("f0", n)) }

// ATRs of contact cards with card capabilities: the last of the three bytes
// says whether extended lengths are taken.
var (
	atrExtended = []byte{0x3B, 0x85, 0x01, 0x80, 0x73, 0x00, 0x00, 0xC0, 0x34}
	atrShort    = []byte{0x3B, 0x85, 0x01, 0x80, 0x73, 0x00, 0x00, 0x80, 0x74}
)

// Decisions in words.
const (
	everyCard  = "short APDUs: every card takes them"
	toldT1     = "protocol T=1: the reader says so"
	toldT0     = "protocol T=0: the reader says so"
	noLe       = "no Le on commands with data: "
	noneOverT0 = "short APDUs: T=0 carries no extended ones"
	toldLarge  = "APDUs of up to 65538 bytes: the reader says so"
)

// What is known of a connection.
var (
	readerKnown = Traits{Protocol: ProtocolT1, MaxAPDU: 65538}
	bothKnown   = Traits{Protocol: ProtocolT1, MaxAPDU: 65538, ATR: atrExtended}
	cardKnown   = Traits{ATR: atrExtended}
	contactCard = Traits{Protocol: ProtocolT0, MaxAPDU: 65538, ATR: atrExtended}
)

// ownOpening is a SELECT that is not the usual one.
var ownOpening = Config{Opening: [][]byte{append([]byte{0x00, 0xA4, 0x04, 0x00, 0x08}, AID...)}}

// openings is how an applet opens, by what is known and what the card makes of
// it.
var openings = map[string]struct {
	traits Traits
	cfg    Config
	pairs  []string
	told   []string
}{
	"nothing known": {pairs: []string{selectHex, version}, told: []string{everyCard}},
	"reader known, card takes it": {traits: readerKnown, pairs: []string{selExt, version},
		told: []string{toldT1, toldLarge, "extended APDUs: the reader takes 65538 bytes and the card took an extended SELECT"}},
	"reader known, 61xx": {traits: readerKnown, pairs: []string{selExt, "6108", "00c0000008", version},
		told: []string{toldT1, toldLarge, "extended APDUs: the reader takes 65538 bytes and the card took an extended SELECT"}},
	"reader known, card refuses": {traits: readerKnown, pairs: []string{selExt, "6700", selectHex, version},
		told: []string{toldT1, toldLarge, "short APDUs: the card refused an extended SELECT (6700 wrong length)"}},
	"reader known, and loses it": {traits: readerKnown, pairs: []string{selExt, "lost", selectHex, version},
		told: []string{toldT1, toldLarge, "short APDUs: the reader lost an extended SELECT"}},
	"both known": {traits: bothKnown, pairs: []string{selExt, version},
		told: []string{toldT1, toldLarge, "extended APDUs: the reader takes 65538 bytes and the card said so in its ATR"}},
	"card known, reader carries it": {traits: cardKnown, pairs: []string{probe(1024), "6a82", selExt, version},
		told: []string{"extended APDUs: the reader carried 1024 bytes and the card said so in its ATR"}},
	"card known, reader loses it": {traits: cardKnown, pairs: []string{probe(1024), "lost", selectHex, version},
		told: []string{"short APDUs: the reader lost a SELECT of 1024 bytes"}},
	"card known, and refuses": {traits: cardKnown, pairs: []string{probe(1024), "6700", selectHex, version},
		told: []string{"short APDUs: the card refused a SELECT of 1024 bytes (6700 wrong length)"}},
	"card says no": {traits: Traits{MaxAPDU: 65538, ATR: atrShort}, pairs: []string{selectHex, version},
		told: []string{toldLarge, "short APDUs: the card says in its ATR that it takes no extended ones"}},
	"reader for short ones": {traits: Traits{MaxAPDU: 261, ATR: atrExtended}, pairs: []string{selectHex, version},
		told: []string{"APDUs of up to 261 bytes: the reader says so", "short APDUs: the reader takes 261 bytes at most"}},
	"reader of 128 bytes": {traits: Traits{MaxAPDU: 128}, pairs: []string{"00a4040008a0000006472f00017e", version},
		told: []string{"APDUs of up to 128 bytes: the reader says so",
			"messages in parts of 122 bytes: the reader carries no more in one APDU",
			"answers of up to 126 bytes at a time: the reader carries no more in one APDU",
			"short APDUs: the reader takes 128 bytes at most"}},
	"reader of no use": {traits: Traits{MaxAPDU: 31}, pairs: []string{selectHex, version}, told: []string{everyCard}},
	"T=0": {traits: contactCard, pairs: []string{selBare, "6108", "00c0000008", version},
		told: []string{toldT0, toldLarge, noLe + "T=0 has no room for one there", noneOverT0}},
	"said to be T=0": {traits: contactCard, pairs: []string{selBare, "6700", selectHex, version},
		told: []string{toldT0, toldLarge, noLe + "T=0 has no room for one there", noneOverT0,
			"Le on every command: the card answered 6700 wrong length to a SELECT of the other form"}},
	"T=0 without an answer": {traits: Traits{Protocol: ProtocolT0}, pairs: []string{selBare, "9000", selectHex, version},
		told: []string{toldT0, noLe + "T=0 has no room for one there", noneOverT0,
			"Le on every command: the card answered 9000 success to a SELECT of the other form"}},
	"T=0 without anybody saying so": {pairs: []string{selectHex, "6700", selBare, "6108", "00c0000008", version},
		told: []string{everyCard, noLe + "the card answered 6700 wrong length to a SELECT of the other form"}},
	"exact Le": {pairs: []string{selectHex, "6c08", selBare, version},
		told: []string{everyCard, noLe + "the card answered 6C08 wrong Le, 8 is right to a SELECT of the other form"}},
	"exact Le and never without": {pairs: []string{selectHex, "6c08", selBare, "6700", selBare + "08", version},
		told: []string{everyCard}},
	"without Le": {cfg: Config{OmitLe: true}, pairs: []string{selBare, version}, told: []string{everyCard}},
	"own opening": {traits: bothKnown, cfg: ownOpening, pairs: []string{selBare, version},
		told: []string{toldT1, toldLarge, "extended APDUs: the reader takes 65538 bytes and the card said so in its ATR"}},
	"own opening, nothing to try with": {traits: readerKnown, cfg: ownOpening, pairs: []string{selBare, version},
		told: []string{toldT1, toldLarge, "short APDUs: the caller's own opening leaves nothing to try others with"}},
	"own opening, nothing known": {cfg: ownOpening, pairs: []string{selBare, version},
		told: []string{everyCard}},
	"short as asked": {traits: bothKnown, cfg: Config{Encoding: EncodingShort}, pairs: []string{selectHex, version}},
}

func TestOpenAdapts(t *testing.T) {
	for name, c := range openings {
		t.Run(name, func(t *testing.T) {
			var told []string
			card := toldCard{script: dialogue(t, c.pairs...), traits: c.traits}
			c.cfg.OnDecision = func(d Decision) { told = append(told, d.String()) }
			open(t, card, c.cfg)
			if !slices.Equal(told, c.told) {
				t.Errorf("told\n%s\nwant\n%s", strings.Join(told, "\n"), strings.Join(c.told, "\n"))
			}
			card.finish()
		})
	}
}

// What goes wrong while an applet finds out how to open fails Open.
func TestOpenAdaptsFails(t *testing.T) {
	for name, c := range map[string]struct {
		traits Traits
		err    error
		pairs  []string
		kind   error
	}{
		"traits unknown": {err: errBroken, kind: errBroken},
		"gone":           {traits: bothKnown, pairs: []string{selExt, "gone"}, kind: ErrGone},
		"gone in probe":  {traits: Traits{ATR: atrExtended}, pairs: []string{probe(1024), "gone"}, kind: ErrGone},
		"no FIDO card":   {traits: bothKnown, pairs: []string{selExt, "6a82", selectHex, "6a82"}, kind: SWNotFound},
		"no version":     {pairs: []string{selectHex, "9000", selBare, "9000"}, kind: ErrProtocol},
		"no Le will do":  {pairs: []string{selectHex, "6700", selBare, "6700"}, kind: SWWrongLength},
		"lost":           {pairs: []string{selectHex, "lost"}, kind: ErrTransmission},
		"lost without Le": {traits: Traits{Protocol: ProtocolT0}, pairs: []string{selBare, "6700", selectHex, "lost"},
			kind: ErrTransmission},
	} {
		t.Run(name, func(t *testing.T) {
			card := toldCard{script: dialogue(t, c.pairs...), traits: c.traits, err: c.err}
			_, err := Open(t.Context(), card, Config{})
			wantError(t, err, "select", c.kind)
			card.finish()
		})
	}
}

// exchange is one message of n bytes and what must come of it: no error, or
// one of this text.
type exchange struct {
	n   int
	err string
}

const answered = "009000"

// messages is how messages go out, by what the card makes of them. Each is in
// its script once, but for those that the card has refused for their form.
var messages = map[string]struct {
	traits Traits
	cfg    Config
	pairs  []string
	ask    []exchange
	told   []string // after Open
}{
	"first part too long": {pairs: []string{selectHex, version,
		part(240), "6700", part(192), "6700", part(128), "9000", part(128), "9000", last(44), answered, part(128), "9000", last(122), answered},
		ask: []exchange{{n: 300}, {n: 250}},
		told: []string{"messages in parts of 192 bytes: the card refused a part of 240 (6700 wrong length)",
			"messages in parts of 128 bytes: the card refused a part of 192 (6700 wrong length)"}},
	"second part too long": {pairs: []string{selectHex, version, part(240), "9000", part(240), "6700"},
		ask: []exchange{{500, "nfc: chain: 6700 wrong length"}}},
	"refused in the second part": {pairs: []string{selectHex, version, part(240), "9000", part(240), "6884", selectHex, version, last(1), answered},
		ask: []exchange{{500, "nfc: chain: 6884 command chaining not supported"}, {n: 1}}},
	"refused after it was taken": {pairs: []string{selectHex, version, part(240), "9000", last(10), answered, part(240), "6884", selectHex, version, last(1), answered},
		ask: []exchange{{n: 250}, {250, "nfc: chain: 6884 command chaining not supported"}, {n: 1}}},
	"last part refused": {pairs: []string{selectHex, version, part(240), "9000", last(10), "6700"},
		ask: []exchange{{250, "nfc: message: 6700 wrong length"}}},
	"busy": {pairs: []string{selectHex, version, part(240), "6985", selectHex, version, last(1), answered},
		ask: []exchange{{250, "nfc: chain: 6985 conditions of use not satisfied"}, {n: 1}}},

	"chaining refused": {pairs: []string{selectHex, version, part(240), "6884", probe(250), "6a82", ext(250), answered, ext(1), answered},
		ask:  []exchange{{n: 250}, {n: 1}},
		told: []string{"extended APDUs: the card refused a part of a chain (6884 command chaining not supported)"}},
	"every part refused": {pairs: []string{selectHex, version, part(240), "6700", part(192), "6700", part(128), "6700", part(64), "6700",
		part(32), "6700", probe(250), "6700", ext(250), answered},
		ask: []exchange{{n: 250}},
		told: []string{"messages in parts of 192 bytes: the card refused a part of 240 (6700 wrong length)",
			"messages in parts of 128 bytes: the card refused a part of 192 (6700 wrong length)",
			"messages in parts of 64 bytes: the card refused a part of 128 (6700 wrong length)",
			"messages in parts of 32 bytes: the card refused a part of 64 (6700 wrong length)",
			"extended APDUs: the card refused a part of a chain (6700 wrong length)"}},
	"chaining refused, reader loses more": {pairs: []string{selectHex, version, part(240), "6e00", probe(250), "lost",
		selectHex, version, last(1), answered, part(240), "6e00", selectHex, version, last(1), answered},
		ask: []exchange{{250, "nfc: chain: 6E00 class not supported, and extended APDUs will not do: the reader lost a SELECT of 250 bytes"},
			{n: 1}, {250, "nfc: chain: 6E00 class not supported, and extended APDUs will not do: the reader lost a SELECT of 250 bytes"}, {n: 1}}},
	"chaining refused, card gone": {pairs: []string{selectHex, version, part(240), "6e00", probe(250), "gone"},
		ask: []exchange{{250, "nfc: message: the card is gone"}}},
	"both refused": {pairs: []string{selectHex, version, part(240), "6884", probe(250), "6700", ext(250), "6700",
		selectHex, version, last(1), answered, part(240), "6884"},
		ask: []exchange{{250, "nfc: chain: 6884 command chaining not supported, and extended APDUs will not do: the card refused one (6700 wrong length)"},
			{n: 1}, {250, "nfc: chain: 6884 command chaining not supported, and extended APDUs will not do: the card refused one (6700 wrong length)"}}},
	"chaining refused, extended SELECT too": {traits: readerKnown, pairs: []string{selExt, "6d00", selectHex, version, part(240), "6884"},
		ask: []exchange{{250, "nfc: chain: 6884 command chaining not supported, and extended APDUs will not do: " +
			"the card refused an extended SELECT (6D00 instruction not supported)"}}},
	"chaining refused by applet, not selected any more": {pairs: []string{selectHex, version, part(240), "6d00", probe(250), "6a82", ext(250), "6d00",
		selectHex, version, last(1), answered},
		ask: []exchange{{250, "nfc: chain: 6D00 instruction not supported, and extended APDUs will not do: the card refused one (6D00 instruction not supported)"},
			{n: 1}}},

	"extended refused": {traits: readerKnown, pairs: []string{selExt, version, ext(1), "6700", last(1), answered, last(1), answered},
		ask:  []exchange{{n: 1}, {n: 1}},
		told: []string{"short APDUs: the card refused an extended one (6700 wrong length)"}},
	"one extended too long": {traits: readerKnown, pairs: []string{selExt, version, ext(1), answered, ext(250), "6700", part(240), "9000", last(10), answered, ext(1), answered},
		ask: []exchange{{n: 1}, {n: 250}, {n: 1}}},
	"extended refused for another reason": {traits: readerKnown, pairs: []string{selExt, version, ext(1), answered, ext(1), "6d00", selectHex, version, ext(1), "6d00"},
		ask: []exchange{{n: 1}, {1, "nfc: message: 6D00 instruction not supported"}}},
	"too long for the reader": {traits: Traits{MaxAPDU: 300}, pairs: []string{"00a40400000008a0000006472f0001012a", version,
		"80108000000123" + aa(291) + "012a", answered, part(240), "9000", last(52), answered},
		ask: []exchange{{n: 291}, {n: 292}}},

	"lost": {pairs: []string{selectHex, version, last(1), "lost", selectHex[:len(selectHex)-2] + "f0", version, "8010800001aaf0", answered},
		ask:  []exchange{{1, "nfc: message: reader: a command or its answer was lost on the way"}, {n: 1}},
		told: []string{"answers of up to 240 bytes at a time: the reader lost an answer when asked for 256"}},
	"part lost": {pairs: []string{selectHex, version, part(240), "lost", selectHex, version, part(192), "9000", last(58), answered},
		ask:  []exchange{{250, "nfc: message: reader: a command or its answer was lost on the way"}, {n: 250}},
		told: []string{"messages in parts of 192 bytes: the reader lost a part of 240"}},
	"extended lost": {traits: readerKnown, pairs: []string{selExt, version, ext(250), "lost", selectHex, version, part(240), "9000", last(10), answered},
		ask:  []exchange{{250, "nfc: message: reader: a command or its answer was lost on the way"}, {n: 250}},
		told: []string{"short APDUs: the reader lost an extended one"}},
	"extended lost by chance": {traits: readerKnown, pairs: []string{selExt, version, ext(250), answered, ext(250), "lost", selectHex, version, ext(250), answered},
		ask: []exchange{{n: 250}, {250, "nfc: message: reader: a command or its answer was lost on the way"}, {n: 250}}},
	"SELECT lost": {pairs: []string{selectHex, version, last(1), "6985", selectHex, "lost", selectHex, version, last(1), answered},
		ask: []exchange{{1, "nfc: message: 6985 conditions of use not satisfied"},
			{1, "nfc: select: reader: a command or its answer was lost on the way"}, {n: 1}}},

	"put off over T=0": {traits: Traits{Protocol: ProtocolT0}, cfg: Config{Poll: 1}, pairs: []string{selBare, "6108", "00c0000008", version,
		lastBare(1), "6101", "00c0000001", "029100", "8011000000", "6c01", "8011000001", "029100", "8011000001", "029100",
		"8011000001", "6c02", "8011000002", "00aa9000"},
		ask:  []exchange{{n: 1}},
		told: []string{"polls for 1 byte: the card wants the exact Le (6C01 wrong Le, 1 is right)"}},
	"put off with nothing over T=0": {traits: Traits{Protocol: ProtocolT0}, cfg: Config{Poll: 1}, pairs: []string{selBare, "6108", "00c0000008", version,
		lastBare(1), "9100", "8011000000", answered}, ask: []exchange{{n: 1}}},
	"put off, and then more": {cfg: Config{Poll: 1}, pairs: []string{selectHex, version, last(1), "6101", "00c0000001", "009100",
		"8011000000", "6101", "00c0000001", answered}, ask: []exchange{{n: 1}}},
}

func TestExchangeAdapts(t *testing.T) {
	for name, c := range messages {
		t.Run(name, func(t *testing.T) {
			var told []string
			card := toldCard{script: dialogue(t, c.pairs...), traits: c.traits}
			c.cfg.OnDecision = func(d Decision) { told = append(told, d.String()) }
			a := open(t, card, c.cfg)
			told = nil
			for _, ask := range c.ask {
				_, err := a.Exchange(t.Context(), message(ask.n))
				if got := fmt.Sprint(err); got != ask.err && (err != nil || ask.err != "") {
					t.Errorf("%d bytes: error %q, want %q", ask.n, got, ask.err)
				}
			}
			if !slices.Equal(told, c.told) {
				t.Errorf("told\n%s\nwant\n%s", strings.Join(told, "\n"), strings.Join(c.told, "\n"))
			}
			card.finish()
		})
	}
}

// A caller that has chosen the encoding gets what it has chosen.
func TestEncodingForced(t *testing.T) {
	for name, c := range map[string]struct {
		cfg   Config
		pairs []string
		kind  error
	}{
		"short":    {Config{Encoding: EncodingShort}, []string{selectHex, version, part(240), "6884"}, SWChainingNotSupported},
		"extended": {Config{Encoding: EncodingExtended}, []string{selectHex, version, ext(250), "6700"}, SWWrongLength},
		"lost":     {Config{Encoding: EncodingExtended}, []string{selectHex, version, ext(250), "lost"}, ErrTransmission},
	} {
		t.Run(name, func(t *testing.T) {
			c.cfg.OnDecision = func(d Decision) { t.Errorf("decided: %v", d) }
			card := toldCard{script: dialogue(t, c.pairs...), err: errors.New("nobody was to ask")}
			_, err := open(t, card, c.cfg).Exchange(t.Context(), message(250))
			if !errors.Is(err, c.kind) {
				t.Errorf("error %v, want %v", err, c.kind)
			}
			card.finish()
		})
	}
}

func TestManner(t *testing.T) {
	card := toldCard{script: dialogue(t, selBare, "6108", "00c0000008", "6e00", "80c0000008", version),
		traits: Traits{Protocol: ProtocolT0, MaxAPDU: 100}}
	got := open(t, card, Config{ChunkSize: 90}).Manner()
	want := Manner{
		Protocol:      Choice[Protocol]{ProtocolT0, "the reader says so"},
		MaxAPDU:       Choice[int]{100, "the reader says so"},
		Encoding:      Choice[Encoding]{EncodingShort, "T=0 carries no extended ones"},
		ChunkSize:     Choice[int]{90, "as the caller asked"},
		AnswerSize:    Choice[int]{98, "the reader carries no more in one APDU"},
		Le:            Choice[Le]{LeNotWithData, "T=0 has no room for one there"},
		ResponseClass: Choice[byte]{ClassCTAP, "the card refused class 00 (6E00 class not supported)"},
	}
	if got != want {
		t.Errorf("manner\n%+v\nwant\n%+v", got, want)
	}
	forced := open(t, play(t), Config{Encoding: EncodingExtended, OmitLe: true, Opening: [][]byte{unhex(t, selectHex)}}).Manner()
	if forced.Encoding != (Choice[Encoding]{EncodingExtended, "as the caller asked"}) ||
		forced.Le != (Choice[Le]{LeOmitted, "as the caller asked"}) {
		t.Errorf("forced manner %+v", forced)
	}
}

func TestDecisionTexts(t *testing.T) {
	m := Manner{ResponseClass: because[byte](ClassCTAP, "a"), Le: because(LeOmitted, "b"), PollLe: because(2, "c")}
	for about, want := range map[Topic]string{
		AboutResponseClass: "GET RESPONSE of class 80: a",
		AboutLe:            "no Le: b",
		AboutPollLe:        "polls for 2 bytes: c",
		AboutEncoding:      "auto APDUs: ",
	} {
		if got := m.decision(about); got.String() != want || got.About != about {
			t.Errorf("%s: %q, want %q", about, got, want)
		}
	}
	for p, want := range map[Protocol]string{ProtocolT0: "T=0", ProtocolT1: "T=1", ProtocolRaw: "raw", 0: "unknown", 9: "unknown"} {
		if p.String() != want {
			t.Errorf("protocol %d is %q", int(p), p)
		}
	}
}
