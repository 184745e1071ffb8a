package capture

import (
	"bufio"
	"bytes"
	"encoding/base64"
	"errors"
	"html"
	"io"
	"regexp"
	"strconv"
	"strings"
	"time"

	"github.com/touchstone-fido/touchstone/ctap2"
	"github.com/touchstone-fido/touchstone/ctap2/wire"
	"github.com/touchstone-fido/touchstone/ctaphid"
	"github.com/touchstone-fido/touchstone/devices/transcript"
)

// windows reads events of the channel Microsoft-Windows-WebAuthN/Operational,
// as XML or as the text that the Event Viewer and Get-WinEvent show. The events
// tell of the same message on up to three levels; the lowest one that is there
// is taken.
type windows struct {
	c    *collector
	log  ordered
	from eventLevel
}

// eventLevel is on which level an event tells of messages.
type eventLevel byte

const (
	eventNone  eventLevel = iota
	eventAPI              // what the WebAuthn API encodes and decodes: CBOR alone
	eventCTAP             // what the CTAP service is asked and answers
	eventFrame            // what crosses CTAPHID, of the verbose level
)

// eventLevels are the events that have messages.
var eventLevels = map[int]eventLevel{
	1101: eventAPI, 1102: eventAPI, 1103: eventAPI, 1104: eventAPI,
	2100: eventCTAP, 2102: eventCTAP,
	2215: eventFrame, 2225: eventFrame,
}

// winEvent is one event.
type winEvent struct {
	id     int
	time   moment
	fields map[string]string
}

const (
	maxEvent  = 1 << 20
	maxIDLine = 64 // a line with an event's number is short
	maxFields = 64 // of an event
)

func windowsEvidence(line []byte) (Form, int) {
	switch {
	case bytes.Contains(line, []byte("Microsoft-Windows-WebAuthN")):
		return WindowsEvents, 12
	case len(line) < maxIDLine:
		if m := winTextID().FindSubmatch(line); m != nil && eventLevels[number(m[1])] != eventNone {
			return WindowsEvents, 8
		}
	}
	return WindowsEvents, 0
}

func readWindows(c *collector, in *bufio.Reader, skipped position) error {
	w := &windows{c: c, log: ordered{c: c, tape: c.newTape(Device{Transport: transcript.HID, ReportSize: ctaphid.ReportSize})}}
	head, _ := in.Peek(window)
	w.survey(uncoloured(bytes.Clone(head)))
	var err error
	if bytes.Contains(head, []byte("<Event ")) || bytes.Contains(head, []byte("<Event>")) {
		err = w.readXML(in)
	} else {
		lines := newLines(c, in, skipped)
		w.readText(lines)
		err = lines.err
	}
	w.log.finish()
	return err
}

// survey finds out on which level the log has messages.
func (w *windows) survey(head []byte) {
	for _, id := range []*regexp.Regexp{winXMLID(), winTextID()} {
		for _, m := range id.FindAllSubmatch(head, -1) {
			w.from = max(w.from, eventLevels[number(m[1])])
		}
	}
}

var (
	winXMLID      = pattern(`<EventID[^>]*>\s*(\d+)\s*</EventID>`)
	winEventBegin = pattern(`<Event[ >]`)
	winXMLTime    = pattern(`SystemTime=['"]([^'"]+)['"]`)
	winXMLData    = pattern(`<Data Name=['"]([^'"]+)['"]\s*>([^<]*)</Data>`)
	winTextID     = pattern(`(?im)^[ \t]*(?:Event ?ID|Id)[ \t]*[:=][ \t]*(\d+)\s*$`)
	winField      = pattern(`^\s*([A-Za-z]\w{0,40})\s*[:=]\s*(\S.*?)\s*$`)
)

// readXML reads events in XML, which may all stand in one line.
func (w *windows) readXML(in *bufio.Reader) error {
	scanner := bufio.NewScanner(in)
	scanner.Buffer(make([]byte, 0, 64<<10), maxEvent)
	scanner.Split(splitEvents)
	var at int64
	for scanner.Scan() && w.c.failed == nil {
		text := scanner.Bytes()
		w.c.place = Place{Offset: at}
		at += int64(len(text))
		if winEventBegin().Match(text) && !bytes.HasSuffix(text, []byte("</Event>")) {
			w.c.remark("the event breaks off")
		}
		id := winXMLID().FindSubmatch(text)
		if id == nil {
			continue
		}
		e := winEvent{id: number(id[1]), fields: map[string]string{}}
		if m := winXMLTime().FindSubmatch(text); m != nil {
			if t, err := time.Parse(time.RFC3339Nano, string(m[1])); err == nil {
				e.time = moment{t, true, true}
			}
		}
		for _, m := range winXMLData().FindAllSubmatch(text, maxFields) {
			e.fields[string(m[1])] = html.UnescapeString(string(m[2]))
		}
		w.event(e)
	}
	if err := scanner.Err(); err != nil && !errors.Is(err, bufio.ErrTooLong) {
		return err
	} else if err != nil {
		w.c.remarkAt(Place{Offset: at}, "an event is longer than %d bytes; the rest is left out", maxEvent)
	}
	return nil
}

// splitEvents splits after each event, and before one that begins in another,
// which then breaks off.
func splitEvents(data []byte, atEOF bool) (int, []byte, error) {
	const end = "</Event>"
	i, next := bytes.Index(data, []byte(end)), nextEvent(data)
	if i >= 0 && (next < 0 || i < next) {
		return i + len(end), data[:i+len(end)], nil
	}
	if next >= 0 {
		return next, data[:next], nil
	}
	if atEOF && len(data) > 0 {
		return len(data), data, nil
	}
	if atEOF {
		return 0, nil, io.EOF
	}
	return 0, nil, nil
}

// nextEvent is where an event begins inside another, -1 if none does.
func nextEvent(data []byte) int {
	first := winEventBegin().FindIndex(data)
	if first == nil {
		return -1
	}
	next := winEventBegin().FindIndex(data[first[1]:])
	if next == nil {
		return -1
	}
	return first[1] + next[0]
}

// readText reads events as text: an "Event ID" or "Id" begins one, or what
// stands before it in the list does; names and values follow.
func (w *windows) readText(lines *lines) {
	var clock clock
	e := winText{winEvent: winEvent{fields: map[string]string{}}}
	begin := func(id int, at moment) {
		e.close()
		w.event(e.winEvent)
		e = winText{winEvent: winEvent{id: id, time: at, fields: map[string]string{}}}
	}
	for lines.next() {
		text := lines.text
		if m := winTextID().FindSubmatch(text[:min(len(text), maxIDLine)]); m != nil {
			begin(number(m[1]), e.time)
			continue
		}
		m := winField().FindSubmatch(text)
		if m == nil {
			e.goOn(text)
			continue
		}
		if at := clock.read(m[2]); at.known && (string(m[1]) == "Date" || string(m[1]) == "TimeCreated") {
			begin(0, at)
			continue
		}
		e.put(string(m[1]), m[2])
	}
	begin(0, moment{})
}

// winText is an event of which lines are being read.
type winText struct {
	winEvent
	open  string // the name of a value that goes on in the next line
	value []byte // and what there is of it
}

// put begins a value.
func (e *winText) put(name string, value []byte) {
	e.close()
	if _, ok := e.fields[name]; ok || len(e.fields) < maxFields {
		e.open, e.value = name, append(e.value[:0], value...)
	}
}

// goOn takes a line without a name: a value in hex may go on in it.
func (e *winText) goOn(text []byte) {
	if e.open == "" || !isHexLine(text) || len(e.value) >= maxEvent {
		e.close()
		return
	}
	e.value = append(e.value, bytes.TrimSpace(text)...)
}

// close ends a value.
func (e *winText) close() {
	if e.open != "" {
		e.fields[e.open] = string(e.value)
	}
	e.open = ""
}

func isHexLine(text []byte) bool {
	text = bytes.TrimSpace(text)
	return len(text) > 0 && digits(text) == len(text)
}

// event takes what an event tells of messages.
func (w *windows) event(e winEvent) {
	if eventLevels[e.id] != w.from || w.from == eventNone {
		return
	}
	if e.time.known {
		w.c.time = e.time
	}
	if request, ok := w.bytes(e, "Request"); ok {
		w.put(out, e, w.command(e, "RequestCommand"), w.request(e, request))
	}
	if response, ok := w.bytes(e, "Response"); ok {
		w.put(in, e, w.command(e, "ResponseCommand"), w.response(e, response))
	}
}

// bytes are the value of a field in hex or base64, which may be broken into
// lines. What is neither, and fewer bytes than the event says there should be,
// are told of.
func (w *windows) bytes(e winEvent, name string) ([]byte, bool) {
	text := bytes.Join(bytes.Fields([]byte(e.fields[name])), nil)
	if len(text) == 0 {
		return nil, false
	}
	data, rest, cut := hexRun(text)
	if len(rest) > 0 && !cut {
		if data, ok := wholeBase64(text); ok {
			return data, true
		}
	}
	if cut || len(rest) > 0 {
		w.c.remark("the event's %s is neither hex nor base64 behind %d bytes", strings.ToLower(name), len(data))
	}
	if want, err := strconv.Atoi(e.fields[name+"Length"]); err == nil && want > len(data) {
		w.c.remark("only %d of the %d bytes of the event are there", len(data), want)
	}
	return data, len(data) > 0
}

// wholeBase64 reads text that is base64 from beginning to end: a part of it that
// could be read as such is not what the text says.
func wholeBase64(text []byte) ([]byte, bool) {
	text = bytes.TrimRight(text, "=")
	data, ok := base64Run(text)
	return data, ok && base64.RawStdEncoding.EncodedLen(len(data)) == len(text)
}

// command is the CTAPHID command that an event names, CBOR where it names none.
func (w *windows) command(e winEvent, name string) byte {
	n, err := strconv.ParseUint(e.fields[name], 0, 8)
	if err != nil {
		return byte(ctaphid.CommandCBOR)
	}
	return byte(n) &^ 0x80
}

func (w *windows) put(dir transcript.Direction, e winEvent, command byte, data winMessage) {
	if len(data.bytes) == 0 {
		return
	}
	rec := transcript.Record{Level: transcript.Message, Dir: dir, Command: command, Data: data.bytes, Rebuilt: data.rebuilt}
	if want, err := strconv.Atoi(e.fields[map[transcript.Direction]string{out: "RequestLength", in: "ResponseLength"}[dir]]); err == nil && data.whole && want > len(data.bytes) {
		rec.Partial, rec.Length = true, want
	}
	w.log.add(rec)
}

// winMessage is a message as an event has it.
type winMessage struct {
	bytes   []byte
	rebuilt bool // something was put before it
	whole   bool // it is all of the event's bytes
}

// apiCommands are the commands whose CBOR the API's events have.
var apiCommands = map[int]ctap2.Command{1101: ctap2.CommandMakeCredential, 1103: ctap2.CommandGetAssertion}

// request is a request without what Windows puts around it.
func (w *windows) request(e winEvent, data []byte) winMessage {
	var around struct {
		Request []byte `cbor:"request"`
	}
	switch {
	case eventLevels[e.id] == eventFrame, isCTAPCommand(data[0]):
		return winMessage{bytes: data, whole: true}
	case wire.Decode(data, &around) == nil && len(around.Request) > 0:
		return winMessage{bytes: around.Request}
	case apiCommands[e.id] != 0 && data[0]>>5 == 5:
		return winMessage{bytes: append([]byte{byte(apiCommands[e.id])}, data...), rebuilt: true}
	}
	w.c.remark("the request of event %d has a form that is not known", e.id)
	return winMessage{}
}

// winAnswer is what Windows puts around an answer: the device, and the CTAP2
// message with its status.
type winAnswer struct {
	DeviceInfo struct {
		ProviderName string `cbor:"providerName"`
		DevicePath   string `cbor:"devicePath"`
		Manufacturer string `cbor:"manufacturer"`
		Product      string `cbor:"product"`
	} `cbor:"deviceInfo"`
	Response []byte `cbor:"response"`
}

// response is an answer without what Windows puts around it.
func (w *windows) response(e winEvent, data []byte) winMessage {
	var one winAnswer
	var many []winAnswer
	switch {
	case eventLevels[e.id] == eventFrame:
		return winMessage{bytes: data, whole: true}
	case wire.Decode(data, &many) == nil && len(many) > 0:
		if len(many) > 1 {
			w.c.remark("the event has the answers of %d devices; only the first is taken", len(many))
		}
		one = many[0]
	case data[0]>>5 == 5 && wire.Decode(data, &one) == nil && len(one.Response) > 0:
	case data[0]>>5 == 5:
		return winMessage{bytes: append([]byte{byte(ctap2.StatusOK)}, data...), rebuilt: true}
	default:
		return winMessage{bytes: data, whole: true}
	}
	w.name(one)
	return winMessage{bytes: one.Response}
}

// name takes note of what the device is called.
func (w *windows) name(a winAnswer) {
	t := w.log.tape
	if t.writer != nil || t.device.Key != "" {
		return
	}
	t.device.Key, t.device.Facts = a.DeviceInfo.DevicePath, map[string]string{}
	for name, value := range map[string]string{
		"manufacturer": a.DeviceInfo.Manufacturer, "product": a.DeviceInfo.Product, "backend": a.DeviceInfo.ProviderName,
	} {
		if value != "" {
			t.device.Facts[name] = value
		}
	}
}
