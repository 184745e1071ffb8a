//go:build pcsc

package cmd_test

import (
	"bufio"
	"context"
	"encoding/json"
	"io"
	"net"
	"os"
	"os/exec"
	"slices"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/touchstone-fido/touchstone/cmd"
	"github.com/touchstone-fido/touchstone/cmd/internal/term"
	"github.com/touchstone-fido/touchstone/nfc/pcsc"
	"github.com/touchstone-fido/touchstone/nfc/vpcd"
)

// softwareModel is the AAGUID of the software key.
const softwareModel = "61c5e308-878a-4352-b3a5-54aead6cc6ea"

// foreignCard is a card with no applet that anybody asks for.
type foreignCard struct{}

func (foreignCard) Transmit(context.Context, []byte) ([]byte, error) { return []byte{0x6A, 0x82}, nil }
func (foreignCard) Reset()                                           {}

// lay puts a card into the second virtual reader until the test ends.
func lay(t *testing.T, card vpcd.CardDevice) {
	t.Helper()
	conn, err := net.Dial("tcp", "127.0.0.1:35964")
	if err != nil {
		t.Fatal(err)
	}
	ctx, stop := context.WithCancel(t.Context())
	done := make(chan error, 1)
	go func() { done <- vpcd.Serve(ctx, conn, card, nil) }()
	t.Cleanup(func() {
		stop()
		<-done
	})
	wait, cancel := context.WithTimeout(t.Context(), 20*time.Second)
	defer cancel()
	if err := pcsc.Wait(wait, "Virtual PCD 00 01"); err != nil {
		t.Fatal(err)
	}
}

// TestPCSCDeviceListIdentifies asks a key on a reader what it is, and leaves out
// a card that is none; --no-open asks neither.
func TestPCSCDeviceListIdentifies(t *testing.T) {
	serve(t, "virtual")
	lay(t, foreignCard{})
	type list struct {
		Devices []struct {
			Selector, AAGUID, Model, Firmware string
			Versions                          []string
			Identified                        *bool
		}
		LeftOut []struct {
			Device struct{ Path string }
			Reason string
		}
	}
	ask := func(args ...string) (l list) {
		t.Helper()
		exit, out, errs := run(t, "", append([]string{"--json", "device", "list"}, args...)...)
		if err := json.Unmarshal([]byte(out), &l); err != nil || exit != 0 {
			t.Fatalf("exit status %d, %v: %s%s", exit, err, out, errs)
		}
		return l
	}
	got := ask()
	if len(got.Devices) != 1 || len(got.LeftOut) != 1 {
		t.Fatalf("%+v", got)
	}
	if d := got.Devices[0]; d.Selector != "nfc:"+slot || d.AAGUID != softwareModel || len(d.Versions) == 0 || d.Identified == nil || !*d.Identified {
		t.Errorf("%+v", d)
	}
	if o := got.LeftOut[0]; o.Device.Path != "Virtual PCD 00 01" || !strings.Contains(o.Reason, "no FIDO applet on that card") {
		t.Errorf("%+v", o)
	}
	if got := ask("--no-open"); len(got.Devices) != 2 || got.Devices[0].Identified != nil || got.Devices[0].AAGUID != "" {
		t.Errorf("--no-open: %+v", got)
	}
}

// event is what a watch tells, in short.
type event struct {
	Schema, Event, Backend, Reason, Hint string
	Time                                 time.Time
	Device                               struct{ Path, AAGUID string }
}

// watcher is a watch of PC/SC under way in this process.
type watcher struct {
	events chan event
	done   chan int
}

// watch starts "device watch --json --identify".
func watch(t *testing.T) *watcher {
	t.Helper()
	ctx, stop := context.WithCancel(t.Context())
	w := &watcher{make(chan event, 100), make(chan int, 1)}
	streams, _, _ := term.Test("")
	out, in := io.Pipe()
	streams.Out = in
	go func() {
		w.done <- cmd.Run(ctx, streams, []string{"--json", "device", "watch", "--identify"})
		in.Close()
	}()
	go func() {
		defer close(w.events)
		for lines := bufio.NewScanner(out); lines.Scan(); {
			var e event
			if err := json.Unmarshal(lines.Bytes(), &e); err != nil || e.Schema != "touchstone/device-event/1" || e.Time.IsZero() {
				t.Errorf("%v: %s", err, lines.Text())
			}
			if e.Backend == "pcsc" {
				w.events <- e
			}
		}
	}()
	t.Cleanup(func() {
		stop()
		for range w.events {
		}
		<-w.done
	})
	return w
}

// next is the next event of PC/SC, which has to be of one of these kinds.
func (w *watcher) next(t *testing.T, kinds ...string) event {
	t.Helper()
	select {
	case e := <-w.events:
		if !slices.Contains(kinds, e.Event) {
			t.Fatalf("%+v, want %s", e, kinds)
		}
		return e
	case <-time.After(20 * time.Second):
		t.Fatalf("nothing was %s", kinds)
	}
	return event{}
}

// TestPCSCWatch puts a key on the reader and takes it off while a watch goes on,
// and then a card that is no key.
func TestPCSCWatch(t *testing.T) {
	if os.Getenv("TOUCHSTONE_PCSCD") == "" {
		t.Skip("NOT RUN: no pcscd; run scripts/test, or this test under scripts/with-pcscd")
	}
	w := watch(t)
	t.Run("a key", func(t *testing.T) {
		serve(t, "virtual")
		// The watch may have begun a little later than the card came.
		if e := w.next(t, "present", "added"); e.Device.Path != slot || e.Device.AAGUID != softwareModel || e.Reason != "" {
			t.Errorf("%+v", e)
		}
	})
	if e := w.next(t, "removed"); e.Device.Path != slot {
		t.Errorf("%+v", e)
	}
	t.Run("another card", func(t *testing.T) {
		lay(t, foreignCard{})
		if e := w.next(t, "added"); !strings.Contains(e.Reason, "no FIDO applet") {
			t.Errorf("%+v", e)
		}
	})
	w.next(t, "removed")
	awaitEmpty(t)
}

// TestPCSCWatchStops ends the daemon under a watch and starts another one. It
// does so with a daemon of its own, lest the other tests lose theirs.
func TestPCSCWatchStops(t *testing.T) {
	if os.Getenv("TOUCHSTONE_PCSCD") == "" {
		t.Skip("NOT RUN: no pcscd; run scripts/test, or this test under scripts/with-pcscd")
	}
	const inside = "TOUCHSTONE_TEST_STOPS"
	if os.Getenv(inside) == "" {
		c := exec.Command("../scripts/with-pcscd", os.Args[0], "-test.run=^TestPCSCWatchStops$")
		c.Env = append(os.Environ(), inside+"=1")
		if out, err := c.CombinedOutput(); err != nil {
			t.Errorf("%v\n%s", err, out)
		}
		return
	}
	serve := exec.Command(os.Args[0], "--device", "virtual", "virtual", "serve", "vpcd")
	serve.Env = append(os.Environ(), beMain+"=1")
	if err := serve.Start(); err != nil {
		t.Fatal(err)
	}
	w := watch(t)
	w.next(t, "present", "added")
	stopDaemon(t)
	if e := w.next(t, "failed"); e.Reason == "" || e.Hint == "" || e.Device.Path != "" {
		t.Errorf("%+v", e)
	}
	_ = serve.Wait() // its reader is gone
	daemon := exec.Command("pcscd", "--foreground")
	if err := daemon.Start(); err != nil {
		t.Fatal(err)
	}
	defer daemon.Wait()
	defer daemon.Process.Signal(syscall.SIGTERM)
	w.next(t, "recovered")
	if e := w.next(t, "removed"); e.Device.Path != slot {
		t.Errorf("%+v", e)
	}
}

// stopDaemon ends the daemon that scripts/with-pcscd started for this process.
func stopDaemon(t *testing.T) {
	t.Helper()
	text, err := os.ReadFile("/run/pcscd/pcscd.pid")
	if err != nil {
		t.Fatal(err)
	}
	pid, err := strconv.Atoi(strings.Trim(string(text), "\n\x00"))
	if err != nil {
		t.Fatal(err)
	}
	if err := syscall.Kill(pid, syscall.SIGTERM); err != nil {
		t.Fatal(err)
	}
}
