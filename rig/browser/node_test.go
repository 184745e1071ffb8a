//go:build linux

package browser

import (
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"

	"golang.org/x/sys/unix"

	"github.com/touchstone-fido/touchstone/ctaphid"
)

// sockets is how many keys can be plugged in at once.
const sockets = 2

// node is the device node of a key that is plugged in. Whenever it is opened
// that is another line to the key, as the kernel does it: if two opens shared
// one, one of them could read what is for the other.
type node struct {
	path    string
	connect func() ctaphid.ReportConn
	events  *os.File // of inotify: opening and closing
	next    *line    // for who opens the node next
	lines   map[int32]*usedLine
	done    chan error
}

// usedLine counts who has it open.
type usedLine struct {
	*line
	opened int
}

// plug makes a key reachable at the node with a number, until it is pulled.
func plug(number int, connect func() ctaphid.ReportConn) (*node, error) {
	fd, err := unix.InotifyInit1(unix.IN_CLOEXEC | unix.IN_NONBLOCK)
	if err != nil {
		return nil, fmt.Errorf("inotify: %w", err)
	}
	n := &node{
		path: filepath.Join(nodeDir, nodeName(number)), connect: connect,
		events: os.NewFile(uintptr(fd), "inotify"), lines: map[int32]*usedLine{}, done: make(chan error, 1),
	}
	if err := n.renew(); err != nil {
		return nil, errors.Join(err, n.events.Close())
	}
	go func() { n.done <- n.serve() }()
	return n, nil
}

// pull takes the key away.
func (n *node) pull() error {
	return errors.Join(os.Remove(n.path), n.events.Close(), <-n.done)
}

// renew lays a line for who opens the node next.
func (n *node) renew() error {
	l, err := openLine()
	if err != nil {
		return err
	}
	n.next = l
	watch, err := unix.InotifyAddWatch(int(n.events.Fd()), l.tty.Name(), unix.IN_OPEN|unix.IN_CLOSE)
	if err != nil {
		return errors.Join(fmt.Errorf("watch %s: %w", l.tty.Name(), err), l.keyGone())
	}
	n.lines[int32(watch)] = &usedLine{line: l}
	fresh := n.path + ".new"
	if err := os.Symlink(l.tty.Name(), fresh); err != nil {
		return err
	}
	return os.Rename(fresh, n.path)
}

// serve follows the browser as it opens and closes, and ends all lines in the end.
func (n *node) serve() error {
	event := make([]byte, unix.SizeofInotifyEvent)
	var err error
	for err == nil {
		if _, end := io.ReadFull(n.events, event); end != nil {
			break // pulled
		}
		err = n.follow(int32(binary.NativeEndian.Uint32(event)), binary.NativeEndian.Uint32(event[4:]))
	}
	for _, l := range n.lines {
		err = errors.Join(err, l.keyGone())
	}
	return err
}

func (n *node) follow(watch int32, what uint32) error {
	l := n.lines[watch]
	switch {
	case l == nil:
		return nil // it has ended
	case what&unix.IN_OPEN != 0:
		l.opened++
		if l.line == n.next {
			l.carry(n.connect())
			return n.renew()
		}
	case what&unix.IN_CLOSE != 0:
		if l.opened--; l.opened == 0 {
			delete(n.lines, watch)
			return l.browserGone()
		}
	}
	return nil
}
