package transcript

import (
	"fmt"
	"strings"
	"testing"

	"github.com/touchstone-fido/touchstone/ctaphid"
)

// told writes exchanges in a form that is easy to compare.
func toldExchanges(all []Exchange) (lines []string) {
	for _, e := range all {
		text := fmt.Sprintf("%d %d %x", e.Line, e.Kind, e.Request)
		switch {
		case e.Refusal != nil:
			text += fmt.Sprintf(" refused %v", e.Refusal)
		case e.Answer == nil:
			text += " missing: " + e.Missing
		default:
			text += fmt.Sprintf(" -> %d %x", e.AnswerLine, e.Answer)
		}
		for _, w := range e.Waits {
			text += " " + w.Status.String()
		}
		if e.Cancelled {
			text += " cancelled"
		}
		lines = append(lines, text)
	}
	return lines
}

func TestExchangesOfReports(t *testing.T) {
	const init, given = "> ffffffff8600080102030405060708", "< ffffffff8600110102030405060708000000070205010204"
	tests := []struct {
		name string
		tape []string
		want []string
	}{
		{"a question and its answer", []string{init, given, "> 0000000790000104", "< 0000000790000100"},
			[]string{"2 1 0102030405060708 -> 3 0102030405060708000000070205010204", "4 2 04 -> 5 00"}},
		{"another program's INIT", []string{init, "< ffffffff860011aaaaaaaaaaaaaaaa000000090205010204", given},
			[]string{"2 1 0102030405060708 -> 4 0102030405060708000000070205010204"}},
		{"signs of life", []string{"> 0000000790000104", "< 00000007bb000101", "< 00000007bb000102", "< 0000000790000100"},
			[]string{"2 2 04 -> 5 00 processing up-needed"}},
		{"a cancelled one", []string{"> 000000079000010b", "< 00000007bb000102", "> 00000007910000", "< 000000079000012d"},
			[]string{"2 2 0b -> 5 2d up-needed cancelled"}},
		{"a refusal", []string{"> 0000000790000104", "< 00000007bf000101"}, []string{"2 2 04 refused ERR_INVALID_CMD (0x01)"}},
		{"an empty answer", []string{"> 00000007880000", "< 00000007880000"}, []string{"2 4  -> 3 "}},
		{"two channels at once", []string{"> 0000000790000104", "> 0000000883000155", "< 0000000883000266", "< 0000000790000100"},
			[]string{"2 2 04 -> 5 00", "3 3 55 -> 4 6600"}},
		{"another question first", []string{"> 0000000790000104", "> 0000000790000107", "< 0000000790000100"},
			[]string{"2 2 04 missing: another question came first", "3 2 07 -> 4 00"}},
		{"an answer to another command", []string{"> 0000000790000104", "< 0000000783000100"}, []string{"2 2 04 missing: the tape ends here"}},
		{"up to a gap", []string{"> 0000000790000104", `{"cut":"much"}`, "> 0000000790000104"}, []string{"2 2 04 missing: much"}},
		{"whole messages", []string{`{"dir":"tx","level":"msg","cmd":"10","hex":"04"}`, `{"dir":"rx","level":"msg","hex":"0001"}`}, []string{"2 2 04 -> 3 0001"}},
	}
	for _, tt := range tests {
		got := toldExchanges(hidTape(t, tt.tape...).Exchanges())
		if strings.Join(got, "\n") != strings.Join(tt.want, "\n") {
			t.Errorf("%s:\n%s\nwant\n%s", tt.name, strings.Join(got, "\n"), strings.Join(tt.want, "\n"))
		}
	}
}

func TestExchangesOfAPDUs(t *testing.T) {
	tests := []struct {
		name string
		tape []string
		want []string
	}{
		{"opened and asked", []string{"> 00a4040008a0000006472f0001", "< 4649444f9000", "> 80108000010400", "< 00019000"},
			[]string{"2 1 00a4040008a0000006472f0001 -> 3 4649444f9000", "4 2 04 -> 5 0001"}},
		{"in parts, and fetched", []string{"> 9010800002aabb", "< 9000", "> 8010800001cc00", "< 00016102", "> 00c0000002", "< 02039000"},
			[]string{"2 2 aabbcc -> 7 00010203"}},
		{"put off", []string{"> 80108000010400", "< 029100", "> 8011000000", "< 009000"}, []string{"2 2 04 -> 5 00 up-needed"}},
		{"cancelled", []string{"> 80108000010b00", "< 029100", "> 8011110000", "< 2d9000"}, []string{"2 2 0b -> 5 2d up-needed cancelled"}},
		{"refused", []string{"> 80108000010400", "< 6d00"}, []string{"2 2 04 refused 6D00 instruction not supported"}},
		{"asked again with the right length", []string{"> 8010800001040a", "< 6c02", "> 80108000010402", "< 00019000"}, []string{"4 2 04 -> 5 0001"}},
		{"U2F in parts", []string{"> 1002030002aabb", "< 9000", "> 0002030001cc00", "< 6a80"}, []string{"2 3 0002030003aabbcc00 -> 5 6a80"}},
		{"something else", []string{"> 00b0000000", "< 6d00"}, []string{"2 4 00b0000000 -> 3 6d00"}},
		{"up to a gap", []string{"> 80108000010400", `{"cut":""}`}, []string{"2 2 04 missing: "}},
	}
	for _, tt := range tests {
		got := toldExchanges(nfcTape(t, tt.tape...).Exchanges())
		if strings.Join(got, "\n") != strings.Join(tt.want, "\n") {
			t.Errorf("%s:\n%s\nwant\n%s", tt.name, strings.Join(got, "\n"), strings.Join(tt.want, "\n"))
		}
	}
}

// TestExchangesOfTheCorpus finds an answer or a reason for everything that real
// clients asked.
func TestExchangesOfTheCorpus(t *testing.T) {
	for name, tape := range openCorpus(t) {
		for _, e := range tape.Exchanges() {
			if e.Answer == nil && e.Refusal == nil && e.Missing == "" {
				t.Errorf("%s line %d: %s has neither answer nor reason", name, e.Line, e.Name())
			}
			if e.Kind == CTAP2 && len(e.Request) > 0 && e.Command != 0 && e.Command != ctaphid.CommandCBOR {
				t.Errorf("%s line %d: %v is taken for a message", name, e.Line, e.Command)
			}
		}
	}
}
