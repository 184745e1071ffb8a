package usbhid

import (
	"context"
	"errors"
	"runtime"
	"testing"

	"github.com/touchstone-fido/touchstone/ctaphid"
)

func TestOpenDevice(t *testing.T) {
	listed := Device{Path: "1-1:1.0", listed: true}
	blocked := listed
	blocked.Err = ErrUnbound
	tests := []struct {
		name    string
		device  Device
		missing error
		openErr error
		reason  error
		want    error
	}{
		{"good", listed, nil, nil, nil, nil},
		{"not listed", Device{Path: "1-1:1.0"}, nil, nil, nil, ErrNotListed},
		{"known to fail", blocked, nil, nil, nil, ErrUnbound},
		{"not built", listed, ErrNotBuilt, nil, nil, ErrNotBuilt},
		{"reason known", listed, nil, errLibrary, ctaphid.ErrGone, ctaphid.ErrGone},
		{"reason unknown", listed, nil, errLibrary, nil, errLibrary},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			opened := 0
			l := library{
				missing: tt.missing,
				open:    func(string) (handle, error) { opened++; return newFakeKey(), tt.openErr },
				present: func(string) bool { return true },
				whyNot:  func(string) error { return tt.reason },
			}
			c, err := l.openDevice(t.Context(), tt.device)
			if !errors.Is(err, tt.want) || (err == nil) != (tt.want == nil) {
				t.Errorf("got %v, want %v", err, tt.want)
			}
			if err == nil {
				c.Close()
			}
			if mayOpen := err == nil || tt.openErr != nil; mayOpen != (opened == 1) {
				t.Errorf("the library was asked %d times", opened)
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
	l := library{list: func(string, func([]byte) (int, error)) ([]Device, error) { return nil, ErrNoUSB }}
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
