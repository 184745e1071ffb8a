package hidraw

import (
	"context"
	"errors"
	"io"
	"os"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"golang.org/x/sys/unix"
)

var errEnough = errors.New("enough")

const (
	kernelSays  = "add@/devices/pci0000:00/usb1/1-1/1-1:1.1/0003:1050:0407.0002/hidraw/hidraw3\x00ACTION=add\x00SUBSYSTEM=hidraw\x00SEQNUM=7\x00"
	udevSays    = "libudev\x00\xfe\xed\xca\xfe\x28\x00\x00\x00UDEV_LOG=3\x00ACTION=add\x00SUBSYSTEM=hidraw\x00DEVNAME=/dev/hidraw3\x00"
	batterySays = "change@/devices/LNXSYSTM:00/PNP0C0A:00/power_supply/BAT0\x00ACTION=change\x00SUBSYSTEM=power_supply\x00"
)

// news is a source that a test writes to.
type news struct {
	io.Reader
	closed chan struct{}
}

func newNews() (news, *io.PipeWriter) {
	r, w := io.Pipe()
	return news{r, make(chan struct{})}, w
}

func (n news) Close() error {
	close(n.closed)
	return n.Reader.(*io.PipeReader).Close()
}

// TestWatch: one look at the beginning, one for each piece of news about hidraw,
// one for every two seconds.
func TestWatch(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		ctx, cancel := context.WithCancelCause(t.Context())
		a, say := newNews()
		b, sayToo := newNews()
		var looks atomic.Int32
		ended := make(chan error)
		go func() { ended <- watch(ctx, []io.ReadCloser{a, b}, slowPoll, func() { looks.Add(1) }) }()
		wants := func(what string, want int32) {
			t.Helper()
			synctest.Wait()
			if n := looks.Swap(0); n != want {
				t.Errorf("%s: %d looks, want %d", what, n, want)
			}
		}
		wants("at the beginning", 1)
		for text, want := range map[string]int32{kernelSays: 1, udevSays: 1, batterySays: 0, "": 0, "\x00\xff": 0} {
			if _, err := say.Write([]byte(text)); err != nil {
				t.Fatal(err)
			}
			wants(text, want)
		}
		if _, err := sayToo.Write([]byte(udevSays)); err != nil {
			t.Fatal(err)
		}
		wants("from the other source", 1)
		time.Sleep(slowPoll)
		wants("after two seconds", 1)
		say.CloseWithError(unix.EIO)
		wants("a source that broke", 0)
		time.Sleep(slowPoll)
		wants("two seconds later", 1)
		cancel(errEnough)
		if err := <-ended; !errors.Is(err, errEnough) {
			t.Error(err)
		}
		<-a.closed
		<-b.closed
	})
}

// lossy is a source that has lost news, once.
type lossy struct{ fresh bool }

func (l *lossy) Read([]byte) (int, error) {
	if l.fresh {
		return 0, io.EOF
	}
	l.fresh = true
	return 0, &os.PathError{Op: "read", Path: "uevents", Err: unix.ENOBUFS}
}

func TestFollowLostNews(t *testing.T) {
	wake := make(chan struct{}, 1)
	follow(&lossy{}, wake)
	if len(wake) != 1 {
		t.Error("the loss went unnoticed")
	}
}

// TestWatchNodes has a node come, change and go in a directory of ours. The
// limit is below the slow poll, so that it is inotify that tells.
func TestWatchNodes(t *testing.T) {
	f := newFakeTree(t)
	changes, err := f.nodeChanges()
	if err != nil {
		t.Skipf("NOT RUN: no inotify here: %v", err)
	}
	ctx, cancel := context.WithCancelCause(t.Context())
	looks, ended := make(chan struct{}, 100), make(chan error)
	go func() { ended <- watch(ctx, []io.ReadCloser{changes}, time.Hour, func() { looks <- struct{}{} }) }()
	wants := func(what string) {
		t.Helper()
		select {
		case <-looks:
		case <-time.After(10 * time.Second):
			t.Fatalf("nothing told of %s", what)
		}
	}
	wants("the beginning")
	f.write(nil, "dev/hidraw3")
	wants("a new node")
	f.must(os.Chmod(f.Path("dev/hidraw3"), 0o666))
	wants("other permissions")
	f.must(os.Remove(f.Path("dev/hidraw3")))
	wants("a node that left")
	cancel(errEnough)
	if err := <-ended; !errors.Is(err, errEnough) {
		t.Error(err)
	}
}

// TestWatchReal uses what the machine has: it looks once and ends.
func TestWatchReal(t *testing.T) {
	for _, root := range []string{"", t.TempDir()} {
		ctx, cancel := context.WithCancelCause(t.Context())
		looks := 0
		err := Watch(ctx, root, func() {
			looks++
			cancel(errEnough)
		})
		if !errors.Is(err, errEnough) || looks == 0 {
			t.Errorf("%q: %v, %d looks", root, err, looks)
		}
	}
}

// TestUevents opens the socket where that is possible, and closes it under a
// reader.
func TestUevents(t *testing.T) {
	f, err := uevents()
	if err != nil {
		t.Skipf("NOT RUN: no uevents here: %v", err)
	}
	wake, ended := make(chan struct{}, 1), make(chan struct{})
	go func() {
		follow(f, wake)
		close(ended)
	}()
	if err := f.Close(); err != nil {
		t.Error(err)
	}
	<-ended
}
