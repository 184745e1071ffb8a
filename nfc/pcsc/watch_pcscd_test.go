//go:build cgo && pcsc && linux

package pcsc

import (
	"context"
	"errors"
	"os"
	"os/exec"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/touchstone-fido/touchstone/nfc"
)

// lookout is a Watch under way.
type lookout struct {
	t     *testing.T
	looks chan struct{}
	ended chan error
}

func newLookout(t *testing.T, ctx context.Context) lookout {
	l := lookout{t, make(chan struct{}, 1000), make(chan error, 1)}
	go func() { l.ended <- Watch(ctx, func() { l.looks <- struct{}{} }) }()
	return l
}

// until has the watch wake up until what is awaited is so.
func (l lookout) until(what string, is func() bool) {
	l.t.Helper()
	limit := time.After(20 * time.Second)
	for {
		select {
		case <-l.looks:
			if is() {
				return
			}
		case err := <-l.ended:
			l.t.Fatalf("%s: the watch ended: %v", what, err)
		case <-limit:
			l.t.Fatalf("%s: nothing told of it", what)
		}
	}
}

// TestPcscdWatch has the service tell of a card that leaves and comes, and end
// at once when it is cancelled. In between it sleeps.
func TestPcscdWatch(t *testing.T) {
	r := newRig(t)
	enough := errors.New("enough")
	ctx, cancel := context.WithCancelCause(r.ctx)
	l := newLookout(t, ctx)
	l.until("the beginning", func() bool { return r.find().CardPresent })
	r.conn.Close()
	l.until("a card that leaves", func() bool { return !r.find().CardPresent })
	r.insert(r.card, nil)
	l.until("a card that comes", func() bool { return r.find().CardPresent })
	key := r.applet(nfc.Config{})
	r.echo(key, 1)
	key.Close()
	if n := len(l.looks); n > 10 {
		t.Errorf("%d looks for one program that used the card", n)
	}
	start := time.Now()
	cancel(enough)
	wantKind(t, <-l.ended, "watch", enough)
	if took := time.Since(start); took > time.Second {
		t.Errorf("ended after %v", took)
	}
}

// TestPcscdStops ends the daemon under a watch and starts another one. It does
// so with a daemon of its own, lest the other tests lose theirs.
func TestPcscdStops(t *testing.T) {
	if os.Getenv("TOUCHSTONE_PCSCD") != "1" {
		t.Skip("NOT RUN: needs pcscd with the vpcd driver and TOUCHSTONE_PCSCD=1; see the top of pcscd_test.go")
	}
	if os.Getenv("TOUCHSTONE_TEST_STOPS") == "" {
		cmd := exec.Command("../../scripts/with-pcscd", os.Args[0], "-test.run=^TestPcscdStops$")
		cmd.Env = append(os.Environ(), "TOUCHSTONE_TEST_STOPS=1")
		if out, err := cmd.CombinedOutput(); err != nil {
			t.Errorf("%v\n%s", err, out)
		}
		return
	}
	ctx, stop := context.WithTimeout(t.Context(), 20*time.Second)
	defer stop()
	l := newLookout(t, ctx)
	<-l.looks
	stopDaemon(t)
	wantKind(t, <-l.ended, "watch") // as a daemon ends it may say other things than that
	for _, err := List(ctx); !errors.Is(err, ErrNoService); _, err = List(ctx) {
		if ctx.Err() != nil {
			t.Fatalf("without a daemon: %v", err)
		}
	}
	wantKind(t, Watch(ctx, func() { t.Error("something has changed") }), "watch", ErrNoService)

	daemon := exec.Command("pcscd", "--foreground")
	if err := daemon.Start(); err != nil {
		t.Fatal(err)
	}
	defer daemon.Wait()
	defer daemon.Process.Signal(syscall.SIGTERM)
	for _, err := List(ctx); errors.Is(err, ErrNoService); _, err = List(ctx) {
		if ctx.Err() != nil {
			t.Fatal(err)
		}
	}
	l = newLookout(t, ctx)
	l.until("readers of the new daemon", func() bool { readers, err := List(ctx); return err == nil && len(readers) > 0 })
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
