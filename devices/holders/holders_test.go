package holders

import "testing"

var (
	scdaemon = Process{PID: 812, Name: "scdaemon", User: "anna"}
	tool     = Process{PID: 900, Name: "fido2-token", User: "1000"}
)

func TestFoundString(t *testing.T) {
	for _, tt := range []struct {
		found Found
		want  string
	}{
		{Found{}, "nobody"},
		{Found{Unseen: 3}, "nobody that can be seen, but 3 processes of other users could not be looked at"},
		{Found{Hidden: true}, "nobody that can be seen, but processes of other users are hidden from this one"},
		{Found{Processes: []Process{scdaemon}}, "scdaemon (pid 812, user anna)"},
		{Found{Processes: []Process{scdaemon, tool}, Unseen: 1},
			"scdaemon (pid 812, user anna), fido2-token (pid 900, user 1000); 1 process of another user could not be looked at"},
	} {
		if got := tt.found.String(); got != tt.want {
			t.Errorf("%+v: %q, want %q", tt.found, got, tt.want)
		}
	}
}

func TestRemedy(t *testing.T) {
	for name, want := range map[string]string{
		"scdaemon":           "gpgconf --kill scdaemon",
		"firefox-esr":        browserRemedy,
		"chromium":           browserRemedy,
		"qemu-system-x86_64": "take the key away from the virtual machine",
		"fido2-token":        "close it, or end it with kill 812",
	} {
		if got := (Process{PID: 812, Name: name}).Remedy(); got != want {
			t.Errorf("%s: %q, want %q", name, got, want)
		}
	}
}
