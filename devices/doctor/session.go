package doctor

import (
	"context"
	"errors"
	"os"
	"strconv"
	"strings"

	"github.com/touchstone-fido/touchstone/ctaphid/hidraw"
)

// seatsDir is where logind keeps who sits where. It calls the form private, but
// it is what every program gets through libsystemd.
const seatsDir = "run/systemd/seats"

// seat is the seat at which this user is the active one, if there is one.
func (m *machine) seat() (name string, seated bool) {
	entries, _ := os.ReadDir(m.path(seatsDir))
	for _, e := range entries {
		if setting(m.read(seatsDir, e.Name()), "ACTIVE_UID") == strconv.Itoa(m.uid) {
			return e.Name(), true
		}
	}
	return "", false
}

// others are the users who are active at seats, by their names.
func (m *machine) others() string {
	var names []string
	entries, _ := os.ReadDir(m.path(seatsDir))
	for _, e := range entries {
		if uid := setting(m.read(seatsDir, e.Name()), "ACTIVE_UID"); uid != "" {
			names = append(names, nameOfUser(uid)+" at "+e.Name())
		}
	}
	if names == nil {
		return "nobody is"
	}
	return strings.Join(names, ", ") + " is"
}

// sessionSeat finds out whether this user is given what is tagged "uaccess".
func sessionSeat(_ context.Context, m *machine) Finding {
	name, seated := m.seat()
	switch {
	case m.uid == 0:
		return Finding{Status: NotApplicable, Summary: "root needs no seat"}
	case seated:
		return Finding{Status: OK, Summary: "this user is active at " + name + ", and is given devices there"}
	case m.permitted():
		return Finding{Status: OK, Summary: "this user is at no seat, but may open the keys that are there"}
	case m.containerKind() != "":
		return Finding{Status: NotApplicable, Summary: "a container has no seats"}
	case !m.exists(seatsDir):
		return Finding{Status: Warning, Summary: `logind does not run: the tag "uaccess" gives nobody anything`, Fix: m.groupFix()}
	}
	f := Finding{Status: Warning, Summary: "this user is not the active one at a seat: keys are given to the one who is",
		Detail: "active: " + m.others(), Fix: m.groupFix()}
	if m.getenv("SSH_CONNECTION") != "" {
		f.Summary = `this is a session over ssh, which is at no seat: the tag "uaccess" gives it nothing`
	}
	return f
}

// permitted reports whether there are keys, and this user may open them all.
func (m *machine) permitted() bool {
	keys, err := m.nodes()
	for _, k := range keys {
		var denied *hidraw.PermissionError
		if errors.As(k.Err, &denied) {
			return false
		}
	}
	return err == nil && len(keys) > 0
}
