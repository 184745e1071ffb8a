//go:build linux

package browser

import (
	"errors"
	"fmt"
	"os"
	"os/exec"
	"runtime"
	"syscall"
	"testing"
	"time"

	"golang.org/x/sys/unix"
)

// environment says where the tests are: "host" on a machine where they may make
// namespaces, "inside" in them. Anything else, and they are skipped.
const (
	environment = "TOUCHSTONE_BROWSER"
	onHost      = "host"
	inside      = "inside"
)

func TestMain(m *testing.M) {
	switch os.Getenv(environment) {
	case onHost:
		os.Exit(enter())
	case inside:
		os.Exit(runInside(m))
	}
	if os.Getenv(rigEnvironment) == inGuest {
		here, limit = guest{}, 5*time.Minute
		status := m.Run()
		shared.stop()
		os.Exit(status)
	}
	os.Exit(m.Run())
}

// enter runs the program again, inside. It dies with this one.
func enter() int {
	runtime.LockOSThread() // whose end would be taken for the program's
	c := exec.Command("/proc/self/exe", os.Args[1:]...)
	c.Stdin, c.Stdout, c.Stderr = os.Stdin, os.Stdout, os.Stderr
	c.Env = append(os.Environ(), environment+"="+inside)
	c.SysProcAttr = &syscall.SysProcAttr{Cloneflags: syscall.CLONE_NEWNS | syscall.CLONE_NEWNET, Pdeathsig: syscall.SIGKILL}
	if uid, gid := os.Getuid(), os.Getgid(); uid != 0 {
		c.SysProcAttr.Cloneflags |= syscall.CLONE_NEWUSER
		c.SysProcAttr.UidMappings = []syscall.SysProcIDMap{{HostID: uid, Size: 1}}
		c.SysProcAttr.GidMappings = []syscall.SysProcIDMap{{HostID: gid, Size: 1}}
	}
	err := c.Run()
	var exit *exec.ExitError
	switch {
	case err == nil:
		return 0
	case errors.As(err, &exit) && exit.Exited():
		return exit.ExitCode()
	}
	fmt.Fprintln(os.Stderr, "namespaces of its own:", err)
	return 1
}

// runInside runs the tests, and ends the browser.
func runInside(m *testing.M) int {
	if err := furnish(); err != nil {
		fmt.Fprintln(os.Stderr, "a machine with security keys:", err)
		return 1
	}
	here = host{}
	defer shared.stop()
	return m.Run()
}

// furnish makes the namespaces a machine with security keys.
func furnish() error {
	if err := loopbackUp(); err != nil {
		return err
	}
	// What is mounted from here on is nobody else's.
	if err := unix.Mount("", "/", "", unix.MS_REC|unix.MS_PRIVATE, ""); err != nil {
		return fmt.Errorf("private mounts: %w", err)
	}
	if err := fakeHidraw(sockets); err != nil {
		return err
	}
	// What the browser leaves behind goes with the namespaces.
	return os.Setenv("TMPDIR", nodeDir)
}

// loopbackUp switches on the only network that there is.
func loopbackUp() error {
	s, err := unix.Socket(unix.AF_INET, unix.SOCK_DGRAM|unix.SOCK_CLOEXEC, 0)
	if err != nil {
		return fmt.Errorf("loopback: %w", err)
	}
	defer unix.Close(s)
	request, err := unix.NewIfreq("lo")
	if err != nil {
		return fmt.Errorf("loopback: %w", err)
	}
	request.SetUint16(unix.IFF_UP)
	if err := unix.IoctlIfreq(s, unix.SIOCSIFFLAGS, request); err != nil {
		return fmt.Errorf("loopback: %w", err)
	}
	return nil
}
