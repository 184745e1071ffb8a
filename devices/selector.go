package devices

import (
	"errors"
	"fmt"
	"net/url"
	"strings"
)

// Kind is what a [Selector] selects by.
type Kind string

// Kinds of selectors. The empty kind is the only key that is there.
const (
	KindOnly    Kind = ""
	KindHID     Kind = "hid"     // a device node or a serial number
	KindNFC     Kind = "nfc"     // a reader's name or part of it
	KindAAGUID  Kind = "aaguid"  // the one key of a model
	KindTouch   Kind = "touch"   // the key that the user touches
	KindVirtual Kind = "virtual" // the software key
	KindReplay  Kind = "replay"  // a tape
	KindUDP     Kind = "udp"     // a simulator, one report in a datagram
	KindTCP     Kind = "tcp"     // a simulator, each report behind its length
)

// Selector names one key, as a person does with --device.
type Selector struct {
	Kind   Kind
	Value  string     // after the colon; of udp and tcp HOST:PORT
	NFC    bool       // virtual: put it behind APDUs
	Params url.Values // virtual, replay and udp: after the question mark
}

// ErrSelector: a text is no selector.
var ErrSelector = errors.New("unknown device selector")

// Selectors says which forms there are, for help texts.
const Selectors = "hid:PATH|SERIAL, nfc:READER, aaguid:UUID, touch, virtual[+nfc][:PROFILE|FILE], replay:FILE, udp:HOST:PORT, tcp:HOST:PORT"

// ParseSelector reads a selector: hid:/dev/hidraw3, hid:<serial>, nfc:<part of
// the reader's name>, aaguid:<uuid>, touch, virtual[+nfc][:<name>][?<params>],
// where the name is a profile's or a file's,
// replay:<file>[?match=bytes|rekey|semantic][&speed=recorded|2x], udp:<host>:<port>[?local=<ip>:<port>], tcp:<host>:<port>, or
// nothing for the only key that is there. An address without a host is on
// 127.0.0.1. The error wraps [ErrSelector].
func ParseSelector(text string) (Selector, error) {
	if text == "" {
		return Selector{}, nil
	}
	if name, ok := cutVirtual(text); ok {
		return parseVirtual(text, name)
	}
	kind, value, colon := strings.Cut(text, ":")
	switch k := Kind(kind); {
	case (k == KindUDP || k == KindTCP) && colon:
		return parseSocket(k, text, value)
	case k == KindTouch && !colon:
		return Selector{Kind: k}, nil
	case k == KindReplay && value != "":
		return parseReplay(value), nil
	case (k == KindHID || k == KindNFC || k == KindAAGUID) && value != "":
		return Selector{Kind: k, Value: value}, nil
	}
	return Selector{}, fmt.Errorf("%w %q: want %s", ErrSelector, text, Selectors)
}

// Parameters of a tape: how alike questions must be, and how fast it answers.
const (
	ParamMatch = "match"
	ParamSpeed = "speed"
)

// parseReplay cuts parameters off the name of a tape. What is behind a question
// mark and is none belongs to the name.
func parseReplay(value string) Selector {
	s := Selector{Kind: KindReplay, Value: value}
	i := strings.LastIndexByte(value, '?')
	if i < 1 {
		return s
	}
	params, err := url.ParseQuery(value[i+1:])
	if err != nil || len(params) == 0 {
		return s
	}
	for name := range params {
		if name != ParamMatch && name != ParamSpeed {
			return s
		}
	}
	s.Value, s.Params = value[:i], params
	return s
}

// cutVirtual cuts off the word virtual where it stands alone.
func cutVirtual(text string) (rest string, ok bool) {
	rest, ok = strings.CutPrefix(text, string(KindVirtual))
	return rest, ok && (rest == "" || strings.ContainsAny(rest[:1], "+:?"))
}

func parseVirtual(text, rest string) (Selector, error) {
	s := Selector{Kind: KindVirtual}
	rest, query, _ := strings.Cut(rest, "?")
	params, err := url.ParseQuery(query)
	if err != nil {
		return Selector{}, fmt.Errorf("%w %q: %w", ErrSelector, text, err)
	}
	if len(params) > 0 {
		s.Params = params
	}
	rest, s.NFC = strings.CutPrefix(rest, "+nfc")
	value, colon := strings.CutPrefix(rest, ":")
	if colon != (value != "") { // a colon wants a file, and a file a colon
		return Selector{}, fmt.Errorf("%w %q: want virtual[+nfc][:PROFILE|FILE][?PARAMETERS]", ErrSelector, text)
	}
	s.Value = value
	return s, nil
}

// Local is where the answers of a simulator go to, IP:PORT, if a udp selector
// says so, else empty.
func (s Selector) Local() string {
	if s.Kind != KindUDP {
		return ""
	}
	return s.Params.Get(paramLocal)
}

// plain are characters that a query may hold as they are, in addresses.
var plain = strings.NewReplacer("%3A", ":", "%5B", "[", "%5D", "]")

// String is the text that [ParseSelector] reads.
func (s Selector) String() string {
	text := string(s.Kind)
	if s.NFC {
		text += "+nfc"
	}
	if s.Value != "" {
		text += ":" + s.Value
	}
	if len(s.Params) > 0 {
		text += "?" + plain.Replace(s.Params.Encode())
	}
	return text
}
