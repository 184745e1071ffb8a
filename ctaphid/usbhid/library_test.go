package usbhid

import (
	"context"
	"errors"
	"runtime"
	"slices"
	"testing"

	"github.com/touchstone-fido/touchstone/ctaphid"
)

func TestOpenDevice(t *testing.T) {
	listed := Device{Path: "1-1:1.0", listed: true}
	blocked := listed
	blocked.Err = ErrInUse
	tests := []struct {
		name    string
		device  Device
		missing error
		around  fakeSurroundings
		openErr error
		want    error
		calls   []string
	}{
		{"good", listed, nil, fakeSurroundings{}, nil, nil, []string{"settle", "open"}},
		{"not listed", Device{Path: "1-1:1.0"}, nil, fakeSurroundings{}, nil, ErrNotListed, nil},
		{"known to fail", blocked, nil, fakeSurroundings{}, nil, ErrInUse, nil},
		{"not built", listed, ErrNotBuilt, fakeSurroundings{}, nil, ErrNotBuilt, nil},
		{"no key after all", listed, nil, fakeSurroundings{settled: ErrNotFIDO}, nil, ErrNotFIDO, []string{"settle"}},
		{"reason known", listed, nil, fakeSurroundings{reason: ctaphid.ErrGone}, errLibrary, ctaphid.ErrGone, []string{"settle", "open", "obstacle"}},
		{"reason unknown", listed, nil, fakeSurroundings{}, errLibrary, ErrUnexplained, []string{"settle", "open", "obstacle"}},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			around := &tt.around
			l := library{
				missing: tt.missing,
				open: func(string) (handle, error) {
					around.calls = append(around.calls, "open")
					return newFakeKey(), tt.openErr
				},
				at: func(string) surroundings { return around },
			}
			c, err := l.openDevice(t.Context(), tt.device)
			if !errors.Is(err, tt.want) || (err == nil) != (tt.want == nil) {
				t.Errorf("got %v, want %v", err, tt.want)
			}
			if !slices.Equal(around.calls, tt.calls) {
				t.Errorf("did %v, want %v", around.calls, tt.calls)
			}
			if err == nil {
				c.Close()
			}
		})
	}
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if _, err := (library{}).openDevice(ctx, listed); !errors.Is(err, context.Canceled) {
		t.Errorf("after the end: %v", err)
	}
}

func TestDevices(t *testing.T) {
	none := library{missing: ErrNotBuilt}
	if _, err := none.devices("", nil); !errors.Is(err, ErrNotBuilt) {
		t.Errorf("not built: %v", err)
	}
	l := library{list: func(string, describer) ([]Device, error) { return nil, ErrNoUSB }}
	if _, err := l.devices("", nil); !errors.Is(err, ErrNoUSB) {
		t.Errorf("could not look: %v", err)
	}
}

func TestAvailable(t *testing.T) {
	err := Available()
	if err == nil {
		return
	}
	if !errors.Is(err, ErrNotBuilt) && !errors.Is(err, ErrUnsupported) {
		t.Errorf("got %v", err)
	}
	if _, listErr := List("", nil); !errors.Is(listErr, err) {
		t.Errorf("list: %v, want %v", listErr, err)
	}
	if _, openErr := Open(t.Context(), Device{}); !errors.Is(openErr, err) {
		t.Errorf("open: %v, want %v", openErr, err)
	}
	t.Logf("%s: %v", runtime.GOOS, err)
}
