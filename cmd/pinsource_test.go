package cmd

import (
	"bytes"
	"context"
	"errors"
	"os/exec"
	"reflect"
	"runtime"
	"strings"
	"testing"
	"time"

	"github.com/touchstone-fido/touchstone/cmd/internal/term"
	"github.com/touchstone-fido/touchstone/ctap2"
)

func TestSplitCommand(t *testing.T) {
	for text, want := range map[string][]string{
		"pass":                        {"pass"},
		" pass  show\tmy/key ":        {"pass", "show", "my/key"},
		`sh -c "echo '$X' | cat"`:     {"sh", "-c", "echo '$X' | cat"},
		`"C:\Program Files\x.exe" -p`: {`C:\Program Files\x.exe`, "-p"},
		`a''b "" c`:                   {"ab", "", "c"},
	} {
		if got, err := splitCommand(text); err != nil || !reflect.DeepEqual(got, want) {
			t.Errorf("%s: %q, %v", text, got, err)
		}
	}
	for _, text := range []string{"", "  ", "'", `a "b`, `""`, `"" a`} {
		if got, err := splitCommand(text); err == nil {
			t.Errorf("%s: %q", text, got)
		}
	}
}

// needsUnix skips a test that runs Unix programs.
func needsUnix(t *testing.T) {
	t.Helper()
	if runtime.GOOS == "windows" {
		t.Skip("NOT RUN: this test runs sh")
	}
}

func TestFirstLine(t *testing.T) {
	needsUnix(t)
	long := strings.Repeat("x", maxPINLine)
	for _, c := range []struct {
		script, want string
		err          error
	}{
		{"echo 1234; echo 5678", "1234", nil},
		{"printf 1234", "1234", nil},
		{`printf '12 34 \r\n'`, "12 34 ", nil},
		{"echo " + long, long, nil},
		{"echo " + long + "x", "", errPINLine},
		{"printf " + long + "x", "", errPINLine},
		{"printf '" + strings.Repeat(long, 100) + "\n'", "", errPINLine},
		{"echo 1234; printf '" + strings.Repeat(long, 100) + "'", "1234", nil},
		{"true", "", errNoMorePINs},
		{"echo; echo 1234", "", errNoMorePINs},
	} {
		got, err := firstLine(exec.Command("sh", "-c", c.script))
		if string(got) != c.want || !errors.Is(err, c.err) {
			t.Errorf("%.40s: %.20q, %v", c.script, got, err)
		}
	}
	var exit *exec.ExitError
	if got, err := firstLine(exec.Command("sh", "-c", "echo 1234; exit 3")); !errors.As(err, &exit) || got != nil {
		t.Errorf("a command that fails: %q, %v", got, err)
	}
}

// TestCommandIsEnded: a command that hangs ends with the program, and so does
// the wait for what it has started.
func TestCommandIsEnded(t *testing.T) {
	needsUnix(t)
	cause := errors.New("stop")
	for _, command := range []string{"sleep 600", `sh -c "sleep 600 & wait"`} {
		streams, _, _ := term.Test("")
		a := &app{streams: streams, pins: pinSources{fd: noFD, command: command}}
		ctx, cancel := context.WithCancelCause(t.Context())
		time.AfterFunc(50*time.Millisecond, func() { cancel(cause) })
		start := time.Now()
		if got, err := a.secret(ctx, "PIN: "); !errors.Is(err, cause) || got != nil {
			t.Errorf("%s: %q, %v", command, got, err)
		}
		if took := time.Since(start); took > 2*commandWait {
			t.Errorf("%s: it took %v", command, took)
		}
	}
}

// TestTriesAreTold: on a terminal always, and from elsewhere when they are few,
// where going on wants --yes.
func TestTriesAreTold(t *testing.T) {
	for _, c := range []struct {
		name  string
		left  uint
		stdin bool
		yes   bool
		told  string
		err   error
	}{
		{"terminal", 8, false, false, "PIN tries left: 8\n", nil},
		{"elsewhere", 8, true, false, "", nil},
		{"elsewhere, four", 4, true, false, "", nil},
		{"elsewhere, few", 3, true, false, "Warning: 3 PIN tries are left", errFewTries},
		{"elsewhere, few, agreed", 3, true, true, "Warning: 3 PIN tries are left", nil},
		{"terminal, few, agreed", 2, false, true, "Warning: 2 PIN tries are left", nil},
		{"nobody to ask", 2, false, false, "Warning: 2 PIN tries are left", term.ErrNoTerminal},
		{"the last", 1, true, true, "Warning: this is the last PIN try", nil},
	} {
		streams, _, stderr := term.Test("")
		a := &app{streams: streams, yes: c.yes, pins: pinSources{fd: noFD, stdin: c.stdin}}
		err := a.guardTries(t.Context(), c.left)
		if !errors.Is(err, c.err) || (err == nil) != (c.err == nil) || !bytes.HasPrefix(stderr.Bytes(), []byte(c.told)) || c.told == "" && stderr.Len() > 0 {
			t.Errorf("%s: %v, told %q", c.name, err, stderr)
		}
	}
}

// TestLeastGrant: the token that only proves a PIN authorises as little as the
// key has.
func TestLeastGrant(t *testing.T) {
	type options map[string]bool
	strict := func(more options) options {
		more["pinUvAuthToken"], more["noMcGaPermissionsWithClientPin"] = true, true
		return more
	}
	for _, c := range []struct {
		options options
		want    grant
		err     error
	}{
		{options{}, grant{}, nil},
		{options{"pinUvAuthToken": true, "credMgmt": true}, grant{ctap2.PermissionGetAssertion, nobody}, nil},
		{strict(options{"credMgmt": true, "authnrCfg": true}), grant{ctap2.PermissionCredentialManagement, nobody}, nil},
		{strict(options{"bioEnroll": false, "authnrCfg": true}), grant{permissions: ctap2.PermissionBioEnrollment}, nil},
		{strict(options{"largeBlobs": true, "authnrCfg": true}), grant{permissions: ctap2.PermissionLargeBlobWrite}, nil},
		{strict(options{"authnrCfg": true}), grant{permissions: ctap2.PermissionConfig}, nil},
		{strict(options{}), grant{}, errNoGrant},
	} {
		got, err := pinKey{info: &ctap2.Info{Options: c.options}}.least()
		if got != c.want || !errors.Is(err, c.err) {
			t.Errorf("%v: %+v, %v", c.options, got, err)
		}
	}
}
