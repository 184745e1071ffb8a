package capture

import (
	"bytes"
	"encoding/xml"
	"fmt"
	"testing"
	"time"
	"unicode/utf16"

	"github.com/fxamacker/cbor/v2"

	"github.com/touchstone-fido/touchstone/ctaphid"
	"github.com/touchstone-fido/touchstone/devices/transcript"
)

// diagnostic is CBOR as Chromium shows it.
func diagnosticText(t testing.TB, data []byte) string {
	t.Helper()
	mode, err := cbor.DiagOptions{ByteStringEncoding: cbor.ByteStringBase16Encoding}.DiagMode()
	if err != nil {
		t.Fatal(err)
	}
	text, err := mode.Diagnose(data)
	if err != nil {
		t.Fatal(err)
	}
	return text
}

func chromiumLog(modern bool) func(testing.TB, *transcript.Tape) []string {
	return func(t testing.TB, tape *transcript.Tape) []string {
		prefix := func(n int, at string) string {
			if modern {
				return fmt.Sprintf("FIDODebug[21:59:%02d] ", n)
			}
			return fmt.Sprintf("[202564:202564:0120/172206.309653:VERBOSE1:device_event_log_impl.cc(216)] [17:22:%02d.309] FIDO: DEBUG: %s ", n, at)
		}
		lines := []string{prefix(0, "fido_discovery_base.cc:30") + "Added device hid:1234"}
		for n, m := range messages(t, tape) {
			if m.command != ctaphid.CommandCBOR {
				continue
			}
			request := fmt.Sprintf("<- %d ", m.payload[0])
			status := fmt.Sprintf("-> (CTAP2 error code %d)", m.payload[0])
			if modern {
				request, status = fmt.Sprintf("<- 0x%x (kAuthenticatorSomething) ", m.payload[0]), fmt.Sprintf("-> (CTAP2 error code 0x%x (kCtap2ErrSomething))", m.payload[0])
			}
			switch {
			case m.dir == out && m.payload[0] == 4:
				lines = append(lines, prefix(n, "fido_device.cc:49")+"Sending CTAP2 AuthenticatorGetInfo request to authenticator.")
			case m.dir == out:
				lines = append(lines, prefix(n, "ctap2_device_operation.h:80")+request+diagnosticText(t, m.payload[1:]))
			case m.payload[0] != 0:
				lines = append(lines, prefix(n, "ctap2_device_operation.h:120")+status)
			default:
				lines = append(lines, prefix(n, "device_response_converter.cc:223")+"-> "+diagnosticText(t, m.payload[1:]))
			}
		}
		return lines
	}
}

func reversed(lines []string) []string {
	var back []string
	for i := len(lines) - 1; i >= 0; i-- {
		back = append(back, lines[i])
	}
	return back
}

// winAround is an answer with what Windows puts around it.
func winAround(t testing.TB, answer []byte) []byte {
	t.Helper()
	data, err := cbor.Marshal([]any{map[string]any{
		"deviceInfo": map[string]any{"providerType": "Hid", "providerName": "MicrosoftCtapHidProvider", "devicePath": `\\?\hid#vid_1050&pid_0402#8`, "manufacturer": "Yubico", "product": "YubiKey FIDO"},
		"status":     0, "response": answer,
	}})
	if err != nil {
		t.Fatal(err)
	}
	return data
}

func windowsXML(t testing.TB, tape *transcript.Tape) []string {
	lines := []string{`<?xml version="1.0" encoding="utf-8"?><Events>`}
	for i, m := range messages(t, tape) {
		if m.command != ctaphid.CommandCBOR {
			continue
		}
		id, name, data := 2100, "Request", m.payload
		if m.dir == in {
			id, name, data = 2102, "Response", winAround(t, m.payload)
		}
		var device bytes.Buffer
		if err := xml.EscapeText(&device, []byte(`a & <b>`)); err != nil {
			t.Fatal(err)
		}
		at := time.Date(2026, 11, 26, 6, 20, i, 123456700, time.UTC).Format("2006-01-02T15:04:05.0000000Z07:00")
		lines = append(lines, fmt.Sprintf(`<Event xmlns='http://schemas.microsoft.com/win/2004/08/events/event'><System><Provider Name='Microsoft-Windows-WebAuthN'/>`+
			`<EventID>%d</EventID><TimeCreated SystemTime='%s'/></System><EventData><Data Name='Command'>%s</Data><Data Name='%sLength'>%d</Data>`+
			`<Data Name='%s'>%X</Data></EventData></Event>`, id, at, device.String(), name, len(data), name, data))
	}
	return append(lines, `</Events>`)
}

func windowsText(t testing.TB, tape *transcript.Tape) []string {
	var lines []string
	for i, m := range messages(t, tape) {
		if m.command != ctaphid.CommandCBOR {
			continue
		}
		id, name, data := 2100, "Request", m.payload
		if m.dir == in {
			id, name, data = 2102, "Response", winAround(t, m.payload)
		}
		lines = append(lines, "Log Name:      Microsoft-Windows-WebAuthN/Operational", "Source:        Microsoft-Windows-WebAuthN",
			fmt.Sprintf("Date:          2026-11-26 06:20:%02d", i), fmt.Sprintf("Event ID:      %d", id), "Level:         Information", "Description:",
			"Ctap Command completed.", "", "TransactionId: {86ac0886-3fbb-4260-807a-bd48062115a0}", fmt.Sprintf("%sLength: %d", name, len(data)),
			fmt.Sprintf("%s: 0x%X", name, data), "")
	}
	return lines
}

func windowsVerbose(t testing.TB, tape *transcript.Tape) []string {
	lines := []string{`<Events>`}
	all := messages(t, withoutKeepalives(t, tape))
	for i := 0; i+1 < len(all); i += 2 {
		lines = append(lines, fmt.Sprintf(`<Event><System><Provider Name="Microsoft-Windows-WebAuthN"/><EventID Qualifiers="0">2225</EventID>`+
			`<TimeCreated SystemTime="2026-11-26T06:20:%02dZ"/></System><EventData><Data Name="RequestCommand">%d</Data><Data Name="Request">%X</Data>`+
			`<Data Name="ResponseCommand">%d</Data><Data Name="Response">%X</Data></EventData></Event>`,
			i, byte(all[i].command)|0x80, all[i].payload, byte(all[i+1].command)|0x80, all[i+1].payload))
	}
	return append(lines, `</Events>`)
}

// utf16Bytes is a text as Windows writes files.
func utf16Bytes(text string) []byte {
	data := []byte{0xff, 0xfe}
	for _, unit := range utf16.Encode([]rune(text)) {
		data = append(data, byte(unit), byte(unit>>8))
	}
	return data
}
