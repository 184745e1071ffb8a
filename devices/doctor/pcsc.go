package doctor

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"path/filepath"
	"slices"
	"strings"

	"github.com/touchstone-fido/touchstone/devices/discover"
	"github.com/touchstone-fido/touchstone/devices/holders"
	"github.com/touchstone-fido/touchstone/nfc/pcsc"
)

// withoutPCSC is what there is to say of the service in a build that does not
// use it.
var withoutPCSC = Finding{Status: NotApplicable, Summary: "PC/SC is not in this build"}

// readerThere reports whether a smart card reader is on USB, or a key with the
// side of one.
func (m *machine) readerThere() bool {
	return slices.ContainsFunc(m.interfaces(), func(i usbInterface) bool { return i.class == classCCID })
}

// pcscDaemon finds out whether pcscd runs, or would be started.
func pcscDaemon(ctx context.Context, m *machine) Finding {
	if !m.built(discover.PCSC) {
		return withoutPCSC
	}
	s, err := m.clients(ctx, holders.PCSCSocket)
	isDaemon := func(p holders.Process) bool { return strings.HasPrefix(p.Name, "pcscd") }
	switch {
	case errors.Is(err, fs.ErrNotExist):
		return m.noDaemon("pcscd does not run: there is no " + holders.PCSCSocket)
	case errors.Is(err, holders.ErrNoListener) && m.containerKind() != "":
		return Finding{Status: OK, Summary: "there is the socket of another's pcscd", Detail: err.Error()}
	case errors.Is(err, holders.ErrNoListener):
		return m.noDaemon("pcscd has ended and left its socket behind")
	case err != nil:
		return unknown("", "it cannot be told whether pcscd runs", err)
	case slices.ContainsFunc(s.Listeners, isDaemon):
		return Finding{Status: OK, Summary: "pcscd runs", Detail: names(s.Listeners)}
	case len(s.Listeners) > 0:
		return Finding{Status: OK, Summary: "pcscd is started when it is asked for", Detail: names(s.Listeners)}
	}
	return Finding{Status: OK, Summary: "somebody listens for pcscd's clients", Detail: s.Clients.Unlooked()}
}

func names(processes []holders.Process) string { return holders.Found{Processes: processes}.String() }

// noDaemon is a problem if there is a reader, and else a warning: keys on USB
// need no daemon.
func (m *machine) noDaemon(summary string) Finding {
	f := Finding{Status: Warning, Summary: summary, Detail: "keys on USB do not need it, keys on NFC do"}
	if m.readerThere() {
		f.Status, f.Detail = Problem, "there is a reader on USB that needs it"
	}
	if !m.exists("usr/sbin/pcscd") && !m.exists("usr/bin/pcscd") {
		f.Fix = Fix{Text: "install pcscd", Commands: m.install("pcscd", "pcsc-lite", "pcsclite", "pcsc-lite", "pcsc-lite")}
	}
	if m.exists("run/systemd/system") {
		f.Fix.Commands = append(f.Fix.Commands, "sudo systemctl enable --now pcscd.socket")
	} else {
		f.Fix.Commands = append(f.Fix.Commands, "sudo pcscd")
	}
	f.Fix.Text = strings.TrimPrefix(f.Fix.Text+" and start it", " and ")
	return f
}

// pcscAccess asks the service for its readers, as every program does.
func pcscAccess(ctx context.Context, m *machine) []Finding {
	f := Finding{ID: "pcsc.access"}
	if !m.built(discover.PCSC) {
		f.Status, f.Summary = withoutPCSC.Status, withoutPCSC.Summary
		return []Finding{f}
	}
	readers, err := m.readers(ctx)
	switch {
	case err == nil:
		f.Status, f.Summary, f.Detail = OK, "the PC/SC service answers, with "+count(len(readers), "reader"), describeReaders(readers)
	case errors.Is(err, pcsc.ErrDenied):
		f.Status, f.Summary, f.Detail, f.Fix = Problem, "the PC/SC service refuses this user", err.Error(), m.polkitFix()
	case errors.Is(err, pcsc.ErrNoService):
		f.Status, f.Summary, f.Detail = Unknown, "the PC/SC service does not answer, so that it cannot be told whether it would", err.Error()
	default:
		f = unknown("pcsc.access", "the PC/SC service could not be asked", err)
	}
	return []Finding{f}
}

func describeReaders(readers []pcsc.Reader) string {
	var lines []string
	for _, r := range readers {
		state := "empty"
		switch {
		case r.Err != nil:
			state = r.Err.Error()
		case r.CardPresent:
			state = "has a card"
		}
		lines = append(lines, r.Name+": "+state)
	}
	return strings.Join(lines, "\n")
}

// polkitFix lets this user talk to pcscd: polkit lets in those only who sit at
// the machine.
func (m *machine) polkitFix() Fix {
	rule := fmt.Sprintf(`polkit.addRule(function(action, subject) {
  if (action.id.indexOf("org.debian.pcsc-lite.") == 0 && subject.user == %q) { return polkit.Result.YES; }
});`, m.user)
	return Fix{Text: "log in on the machine itself, or have polkit let this user in", Commands: []string{
		fmt.Sprintf("echo '%s' | sudo tee /etc/polkit-1/rules.d/40-touchstone-pcsc.rules", rule),
		"sudo systemctl restart polkit.service pcscd.service"}}
}

// driverDirs are where distributions put the drivers of readers.
var driverDirs = []string{"usr/lib/pcsc/drivers", "usr/lib64/pcsc/drivers", "usr/lib/*/pcsc/drivers", "usr/local/lib/pcsc/drivers", "usr/local/pcsc/drivers"}

// pcscDriver finds out whether pcscd has the driver of nearly all readers.
func pcscDriver(_ context.Context, m *machine) Finding {
	switch {
	case !m.built(discover.PCSC):
		return withoutPCSC
	case !m.exists("usr/sbin/pcscd") && !m.exists("usr/bin/pcscd"):
		return Finding{Status: NotApplicable, Summary: "pcscd is not installed"}
	}
	for _, dir := range driverDirs {
		if found, _ := filepath.Glob(m.path(dir, "ifd-ccid.bundle")); len(found) > 0 {
			return Finding{Status: OK, Summary: "the driver for CCID readers is installed"}
		}
	}
	f := Finding{Status: Warning, Summary: "no driver for CCID readers was found: pcscd will see none", Fix: Fix{
		Text: "install it", Commands: m.install("libccid", "pcsc-lite-ccid", "ccid", "pcsc-ccid", "ccid")}}
	if m.readerThere() {
		f.Status = Problem
	}
	return f
}

// pcscCardHeld finds out whether another program keeps cards or readers for
// itself.
func pcscCardHeld(ctx context.Context, m *machine) []Finding {
	if !m.built(discover.PCSC) {
		f := withoutPCSC
		f.ID = "pcsc.card-held"
		return []Finding{f}
	}
	found := m.takenReaders(ctx)
	readers, err := m.readers(ctx)
	if err != nil {
		return append(found, unknown("pcsc.card-held", "it cannot be told whether a card is in use", err))
	}
	clients, err := m.clients(ctx, holders.PCSCSocket)
	held := false
	for _, r := range readers {
		if errors.Is(r.Err, pcsc.ErrInUse) {
			held = true
			found = append(found, heldCard(r, clients.Clients, err))
		}
	}
	if !held {
		found = append(found, Finding{ID: "pcsc.card-held", Status: OK, Summary: "no program keeps a card for itself", Detail: connected(clients, err)})
	}
	return found
}

// connected says who talks to pcscd.
func connected(s holders.Socket, err error) string {
	if err != nil {
		return "who is connected to pcscd: " + err.Error()
	}
	return fmt.Sprintf("connected to pcscd: %v", s.Clients)
}

func heldCard(r pcsc.Reader, clients holders.Found, err error) Finding {
	f := Finding{ID: "pcsc.card-held:" + r.Name, Status: Problem, Summary: "another program keeps the card in " + r.Name + " for itself"}
	f.Detail = connected(holders.Socket{Clients: clients}, err)
	f.Fix = release(clients)
	if f.Fix.Text == "" {
		f.Fix.Text = "close the other program; for GnuPG: gpgconf --kill scdaemon"
	}
	return f
}

// takenReaders finds readers that a program other than pcscd uses by itself, as
// GnuPG's own driver does: pcscd cannot have them meanwhile.
func (m *machine) takenReaders(ctx context.Context) []Finding {
	var found []Finding
	for _, i := range m.interfaces() {
		if i.class != classCCID || i.driver != "usbfs" {
			continue
		}
		who, err := m.holders(ctx, i.node)
		isDaemon := func(p holders.Process) bool { return strings.HasPrefix(p.Name, "pcscd") }
		if err != nil || len(who.Processes) == 0 || slices.ContainsFunc(who.Processes, isDaemon) {
			continue // it is pcscd's, or root's, which pcscd usually is
		}
		f := m.taken(ctx, i, "a program keeps pcscd from "+i.device)
		f.ID = "pcsc.reader-taken:" + i.name
		if slices.ContainsFunc(who.Processes, func(p holders.Process) bool { return p.Name == "scdaemon" }) {
			f.Fix.Text += "\nhave GnuPG go through pcscd from now on"
			f.Fix.Commands = []string{"echo disable-ccid >>~/.gnupg/scdaemon.conf", "gpgconf --kill scdaemon"}
		}
		found = append(found, f)
	}
	return found
}

// nfcModules are modules of the kernel's own NFC that take readers which pcscd
// would have.
var nfcModules = []string{"pn533_usb", "pn533", "port100", "nfc"}

// pcscModules finds out whether the kernel takes NFC readers for itself.
func pcscModules(_ context.Context, m *machine) []Finding {
	f := Finding{ID: "pcsc.modules", Status: OK, Summary: "the kernel leaves NFC readers to pcscd"}
	if !m.built(discover.PCSC) {
		f.Status, f.Summary = withoutPCSC.Status, withoutPCSC.Summary
		return []Finding{f}
	}
	loaded := m.loaded(nfcModules)
	var taken []string
	for _, i := range m.interfaces() {
		if slices.Contains(nfcModules, i.driver) {
			taken = append(taken, i.device+": "+i.driver)
		}
	}
	if len(loaded) == 0 && len(taken) == 0 {
		return []Finding{f}
	}
	f.Status, f.Summary = Warning, "the kernel has modules that take NFC readers for itself: "+strings.Join(loaded, ", ")
	if len(taken) > 0 {
		f.Status, f.Summary, f.Detail = Problem, "the kernel has taken an NFC reader, so that pcscd does not see it", strings.Join(taken, "\n")
	}
	f.Fix = Fix{Text: "unload the modules and keep them away", Commands: []string{
		`printf 'blacklist pn533_usb\nblacklist port100\n' | sudo tee /etc/modprobe.d/touchstone-nfc.conf`}}
	if len(loaded) > 0 {
		f.Fix.Commands = append(f.Fix.Commands, "sudo modprobe -r "+strings.Join(loaded, " "))
	}
	return []Finding{f}
}

// loaded says which of some modules the kernel has loaded.
func (m *machine) loaded(names []string) []string {
	have := map[string]bool{}
	for line := range strings.Lines(m.read("proc/modules")) {
		name, _, _ := strings.Cut(line, " ")
		have[name] = true
	}
	return slices.DeleteFunc(slices.Clone(names), func(name string) bool { return !have[name] })
}
