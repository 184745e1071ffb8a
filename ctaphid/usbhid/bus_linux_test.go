//go:build cgo && !android

package usbhid

import (
	"context"
	"errors"
	"fmt"
	"net"
	"os"
	"slices"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/touchstone-fido/touchstone/ctaphid"
)

// limit is how long to wait for what must happen.
const limit = 10 * time.Second

// How a key of umockdev/usbfs.c behaves, in its numbers.
const (
	holdOut  = 1 << iota // takes no reports, and says nothing
	stallOut             // refuses reports
	stallIn              // refuses to be read
	foreign              // another program has the FIDO interface
	pauseIn              // keeps its reports to itself
)

// Keys of umockdev/usbfs.c.
const (
	plainKeys = 20 // with a FIDO interface only
	allKeys   = 24 // the others with a keyboard before it
)

// bus is the USB bus that umockdev/usbfs.c gives to this test binary, which has
// the other ends of the keys.
type bus struct {
	root   string
	socket *net.UnixConn

	mu    sync.Mutex
	keys  map[byte]*mockKey
	plain []byte // numbers of keys that nobody uses
	both  []byte
}

var theBus = sync.OnceValues(func() (*bus, error) {
	fd, err := strconv.Atoi(os.Getenv("USBFS_SOCKET"))
	if err != nil {
		return nil, err
	}
	f := os.NewFile(uintptr(fd), "usbfs")
	defer f.Close()
	conn, err := net.FileConn(f)
	if err != nil {
		return nil, err
	}
	b := &bus{root: os.Getenv("UMOCKDEV_DIR"), socket: conn.(*net.UnixConn), keys: map[byte]*mockKey{}}
	for n := byte(1); n <= allKeys; n++ {
		if n <= plainKeys {
			b.plain = append(b.plain, n)
		} else {
			b.both = append(b.both, n)
		}
	}
	go b.listen()
	return b, nil
})

// needBus returns the bus, and leaves the test out where there is none.
func needBus(t *testing.T) *bus {
	t.Helper()
	if os.Getenv("USBFS_SOCKET") == "" {
		t.Skip("NOT RUN: this test needs umockdev: run scripts/umock")
	}
	b, err := theBus()
	if err != nil {
		t.Fatal(err)
	}
	return b
}

// listen hands every packet to its key.
func (b *bus) listen() {
	packet := make([]byte, 1024)
	for {
		n, err := b.socket.Read(packet)
		if err != nil || n < 2 {
			return
		}
		b.mu.Lock()
		k := b.keys[packet[0]]
		b.mu.Unlock()
		if k != nil {
			k.hear(packet[1], slices.Clone(packet[2:n]))
		}
	}
}

func (b *bus) send(packet ...byte) error {
	_, err := b.socket.Write(packet)
	return err
}

// mockKey is a key on the bus.
type mockKey struct {
	t      *testing.T
	bus    *bus
	number byte
	done   chan struct{} // one for each order that was carried out
	held   chan struct{} // one for each report that the key does not take
	flags  byte
	gone   bool

	mu     sync.Mutex
	take   func(report []byte) // what the key does with a report from the host
	events []string            // what happened to its interfaces
}

// plug takes an idle key for a test, one with a keyboard if composite.
func (b *bus) plug(t *testing.T, composite bool) *mockKey {
	t.Helper()
	b.mu.Lock()
	defer b.mu.Unlock()
	from := &b.plain
	if composite {
		from = &b.both
	}
	if len(*from) == 0 {
		t.Fatal("all keys are in use or were unplugged: run with -test.count=1")
	}
	k := &mockKey{
		t: t, bus: b, number: (*from)[0],
		done: make(chan struct{}, 1), held: make(chan struct{}, 16), take: func([]byte) {},
	}
	*from = (*from)[1:]
	b.keys[k.number] = k
	t.Cleanup(func() {
		if !k.gone {
			k.behave(0)
		}
		b.mu.Lock()
		defer b.mu.Unlock()
		delete(b.keys, k.number)
		if !k.gone {
			*from = append(*from, k.number)
		}
	})
	return k
}

func (k *mockKey) hear(what byte, data []byte) {
	switch what {
	case 'o':
		k.mu.Lock()
		take := k.take
		k.mu.Unlock()
		take(data)
	case 'l':
		k.mu.Lock()
		k.events = append(k.events, string(data))
		k.mu.Unlock()
	case 'h':
		k.held <- struct{}{}
	case 'a':
		k.done <- struct{}{}
	}
}

// order has usbfs do something and waits until it is done.
func (k *mockKey) order(packet ...byte) {
	k.t.Helper()
	if err := k.bus.send(append([]byte{k.number}, packet...)...); err != nil {
		k.t.Fatal(err)
	}
	k.await(k.done, string(packet[:1]))
}

func (k *mockKey) await(event <-chan struct{}, what string) {
	k.t.Helper()
	select {
	case <-event:
	case <-time.After(limit):
		k.t.Fatalf("nothing came of %q", what)
	}
}

func (k *mockKey) behave(flags byte) {
	k.t.Helper()
	k.flags = flags
	k.order('s', flags)
}

func (k *mockKey) unplug() {
	k.t.Helper()
	k.gone = true
	k.order('u')
}

// drain waits until the library has taken all reports.
func (k *mockKey) drain() {
	k.t.Helper()
	k.order('d')
}

// hostKilled tells the bus that the process which had the key was killed.
func (k *mockKey) hostKilled() {
	k.t.Helper()
	k.order('k')
}

// says sends a report to the host. It does not wait, as a key does not know when
// it is asked for one.
func (k *mockKey) says(report []byte) {
	_ = k.bus.send(append([]byte{k.number, 'i'}, report...)...) // fails at the end only
}

// history is what happened to the interfaces since it was last asked for.
func (k *mockKey) history() []string {
	k.t.Helper()
	k.behave(k.flags) // changes nothing, and what came before is here afterwards
	k.mu.Lock()
	defer k.mu.Unlock()
	events := k.events
	k.events = nil
	return events
}

// serve has the device side of package ctaphid be the key. wrap may change what
// it sends.
func (k *mockKey) serve(cfg ctaphid.DeviceConfig, wrap func(report []byte) [][]byte) {
	k.t.Helper()
	device := ctaphid.NewDevice(nobody{}, cfg)
	host := device.Connect()
	k.mu.Lock()
	k.take = func(report []byte) {
		if len(report) != ctaphid.ReportSize {
			k.t.Errorf("the key was sent %d bytes: %x", len(report), report)
			return
		}
		if err := host.WriteReport(context.Background(), report); err != nil && !errors.Is(err, ctaphid.ErrClosed) {
			k.t.Errorf("the key refuses %x: %v", report, err)
		}
	}
	k.mu.Unlock()
	ended := make(chan struct{})
	go func() {
		defer close(ended)
		for p := make([]byte, ctaphid.ReportSize); ; {
			n, err := host.ReadReport(context.Background(), p)
			if err != nil {
				return
			}
			for _, report := range wrap(p[:n]) {
				k.says(report)
			}
		}
	}()
	k.t.Cleanup(func() {
		k.mu.Lock()
		k.take = func([]byte) {}
		k.mu.Unlock()
		if err := errors.Join(host.Close(), device.Close()); err != nil {
			k.t.Error(err)
		}
		<-ended
	})
}

func asItIs(report []byte) [][]byte { return [][]byte{report} }

// nobody is behind keys that are pinged only.
type nobody struct{}

func (nobody) Message(context.Context, []byte, func(byte)) []byte { return []byte{1} }

// underMock is the library of this build, of which umockdev is to see all calls.
func underMock() library {
	l := builtin
	l.at = func(root string) surroundings {
		t := realTree(root)
		t.bind = func(node string, iface int) error {
			return bindDriver(strings.TrimPrefix(node, root), iface) // umockdev adds the root
		}
		return t
	}
	return l
}

// listed is what List says of the key.
func (k *mockKey) listed() Device {
	k.t.Helper()
	found, err := underMock().devices(k.bus.root, describeMock)
	if err != nil {
		k.t.Fatal(err)
	}
	for _, d := range found {
		if strings.HasPrefix(d.Path, fmt.Sprintf("1-%d:", k.number)) {
			return d
		}
	}
	k.t.Fatalf("key %d is not among %+v", k.number, found)
	return Device{}
}

// describeMock reads the report descriptors of umockdev/usbfs.c.
func describeMock(descriptor []byte) (int, error) {
	switch {
	case strings.HasPrefix(string(descriptor), "\x06\xd0\xf1"):
		return ctaphid.ReportSize, nil
	case strings.HasPrefix(string(descriptor), "\x05\x01"):
		return 0, nil
	}
	return 0, errDescriptor
}

// open opens the key, which closes with the test.
func (k *mockKey) open() ctaphid.ReportConn {
	k.t.Helper()
	c, err := openWithFault(k.t.Context(), k.listed())
	if err != nil {
		k.t.Fatal(err)
	}
	k.t.Cleanup(func() {
		if err := c.Close(); err != nil {
			k.t.Errorf("close: %v", err)
		}
	})
	return c
}

// openWithFault opens a device, without what the environment variable
// USBHID_FAULT says, to show that these tests can fail: "report-id" sends reports
// as they are, "close" lets every goroutine into the library at any time.
func openWithFault(ctx context.Context, d Device) (ctaphid.ReportConn, error) {
	l := underMock()
	fault := os.Getenv("USBHID_FAULT")
	if fault == "" {
		return l.openDevice(ctx, d)
	}
	dev, err := l.handle(d)
	if err != nil {
		return nil, err
	}
	sys := systemFor("linux")
	switch fault {
	case "report-id":
		sys.reportID = false
	case "close":
		return unguarded{dev, sys}, nil
	default:
		return nil, fmt.Errorf("USBHID_FAULT=%s: no such fault", fault)
	}
	return newConn(dev, d.Path, sys, l.at(d.root)), nil
}

// unguarded is a connection as one would write it who does not know the library.
type unguarded struct {
	handle
	system system
}

func (u unguarded) ReadReport(ctx context.Context, p []byte) (int, error) {
	for ctx.Err() == nil {
		if n, err := u.ReadTimeout(p, int(u.system.slice/time.Millisecond)); n > 0 || err != nil {
			return n, err
		}
	}
	return 0, ctx.Err()
}

func (u unguarded) WriteReport(_ context.Context, p []byte) error {
	_, err := u.Write(u.system.frame(nil, p))
	return err
}

func must(t *testing.T, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

// channel opens a channel that does not wait as long for answers as it would.
func channel(t *testing.T, c ctaphid.ReportConn) *ctaphid.Channel {
	t.Helper()
	ch, err := ctaphid.Open(t.Context(), c, ctaphid.Config{Silence: 2 * time.Second, Drain: 200 * time.Millisecond})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { ch.Close() })
	return ch
}

func ping(t *testing.T, c *ctaphid.Channel, size int) {
	t.Helper()
	data := make([]byte, size)
	for i := range data {
		data[i] = byte(i % 251)
	}
	_, err := c.Ping(t.Context(), data)
	for range 3 {
		if !errors.Is(err, ErrOverrun) {
			break
		}
		t.Logf("this machine stood still for a while: %v", err)
		_, err = c.Ping(t.Context(), data)
	}
	if err != nil {
		t.Fatalf("ping of %d bytes: %v", size, err)
	}
}

// read reads one report that must come in time.
func read(t *testing.T, c ctaphid.ReportConn, p []byte) (int, error) {
	ctx, cancel := context.WithTimeout(t.Context(), limit)
	defer cancel()
	return c.ReadReport(ctx, p)
}
