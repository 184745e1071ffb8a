package devices_test

import (
	"context"
	"errors"
	"reflect"
	"slices"
	"testing"
	"testing/synctest"
	"time"

	"github.com/touchstone-fido/touchstone/ctap2"
	"github.com/touchstone-fido/touchstone/ctaphid"
	"github.com/touchstone-fido/touchstone/devices"
	"github.com/touchstone-fido/touchstone/devices/virtual"
	"github.com/touchstone-fido/touchstone/nfc"
)

// framings are the software key behind reports and behind APDUs.
func framings(t *testing.T, presence virtual.Presence) map[string]func() devices.Link {
	newKey := func() *virtual.Authenticator {
		key, err := virtual.New(virtual.Config{Presence: presence})
		if err != nil {
			t.Fatal(err)
		}
		return key
	}
	return map[string]func() devices.Link{
		"reports": func() devices.Link {
			d := ctaphid.NewDevice(newKey(), ctaphid.DeviceConfig{Version: [3]byte{1, 2, 3}})
			return devices.Link{Info: devices.Info{Transport: devices.USB}, Reports: d.Connect()}
		},
		"APDUs": func() devices.Link {
			return devices.Link{Info: devices.Info{Transport: devices.NFC}, Card: nfc.NewEmulator(newKey(), nfc.EmulatorConfig{})}
		},
	}
}

func TestConnect(t *testing.T) {
	for name, link := range framings(t, nil) {
		conn, err := devices.Connect(t.Context(), link(), devices.Options{})
		if err != nil {
			t.Fatal(err)
		}
		info, err := conn.GetInfo(t.Context())
		if err != nil || info.AAGUID != virtual.DefaultAAGUID {
			t.Errorf("%s: %+v, %v", name, info, err)
		}
		want := devices.Protocol{CTAPHID: 2, DeviceVersion: "1.2.3", Capabilities: []string{"wink", "cbor"}}
		if conn.Applet != nil {
			want = devices.Protocol{Applet: "U2F_V2"}
		}
		if !reflect.DeepEqual(conn.Protocol, want) {
			t.Errorf("%s: protocol %+v, want %+v", name, conn.Protocol, want)
		}
		if err := conn.Close(); err != nil {
			t.Errorf("%s: %v", name, err)
		}
		if _, err := conn.GetInfo(t.Context()); err == nil {
			t.Errorf("%s: a closed key answers", name)
		}
	}
	if _, err := devices.Connect(t.Context(), devices.Link{}, devices.Options{}); !errors.Is(err, devices.ErrNoLink) {
		t.Errorf("nothing: %v", err)
	}
}

// TestEventsAndTimeout waits for a touch that comes too late: events say so,
// the limit cancels the request at the key, and the key takes the next one.
func TestEventsAndTimeout(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		for name, link := range framings(t, virtual.Delayed(time.Hour)) {
			var events []devices.Event
			conn, err := devices.Connect(t.Context(), link(), devices.Options{
				Timeout: 2 * time.Second, OnEvent: func(e devices.Event) { events = append(events, e) },
			})
			if err != nil {
				t.Fatal(err)
			}
			err = conn.Selection(t.Context())
			if !errors.Is(err, ctap2.ErrTimeout) || !errors.Is(err, ctap2.StatusKeepaliveCancel) {
				t.Errorf("%s: %v", name, err)
			}
			times := slices.IsSortedFunc(events, func(a, b devices.Event) int { return int(a.Since - b.Since) })
			last := events[len(events)-1]
			if len(events) < 10 || events[0].Status != "up-needed" || events[9].Status != "up-needed" || last.Status != devices.EventDone || !times {
				t.Errorf("%s: events %v", name, events)
			}
			if _, err := conn.GetInfo(t.Context()); err != nil {
				t.Errorf("%s: afterwards: %v", name, err)
			}
			conn.Close()
		}
	})
}

// deadCard and deadReports are keys that left.
type deadCard struct{ closed bool }

func (*deadCard) Transmit(context.Context, []byte) ([]byte, error) { return nil, nfc.ErrGone }
func (d *deadCard) Close() error                                   { d.closed = true; return nil }

type deadReports struct{ closed bool }

func (*deadReports) ReadReport(context.Context, []byte) (int, error) { return 0, ctaphid.ErrGone }
func (*deadReports) WriteReport(context.Context, []byte) error       { return ctaphid.ErrGone }
func (d *deadReports) Close() error                                  { d.closed = true; return nil }

func TestConnectClosesWhatFails(t *testing.T) {
	card, reports := &deadCard{}, &deadReports{}
	if _, err := devices.Connect(t.Context(), devices.Link{Card: card}, devices.Options{}); !errors.Is(err, nfc.ErrGone) || !card.closed {
		t.Errorf("%v, closed %v", err, card.closed)
	}
	if _, err := devices.Connect(t.Context(), devices.Link{Reports: reports}, devices.Options{}); !errors.Is(err, ctaphid.ErrGone) || !reports.closed {
		t.Errorf("%v, closed %v", err, reports.closed)
	}
}

// silentCard and silentReports are keys that answer nothing.
type silentCard struct{ deadCard }

func (*silentCard) Transmit(ctx context.Context, _ []byte) ([]byte, error) {
	<-ctx.Done()
	return nil, context.Cause(ctx)
}

type silentReports struct{ deadReports }

func (*silentReports) WriteReport(context.Context, []byte) error { return nil }
func (*silentReports) ReadReport(ctx context.Context, _ []byte) (int, error) {
	<-ctx.Done()
	return 0, context.Cause(ctx)
}

// TestConnectTimeout: a key that is silent from the start ends Connect at the
// limit of a request. A card is listened to a little longer for its last word.
func TestConnectTimeout(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		for name, c := range map[string]struct {
			link devices.Link
			took time.Duration
		}{
			"reports": {devices.Link{Reports: &silentReports{}}, time.Second},
			"APDUs":   {devices.Link{Card: &silentCard{}}, 1500 * time.Millisecond},
		} {
			start := time.Now()
			_, err := devices.Connect(t.Context(), c.link, devices.Options{
				Timeout: time.Second, NFC: nfc.Config{Drain: 500 * time.Millisecond},
			})
			if took := time.Since(start); !errors.Is(err, ctap2.ErrTimeout) || took != c.took {
				t.Errorf("%s: %v after %v", name, err, took)
			}
		}
	})
}

func TestSelectorOfInfo(t *testing.T) {
	for want, i := range map[string]devices.Info{
		"hid:/dev/hidraw3": {Transport: devices.USB, Backend: "hidraw", Path: "/dev/hidraw3"},
		"nfc:Reader 00 00": {Transport: devices.NFC, Backend: "pcsc", Path: "Reader 00 00"},
		"":                 {Transport: devices.USB, Backend: "replay", Path: "tape.jsonl"},
		"udp:[::1]:8111":   {Transport: devices.USB, Backend: "udp", Path: "[::1]:8111"},
		"tcp:x:1":          {Transport: devices.USB, Backend: "tcp", Path: "x:1"},
		"udp:127.0.0.1:8111?local=127.0.0.1:7112": {Transport: devices.USB, Backend: "udp", Path: "127.0.0.1:8111", Local: "127.0.0.1:7112"},
	} {
		if got := i.Selector(); got != want {
			t.Errorf("%+v is %q, want %q", i, got, want)
		}
	}
}
