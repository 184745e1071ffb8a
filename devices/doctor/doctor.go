// Package doctor finds out what keeps security keys from being used on this
// machine: permissions and udev rules, the PC/SC daemon and who has the card,
// what is built into this program, the rights of the user. It looks, asks the
// keys what they are unless told not to, and changes nothing.
//
//	report := doctor.Run(ctx, doctor.Config{})
//	for _, f := range report.Findings {
//		log.Printf("%s: %s: %s", f.Status, f.ID, f.Summary)
//		for _, command := range f.Fix.Commands {
//			log.Printf("  $ %s", command)
//		}
//	}
//	if report.Count(doctor.Problem) > 0 { ... }
//
// Every check comes to an end: one that fails or hangs is a finding of status
// [Unknown], and the next one has its turn.
package doctor

import (
	"context"
	"fmt"
	"strings"
	"time"
	"unicode"
)

// Status is how a check went.
type Status string

// Statuses. Only a [Problem] says that something is wrong.
const (
	OK            Status = "ok"
	Warning       Status = "warning"        // works, or would not be missed by everybody
	Problem       Status = "problem"        // keeps a key from being used
	Unknown       Status = "unknown"        // could not look
	NotApplicable Status = "not-applicable" // not on this system or in this build
)

// Finding is what one check found about one thing.
type Finding struct {
	ID      string // stable; what a check finds about several things has a colon and the thing
	Status  Status
	Summary string // one line
	Detail  string // more lines, or empty
	Fix     Fix
}

// Fix says what to do. It is empty if there is nothing to do.
type Fix struct {
	Text     string
	Commands []string // for a shell of this system, to be run in this order
}

// Report is what all checks found, in the order of the checks.
type Report struct{ Findings []Finding }

// Count is how many findings have a status.
func (r Report) Count(s Status) int {
	n := 0
	for _, f := range r.Findings {
		if f.Status == s {
			n++
		}
	}
	return n
}

// Config says how to look. The zero value is right.
type Config struct {
	// NoOpen leaves the keys alone: none is opened and asked.
	NoOpen bool
	// Limit is how long one check, or one key, may take; 0 is ten seconds.
	Limit time.Duration
}

const defaultLimit = 10 * time.Second

// Run makes all checks that there are for this system. When ctx ends, what is
// left to check is of status [Unknown].
func Run(ctx context.Context, c Config) Report {
	return newMachine(ctx, c).run(ctx)
}

// check is one thing to find out.
type check struct {
	id  string
	run func(ctx context.Context, m *machine) []Finding
}

func (m *machine) run(ctx context.Context) Report {
	var r Report
	for _, c := range m.checks() {
		r.Findings = append(r.Findings, m.make(ctx, c)...)
	}
	for _, c := range m.keyChecks() {
		r.Findings = append(r.Findings, m.make(ctx, c)...)
	}
	return r
}

// make makes a check, for as long as it may take. One that hangs, in a driver
// or on a file, is left behind.
func (m *machine) make(ctx context.Context, c check) []Finding {
	ctx, stop := context.WithTimeoutCause(ctx, m.limit, fmt.Errorf("no answer in %v", m.limit))
	defer stop()
	found := make(chan []Finding, 1)
	go func() { found <- c.guarded(ctx, m) }()
	select {
	case f := <-found:
		return tidy(f)
	case <-ctx.Done():
	}
	select {
	case f := <-found: // it had ended, too
		return tidy(f)
	default:
		return []Finding{unknown(c.id, "could not be checked", context.Cause(ctx))}
	}
}

// tidy keeps what a device, a file or a program calls itself to one line.
func tidy(found []Finding) []Finding {
	for i := range found {
		found[i].ID, found[i].Summary = line(found[i].ID), line(found[i].Summary)
	}
	return found
}

func line(s string) string {
	return strings.Map(func(r rune) rune {
		if unicode.IsPrint(r) {
			return r
		}
		return unicode.ReplacementChar
	}, s)
}

// guarded makes a mistake in a check a finding of its own.
func (c check) guarded(ctx context.Context, m *machine) (found []Finding) {
	defer func() {
		if r := recover(); r != nil {
			found = []Finding{unknown(c.id, "the check failed", fmt.Errorf("%v", r))}
		}
	}()
	return c.run(ctx, m)
}

// unknown is a finding about what could not be looked at.
func unknown(id, summary string, why error) Finding {
	return Finding{ID: id, Status: Unknown, Summary: summary, Detail: why.Error()}
}

// one makes a check of a function with a single finding.
func one(id string, f func(ctx context.Context, m *machine) Finding) check {
	return check{id, func(ctx context.Context, m *machine) []Finding {
		found := f(ctx, m)
		found.ID = id
		return []Finding{found}
	}}
}

// checks are those for this system, in the order in which a person would look.
// What the keys say comes after them.
func (m *machine) checks() []check {
	build := []check{one("build.backends", buildBackends), one("pcsc.built", pcscBuilt)}
	present := one("key.present", keysPresent)
	var system []check
	switch m.goos {
	case "linux":
		system = linuxChecks
	case "windows":
		system = []check{one("windows.elevation", windowsElevation), one("pcsc.daemon", windowsService), {"pcsc.access", pcscAccess}}
	default:
		system = []check{{"pcsc.access", pcscAccess}}
	}
	return append(append(build, system...), present)
}

var linuxChecks = []check{
	one("container", container),
	one("sandbox", sandbox),
	one("hidraw.class", hidrawClass),
	{"hidraw.permission", hidrawPermissions},
	{"hidraw.held", hidrawHeld},
	one("udev.running", udevRunning),
	{"udev.rules", udevRules},
	one("session.seat", sessionSeat),
	{"usb.bound", usbBound},
	one("pcsc.daemon", pcscDaemon),
	{"pcsc.access", pcscAccess},
	one("pcsc.driver", pcscDriver),
	{"pcsc.card-held", pcscCardHeld},
	{"pcsc.modules", pcscModules},
}
