package capture

import (
	"bytes"
	"strings"
	"sync"

	"github.com/touchstone-fido/touchstone/devices/transcript"
)

// coding is how a log writes bytes.
type coding byte

const (
	codingHex coding = iota // or a list of numbers in brackets
	codingBase64
	codingBelow // in the lines that follow
)

// layer is what a log's bytes are, as far as its words tell.
type layer byte

const (
	layerAny  layer = iota // to be seen from the bytes
	layerHID               // reports
	layerCard              // APDUs
	layerNone              // nothing that matters; it ends what came before
)

// mark is the words with which a log announces bytes.
type mark struct {
	words  string
	dir    transcript.Direction
	layer  layer
	coding coding
	form   Form
	// strict marks have words that many logs use for other things, so that the
	// bytes must look like what they should be.
	strict bool
}

const (
	out = transcript.Out
	in  = transcript.In
)

// marks are the words of the logs that are known, longer ones before those
// that they contain.
var marks = []mark{
	{"Sent packet ", out, layerHID, codingBase64, MicroG, false},
	{"Received packet ", in, layerHID, codingBase64, MicroG, false},
	{"NFC out: ", out, layerCard, codingHex, APDULog, false},
	{"NFC  in: ", in, layerCard, codingHex, APDULog, false},
	{"NFC in: ", in, layerCard, codingHex, APDULog, false},
	{"RECV (SW=", in, layerCard, codingBelow, APDULog, false},
	{"SEND: ", out, layerAny, codingHex, PythonFIDO2, false},
	{"RECV: ", in, layerAny, codingHex, PythonFIDO2, false},
	{"SEND:", out, layerAny, codingHex, PythonFIDO2, false},
	{"RECV:", in, layerAny, codingHex, PythonFIDO2, false},
	{"Sending: ", out, layerCard, codingHex, OpenSC, true},
	{"Received (SW1=", in, layerCard, codingBelow, OpenSC, false},
	{"Outgoing APDU", out, layerCard, codingBelow, OpenSC, false},
	{"Incoming APDU", in, layerCard, codingBelow, OpenSC, false},
	{"USB send: ", out, layerHID, codingHex, ReportLog, false},
	{"USB recv: ", in, layerHID, codingHex, ReportLog, false},
	{"CmdIntrOUT:", out, layerHID, codingBelow, ReportLog, false},
	{"RetIntrIn:", in, layerHID, codingBelow, ReportLog, false},
	{"CmdIntrIN:", in, layerNone, codingBelow, ReportLog, false},
	{"RetIntrOut:", out, layerNone, codingBelow, ReportLog, false},
	{"C-APDU: ", out, layerCard, codingHex, APDULog, false},
	{"R-APDU: ", in, layerCard, codingHex, APDULog, false},
	{"CAPDU: ", out, layerCard, codingHex, APDULog, false},
	{"RAPDU: ", in, layerCard, codingHex, APDULog, false},
	{"Command APDU: ", out, layerCard, codingHex, APDULog, false},
	{"Response APDU: ", in, layerCard, codingHex, APDULog, false},
	{"APDU: ", out, layerCard, codingHex, PCSCD, true},
	{"SW: ", in, layerCard, codingHex, PCSCD, true},
	{"A>> ", out, layerCard, codingHex, APDULog, true},
	{"A<< ", in, layerCard, codingHex, APDULog, true},
	{">>> ", out, layerAny, codingHex, APDULog, true},
	{"<<< ", in, layerAny, codingHex, APDULog, true},
	{"--> ", out, layerAny, codingHex, APDULog, true},
	{"<-- ", in, layerAny, codingHex, APDULog, true},
	{">> ", out, layerAny, codingHex, APDULog, true},
	{"<< ", in, layerAny, codingHex, APDULog, true},
	{"=> ", out, layerAny, codingHex, APDULog, true},
	{"<= ", in, layerAny, codingHex, APDULog, true},
	{"-> ", out, layerAny, codingHex, APDULog, true},
	{"<- ", in, layerAny, codingHex, APDULog, true},
	{"> ", out, layerAny, codingHex, APDULog, true},
	{"< ", in, layerAny, codingHex, APDULog, true},
	{"send: ", out, layerAny, codingHex, ReportLog, true},
	{"recv: ", in, layerAny, codingHex, ReportLog, true},
	{"sent: ", out, layerAny, codingHex, ReportLog, true},
	{"received: ", in, layerAny, codingHex, ReportLog, true},
	{"request: ", out, layerAny, codingHex, ReportLog, true},
	{"response: ", in, layerAny, codingHex, ReportLog, true},
	{"write: ", out, layerAny, codingHex, ReportLog, true},
	{"read: ", in, layerAny, codingHex, ReportLog, true},
	{"tx: ", out, layerAny, codingHex, ReportLog, true},
	{"rx: ", in, layerAny, codingHex, ReportLog, true},
	{"out: ", out, layerAny, codingHex, ReportLog, true},
	{"in: ", in, layerAny, codingHex, ReportLog, true},
}

// wording is one way to write the words of a mark: those that begin with a small
// letter are also found with a capital, and in capitals.
type wording struct {
	words []byte
	mark  *mark
}

var wordings = sync.OnceValue(func() []wording {
	var all []wording
	for i := range marks {
		m := &marks[i]
		all = append(all, wording{[]byte(m.words), m})
		if first := m.words[0]; first >= 'a' && first <= 'z' {
			all = append(all, wording{[]byte(strings.ToUpper(m.words[:1]) + m.words[1:]), m}, wording{[]byte(strings.ToUpper(m.words)), m})
		}
	}
	return all
})

// markAhead is how far into a line its mark may be.
const markAhead = 400

// markAt finds the first mark of a line: of those that stand there as words of
// their own, the one that begins first, and of several that begin there, the
// longest. It returns the place behind it, -1 if there is none.
func markAt(text []byte) (m *mark, end int) {
	text = text[:min(len(text), markAhead)]
	if bytes.IndexByte(text, ':') < 0 && !bytes.ContainsAny(text, "<>ADU") {
		return nil, -1
	}
	begin, end := len(text), -1
	for _, w := range wordings() {
		ahead := text[:min(len(text), begin+len(w.words)-1)] // a mark must begin before the one that was found
		at := bytes.Index(ahead, w.words)
		if at < 0 || at > 0 && isJoined(text[at-1], w.words[0]) {
			continue
		}
		m, begin, end = w.mark, at, at+len(w.words)
	}
	return m, end
}

// isJoined says whether a character belongs to the same word or arrow as the
// one after it.
func isJoined(before, first byte) bool {
	if isWord(first) {
		return isWord(before) || before == '-'
	}
	return before == '<' || before == '>' || before == '-' || before == '=' || before == '|'
}
