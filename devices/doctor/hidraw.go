package doctor

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"syscall"

	"github.com/touchstone-fido/touchstone/ctaphid/hidraw"
	"github.com/touchstone-fido/touchstone/devices/holders"
)

// hidrawClass finds out whether the kernel tells of HID devices at all.
func hidrawClass(_ context.Context, m *machine) Finding {
	keys, err := m.nodes()
	switch {
	case errors.Is(err, hidraw.ErrNoClass):
		return Finding{Status: Problem, Summary: "the kernel shows no hidraw class", Detail: err.Error(), Fix: Fix{
			Text: "the kernel needs CONFIG_HIDRAW, a container needs /sys"}}
	case err != nil:
		return unknown("", "the hidraw class cannot be read", err)
	}
	return Finding{Status: OK, Summary: fmt.Sprintf("the kernel shows the hidraw class, with %s on it", count(len(keys), "FIDO interface"))}
}

// count is a number with its noun, which takes an s if it is not one.
func count(n int, noun string) string {
	switch n {
	case 0:
		return "no " + noun
	case 1:
		return "1 " + noun
	}
	return fmt.Sprintf("%d %ss", n, noun)
}

// hidrawPermissions finds out of each key whether this user may open its node.
func hidrawPermissions(_ context.Context, m *machine) []Finding {
	keys, err := m.nodes()
	if err != nil {
		return nil // hidraw.class tells
	}
	var found []Finding
	for _, k := range keys {
		f := m.permission(k)
		f.ID = "hidraw.permission:" + k.Path
		f.Detail = strings.Trim(f.Detail+"\n"+m.node(k.Path), "\n")
		found = append(found, f)
	}
	return found
}

func (m *machine) permission(k hidraw.Device) Finding {
	name := nodeName(k)
	var denied *hidraw.PermissionError
	switch {
	case k.Err == nil:
		return Finding{Status: OK, Summary: name + " may be opened by this user"}
	case errors.As(k.Err, &denied) && errors.Is(k.Err, syscall.EPERM):
		return Finding{Status: Problem, Summary: name + " is forbidden by a container or sandbox", Detail: denied.Err.Error(), Fix: Fix{
			Text: "give the container the device: docker run --device " + k.Path}}
	case denied != nil:
		return Finding{Status: Problem, Summary: name + " may not be opened by this user", Detail: denied.Err.Error(), Fix: m.permissionFix(denied.Rule)}
	case errors.Is(k.Err, hidraw.ErrNoNode):
		return Finding{Status: Problem, Summary: name + " has no node in /dev", Detail: k.Err.Error(), Fix: Fix{
			Text: "give a container the device (docker run --device " + k.Path + "); elsewhere udev makes the node"}}
	}
	return unknown("", name+" may be a key, but cannot be looked at", k.Err)
}

// nodeName names a key for a person.
func nodeName(k hidraw.Device) string {
	if k.Product != "" {
		return k.Path + " (" + k.Product + ")"
	}
	return k.Path
}

// permissionFix says how to come to a node by the rule that lets the user at
// the seat in, or a group where that user is not this one.
func (m *machine) permissionFix(rule string) Fix {
	if rule == "" {
		return Fix{Text: "run as a user who may"}
	}
	fix := Fix{Text: "let the person at the seat use it"}
	if _, seated := m.seat(); !seated {
		fix.Text = "nobody is given a device by being at the seat here: let a group use it, and log in anew"
		rule = strings.Replace(rule, `TAG+="uaccess"`, `MODE="0660", GROUP="plugdev"`, 1)
		fix.Commands = []string{"sudo groupadd --force --system plugdev", "sudo usermod --append --groups plugdev " + m.user}
	}
	fix.Commands = append(fix.Commands,
		fmt.Sprintf("echo '%s' | sudo tee -a /etc/udev/rules.d/70-touchstone.rules", rule),
		"sudo udevadm control --reload", "sudo udevadm trigger --subsystem-match=hidraw")
	return fix
}

// hidrawHeld finds out which programs have the keys' nodes open.
func hidrawHeld(ctx context.Context, m *machine) []Finding {
	keys, err := m.nodes()
	if err != nil {
		return nil // hidraw.class tells
	}
	var found []Finding
	for _, k := range keys {
		if errors.Is(k.Err, hidraw.ErrNoNode) {
			continue
		}
		f := heldFinding(k.Path, func() (holders.Found, error) { return m.holders(ctx, k.Path) })
		f.ID = "hidraw.held:" + k.Path
		found = append(found, f)
	}
	return found
}

// heldFinding is who has something. Two programs can have a node: it is no
// problem before they both talk to the key.
func heldFinding(what string, look func() (holders.Found, error)) Finding {
	who, err := look()
	switch {
	case err != nil:
		return unknown("", "it cannot be told who has "+what+" open", err)
	case len(who.Processes) > 0:
		return Finding{Status: Warning, Summary: what + " is open in another program", Detail: who.String(), Fix: release(who)}
	case who.Unlooked() != "":
		return Finding{Status: Unknown, Summary: "no program of this user has " + what + " open", Detail: who.Unlooked(), Fix: Fix{
			Text: "look as root", Commands: []string{"sudo touchstone doctor"}}}
	}
	return Finding{Status: OK, Summary: "no other program has " + what + " open"}
}

// release says how the programs let go.
func release(who holders.Found) Fix {
	var ways []string
	for _, p := range who.Processes {
		ways = append(ways, fmt.Sprintf("%v: %s", p, p.Remedy()))
	}
	return Fix{Text: strings.Join(ways, "\n")}
}
