package replay_test

import (
	"bytes"
	"fmt"
	"os"
	"strings"
	"testing"
	"testing/synctest"

	"github.com/touchstone-fido/touchstone/devices/transcript"
	"github.com/touchstone-fido/touchstone/devices/transcript/replay"
	"github.com/touchstone-fido/touchstone/devices/virtual"
	"github.com/touchstone-fido/touchstone/devices/virtual/faulty"
)

// faultTable has a line for each fault: whether the sequence touches it, that is
// whether the key with the fault sends other bytes than the sound one, and how the
// replay tells it.
const faultTable = "testdata/faults.txt"

// meansTheSame are the faults that a sequence touches and that change no meaning
// that a replay compares, with the reason.
var meansTheSame = map[virtual.FaultID]string{
	"pin-change-keeps-persistent-token": "the PIN changes before there is such a token; the key draws other random bytes",
	"hid-keepalive-after-answer":        "the channel drops what comes between answer and question",
	"hid-chatter":                       "the channel drops what comes between answer and question",
	"hid-wink-with-data":                "the channel does not look at what WINK answers",
	"nfc-61-wrong-count":                "the applet fetches what is left until all is there",
	"nfc-select-61":                     "the applet fetches the answer to SELECT as any other",
	"nfc-le-ignored":                    "the applet takes an answer that is longer than it has asked for",
	"nfc-chain-answered":                "the applet does not look at what the parts of a chain answer",
}

// outcome is a replay against a key, and all that crossed.
type outcome struct {
	crossed string
	report  *replay.Report
	err     error
}

// against replays a tape against a key with a fault, or a sound one.
func (s session) against(t *testing.T, tape *transcript.Tape, faults ...virtual.FaultID) (o outcome) {
	t.Helper()
	synctest.Test(t, func(t *testing.T) {
		key := newKey(t, s.model, s.card, faults...)
		var crossed bytes.Buffer
		recorder, err := transcript.NewRecorder(&crossed, transcript.Header{Transport: tape.Header.Transport}, nil)
		if err != nil {
			t.Fatal(err)
		}
		if s.card {
			key.Card = recorder.Card(key.Card)
		} else {
			key.Reports = recorder.Reports(key.Reports)
		}
		o.report, o.err = replay.Against(t.Context(), tape, key, replay.Options{Rand: seeded(4)})
		if s.card {
			_ = key.Card.Close()
		} else {
			_ = key.Reports.Close()
		}
		o.crossed = crossed.String()
	})
	return o
}

// told is how the replay tells the outcome from that of a sound key, "" if it
// does not.
func (o outcome) told() string {
	if o.report != nil {
		for _, s := range o.report.Steps {
			switch {
			case s.Verdict == replay.Differs:
				d := s.Differences[0]
				return fmt.Sprintf("%s: %s: %q, not %q", s.Question, d.Name, d.Got, d.Recorded)
			case s.Verdict == replay.NotAsked:
				return s.Question + ": not asked"
			}
		}
	}
	if o.err != nil {
		return "the replay fails"
	}
	return ""
}

// TestFaultsAreToldApart replays a sequence that a sound key has recorded against
// the same key with each fault. Where the fault shows in it, the replay says so,
// and nowhere else.
func TestFaultsAreToldApart(t *testing.T) {
	tapes := map[bool]session{}
	sound := map[bool]outcome{}
	loaded := map[bool]*transcript.Tape{}
	for _, s := range sessions(t) {
		if !strings.HasPrefix(s.name, "ctap-2.3-everything/") {
			continue
		}
		var tape *transcript.Tape
		synctest.Test(t, func(t *testing.T) {
			var err error
			if tape, err = transcript.Load(bytes.NewReader(s.record(t, true)), s.name); err != nil {
				t.Fatal(err)
			}
		})
		tapes[s.card], loaded[s.card] = s, tape
		sound[s.card] = s.against(t, tape)
		for _, step := range sound[s.card].report.Steps {
			if step.Verdict != replay.Same {
				t.Errorf("%s line %d %s: %s %s %v", s.name, step.Line, step.Question, step.Verdict, step.Reason, step.Differences)
			}
		}
		if text := sound[s.card].told(); text != "" || sound[s.card].report.Same == 0 {
			t.Fatalf("%s: a sound key is not the same: %s", s.name, text)
		}
		if again := s.against(t, tape); again.crossed != sound[s.card].crossed {
			t.Fatalf("%s: a sound key is not the same twice", s.name)
		}
	}
	var table strings.Builder
	for i, f := range faulty.Faults() {
		if i%every != 0 {
			continue
		}
		card := f.Area == "NFC"
		got := tapes[card].against(t, loaded[card], f.ID)
		touched, text := got.crossed != sound[card].crossed, got.told()
		reason, silent := meansTheSame[f.ID]
		switch {
		case touched && text == "" && !silent:
			t.Errorf("%s shows in the sequence and is not told apart", f.ID)
		case touched && text == "":
			text = "means the same: " + reason
		case silent:
			t.Errorf("%s is told apart now, or does not show: %v %s", f.ID, touched, text)
		case !touched && text != "":
			t.Errorf("%s does not show in the sequence and differs: %s", f.ID, text)
		case !touched:
			text = "not touched"
		}
		fmt.Fprintf(&table, "%s: %s\n", f.ID, text)
	}
	compareTable(t, table.String())
}

func compareTable(t *testing.T, got string) {
	t.Helper()
	if *update {
		if err := os.MkdirAll("testdata", 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(faultTable, []byte(got), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	want, err := os.ReadFile(faultTable)
	if err != nil {
		t.Fatal(err)
	}
	if every == 1 && got != string(want) {
		t.Errorf("%s is not what comes today:\n%s", faultTable, got)
	}
	for line := range strings.Lines(got) {
		if !strings.Contains("\n"+string(want), "\n"+line) {
			t.Errorf("not in %s: %s", faultTable, line)
		}
	}
}
