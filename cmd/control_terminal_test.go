//go:build unix

package cmd_test

import (
	"fmt"
	"os"
	"os/exec"
	"strings"
	"syscall"
	"testing"

	"github.com/touchstone-fido/touchstone/devices/virtual/control"
)

// TestTerminalControl: somebody at one terminal is the hand at a key that is
// served in another process.
func TestTerminalControl(t *testing.T) {
	listener, err := control.Listen("127.0.0.1:0") // a port that is free
	if err != nil {
		t.Fatal(err)
	}
	at := listener.Addr().String()
	listener.Close()
	server, address := beginServing(t, "virtual", "serve", "udp", "--address", ":0", "--presence", "manual", "--control", at)

	enrolling := sit(t, "--device", "udp:"+address, "enroll", "--rp", "example.com", "--user", "alice")
	enrolling.waits("Touch your security key.")
	for _, c := range []struct {
		args  []string
		shows string
	}{
		{[]string{"virtual", "control", "events", "--event", "waiting", "--wait", "20s"}, "udp: waiting touch"},
		{[]string{"virtual", "control", "state"}, "udp  udp  " + address + "  yes       manual    good    touch      -"},
		{[]string{"virtual", "control", "touch"}, "manual    good    -"},
	} {
		controls(t, at, c.shows, c.args...)
	}
	if exit, shown := enrolling.leaves(); exit != 0 || !strings.Contains(shown, "Registration       verified") {
		t.Errorf("exit status %d\n%s", exit, shown)
	}

	selecting := sit(t, "--device", "udp:"+address, "enroll", "--rp", "example.com", "--user", "bob")
	selecting.waits("Touch your security key.")
	controls(t, at, "manual", "virtual", "control", "deny", "--wait", "20s")
	if exit, shown := selecting.leaves(); exit != 4 || !strings.Contains(shown, "CTAP2_ERR_OPERATION_DENIED") {
		t.Errorf("exit status %d\n%s", exit, shown)
	}
	for _, c := range []struct {
		args  []string
		shows string
	}{
		{[]string{"virtual", "control", "presence", "auto"}, "yes       auto"},
		{[]string{"virtual", "control", "finger", "bad"}, "bad"},
		{[]string{"virtual", "control", "fault", "on", "mc-no-touch"}, "mc-no-touch"},
		{[]string{"virtual", "control", "fault", "off"}, "bad     -          -"},
		{[]string{"virtual", "control", "remove"}, "no        auto"},
		{[]string{"virtual", "control", "insert"}, "yes       auto"},
		{[]string{"virtual", "control", "power-cycle"}, "yes       auto"},
	} {
		controls(t, at, c.shows, c.args...)
	}
	stops(t, server)
}

// controls runs a command that must do well and show something.
func controls(t *testing.T, at, shows string, args ...string) {
	t.Helper()
	exit, shown := sit(t, append(args, "--at", at)...).leaves()
	if exit != 0 || !strings.Contains(shown, shows) {
		t.Errorf("%q: exit status %d, want %q in\n%s", args, exit, shows, shown)
	}
}

// stops tells a server to stop, which it does well.
func stops(t *testing.T, server *exec.Cmd) {
	t.Helper()
	if err := server.Process.Signal(syscall.SIGTERM); err != nil {
		t.Fatal(err)
	}
	if err := server.Wait(); err != nil {
		t.Error(fmt.Errorf("%s: %w", os.Args[0], err))
	}
}
