package cmd

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/netip"
	"strings"
	"testing"

	"github.com/touchstone-fido/touchstone/cmd/internal/term"
	"github.com/touchstone-fido/touchstone/cmd/internal/view"
	"github.com/touchstone-fido/touchstone/ctap2"
	"github.com/touchstone-fido/touchstone/devices"
	"github.com/touchstone-fido/touchstone/devices/doctor"
	"github.com/touchstone-fido/touchstone/nfc"
	"github.com/touchstone-fido/touchstone/nfc/pcsc"
)

// TestTroubleAtClosing: what goes wrong when the key is closed, such as a tape
// that could not be written, is told also when the command itself failed.
func TestTroubleAtClosing(t *testing.T) {
	failure, full := errors.New("no good"), errors.New("the disk is full")
	for _, c := range []struct {
		name string
		work error
		want error
		note string
	}{
		{"after success", nil, full, ""},
		{"after a failure", failure, failure, "warning: the disk is full"},
	} {
		streams, _, stderr := term.Test("")
		a := &app{streams: streams, device: "virtual"}
		err := a.withKey(t.Context(), func(_ context.Context, s *session) (view.Result, error) {
			s.done = append(s.done, func() error { return full })
			return nil, c.work
		})
		if !errors.Is(err, c.want) || !strings.Contains(stderr.String(), c.note) {
			t.Errorf("%s: %v, and on stderr %q", c.name, err, stderr)
		}
	}
}

// TestHintsOfCards: what takes a card away has a hint of its own, and a program
// that keeps it is told of even when the wait ended with the time limit.
func TestHintsOfCards(t *testing.T) {
	for _, c := range []struct {
		kinds []error
		want  string
	}{
		{[]error{nfc.ErrGone, pcsc.ErrNoCard}, "The card has left the reader."},
		{[]error{nfc.ErrGone, pcsc.ErrNoReader}, "The reader was unplugged"},
		{[]error{nfc.ErrGone, pcsc.ErrNoService}, "The PC/SC service does not run"},
		{[]error{nfc.ErrGone}, "The card has left the reader."},
		{[]error{pcsc.ErrInUse, ctap2.ErrTimeout}, "close the other program"},
		{[]error{pcsc.ErrNoCard}, "put the key on the reader"},
		{[]error{pcsc.ErrReset}, "Another program has reset the card"},
		{[]error{pcsc.ErrTransmission}, "Hold the card still"},
		{[]error{ctap2.ErrTimeout}, "Touch the key when it blinks"},
	} {
		err := fmt.Errorf("message: %w", &pcsc.Error{Op: "transmit", Reader: "r", Err: errors.Join(c.kinds...)})
		if got := hint(err); !strings.HasPrefix(got, c.want) {
			t.Errorf("%v: hint %q, want %q", c.kinds, got, c.want)
		}
	}
}

// TestDecisions: with -v a person sees what an applet decides, and without it
// only that another program keeps the card.
func TestDecisions(t *testing.T) {
	for verbose, want := range map[bool]string{
		true:  "nfc: short APDUs: every card takes them\nnfc: waiting: another program holds the card\n",
		false: "nfc: waiting: another program holds the card\n",
	} {
		streams, _, stderr := term.Test("")
		a := &app{streams: streams, verbose: verbose}
		a.decided(nil, nfc.Decision{About: nfc.AboutEncoding, Is: "short APDUs", Why: "every card takes them"})
		a.decided(nil, nfc.Decision{About: nfc.AboutWaiting, Is: "waiting", Why: "another program holds the card"})
		if got := stderr.String(); got != want {
			t.Errorf("verbose %t: %q, want %q", verbose, got, want)
		}
	}
}

// TestPromptIsClean: what a key or a tape calls itself cannot repaint the
// terminal by way of a prompt.
func TestPromptIsClean(t *testing.T) {
	for _, i := range []devices.Info{{Product: "key\x1b[2J"}, {Path: "key\x1b[2J"}} {
		if got := keyName(i); got != "key?[2J" {
			t.Errorf("%q", got)
		}
	}
}

// TestNetworkIsToldOf: who leaves the machine with a session, or lets others in,
// is told so; who stays on it is not.
func TestNetworkIsToldOf(t *testing.T) {
	for address, loopback := range map[string]bool{
		"127.0.0.1:8111": true, "127.9.9.9:1": true, "[::1]:8111": true, "[::ffff:127.0.0.1]:1": true,
		"0.0.0.0:8111": false, "[::]:8111": false, "192.0.2.1:1": false, "[fe80::1%eth0]:1": false,
	} {
		at := netip.MustParseAddrPort(address)
		for _, addr := range []net.Addr{net.UDPAddrFromAddrPort(at), net.TCPAddrFromAddrPort(at)} {
			streams, _, stderr := term.Test("")
			a := &app{streams: streams}
			a.tellInClear(addr)
			inClear := strings.Contains(stderr.String(), "goes over the network in clear")
			a.warnOpen(addr)
			open := strings.Contains(stderr.String(), "anybody on the network who can reach")
			if inClear == loopback || open == loopback {
				t.Errorf("%s: %q", address, stderr)
			}
		}
	}
}

func TestListenAddress(t *testing.T) {
	for address, want := range map[string]string{
		":8111": "127.0.0.1:8111", ":0": "127.0.0.1:0", "0.0.0.0:1": "0.0.0.0:1", "[::1]:1": "[::1]:1", "localhost:1": "localhost:1",
	} {
		if got, err := listenAddress(address); got != want || err != nil {
			t.Errorf("%s: %q, %v", address, got, err)
		}
	}
	for _, address := range []string{"", "8111", "127.0.0.1", "::1:8111"} {
		var usage usageError
		if got, err := listenAddress(address); !errors.As(err, &usage) {
			t.Errorf("%s: %q, %v", address, got, err)
		}
	}
}

// TestDiagnosis: a problem is exit status 5, and nothing else is; what was found
// is shown in any case.
func TestDiagnosis(t *testing.T) {
	interrupted, cancel := context.WithCancelCause(t.Context())
	cancel(errInterrupted)
	for _, c := range []struct {
		name   string
		ctx    context.Context
		status doctor.Status
		want   int
	}{
		{"well", t.Context(), doctor.OK, statusDone},
		{"warning", t.Context(), doctor.Warning, statusDone},
		{"could not look", t.Context(), doctor.Unknown, statusDone},
		{"problem", t.Context(), doctor.Problem, statusChecks},
		{"interrupted", interrupted, doctor.Problem, statusInterrupted},
	} {
		streams, out, _ := term.Test("")
		a := &app{streams: streams}
		err := a.diagnosed(c.ctx, doctor.Report{Findings: []doctor.Finding{{ID: "build.backends", Status: c.status, Summary: "found"}}})
		got := statusDone
		if err != nil {
			got = exitStatus(c.ctx, err)
		}
		if got != c.want || !strings.Contains(out.String(), "build.backends: found") {
			t.Errorf("%s: exit status %d, want %d, and on stdout %q", c.name, got, c.want, out)
		}
	}
}
