package doctor

import "context"

// windowsElevation finds out whether this program may talk to FIDO keys over
// HID: since version 1903, Windows 10 keeps them from all but administrators.
func windowsElevation(_ context.Context, m *machine) Finding {
	if m.elevated() {
		return Finding{Status: OK, Summary: "this program runs with an administrator's rights"}
	}
	return Finding{Status: Problem, Summary: "this program runs without an administrator's rights: Windows keeps keys on USB from it", Fix: Fix{
		Text:     `start the terminal with "Run as administrator"`,
		Commands: []string{"Start-Process powershell -Verb RunAs"}}}
}

// windowsService finds out whether the smart card service runs.
func windowsService(_ context.Context, m *machine) Finding {
	running, err := m.service("SCardSvr")
	switch {
	case err != nil:
		return unknown("", `it cannot be told whether the service "Smart Card" (SCardSvr) runs`, err)
	case running:
		return Finding{Status: OK, Summary: `the service "Smart Card" (SCardSvr) runs`}
	}
	return Finding{Status: Warning, Summary: `the service "Smart Card" (SCardSvr) does not run`,
		Detail: "Windows starts it when a reader is plugged in, unless it is disabled", Fix: Fix{
			Text: "start it, as administrator", Commands: []string{"Set-Service SCardSvr -StartupType Manual", "Start-Service SCardSvr"}}}
}
