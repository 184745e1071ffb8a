package capture

import (
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"

	"github.com/touchstone-fido/touchstone/devices/transcript"
)

// isTold says whether an import says anywhere that something is not as it should
// be.
func isTold(result Result, all []*transcript.Tape) bool {
	if len(result.Remarks) > 0 || len(result.Tapes) != 1 {
		return true
	}
	for _, tape := range result.Tapes {
		if m := tape.Summary.Messages; m.Cut+m.Malformed > 0 {
			return true
		}
	}
	for _, tape := range all {
		for _, rec := range tape.Records {
			if rec.Partial || rec.Level == transcript.Gap {
				return true
			}
		}
	}
	return false
}

// withoutKeepaliveLines are crossings without those of keepalives, of which
// nothing shows how many there were.
func withoutKeepaliveLines(all []string) []string {
	return slices.DeleteFunc(slices.Clone(all), func(line string) bool { return strings.Contains(line, "in report 01020304bb") })
}

// damages are the ways in which a line of a log is lost or spoiled.
var damages = []struct {
	name   string
	damage func(lines []string, i int) []string
}{
	{"dropped", func(lines []string, i int) []string { return slices.Delete(lines, i, i+1) }},
	{"doubled", func(lines []string, i int) []string { return slices.Insert(lines, i, lines[i]) }},
	{"cut", func(lines []string, i int) []string { lines[i] = lines[i][:len(lines[i])*2/3]; return lines }},
	{"cut short", func(lines []string, i int) []string { lines[i] = lines[i][:max(0, len(lines[i])-1)]; return lines }},
	{"wrapped", func(lines []string, i int) []string {
		half := len(lines[i]) * 2 / 3
		return slices.Replace(lines, i, i+1, lines[i][:half], lines[i][half:])
	}},
	{"swapped", func(lines []string, i int) []string {
		if i > 0 {
			lines[i], lines[i-1] = lines[i-1], lines[i]
		}
		return lines
	}},
	{"interrupted", func(lines []string, i int) []string {
		return slices.Insert(lines, i, "[12:34:56] some other program: has something to say, 4711 things")
	}},
	{"the last", func(lines []string, i int) []string { return lines[:i] }},
}

// damagedLines is how many lines of each log are damaged in each way. Each way
// has other ones.
const damagedLines = 3

// However a line of a log is damaged: what is left is imported, and what comes
// out otherwise than it went in is told.
func TestDamagedTextIsTold(t *testing.T) {
	for _, f := range textForms() {
		t.Run(f.name, func(t *testing.T) {
			t.Parallel()
			tape, _ := f.sessionFor(t)
			lines := f.write(t, tape)
			_, whole := importBytes(t, text(lines...))
			want := withoutKeepaliveLines(crossings(whole...))
			step := max(1, len(lines)/damagedLines)
			for n, d := range damages {
				t.Run(d.name, func(t *testing.T) {
					for i := n * step / len(damages); i < len(lines); i += step {
						isToldOrSame(t, f.name, d.name, d.damage(slices.Clone(lines), i), want)
						if t.Failed() {
							t.Fatalf("line %d of %d: %.200s", i+1, len(lines), lines[i])
						}
					}
				})
			}
		})
	}
}

// isToldOrSame imports a damaged log: either all crossings come out of it, or
// that not all do is told.
func isToldOrSame(t *testing.T, form, damage string, lines, want []string) {
	t.Helper()
	result, got, err := tryImport(t, text(lines...))
	if errors.Is(err, ErrNothing) || errors.Is(err, ErrUnknown) {
		return
	}
	if err != nil {
		t.Fatal(err)
	}
	now := withoutKeepaliveLines(crossings(got...))
	switch {
	case slices.Equal(now, want) || isTold(result, got):
	case damage == "swapped" || form == "Windows, verbose" && (damage == "dropped" || damage == "doubled"): // nothing shows it
	case damage == "the last" && len(now) < len(want) && slices.Equal(now, want[:len(now)]): // it may have ended there
	default:
		sameLines(t, damage, now, want)
	}
}

// tryImport imports what may have nothing in it.
func tryImport(t testing.TB, data []byte) (Result, []*transcript.Tape, error) {
	t.Helper()
	var m tapes
	result, err := Import(bytes.NewReader(data), "capture", m.open)
	return result, m.load(t), err
}

// Damage in the middle of a packet capture costs what it hits and no more, and
// is told.
func TestDamagedPacketsAreTold(t *testing.T) {
	session := hidSession(t)
	packets := packetsOf(usbEvents(session, 1, 2, 0x81, 1), linkUSBLinuxMapped, binary.LittleEndian)
	want := crossings(session)
	for name, file := range map[string][]byte{
		"pcap":   pcapFile(packets, linkUSBLinuxMapped, 65535, binary.LittleEndian, false),
		"pcapng": pcapngFile(t, packets, linkUSBLinuxMapped),
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			for at := 300; at < len(file)-40; at += 61 {
				for kind, damaged := range map[string][]byte{
					"zeroed":   slices.Concat(file[:at], make([]byte, 40), file[at+40:]),
					"missing":  slices.Concat(file[:at], file[at+40:]),
					"inserted": slices.Concat(file[:at], bytes.Repeat([]byte{0xa5}, 41), file[at:]),
					"cut":      file[:at],
				} {
					result, got, err := tryImport(t, damaged)
					if err != nil {
						t.Fatalf("%s at %d: %v", kind, at, err)
					}
					now := crossings(got...)
					if kind != "cut" && len(now) < len(want)-4 {
						t.Fatalf("%s at %d: %d of %d crossings are left\n%s", kind, at, len(now), len(want), remarks(result))
					}
					if !isTold(result, got) && kind != "zeroed" && kind != "cut" && !slices.Equal(now, want) {
						t.Errorf("%s at %d", kind, at)
						sameLines(t, fmt.Sprint(kind, at), now, want)
					}
				}
			}
		})
	}
}
