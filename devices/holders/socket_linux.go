package holders

import (
	"context"
	"errors"
	"fmt"
	"os"
	"slices"
	"strconv"
	"strings"

	"golang.org/x/sys/unix"
)

// OfSocket returns the processes at the ends of the unix socket at path. root is
// where /proc is, the real one if empty; path is taken as it is.
//
// The error wraps [ErrNoListener], or fs.ErrNotExist if there is no socket;
// others mean that it could not look.
func OfSocket(ctx context.Context, root, path string) (Socket, error) {
	s, err := ofSocket(ctx, newProc(root), path, kernelSockets)
	if err != nil {
		return Socket{}, fmt.Errorf("holders of %s: %w", path, err)
	}
	return s, nil
}

func ofSocket(ctx context.Context, p proc, path string, sockets func() ([]socket, error)) (Socket, error) {
	place, err := placeOf(path)
	if err != nil {
		return Socket{}, err
	}
	all, err := sockets()
	if err != nil {
		return Socket{}, err
	}
	listening, clients := ends(all, place)
	if len(listening) == 0 {
		return Socket{}, ErrNoListener
	}
	var s Socket
	listeners, err := p.scan(ctx, listening.has)
	if err == nil {
		s.Clients, err = p.scan(ctx, clients.has)
	}
	if err != nil {
		return Socket{}, err
	}
	s.Listeners = listeners.Processes
	s.Connections = len(clients) - p.own(clients)
	return s, nil
}

// placeOf is where the file of a socket is, as the kernel writes it for a
// socket that is bound to it.
func placeOf(path string) (place, error) {
	var st unix.Stat_t
	if err := unix.Stat(path, &st); err != nil {
		return place{}, err
	}
	// The kernel's own form of a device number, and the lower half of the inode's.
	return place{dev: unix.Major(uint64(st.Dev))<<20 | unix.Minor(uint64(st.Dev)), inode: uint32(st.Ino)}, nil
}

// ends finds the sockets that listen at a place, and the ones that are connected
// to those that were accepted there.
func ends(all []socket, at place) (listening, clients inodes) {
	listening, clients = inodes{}, inodes{}
	for _, s := range all {
		switch {
		case s.place != at:
		case s.state == stateListen:
			listening[s.inode] = true
		case s.peer != 0:
			clients[s.peer] = true
		}
	}
	return listening, clients
}

// inodes are sockets by their numbers.
type inodes map[uint32]bool

// has reports whether an open file, by its link in /proc, is one of the sockets.
func (i inodes) has(fd string) bool {
	name, err := os.Readlink(fd)
	if err != nil {
		return false
	}
	number, ok := strings.CutPrefix(name, "socket:[")
	if !ok {
		return false
	}
	n, err := strconv.ParseUint(strings.TrimSuffix(number, "]"), 10, 32)
	return err == nil && i[uint32(n)]
}

// own counts the sockets that this process has itself.
func (p proc) own(i inodes) int {
	n := 0
	_, _ = p.has(os.Getpid(), func(fd string) bool {
		if i.has(fd) {
			n++
		}
		return false // to see them all
	})
	return n
}

// kernelSockets asks the kernel for all unix sockets of this network namespace.
// No rights are needed.
func kernelSockets() ([]socket, error) {
	fd, err := unix.Socket(unix.AF_NETLINK, unix.SOCK_RAW|unix.SOCK_CLOEXEC, unix.NETLINK_SOCK_DIAG)
	if err != nil {
		return nil, fmt.Errorf("ask the kernel for sockets: %w", err)
	}
	defer unix.Close(fd)
	all, err := dump(fd)
	if err != nil {
		return nil, fmt.Errorf("ask the kernel for sockets: %w", err)
	}
	return all, nil
}

func dump(fd int) ([]socket, error) {
	// The kernel answers at once; the limit is for one that does not.
	limit := unix.Timeval{Sec: 2}
	if err := unix.SetsockoptTimeval(fd, unix.SOL_SOCKET, unix.SO_RCVTIMEO, &limit); err != nil {
		return nil, err
	}
	if err := unix.Sendto(fd, diagRequest(), 0, &unix.SockaddrNetlink{Family: unix.AF_NETLINK}); err != nil {
		return nil, err
	}
	var all []socket
	buffer := make([]byte, 1<<16)
	for {
		n, from, err := unix.Recvfrom(fd, buffer, 0)
		if errors.Is(err, unix.EINTR) {
			continue
		}
		if err != nil {
			return nil, err
		}
		if k, ok := from.(*unix.SockaddrNetlink); !ok || k.Pid != 0 {
			continue // not from the kernel
		}
		some, done, err := parseDiag(buffer[:n])
		all = slices.Concat(all, some)
		if done || err != nil {
			return all, err
		}
	}
}
