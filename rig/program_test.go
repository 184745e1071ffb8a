//go:build linux

package rig

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"os/exec"
	"strings"
	"syscall"
	"testing"
)

// program is another program at work, or what it left.
type program struct {
	t        *testing.T
	cmd      *exec.Cmd
	out, err bytes.Buffer
}

// prepare is a program of the guest that has not begun. It is killed when it takes
// too long.
func prepare(t *testing.T, name string, args ...string) *program {
	t.Helper()
	guest(t)
	ctx, cancel := context.WithTimeout(t.Context(), limit)
	t.Cleanup(cancel)
	p := &program{t: t, cmd: exec.CommandContext(ctx, "/bin/"+name, args...)}
	p.cmd.Stdout, p.cmd.Stderr = &p.out, &p.err
	return p
}

// start starts one.
func start(t *testing.T, stdin string, as *syscall.Credential, name string, args ...string) *program {
	t.Helper()
	p := prepare(t, name, args...)
	p.cmd.Stdin = strings.NewReader(stdin)
	p.cmd.SysProcAttr = &syscall.SysProcAttr{Credential: as}
	if err := p.cmd.Start(); err != nil {
		t.Fatal(err)
	}
	return p
}

// wait waits for the program's end and wants an exit status, -1 for death by a
// signal.
func (p *program) wait(exit int) *program {
	p.t.Helper()
	err := p.cmd.Wait()
	var status *exec.ExitError
	if err != nil && !errors.As(err, &status) {
		p.t.Fatalf("%s: %v", p.cmd, err)
	}
	if got := p.cmd.ProcessState.ExitCode(); got != exit {
		p.t.Fatalf("%s: exit status %d, want %d\n%s%s", p.cmd, got, exit, &p.out, &p.err)
	}
	return p
}

// touchstone runs the program that the guest came with, and wants an exit status.
func touchstone(t *testing.T, exit int, args ...string) *program {
	t.Helper()
	return start(t, "", nil, "touchstone", args...).wait(exit)
}

// json reads the envelope that the program printed.
func (p *program) json(into any) {
	p.t.Helper()
	if err := json.Unmarshal(p.out.Bytes(), into); err != nil {
		p.t.Fatalf("%s: %v\n%s", p.cmd, err, &p.out)
	}
}

// told wants texts on the program's standard error.
func (p *program) told(texts ...string) {
	p.t.Helper()
	for _, text := range texts {
		if !strings.Contains(p.err.String(), text) {
			p.t.Errorf("%s: no %q in\n%s", p.cmd, text, &p.err)
		}
	}
}

// deviceList is touchstone/device-list/1.
type deviceList struct {
	Devices []device
	LeftOut []struct {
		Device       device
		Reason, Hint string
	}
}

type device struct {
	Selector, Backend, Path, VendorID, ProductID, Manufacturer, Product, Serial string
}

// list has the program list keys.
func list(t *testing.T, as *syscall.Credential, args ...string) deviceList {
	t.Helper()
	var l deviceList
	start(t, "", as, "touchstone", append([]string{"--json", "device", "list"}, args...)...).wait(0).json(&l)
	return l
}
