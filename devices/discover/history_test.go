package discover

import (
	"errors"
	"fmt"
	"slices"
	"testing"
	"time"

	"github.com/touchstone-fido/touchstone/ctaphid/hidraw"
	"github.com/touchstone-fido/touchstone/ctaphid/usbhid"
	"github.com/touchstone-fido/touchstone/devices"
	"github.com/touchstone-fido/touchstone/nfc/pcsc"
)

// inWords is a change as a line.
func inWords(c devices.Change) string {
	line := fmt.Sprintf("%s %s", c.Kind, c.Device.Path)
	if c.Device.Path == "" {
		line = fmt.Sprintf("%s %s", c.Kind, c.Backend)
	}
	if c.Reason != nil {
		line += ": " + c.Reason.Error()
	}
	return line
}

// look is one listing, some milliseconds after the one before, with what it
// should tell and when another look should be due.
type look struct {
	after int
	found []candidate
	err   error
	want  []string
	again int
}

func TestHistory(t *testing.T) {
	denied, other := errors.New("denied"), errors.New("other")
	key := func(path string, err error) candidate {
		return candidate{devices.Info{Transport: devices.USB, Backend: Hidraw, Path: path, VendorID: 0x1050, ProductID: 0x0407, ReportSize: 64}, err}
	}
	changedKey := func(change func(*devices.Info)) candidate {
		c := key("a", nil)
		change(&c.info)
		return c
	}
	onPad := func(atr []byte, err error) candidate {
		i := pad
		i.ATR = atr
		return candidate{i, err}
	}
	a, b := key("a", nil), key("b", nil)
	is := func(c ...candidate) []candidate { return c }
	for name, looks := range map[string][]look{
		"nothing":           {{}, {after: 1000}},
		"there from before": {{found: is(b, a, key("c", denied)), want: []string{"present b", "present a", "present c: denied"}}, {after: 1, found: is(a, b, key("c", denied))}},
		"plugged, then permitted, then unplugged": {
			{}, {after: 50, found: is(key("a", hidraw.ErrNoNode)), want: []string{"added a: " + hidraw.ErrNoNode.Error()}},
			{after: 2, found: is(key("a", denied)), want: []string{"changed a: denied"}},
			{after: 2, found: is(a), want: []string{"changed a"}},
			{after: 2, want: []string{"removed a"}},
		},
		"comes, leaves and comes again at once": {
			{}, {after: 50, found: is(a), want: []string{"added a"}},
			{after: 10, again: 90}, {after: 10, found: is(a)}, {after: 10, again: 70}, {after: 69, again: 1}, {after: 1, want: []string{"removed a"}},
			{after: 10, found: is(a), again: 90}, {after: 89, found: is(a), again: 1}, {after: 1, found: is(a), want: []string{"added a"}},
		},
		"leaves and comes again later": {
			{found: is(a), want: []string{"present a"}}, {after: 1, again: 99}, {after: 99, want: []string{"removed a"}},
			{after: 101}, {after: 1, found: is(a), want: []string{"added a"}},
		},
		"two at once": {
			{found: is(a), want: []string{"present a"}}, {after: 500, found: is(b), want: []string{"removed a", "added b"}},
		},
		"another key on the same path": {
			{found: is(a), want: []string{"present a"}},
			{after: 500, found: is(changedKey(func(i *devices.Info) { i.Serial = "7" })), want: []string{"removed a", "added a"}},
			{after: 500, found: is(changedKey(func(i *devices.Info) { i.Serial, i.ReportSize = "7", 32 })), want: []string{"changed a"}},
		},
		"cards": {
			{found: is(onPad(nil, pcsc.ErrNoCard))},
			{after: 500, found: is(onPad([]byte{1}, nil)), want: []string{"added " + pad.Path}},
			{after: 500, found: is(onPad([]byte{1}, pcsc.ErrInUse)), want: []string{"changed " + pad.Path + ": " + pcsc.ErrInUse.Error()}},
			{after: 500, found: is(onPad([]byte{1}, nil)), want: []string{"changed " + pad.Path}},
			{after: 500, found: is(onPad(nil, pcsc.ErrMute)), want: []string{"changed " + pad.Path + ": " + pcsc.ErrMute.Error()}},
			{after: 500, found: is(onPad([]byte{2}, nil)), want: []string{"changed " + pad.Path}},
			{after: 500, found: is(onPad([]byte{3}, nil)), want: []string{"removed " + pad.Path, "added " + pad.Path}},
			{after: 500, found: is(onPad(nil, pcsc.ErrNoCard)), want: []string{"removed " + pad.Path}},
		},
		"a place that fails hides what was there": {
			{found: is(a), want: []string{"present a"}},
			{after: 500, err: denied, want: []string{"failed hidraw: denied"}}, {after: 500, err: denied},
			{after: 500, err: other, want: []string{"failed hidraw: other"}},
			{after: 500, found: is(b), want: []string{"recovered hidraw", "removed a", "added b"}},
		},
		"a place that fails from the beginning": {
			{err: denied, want: []string{"failed hidraw: denied"}},
			{after: 50, found: is(a), again: 50, want: []string{"added a"}},
			{after: 50, found: is(a), want: []string{"recovered hidraw"}},
		},
		"a place that fails and shows keys all the same": {
			{found: is(a), err: usbhid.ErrElevation, want: []string{"failed hidraw: " + usbhid.ErrElevation.Error(), "present a"}},
			{after: 500, err: usbhid.ErrElevation, want: []string{"removed a"}},
		},
	} {
		h, now := newHistory(Hidraw), time.Unix(0, 0)
		for i, l := range looks {
			now = now.Add(time.Duration(l.after) * time.Millisecond)
			news, again := h.update(now, l.found, l.err)
			var got []string
			for _, c := range news {
				got = append(got, inWords(c))
				if c.Backend != Hidraw || !c.Time.Equal(now) || c.Hint != Hint(c.Reason) {
					t.Errorf("%s, look %d: %+v", name, i, c)
				}
			}
			if !slices.Equal(got, l.want) || again != time.Duration(l.again)*time.Millisecond {
				t.Errorf("%s, look %d: %q, again in %v; want %q, %d ms", name, i, got, again, l.want, l.again)
			}
		}
	}
}

// TestHistoryForgets: keys that left do not add up.
func TestHistoryForgets(t *testing.T) {
	h, now := newHistory(Hidraw), time.Unix(0, 0)
	for n := range 100 {
		c := candidate{info: devices.Info{Path: fmt.Sprint(n)}}
		for _, found := range [][]candidate{{c}, nil} {
			now = now.Add(time.Second)
			h.update(now, found, nil)
		}
	}
	if len(h.known) > 2 {
		t.Errorf("%d are known", len(h.known))
	}
}

func TestUsable(t *testing.T) {
	for kind, want := range map[devices.ChangeKind]bool{
		devices.Present: true, devices.Added: true, devices.Changed: true, devices.Removed: false, devices.Failed: false, devices.Recovered: false,
	} {
		if (devices.Change{Kind: kind}).Usable() != want || (devices.Change{Kind: kind, Reason: errors.New("no")}).Usable() {
			t.Errorf("%s: wrong", kind)
		}
	}
}
