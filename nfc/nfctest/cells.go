package nfctest

import (
	"fmt"

	"github.com/touchstone-fido/touchstone/nfc"
)

// Sizes are the lengths of the messages, around those that short APDUs can say.
var Sizes = []int{1, 255, 256, 1024}

// form is what a card takes commands in.
type form struct {
	name string
	card nfc.EmulatorConfig
	// chains is false if messages in parts are refused: then long ones need
	// extended lengths.
	chains bool
}

var forms = []form{
	{"short", nfc.EmulatorConfig{ShortOnly: true}, true},
	{"extended", nfc.EmulatorConfig{Quirks: nfc.Quirks{NoChaining: nfc.SWChainingNotSupported}}, false},
	{"extended, class unknown", nfc.EmulatorConfig{Quirks: nfc.Quirks{NoChaining: nfc.SWClaNotSupported}}, false},
	{"256-byte limit", nfc.EmulatorConfig{Quirks: nfc.Quirks{MaxFrame: 256}}, true},
	{"both", nfc.EmulatorConfig{}, true},
}

// manner is how a card gives its answers.
type manner struct {
	name  string
	quirk func(*nfc.Quirks)
	polls int
	err   string // of every answer, empty if they come
}

const endlessOp = "nfc: get response: the card broke the protocol: "

var manners = []manner{
	{"at once", func(*nfc.Quirks) {}, 0, ""},
	{"61xx", func(q *nfc.Quirks) { q.Fetched = true }, 0, ""},
	{"6Cxx", func(q *nfc.Quirks) { q.ExactLe = true }, 0, ""},
	{"6Cxx, never without Le", func(q *nfc.Quirks) { q.ExactLe, q.NeedLe = true, !q.T0 }, 0, ""},
	{"9100 x 1", func(q *nfc.Quirks) { q.PutOff = 1 }, 1, ""},
	{"9100 x 50", func(q *nfc.Quirks) { q.PutOff = 50 }, 50, ""},
	{"9100 x 50 and 61xx", func(q *nfc.Quirks) { q.PutOff, q.Fetched = 50, true }, 50, ""},
	{"9100 x 50 and 6Cxx", func(q *nfc.Quirks) { q.PutOff, q.ExactLe = 50, true }, 50, ""},
	{"61F5 for ever", func(q *nfc.Quirks) { q.Endless = nfc.EndlessData }, 0,
		endlessOp + "its answer does not end, or has more than 65536 bytes"},
	{"61F5 for ever, empty", func(q *nfc.Quirks) { q.Endless = nfc.EndlessEmpty }, 0,
		endlessOp + "it offers 245 bytes of an answer and gives none"},
}

// Cells are all of the matrix: what a card takes commands in, by how it gives
// its answers, by T=0 and T=1. told says whether the card's side tells the
// protocol, as PC/SC does.
func Cells(told bool) []Cell {
	var cells []Cell
	for _, f := range forms {
		for _, m := range manners {
			for _, p := range []nfc.Protocol{nfc.ProtocolT0, nfc.ProtocolT1} {
				cells = append(cells, cell(f, m, p, told))
			}
		}
	}
	return cells
}

func cell(f form, m manner, p nfc.Protocol, told bool) Cell {
	c := Cell{Name: fmt.Sprintf("%s/%s/%v", f.name, m.name, p), Protocol: p, Card: f.card, Encoding: nfc.EncodingShort}
	c.Card.MaxMessage = 1200
	c.Card.Quirks.T0 = p == nfc.ProtocolT0
	m.quirk(&c.Card.Quirks)
	if told {
		c.Card.Traits.Protocol = p
	}
	for _, size := range Sizes {
		c.Want = append(c.Want, outcome(f, m, p, told, size))
	}
	if !f.chains && p == nfc.ProtocolT1 && m.err == "" {
		c.Encoding = nfc.EncodingExtended
	}
	return c
}

func outcome(f form, m manner, p nfc.Protocol, told bool, size int) Outcome {
	o := Outcome{Size: size, Run: 1, Polls: m.polls}
	switch {
	case !f.chains && p == nfc.ProtocolT0 && size > nfc.DefaultChunkSize:
		why := "the card refused one (6700 wrong length)" // found out by trying
		if told {
			why = "T=0 carries no extended ones"
		}
		refusal := f.card.Quirks.NoChaining
		o.Err = fmt.Sprintf("nfc: chain: %v, and extended APDUs will not do: %s", refusal, why)
		o.Kind, o.Run, o.Polls = refusal, 0, 0
	case m.err != "":
		o.Err, o.Kind = m.err, nfc.ErrProtocol
	}
	return o
}
