package doctor

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"github.com/touchstone-fido/touchstone/packaging/udev"
)

// Files of rules that matter. Of files with one name, udev reads the one in the
// first of the directories.
const (
	fidoIDRules   = "60-fido-id.rules"    // systemd: tells by the report descriptor what is a key
	uaccessRules  = "70-uaccess.rules"    // systemd: tags keys
	seatLateRules = "73-seat-late.rules"  // systemd, elogind: gives what is tagged to the person at the seat
	hintedRules   = "70-touchstone.rules" // where this program says to put the rule of one key
	listedRules   = "70-u2f.rules"        // libfido2, libu2f-udev: tags known keys
	installDir    = "/etc/udev/rules.d"   // where an administrator puts rules
)

var ruleDirs = []string{"etc/udev/rules.d", "run/udev/rules.d", "usr/local/lib/udev/rules.d", "usr/lib/udev/rules.d", "lib/udev/rules.d"}

// ruleFile is the file that udev reads of those with one name.
type ruleFile struct {
	path   string
	masked bool // it is empty, or a link to /dev/null, so that the name has no rules
}

// ruleFiles finds the files of rules by their names.
func (m *machine) ruleFiles() (map[string]ruleFile, error) {
	files := map[string]ruleFile{}
	var failed error
	for _, dir := range ruleDirs {
		entries, err := os.ReadDir(m.path(dir))
		if err != nil && !errors.Is(err, fs.ErrNotExist) {
			failed = errors.Join(failed, err)
		}
		for _, e := range entries {
			if _, again := files[e.Name()]; again || !strings.HasSuffix(e.Name(), ".rules") {
				continue
			}
			files[e.Name()] = ruleFile{path: "/" + filepath.ToSlash(filepath.Join(dir, e.Name())), masked: m.masked(dir, e)}
		}
	}
	return files, failed
}

func (m *machine) masked(dir string, e os.DirEntry) bool {
	if target, err := os.Readlink(m.path(dir, e.Name())); err == nil {
		return target == "/dev/null"
	}
	info, err := e.Info()
	return err == nil && info.Size() == 0
}

// udevRules finds out whether rules give keys to users, and what is in their way.
func udevRules(_ context.Context, m *machine) []Finding {
	files, err := m.ruleFiles()
	if err != nil && len(files) == 0 {
		return []Finding{unknown("udev.rules", "the udev rules cannot be read", err)}
	}
	read := func(names ...string) bool {
		return !slices.ContainsFunc(names, func(name string) bool { f, ok := files[name]; return !ok || f.masked })
	}
	found := []Finding{m.layers(read)}
	for _, name := range []string{fidoIDRules, uaccessRules, udev.FileName, hintedRules, listedRules, seatLateRules} {
		if f := files[name]; f.masked {
			found = append(found, masked(name, f.path))
		}
	}
	return append(found, m.late(files)...)
}

// layers says which rules are in force.
func (m *machine) layers(read func(names ...string) bool) Finding {
	f := Finding{ID: "udev.rules", Status: OK}
	systemd, ours, listed := read(fidoIDRules, uaccessRules), read(udev.FileName), read(listedRules)
	one := read(hintedRules)
	switch {
	case !systemd && !ours && !listed && !one:
		f.Status, f.Summary, f.Fix = Problem, "no udev rules give security keys to users", installRules()
		if kind := m.containerKind(); kind != "" {
			f.Status, f.Summary, f.Fix = NotApplicable, "udev rules are for the host of this container", Fix{}
		}
	case !read(seatLateRules):
		f.Status, f.Summary = Warning, "rules tag security keys, but "+seatLateRules+", which acts on the tag, is not there"
		f.Fix = m.groupFix()
	case systemd:
		f.Summary = "systemd's rules give every FIDO key to the person at the seat"
	case ours:
		f.Summary = "Touchstone's rules give FIDO keys to the person at the seat"
	case listed:
		f.Status, f.Summary, f.Fix = Warning, "libfido2's rules give known keys to the person at the seat, and no others", installRules()
	default:
		f.Status, f.Summary, f.Fix = Warning, hintedRules+" gives the keys that are in it to the person at the seat, and no others", installRules()
	}
	f.Detail = "systemd's " + fidoIDRules + " and " + uaccessRules + ": " + yesNo(systemd) +
		"; Touchstone's " + udev.FileName + ": " + yesNo(ours) + "; libfido2's " + listedRules + ": " + yesNo(listed)
	return f
}

func yesNo(b bool) string {
	if b {
		return "yes"
	}
	return "no"
}

const reloadUdev, triggerUdev = "sudo udevadm control --reload", "sudo udevadm trigger --subsystem-match=hidraw"

// installRules is how to install the rules that this program carries.
func installRules() Fix {
	return Fix{Text: "install Touchstone's rules", Commands: []string{
		"touchstone doctor rules | sudo tee " + installDir + "/" + udev.FileName, reloadUdev, triggerUdev,
	}}
}

// groupFix is how to give keys to a group, where nobody sits at a seat.
func (m *machine) groupFix() Fix {
	return Fix{Text: "give security keys to a group, and log in anew", Commands: []string{
		"sudo groupadd --force --system plugdev", "sudo usermod --append --groups plugdev " + m.user,
		"touchstone doctor rules | sed 's/^#KERNEL/KERNEL/' | sudo tee " + installDir + "/" + udev.FileName, reloadUdev, triggerUdev,
	}}
}

func masked(name, path string) Finding {
	f := Finding{ID: "udev.masked:" + name, Status: Warning, Summary: path + " is empty, so that " + name + " has no rules",
		Fix: Fix{Text: "take the mask away, if nobody wants it", Commands: []string{"sudo rm " + path, reloadUdev, triggerUdev}}}
	if name == seatLateRules {
		f.Status = Problem // nobody is given anything
	}
	return f
}

// late finds rules that tag hidraw nodes after the tag was acted on: they do
// nothing. It is the mistake that most instructions on the web make.
func (m *machine) late(files map[string]ruleFile) []Finding {
	var found []Finding
	names := make([]string, 0, len(files))
	for name := range files {
		names = append(names, name)
	}
	slices.Sort(names)
	for _, name := range names {
		f := files[name]
		if name <= seatLateRules || f.masked || !tagsHidraw(m.read(f.path)) {
			continue
		}
		to := filepath.ToSlash(filepath.Dir(f.path)) + "/70-" + strings.TrimLeft(name, "0123456789-")
		found = append(found, Finding{ID: "udev.order:" + name, Status: Warning,
			Summary: f.path + ` comes too late for its tag "uaccess" to count`,
			Detail:  fmt.Sprintf("udev reads files in the order of their names, and %s acts on the tag", seatLateRules),
			Fix:     Fix{Text: "rename it", Commands: []string{"sudo mv " + f.path + " " + to, reloadUdev, triggerUdev}}})
	}
	return found
}

// tagsHidraw reports whether a rule in a file tags hidraw nodes for the person
// at the seat.
func tagsHidraw(rules string) bool {
	for line := range strings.Lines(rules) {
		if !strings.HasPrefix(strings.TrimSpace(line), "#") && strings.Contains(line, "hidraw") &&
			strings.Contains(line, `TAG+="uaccess"`) {
			return true
		}
	}
	return false
}

// udevRunning finds out whether there is a udev that makes nodes and gives them
// to users.
func udevRunning(_ context.Context, m *machine) Finding {
	if m.exists("run/udev/control") {
		return Finding{Status: OK, Summary: "udev runs"}
	}
	if kind := m.containerKind(); kind != "" {
		return Finding{Status: NotApplicable, Summary: "udev does not run in this container; its host's does the work"}
	}
	f := Finding{Status: Warning, Summary: "udev does not run: keys that are plugged in now get no node, or one for root only",
		Detail: "there is no /run/udev/control", Fix: Fix{Text: "start udev, or use what this system has in its place"}}
	if m.exists("run/systemd/system") {
		f.Fix.Commands = []string{"sudo systemctl start systemd-udevd.service"}
	}
	return f
}
