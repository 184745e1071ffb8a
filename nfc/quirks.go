package nfc

// Quirks make an [Emulator] behave as cards and readers do that are less good
// than the standard, or that have other terms than a contactless card. Each is
// strict: what a card of its kind would refuse is refused.
type Quirks struct {
	// T0 answers as over T=0 (ISO 7816-3 §12): no extended lengths, no Le on a
	// command with data, whose answer then has to be fetched, and on a command
	// without data no Le but the right one.
	T0 bool
	// MaxFrame is the most bytes of a command or response APDU, 0 for no limit.
	// Longer commands are refused with 6700, longer answers come in parts.
	MaxFrame int
	// NoChaining is the status word with which every part of a chain is
	// refused, 0 if chains are taken.
	NoChaining StatusWord
	// Fetched has every answer to a command with data be fetched with GET
	// RESPONSE, however short it is.
	Fetched bool
	// ExactLe refuses a short command with 6Cxx if its Le is not as long as the
	// answer. What was done is not done again: the answer waits for the same
	// command with the right Le.
	ExactLe bool
	// NeedLe refuses with 6700 a command with data and without Le.
	NeedLe bool
	// PutOff is how often a client that can poll is put off with 9100 before it
	// gets an answer that is there already. Negative is for ever.
	PutOff int
	// PutOffAll does that to clients that cannot poll as well.
	PutOffAll bool
	// Endless offers more of every answer for ever.
	Endless Endless
}

// Endless is what a card without end gives each time that it offers 245 more
// bytes with 61F5.
type Endless int

// Kinds of endless cards.
const (
	EndlessNot   Endless = iota
	EndlessData          // the 245 bytes
	EndlessEmpty         // nothing
)

const endlessOffer = 0xF5

// offer is what an endless card answers again and again.
func offer(kind Endless) *Response {
	resp := &Response{SW: remaining(endlessOffer)}
	if kind == EndlessData {
		resp.Data = make([]byte, endlessOffer)
	}
	return resp
}

// misfit says whether the card refuses the length fields of cmd, which has n
// bytes.
func (e *Emulator) misfit(cmd Command, n int) bool {
	q := e.cfg.Quirks
	withData := len(cmd.Data) > 0 && cmd.CLA&ClassChain == 0
	return cmd.Extended && (e.cfg.ShortOnly || q.T0) ||
		q.MaxFrame > 0 && n > q.MaxFrame ||
		q.T0 && len(cmd.Data) > 0 && cmd.Ne > 0 ||
		q.NeedLe && withData && cmd.Ne == 0
}

// room is how many bytes of an answer go with the response to cmd. A command
// without Le gets what its form can carry.
func (e *Emulator) room(cmd Command) int {
	q := e.cfg.Quirks
	if len(cmd.Data) > 0 && (q.T0 || q.Fetched) {
		return 0
	}
	ne := cmd.Ne
	switch {
	case ne != 0:
	case cmd.Extended:
		ne = maxExtendedNe
	default:
		ne = maxShortNe
	}
	if q.MaxFrame > 0 {
		ne = min(ne, q.MaxFrame-2)
	}
	return ne
}

// wrongLe says whether cmd has to come again with the length of its answer, of
// n bytes, for its Le. GET RESPONSE may ask for a part.
func (e *Emulator) wrongLe(cmd Command, n int) bool {
	q := e.cfg.Quirks
	exact := q.ExactLe && cmd.Ne > 0 || q.T0 && len(cmd.Data) == 0
	if !exact || cmd.Extended || n == 0 {
		return false
	}
	ne := orMax(cmd.Ne, maxShortNe) // over T=0 no Le and Le 00 are the same byte
	if cmd.INS == INSGetResponse {
		return ne > n
	}
	return ne != min(n, maxShortNe)
}

// putsOff says whether the client is put off, although the answer is there.
func (e *Emulator) putsOff(cmd Command) bool {
	q := e.cfg.Quirks
	canPoll := cmd.INS == INSPoll || cmd.P1&P1Poll != 0 || q.PutOffAll
	cancel := cmd.INS == INSPoll && cmd.P1 == P1Cancel
	if !canPoll || cancel || q.PutOff >= 0 && e.job.rounds >= q.PutOff {
		return false
	}
	e.job.rounds++
	return true
}

// held is an answer to a command of the wrong Le.
type held struct {
	cmd Command
	Response
}

// waitsFor says whether cmd is the same command again, whatever its Le.
func (h *held) waitsFor(cmd Command) bool {
	return h != nil && h.cmd.CLA == cmd.CLA && h.cmd.INS == cmd.INS && h.cmd.P1 == cmd.P1 && h.cmd.P2 == cmd.P2 &&
		string(h.cmd.Data) == string(cmd.Data)
}
