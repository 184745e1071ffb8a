package cmd

import (
	"context"
	"errors"
	"strings"
	"testing"

	"github.com/touchstone-fido/touchstone/cmd/internal/term"
	"github.com/touchstone-fido/touchstone/cmd/internal/view"
	"github.com/touchstone-fido/touchstone/devices"
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
