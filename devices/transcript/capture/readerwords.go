package capture

import (
	"bytes"
	"time"
)

// readerWords is what the logs of card programs say of the reader.
type readerWords struct {
	names  map[string]string // by the thread that speaks to it
	thread string
	delta  time.Duration // since the beginning, of pcscd
}

var (
	// pcscdTime is how a line of pcscd begins: microseconds since the line
	// before, and the thread.
	pcscdTime = pattern(`^(\d{8}) (?:\[(\d+)\] )?`)
	// readerNames are the words before and after a reader's name.
	readerNames = pattern(`Attempting Connect to (.+) using protocol|reader '([^']+)'|Using reader with a card: (.+)|Using card reader (.+)`)
	atrWords    = pattern(`(?i)\bATR: ?((?:[0-9A-F]{2} ?){2,33})`)
)

const maxThreads = 64

// line takes note of what a line says of the reader and, with pcscd, of time.
func (r *readerWords) line(l *hexLog, text []byte) {
	if len(text) > 8 && text[8] == ' ' && text[0] >= '0' && text[0] <= '9' {
		r.pcscd(l, text)
	}
	if bytes.Contains(text, []byte("eader")) || bytes.Contains(text, []byte("Attempting Connect")) {
		r.name(text)
	}
	if m := atrWords().FindSubmatch(text[:min(len(text), 200)]); m != nil {
		on := l.card.of(r.now())
		if data, _, _ := hexRun(m[1]); on.tape.device.ATR == nil && on.tape.writer == nil {
			on.tape.device.ATR = data
		}
	}
}

func (r *readerWords) pcscd(l *hexLog, text []byte) {
	m := pcscdTime().FindSubmatch(text)
	if m == nil {
		return
	}
	r.delta += time.Duration(number(m[1])) * time.Microsecond
	r.thread = string(m[2])
	if !l.c.time.absolute {
		l.c.time = moment{Time: time.Unix(0, 0).UTC().Add(r.delta), known: true}
	}
}

func (r *readerWords) name(text []byte) {
	m := readerNames().FindSubmatch(text[:min(len(text), 400)])
	if m == nil {
		return
	}
	if r.names == nil || len(r.names) >= maxThreads {
		r.names = map[string]string{}
	}
	r.names[r.thread] = string(bytes.TrimSpace(bytes.Join(m[1:], nil)))
}

// now is the reader that the present line speaks of, empty if not known.
func (r *readerWords) now() string { return r.names[r.thread] }
