package cmd_test

import (
	"context"
	"encoding/json"
	"fmt"
	"net"
	"os"
	"os/exec"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/rogpeppe/go-internal/testscript"

	"github.com/touchstone-fido/touchstone/ctaphid"
	"github.com/touchstone-fido/touchstone/ctaphid/simulator"
	"github.com/touchstone-fido/touchstone/devices/virtual"
)

// startLimit is how long a program may take until it serves.
const startLimit = 20 * time.Second

// servingEnvelope is what a program that serves says, and all of it.
type servingEnvelope struct {
	Address string
	raw     json.RawMessage
}

// serving is a program that is to serve a key.
func serving(args ...string) *exec.Cmd {
	c := exec.Command(os.Args[0], append([]string{"--json"}, args...)...)
	c.Env = append(os.Environ(), beMain+"=1", "TOUCHSTONE_DEVICE=")
	return c
}

// begin starts it and waits until it says where it serves.
func begin(c *exec.Cmd) (servingEnvelope, error) {
	var e servingEnvelope
	out, err := c.StdoutPipe()
	if err != nil {
		return e, err
	}
	if err := c.Start(); err != nil {
		return e, err
	}
	late := time.AfterFunc(startLimit, func() { _ = c.Process.Kill() })
	defer late.Stop()
	if err := json.NewDecoder(out).Decode(&e.raw); err != nil {
		_ = c.Process.Kill()
		return e, fmt.Errorf("it does not say that it serves: %w", err)
	}
	return e, json.Unmarshal(e.raw, &e)
}

// served is the key of the programs that a script has started, by name.
type served struct{}

func startServing(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) < 2 {
		ts.Fatalf("usage: serve NAME ARGS...")
	}
	name, c := args[0], serving(args[1:]...)
	c.Dir = ts.MkAbs(".")
	errs, err := os.Create(ts.MkAbs(name + ".err"))
	ts.Check(err)
	defer errs.Close()
	c.Stderr = errs
	envelope, err := begin(c)
	if err != nil {
		ts.Fatalf("%v\n%s", err, ts.ReadFile(name+".err"))
	}
	ts.Defer(func() {
		_ = c.Process.Kill()
		_ = c.Wait()
	})
	ts.Check(os.WriteFile(ts.MkAbs(name+".json"), envelope.raw, 0o600))
	ts.Setenv(name, envelope.Address)
	ts.Value(served{}).(map[string]*exec.Cmd)[name] = c
}

func stopServing(ts *testscript.TestScript, neg bool, args []string) {
	signals := map[string]os.Signal{"interrupt": os.Interrupt, "terminate": syscall.SIGTERM, "nothing": nil}
	if neg || len(args) < 2 || len(args) > 3 {
		ts.Fatalf("usage: halt NAME interrupt|terminate|nothing [STATUS]")
	}
	want := "0"
	if len(args) == 3 {
		want = args[2]
	}
	signal, ok := signals[args[1]]
	if !ok {
		ts.Fatalf("there is no signal %s", args[1])
	}
	c := ts.Value(served{}).(map[string]*exec.Cmd)[args[0]]
	if c == nil {
		ts.Fatalf("nothing is served by the name of %s", args[0])
	}
	late := time.AfterFunc(startLimit, func() { _ = c.Process.Kill() })
	defer late.Stop()
	if signal != nil {
		ts.Check(c.Process.Signal(signal))
	}
	err := c.Wait()
	if got := strconv.Itoa(c.ProcessState.ExitCode()); got != want {
		ts.Fatalf("told %s, it ends with %v\n%s", args[1], err, ts.ReadFile(args[0]+".err"))
	}
}

// listenUDP is a loopback socket.
func listenUDP(t *testing.T) net.PacketConn {
	t.Helper()
	conn, err := net.ListenPacket("udp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { conn.Close() })
	return conn
}

// TestSilentSimulator: one that does not answer may have answered elsewhere.
func TestSilentSimulator(t *testing.T) {
	device := "udp:" + listenUDP(t).LocalAddr().String()
	exit, _, errs := run(t, "", "--timeout", "200ms", "--device", device, "device", "info")
	if want := "--device \"" + device + "?local=7112\""; exit != 1 || !strings.Contains(errs, want) {
		t.Errorf("exit status %d, stderr %s", exit, errs)
	}
}

// fixedPort answers to one port, whoever asks, as the simulator of SoloKeys does.
type fixedPort struct {
	net.PacketConn
	to net.Addr
}

func (f fixedPort) WriteTo(b []byte, _ net.Addr) (int, error) { return f.PacketConn.WriteTo(b, f.to) }

func TestFixedPortSimulator(t *testing.T) {
	key, err := virtual.New(virtual.Config{})
	if err != nil {
		t.Fatal(err)
	}
	device := ctaphid.NewDevice(key, ctaphid.DeviceConfig{})
	there, here := listenUDP(t), listenUDP(t)
	here.Close() // it is the program's
	ctx, stop := context.WithCancel(t.Context())
	done := make(chan error, 1)
	go func() {
		done <- simulator.Serve(ctx, fixedPort{there, here.LocalAddr()}, device.Connect, simulator.Config{})
	}()
	selector := fmt.Sprintf("udp:%v?local=%v", there.LocalAddr(), here.LocalAddr())
	exit, out, errs := run(t, "", "--json", "--device", selector, "device", "info")
	var got struct {
		Device struct{ Selector, Path string }
	}
	if err := json.Unmarshal([]byte(out), &got); err != nil || exit != 0 {
		t.Fatalf("exit status %d, %v: %s%s", exit, err, out, errs)
	}
	if got.Device.Selector != selector || got.Device.Path != there.LocalAddr().String() {
		t.Errorf("%+v, want %s", got.Device, selector)
	}
	stop()
	<-done
	if err := device.Close(); err != nil {
		t.Error(err)
	}
}
