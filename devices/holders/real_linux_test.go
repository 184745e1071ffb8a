package holders

import (
	"bufio"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"os/exec"
	"os/user"
	"path/filepath"
	"reflect"
	"strings"
	"testing"

	"github.com/creack/pty"
	"golang.org/x/sys/unix"
)

// beHolder is the environment variable that makes the test binary a program
// that holds something: open, listen or dial, a colon, and what.
const beHolder = "TOUCHSTONE_TEST_HOLDER"

func TestMain(m *testing.M) {
	if what := os.Getenv(beHolder); what != "" {
		if err := hold(what); err != nil {
			fmt.Println(err)
			os.Exit(1)
		}
		os.Exit(0)
	}
	os.Exit(m.Run())
}

// hold opens what it is told, says so, and keeps it until stdin ends.
func hold(what string) error {
	var held io.Closer
	var err error
	switch kind, path, _ := strings.Cut(what, ":"); kind {
	case "open":
		held, err = os.OpenFile(path, os.O_RDWR|unix.O_NOCTTY, 0)
	case "listen":
		held, err = listen(path)
	case "dial":
		held, err = dial(path)
	}
	if err != nil {
		return err
	}
	fmt.Println("ready")
	_, _ = io.Copy(io.Discard, os.Stdin)
	return held.Close()
}

// listen accepts connections and greets each with a byte.
func listen(path string) (io.Closer, error) {
	l, err := net.Listen("unix", path)
	if err != nil {
		return nil, err
	}
	go func() {
		var kept []net.Conn
		for {
			c, err := l.Accept()
			if err != nil {
				return
			}
			kept = append(kept, c)
			if _, err := c.Write([]byte{1}); err != nil {
				fmt.Println(err, len(kept))
			}
		}
	}()
	return l, nil
}

// dial returns when the connection has been accepted.
func dial(path string) (net.Conn, error) {
	c, err := net.Dial("unix", path)
	if err == nil {
		_, err = c.Read(make([]byte, 1))
	}
	return c, err
}

// holder starts a process that holds something until the test ends.
func holder(t *testing.T, what string) Process {
	t.Helper()
	child := exec.Command(os.Args[0])
	child.Env = append(os.Environ(), beHolder+"="+what)
	in, err := child.StdinPipe()
	if err != nil {
		t.Fatal(err)
	}
	out, err := child.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := child.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = errors.Join(in.Close(), child.Wait()) })
	if line, err := bufio.NewReader(out).ReadString('\n'); line != "ready\n" {
		t.Fatalf("%s: %q, %v", what, line, err)
	}
	me, err := user.Current()
	if err != nil {
		t.Fatal(err)
	}
	return Process{PID: child.Process.Pid, Name: filepath.Base(os.Args[0]), User: me.Username}
}

func wantHolders(t *testing.T, path string, want ...Process) {
	t.Helper()
	found, err := OfNode(t.Context(), "", path)
	if err != nil || !reflect.DeepEqual(found.Processes, want) {
		t.Errorf("%s: %v, %v, want %v", path, found, err, want)
	}
}

// TestRealNode has another process open a character device, and names it by a
// link of another name.
func TestRealNode(t *testing.T) {
	primary, node, err := pty.Open()
	if err != nil {
		t.Skipf("NOT RUN: no terminals to be had here: %v", err)
	}
	t.Cleanup(func() { _ = errors.Join(node.Close(), primary.Close()) })
	wantHolders(t, node.Name())
	child := holder(t, "open:"+node.Name())
	wantHolders(t, node.Name(), child)
	link := filepath.Join(t.TempDir(), "mykey")
	if err := os.Symlink(node.Name(), link); err != nil {
		t.Fatal(err)
	}
	wantHolders(t, link, child)
}

func TestRealFile(t *testing.T) {
	file := filepath.Join(t.TempDir(), "node")
	if err := os.WriteFile(file, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	one, two := holder(t, "open:"+file), holder(t, "open:"+file)
	if one.PID > two.PID {
		one, two = two, one
	}
	wantHolders(t, file, one, two)
}

// TestRealSocket asks this kernel for the ends of a socket at which one process
// listens, and to which another is connected, and this one too.
func TestRealSocket(t *testing.T) {
	dir, err := os.MkdirTemp("", "s") // the name of a socket must be short
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { os.RemoveAll(dir) })
	path := filepath.Join(dir, "s")
	daemon := holder(t, "listen:"+path)
	if _, err := kernelSockets(); errors.Is(err, unix.ENOENT) || errors.Is(err, unix.EPROTONOSUPPORT) {
		t.Skipf("NOT RUN: this kernel does not tell of unix sockets: %v", err)
	}
	alone, err := OfSocket(t.Context(), "", path)
	if err != nil || !reflect.DeepEqual(alone.Listeners, []Process{daemon}) || alone.Connections != 0 || alone.Clients.Processes != nil {
		t.Errorf("without clients: %+v, %v", alone, err)
	}
	own, err := dial(path)
	if err != nil {
		t.Fatal(err)
	}
	defer own.Close()
	client := holder(t, "dial:"+path)
	got, err := OfSocket(t.Context(), "", path)
	if err != nil || got.Connections != 1 || !reflect.DeepEqual(got.Listeners, []Process{daemon}) ||
		!reflect.DeepEqual(got.Clients.Processes, []Process{client}) {
		t.Errorf("got %+v, %v, want the client %v", got, err, client)
	}
}
