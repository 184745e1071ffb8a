package usbip

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"testing"

	"golang.org/x/sys/unix"

	"github.com/touchstone-fido/touchstone/ctaphid"
)

const heading = "hub port sta spd dev      sockfd local_busid\n"

// ports is a status file with that many ports for high speed, which are taken
// up to the first free one, and one free port for super speed.
func ports(from, taken, free int) string {
	s := heading
	for i := range taken {
		s += fmt.Sprintf("hs  %04d 006 002 00010002 000005 1-1\n", from+i)
	}
	for i := range free {
		s += fmt.Sprintf("hs  %04d 004 000 00000000 000000 0-0\n", from+taken+i)
	}
	return s + fmt.Sprintf("ss  %04d 004 000 00000000 000000 0-0\n", from+taken+free)
}

// fakeController has the status files, and plugs every socket that it is given
// into a host.
type fakeController struct {
	controller
	t     *testing.T
	lines []string
	errs  []error // of writing, one after the other
	hosts []*host
}

func newFakeController(t *testing.T, status ...string) *fakeController {
	f := &fakeController{t: t}
	f.controller = controller{root: t.TempDir(), write: f.plug}
	if status == nil {
		return f
	}
	if err := os.MkdirAll(f.path(""), 0o755); err != nil {
		t.Fatal(err)
	}
	for i, s := range status {
		name := "status"
		if i > 0 {
			name = fmt.Sprintf("status.%d", i)
		}
		if err := os.WriteFile(f.path(name), []byte(s), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	return f
}

func (f *fakeController) plug(file, line string) error {
	if filepath.Base(file) != "attach" {
		f.t.Errorf("%q was written to %s", line, file)
	}
	var port, socket, devid, speed int
	if _, err := fmt.Sscanf(line, "%d %d %d %d", &port, &socket, &devid, &speed); err != nil {
		f.t.Fatal(err)
	}
	f.lines = append(f.lines, fmt.Sprintf("%d %x %d", port, devid, speed))
	if len(f.errs) > 0 {
		err := f.errs[0]
		f.errs = f.errs[1:]
		return err
	}
	if kind, err := unix.GetsockoptInt(socket, unix.SOL_SOCKET, unix.SO_TYPE); err != nil || kind != unix.SOCK_STREAM {
		f.t.Errorf("socket of type %d, %v", kind, err)
	}
	kept, err := unix.Dup(socket)
	if err != nil {
		f.t.Fatal(err)
	}
	if err := unix.SetNonblock(kept, true); err != nil {
		f.t.Fatal(err)
	}
	f.hosts = append(f.hosts, newHost(f.t, os.NewFile(uintptr(kept), "kernel")))
	return nil
}

func newKey(t *testing.T) (*Device, *ctaphid.Device) {
	t.Helper()
	key := ctaphid.NewDevice(&touchKey{waiting: make(chan struct{})}, ctaphid.DeviceConfig{})
	d, err := NewDevice(key, named)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { key.Close() })
	return d, key
}

func TestAttach(t *testing.T) {
	for name, c := range map[string]struct {
		status []string
		errs   []error
		lines  []string
	}{
		"first port":        {[]string{ports(0, 0, 8)}, nil, []string{"0 10001 2"}},
		"third port":        {[]string{ports(0, 2, 6)}, nil, []string{"2 10003 2"}},
		"second controller": {[]string{ports(0, 8, 0), ports(16, 1, 7)}, nil, []string{"17 10012 2"}},
		"lost the race":     {[]string{ports(0, 0, 8)}, []error{unix.EBUSY}, []string{"0 10001 2", "1 10002 2"}},
	} {
		t.Run(name, func(t *testing.T) {
			f := newFakeController(t, c.status...)
			f.errs = c.errs
			d, _ := newKey(t)
			a, err := f.attach(d)
			if err != nil {
				t.Fatal(err)
			}
			if fmt.Sprint(f.lines) != fmt.Sprint(c.lines) {
				t.Errorf("wrote %q, want %q", f.lines, c.lines)
			}
			if got := f.hosts[0].control("80060002 0000 ff00"); got != fidoAlone {
				t.Errorf("configuration %s", got)
			}
			if _, err := f.attach(d); !errors.Is(err, ErrBusy) {
				t.Errorf("attached twice: %v", err)
			}
			for range 2 {
				if err := a.Close(); err != nil {
					t.Errorf("pulled out: %v", err)
				}
			}
			if r, ok := <-f.hosts[0].replies; ok {
				t.Errorf("and then %v", r)
			}
			f.hosts[0].conn.Close()
		})
	}
}

// TestAttachmentEnds: the other end, and the key, can end it, too.
func TestAttachmentEnds(t *testing.T) {
	for name, c := range map[string]struct {
		leave func(*host, *ctaphid.Device)
		want  error
	}{
		"host hangs up": {func(h *host, _ *ctaphid.Device) { h.conn.Close() }, nil},
		"key leaves":    {func(_ *host, key *ctaphid.Device) { key.Close() }, ctaphid.ErrGone},
		"nonsense":      {func(h *host, _ *ctaphid.Device) { h.write(make([]byte, headerSize)) }, ErrProtocol},
	} {
		t.Run(name, func(t *testing.T) {
			f := newFakeController(t, ports(0, 0, 1))
			d, key := newKey(t)
			a, err := f.attach(d)
			if err != nil {
				t.Fatal(err)
			}
			f.hosts[0].control("80000000 0000 0200")
			c.leave(f.hosts[0], key)
			if err := a.Wait(); !errors.Is(err, c.want) {
				t.Errorf("ended with %v, want %v", err, c.want)
			}
			if a, err = f.attach(d); err != nil {
				t.Fatalf("attached again: %v", err)
			}
			a.Close()
			for _, h := range f.hosts {
				h.conn.Close()
			}
		})
	}
}

func TestAttachFails(t *testing.T) {
	for name, c := range map[string]struct {
		status []string
		errs   []error
		want   error
	}{
		"not loaded":       {nil, nil, ErrNoVHCI},
		"no free port":     {[]string{ports(0, 8, 0)}, nil, ErrNoPort},
		"all lost":         {[]string{ports(0, 0, 2)}, []error{unix.EBUSY, unix.EBUSY}, ErrNoPort},
		"not root":         {[]string{ports(0, 0, 2)}, []error{&fs.PathError{Op: "open", Path: "attach", Err: unix.EACCES}}, fs.ErrPermission},
		"unreadable":       {[]string{heading + "hs\n"}, nil, nil},
		"unreadable ports": {[]string{heading + "hs  000x 004\n"}, nil, nil},
	} {
		t.Run(name, func(t *testing.T) {
			f := newFakeController(t, c.status...)
			f.errs = c.errs
			d, _ := newKey(t)
			if _, err := f.attach(d); err == nil || c.want != nil && !errors.Is(err, c.want) {
				t.Errorf("%v, want %v", err, c.want)
			}
			f.errs = nil
			if f.attach(d); d.attached.Load() && len(f.hosts) == 0 {
				t.Error("the plug stays claimed")
			}
		})
	}
}
