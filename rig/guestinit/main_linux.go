// Command guestinit is the first process of the guest that scripts/rig boots. It
// mounts what tests want, loads the modules that /rig/modules lists, runs the
// commands that /rig/commands lists, prints GUEST-EXIT with the first status that
// was not 0, and switches the guest off.
package main

import (
	"cmp"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"strings"

	"golang.org/x/sys/unix"
)

// marker is what scripts/rig knows the tests' end by.
const marker = "GUEST-EXIT"

func main() {
	status := 1
	if err := prepare(); err == nil {
		status = runAll("/rig/commands")
	} else {
		fmt.Println("guestinit:", err)
	}
	fmt.Println(marker, status)
	if err := unix.Reboot(unix.LINUX_REBOOT_CMD_POWER_OFF); err != nil {
		fmt.Println("guestinit: switch off:", err)
	}
}

func prepare() error {
	for _, m := range []struct{ kind, place string }{
		{"proc", "/proc"}, {"sysfs", "/sys"}, {"devtmpfs", "/dev"}, {"tmpfs", "/tmp"},
	} {
		if err := errors.Join(os.MkdirAll(m.place, 0o755), unix.Mount(m.kind, m.place, m.kind, 0, "")); err != nil {
			return fmt.Errorf("mount %s: %w", m.place, err)
		}
	}
	for _, file := range lines("/rig/modules") {
		if err := load(file); err != nil {
			return fmt.Errorf("load %s: %w", file, err)
		}
	}
	if err := os.Chmod("/tmp", 0o1777); err != nil {
		return err
	}
	return startLoopback()
}

func lines(file string) []string {
	b, err := os.ReadFile(file)
	if err != nil {
		fmt.Println("guestinit:", err)
	}
	return strings.Split(strings.TrimSpace(string(b)), "\n")
}

func load(file string) error {
	f, err := os.Open(file)
	if err != nil {
		return err
	}
	defer f.Close()
	return unix.FinitModule(int(f.Fd()), "", 0)
}

// startLoopback brings 127.0.0.1 up, for usbip's TCP.
func startLoopback() error {
	fd, err := unix.Socket(unix.AF_INET, unix.SOCK_DGRAM, 0)
	if err != nil {
		return err
	}
	defer unix.Close(fd)
	lo, err := unix.NewIfreq("lo")
	if err != nil {
		return err
	}
	lo.SetUint16(unix.IFF_UP)
	return unix.IoctlIfreq(fd, unix.SIOCSIFFLAGS, lo)
}

// runAll runs a command for each line, its arguments parted by spaces.
func runAll(file string) (status int) {
	for _, line := range lines(file) {
		status = cmp.Or(status, run(strings.Fields(line)))
	}
	return status
}

func run(args []string) int {
	if len(args) == 0 {
		fmt.Println("guestinit: no command")
		return 1
	}
	c := exec.Command(args[0], args[1:]...)
	c.Env = []string{"PATH=/bin:/usr/bin:/usr/sbin", "HOME=/tmp", "TMPDIR=/tmp", "TOUCHSTONE_RIG=guest"}
	c.Stdout, c.Stderr = os.Stdout, os.Stdout
	err := c.Run()
	var exit *exec.ExitError
	switch {
	case errors.As(err, &exit) && exit.ExitCode() > 0:
		return exit.ExitCode()
	case err != nil: // a signal, or it did not start
		fmt.Printf("guestinit: %s: %v\n", args[0], err)
		return 1
	}
	return 0
}
