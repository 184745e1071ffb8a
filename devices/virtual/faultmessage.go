package virtual

import "github.com/touchstone-fido/touchstone/ctap2/wire"

// tolerance has the faults that let a request leave canonical CBOR.
var tolerance = map[wire.Rule]FaultID{
	wire.RuleKeyOrder:     cborUnsorted,
	wire.RuleShortestHead: cborLongHeads,
	wire.RuleDefinite:     cborIndefinite,
	wire.RuleDepth:        cborDeep,
	wire.RuleUTF8:         cborBadText,
}

// tolerates tells whether all that is wrong with the encoding of a request is
// something that a faulty key does not mind.
func (a *Authenticator) tolerates(body []byte) bool {
	if !a.hasFaults() {
		return false
	}
	remarks, err := wire.Inspect(body)
	for _, r := range remarks {
		if !a.faulty(tolerance[r.Rule]) {
			return false
		}
	}
	return err == nil && len(remarks) > 0
}

// forgiven is a request without what a faulty key does not look at: what comes
// after its parameters.
func (a *Authenticator) forgiven(body []byte) []byte {
	var first wire.Raw
	if !a.faulty(cborTrailing) {
		return body
	}
	rest, err := wire.DecodeFirst(body, &first)
	if err != nil {
		return body
	}
	return body[:len(body)-len(rest)]
}

// hasUnknown tells whether there is a member that no command has.
func (m members) hasUnknown() bool {
	const last = uint64(0x0b)
	for key := range m {
		if n, ok := key.(uint64); !ok || n > last {
			return true
		}
	}
	return false
}

// spoilAnswer adds to an answer what a faulty key does.
func (a *Authenticator) spoilAnswer(answer []byte) []byte {
	const emptyMap, null = 0xa0, 0xf6
	switch {
	case len(answer) == 1 && answer[0] != 0 && a.faulty(errorWithBody):
		return append(answer, emptyMap)
	case len(answer) > 1 && a.faulty(answerTrailing):
		return append(answer, null)
	}
	return answer
}
