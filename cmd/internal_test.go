package cmd

import (
	"context"
	"errors"
	"strings"
	"testing"

	"github.com/touchstone-fido/touchstone/cmd/internal/term"
	"github.com/touchstone-fido/touchstone/cmd/internal/view"
	"github.com/touchstone-fido/touchstone/devices"
	"github.com/touchstone-fido/touchstone/devices/doctor"
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

// TestPromptIsClean: what a key or a tape calls itself cannot repaint the
// terminal by way of a prompt.
func TestPromptIsClean(t *testing.T) {
	for _, i := range []devices.Info{{Product: "key\x1b[2J"}, {Path: "key\x1b[2J"}} {
		if got := keyName(i); got != "key?[2J" {
			t.Errorf("%q", got)
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
