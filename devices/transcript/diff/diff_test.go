package diff

import (
	"bytes"
	"encoding/hex"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/touchstone-fido/touchstone/ctap2/wire"
	"github.com/touchstone-fido/touchstone/devices/transcript/explain"
)

// say is a message of a command or status and a map, as a line of a tape.
func say(t testing.TB, dir string, first byte, members map[int]any) string {
	t.Helper()
	body := []byte{}
	if members != nil {
		var err error
		if body, err = wire.Encode(members); err != nil {
			t.Fatal(err)
		}
	}
	return fmt.Sprintf(`{"dir":%q,"level":"msg","cmd":"10","hex":"%02x%s"}`, dir, first, hex.EncodeToString(body))
}

func story(t testing.TB, name string, lines ...string) *explain.Story {
	t.Helper()
	text := `{"transport":"hid"}` + "\n" + strings.Join(lines, "\n") + "\n"
	s, err := explain.Read(strings.NewReader(text), name, explain.Options{})
	if err != nil {
		t.Fatal(err)
	}
	return s
}

// info is an exchange of getInfo with some members changed; nil takes one out.
func info(t testing.TB, changes map[int]any) []string {
	members := map[int]any{1: []string{"FIDO_2_1"}, 3: make([]byte, 16), 4: map[string]bool{"rk": true, "up": true}, 5: 1200}
	for n, v := range changes {
		if members[n] = v; v == nil {
			delete(members, n)
		}
	}
	return []string{say(t, "out", 4, nil), say(t, "in", 0, members)}
}

// assertion is an exchange of getAssertion.
func assertion(t testing.TB, authData []byte, extra map[int]any) []string {
	answer := map[int]any{1: map[string]any{"id": []byte{1, 2}, "type": "public-key"}, 2: authData, 3: bytes.Repeat([]byte{byte(len(extra)) + 1}, 70)}
	for n, v := range extra {
		answer[n] = v
	}
	return []string{say(t, "out", 2, map[int]any{1: "example.com", 2: make([]byte, 32)}), say(t, "in", 0, answer)}
}

// data is authenticator data with flags and a counter.
func data(flags, counter byte, more ...byte) []byte {
	hash, _ := hex.DecodeString("a379a6f6eeafb9a55e378c118034e2751e682fab9f2d30ab13d2125586ce1947")
	return append(append(hash, flags, 0, 0, 0, counter), more...)
}

// texts is each difference as one line.
func texts(c *Comparison) []string {
	var out []string
	for _, p := range c.Pairs {
		for _, d := range p.Differences {
			out = append(out, fmt.Sprintf("%s: %s %s: %s, %s", p.Name, d.Area, d.Path, d.A, d.B))
		}
	}
	return out
}

func TestCompare(t *testing.T) {
	up := assertion(t, data(0x01, 1), nil)
	const ga = "authenticatorGetAssertion: "
	tests := []struct {
		name string
		a, b []string
		want Verdict
		list []string
	}{
		{"the same", info(t, nil), info(t, nil), Same, nil},
		{"an option", info(t, nil), info(t, map[int]any{4: map[string]bool{"rk": false, "up": true}}), Differs, []string{"authenticatorGetInfo: getInfo options.rk: true, false"}},
		{"a member on one side", info(t, nil), info(t, map[int]any{7: 8}), Differs, []string{"authenticatorGetInfo: getInfo maxCredentialCountInList: absent, 8"}},
		{"a member that is gone", info(t, nil), info(t, map[int]any{5: nil}), Differs, []string{"authenticatorGetInfo: getInfo maxMsgSize: 1200, absent"}},
		{"encIdentifier is new each time", info(t, map[int]any{0x19: bytes.Repeat([]byte{1}, 32)}), info(t, map[int]any{0x19: bytes.Repeat([]byte{2}, 32)}), Same, nil},
		{"a member of another size that is new each time", info(t, map[int]any{0x19: make([]byte, 32)}), info(t, map[int]any{0x19: make([]byte, 31)}), Differs, []string{
			"authenticatorGetInfo: getInfo encIdentifier: 32 bytes, 31 bytes",
			"authenticatorGetInfo: conduct : absent, encIdentifier (0x19) has 31 bytes, and has to have 32",
		}},
		{"a status", up, []string{up[0], say(t, "in", 0x2e, nil)}, Differs, []string{ga + "status : CTAP2_OK (0x00), CTAP2_ERR_NO_CREDENTIALS (0x2e)"}},
		{"a counter and a signature", up, assertion(t, data(0x01, 9), map[int]any{3: make([]byte, 71)}), Same, nil},
		{"flags", up, assertion(t, data(0x05, 1), nil), Differs, []string{ga + "authenticator data authData.flags: 0x01 (UP: the user was present), 0x05 (UP: the user was present, UV: the user was verified)"}},
		{"extensions", assertion(t, data(0x81, 1, 0xa1, 0x61, 'x', 0xf5), nil), assertion(t, data(0x81, 1, 0xa1, 0x61, 'x', 0xf4), nil), Differs, []string{ga + "extensions authData.extensions.x: true, false"}},
		{"an extra member", up, assertion(t, data(0x01, 1), map[int]any{5: 2}), Differs, []string{ga + "answer numberOfCredentials: absent, 2"}},
		{"another question", up, []string{say(t, "out", 2, map[int]any{1: "example.org", 2: make([]byte, 32)}), up[1]}, Differs, []string{
			ga + "request rpId: example.com, example.org",
			ga + `conduct : absent, rpIdHash is not the SHA-256 of "example.org", which was asked for`,
		}},
		{"a touch", up, []string{up[0], `{"dir":"in","level":"msg","cmd":"3b","hex":"02"}`, up[1]}, Differs, []string{ga + "touch : does not wait for a touch, waits for a touch"}},
		{"an exchange more", up, append(info(t, nil), up...), Differs, []string{"authenticatorGetInfo: sequence : absent, asked"}},
		{"an answer that is missing", up[:1], up, Incomparable, nil},
		{"nothing in common", up, info(t, nil), Incomparable, []string{ga + "sequence : asked, absent", "authenticatorGetInfo: sequence : absent, asked"}},
		{"nothing at all", nil, up, Incomparable, []string{ga + "sequence : absent, asked"}},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			c := Compare(story(t, "a", append(tt.a, `{"event":"end"}`)...), story(t, "b", append(tt.b, `{"event":"end"}`)...), Config{})
			if c.Verdict != tt.want || (c.Why != "") != (tt.want == Incomparable) {
				t.Errorf("%v %q, want %v", c.Verdict, c.Why, tt.want)
			}
			got := texts(c)
			for i, want := range tt.list {
				if i >= len(got) || !strings.HasPrefix(got[i], want) {
					t.Errorf("differences %q, want %q", got, tt.list)
					break
				}
			}
			if len(tt.list) == 0 && len(got) > 0 {
				t.Errorf("differences %q", got)
			}
		})
	}
}

func TestTimings(t *testing.T) {
	took := func(us int) []string {
		timed := func(at int, line string) string { return strings.Replace(line, "{", fmt.Sprintf(`{"t_us":%d,`, at), 1) }
		return []string{timed(1, say(t, "out", 0x0b, nil)), timed(1+us, say(t, "in", 0, nil))}
	}
	a, b := story(t, "a", took(1000)...), story(t, "b", took(2500)...)
	for factor, want := range map[float64]Verdict{0: Same, 2: Differs, 3: Same} {
		c := Compare(a, b, Config{TimingFactor: factor})
		if c.Verdict != want || len(c.Timings) != 1 || c.Timings[0].Name != "answer" || c.Timings[0].B.Median != 2500*time.Microsecond {
			t.Errorf("factor %v: %v, %+v", factor, c.Verdict, c.Timings)
		}
	}
}

// TestAlign wants the most exchanges beside each other, in order, by either way.
func TestAlign(t *testing.T) {
	items := func(names string) []item {
		var all []item
		for i, n := range strings.Split(names, "") {
			all = append(all, item{n, i})
		}
		return all
	}
	for _, tt := range []struct{ a, b, want string }{
		{"abc", "abc", "a00 b11 c22"},
		{"abc", "ac", "a00 b1- c21"},
		{"ac", "abc", "a00 b-1 c12"},
		{"xabc", "abcy", "x0- a10 b21 c32 y-3"},
		{"ab", "xy", "a0- b1- x-0 y-1"},
	} {
		for name, way := range map[string]func(a, b []item) []match{"table": align, "greedy": alignGreedily} {
			var got []string
			for _, m := range way(items(tt.a), items(tt.b)) {
				got = append(got, strings.ReplaceAll(fmt.Sprintf("%s%d%d", m.name, m.a, m.b), "-1", "-"))
			}
			if name == "greedy" {
				slices.Sort(got)
			}
			want := strings.Fields(tt.want)
			if name == "greedy" {
				slices.Sort(want)
			}
			if !slices.Equal(got, want) {
				t.Errorf("%s of %s and %s: %q, want %q", name, tt.a, tt.b, got, want)
			}
		}
	}
}
