package replay

import (
	"context"
	"strings"
	"testing"
	"time"

	"github.com/touchstone-fido/touchstone/devices/transcript"
	"github.com/touchstone-fido/touchstone/fixtures"
)

// FuzzAnswers tells the meaning of any answer to any question, twice, since what
// came before counts.
func FuzzAnswers(f *testing.F) {
	for _, s := range []struct {
		kind           byte
		request, reply string
	}{
		{2, "04", "00a10181684649444f5f325f30"},
		{2, "06a201020202", "00a101a5010203381820012158200000000000000000000000000000000000000000000000000000000000000000225820" + strings.Repeat("00", 32)},
		{2, "0aa10102", "00a303a16269646161045820" + strings.Repeat("11", 32) + "0501"},
		{2, "02a2016161025820" + strings.Repeat("22", 32), "00a3025825" + strings.Repeat("33", 37) + "034101"},
		{3, "0003000000", "5532465f56329000"},
		{3, "00020300" + "42" + strings.Repeat("44", 66), "0100000001304402009000"},
		{1, "00a4040008a0000006472f0001", "5532465f56329000"},
		{4, "aabb", "aabb"},
	} {
		f.Add(s.kind, fixtures.Unhex(f, s.request), fixtures.Unhex(f, s.reply))
	}
	f.Fuzz(func(t *testing.T, kind byte, request, answer []byte) {
		e := transcript.Exchange{Kind: transcript.Kind(kind%4 + 1), Request: request, Answer: answer}
		s := newSide()
		first := s.exchange(e)
		_ = s.exchange(e)
		if again := newSide().exchange(e); len(compare(first, again)) > 0 {
			t.Errorf("told in two ways: %v", compare(first, again))
		}
		if d := compare(exact(e), told(e, nil)); len(d) > 0 {
			t.Errorf("the client's is another without its say: %v", d)
		}
		_ = identified(e)
	})
}

// FuzzRun asks whatever tape loads. Its questions are asked or left out with a
// reason.
func FuzzRun(f *testing.F) {
	for _, text := range []string{
		`{"transport":"hid"}` + "\n" + `{"dir":"out","hex":"ffffffff8600080102030405060708"}` + "\n" +
			`{"dir":"in","hex":"ffffffff8600110102030405060708000000010200020004"}` + "\n" + `{"dir":"out","hex":"0000000190000104"}` + "\n" + `{"dir":"in","hex":"0000000190000100"}`,
		`{"transport":"nfc"}` + "\n" + `{"dir":"out","hex":"00a4040008a0000006472f0001"}` + "\n" + `{"dir":"in","hex":"4649444f5f325f309000"}` + "\n" +
			`{"dir":"out","hex":"8010800006" + "06a20102020200"}`,
		`{"dir":"tx","level":"msg","cmd":"10","hex":"06a4010102050601"}` + "\n" + `{"dir":"rx","level":"msg","hex":"31"}`,
	} {
		f.Add([]byte(text))
	}
	f.Fuzz(func(t *testing.T, text []byte) {
		tape, err := transcript.Load(strings.NewReader(string(text)), "fuzz")
		if err != nil || tape.Header.ReportSize > 64 {
			return
		}
		ctx, stop := context.WithTimeout(t.Context(), 10*time.Second)
		defer stop()
		report, err := Run(ctx, tape, Options{Timeout: time.Second})
		if err != nil || report == nil {
			return
		}
		for _, s := range report.Steps {
			if s.Verdict == NotAsked && s.Reason == "" {
				t.Errorf("line %d was not asked, without a reason", s.Line)
			}
		}
		if len(report.Steps) != len(tape.Exchanges()) {
			t.Errorf("%d steps for %d questions", len(report.Steps), len(tape.Exchanges()))
		}
	})
}
