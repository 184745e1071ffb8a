package transcript

import (
	"bytes"
	"errors"
	"fmt"
	"maps"
	"reflect"
	"slices"
	"strings"
	"testing"

	"github.com/touchstone-fido/touchstone/ctaphid"
)

func TestCheckCounts(t *testing.T) {
	const (
		long  = "> 0000000790006404" // 100 bytes
		rest  = "> 0000000700"
		short = "> 0000000790000104"
		gap   = `{"cut":"x"}`
	)
	part := func(dir, digits string) string {
		return fmt.Sprintf(`{"dir":"%s","hex":"%s","partial":true}`, dir, digits)
	}
	tests := []struct {
		name  string
		tape  []string
		want  Count
		lines []int // of the problems
	}{
		{"whole", []string{long, rest, "< 0000000790000100"}, Count{Whole: 2}, nil},
		{"keepalives", []string{short, "< 00000007bb000102", "< 00000007bb000102", "< 0000000790000100"}, Count{Whole: 4}, nil},
		{"channels side by side", []string{long, "> 0000000990006404", rest, "> 0000000900"}, Count{Whole: 2}, nil},
		{"directions side by side", []string{long, "< 0000000790006400", rest, "< 0000000700"}, Count{Whole: 2}, nil},
		{"cut by the end", []string{short, long}, Count{Whole: 1, Cut: 1}, []int{3}},
		{"cut by a gap", []string{long, gap, short}, Count{Whole: 1, Cut: 1}, []int{2}},
		{"cut by a gap on two channels", []string{long, "> 0000000990006404", gap}, Count{Cut: 2}, []int{2, 3}},
		{"interrupted", []string{long, short}, Count{Whole: 1, Cut: 1}, []int{2}},
		{"interrupted twice", []string{long, long, long, rest}, Count{Whole: 1, Cut: 2}, []int{2, 3}},
		{"no beginning", []string{rest}, Count{Cut: 1}, []int{2}},
		{"a run without a beginning", []string{rest, "> 0000000701", "> 0000000702", short}, Count{Whole: 1, Cut: 1}, []int{2}},
		{"two runs on two channels", []string{rest, "> 0000000900", "> 0000000701"}, Count{Cut: 2}, []int{2, 3}},
		{"two runs with a gap between", []string{rest, gap, "> 0000000701"}, Count{Cut: 2}, []int{2, 4}},
		{"two runs with a message between", []string{rest, short, "> 0000000701"}, Count{Whole: 1, Cut: 2}, []int{2, 4}},
		{"part of a first report", []string{part("tx", "00000007900064"), rest, short}, Count{Whole: 1, Cut: 1}, []int{2}},
		{"part of a second report", []string{long, part("tx", "0000000700")}, Count{Cut: 1}, []int{3}},
		{"part of a report that interrupts", []string{long, part("tx", "00000007900064")}, Count{Cut: 2}, []int{2, 3}},
		{"part of a report of an unknown message", []string{part("tx", "0000000703"), rest}, Count{Cut: 1}, []int{2}},
		{"part of a header", []string{part("tx", "0000000790")}, Count{Cut: 1}, []int{2}},
		{"part of a report that lacks padding only", []string{part("tx", "0000000790000104")}, Count{Whole: 1}, nil},
		{"no packet", []string{`{"dir":"rx","hex":"00000007"}`, `{"dir":"rx","hex":""}`}, Count{Malformed: 2}, []int{2, 3}},
		{"no room for the length", []string{`{"dir":"rx","hex":"000000079000"}`}, Count{Malformed: 1}, []int{2}},
		{"short report", []string{`{"dir":"rx","hex":"00000007900064aabb"}`, "< 0000000700"}, Count{Malformed: 1}, []int{2}},
		{"length over the maximum", []string{"> 00000007901dba04", rest, "> 0000000701"}, Count{Malformed: 1}, []int{2}},
		{"length at the maximum", []string{"> 00000007901db904"}, Count{Cut: 1}, []int{2}},
		{"out of order", []string{long, "> 0000000701", "> 0000000702", short}, Count{Whole: 1, Malformed: 1}, []int{3}},
		{"interrupted by what is malformed", []string{long, "> 00000007901dba04"}, Count{Cut: 1, Malformed: 1}, []int{2, 3}},
		{"message lines", []string{`{"dir":"tx","level":"msg","cmd":"10","hex":"04"}`, `{"dir":"rx","level":"msg","hex":"00"}`,
			`{"dir":"rx","level":"msg","hex":"00","offset":1}`, `{"dir":"rx","level":"msg","hex":"00","partial":true}`}, Count{Whole: 2, Cut: 2}, []int{4, 5}},
	}
	for _, tt := range tests {
		sum := hidTape(t, tt.tape...).Check()
		var lines []int
		for _, p := range sum.Problems {
			lines = append(lines, p.Line)
			if !strings.HasPrefix(p.String(), fmt.Sprintf("line %d: ", p.Line)) || len(p.Text) < 10 {
				t.Errorf("%s: %v", tt.name, p)
			}
		}
		if sum.Messages != tt.want || !slices.Equal(lines, tt.lines) {
			t.Errorf("%s: %+v %v, want %+v %v", tt.name, sum.Messages, sum.Problems, tt.want, tt.lines)
		}
	}
}

// The count from reports leaves out what is there in part only.
func TestCheckTellsWholeReportsApart(t *testing.T) {
	sum := hidTape(t,
		"> 0000000790000104", `{"dir":"rx","hex":"0000000790000131","partial":true}`,
		`{"dir":"rx","hex":"00000007900064","partial":true}`, `{"cut":""}`, `{"dir":"rx","hex":"0000000700","partial":true}`,
		"> 0000000790006404", `{"dir":"tx","hex":"0000000700","partial":true}`,
		"> 0000000790006404", `{"cut":""}`, "< 0000000700",
		`{"dir":"rx","level":"msg","hex":"00"}`,
	).Check()
	if sum.Messages != (Count{Whole: 3, Cut: 5}) || sum.FromReports != (Count{Whole: 1, Cut: 3}) {
		t.Errorf("%+v, from reports %+v", sum.Messages, sum.FromReports)
	}
}

func TestCheckCountsAPDUs(t *testing.T) {
	tests := []struct {
		name string
		tape []string
		want Count
	}{
		{"whole", []string{"> 00a40400", "< 9000"}, Count{Whole: 2}},
		{"a gap loses nothing", []string{"> 00a40400", `{"cut":""}`}, Count{Whole: 1}},
		{"part", []string{`{"dir":"tx","hex":"00a4040008","partial":true}`}, Count{Cut: 1}},
		{"wrong Lc", []string{"> 00a4040008a0", "< 90"}, Count{Malformed: 2}},
		{"too short", []string{"> 00a4", "< "}, Count{Malformed: 2}},
		{"with a log of messages", []string{`{"dir":"tx","level":"msg","cmd":"06","hex":"00"}`, "> 00a40400"}, Count{Whole: 2}},
	}
	for _, tt := range tests {
		if sum := nfcTape(t, tt.tape...).Check(); sum.Messages != tt.want || sum.FromReports != (Count{}) {
			t.Errorf("%s: %+v, want %+v", tt.name, sum.Messages, tt.want)
		}
	}
}

func equalCounts(t *testing.T, what string, got map[string]int, want map[string]int) {
	t.Helper()
	if !maps.Equal(got, want) {
		t.Errorf("%s are %v, want %v", what, got, want)
	}
}

func TestCheckCountsCommandsAndStatuses(t *testing.T) {
	sum := hidTape(t,
		"> ffffffff8600080102030405060708", "< ffffffff8600110102030405060708000000070205010204",
		"> 0000000790000104", "< 00000007bb000102", "< 0000000790000131",
		"> 000000078300040003", "< 0000000783000490009000",
		"> 00000007910000", "< 00000007bf000106", "> 00000007c00000", "> 0000000790000107",
		`{"dir":"rx","level":"msg","hex":"00"}`, `{"cut":""}`, `{"dir":"rx","level":"msg","hex":"2d"}`, `{"event":"x"}`,
	).Check()
	equalCounts(t, "commands", sum.Commands, map[string]int{
		"CTAPHID_INIT": 1, "authenticatorGetInfo": 1, "U2F_VERSION": 1, "CTAPHID_CANCEL": 1, "vendor command 0x40": 1, "authenticatorReset": 1,
	})
	equalCounts(t, "statuses", sum.Statuses, map[string]int{
		"CTAPHID_KEEPALIVE up-needed": 1, "CTAP2_ERR_PIN_INVALID (0x31)": 1, "SW 9000": 1,
		"CTAPHID_ERROR ERR_CHANNEL_BUSY (0x06)": 1, "CTAP2_OK (0x00)": 1,
	})
	if want := (Lines{Out: 6, In: 7, Reports: 11, Messages: 2, Gaps: 1, Marks: 1}); sum.Lines != want {
		t.Errorf("lines are %+v, want %+v", sum.Lines, want)
	}
	if sum.CutAt != 14 || sum.Unplayable != nil || !sum.Foreign {
		t.Errorf("%+v", sum)
	}
}

func TestCheckFollowsAPDUs(t *testing.T) {
	sum := nfcTape(t,
		"> 00a40400", "< 5532465f56329000",
		"> 90108000020104", "< 9000", "> 801080000105", "< 029100", "> 80110000", "< 00016101", "> 00c00000", "< 339000",
		"> 80108000", "< 6700", "> 8010800001"+"08", "< 2e9000", "> 80120100", "< 9000", "> ff010000", "< 9000",
	).Check()
	equalCounts(t, "commands", sum.Commands, map[string]int{
		"SELECT": 1, "authenticatorMakeCredential": 1, "NFCCTAP_GETRESPONSE": 1, "GET RESPONSE": 1,
		"NFCCTAP_MSG": 1, "authenticatorGetNextAssertion": 1, "NFCCTAP_CONTROL": 1, "command ff 01": 1,
	})
	equalCounts(t, "statuses", sum.Statuses, map[string]int{
		"SW 9000": 6, "SW 9100": 1, "SW 6101": 1, "SW 6700": 1, "CTAP2_OK (0x00)": 1, "CTAP2_ERR_NO_CREDENTIALS (0x2e)": 1,
	})
}

func TestCheckReportsACutLastLine(t *testing.T) {
	sum, err := Check(strings.NewReader(nativeHead+`{"dir":"in","hex":"`), "x")
	if err != nil || sum.Ending != EndCut || len(sum.Problems) != 1 || sum.Foreign {
		t.Errorf("%+v, %v", sum, err)
	}
}

func TestCheckOfWhatCannotBeRead(t *testing.T) {
	if sum, err := Check(strings.NewReader("junk"), "x"); err == nil || sum.Tape != "x" {
		t.Errorf("%+v, %v", sum, err)
	}
	sum, err := Check(strings.NewReader(nativeHead+`{"cut":""}`+"\n"+strings.Repeat("x", maxLine+1)), "x")
	var format *FormatError
	if !errors.As(err, &format) || format.Line != 3 || sum.Lines.Gaps != 1 {
		t.Errorf("%+v, %v", sum, err)
	}
}

// A line that is no record is counted, and what is around it too.
func TestCheckGoesOnAfterABadLine(t *testing.T) {
	init := fmt.Sprintf(`{"dir":"out","hex":"ffffffff860008%s"}`, strings.Repeat("0", 2*57))
	begun := fmt.Sprintf(`{"dir":"out","hex":"0000000190004f%s"}`, strings.Repeat("0", 2*57))
	for _, head := range []string{nativeHead, ""} {
		text := head + strings.Join([]string{init, begun, `{"dir":"out","hex":"zz"}`, "?", init, `{"dir":"up"}`}, "\n") + "\n"
		sum, err := Check(strings.NewReader(text), "x")
		if err != nil || sum.Messages != (Count{Whole: 2, Cut: 1, Malformed: 3}) || sum.Lines.Unreadable != 3 {
			t.Errorf("%+v, %v", sum, err)
		}
		first := strings.Count(head, "\n") + 3
		if sum.CutAt != first || !errors.Is(sum.Unplayable, ErrUnplayable) || sum.Problems[0].Line != first-1 || sum.Problems[1].Line != first {
			t.Errorf("cut at %d, %v, problems %v", sum.CutAt, sum.Unplayable, sum.Problems)
		}
	}
}

// A hostile tape must not make the check grow with it.
func TestCheckIsBounded(t *testing.T) {
	tape := &Tape{Header: Header{Transport: HID}}
	const many = 3 * maxStreams
	for i := range many {
		data := report("0000000090006404")
		putChannel(data, ctaphid.ChannelID(i))
		tape.Records = append(tape.Records, Record{Line: i + 1, Dir: In, Level: Report, Data: data})
	}
	sum := tape.Check()
	if sum.Messages != (Count{Cut: many}) {
		t.Errorf("%+v", sum.Messages)
	}
	if len(sum.Problems) != maxProblems || sum.MoreProblems != many-maxProblems {
		t.Errorf("%d problems and %d more", len(sum.Problems), sum.MoreProblems)
	}
}

// A counter that is asked while a tape is written finds what Check does on the
// file.
func TestCounterAgreesWithCheck(t *testing.T) {
	records := []Record{
		{Dir: Out, Level: Report, Data: report("ffffffff8600080102030405060708")},
		{Dir: Out, Level: Report, Data: report("0000000790006404")},
		{Level: Gap, Cut: "x"},
		{Dir: In, Level: Report, Data: report("0000000790000100"), Rebuilt: true},
		{Dir: In, Level: Message, Command: 0x10, Data: []byte{0}, Partial: true, Length: 9},
		{Dir: In, Level: Report, Data: []byte{1}},
		{Level: Mark, Event: &Event{Name: "close"}},
		{Dir: Out, Level: Report, Data: report("0000000790006404")},
	}
	header := Header{Transport: HID, ReportSize: 64, Tool: "x"}
	var file bytes.Buffer
	writer, err := NewWriter(&file, header)
	if err != nil {
		t.Fatal(err)
	}
	counter := NewCounter("tape", header)
	for i, rec := range records {
		rec.Line = i + 2
		if err := writer.Write(rec); err != nil {
			t.Fatal(err)
		}
		counter.Add(rec)
	}
	want, err := Check(&file, "tape")
	if err != nil {
		t.Fatal(err)
	}
	if got := counter.Summary(); !reflect.DeepEqual(got, want) {
		t.Errorf("got  %+v\nwant %+v", got, want)
	}
	if want.Messages != (Count{Whole: 2, Cut: 3, Malformed: 1}) {
		t.Errorf("counted %+v", want.Messages)
	}
}
