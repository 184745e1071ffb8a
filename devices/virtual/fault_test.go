package virtual_test

import (
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"
	"maps"
	"reflect"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/fxamacker/cbor/v2"

	"github.com/touchstone-fido/touchstone/ctap2"
	"github.com/touchstone-fido/touchstone/ctap2/wire"
	"github.com/touchstone-fido/touchstone/devices/virtual"
)

// A scene is a session in which a fault shows. It is played by a sound key and by
// one with the fault, with the same seed and the same clock, and the first
// difference between what they say is the one that is foretold.
type scene struct {
	fault   virtual.FaultID
	config  []func(*virtual.Config)
	play    func(r *rig)
	differs string
}

// exchange is a request and its answer.
type exchange struct {
	label   string // of the request
	touches int
	u2f     bool
	answer  []byte
}

// with is the beginning of a scene whose key is not the usual one.
func with(changes ...func(*virtual.Config)) []func(*virtual.Config) { return changes }

// stopper ends a scene instead of the test: a faulty key may not answer what the
// rest of it wants.
type stopper struct{ testing.TB }

type stopped string

func (stopper) Fatalf(format string, args ...any) { panic(stopped(fmt.Sprintf(format, args...))) }
func (stopper) Fatal(args ...any)                 { panic(stopped(fmt.Sprint(args...))) }
func (stopper) Errorf(format string, args ...any) { panic(stopped(fmt.Sprintf(format, args...))) }
func (stopper) Logf(string, ...any)               {}

// perform plays the scene and returns what was said, and why it stopped early.
func (s scene) perform(t *testing.T, faults ...virtual.FaultID) (tape []exchange, stop string) {
	now := time.Unix(1e9, 0)
	var r *rig
	defer func() {
		if r != nil {
			tape = r.tape
		}
		if why, ok := recover().(stopped); ok {
			stop = string(why)
		}
	}()
	setup := func(c *virtual.Config) {
		c.Now, c.Faults = func() time.Time { return now }, faults
	}
	r = newRig(stopper{t}, append(s.config, setup)...)
	r.now = &now
	defer func() { r.key.Close() }()
	s.play(r)
	return r.tape, ""
}

// wait lets time pass.
func (r *rig) wait(d time.Duration) { *r.now = r.now.Add(d) }

// TestFaultsShow plays the scene of each fault.
func TestFaultsShow(t *testing.T) {
	scenes := slices.Concat(makingScenes, assertingScenes, tokenScenes, managingScenes)
	played := map[virtual.FaultID]bool{}
	for _, s := range scenes {
		played[s.fault] = true
		t.Run(string(s.fault), func(t *testing.T) {
			t.Parallel()
			sound, stop := s.perform(t)
			if stop != "" {
				t.Fatalf("a sound key stops: %s", stop)
			}
			again, _ := s.perform(t)
			if d := difference(sound, again, ""); d != "" {
				t.Fatalf("a sound key differs from itself: %s", d)
			}
			faulty, stop := s.perform(t, s.fault)
			if d := difference(sound, faulty, stop); d != s.differs || d == "" {
				t.Errorf("differs: %q, want %q", d, s.differs)
			}
		})
	}
	for _, f := range virtual.Faults() {
		if !played[f.ID] {
			t.Errorf("%s has no scene", f.ID)
		}
	}
}

// TestFaultsAreDescribed holds the list to its form.
func TestFaultsAreDescribed(t *testing.T) {
	seen := map[virtual.FaultID]bool{}
	for _, f := range virtual.Faults() {
		if seen[f.ID] || f.ID == "" || strings.Trim(string(f.ID), "abcdefghijklmnopqrstuvwxyz0123456789-") != "" {
			t.Errorf("%q is no ID of a fault, or there are two of it", f.ID)
		}
		seen[f.ID] = true
		if f.Area == "" || f.Text == "" || f.Rule == "" || strings.HasSuffix(f.Text, ".") {
			t.Errorf("%s: area %q, text %q, rule %q", f.ID, f.Area, f.Text, f.Rule)
		}
	}
	if len(seen) < 80 {
		t.Errorf("%d faults", len(seen))
	}
}

func TestUnknownFault(t *testing.T) {
	_, err := virtual.New(virtual.Config{Faults: []virtual.FaultID{"mc-no-touch", "no-such-fault"}})
	if !errors.Is(err, virtual.ErrFault) || !strings.Contains(err.Error(), `"no-such-fault"`) {
		t.Error(err)
	}
}

// TestFaultsTogether: any number of them is a key that answers, and none makes
// it panic.
func TestFaultsTogether(t *testing.T) {
	var all []virtual.FaultID
	for _, f := range virtual.Faults() {
		all = append(all, f.ID)
	}
	messages := requests(newRig(t, complete))
	for group := range slices.Chunk(all, 10) {
		for _, faults := range [][]virtual.FaultID{group, all} {
			r := newRig(t, complete, func(c *virtual.Config) { c.Faults, c.OnError = faults, func(error) {} })
			for _, name := range slices.Sorted(maps.Keys(messages)) {
				if len(r.key.Message(t.Context(), messages[name], nil)) == 0 {
					t.Errorf("%v: no answer to %s", faults, name)
				}
			}
			r.key.PowerCycle()
			r.key.Close()
		}
	}
}

// label names a request by command and subcommand.
func label(msg []byte) string {
	if len(msg) == 0 {
		return "nothing"
	}
	name := strings.TrimPrefix(ctap2.Command(msg[0]).String(), "authenticator")
	at := map[ctap2.Command]uint64{
		ctap2.CommandClientPIN: 2, ctap2.CommandBioEnrollment: 2, ctap2.CommandCredentialManagement: 1, ctap2.CommandConfig: 1,
	}[ctap2.Command(msg[0])]
	var params map[uint64]wire.Raw
	if at == 0 || wire.Decode(msg[1:], &params) != nil || len(params[at]) == 0 {
		return name
	}
	return fmt.Sprintf("%s %02x", name, params[at][0])
}

// difference tells the first difference of a tape from that of a sound key.
func difference(sound, faulty []exchange, stop string) string {
	because := ""
	if stop != "" {
		because = " [" + stop + "]"
	}
	for i, want := range sound {
		if i == len(faulty) {
			return "stops" + because
		}
		got := faulty[i]
		switch {
		case got.label != want.label:
			return fmt.Sprintf("%s is asked, not %s", got.label, want.label)
		case !bytes.Equal(got.answer, want.answer):
			what := answers(got, want)
			if strings.Contains(what, "other bytes") {
				what += because
			}
			return got.label + ": " + what
		case got.touches != want.touches:
			return fmt.Sprintf("%s: touches %d, not %d", got.label, got.touches, want.touches)
		}
	}
	if len(faulty) > len(sound) {
		return "goes on"
	}
	return strings.TrimSpace(because)
}

// answers tells how an answer differs.
func answers(got, want exchange) string {
	if got.u2f {
		return u2fAnswers(got.answer, want.answer)
	}
	if got.answer[0] != want.answer[0] {
		return fmt.Sprintf("status %02x, not %02x", got.answer[0], want.answer[0])
	}
	if len(got.answer) > 1 {
		if got.answer[0] != 0 {
			return "an error with a body"
		}
		remarks, err := wire.Inspect(got.answer[1:])
		if err != nil {
			return "malformed"
		}
		if len(remarks) > 0 {
			return fmt.Sprintf("%s at %s", remarks[0].Rule, remarks[0].Path)
		}
	}
	return changes(got.label, body(got.answer), body(want.answer))
}

func u2fAnswers(got, want []byte) string {
	n, m := len(got)-2, len(want)-2
	switch sw, right := binary.BigEndian.Uint16(got[n:]), binary.BigEndian.Uint16(want[m:]); {
	case sw != right:
		return fmt.Sprintf("status word %04x, not %04x", sw, right)
	case n > 5 && m > 5 && got[0] != want[0]:
		return fmt.Sprintf("flags %02x, not %02x", got[0], want[0])
	case n > 5 && m > 5 && !bytes.Equal(got[1:5], want[1:5]):
		return fmt.Sprintf("count %d, not %d", binary.BigEndian.Uint32(got[1:]), binary.BigEndian.Uint32(want[1:]))
	}
	return "other bytes"
}

func body(answer []byte) (v map[any]any) {
	_ = cbor.Unmarshal(answer[1:], &v) // of an answer without a body
	return v
}

// changes tells how a map differs: what is the cause before what follows from it.
func changes(label string, got, want map[any]any) string {
	const data = uint64(2)
	if label == "MakeCredential" || strings.HasSuffix(label, "Assertion") {
		gotData, wantData := got[data].([]byte), want[data].([]byte)
		delete(got, data)
		delete(want, data)
		got["authData"], want["authData"] = tryAuthData(gotData), tryAuthData(wantData)
	}
	var all, caused []string
	for _, d := range differences("", got, want) {
		if strings.HasSuffix(d, "other bytes") {
			caused = append(caused, d)
		} else {
			all = append(all, d)
		}
	}
	if len(all) == 0 {
		all = caused
	}
	slices.Sort(all)
	return strings.Join(all, "; ")
}

func differences(path string, got, want any) (all []string) {
	if reflect.DeepEqual(got, want) {
		return nil
	}
	gotMap, isMap := got.(map[any]any)
	wantMap, wasMap := want.(map[any]any)
	if isMap && wasMap {
		for _, key := range keys(gotMap, wantMap) {
			all = append(all, differences(strings.TrimPrefix(path+"."+name(key), "."), gotMap[key], wantMap[key])...)
		}
		return all
	}
	gotBytes, isBytes := got.([]byte)
	wantBytes, wasBytes := want.([]byte)
	if isBytes && wasBytes && !bytes.Equal(gotBytes, wantBytes) {
		return []string{path + " has other bytes"}
	}
	return []string{fmt.Sprintf("%s is %s, not %s", path, show(got), show(want))}
}

func keys(a, b map[any]any) []any {
	all := maps.Clone(a)
	maps.Copy(all, b)
	return slices.Collect(maps.Keys(all))
}

func name(key any) string {
	if n, ok := key.(uint64); ok {
		return fmt.Sprintf("%x", n)
	}
	return fmt.Sprint(key)
}

func show(v any) string {
	switch v := v.(type) {
	case nil:
		return "absent"
	case []byte:
		return fmt.Sprintf("%d bytes", len(v))
	case string:
		return fmt.Sprintf("%q", v)
	case map[any]any:
		return fmt.Sprintf("a map of %d", len(v))
	case []any:
		var list []string
		for _, item := range v {
			list = append(list, show(item))
		}
		return "[" + strings.Join(list, " ") + "]"
	}
	return fmt.Sprint(v)
}

// tryAuthData takes authenticator data apart as far as that can be done.
func tryAuthData(b []byte) map[any]any {
	d := map[any]any{"rpIdHash": b[:32], "flags": fmt.Sprintf("%02x", b[32]), "count": binary.BigEndian.Uint32(b[33:])}
	rest := b[37:]
	if b[32]&flagAT != 0 && len(rest) > 18 {
		n := int(binary.BigEndian.Uint16(rest[16:]))
		if len(rest) >= 18+n {
			d["aaguid"], d["id"], rest = rest[:16], fmt.Sprintf("%d bytes", n), rest[18+n:]
			rest = first(d, "key", rest)
		}
	}
	if len(rest) > 0 {
		rest = first(d, "extensions", rest)
	}
	d["rest"] = rest
	return d
}

func first(d map[any]any, name string, b []byte) []byte {
	var v map[any]any
	rest, err := cbor.UnmarshalFirst(b, &v)
	if err != nil {
		return b
	}
	item := b[:len(b)-len(rest)]
	if remarks, err := wire.Inspect(item); err == nil && len(remarks) > 0 {
		d[name+" encoding"] = string(remarks[0].Rule)
	}
	d[name] = v
	return rest
}
