// Package holders tells which programs have a security key: those that have a
// device node open, and those that are connected to a daemon's socket, as the
// programs with a smart card are to pcscd's. On Linux it reads /proc and asks
// the kernel which sockets belong together; elsewhere there is no way that
// needs no special rights.
//
// A user sees the own processes only. What could not be seen is told: it is not
// the same as nobody.
//
//	found, err := holders.OfNode(ctx, "", "/dev/hidraw3")
//	if err != nil {
//		return err // could not look
//	}
//	for _, p := range found.Processes {
//		log.Printf("%v has it: %s", p, p.Remedy())
//	}
//	if text := found.Unlooked(); text != "" {
//		log.Print(text)
//	}
package holders

import (
	"errors"
	"fmt"
	"strings"
	"unicode"
)

var (
	// ErrUnsupported says that this operating system does not tell.
	ErrUnsupported = fmt.Errorf("who holds a device is told on Linux only: %w", errors.ErrUnsupported)

	// ErrNoListener says that nobody listens on a socket, as far as can be seen
	// from here: a container may have been given the file of another's socket.
	ErrNoListener = errors.New("nobody listens on the socket")
)

// PCSCSocket is where pcscd listens.
const PCSCSocket = "/run/pcscd/pcscd.comm"

// Process is a program that holds something. The name is the program's own
// choice, with unprintable characters replaced.
type Process struct {
	PID  int
	Name string
	User string // whose it is: a name, or a number if it has none
}

// String is such as "scdaemon (pid 812, user anna)".
func (p Process) String() string {
	return fmt.Sprintf("%s (pid %d, user %s)", p.Name, p.PID, p.User)
}

// remedies say how programs that are known to hold keys let go of them.
var remedies = []struct{ prefix, remedy string }{
	{"scdaemon", "gpgconf --kill scdaemon"},
	{"gpg-agent", "gpgconf --kill gpg-agent"},
	{"firefox", browserRemedy},
	{"chrom", browserRemedy}, // chrome, chromium
	{"brave", browserRemedy},
	{"msedge", browserRemedy},
	{"opera", browserRemedy},
	{"vivaldi", browserRemedy},
	{"qemu", "take the key away from the virtual machine"},
	{"VBox", "take the key away from the virtual machine"},
	{"vmware", "take the key away from the virtual machine"},
	{"ssh-sk-helper", "let ssh come to its end: touch the key, or break ssh off"},
}

const browserRemedy = "answer or break off the page that asks for a key, or close the browser"

// Remedy says how the program lets go, with what fits every program if it is
// not a known one.
func (p Process) Remedy() string {
	for _, r := range remedies {
		if strings.HasPrefix(p.Name, r.prefix) {
			return r.remedy
		}
	}
	return fmt.Sprintf("close it, or end it with kill %d", p.PID)
}

// Found is who holds something, as far as this user can see. The calling
// process is never in it.
type Found struct {
	Processes []Process // by their numbers
	Unseen    int       // processes of other users that could not be looked at
	Hidden    bool      // the system does not even show how many there are (hidepid)
}

// Unlooked says in a sentence what could not be looked at, empty if all could.
func (f Found) Unlooked() string {
	switch {
	case f.Hidden:
		return "processes of other users are hidden from this one"
	case f.Unseen == 1:
		return "1 process of another user could not be looked at"
	case f.Unseen > 1:
		return fmt.Sprintf("%d processes of other users could not be looked at", f.Unseen)
	}
	return ""
}

// String names the processes, "nobody" if there are none and all could be
// looked at.
func (f Found) String() string {
	var parts []string
	for _, p := range f.Processes {
		parts = append(parts, p.String())
	}
	text, unlooked := strings.Join(parts, ", "), f.Unlooked()
	switch {
	case text == "" && unlooked == "":
		return "nobody"
	case text == "":
		return "nobody that can be seen, but " + unlooked
	case unlooked == "":
		return text
	}
	return text + "; " + unlooked
}

// Socket is who is at the ends of a unix socket.
type Socket struct {
	Listeners   []Process // the daemon, and the init system that holds the socket for it
	Connections int       // how many there are, whoever has them, apart from the calling process's
	Clients     Found     // who has them
}

// printable makes a text that a program chose fit for a terminal.
func printable(s string) string {
	return strings.Map(func(r rune) rune {
		if unicode.IsPrint(r) {
			return r
		}
		return unicode.ReplacementChar
	}, s)
}
