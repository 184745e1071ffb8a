//go:build cgo && pcsc && linux

package pcsc

import (
	"context"
	"errors"
	"os"
	"os/exec"
	"strconv"
	"syscall"
	"testing"
	"time"

	"github.com/ebfe/scard"
	"golang.org/x/sys/unix"

	"github.com/touchstone-fido/touchstone/nfc"
)

// soon is how long it may take until a client learns that a card, a reader or
// the service has gone: pcsc-lite looks at most readers every 400 ms.
const soon = time.Second

// moments are what a client may be at when what it speaks to goes away. Each
// returns a session that is at it, once begun is closed, and the error in the
// end.
var moments = map[string]func(r *rig, begun chan<- struct{}) error{
	"idle": func(r *rig, begun chan<- struct{}) error {
		key := r.applet(nfc.Config{})
		defer key.Close()
		r.echo(key, 1)
		close(begun)
		<-r.left
		_, err := key.Exchange(r.ctx, []byte{cmdEcho})
		if _, again := key.Exchange(r.ctx, []byte{cmdEcho}); !errors.Is(again, nfc.ErrGone) {
			r.t.Errorf("the second time: %v", again)
		}
		return err
	},
	"blocked in a command": func(r *rig, begun chan<- struct{}) error {
		key := r.applet(nfc.Config{NoPoll: true})
		defer key.Close()
		r.auth.started = func() { close(begun) }
		_, err := key.Exchange(r.ctx, []byte{cmdTouch})
		return err
	},
	"between two polls": func(r *rig, begun chan<- struct{}) error {
		polls := 0
		key := r.applet(nfc.Config{OnKeepalive: func(nfc.Keepalive) {
			if polls++; polls == 2 {
				close(begun)
			}
		}})
		defer key.Close()
		_, err := key.Exchange(r.ctx, []byte{cmdTouch})
		return err
	},
	"waiting for another program": func(r *rig, begun chan<- struct{}) error {
		key := r.applet(nfc.Config{OnDecision: func(d nfc.Decision) {
			if d.About == nfc.AboutWaiting {
				close(begun)
			}
		}})
		defer key.Close()
		if err := r.connect().BeginTransaction(); err != nil { // waits for the end of ours
			return err
		}
		_, err := key.Exchange(r.ctx, []byte{cmdEcho})
		return err
	},
}

// connect opens the card as another program does.
func (r *rig) connect() *scard.Card {
	r.t.Helper()
	ctx, err := scard.EstablishContext()
	if err != nil {
		r.t.Fatal(err)
	}
	r.t.Cleanup(func() { ctx.Release() })
	other, err := ctx.Connect(r.reader, scard.ShareShared, scard.ProtocolAny)
	if err != nil {
		r.t.Fatal(err)
	}
	return other
}

// leaves has something go away at a moment, and wants its own error, soon.
func (r *rig) leaves(moment string, leave func(), want error) {
	r.t.Helper()
	begun := make(chan struct{})
	gone := make(chan time.Time, 1)
	go func() {
		select {
		case <-begun:
		case <-r.ctx.Done():
		}
		gone <- time.Now()
		leave()
		close(r.left)
	}()
	err := moments[moment](r, begun)
	if took := time.Since(<-gone); took > soon {
		r.t.Errorf("noticed after %v: %v", took, err)
	}
	for _, kind := range []error{ErrNoCard, ErrNoReader, ErrNoService} {
		if errors.Is(err, kind) != (kind == want) {
			r.t.Errorf("error %v, want %v", err, want)
		}
	}
	if !errors.Is(err, nfc.ErrGone) {
		r.t.Errorf("error %v is not of a card that is gone", err)
	}
	r.t.Log(err)
}

func TestPcscdRemoval(t *testing.T) {
	for moment := range moments {
		t.Run(moment, func(t *testing.T) {
			r := newRig(t)
			r.leaves(moment, func() { r.conn.Close(); <-r.served }, ErrNoCard)
		})
	}
}

// The daemon is ended at every moment, politely and not. Each time it is one of
// its own: libpcsclite does not find another in the life of a process.
func TestPcscdServiceStops(t *testing.T) {
	if os.Getenv("TOUCHSTONE_PCSCD") != "1" {
		t.Skip("NOT RUN: needs pcscd with the vpcd driver and TOUCHSTONE_PCSCD=1; see the top of pcscd_test.go")
	}
	const moment, signal = "TOUCHSTONE_PCSCD_MOMENT", "TOUCHSTONE_PCSCD_SIGNAL"
	if at := os.Getenv(moment); at != "" {
		pid, err := strconv.Atoi(os.Getenv("TOUCHSTONE_PCSCD_PID"))
		if err != nil || pid <= 1 {
			t.Fatalf("no daemon to end: %d, %v", pid, err)
		}
		number, err := strconv.Atoi(os.Getenv(signal))
		if err != nil {
			t.Fatal(err)
		}
		r := newRig(t)
		r.leaves(at, func() {
			if err := end(pid, syscall.Signal(number)); err != nil {
				t.Error(err)
			}
		}, ErrNoService)
		return
	}
	for at := range moments {
		for _, number := range []syscall.Signal{syscall.SIGTERM, syscall.SIGKILL} {
			t.Run(at+", "+number.String(), func(t *testing.T) {
				cmd := exec.CommandContext(t.Context(), "../../scripts/with-pcscd", os.Args[0], "-test.run=^TestPcscdServiceStops$", "-test.v")
				cmd.Env = append(os.Environ(), moment+"="+at, signal+"="+strconv.Itoa(int(number)))
				if out, err := cmd.CombinedOutput(); err != nil {
					t.Errorf("%v\n%s", err, out)
				}
			})
		}
	}
}

// end sends a process a signal and waits until it has ended: told to terminate,
// pcscd answers for a while yet.
func end(pid int, signal syscall.Signal) error {
	fd, err := unix.PidfdOpen(pid, 0)
	if err != nil {
		return err
	}
	defer unix.Close(fd)
	if err := unix.PidfdSendSignal(fd, signal, nil, 0); err != nil {
		return err
	}
	for {
		ended, err := unix.Poll([]unix.PollFd{{Fd: int32(fd), Events: unix.POLLIN}}, int(10*time.Second/time.Millisecond))
		if errors.Is(err, unix.EINTR) {
			continue
		}
		if err == nil && ended == 0 {
			return errors.New("the process has not ended for ten seconds")
		}
		return err
	}
}

// Who waits for another program is told; the error at the end of the wait says
// what was in the way, and the card is usable when the other is done.
func TestPcscdHeld(t *testing.T) {
	r := newRig(t)
	other := r.connect()
	var told []nfc.Decision
	key := r.applet(nfc.Config{OnDecision: func(d nfc.Decision) { told = append(told, d) }})
	defer key.Close()
	told = nil
	if err := other.BeginTransaction(); err != nil { // waits for the end of ours
		t.Fatal(err)
	}
	ctx, cancel := context.WithTimeout(r.ctx, 1500*time.Millisecond)
	defer cancel()
	begin := time.Now()
	_, err := key.Exchange(ctx, []byte{cmdEcho})
	if !errors.Is(err, ErrInUse) || !errors.Is(err, context.DeadlineExceeded) {
		t.Errorf("error %v", err)
	}
	if took := time.Since(begin); took > 2*time.Second {
		t.Errorf("given up after %v", took)
	}
	want := nfc.Decision{About: nfc.AboutWaiting, Is: "waiting", Why: "another program holds the card"}
	if len(told) != 1 || told[0] != want {
		t.Errorf("told %v, want %v", told, want)
	}

	// The service lets nobody connect meanwhile.
	begin = time.Now()
	second := r.open()
	defer second.Close()
	if took := time.Since(begin); took < patience || took > 2*patience {
		t.Errorf("opened after %v", took)
	}
	if _, err := second.Transmit(ctx, []byte{0, 0xA4, 4, 0}); !errors.Is(err, context.DeadlineExceeded) {
		t.Errorf("error %v", err)
	}
	if err := other.EndTransaction(scard.LeaveCard); err != nil {
		t.Fatal(err)
	}
	r.echo(key, 1)
}
