package hidraw

import (
	"bytes"
	"context"
	"errors"
	"io"
	"os"
	"sync"
	"time"

	"golang.org/x/sys/unix"
)

// slowPoll is how often a watcher wakes up without news: containers may have
// the devices and get no events.
const slowPoll = 2 * time.Second

// Watch calls changed whenever what [List] returns for root may be another, and
// once at its beginning, until ctx ends; it returns ctx's cause. It opens no
// device. It wakes up by the uevents of the kernel and of udev, which tell of
// nodes and of their permissions, by changes in /dev, and every two seconds.
func Watch(ctx context.Context, root string, changed func()) error {
	t := newTree(root)
	var news []io.ReadCloser
	if f, err := t.nodeChanges(); err == nil {
		news = append(news, f)
	}
	if t.Root == "/" {
		if f, err := uevents(); err == nil {
			news = append(news, f)
		}
	}
	return watch(ctx, news, slowPoll, changed)
}

// watch does it with these sources of news, which it closes.
func watch(ctx context.Context, news []io.ReadCloser, poll time.Duration, changed func()) error {
	wake := make(chan struct{}, 1)
	var readers sync.WaitGroup
	for _, f := range news {
		readers.Go(func() { follow(f, wake) })
	}
	defer func() {
		for _, f := range news {
			f.Close() // ends its reader
		}
		readers.Wait()
	}()
	again := time.NewTicker(poll)
	defer again.Stop()
	for {
		changed()
		select {
		case <-wake:
		case <-again.C:
		case <-ctx.Done():
			return context.Cause(ctx)
		}
	}
}

// follow wakes a watcher at every piece of news that has to do with hidraw. It
// ends when the source does.
func follow(news io.Reader, wake chan<- struct{}) {
	buf := make([]byte, 64<<10)
	for {
		n, err := news.Read(buf)
		lost := errors.Is(err, unix.ENOBUFS) // more news than the kernel keeps
		if lost || concerns(buf[:n]) {
			select {
			case wake <- struct{}{}:
			default: // it wakes up already
			}
		}
		if err != nil && !lost {
			return
		}
	}
}

// concerns says whether a piece of news is about hidraw: uevents, the kernel's
// and udev's, have the device's path and subsystem, inotify's the node's name.
// What else is in it does not matter, nor who sent it: all that follows is
// another look.
func concerns(news []byte) bool { return bytes.Contains(news, []byte("hidraw")) }

// nodeChanges tells of nodes in /dev that come, go or change in their
// permissions.
func (t tree) nodeChanges() (*os.File, error) {
	fd, err := unix.InotifyInit1(unix.IN_CLOEXEC | unix.IN_NONBLOCK)
	if err != nil {
		return nil, os.NewSyscallError("inotify_init1", err)
	}
	const events = unix.IN_CREATE | unix.IN_DELETE | unix.IN_ATTRIB | unix.IN_MOVED_FROM | unix.IN_MOVED_TO
	if _, err := unix.InotifyAddWatch(fd, t.Path("dev"), events); err != nil {
		unix.Close(fd)
		return nil, os.NewSyscallError("inotify_add_watch", err)
	}
	return os.NewFile(uintptr(fd), "inotify"), nil
}

// The groups of NETLINK_KOBJECT_UEVENT, as bits: what the kernel sends, and what
// udev sends on when its rules have run.
const (
	groupKernel = 1 << 0
	groupUdev   = 1 << 1
)

// uevents tells of devices that come, go or change.
func uevents() (*os.File, error) {
	fd, err := unix.Socket(unix.AF_NETLINK, unix.SOCK_RAW|unix.SOCK_CLOEXEC|unix.SOCK_NONBLOCK, unix.NETLINK_KOBJECT_UEVENT)
	if err != nil {
		return nil, os.NewSyscallError("socket", err)
	}
	if err := unix.Bind(fd, &unix.SockaddrNetlink{Family: unix.AF_NETLINK, Groups: groupKernel | groupUdev}); err != nil {
		unix.Close(fd)
		return nil, os.NewSyscallError("bind", err)
	}
	return os.NewFile(uintptr(fd), "uevents"), nil
}
