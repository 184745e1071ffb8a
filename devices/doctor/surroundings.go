package doctor

import (
	"context"
	"strings"
)

// containerKind says in what kind of container this is, empty if in none that
// can be told.
func (m *machine) containerKind() string {
	switch {
	case m.exists("run/.containerenv"):
		return "podman"
	case m.exists(".dockerenv"):
		return "docker"
	}
	if kind, _, _ := strings.Cut(m.read("run/systemd/container"), "\n"); kind != "" {
		return kind
	}
	if kind := m.getenv("container"); kind != "" {
		return kind
	}
	groups := m.read("proc/1/cgroup")
	for _, kind := range []string{"docker", "kubepods", "lxc", "containerd"} {
		if strings.Contains(groups, "/"+kind) {
			return kind
		}
	}
	return ""
}

// container finds out whether this is a container, which has the devices and
// sockets that it is given, or a virtual machine of Windows.
func container(_ context.Context, m *machine) Finding {
	if strings.Contains(strings.ToLower(m.read("proc/version")), "microsoft") {
		return Finding{Status: Warning, Summary: "this is the Windows Subsystem for Linux, which has the USB devices that Windows gives it", Fix: Fix{
			Text:     "give it the key, in a PowerShell of an administrator (usbipd-win); Windows loses it meanwhile",
			Commands: []string{"usbipd list", "usbipd bind --busid <BUSID>", "usbipd attach --wsl --busid <BUSID>"}}}
	}
	kind := m.containerKind()
	if kind == "" {
		return Finding{Status: OK, Summary: "this is no container"}
	}
	return Finding{Status: Warning, Summary: "this is a container (" + kind + "), which has the devices that it was started with", Fix: Fix{
		Text: "start it with --device and the key's node, such as /dev/hidraw3, and for NFC with --volume /run/pcscd/pcscd.comm:/run/pcscd/pcscd.comm; " +
			"a key that is plugged in later may have another node"}}
}

// sandbox finds out whether a package's confinement keeps devices away.
func sandbox(_ context.Context, m *machine) Finding {
	if name := m.getenv("SNAP_NAME"); name != "" {
		return Finding{Status: Warning, Summary: "this runs as a snap (" + name + "), which sees the devices that it is connected to", Fix: Fix{
			Text: "connect it", Commands: []string{
				"sudo snap connect " + name + ":u2f-devices", "sudo snap connect " + name + ":raw-usb", "sudo snap connect " + name + ":pcscd"}}}
	}
	if id := m.getenv("FLATPAK_ID"); id != "" || m.exists(".flatpak-info") {
		if id == "" {
			id = "<APP>"
		}
		return Finding{Status: Warning, Summary: "this runs in a Flatpak, which sees the devices that it is given", Fix: Fix{
			Text: "give it all devices, and the daemon's socket", Commands: []string{
				"flatpak override --user --device=all --socket=pcsc " + id}}}
	}
	return Finding{Status: OK, Summary: "no sandbox of Snap or Flatpak"}
}
