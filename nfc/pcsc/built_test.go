//go:build windows || (cgo && darwin) || (cgo && pcsc && (linux || freebsd))

package pcsc

import (
	"errors"
	"os"
	"os/exec"
	"reflect"
	"runtime"
	"testing"

	"github.com/ebfe/scard"

	"github.com/touchstone-fido/touchstone/nfc"
)

func TestKinds(t *testing.T) {
	for code, want := range map[scard.Error]struct {
		kind error
		gone bool // of an open card
	}{
		scard.ErrNoService:         {ErrNoService, true},
		scard.ErrServiceStopped:    {ErrNoService, true},
		scard.ErrSecurityViolation: {ErrDenied, false},
		scard.ErrUnknownReader:     {ErrNoReader, true},
		scard.ErrReaderUnavailable: {ErrNoReader, true},
		scard.ErrNoSmartcard:       {ErrNoCard, true},
		scard.ErrRemovedCard:       {ErrNoCard, true},
		scard.ErrSharingViolation:  {ErrInUse, false},
		scard.ErrUnresponsiveCard:  {ErrMute, false},
		scard.ErrUnpoweredCard:     {ErrMute, true},
		scard.ErrNotTransacted:     {ErrTransmission, false},
		scard.ErrInvalidHandle:     {scard.ErrInvalidHandle, true},
		scard.ErrInternalError:     {scard.ErrInternalError, false},
	} {
		if err := kind(code); !errors.Is(err, want.kind) || !errors.Is(err, code) {
			t.Errorf("%v: kind %v", code, err)
		}
		if err := lost(code); !errors.Is(err, want.kind) || errors.Is(err, nfc.ErrGone) != want.gone {
			t.Errorf("%v: lost %v", code, err)
		}
	}
	if kind(nil) != nil || lost(nil) != nil || lost(errTest) != errTest {
		t.Error("what is no PC/SC error was changed")
	}
}

func TestDescribe(t *testing.T) {
	atr := []byte{0x3B, 0x00}
	for flags, want := range map[scard.StateFlag]Reader{
		scard.StateEmpty: {Name: "r"},
		scard.StateEmpty | scard.StateUnavailable:       {Name: "r"},
		scard.StatePresent:                              {Name: "r", ATR: atr, CardPresent: true},
		scard.StatePresent | scard.StateInuse:           {Name: "r", ATR: atr, CardPresent: true},
		scard.StatePresent | scard.StateExclusive:       {Name: "r", ATR: atr, CardPresent: true, Err: errExclusive},
		scard.StatePresent | scard.StateMute:            {Name: "r", ATR: atr, CardPresent: true, Err: ErrMute},
		scard.StatePresent | scard.StateChanged | 7<<16: {Name: "r", ATR: atr, CardPresent: true},
	} {
		if got := describe(scard.ReaderState{Reader: "r", EventState: flags, Atr: atr}); !reflect.DeepEqual(got, want) {
			t.Errorf("%x: %+v", flags, got)
		}
	}
}

func TestTransmitEmpty(t *testing.T) {
	if _, err := (&handle{}).transmit(nil); !errors.Is(err, nfc.ErrMalformed) {
		t.Error(err)
	}
}

// libpcsclite looks for its daemon once in the life of a process, so this one
// starts another.
func TestNoService(t *testing.T) {
	if runtime.GOOS != "linux" && runtime.GOOS != "freebsd" {
		t.Skip("NOT RUN: the service cannot be hidden from a process on " + runtime.GOOS)
	}
	if os.Getenv("TOUCHSTONE_NO_PCSCD") == "" {
		cmd := exec.Command(os.Args[0], "-test.run=^TestNoService$")
		cmd.Env = append(os.Environ(), "TOUCHSTONE_NO_PCSCD=1", "PCSCLITE_CSOCK_NAME="+t.TempDir()+"/none")
		if out, err := cmd.CombinedOutput(); err != nil {
			t.Errorf("%v\n%s", err, out)
		}
		return
	}
	readers, err := List(t.Context())
	if readers != nil {
		t.Errorf("%+v", readers)
	}
	wantKind(t, err, "list readers", ErrNoService)
	_, err = Open(t.Context(), "r")
	wantKind(t, err, "open", ErrNoService)
	wantKind(t, Wait(t.Context(), "r"), "wait for card", ErrNoService)
	wantKind(t, Watch(t.Context(), func() { t.Error("something has changed") }), "watch", ErrNoService)
}

// TestMarks: no two watchers share a name with each other or with anybody, and
// Windows gets no zero byte.
func TestMarks(t *testing.T) {
	if a, b := markOf("linux", 1), markOf("linux", 2); a == b || a[0] != 0 || b[0] != 0 {
		t.Errorf("%q, %q", a, b)
	}
	if got := markOf("windows", 1); got != "" {
		t.Errorf("%q", got)
	}
}
