//go:build cgo && !android

package usbhid

import (
	"context"
	"errors"
	"io/fs"
	"os"
	"os/exec"
	"os/signal"
	"slices"
	"syscall"
	"testing"

	"github.com/touchstone-fido/touchstone/ctaphid"
)

// TestUmockInUse: whoever comes second is told so, and does no harm.
func TestUmockInUse(t *testing.T) {
	k := needBus(t).plug(t, true)
	k.serve(ctaphid.DeviceConfig{}, asItIs)
	d := k.listed()
	ch := channel(t, k.open())
	k.history()
	if _, err := underMock().openDevice(t.Context(), d); !errors.Is(err, ErrInUse) {
		t.Errorf("open: %v", err)
	}
	if got := k.listed(); !errors.Is(got.Err, ErrInUse) {
		t.Errorf("listed as %+v", got)
	}
	if events := k.history(); len(events) > 0 {
		t.Errorf("the second one did %v", events)
	}
	ping(t, ch, 100)
	if err := ch.Close(); err != nil {
		t.Fatal(err)
	}
	if got := k.listed(); got != d {
		t.Errorf("got  %+v\nwant %+v", got, d)
	}
}

// TestUmockForeign: another program has the key.
func TestUmockForeign(t *testing.T) {
	k := needBus(t).plug(t, false)
	d := k.listed()
	k.behave(foreign)
	if _, err := underMock().openDevice(t.Context(), d); !errors.Is(err, ErrInUse) {
		t.Errorf("open: %v", err)
	}
	if got := k.listed(); !errors.Is(got.Err, ErrInUse) {
		t.Errorf("listed as %+v", got)
	}
}

// TestUmockPermission: this user may not open the node.
func TestUmockPermission(t *testing.T) {
	b := needBus(t)
	if os.Getuid() == 0 {
		t.Fatal("root may do everything: run as another user, as scripts/umock does")
	}
	k := b.plug(t, false)
	d := k.listed()
	node := newTree(b.root).node(d.Path)
	must(t, os.Chmod(node, 0))
	defer os.Chmod(node, 0o600)
	var e *PermissionError
	if _, err := underMock().openDevice(t.Context(), d); !errors.As(err, &e) || !errors.Is(err, fs.ErrPermission) || e.UdevRule() == "" {
		t.Errorf("open: %v", err)
	}
	if got := k.listed(); !errors.As(got.Err, &e) {
		t.Errorf("listed as %+v", got)
	}
}

// TestUmockDriver: the kernel's driver goes off the FIDO interface and comes
// back, in order, and the keyboard is left alone.
func TestUmockDriver(t *testing.T) {
	for _, composite := range []bool{false, true} {
		k := needBus(t).plug(t, composite)
		number := "0"
		if composite {
			number = "1"
		}
		c := k.open()
		if got, want := k.history(), []string{"detach " + number, "claim " + number}; !slices.Equal(got, want) {
			t.Errorf("opening did %v, want %v", got, want)
		}
		must(t, c.Close())
		if got, want := k.history(), []string{"release " + number, "attach " + number}; !slices.Equal(got, want) {
			t.Errorf("closing did %v, want %v", got, want)
		}
	}
}

// TestUmockKilled: a program that is killed leaves the key without a driver, and
// the next one mends that. One that is asked to end leaves it in order.
func TestUmockKilled(t *testing.T) {
	k := needBus(t).plug(t, true)
	before := k.listed()
	k.holder(syscall.SIGKILL)
	if got, want := k.history(), []string{"detach 1", "claim 1", "release 1"}; !slices.Equal(got, want) {
		t.Errorf("the killed program did %v, want %v", got, want)
	}
	k.serve(ctaphid.DeviceConfig{}, asItIs)
	ch := channel(t, k.open())
	if got, want := k.history(), []string{"attach 1", "detach 1", "claim 1"}; !slices.Equal(got, want) {
		t.Errorf("opening did %v, want %v", got, want)
	}
	ping(t, ch, 100)
	must(t, ch.Close())
	if got := k.listed(); got != before {
		t.Errorf("got  %+v\nwant %+v", got, before)
	}
	k.history()
	k.holder(syscall.SIGTERM)
	if got, want := k.history(), []string{"detach 1", "claim 1", "release 1", "attach 1"}; !slices.Equal(got, want) {
		t.Errorf("the ended program did %v, want %v", got, want)
	}
}

// TestUmockRestore: if the library does not give the driver back, Close does.
func TestUmockRestore(t *testing.T) {
	k := needBus(t).plug(t, false)
	d := k.listed()
	k.holder(syscall.SIGKILL)
	k.history()
	l := underMock()
	dev, err := l.open(d.Path) // finds no driver, so that it gives none back
	if err != nil {
		t.Fatal(err)
	}
	c := newConn(dev, d.Path, systemFor("linux"), l.at(d.root))
	must(t, c.Close())
	if got, want := k.history(), []string{"claim 0", "release 0", "attach 0"}; !slices.Equal(got, want) {
		t.Errorf("got %v, want %v", got, want)
	}
}

// holder has another process open the key, and ends that with a signal.
func (k *mockKey) holder(end syscall.Signal) {
	k.t.Helper()
	p := exec.CommandContext(k.t.Context(), os.Args[0], "-test.run=^TestUmockHolder$")
	p.Env = append(os.Environ(), "USBHID_HOLD="+k.listed().Path)
	p.Stderr = os.Stderr
	out, err := p.StdoutPipe()
	must(k.t, errors.Join(err, p.Start()))
	if _, err := out.Read(make([]byte, 1)); err != nil {
		k.t.Fatalf("the other process did not open the key: %v", err)
	}
	must(k.t, p.Process.Signal(end))
	_ = p.Wait() // ends as the signal has it
	if end == syscall.SIGKILL {
		k.hostKilled()
	}
}

// TestUmockHolder is the other process, and no test.
func TestUmockHolder(t *testing.T) {
	path := os.Getenv("USBHID_HOLD")
	if path == "" {
		return
	}
	ctx, stop := signal.NotifyContext(t.Context(), syscall.SIGTERM)
	defer stop()
	d := Device{Path: path, listed: true, root: os.Getenv("UMOCKDEV_DIR")}
	c, err := underMock().openDevice(ctx, d)
	if err != nil {
		t.Fatal(err)
	}
	os.Stdout.WriteString("open\n")
	if _, err := c.ReadReport(ctx, make([]byte, 64)); !errors.Is(err, context.Canceled) {
		t.Error(err)
	}
	must(t, c.Close())
}
