package nfc

import "fmt"

// Manner is how an applet speaks to its card: what it was told, what it found
// out, and what it has decided, until the applet is closed.
type Manner struct {
	// Protocol and MaxAPDU are as in [Traits], zero where they are not known.
	Protocol Choice[Protocol]
	MaxAPDU  Choice[int]
	// Encoding is EncodingShort or EncodingExtended, never EncodingAuto. A
	// message that is too long for the reader's extended APDUs is chained.
	Encoding Choice[Encoding]
	// ChunkSize is the most bytes of a message in one part of a chain.
	ChunkSize Choice[int]
	// AnswerSize is the most bytes of an answer that are asked for at a time.
	AnswerSize Choice[int]
	// Le is which short commands say how long the answer may be.
	Le Choice[Le]
	// PollLe is the Le of polls, 0 if it is AnswerSize.
	PollLe Choice[int]
	// ResponseClass is the class byte of GET RESPONSE: ClassISO or ClassCTAP.
	ResponseClass Choice[byte]
}

// Choice is a value and why it is so, in words.
type Choice[T any] struct {
	Value T
	Why   string
}

func because[T any](value T, why string, args ...any) Choice[T] {
	return Choice[T]{value, fmt.Sprintf(why, args...)}
}

// Le is which short commands that want an answer have an Le field (ISO 7816-4
// §5.1).
type Le int

// Ways to write Le.
const (
	LeSent        Le = iota // on all of them
	LeNotWithData           // on those without data only, as over T=0 (ISO 7816-3 §12.2)
	LeOmitted               // on none
)

// Topic is what a decision is about.
type Topic string

// Topics. All but the last are fields of [Manner].
const (
	AboutProtocol      Topic = "protocol"
	AboutMaxAPDU       Topic = "reader limit"
	AboutEncoding      Topic = "encoding"
	AboutChunkSize     Topic = "chunk size"
	AboutAnswerSize    Topic = "answer size"
	AboutLe            Topic = "Le"
	AboutPollLe        Topic = "Le of polls"
	AboutResponseClass Topic = "GET RESPONSE"
	AboutWaiting       Topic = "waiting" // another program keeps the card; the exchange goes on when it lets go
)

// Decision is what [Config.OnDecision] is told.
type Decision struct {
	About Topic
	Is    string // the choice, such as "extended APDUs"
	Why   string // such as "the reader takes 65538 bytes and the card took an extended SELECT"
}

// String is the choice, a colon and the reason.
func (d Decision) String() string { return d.Is + ": " + d.Why }

// Manner returns how the applet speaks to its card by now.
func (a *Applet) Manner() Manner { return *a.manner.Load() }

// choose changes the manner and tells of it.
func (a *Applet) choose(about Topic, change func(*Manner)) {
	m := a.Manner()
	change(&m)
	a.manner.Store(&m)
	a.tell(m.decision(about))
}

func (a *Applet) tell(d Decision) {
	if a.cfg.OnDecision != nil {
		a.cfg.OnDecision(d)
	}
}

// decision puts what the manner says about a topic into words.
func (m *Manner) decision(about Topic) Decision {
	is, why := "", ""
	switch about {
	case AboutProtocol:
		is, why = fmt.Sprintf("protocol %v", m.Protocol.Value), m.Protocol.Why
	case AboutMaxAPDU:
		is, why = fmt.Sprintf("APDUs of up to %d bytes", m.MaxAPDU.Value), m.MaxAPDU.Why
	case AboutEncoding:
		is, why = fmt.Sprintf("%v APDUs", m.Encoding.Value), m.Encoding.Why
	case AboutChunkSize:
		is, why = fmt.Sprintf("messages in parts of %d bytes", m.ChunkSize.Value), m.ChunkSize.Why
	case AboutAnswerSize:
		is, why = fmt.Sprintf("answers of up to %d bytes at a time", m.AnswerSize.Value), m.AnswerSize.Why
	case AboutLe:
		is, why = leText[m.Le.Value], m.Le.Why
	case AboutPollLe:
		is, why = fmt.Sprintf("polls for %s", bytesOf(m.PollLe.Value)), m.PollLe.Why
	case AboutResponseClass:
		is, why = fmt.Sprintf("GET RESPONSE of class %02X", m.ResponseClass.Value), m.ResponseClass.Why
	}
	return Decision{about, is, why}
}

func bytesOf(n int) string {
	if n == 1 {
		return "1 byte"
	}
	return fmt.Sprintf("%d bytes", n)
}

var leText = map[Le]string{
	LeSent:        "Le on every command",
	LeNotWithData: "no Le on commands with data",
	LeOmitted:     "no Le",
}

const asAsked = "as the caller asked"

// manner is how an applet begins.
func (c Config) manner() Manner {
	m := Manner{
		Encoding:      because(EncodingShort, "every card takes them"),
		ChunkSize:     because(c.ChunkSize, "readers that put a header of their own around it take it"),
		AnswerSize:    because(maxShortNe, "what a short APDU can ask for"),
		Le:            because(LeSent, "ISO 7816-4 has it on every command that wants an answer"),
		ResponseClass: because[byte](ClassISO, "ISO 7816-4 has it so"),
	}
	if c.Encoding != EncodingAuto {
		m.Encoding = because(c.Encoding, asAsked)
	}
	if c.ChunkSize != DefaultChunkSize {
		m.ChunkSize.Why = asAsked
	}
	if c.OmitLe {
		m.Le = because(LeOmitted, asAsked)
	}
	return m
}
