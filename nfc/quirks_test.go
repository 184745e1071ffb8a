package nfc

import (
	"bytes"
	"context"
	"errors"
	"strings"
	"testing"
	"testing/synctest"
	"time"
)

// ISO 7816-3 §12.2, as the host sees it.
func TestEmulatorT0(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := newRaw(t, &fakeKey{}, EmulatorConfig{Quirks: Quirks{T0: true}})
		r.expect(selectHex+" -> 6700", selExt+" -> 6700", selBare+" -> 6108", "00c0000008 -> "+version, "00c0000008 -> 6985",
			"8010800001 10 00 -> 6700", "80108000 000001 10 0000 -> 6700",
			"8010800001 10 -> 6102", "00c0000000 -> 6c02", "00c0000002 -> 0010 9000",
			"8010800001 10 -> 6102", "00c0000003 -> 6c02", "8011000000 -> 6985", "00c0000002 -> 6985", // another command between
			"8010800001 10 -> 6102", "00c0000001 -> 00 6101", "00c0000001 -> 10 9000",
			"9010800001 10 -> 9000", "8010800001 bb -> 6103", "00c0000003 -> 0010bb 9000",
			"8010800003 14 0200 -> 6100", "00c0000000 -> "+fill(256)+"6100", "00c00000 -> "+fill(256)+"9000",
			"80120100 -> 9000")
		r.expect(selBare+" -> 6108", "8010800001 11 -> 6101", "00c0000001 -> 02 9100",
			"8011000000 -> 6c01", "8011000001 -> 02 9100", "80110000 -> 6c01", "8011000001 -> 02 9100")
		time.Sleep(userTakes)
		r.expect("8011000002 -> 6c01", "8011000001 -> 00 9000", "8011000001 -> 6985")
	})
}

func TestEmulatorExactLe(t *testing.T) {
	ran := tally{}
	r := newRaw(t, ran, EmulatorConfig{Quirks: Quirks{ExactLe: true}})
	r.expect(selectHex+" -> 6c08", selBare+"08 -> "+version, selBare+" -> "+version,
		"8010800001 aa 00 -> 6c02", "8010800001 aa 02 -> 00aa 9000",
		"8010800001 bb 01 -> 6c02", "8010800001 bb 02 -> 00bb 9000",
		"8010800001 cc -> 00cc 9000",
		"8010800001 dd 00 -> 6c02", "8010800001 ee 02 -> 00ee 9000", // what waited is dropped
		"80108000 000001 ff 0000 -> 00ff 9000") // extended lengths do not have it
	for msg, times := range ran {
		if times != 1 {
			t.Errorf("%x was run %d times", msg, times)
		}
	}
	r.expect("8010800001 99 00 -> 6c02", "8010000001 99 02 -> 0099 9000")
	if ran["\x99"] != 2 {
		t.Errorf("a command of another P1 got the answer that waited: %v", ran)
	}
	r.expect("80108000ff"+strings.Repeat("01", 255)+"05 -> 6c00",
		"80108000ff"+strings.Repeat("01", 255)+"00 -> 00"+strings.Repeat("01", 255)+"9000")
	needs := newRaw(t, &fakeKey{}, EmulatorConfig{Quirks: Quirks{NeedLe: true}})
	needs.expect(selBare+" -> 6700", selectHex+" -> "+version, "9010800001 10 -> 9000", "8010800001 aa -> 6700",
		"8010800001 10 00 -> 0010 9000", "80120100 -> 9000")
}

func TestEmulatorFrames(t *testing.T) {
	r := newRaw(t, &fakeKey{}, EmulatorConfig{Quirks: Quirks{MaxFrame: 32}}).selected()
	r.expect("801080001a 10"+strings.Repeat("aa", 25)+"00 -> 00 10"+strings.Repeat("aa", 25)+"9000", // 32 bytes
		"801080001b 10"+strings.Repeat("aa", 26)+"00 -> 6700",
		"8010800003 14 0040 00 -> "+fill(30)+"6122", "00c0000022 -> "+fill(30)+"6104", "00c0000004 -> "+fill(4)+"9000")
}

func TestEmulatorRefusesChains(t *testing.T) {
	r := newRaw(t, &fakeU2F{}, EmulatorConfig{Quirks: Quirks{NoChaining: SWClaNotSupported}}).selected()
	r.expect("9010800001 10 -> 6e00", "1001000001 10 -> 6e00", "8010800001 10 00 -> 0010 9000")
}

func TestEmulatorPutsOff(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := newRaw(t, &fakeKey{}, EmulatorConfig{Quirks: Quirks{PutOff: 2}}).selected()
		r.expect("8010800001 10 00 -> 01 9100", "8011000000 -> 01 9100", "8011000000 -> 0010 9000", "8011000000 -> 6985",
			"8010000001 10 00 -> 0010 9000", // cannot poll
			"8010800001 10 00 -> 01 9100", "8011110000 -> 0010 9000")
		all := newRaw(t, &fakeKey{}, EmulatorConfig{Quirks: Quirks{PutOff: -1, PutOffAll: true}}).selected()
		all.expect("8010000001 10 00 -> 01 9100")
		for range 1000 {
			all.expect("8011000000 -> 01 9100")
		}
	})
}

func TestEmulatorEndless(t *testing.T) {
	for kind, data := range map[Endless]string{EndlessData: fill(245), EndlessEmpty: ""} {
		r := newRaw(t, &fakeKey{}, EmulatorConfig{Quirks: Quirks{Endless: kind}}).selected()
		r.expect("8010800001 10 00 -> " + data + "61f5")
		for range 1000 {
			r.expect("00c00000f5 -> " + data + "61f5")
		}
		r.selected().expect("00c00000f5 -> 6985")
	}
}

// A client that is put off without having asked for it polls all the same, and
// one that is put off for ever ends with the limit that it has.
func TestPutOff(t *testing.T) {
	for name, c := range map[string]struct {
		card EmulatorConfig
		cfg  Config
		took time.Duration
		kind error
	}{
		"50 times, unasked": {EmulatorConfig{Quirks: Quirks{PutOff: 50, PutOffAll: true}}, Config{NoPoll: true}, 5 * time.Second, nil},
		"50 times":          {EmulatorConfig{Quirks: Quirks{PutOff: 50}}, Config{}, 5 * time.Second, nil},
		"for ever": {EmulatorConfig{Quirks: Quirks{PutOff: -1}, NoCancel: true},
			Config{Timeout: 20 * time.Second}, 23 * time.Second, ErrTimeout},
		"for ever, unasked": {EmulatorConfig{Quirks: Quirks{PutOff: -1, PutOffAll: true}, NoCancel: true},
			Config{Timeout: 20 * time.Second, NoPoll: true}, 23 * time.Second, ErrTimeout},
		"for ever, cancelled": {EmulatorConfig{Quirks: Quirks{PutOff: -1}}, Config{Timeout: 20 * time.Second}, 20 * time.Second, nil},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				start := time.Now()
				a := open(t, NewEmulator(&fakeKey{}, c.card), c.cfg)
				answer, err := a.Exchange(t.Context(), []byte{cmdEcho})
				if !errors.Is(err, c.kind) || err == nil && !bytes.Equal(answer, []byte{0, cmdEcho}) {
					t.Errorf("answer %x, %v", answer, err)
				}
				if took := time.Since(start); took != c.took {
					t.Errorf("took %v, want %v", took, c.took)
				}
			})
		})
	}
}

// smallReader loses every APDU of more bytes than it has room for.
type smallReader struct {
	*Emulator
	room   int
	traits Traits
}

func (r smallReader) Traits(context.Context) (Traits, error) { return r.traits, nil }

func (r smallReader) Transmit(ctx context.Context, apdu []byte) ([]byte, error) {
	if len(apdu) > r.room {
		return nil, ErrTransmission
	}
	answer, err := r.Emulator.Transmit(ctx, apdu)
	if len(answer) > r.room {
		return nil, ErrTransmission
	}
	return answer, err
}

// A reader of 256 bytes that says so carries everything; one that does not say
// so loses one answer of 256 bytes, which nobody asks for again, and is spared
// others.
func TestSmallReader(t *testing.T) {
	for _, told := range []bool{true, false} {
		ran := tally{}
		reader := smallReader{Emulator: NewEmulator(ran, EmulatorConfig{}), room: 256}
		if told {
			reader.traits.MaxAPDU = 256
		}
		a := open(t, reader, Config{})
		for _, n := range []int{1, 250, 255, 256, 1024} {
			msg := pattern(n)
			answer, err := a.Exchange(t.Context(), msg)
			if n == 255 && !told {
				wantError(t, err, "message", ErrTransmission)
			} else if err != nil || !bytes.Equal(answer, append([]byte{0}, msg...)) {
				t.Errorf("told %t, %d bytes: %d bytes back, %v", told, n, len(answer), err)
			}
			if ran[string(msg)] != 1 {
				t.Errorf("told %t: %d bytes were run %d times", told, n, ran[string(msg)])
			}
		}
		if want := map[bool]int{true: 254, false: 240}[told]; a.Manner().AnswerSize.Value != want {
			t.Errorf("told %t: %+v", told, a.Manner().AnswerSize)
		}
	}
}
