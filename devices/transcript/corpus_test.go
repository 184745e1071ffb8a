package transcript

import (
	"bytes"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"testing"

	"github.com/touchstone-fido/touchstone/ctaphid"
	"github.com/touchstone-fido/touchstone/fixtures"
	"github.com/touchstone-fido/touchstone/nfc"
)

// corpusTapes are the tapes of the corpus, by their path inside it. A test that
// needs them is skipped where they are not.
func corpusTapes(t testing.TB) map[string]string {
	t.Helper()
	dir := fixtures.Corpus(t)
	tapes := map[string]string{}
	err := filepath.WalkDir(dir, func(path string, entry fs.DirEntry, err error) error {
		if err == nil && strings.HasSuffix(path, ".jsonl") {
			name, _ := filepath.Rel(dir, path)
			tapes[filepath.ToSlash(name)] = path
		}
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	if len(tapes) == 0 {
		t.Fatalf("the corpus %s has no tapes", dir)
	}
	return tapes
}

// openCorpus loads the tapes of the corpus; all of them must load.
func openCorpus(t testing.TB) map[string]*Tape {
	t.Helper()
	tapes := map[string]*Tape{}
	for name, path := range corpusTapes(t) {
		tape, err := LoadFile(path)
		if err != nil {
			t.Errorf("%s does not load: %v", name, err)
			continue
		}
		tapes[name] = tape
	}
	return tapes
}

// described is what the corpus' own index says of a tape.
type described struct {
	reports, exchanges int // 0 if it does not say
	messages           Count
}

var (
	indexLine = regexp.MustCompile("(?m)^\\| `([^`]+\\.jsonl)` \\|.*\\| ([^|]*) \\|$")
	indexSize = regexp.MustCompile(`^(\d+) (reports|exchanges)`)
	indexItem = regexp.MustCompile(`(?:(INIT|CBOR|MSG|KEEPALIVE|ERROR)\S*?|(orphan-cont))(?: ?x(\d+))?( \[partial\])?[;,.]?(?:\s|$)`)
)

// describe reads a description such as "8 reports: INIT; CBOR:getassert" or
// "rx reports: rx INIT, rx:orphan-cont x4, rx CBOR:st00,57B [partial]; tx ...".
func describe(text string) (d described, ok bool) {
	if size := indexSize.FindStringSubmatch(text); size != nil {
		n, _ := strconv.Atoi(size[1])
		if size[2] == "exchanges" {
			return described{exchanges: n}, true
		}
		d.reports = n
	}
	_, items, ok := strings.Cut(text, "reports: ")
	if !ok {
		return d, false
	}
	items, _, _ = strings.Cut(items, "; tx")
	items, _, _ = strings.Cut(items, ". ")
	for _, item := range indexItem.FindAllStringSubmatch(items, -1) {
		n, _ := strconv.Atoi(item[3])
		switch {
		case item[4] != "" || item[2] != "":
			d.messages.Cut++
		default:
			d.messages.Whole += max(1, n)
		}
	}
	return d, true
}

// The index describes what other code counted on the same tapes.
func TestCheckAgreesWithTheIndexOfTheCorpus(t *testing.T) {
	tapes := openCorpus(t)
	dir := fixtures.Corpus(t)
	index, err := os.ReadFile(filepath.Join(dir, "INDEX.md"))
	if err != nil {
		t.Fatal(err)
	}
	// It forgets a message that a gap cuts when another channel follows.
	differs := map[string]Count{"Yubico+libfido2/issues/800.jsonl": {Whole: 3, Cut: 1}}

	compared := 0
	for _, line := range indexLine.FindAllStringSubmatch(string(index), -1) {
		want, ok := describe(line[2])
		tape := tapes["real/"+line[1]]
		if !ok || tape == nil {
			continue
		}
		compared++
		if count, ok := differs[line[1]]; ok {
			want.messages = count
		}
		if want.exchanges > 0 {
			want.messages = Count{Whole: 2 * want.exchanges}
		}
		sum := tape.Check()
		got := sum.FromReports
		if want.exchanges > 0 {
			got = sum.Messages
		}
		if got != want.messages || want.reports > 0 && sum.Lines.Reports != want.reports {
			t.Errorf("%s: %d reports, %+v; the index has %+v", line[1], sum.Lines.Reports, got, want)
		}
	}
	t.Logf("%d tapes compared", compared)
	if compared < 60 {
		t.Errorf("only %d tapes compared", compared)
	}
}

// What the index does not count, counted by hand.
func TestCheckOfOddTapes(t *testing.T) {
	want := map[string]Summary{
		"emulated/canokey.hid.jsonl":                          {Lines: Lines{Reports: 171}, Messages: Count{Whole: 72}},
		"emulated/solo1.hid.jsonl":                            {Lines: Lines{Reports: 82}, Messages: Count{Whole: 38}},
		"emulated/canokey.nfc-short.jsonl":                    {Lines: Lines{APDUs: 86}, Messages: Count{Whole: 86}},
		"emulated/fido2applet.nfc-short.jsonl":                {Lines: Lines{APDUs: 80}, Messages: Count{Whole: 80}},
		"emulated/fido2applet.nfc-ext.jsonl":                  {Lines: Lines{APDUs: 14}, Messages: Count{Whole: 14}},
		"real/BryanJacobs+FIDO2Applet/issues/6.jsonl":         {Lines: Lines{APDUs: 3}, Messages: Count{Whole: 3}},
		"real/frankmorgner+vsmartcard/issues/292.jsonl":       {Lines: Lines{Messages: 1, APDUs: 2}, Messages: Count{Whole: 3}},
		"real/joostd+ctap-nfc-sniffer/getinfo.jsonl":          {Lines: Lines{APDUs: 10}, Messages: Count{Whole: 10}},
		"real/kanidm+webauthn-rs/issues/214.jsonl":            {Lines: Lines{APDUs: 4}, Messages: Count{Whole: 4}},
		"real/solokeys+solo1/issues/214.jsonl":                {Lines: Lines{APDUs: 2}, Messages: Count{Whole: 2}},
		"real/linux-credentials+credentialsd/issues/36.jsonl": {Lines: Lines{Reports: 1}, Messages: Count{Cut: 1}},
		"real/mjec+khefin/issues/23.jsonl":                    {Lines: Lines{Messages: 1, Gaps: 1}, Messages: Count{Whole: 1}},
		"real/polhenarejos+pico-fido/issues/137.jsonl":        {Lines: Lines{Reports: 2}, Messages: Count{Whole: 2}},
		"real/torvalds+linux/usbip-example.jsonl":             {Lines: Lines{Reports: 2}, Messages: Count{Whole: 2}},
		"real/systemd+systemd/issues/28675.jsonl":             {Lines: Lines{Reports: 6, Partial: 1, Messages: 2, Gaps: 3}, Messages: Count{Whole: 3, Cut: 3}},
		"real/Yubico+libfido2/issues/342.jsonl":               {Lines: Lines{Reports: 3, Messages: 4, Gaps: 2}, Messages: Count{Whole: 7}},
		"real/Yubico+libfido2/issues/800.jsonl":               {Lines: Lines{Reports: 4, Partial: 1, Messages: 5, Gaps: 3}, Messages: Count{Whole: 9, Cut: 1}},
	}
	tapes := openCorpus(t)
	for name, want := range want {
		tape := tapes[name]
		if tape == nil {
			t.Errorf("%s is not there", name)
			continue
		}
		got := tape.Check()
		got.Lines.In, got.Lines.Out = 0, 0
		if got.Lines != want.Lines || got.Messages != want.Messages {
			t.Errorf("%s: %+v %+v, want %+v %+v", name, got.Lines, got.Messages, want.Lines, want.Messages)
		}
	}
}

// Loading and streaming must find the same.
func TestCheckStreamsTheSame(t *testing.T) {
	for name, path := range corpusTapes(t) {
		file, err := os.Open(path)
		if err != nil {
			t.Fatal(err)
		}
		got, err := Check(file, path)
		file.Close()
		if err != nil {
			t.Errorf("%s: %v", name, err)
		}
		tape, err := LoadFile(path)
		if err != nil {
			t.Fatal(err)
		}
		if want := tape.Check(); fmt.Sprint(got) != fmt.Sprint(want) {
			t.Errorf("%s:\nstreamed %+v\nloaded   %+v", name, got, want)
		}
	}
}

// Written in this package's form, a foreign tape is the same tape.
func TestForeignTapesSurviveConversion(t *testing.T) {
	for name, tape := range openCorpus(t) {
		var file bytes.Buffer
		if _, err := tape.WriteTo(&file); err != nil {
			t.Errorf("%s: %v", name, err)
			continue
		}
		again, err := Load(&file, tape.Name)
		if err != nil {
			t.Errorf("%s: %v", name, err)
			continue
		}
		if again.Foreign() || again.Header.PIN != "" {
			t.Errorf("%s: header is %+v", name, again.Header)
		}
		got, want := again.Check(), tape.Check()
		if got.Lines != want.Lines || got.Messages != want.Messages || fmt.Sprint(got.Statuses) != fmt.Sprint(want.Statuses) {
			t.Errorf("%s: %+v, was %+v", name, got, want)
		}
		if got, want := askAgain(t.Context(), t, again), askAgain(t.Context(), t, tape); (got == nil) != (want == nil) {
			t.Errorf("%s: replays with %v, was %v", name, got, want)
		}
	}
}

// The tapes that today's clients can ask again from end to end.
var replaysWhole = []string{
	"emulated/canokey.hid.jsonl",
	"emulated/canokey.nfc-short.jsonl",
	"emulated/fido2applet.nfc-ext.jsonl",
	"emulated/fido2applet.nfc-short.jsonl",
	"emulated/solo1.hid.jsonl",
	"real/hwsecurity-sdk+hwsecurity/apdu/fido2-getAssertion.jsonl",
	"real/hwsecurity-sdk+hwsecurity/apdu/fido2-makeCredential.jsonl",
	"real/hwsecurity-sdk+hwsecurity/apdu/u2f-register.jsonl",
	"real/joostd+ctap-nfc-sniffer/getinfo.jsonl",
	"real/kanidm+webauthn-rs/issues/214.jsonl",
	"real/microg+GmsCore/issues/1821.jsonl",
	"real/mphi-rc+pi-zero-security-key/login.jsonl",
	"real/polhenarejos+pico-fido/issues/137.jsonl",
	"real/solokeys+solo1/issues/214.jsonl",
	"real/torvalds+linux/usbip-example.jsonl",
}

func TestForeignTapesReplay(t *testing.T) {
	tapes := openCorpus(t)
	for _, name := range replaysWhole {
		if tapes[name] == nil {
			t.Errorf("%s is not there", name)
			continue
		}
		if err := askAgain(t.Context(), t, tapes[name]); err != nil {
			t.Errorf("%s: %v", name, err)
		}
	}
}

// Where a tape does not replay, that is because of what it lacks.
func TestForeignTapesFailForAReason(t *testing.T) {
	for name, tape := range openCorpus(t) {
		err := askAgain(t.Context(), t, tape)
		var unread *UnreadError
		var end *EndError
		switch {
		case err == nil:
		case errors.Is(err, ErrUnplayable), errors.Is(err, ErrCut):
		case errors.As(err, &unread) && unread.Cut:
		case errors.Is(err, nfc.SWNotFound): // no FIDO applet on the card
		case errors.As(err, &end) && end.Op == opRead: // an answer was not captured
		default:
			t.Errorf("%s: %v", name, err)
		}
		t.Logf("%s: %v", name, err)
	}
}

// The whole login of a YubiKey 5, asked again by today's client.
func TestLoginReplays(t *testing.T) {
	tape := openCorpus(t)["real/mphi-rc+pi-zero-security-key/login.jsonl"]
	if tape == nil {
		t.Fatal("the tape is not there")
	}
	var keepalives []ctaphid.KeepaliveStatus
	cfg := tape.HIDConfig()
	cfg.OnKeepalive = func(k ctaphid.Keepalive) { keepalives = append(keepalives, k.Status) }
	ch, err := ctaphid.Open(t.Context(), openReports(t, tape, PlayConfig{}), cfg)
	if err != nil {
		t.Fatal(err)
	}
	for _, ex := range exchangesHID(tape)[1:] {
		answer, err := ch.Exchange(t.Context(), ex.ask)
		if err != nil || !bytes.Equal(answer, ex.answer) || answer[0] != 0 {
			t.Errorf("asked %x, got %x, %v", ex.ask, answer, err)
		}
	}
	if err := ch.Close(); err != nil {
		t.Error(err)
	}
	up := ctaphid.KeepaliveUPNeeded
	if !slices.Equal(keepalives, []ctaphid.KeepaliveStatus{up, up, up}) {
		t.Errorf("keepalives %v", keepalives)
	}
	if ch.ID() != 0x00080002 || ch.DeviceVersion() != [3]byte{5, 1, 2} {
		t.Errorf("channel %v, version %v", ch.ID(), ch.DeviceVersion())
	}
}

func TestDescribeCorpus(t *testing.T) {
	for name, tape := range openCorpus(t) {
		for _, rec := range tape.Records {
			if text := Describe(rec); text == "" || strings.ContainsAny(text, "\n\r\x1b") || len(text) > 300 {
				t.Errorf("%s line %d: %q", name, rec.Line, text)
			}
		}
	}
}
