package capture

import (
	"bytes"
	"compress/gzip"
	"encoding/binary"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/touchstone-fido/touchstone/ctaphid"
	"github.com/touchstone-fido/touchstone/devices/transcript"
)

// opening are the lines of python-fido2 for a key that is opened: what it says
// of itself, and the channel that it gives, are those of a number.
func opening(n uint32) []string {
	nonce := binary.BigEndian.AppendUint64(nil, uint64(n)+1)
	answer := binary.BigEndian.AppendUint32(bytes.Clone(nonce), 0x01000000+n)
	answer = append(answer, 2, byte(n>>16), byte(n>>8), byte(n), byte(ctaphid.CapabilityCBOR))
	return []string{
		fmt.Sprintf("SEND: ffffffff860008%x", nonce),
		fmt.Sprintf("RECV: ffffffff860011%x%s", answer, strings.Repeat("00", ctaphid.ReportSize-7-len(answer))),
	}
}

// However many keys a log has, there are no more tapes than a desk has keys, and
// the rest is left out in one line.
func TestTooManyKeysInALog(t *testing.T) {
	var lines []string
	for n := range uint32(3 * maxSessions) {
		lines = append(lines, opening(n)...)
	}
	result, got := importBytes(t, text(lines...))
	if len(got) != maxTapes {
		t.Errorf("%d tapes", len(got))
	}
	for i, tape := range got {
		if len(tape.Records) != 2 {
			t.Errorf("tape %d has %d records", i+1, len(tape.Records))
		}
	}
	if want := []LeftOut{{"a key", "the capture has more than 64 keys"}}; fmt.Sprint(result.LeftOut) != fmt.Sprint(want) {
		t.Errorf("left out: %v", result.LeftOut)
	}
}

// What the keys of a log are is kept in memory that has a bound.
func TestSessionsAreForgotten(t *testing.T) {
	c := newCollector("log", (&tapes{}).open)
	s := newSessions(c, Device{Transport: transcript.HID})
	for n := range uint32(3 * maxSessions) {
		for i, line := range opening(n) {
			_, digits, _ := strings.Cut(line, ": ")
			data, _, _ := hexRun([]byte(digits))
			s.report("", transcript.Record{Level: transcript.Report, Dir: []transcript.Direction{out, in}[i], Data: data})
		}
	}
	for name, n := range map[string]int{"sessions": len(s.known), "nonces": len(s.nonces), "channels": len(s.ids)} {
		if n > maxSessions {
			t.Errorf("%d %s are remembered", n, name)
		}
	}
	if len(s.devices) > maxTapes+1 || len(s.limbo) > maxLimbo {
		t.Errorf("%d devices, %d in doubt", len(s.devices), len(s.limbo))
	}
}

// Remarks beyond the first thousand are counted.
func TestRemarksHaveABound(t *testing.T) {
	lines := opening(1)
	for range maxRemarks + 200 {
		lines = append(lines, "SEND: 0100000190000104")
	}
	result, _ := importBytes(t, text(lines...))
	if len(result.Remarks) != maxRemarks || result.MoreRemarks != 200 {
		t.Errorf("%d remarks and %d more", len(result.Remarks), result.MoreRemarks)
	}
}

// So is what is left out beyond the first hundred.
func TestLeftOutHasABound(t *testing.T) {
	var source bytes.Buffer
	fmt.Fprintf(&source, "#define WIREDATA_INIT 0xff, 0xff, 0xff, 0xff, 0x86, 0x00, 0x11%s\n", strings.Repeat(", 0x01", 57))
	for n := range maxLeftOut + 20 {
		fmt.Fprintf(&source, "static const uint8_t x%d[] = { 0x01, 0x02, 0x03, 0x04 };\n", n)
	}
	result, _ := importBytes(t, source.Bytes())
	if len(result.LeftOut) != maxLeftOut || result.MoreLeftOut != 20 {
		t.Errorf("%d left out and %d more", len(result.LeftOut), result.MoreLeftOut)
	}
}

// A log that is too long to be turned round is taken as it is, which is told if
// the newest is first.
func TestLongLogIsNotTurnedRound(t *testing.T) {
	for newestFirst, direction := range map[bool]time.Duration{false: time.Second, true: -time.Second} {
		var m tapes
		c := newCollector("log", m.open)
		log := ordered{c: c, tape: c.newTape(Device{Transport: transcript.HID, ReportSize: ctaphid.ReportSize})}
		for n := range maxOrdered + 100 {
			c.time = moment{captureBegan.Add(time.Duration(n) * direction), true, true}
			log.add(transcript.Record{Level: transcript.Message, Dir: in, Command: byte(ctaphid.CommandCBOR), Data: []byte{1}})
		}
		if len(log.held) > 0 {
			t.Errorf("newest first %v: %d messages are held", newestFirst, len(log.held))
		}
		log.finish()
		if told := strings.Contains(remarks(c.result), "too long to be turned round"); told != newestFirst {
			t.Errorf("newest first %v: remarks:\n%.500s", newestFirst, remarks(c.result))
		}
		if got := m.load(t); len(got[0].Records) != maxOrdered+100 {
			t.Errorf("newest first %v: %d messages", newestFirst, len(got[0].Records))
		}
	}
}

// An event of a Windows log has so many values, and each so many bytes.
func TestWindowsEventHasABound(t *testing.T) {
	lines := []string{"Microsoft-Windows-WebAuthN", "Event ID: 2225"}
	for n := range 3 * maxFields {
		lines = append(lines, fmt.Sprintf("Name%d: 1", n))
	}
	e := winText{winEvent: winEvent{fields: map[string]string{}}}
	for _, line := range lines {
		if m := winField().FindSubmatch([]byte(line)); m != nil {
			e.put(string(m[1]), m[2])
		}
	}
	e.put("Name1", []byte("00"))
	for range maxEvent {
		e.goOn([]byte(" 0011 "))
	}
	e.close()
	if len(e.fields) != maxFields || len(e.fields["Name1"]) > maxEvent+4 || len(e.fields["Name1"]) < maxEvent {
		t.Errorf("%d values, one of %d bytes", len(e.fields), len(e.fields["Name1"]))
	}
}

// A packed log that breaks off has what can be had.
func TestPackedLogBreaksOff(t *testing.T) {
	lines, _ := written(t, "ykman 5")
	var packed bytes.Buffer
	w := gzip.NewWriter(&packed)
	if _, err := w.Write(text(lines...)); err != nil {
		t.Fatal(err)
	}
	if err := w.Flush(); err != nil {
		t.Fatal(err)
	}
	result, got := importBytes(t, packed.Bytes())
	if len(got) != 1 || !strings.Contains(remarks(result), "the compressed file breaks off after this line") {
		t.Errorf("%d tapes, remarks:\n%s", len(got), remarks(result))
	}
}

// What a tape says of its client is passed on, and of its secrets only that they
// are not.
func TestSecretsOfATape(t *testing.T) {
	session := cardSession(t)
	for header, want := range map[string]struct{ client, told string }{
		`{"transport":"pcsc","client":"python-fido2 0.9.1"}`:                             {"python-fido2 0.9.1", ""},
		`{"transport":"pcsc","client":"python-fido2 0.9.1","pin":"73946258"}`:            {"python-fido2 0.9.1", "line 1: the PIN in the header is left out"},
		`{"touchstone":1,"transport":"nfc","tool":"touchstone v1","seed":"73946258"}`:    {"touchstone v1", "line 1: the seed in the header, which reveals the PIN, is left out"},
		`{"touchstone":1,"transport":"nfc","tool":"touchstone import","client":"ykman"}`: {"ykman", ""},
	} {
		_, records, _ := bytes.Cut(tapeFile(t, session), []byte("\n"))
		file := append([]byte(header+"\n"), records...)
		result, got := importBytes(t, file)
		sameLines(t, header, crossings(got...), crossings(session))
		if said := remarks(result); got[0].Header.Client != want.client || want.told == "" && said != "" || !strings.HasPrefix(said, want.told) {
			t.Errorf("%s: client %q, remarks:\n%s", header, got[0].Header.Client, said)
		}
		if again := tapeFile(t, got[0]); bytes.Contains(again, []byte("73946258")) {
			t.Errorf("%s: the tape is\n%s", header, again)
		}
	}
}

// Lines before the first of a tape are left out and told.
func TestJunkBeforeATape(t *testing.T) {
	session := named(cardSession(t))
	result, got := importBytes(t, append([]byte("$ cat tape.jsonl\n{\"level\": \"info\"}\n"), tapeFile(t, session)...))
	sameLines(t, "tape", crossings(got...), crossings(session))
	want := "line 1: the line is no part of a tape and is left out\nline 2: the line is no part of a tape and is left out"
	if remarks(result) != want {
		t.Errorf("remarks:\n%s", remarks(result))
	}
}
