package usbhid

import (
	"bytes"
	"context"
	"errors"
	"io"
	"reflect"
	"testing"
	"testing/synctest"
	"time"

	"github.com/touchstone-fido/touchstone/ctaphid"
)

func TestWriteReport(t *testing.T) {
	packet := append([]byte{0x00, 0x00, 0x00, 0x01, 0x86}, make([]byte, 59)...) // a channel that begins with zero
	tests := []struct {
		goos string
		want []byte
	}{
		{"linux", append([]byte{0}, packet...)},
		{"darwin", append([]byte{0}, packet...)},
		{"windows", packet},
	}
	for _, tt := range tests {
		t.Run(tt.goos, func(t *testing.T) {
			k := newFakeKey()
			c := k.open(t, tt.goos)
			for range 2 {
				if err := c.WriteReport(t.Context(), packet); err != nil {
					t.Fatal(err)
				}
			}
			for _, got := range k.wrote {
				if !bytes.Equal(got, tt.want) {
					t.Errorf("got %x, want %x", got, tt.want)
				}
			}
		})
	}
}

func TestWriteReportFails(t *testing.T) {
	tests := []struct {
		name      string
		n         int
		err       error
		took      time.Duration
		unplugged bool
		want      error
	}{
		{"short", 64, nil, 0, false, io.ErrShortWrite},
		{"refused", 0, errLibrary, 0, false, ErrUnexplained},
		{"not taken", 0, errLibrary, time.Second, false, ctaphid.ErrTimeout},
		{"unplugged", 0, errLibrary, 0, true, ctaphid.ErrGone},
		{"unplugged after a while", 0, errLibrary, time.Second, true, ctaphid.ErrGone},
	}
	kinds := []error{io.ErrShortWrite, ErrUnexplained, ctaphid.ErrTimeout, ctaphid.ErrGone, ctaphid.ErrClosed, errLibrary}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			bubble(t, func(t *testing.T, k *fakeKey) {
				k.write = func([]byte) (int, error) { time.Sleep(tt.took); return tt.n, tt.err }
				c := k.open(t, "linux")
				if tt.unplugged {
					close(k.unplugged)
				}
				err := c.WriteReport(t.Context(), report(1))
				for _, kind := range kinds {
					if errors.Is(err, kind) != (kind == tt.want) {
						t.Errorf("got %v, want %v", err, tt.want)
					}
				}
			})
		})
	}
}

// TestLibraryError: a text of the library is kept where it says something.
func TestLibraryError(t *testing.T) {
	for goos, kept := range map[string]bool{"linux": false, "darwin": true, "windows": true} {
		err := systemFor(goos).unexplained(errLibrary)
		if !errors.Is(err, ErrUnexplained) || errors.Is(err, errLibrary) != kept {
			t.Errorf("%s: got %v", goos, err)
		}
	}
}

// TestWriteReportEndsWithContext: the caller is free at once when the device
// takes nothing, and the library's call is alone for as long as it lasts.
func TestWriteReportEndsWithContext(t *testing.T) {
	bubble(t, func(t *testing.T, k *fakeKey) {
		k.write = func(b []byte) (int, error) { time.Sleep(time.Second); return len(b), nil }
		c := k.open(t, "linux")
		reason := errors.New("the person went home")
		start := time.Now()
		for i, limit := range []time.Duration{100 * time.Millisecond, 200 * time.Millisecond} {
			ctx, cancel := context.WithTimeoutCause(t.Context(), limit, reason)
			defer cancel()
			if err := c.WriteReport(ctx, report(byte(i))); !errors.Is(err, reason) {
				t.Errorf("got %v", err)
			}
		}
		if took := time.Since(start); took != 300*time.Millisecond {
			t.Errorf("two writes took %v", took)
		}
		if err := c.WriteReport(t.Context(), report(3)); err != nil || time.Since(start) != 2*time.Second {
			t.Errorf("the third one: %v after %v", err, time.Since(start))
		}
		want := [][]byte{append([]byte{0}, report(0)...), append([]byte{0}, report(3)...)}
		if !reflect.DeepEqual(k.wrote, want) {
			t.Errorf("sent %x, want %x", k.wrote, want)
		}
	})
}

func TestCloseDuringWrite(t *testing.T) {
	bubble(t, func(t *testing.T, k *fakeKey) {
		k.write = func([]byte) (int, error) { time.Sleep(time.Second); return 0, errLibrary }
		c := k.open(t, "linux")
		results := make(chan error)
		for range 2 { // one in the library, one that waits for its turn
			go func() { results <- c.WriteReport(context.Background(), report(1)) }()
		}
		synctest.Wait()
		start := time.Now()
		closed := make(chan time.Duration)
		go func() { c.Close(); closed <- time.Since(start) }()
		for range 2 {
			if err := <-results; !errors.Is(err, ctaphid.ErrClosed) || time.Since(start) != 0 {
				t.Errorf("a write got %v after %v", err, time.Since(start))
			}
		}
		if took := <-closed; took != time.Second {
			t.Errorf("closing took %v, the write a second", took)
		}
		if len(k.wrote) != 1 {
			t.Errorf("%d reports were sent", len(k.wrote))
		}
	})
}
