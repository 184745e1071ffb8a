package capture

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/touchstone-fido/touchstone/devices/transcript"
)

// formNamed is one of the text forms.
func formNamed(t testing.TB, name string) textForm {
	t.Helper()
	for _, f := range textForms() {
		if f.name == name {
			return f
		}
	}
	t.Fatalf("no form is named %s", name)
	return textForm{}
}

// written is a session as another program logs it, and what should come of it.
func written(t testing.TB, name string) (lines, want []string) {
	t.Helper()
	f := formNamed(t, name)
	tape, want := f.sessionFor(t)
	return f.write(t, tape), want
}

func text(lines ...string) []byte { return []byte(strings.Join(lines, "\n") + "\n") }

// A log may be wrapped in another encoding, begin late, and have colours and
// ends of lines of other systems.
func TestTextIsFoundInItsWrapping(t *testing.T) {
	for _, name := range []string{"libfido2 1.8", "ykman 5", "pcscd", "Chromium, new", "Windows as text", "Windows as XML"} {
		t.Run(name, func(t *testing.T) {
			lines, want := written(t, name)
			coloured := slices.Clone(lines)
			for i := range coloured {
				coloured[i] = "\x1b[1;32m" + coloured[i] + "\x1b[0m"
			}
			noise := strings.Repeat("2026-11-26 06:20:57 INFO some other program: has something to say\n", 2*window/64)
			for how, file := range map[string][]byte{
				"UTF-16":         utf16Bytes(string(text(lines...))),
				"a mark":         append([]byte("\xef\xbb\xbf"), text(lines...)...),
				"carriage":       []byte(strings.Join(lines, "\r\n") + "\r\n"),
				"no last end":    []byte(strings.Join(lines, "\n")),
				"colours":        text(coloured...),
				"a late start":   append([]byte(noise), text(lines...)...),
				"a noisy end":    append(text(lines...), noise...),
				"an endless one": slices.Concat([]byte(strings.Repeat("x", 3*maxLine)), []byte("\n"), text(lines...)),
			} {
				_, got := importBytes(t, file)
				sameLines(t, how, crossings(got...), want)
			}
		})
	}
}

// A line that is too long is left out and told.
func TestLongLinesAreLeftOut(t *testing.T) {
	lines, want := written(t, "python-fido2")
	lines = slices.Insert(lines, 4, "DEBUG:fido2.hid:RECV: "+strings.Repeat("00", maxLine))
	result, got := importBytes(t, text(lines...))
	sameLines(t, "tape", crossings(got...), want)
	if !strings.Contains(remarks(result), "line 5: the line is longer than") {
		t.Errorf("remarks:\n%s", remarks(result))
	}
}

// What is no capture is not taken for one, and what to do about it is said.
func TestUnknownFiles(t *testing.T) {
	for name, c := range map[string]struct {
		file string
		want error
		says string
	}{
		"nothing":      {"", ErrUnknown, ""},
		"prose":        {"There was nothing to see: 12 34 56 78.\n", ErrUnknown, ""},
		"an event log": {"ElfFile\x00\x00\x00\x00\x00\x00\x00", ErrUnknown, "save it as XML"},
		"an archive":   {"PK\x03\x04\x00\x00\x00\x00\x00\x00\x00\x00", ErrUnknown, "unpack it first"},
		"a pcap":       {string(pcapFile(nil, linkUSBLinux, 0, testOrder, false)), ErrNothing, "pcap capture"},
		"other cards":  {"SEND: 00a4040005a000000308\nRECV: 6a82\nSEND: 00cb3fff055c035fc102\nRECV: 6a82\n", ErrNothing, "for a000000308"},
	} {
		_, _, err := tryImport(t, []byte(c.file))
		if !errors.Is(err, c.want) || !strings.Contains(err.Error(), c.says) {
			t.Errorf("%s: %v", name, err)
		}
	}
}

// Detect says how sure it is, the likeliest form first.
func TestDetect(t *testing.T) {
	for _, f := range textForms() {
		tape, _ := f.sessionFor(t)
		guesses := Detect(text(f.write(t, tape)...))
		if len(guesses) == 0 || guesses[0].Form != f.form || guesses[0].Evidence < 10 {
			t.Errorf("%s: %v", f.name, guesses)
		}
	}
	if guesses := Detect([]byte("nothing of the kind\n")); guesses != nil {
		t.Errorf("%v", guesses)
	}
}

// The pages of browsers and of Windows show the newest first.
func TestNewestFirstIsTurnedRound(t *testing.T) {
	for _, name := range []string{"Chromium, old", "Chromium, new"} {
		lines, want := written(t, name)
		slices.Reverse(lines)
		result, got := importBytes(t, text(lines...))
		sameLines(t, name, crossings(got...), want)
		if !strings.Contains(remarks(result), "the newest first") {
			t.Errorf("remarks:\n%s", remarks(result))
		}
	}
	lines, want := written(t, "Windows as text")
	var events [][]string
	for len(lines) > 0 {
		next := slices.Index(lines[1:], lines[0]) + 1
		if next == 0 {
			next = len(lines)
		}
		events = append(events, lines[:next])
		lines = lines[next:]
	}
	slices.Reverse(events)
	_, got := importBytes(t, text(slices.Concat(events...)...))
	sameLines(t, "Windows as text", crossings(got...), want)
}

// A value of a Windows event is read to its end wherever it is broken into lines,
// in hex and in base64; where it is neither, that is told.
func TestWindowsValues(t *testing.T) {
	response := "00a1014a30313233343536aabbcc"
	const event = `<Event><Provider Name="Microsoft-Windows-WebAuthN"/><EventID>2225</EventID><Data Name="Request">04</Data><Data Name="Response">%s</Data></Event>`
	want := []string{"out msg 10 04", "in msg 10 " + response}
	for name, value := range map[string]string{"hex": response, "base64": "AKEBSjAxMjM0NTaqu8w="} {
		for i := range value {
			result, got := importBytes(t, fmt.Appendf(nil, event, value[:i]+"\r\n  "+value[i:]))
			sameLines(t, fmt.Sprintf("%s broken at %d", name, i), crossings(got...), want)
			if len(result.Remarks) > 0 {
				t.Errorf("%s broken at %d:\n%s", name, i, remarks(result))
			}
		}
	}
	for _, value := range []string{response + "!", response + "0", response + "..."} {
		result, got := importBytes(t, fmt.Appendf(nil, event, value))
		sameLines(t, value, crossings(got...), want)
		if !strings.Contains(remarks(result), "the event's response is neither hex nor base64 behind 14 bytes") {
			t.Errorf("%s:\n%s", value, remarks(result))
		}
	}
}

// A log that the key wrote, or a program in its place, has the directions the
// other way round.
func TestKeysOwnLogIsTurnedRound(t *testing.T) {
	session := hidSession(t)
	lines := reportLog("USB recv: ", "USB send: ")(t, session)
	result, got := importBytes(t, text(lines...))
	sameLines(t, "tape", crossings(got...), crossings(session))
	if !strings.Contains(remarks(result), "the log is the key's") {
		t.Errorf("remarks:\n%s", remarks(result))
	}
}

// The APDUs of other applets are left out, and told.
func TestOtherAppletsAreLeftOut(t *testing.T) {
	session := cardSession(t)
	piv := []string{"SEND: 00a4040005a000000308", "RECV: 61114f0600001000010079074f05a000000308 SW=9000", "SEND: 00cb3fff055c035fc102", "RECV:  SW=6A82"}
	lines := slices.Concat(piv, pythonCard("", " SW=%02X%02X")(t, session), piv)
	result, got := importBytes(t, text(lines...))
	sameLines(t, "tape", crossings(got...), crossings(session))
	if all := fmt.Sprint(result.LeftOut); !strings.Contains(all, "10 APDUs: not for the FIDO applet but for a000000308") {
		t.Errorf("left out: %s", all)
	}
}

// python-fido2 0.9 and before print the status word shifted by a slip.
func TestShiftedStatusWords(t *testing.T) {
	session := cardSession(t)
	var lines []string
	for _, rec := range session.Records {
		if n := len(rec.Data) - 2; rec.Dir == in {
			lines = append(lines, fmt.Sprintf("DEBUG:fido2.pcsc:RECV: b'%x' SW=%s", rec.Data[:n], shiftedWord(rec.Data[n], rec.Data[n+1])))
		} else {
			lines = append(lines, fmt.Sprintf("DEBUG:fido2.pcsc:SEND: b'%x'", rec.Data))
		}
	}
	_, got := importBytes(t, text(lines...))
	sameLines(t, "tape", crossings(got...), crossings(session))
}

// Two programs that write to one log, each with the number of its process, and
// two keys that say different things of themselves, each get what is theirs.
func TestTwoKeysInOneLog(t *testing.T) {
	session := hidSession(t)
	want := rebuiltRequests(t, session)
	other := otherKey(session)
	one := libfido2Writer{prefix: "Nov 26 06:20:57 host fido2-token[123]: "}.write(t, session)
	two := libfido2Writer{prefix: "Nov 26 06:20:57 host ssh-sk-helper[124]: ", handle: "0x7f0011223344"}.write(t, other)
	_, got := importBytes(t, text(alternating(one, two)...))
	if len(got) != 2 {
		t.Fatalf("%d tapes", len(got))
	}
	sameLines(t, "first", crossings(got[0]), want)
	sameLines(t, "second", crossings(got[1]), rebuiltRequests(t, other))
}

// The same key that is opened again and again is one key.
func TestOneKeyOpenedAgain(t *testing.T) {
	session := hidSession(t)
	again := withChannel(session, 0x0a0b0c0d)
	lines := slices.Concat(libfido2Writer{}.write(t, session), libfido2Writer{handle: "0x7f0011223344"}.write(t, again))
	_, got := importBytes(t, text(lines...))
	if len(got) != 1 {
		t.Fatalf("%d tapes", len(got))
	}
	sameLines(t, "tape", crossings(got...), slices.Concat(rebuiltRequests(t, session), rebuiltRequests(t, again)))
}

// Rows of two programs without numbers, line by line in turn, are kept apart by
// their offsets as far as that goes; what is not is told.
func TestInterleavedWithoutNumbers(t *testing.T) {
	session := hidSession(t)
	lines := alternating(libfido2Writer{}.write(t, session), libfido2Writer{handle: "0x7f0011223344"}.write(t, otherKey(session)))
	result, got, err := tryImport(t, text(lines...))
	if err != nil || !isTold(result, got) {
		t.Errorf("%v, remarks:\n%s", err, remarks(result))
	}
}

// The times of a log are those of its tape.
func TestTimes(t *testing.T) {
	for name, c := range map[string]struct {
		lines []string
		want  time.Duration
		began string
	}{
		"ykman 5, without zeros": {[]string{
			"TRAFFIC 21:44:29.98 [fido2.hid._do_call:191] SEND: 0102030490000104",
			"TRAFFIC 21:44:30.7 [fido2.hid._do_call:191] RECV: 010203049000012e" + strings.Repeat("00", 56),
		}, 909 * time.Millisecond, ""},
		"midnight": {[]string{
			"TRAFFIC 23:59:59.900 [fido2.hid._do_call:191] SEND: 0102030490000104",
			"TRAFFIC 00:00:00.100 [fido2.hid._do_call:191] RECV: 010203049000012e" + strings.Repeat("00", 56),
		}, 200 * time.Millisecond, ""},
		"a date and a zone": {[]string{
			"2026-11-26T06:20:57+0100 DEBUG [fido2.hid.call:156] SEND: 0102030490000104",
			"2026-11-26T06:20:59+0100 DEBUG [fido2.hid.call:156] RECV: 010203049000012e" + strings.Repeat("00", 56),
		}, 2 * time.Second, "2026-11-26T05:20:57Z"},
		"pcscd": {[]string{
			"00000002 APDU: 00 A4 04 00 08 A0 00 00 06 47 2F 00 01 00 ",
			"00001500 SW: 55 32 46 5F 56 32 90 00 ",
		}, 1500 * time.Microsecond, ""},
	} {
		_, got := importBytes(t, text(c.lines...))
		records := got[0].Records
		if wait := records[1].Time - records[0].Time; wait != c.want {
			t.Errorf("%s: %v", name, wait)
		}
		began := ""
		if at := got[0].Header.Recorded; !at.IsZero() {
			began = at.UTC().Format(time.RFC3339)
		}
		if began != c.began {
			t.Errorf("%s: recorded %q", name, began)
		}
	}
}

// Excerpts have marks where something was left out.
func TestExcerptsHaveGaps(t *testing.T) {
	for _, name := range []string{"libfido2 1.8", "python-fido2", "pcscd", "Chromium, new"} {
		lines, _ := written(t, name)
		lines = slices.Insert(lines, len(lines)/2, "[...]")
		_, got := importBytes(t, text(lines...))
		gaps := 0
		for _, rec := range got[0].Records {
			if rec.Level == transcript.Gap {
				gaps++
			}
		}
		if gaps != 1 {
			t.Errorf("%s: %d gaps", name, gaps)
		}
	}
}

// More keys than a desk has are left out.
func TestTooManyKeys(t *testing.T) {
	session := withoutKeepalives(t, hidSession(t))
	session.Records = session.Records[:2]
	var events []usbEvent
	for dev := range maxTapes + 2 {
		events = append(events, usbEvents(session, 1, dev+1, 0x81, 1)...)
	}
	result, got := importBytes(t, pcapFile(packetsOf(events, linkUSBLinux, testOrder), linkUSBLinux, 0, testOrder, false))
	if len(got) != maxTapes || len(result.LeftOut) != 2 {
		t.Errorf("%d tapes, left out: %v", len(got), result.LeftOut)
	}
}

// A tape that cannot be written ends the import.
func TestTapeCannotBeWritten(t *testing.T) {
	lines, _ := written(t, "python-fido2")
	full := errors.New("no space left")
	for name, open := range map[string]Opener{
		"opened":  func(int, Device) (io.WriteCloser, string, error) { return nil, "", full },
		"written": func(int, Device) (io.WriteCloser, string, error) { return broken{write: full}, "tape", nil },
		"closed":  func(int, Device) (io.WriteCloser, string, error) { return broken{close: full}, "tape", nil },
	} {
		if _, err := Import(bytes.NewReader(text(lines...)), "capture", open); !errors.Is(err, full) {
			t.Errorf("%s: %v", name, err)
		}
	}
}

// A capture that cannot be read further is an error, with what came before.
func TestCaptureCannotBeRead(t *testing.T) {
	session := hidSession(t)
	bad := errors.New("input/output error")
	for name, file := range map[string][]byte{
		"text": text(pythonHID("", false)(t, session)...),
		"pcap": pcapFile(packetsOf(usbEvents(session, 1, 2, 0x81, 1), linkUSBLinux, testOrder), linkUSBLinux, 0, testOrder, false),
	} {
		var m tapes
		long := bytes.Repeat(file, 1)
		_, err := Import(io.MultiReader(bytes.NewReader(long), failing{bad}), "capture", m.open)
		if !errors.Is(err, bad) {
			t.Errorf("%s: %v", name, err)
		}
	}
}
