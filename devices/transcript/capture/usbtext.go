package capture

import (
	"bufio"
	"bytes"
	"strconv"
	"time"
)

// usbmonLine is what a line of usbmon's text has in its fields
// (Documentation/usb/usbmon.rst): tag, microseconds, event, address, then
// either "s" and a setup packet or a status, a length, and perhaps "=" and
// words of data, of which there are at most 32 bytes.
type usbmonLine struct {
	urb
	time time.Duration
}

// readUsbmonText reads what /sys/kernel/debug/usb/usbmon/*u has, and the older
// *t without the number of the bus.
func readUsbmonText(c *collector, in *bufio.Reader, skipped position) error {
	usb := newUSBTracker(c)
	lines := newLines(c, in, skipped)
	var before, turns time.Duration
	for lines.next() {
		l, ok := parseUsbmonLine(lines.text)
		if !ok {
			continue
		}
		if before-l.time > wrap/2 {
			turns += wrap
		}
		before = l.time
		c.time = moment{Time: time.Unix(0, 0).UTC().Add(l.time + turns), known: true}
		usb.add(&l.urb)
	}
	usb.finish()
	return lines.err
}

// wrap is where usbmon's clock of 32 bits begins again.
const wrap = (1 << 32) * time.Microsecond

func usbmonEvidence(line []byte) (Form, int) {
	if _, ok := parseUsbmonLine(line); ok {
		return UsbmonText, 10
	}
	return UsbmonText, 0
}

func parseUsbmonLine(text []byte) (l usbmonLine, ok bool) {
	fields := bytes.Fields(text)
	if len(fields) < 5 || len(fields[0]) < 8 || len(fields[2]) != 1 || len(fields[3]) < 6 {
		return l, false
	}
	id, err1 := strconv.ParseUint(string(fields[0]), 16, 64)
	us, err2 := strconv.ParseUint(string(fields[1]), 10, 32)
	l.id, l.time, l.event = id, time.Duration(us)*time.Microsecond, fields[2][0]
	if err1 != nil || err2 != nil || !l.address(fields[3]) {
		return l, false
	}
	rest := fields[4:]
	if len(rest) >= 6 && string(rest[0]) == "s" {
		for _, word := range rest[1:6] {
			if len(word)%2 == 1 || digits(word) != len(word) {
				return l, false
			}
			l.setup = hexAppend(l.setup, word)
		}
		if len(l.setup) != 8 {
			return l, false
		}
		// They stand there as the numbers they are, which cross low byte first.
		for _, i := range []int{2, 4, 6} {
			l.setup[i], l.setup[i+1] = l.setup[i+1], l.setup[i]
		}
		rest = rest[6:]
	} else {
		status, _, _ := bytes.Cut(rest[0], []byte(":"))
		n, err := strconv.ParseInt(string(status), 10, 32)
		if err != nil {
			return l, false
		}
		l.status, rest = int32(n), rest[1:]
	}
	return l, l.body(rest)
}

// address reads "Ii:1:002:1": kind, direction, bus, device, endpoint.
func (l *usbmonLine) address(field []byte) bool {
	kind := bytes.IndexByte([]byte("ZICB"), field[0])
	parts := bytes.Split(field[2:], []byte(":"))
	if kind < 0 || field[1] != 'i' && field[1] != 'o' || len(parts) < 3 || len(parts) > 4 || len(parts[0]) != 0 {
		return false
	}
	l.kind = byte(kind)
	var numbers []int
	for _, part := range parts[1:] {
		n, err := strconv.ParseUint(string(part), 10, 16)
		if err != nil {
			return false
		}
		numbers = append(numbers, int(n))
	}
	l.endpoint = byte(numbers[len(numbers)-1]) & 0x0f
	l.dev = numbers[len(numbers)-2]
	if len(numbers) == 3 {
		l.bus = numbers[0]
	}
	if field[1] == 'i' {
		l.endpoint |= 0x80
	}
	return true
}

// body reads the length and the data.
func (l *usbmonLine) body(fields [][]byte) bool {
	if len(fields) == 0 {
		return l.event == urbError
	}
	n, err := strconv.ParseUint(string(fields[0]), 10, 24)
	if err != nil {
		return false
	}
	l.length = int(n)
	if len(fields) < 2 || string(fields[1]) != "=" {
		return true
	}
	for _, word := range fields[2:] {
		if len(word)%2 == 1 || digits(word) != len(word) {
			break
		}
		l.data = hexAppend(l.data, word)
	}
	return true
}
