package transcript

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"reflect"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/touchstone-fido/touchstone/nfc"
	"github.com/touchstone-fido/touchstone/nfc/nfctest"
)

// tellAll opens an applet, sends messages of all sizes and returns in words what
// came of it: decisions, answers and errors.
func tellAll(t testing.TB, card nfc.Card, cfg nfc.Config) []string {
	t.Helper()
	var told []string
	cfg.Poll, cfg.MaxAnswer = time.Microsecond, 4096
	cfg.OnDecision = func(d nfc.Decision) { told = append(told, d.String()) }
	a, err := nfc.Open(t.Context(), card, cfg)
	if err != nil {
		return append(told, outcome(err), fmt.Sprint(card.Close()))
	}
	for i, n := range nfctest.Sizes {
		answer, err := a.Exchange(t.Context(), bytes.Repeat([]byte{byte(i + 1)}, n))
		told = append(told, fmt.Sprintf("%d bytes, %s", len(answer), outcome(err)))
	}
	return append(told, fmt.Sprint(a.Close()))
}

// outcome leaves out where on a tape an error stands.
func outcome(err error) string {
	if errors.Is(err, nfc.ErrTransmission) {
		return "lost"
	}
	return fmt.Sprint(err)
}

// lossy is a reader that tells something, and loses APDUs that are too long.
type lossy struct {
	*nfc.Emulator
	room   int
	traits nfc.Traits
}

func (c lossy) Traits(context.Context) (nfc.Traits, error) { return c.traits, nil }

func (c lossy) Transmit(ctx context.Context, apdu []byte) ([]byte, error) {
	answer, err := c.Emulator.Transmit(ctx, apdu)
	if len(apdu) > c.room || len(answer) > c.room {
		return nil, nfc.ErrTransmission
	}
	return answer, err
}

// cardsOfAllKinds are cards that applets find out different ways for.
func cardsOfAllKinds() map[string]nfc.Card {
	cards := map[string]nfc.Card{}
	for _, told := range []bool{true, false} {
		for _, cell := range nfctest.Cells(told) {
			cards[fmt.Sprintf("%s, told %t", cell.Name, told)] = nfc.NewEmulator(&nfctest.Echo{}, cell.Card)
		}
	}
	atr := []byte{0x3b, 0x85, 0x01, 0x80, 0x73, 0x00, 0x00, 0x40, 0xb4} // takes extended lengths
	for name, traits := range map[string]nfc.Traits{
		"nothing known": {}, "reader known": {MaxAPDU: 65538, Protocol: nfc.ProtocolRaw}, "card known": {ATR: atr},
		"both known": {MaxAPDU: 2048, ATR: atr}, "small": {MaxAPDU: 100},
	} {
		for _, room := range []int{65538, 1000, 150} {
			cards[fmt.Sprintf("%s, loses more than %d", name, room)] = lossy{nfc.NewEmulator(&nfctest.Echo{}, nfc.EmulatorConfig{}), room, traits}
		}
	}
	return cards
}

// A session of an applet that finds out how to speak replays to the byte, and
// with the same decisions, whatever card and reader it was with.
func TestAdaptiveSessionsReplay(t *testing.T) {
	lost := 0
	for name, card := range cardsOfAllKinds() {
		t.Run(name, func(t *testing.T) {
			var file bytes.Buffer
			want := tellAll(t, newRecorder(t, &file, Header{Transport: NFC}).Card(card), nfc.Config{})
			tape := mustLoad(t, file.String())
			got := tellAll(t, openCard(t, tape, PlayConfig{}), tape.NFCConfig())
			if !slices.Equal(got, want) {
				t.Errorf("replayed\n%s\nrecorded\n%s", strings.Join(got, "\n"), strings.Join(want, "\n"))
			}
			if slices.Contains(want, "0 bytes, lost") {
				lost++
			}
		})
	}
	if lost < 5 {
		t.Errorf("APDUs were lost in %d sessions only", lost)
	}
}

func TestTraitsOnTape(t *testing.T) {
	want := nfc.Traits{Protocol: nfc.ProtocolT1, MaxAPDU: 65538, ATR: []byte{0x3b, 0x00}}
	var file bytes.Buffer
	recorder := newRecorder(t, &file, Header{Transport: NFC})
	for _, traits := range []nfc.Traits{want, {}, {Protocol: nfc.ProtocolT0}} {
		card := recorder.Card(lossy{traits: traits})
		got, err := card.(*recordedCard).Traits(t.Context())
		if err != nil || !reflect.DeepEqual(got, traits) {
			t.Errorf("got %+v, %v", got, err)
		}
		card.(*recordedCard).tape.crossing(APDU, Out, []byte{0, 0xa4, 4, 0})
	}
	lines := strings.Split(file.String(), "\n")
	for i, want := range []string{`"event":"traits","protocol":"T=1","max_apdu":65538,"atr":"3b00"}`, `"dir":"out","hex":"00a40400"}`,
		`"event":"traits"}`, `"dir":"out","hex":"00a40400"}`, `"event":"traits","protocol":"T=0"}`} {
		if !strings.HasSuffix(lines[1+i], ","+want) {
			t.Errorf("line %d is %s, want %s", 2+i, lines[1+i], want)
		}
	}
	tape := mustLoad(t, file.String())
	for i, want := range map[int]string{0: "--- traits: T=1, APDUs of up to 65538 bytes, ATR 3b00", 2: "--- traits: nothing is known", 4: "--- traits: T=0"} {
		if got := Describe(tape.Records[i]); got != want {
			t.Errorf("%q, want %q", got, want)
		}
	}
	// Each place on the tape has the traits that were told before it.
	for line, want := range map[int]nfc.Traits{3: want, 5: {}, 7: {Protocol: nfc.ProtocolT0}, 0: {Protocol: nfc.ProtocolT0}} {
		if got, asked := tape.traits(line); !asked || !reflect.DeepEqual(got, want) {
			t.Errorf("line %d: %+v, %t, want %+v", line, got, asked, want)
		}
	}
	if _, asked := nfcTape(t, "> 00a40400").traits(0); asked {
		t.Error("a tape without traits has some")
	}
}

func TestTraitsThatAreNone(t *testing.T) {
	for line, want := range map[string]string{
		`{"event":"traits","max_apdu":-1}`:   `"max_apdu" is negative`,
		`{"event":"traits","atr":"3"}`:       `"atr": odd number of hex digits`,
		`{"event":"traits","max_apdu":"12"}`: "a whole number belongs",
	} {
		_, err := Load(strings.NewReader(`{"touchstone":1,"transport":"nfc"}`+"\n"+line+"\n"), "tape")
		if err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%s: %v, want %q", line, err, want)
		}
	}
	later := nfcTape(t, `{"event":"traits","protocol":"T=14"}`, "> 00a40400")
	if got, asked := later.traits(0); !asked || got.Protocol != nfc.ProtocolUnknown {
		t.Errorf("a protocol of later: %+v", got)
	}
}

// refusing is a card that other programs keep, and of which nothing can be
// learnt.
type refusing struct{ nfc.Card }

func (refusing) Traits(context.Context) (nfc.Traits, error) { return nfc.Traits{}, nfc.ErrGone }
func (refusing) Claim(_ context.Context, waiting func()) error {
	waiting()
	return nfc.ErrGone
}

// What a recorder does not record it passes on.
func TestRecorderPassesOn(t *testing.T) {
	var file bytes.Buffer
	recorder := newRecorder(t, &file, Header{Transport: NFC})
	before := file.Len()
	card := recorder.Card(refusing{}).(*recordedCard)
	waited := false
	if err := card.Claim(t.Context(), func() { waited = true }); !errors.Is(err, nfc.ErrGone) || !waited {
		t.Errorf("claim: %v, waited %t", err, waited)
	}
	if _, err := card.Traits(t.Context()); !errors.Is(err, nfc.ErrGone) || file.Len() != before {
		t.Errorf("traits: %v, tape %s", err, file.String())
	}
	plain := recorder.Card(struct{ nfc.Card }{}).(*recordedCard)
	if err := plain.Claim(t.Context(), nil); err != nil {
		t.Error(err)
	}
	if traits, err := plain.Traits(t.Context()); err != nil || !reflect.DeepEqual(traits, nfc.Traits{}) {
		t.Errorf("%+v, %v", traits, err)
	}
}
