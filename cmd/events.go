package cmd

import (
	"bytes"
	"fmt"
	"io"
	"os"
	"strings"
	"sync"
	"time"

	"github.com/touchstone-fido/touchstone/cmd/internal/term"
	"github.com/touchstone-fido/touchstone/cmd/internal/view"
	"github.com/touchstone-fido/touchstone/devices"
)

// onStderr is the file of --events that stands for standard error.
const onStderr = "-"

// events is where --events writes: JSON Lines. The nil one takes nothing.
type events struct {
	mu   sync.Mutex
	w    io.Writer
	file *os.File // to close, nil for standard error
}

// openEvents opens what --events names.
func (a *app) openEvents() error {
	switch a.eventsTo {
	case "":
		return nil
	case onStderr:
		a.events = &events{w: a.streams.Err}
		return nil
	}
	file, err := os.OpenFile(a.eventsTo, os.O_WRONLY|os.O_CREATE|os.O_APPEND, 0o600)
	if err != nil {
		return fmt.Errorf("--events: %w", err)
	}
	a.events = &events{w: file, file: file}
	return nil
}

func (e *events) write(event view.Event) {
	if e == nil {
		return
	}
	e.mu.Lock()
	defer e.mu.Unlock()
	_ = view.WriteJSONLine(e.w, event) // a reader that left must not stop the work on a key
}

func (e *events) close() {
	if e != nil && e.file != nil {
		_ = e.file.Close()
	}
}

// linesOnly says that standard error belongs to the events, so that each line
// of it is JSON.
func (a *app) linesOnly() bool { return a.eventsTo == onStderr }

// note tells the person something on stderr.
func (a *app) note(format string, args ...any) {
	a.say(view.EventNote, fmt.Sprintf(format, args...))
}

// tell is note for who wants to know more.
func (a *app) tell(format string, args ...any) {
	if a.verbose {
		a.say(view.EventDetail, fmt.Sprintf(format, args...))
	}
}

func (a *app) say(kind, text string) {
	a.events.write(view.TextEvent(time.Now(), kind, view.CleanText(strings.TrimSpace(text))))
	if !a.linesOnly() {
		fmt.Fprintln(view.Clean(a.streams.Err), text)
	}
}

// errWriter is standard error for another program that works for this one. Where
// it belongs to the events, what the program says becomes one of them.
func (a *app) errWriter() *saidWriter { return &saidWriter{app: a} }

// saidWriter passes on what another program says.
type saidWriter struct {
	app  *app
	said bytes.Buffer
}

// maxSaid bounds what is kept of it for an event, in bytes.
const maxSaid = 4096

// Write passes p on, or keeps it.
func (w *saidWriter) Write(p []byte) (int, error) {
	if !w.app.linesOnly() {
		return view.Clean(w.app.streams.Err).Write(p)
	}
	w.said.Write(p[:min(len(p), max(0, maxSaid-w.said.Len()))])
	return len(p), nil
}

// flush tells what was kept.
func (w *saidWriter) flush() {
	if w.said.Len() > 0 {
		w.app.note("%s", w.said.String())
	}
}

// onEvent passes on what a key at work says: to the person, and to --events.
func (a *app) onEvent() func(devices.Event) {
	a.touch = term.NewTouch(a.streams)
	last := ""
	return func(e devices.Event) {
		a.events.write(view.KeyEvent(time.Now(), e))
		if !a.linesOnly() {
			a.touch.Keepalive(e.Status, e.Since)
		}
		if e.Status != last {
			a.tell("key: %s after %.1f s", e.Status, e.Since.Seconds())
		}
		last = e.Status
	}
}
