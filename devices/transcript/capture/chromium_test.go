package capture

import (
	"slices"
	"strings"
	"testing"

	"github.com/touchstone-fido/touchstone/devices/transcript"
)

// What Chromium writes of a message, in its versions, is that message.
func TestChromiumLines(t *testing.T) {
	const info = "a1018168" + "4649444f5f325f30" // {1: ["FIDO_2_0"]}
	for line, want := range map[string][]string{
		"<- 0x4 (kAuthenticatorGetInfo) (no payload)":         {"out msg 10 04"},
		"<- 4 <no payload>":                                   {"out msg 10 04"},
		"<- (04) (no payload)":                                {"out msg 10 04"},
		"<- (cancel)":                                         {"out msg 11 "},
		"<- 0x6 (kAuthenticatorClientPin) {1: 2, 2: 1}":       {"out msg 10 06a201020201"},
		"<- 10 {1: 1}":                                        {"out msg 10 0aa10101"},
		"<- 300 {1: 1}":                                       nil, // no byte
		"<- 0x7f (kNoCommand) {1: 1}":                         nil,
		"<- a word":                                           nil,
		"-> {1: [\"FIDO_2_0\"]}":                              {"in msg 10 00" + info},
		"-> (CTAP2 error code 0x2e (kCtap2ErrNoCredentials))": {"in msg 10 2e"},
		"-> (Unknown CTAP2 error code 240)":                   {"in msg 10 f0"},
		"-> (CTAP2 error code 300 )":                          nil,
		"-> (empty payload)":                                  {"in msg 10 00"},
		"-> (rejected empty payload)":                         {"in msg 10 00"},
		"-> (rejected CBOR structure) {1: 2}":                 {"in msg 10 00a10102"},
		"-> (error reading)":                                  nil, // an event
		"-> (decode error from raw message 00A10102)":         {"in msg 10 00a10102"},
		"-> (decode error from GetInfo response with raw message " + info + ")": {"in msg 10 00" + info},
		"-> (decode error from raw message 00A1010)":                            nil, // inside a byte
		"-> some words": nil,
		"<- 0x6 (kAuthenticatorClientPin) {1: 2, 2: }":                           {"out msg 10 06 partial from 0"},
		"<- 0x6 (kAuthenticatorClientPin) {1: 2,":                                {"out msg 10 06 partial from 0"},
		"-> {1: \"a\nb\"}":                                                       {"in msg 10 00a101626162"},
		"Sending CTAP2 AuthenticatorGetInfo request to authenticator.":           {"out msg 10 04"},
		"Sending CTAP2 AuthenticatorGetInfo request to authenticator.\n-> {1: 2": {"out msg 10 04", "in msg 10 00 partial from 0"},
	} {
		t.Run(line, func(t *testing.T) {
			var lines []string
			for _, part := range append([]string{"<- 0x4 (kAuthenticatorGetInfo) (no payload)"}, strings.Split(line, "\n")...) {
				if len(lines) == 0 || !strings.HasSuffix(part, "\"}") || strings.HasPrefix(part, "-") || strings.HasPrefix(part, "<") {
					part = "FIDODebug[21:59:05] " + part
				}
				lines = append(lines, part)
			}
			_, got := importBytes(t, text(lines...))
			if all := crossings(got...); !slices.Equal(all[1:], want) {
				t.Errorf("%q, want %q", all[1:], want)
			}
			last := got[0].Records[len(got[0].Records)-1]
			if isEvent := last.Level == transcript.Mark; isEvent != (line == "-> (error reading)") {
				t.Errorf("%v", last)
			}
		})
	}
}
