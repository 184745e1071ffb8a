package replay_test

import (
	"bytes"
	"flag"
	"os"
	"path/filepath"
	"slices"
	"testing"
	"testing/synctest"

	"github.com/touchstone-fido/touchstone/ctaphid"
	"github.com/touchstone-fido/touchstone/devices/transcript"
	"github.com/touchstone-fido/touchstone/devices/transcript/replay"
	"github.com/touchstone-fido/touchstone/devices/virtual"
	"github.com/touchstone-fido/touchstone/devices/virtual/profiles"
	"github.com/touchstone-fido/touchstone/nfc"
)

var update = flag.Bool("update", false, "record the fixtures anew")

const fixtureDir = "../../../fixtures/transcripts"

// session is a fixture: a product on a transport, used for everything.
type session struct {
	name  string // profile/hid or profile/nfc
	model *virtual.Profile
	card  bool
}

func (s session) file() string { return filepath.Join(fixtureDir, s.name+".jsonl") }

func sessions(t testing.TB) (all []session) {
	t.Helper()
	models, err := profiles.All()
	if err != nil {
		t.Fatal(err)
	}
	for _, m := range models {
		all = append(all, session{m.Name + "/hid", m.Profile, false})
		if slices.Contains(m.Profile.Transports, "nfc") {
			all = append(all, session{m.Name + "/nfc", m.Profile, true})
		}
	}
	return all
}

// hostSeed is what everything random of the recorded host comes from. It is on
// the tapes.
const hostSeed = 2

// record uses the key and gives the tape.
func (s session) record(t testing.TB, probing bool) []byte {
	t.Helper()
	key := newKey(t, s.model, s.card)
	h := transcript.Header{
		Transport: transcript.HID, Tool: "touchstone", ReportSize: ctaphid.ReportSize,
		Device: map[string]string{"product": "software key", "profile": filepath.Dir(s.name)},
		Seed:   append([]byte{hostSeed}, make([]byte, 31)...),
	}
	if s.card {
		h.Transport, h.ReportSize = transcript.NFC, 0
	}
	var file bytes.Buffer
	recorder, err := transcript.NewRecorder(&file, h, nil)
	if err != nil {
		t.Fatal(err)
	}
	if s.card {
		key.Card = recorder.Card(key.Card)
	} else {
		key.Reports = recorder.Reports(key.Reports)
	}
	use(t, key, ctaphid.Config{}, nfc.Config{}, seeded(hostSeed), probing)
	return file.Bytes()
}

// TestFixtures holds each fixture to what is recorded today, and plays it in every
// way: byte for byte to the same host, to today's client by re-keying, and against
// a key of its product.
func TestFixtures(t *testing.T) {
	for _, s := range sessions(t) {
		t.Run(s.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) { s.check(t) })
		})
	}
}

func (s session) check(t *testing.T) {
	recorded := s.record(t, false)
	if *update {
		if err := os.MkdirAll(filepath.Dir(s.file()), 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(s.file(), recorded, 0o644); err != nil {
			t.Fatal(err)
		}
	}
	want, err := os.ReadFile(s.file())
	if err != nil {
		t.Fatalf("%v: record the fixtures with go test -run Fixtures -update", err)
	}
	if !bytes.Equal(recorded, want) {
		t.Errorf("%s is not what is recorded today", s.file())
	}
	tape, err := transcript.Load(bytes.NewReader(want), s.file())
	if err != nil {
		t.Fatal(err)
	}
	s.byBytes(t, tape)
	report, err := replay.Run(t.Context(), tape, replay.Options{})
	wantSame(t, "of the tape", report, err)
	report, err = replay.Against(t.Context(), tape, newKey(t, s.model, s.card), replay.Options{Rand: seeded(3)})
	wantSame(t, "of a key", report, err)
}

// byBytes has the recorded host use the tape.
func (s session) byBytes(t *testing.T, tape *transcript.Tape) {
	t.Helper()
	player, err := transcript.NewPlayer(tape, transcript.PlayConfig{})
	if err != nil {
		t.Fatal(err)
	}
	var key replay.Key
	if s.card {
		key.Card, err = player.Card()
	} else {
		key.Reports, err = player.Reports()
	}
	if err != nil {
		t.Fatal(err)
	}
	use(t, key, tape.HIDConfig(), tape.NFCConfig(), seeded(hostSeed), false)
}

func wantSame(t *testing.T, of string, report *replay.Report, err error) {
	t.Helper()
	if err != nil {
		t.Errorf("asked %s: %v", of, err)
	}
	if report == nil {
		return
	}
	for _, step := range report.Steps {
		if step.Verdict != replay.Same && !t.Failed() { // what follows may follow from it
			t.Errorf("asked %s: line %d %s: %s %s %v", of, step.Line, step.Question, step.Verdict, step.Reason, step.Differences)
		}
	}
	if report.Same == 0 {
		t.Errorf("asked %s: nothing", of)
	}
}

// TestFixturesAreUsed fails for a fixture that no test plays.
func TestFixturesAreUsed(t *testing.T) {
	used := map[string]bool{}
	for _, s := range sessions(t) {
		used[s.file()] = true
	}
	files, err := filepath.Glob(filepath.Join(fixtureDir, "*", "*"))
	if err != nil || len(files) == 0 {
		t.Fatalf("%d fixtures, %v", len(files), err)
	}
	for _, file := range files {
		if !used[file] {
			t.Errorf("no test uses %s", file)
		}
	}
}
