package holders

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"reflect"
	"testing"

	"golang.org/x/sys/unix"
)

var here, elsewhere = place{dev: 1, inode: 2}, place{dev: 1, inode: 3}

func TestEnds(t *testing.T) {
	listening, clients := ends([]socket{
		{inode: 10, state: stateListen, place: here},
		{inode: 11, state: 1, place: here, peer: 20},
		{inode: 20, state: 1, peer: 11},
		{inode: 12, state: 1, place: here, peer: 21},
		{inode: 13, state: 1, place: here}, // its client has gone
		{inode: 14, state: stateListen, place: elsewhere},
		{inode: 15, state: 1, place: elsewhere, peer: 22},
	}, here)
	if want := (inodes{10: true}); !reflect.DeepEqual(listening, want) {
		t.Errorf("listening %v", listening)
	}
	if want := (inodes{20: true, 21: true}); !reflect.DeepEqual(clients, want) {
		t.Errorf("clients %v", clients)
	}
}

// TestOfSocketCountsWhatIsOutOfSight: a connection of a process that cannot be
// looked at is counted all the same.
func TestOfSocketCountsWhatIsOutOfSight(t *testing.T) {
	f := newFakeProc(t)
	path := filepath.Join(f.root, "pcscd.comm")
	if err := unix.Mknod(path, unix.S_IFSOCK|0o600, 0); err != nil {
		t.Fatal(err)
	}
	at, err := placeOf(path)
	if err != nil {
		t.Fatal(err)
	}
	f.process(100, "pcscd", nobodyAt, []string{"socket:[10]", "socket:[11]"})
	f.process(812, "scdaemon", nobodyAt, []string{"socket:[20]", "socket:[nonsense]", "pipe:[22]"})
	f.process(os.Getpid(), "test", nobodyAt, []string{"socket:[23]"})
	f.closed(900, "900 (firefox) S 1 1 1 0 -1 4194304 119 0\n")
	all := []socket{{inode: 10, state: stateListen, place: at}}
	for i, peer := range []uint32{20, 21, 22, 23} {
		all = append(all, socket{inode: uint32(11 + i), state: 1, place: at, peer: peer})
	}
	got, err := ofSocket(t.Context(), newProc(f.root), path, func() ([]socket, error) { return all, nil })
	stranger := fmt.Sprint(nobodyAt)
	want := Socket{
		Listeners: []Process{{100, "pcscd", stranger}}, Connections: 3,
		Clients: Found{Processes: []Process{{812, "scdaemon", stranger}}, Unseen: 1},
	}
	if err != nil || !reflect.DeepEqual(got, want) {
		t.Errorf("got  %+v, %v\nwant %+v", got, err, want)
	}
}

func TestOfSocketCannotLook(t *testing.T) {
	f := newFakeProc(t)
	p := newProc(f.root)
	none := func() ([]socket, error) { return nil, nil }
	if _, err := ofSocket(t.Context(), p, filepath.Join(f.root, "s"), none); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("no socket: %v", err)
	}
	node := f.node()
	if _, err := ofSocket(t.Context(), p, node, none); !errors.Is(err, ErrNoListener) {
		t.Errorf("nobody listens: %v", err)
	}
	failure := errors.New("no")
	if _, err := ofSocket(t.Context(), p, node, func() ([]socket, error) { return nil, failure }); !errors.Is(err, failure) {
		t.Errorf("the kernel does not tell: %v", err)
	}
}
