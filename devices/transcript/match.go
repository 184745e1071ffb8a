package transcript

import (
	"bytes"
	"fmt"
	"slices"
	"strings"

	"github.com/touchstone-fido/touchstone/ctap2"
	"github.com/touchstone-fido/touchstone/ctap2/wire"
	"github.com/touchstone-fido/touchstone/ctaphid"
	"github.com/touchstone-fido/touchstone/nfc"
)

// Match is how alike a question and that of the tape must be.
type Match byte

// Ways to match.
const (
	// MatchBytes wants the same reports or APDUs, byte for byte.
	MatchBytes Match = iota
	// MatchRekeyed wants the same messages, but for what a key agreement of its
	// own makes different: public keys, what is encrypted, and pinUvAuthParams,
	// which have to be right.
	MatchRekeyed
	// MatchMeaning leaves out nonces too: client data hashes, user handles,
	// challenges of U2F, data of PING, the content of large blobs.
	MatchMeaning
)

var matchNames = [...]string{"bytes", "rekey", "semantic"}

// String is "bytes", "rekey" or "semantic".
func (m Match) String() string {
	if int(m) < len(matchNames) {
		return matchNames[m]
	}
	return fmt.Sprintf("match %d", byte(m))
}

// ParseMatch reads what [Match.String] writes.
func ParseMatch(text string) (Match, error) {
	i := slices.Index(matchNames[:], text)
	if i < 0 {
		return 0, fmt.Errorf("%q is none of %s", text, strings.Join(matchNames[:], ", "))
	}
	return Match(i), nil
}

// Match is how a tape can be matched at best: by bytes if it has a seed, or
// holds nothing that a key agreement makes different.
func (t *Tape) Match() Match {
	if t.Header.Seed != nil {
		return MatchBytes
	}
	for _, e := range t.Exchanges() {
		q, err := ParseQuestion(e.Request)
		if e.Kind == CTAP2 && err == nil && q.Command == ctap2.CommandClientPIN &&
			ctap2.PINSubcommand(q.Sub) == ctap2.PINGetKeyAgreement {
			return MatchRekeyed
		}
	}
	return MatchBytes
}

// agreed are the members that a key agreement makes different, as paths of
// numbers and names.
var agreed = map[ctap2.Command][]string{
	ctap2.CommandMakeCredential:       {"8", "6.hmac-secret-mc.1", "6.hmac-secret-mc.2", "6.hmac-secret-mc.3"},
	ctap2.CommandGetAssertion:         {"6", "4.hmac-secret.1", "4.hmac-secret.2", "4.hmac-secret.3"},
	ctap2.CommandClientPIN:            {"3", "4", "5", "6"},
	ctap2.CommandBioEnrollment:        {"5"},
	ctap2.CommandBioEnrollmentPre:     {"5"},
	ctap2.CommandCredentialManagement: {"4"},
	ctap2.CommandCredManagementPre:    {"4"},
	ctap2.CommandLargeBlobs:           {"5"},
	ctap2.CommandConfig:               {"4"},
}

// nonces are the members that are new each time.
var nonces = map[ctap2.Command][]string{
	ctap2.CommandMakeCredential: {"1", "3.id"},
	ctap2.CommandGetAssertion:   {"2"},
	ctap2.CommandLargeBlobs:     {"2"},
}

// Differs says where a request differs from the one on the tape, in words that
// name the member, and "" if they match. MatchBytes is taken for MatchRekeyed.
func (q Question) Differs(tape Question, m Match) string {
	if q.Command != tape.Command {
		return "the command"
	}
	if q.Sub != tape.Sub {
		return "the subcommand"
	}
	d := differ{agreed: agreed[q.Command]}
	if m == MatchMeaning {
		d.nonces = nonces[q.Command]
	}
	for _, n := range memberNumbers(q.Members, tape.Members) {
		a, asked := q.Members[n]
		b, taped := tape.Members[n]
		name := RequestMember(q.Command, n)
		switch {
		case !taped:
			return name + ", which the tape does not have"
		case !asked:
			return name + ", which only the tape has"
		}
		if text := d.raw(fmt.Sprint(n), name, a, b); text != "" {
			return text
		}
	}
	return ""
}

func memberNumbers(maps ...map[uint64]wire.Raw) (all []uint64) {
	for _, m := range maps {
		for n := range m {
			all = append(all, n)
		}
	}
	slices.Sort(all)
	return slices.Compact(all)
}

// differ looks for the first difference between two values.
type differ struct{ agreed, nonces []string }

func (d differ) raw(path, name string, a, b wire.Raw) string {
	if bytes.Equal(a, b) {
		return ""
	}
	var x, y any
	if wire.Decode(a, &x) != nil || wire.Decode(b, &y) != nil {
		return name
	}
	return d.value(path, name, x, y)
}

func (d differ) value(path, name string, a, b any) string {
	switch {
	case slices.Contains(d.agreed, path):
		return alike(name, a, b)
	case slices.Contains(d.nonces, path):
		return sameType(name, a, b)
	}
	switch x := a.(type) {
	case map[any]any:
		if y, ok := b.(map[any]any); ok {
			return d.maps(path, name, x, y)
		}
	case []any:
		if y, ok := b.([]any); ok {
			return d.lists(path, name, x, y)
		}
	case []byte:
		if y, ok := b.([]byte); ok && bytes.Equal(x, y) {
			return ""
		}
	default:
		if fmt.Sprintf("%T %v", a, a) == fmt.Sprintf("%T %v", b, b) {
			return ""
		}
	}
	return name
}

// alike wants two values of one type, and byte strings of one length.
func alike(name string, a, b any) string {
	x, bytesA := a.([]byte)
	y, bytesB := b.([]byte)
	if bytesA && bytesB && len(x) != len(y) {
		return fmt.Sprintf("%s has %s, on the tape %d", name, bytesOf(len(x)), len(y))
	}
	return sameType(name, a, b)
}

func sameType(name string, a, b any) string {
	if fmt.Sprintf("%T", a) != fmt.Sprintf("%T", b) {
		return "the type of " + name
	}
	return ""
}

func (d differ) maps(path, name string, a, b map[any]any) string {
	texts := map[string]any{}
	for key := range a {
		texts[fmt.Sprint(key)] = key
	}
	for key := range b {
		texts[fmt.Sprint(key)] = key
	}
	for _, text := range sortedKeys(texts) {
		x, asked := a[texts[text]]
		y, taped := b[texts[text]]
		inner := name + "." + text
		switch {
		case !taped:
			return inner + ", which the tape does not have"
		case !asked:
			return inner + ", which only the tape has"
		}
		if found := d.value(path+"."+text, inner, x, y); found != "" {
			return found
		}
	}
	return ""
}

func (d differ) lists(path, name string, a, b []any) string {
	if len(a) != len(b) {
		return fmt.Sprintf("%s has %d elements, on the tape %d", name, len(a), len(b))
	}
	for i := range a {
		inner := fmt.Sprintf("%s[%d]", name, i)
		if found := d.value(fmt.Sprintf("%s.%d", path, i), inner, a[i], b[i]); found != "" {
			return found
		}
	}
	return ""
}

func sortedKeys(m map[string]any) []string {
	keys := make([]string, 0, len(m))
	for key := range m {
		keys = append(keys, key)
	}
	slices.Sort(keys)
	return keys
}

// Differs says where what was asked differs from the question of the tape, in
// words, and "" if they match. MatchBytes is taken for MatchRekeyed.
func (e Exchange) Differs(asked Exchange, m Match) string {
	switch {
	case asked.Kind != e.Kind || asked.Command != e.Command:
		return "the command"
	case e.Kind == CTAP2:
		return e.messageDiffers(asked.Request, m)
	case e.Kind == U2F:
		return apduDiffers(asked.Request, e.Request, m)
	case e.Command == ctaphid.CommandPing && m == MatchMeaning:
		return ""
	case !bytes.Equal(asked.Request, e.Request):
		at, _ := firstDifference(asked.Request, e.Request)
		return fmt.Sprintf("byte %d", at)
	}
	return ""
}

func (e Exchange) messageDiffers(asked []byte, m Match) string {
	if bytes.Equal(asked, e.Request) {
		return ""
	}
	q, err := ParseQuestion(asked)
	tape, wrong := ParseQuestion(e.Request)
	if err != nil || wrong != nil {
		at, _ := firstDifference(asked, e.Request)
		return fmt.Sprintf("byte %d", at)
	}
	return q.Differs(tape, m)
}

// challengeSize is the size of the challenge that the data of U2F_REGISTER and
// U2F_AUTHENTICATE begin with.
const challengeSize = 32

// apduDiffers compares command APDUs but for the form of their lengths.
func apduDiffers(asked, tape []byte, m Match) string {
	a, err := nfc.ParseCommand(asked)
	b, wrong := nfc.ParseCommand(tape)
	if err != nil || wrong != nil {
		if bytes.Equal(asked, tape) {
			return ""
		}
		return "what is no command"
	}
	if m == MatchMeaning && a.INS != nfc.INSU2FVersion && len(a.Data) >= challengeSize && len(b.Data) >= challengeSize {
		a.Data, b.Data = a.Data[challengeSize:], b.Data[challengeSize:]
	}
	switch {
	case a.CLA != b.CLA || a.INS != b.INS:
		return "the instruction"
	case a.P1 != b.P1 || a.P2 != b.P2:
		return "P1 or P2"
	case !bytes.Equal(a.Data, b.Data):
		return "the data"
	}
	return ""
}
