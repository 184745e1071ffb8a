package discover

import (
	"context"
	"encoding/hex"
	"errors"
	"reflect"
	"strings"
	"testing"

	"github.com/touchstone-fido/touchstone/ctap2"
	"github.com/touchstone-fido/touchstone/ctaphid"
	"github.com/touchstone-fido/touchstone/devices"
)

// fakeKey answers getInfo, and selection when it is touched.
type fakeKey struct {
	info    devices.Info
	aaguid  string
	touch   chan struct{} // a touch is a send
	asked   chan struct{} // closed when it waits for one
	refusal error         // of opening
	status  byte          // of getInfo
	plug    *ctaphid.Device
}

// newFakeKey plugs a key in until the test ends. By then it must be at rest.
func newFakeKey(t *testing.T, path, aaguid string) *fakeKey {
	k := &fakeKey{
		info:   devices.Info{Transport: devices.USB, Backend: Hidraw, Path: path},
		aaguid: aaguid, touch: make(chan struct{}), asked: make(chan struct{}),
	}
	k.plug = ctaphid.NewDevice(k, ctaphid.DeviceConfig{})
	t.Cleanup(func() {
		if err := k.plug.Close(); err != nil {
			t.Errorf("%s: %v", path, err)
		}
	})
	return k
}

func (k *fakeKey) Message(ctx context.Context, msg []byte, _ func(byte)) []byte {
	switch ctap2.Command(msg[0]) {
	case ctap2.CommandGetInfo:
		aaguid, _ := hex.DecodeString(strings.ReplaceAll(k.aaguid, "-", ""))
		return append([]byte{k.status, 0xA2, 0x01, 0x81, 0x68, 'F', 'I', 'D', 'O', '_', '2', '_', '1', 0x03, 0x50}, aaguid...)
	case ctap2.CommandSelection:
		close(k.asked)
		select {
		case <-k.touch:
			return []byte{byte(ctap2.StatusOK)}
		case <-ctx.Done():
			return []byte{byte(ctap2.StatusKeepaliveCancel)}
		}
	}
	return []byte{byte(ctap2.StatusInvalidCommand)}
}

// plugged are the options under which these keys are all that there is.
func plugged(keys ...*fakeKey) Options {
	s := source{backend: Hidraw}
	s.list = func(context.Context) (found []candidate, err error) {
		for _, k := range keys {
			found = append(found, candidate{info: k.info})
		}
		return found, nil
	}
	s.open = func(_ context.Context, info devices.Info) (devices.Link, error) {
		for _, k := range keys {
			if k.info.Path == info.Path && k.refusal == nil {
				return devices.Link{Reports: k.plug.Connect()}, nil
			} else if k.info.Path == info.Path {
				return devices.Link{}, k.refusal
			}
		}
		return devices.Link{}, ctaphid.ErrGone
	}
	return Options{sources: []source{s}}
}

const (
	modelA = "cb69481e-8ff7-4039-93ec-0a2729a154a8"
	modelB = "2fc0579f-8113-47ea-b116-bb5a8db9202a"
	modelC = "00000000-0000-0000-0000-000000000001"
)

func TestChooseByListing(t *testing.T) {
	a, b := newFakeKey(t, "a", modelA), newFakeKey(t, "b", modelB)
	got, err := Choose(t.Context(), devices.Selector{Kind: devices.KindHID, Value: "b"}, plugged(a, b))
	if err != nil || got.Path != "b" {
		t.Errorf("got %+v, %v", got, err)
	}
	var notOne *devices.NotOneError
	if _, err := Choose(t.Context(), devices.Selector{}, plugged(a, b)); !errors.As(err, &notOne) || len(notOne.Matches) != 2 {
		t.Errorf("any of two: %v", err)
	}
}

func TestChooseByModel(t *testing.T) {
	a, a2, b := newFakeKey(t, "a", modelA), newFakeKey(t, "a2", modelA), newFakeKey(t, "b", modelB)
	taken, odd := newFakeKey(t, "taken", modelB), newFakeKey(t, "odd", modelB)
	taken.refusal, odd.status = ctaphid.ErrBusy, byte(ctap2.StatusOther)
	all := plugged(a, a2, b, taken, odd)

	got, err := Choose(t.Context(), devices.Selector{Kind: devices.KindAAGUID, Value: strings.ToUpper(modelB)}, all)
	if err != nil || !reflect.DeepEqual(got, b.info) {
		t.Errorf("got %+v, %v", got, err)
	}
	for model, want := range map[string][]devices.Info{modelA: {a.info, a2.info}, modelC: nil} {
		_, err := Choose(t.Context(), devices.Selector{Kind: devices.KindAAGUID, Value: model}, all)
		var notOne *devices.NotOneError
		if !errors.As(err, &notOne) || !reflect.DeepEqual(notOne.Matches, want) {
			t.Errorf("%s: %v, want %+v", model, err, want)
			continue
		}
		if n := notOne.Listing; len(n.Devices) != 3 || len(n.LeftOut) != 2 || !errors.Is(n.LeftOut[0].Reason, ctaphid.ErrBusy) {
			t.Errorf("%s: listing %+v", model, n)
		}
	}
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if _, err := Choose(ctx, devices.Selector{Kind: devices.KindAAGUID, Value: modelA}, plugged(a)); err == nil {
		t.Error("chosen after the end")
	}
}

var byTouch = devices.Selector{Kind: devices.KindTouch}

func TestChooseByTouch(t *testing.T) {
	a, b, taken := newFakeKey(t, "a", modelA), newFakeKey(t, "b", modelB), newFakeKey(t, "taken", modelB)
	taken.refusal = ctaphid.ErrBusy
	go func() {
		<-a.asked
		<-b.asked
		b.touch <- struct{}{}
	}()
	got, err := Choose(t.Context(), byTouch, plugged(a, b, taken))
	if err != nil || !reflect.DeepEqual(got, b.info) {
		t.Errorf("got %+v, %v", got, err)
	}
}

func TestChooseByTouchOfNone(t *testing.T) {
	a := newFakeKey(t, "a", modelA)
	reason := errors.New("the person went home")
	ctx, cancel := context.WithCancelCause(t.Context())
	go func() {
		<-a.asked
		cancel(reason)
	}()
	if _, err := Choose(ctx, byTouch, plugged(a)); !errors.Is(err, reason) {
		t.Errorf("got %v", err)
	}
	a.refusal = ctaphid.ErrBusy
	var notOne *devices.NotOneError
	if _, err := Choose(t.Context(), byTouch, plugged(a)); !errors.As(err, &notOne) || len(notOne.Listing.LeftOut) != 1 {
		t.Errorf("no key can be asked: %v", err)
	}
	if _, err := Choose(t.Context(), byTouch, Options{sources: []source{readers(nil, reader(pad, true, nil))}}); !errors.As(err, &notOne) {
		t.Errorf("a card: %v", err)
	}
}
