package control_test

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/touchstone-fido/touchstone/devices/virtual"
	"github.com/touchstone-fido/touchstone/devices/virtual/control"
	"github.com/touchstone-fido/touchstone/devices/virtual/faulty"
)

const limit = 10 * time.Second

// bench is a key with a panel that is served.
type bench struct {
	panel  *control.Panel
	key    *virtual.Authenticator
	client *control.Client
	at     string
	cycles int
}

func newBench(t *testing.T) *bench {
	t.Helper()
	b := &bench{panel: control.NewPanel(nil)}
	user := b.panel.User("one", control.Manual, nil)
	var err error
	b.key, err = virtual.New(virtual.Config{Presence: user.Presence, Finger: user.Finger, OnDone: b.panel.Done("one")})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { b.key.Close() })
	faults, err := faulty.NewSwitch(b.key, nil)
	if err != nil {
		t.Fatal(err)
	}
	for _, k := range []*control.Key{
		{Name: "one", Kind: "udp", User: user, Faults: faults, Power: func() { b.cycles++; b.key.PowerCycle() }}, {Name: "tape", Kind: "tcp"},
	} {
		if err := b.panel.Add(k); err != nil {
			t.Fatal(err)
		}
	}
	b.serve(t)
	return b
}

func (b *bench) serve(t *testing.T) {
	t.Helper()
	l, err := control.Listen("localhost:0")
	if err != nil {
		t.Fatal(err)
	}
	ctx, stop := context.WithCancel(context.Background())
	done := make(chan error, 1)
	go func() { done <- b.panel.Serve(ctx, l) }()
	t.Cleanup(func() {
		stop()
		if err := <-done; err != nil {
			t.Error(err)
		}
	})
	b.at = l.Addr().String()
	if b.client, err = control.NewClient(b.at); err != nil {
		t.Fatal(err)
	}
}

// do wants an action to be done.
func (b *bench) do(t *testing.T, action control.Action, request any) control.State {
	t.Helper()
	state, err := b.client.Do(t.Context(), "one", action, request)
	if err != nil {
		t.Fatalf("%s: %v", action, err)
	}
	return state
}

// selection is authenticatorSelection, which wants a touch and nothing else.
func (b *bench) selection(ctx context.Context) <-chan byte {
	status := make(chan byte, 1)
	go func() { status <- b.key.Message(ctx, []byte{0x0b}, nil)[0] }()
	return status
}

// TestTouchByHTTP is what a test of somebody else's client does: no step sleeps.
func TestTouchByHTTP(t *testing.T) {
	b := newBench(t)
	for _, c := range []struct {
		action control.Action
		want   byte
	}{{control.Touch, 0x00}, {control.Refuse, 0x27}} {
		status := b.selection(t.Context())
		e, err := b.client.Events(t.Context(), control.Query{Key: "one", Event: control.EventWaiting}, limit)
		if err != nil || len(e.Events) == 0 {
			t.Fatalf("%+v, %v", e, err)
		}
		if state, err := b.client.Key(t.Context(), "one"); err != nil || state.Waiting != "touch" {
			t.Errorf("%+v, %v", state, err)
		}
		b.do(t, c.action, nil)
		if got := <-status; got != c.want {
			t.Errorf("%s: status %02x, want %02x", c.action, got, c.want)
		}
	}
	// The hand is there before the key asks.
	touched := make(chan error, 1)
	go func() {
		_, err := b.client.Do(t.Context(), "one", control.Touch, control.TouchRequest{Wait: limit.String()})
		touched <- err
	}()
	if got := <-b.selection(t.Context()); got != 0 {
		t.Errorf("status %02x", got)
	}
	if err := <-touched; err != nil {
		t.Error(err)
	}
}

func TestEventsByHTTP(t *testing.T) {
	b := newBench(t)
	var after uint64
	var told []string
	for _, do := range []func(){
		func() { b.key.Message(t.Context(), []byte{4}, nil) },
		func() { b.do(t, control.Presence, control.PresenceRequest{Mode: control.Auto}) },
		func() { <-b.selection(t.Context()) },
		func() { b.do(t, control.PowerCycle, nil) },
		func() { b.do(t, control.Finger, control.FingerRequest{Finger: "bad"}) },
		func() { b.do(t, control.Faults, control.FaultsRequest{On: []virtual.FaultID{"mc-no-touch"}}) },
	} {
		do()
		e, err := b.client.Events(t.Context(), control.Query{After: after, Key: "one"}, limit)
		if err != nil || e.Schema != control.EventsSchema || e.Missed {
			t.Fatalf("%+v, %v", e, err)
		}
		for _, v := range e.Events {
			if _, err := time.Parse(time.RFC3339, v.Time); err != nil || v.Key != "one" {
				t.Errorf("%+v: %v", v, err)
			}
			told = append(told, fmt.Sprint(v.Seq)+" "+strings.Join(strings.Fields(v.Event+" "+v.Detail+" "+v.Command+" "+v.Status), " "))
		}
		after = e.Last
	}
	want := "[1 done authenticatorGetInfo 0x00 2 presence auto 3 waiting touch 4 touched touch 5 done authenticatorSelection 0x00 " +
		"6 power-cycled 7 finger bad 8 faults]"
	if got := fmt.Sprint(told); got != want {
		t.Errorf("told\n%s, want\n%s", got, want)
	}
	if b.cycles != 1 {
		t.Errorf("%d power cycles", b.cycles)
	}
	if e, err := b.client.Events(t.Context(), control.Query{After: after}, 0); err != nil || len(e.Events) != 0 || e.Last != after {
		t.Errorf("when there is nothing more: %+v, %v", e, err)
	}
}

func TestStatesByHTTP(t *testing.T) {
	b := newBench(t)
	keys, err := b.client.Keys(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	got, err := json.Marshal(keys)
	if err != nil {
		t.Fatal(err)
	}
	want := `[{"name":"one","kind":"udp","inserted":true,"presence":"manual","finger":"good","faults":[]},` +
		`{"name":"tape","kind":"tcp","inserted":true,"faults":[]}]`
	if string(got) != want {
		t.Errorf("%s, want\n%s", got, want)
	}
	for _, c := range []struct {
		request control.FaultsRequest
		want    string
	}{
		{control.FaultsRequest{On: []virtual.FaultID{"mc-no-touch", "hid-cancel-ignored"}}, "[hid-cancel-ignored mc-no-touch]"},
		{control.FaultsRequest{Off: []virtual.FaultID{"mc-no-touch"}, On: []virtual.FaultID{"nfc-answer-cut"}}, "[hid-cancel-ignored nfc-answer-cut]"},
		{control.FaultsRequest{Clear: true, On: []virtual.FaultID{"mc-no-touch"}}, "[mc-no-touch]"},
		{control.FaultsRequest{Clear: true}, "[]"},
	} {
		if got := fmt.Sprint(b.do(t, control.Faults, c.request).Faults); got != c.want {
			t.Errorf("%+v: %s, want %s", c.request, got, c.want)
		}
	}
}

func TestRefusals(t *testing.T) {
	b := newBench(t)
	for _, c := range []struct {
		key     string
		action  control.Action
		request any
		status  int
		text    string
	}{
		{"two", control.Touch, nil, 404, `there is no such key: "two"`},
		{"one", "explode", nil, 400, `wrong request: there is no action "explode"`},
		{"one", control.Touch, nil, 409, "touch one: the key does not wait for its user"},
		{"one", control.Refuse, control.DenyRequest{Wait: "1ms"}, 409, "deny one: the key does not wait for its user"},
		{"one", control.Touch, control.TouchRequest{Wait: "11m"}, 400, "is no time to wait"},
		{"one", control.Touch, map[string]any{"hard": true}, 400, `unknown field "hard"`},
		{"one", control.PowerCycle, map[string]any{"wait": "1s"}, 400, `unknown field "wait"`},
		{"one", control.Remove, nil, 422, "it stays where it is"},
		{"one", control.Presence, control.PresenceRequest{Mode: "sleepy"}, 400, `"sleepy" is neither`},
		{"one", control.Finger, control.FingerRequest{Finger: "toe"}, 400, `finger "toe" is neither`},
		{"one", control.Faults, control.FaultsRequest{Off: []virtual.FaultID{"no-such"}}, 400, `no such fault: "no-such"`},
		{"tape", control.Touch, nil, 422, "it has no user"},
		{"tape", control.Presence, control.PresenceRequest{Mode: control.Deny}, 422, "it has no user"},
		{"tape", control.Finger, control.FingerRequest{Finger: "good"}, 422, "it has no user"},
		{"tape", control.Faults, nil, 422, "it has no faults"},
		{"tape", control.PowerCycle, nil, 422, "it has no power"},
	} {
		_, err := b.client.Do(t.Context(), c.key, c.action, c.request)
		var refusal *control.Refusal
		if !errors.As(err, &refusal) || refusal.Status != c.status || !strings.Contains(refusal.Text, c.text) || refusal.Usage() == (c.status > 404) {
			t.Errorf("%s %s: %v, want %d %s", c.action, c.key, err, c.status, c.text)
		}
		for kind, status := range map[error]int{
			control.ErrUnknownKey: 404, control.ErrRequest: 400, control.ErrNotWaiting: 409, control.ErrCannot: 422,
		} {
			if errors.Is(err, kind) != (c.status == status) {
				t.Errorf("%s %s: %v is %v", c.action, c.key, err, kind)
			}
		}
	}
}

// TestWebPagesAreKeptOut sends what a browser would for a page of somebody else,
// and what is too much.
func TestWebPagesAreKeptOut(t *testing.T) {
	b := newBench(t)
	const asJSON = "application/json"
	for name, c := range map[string]struct {
		method, path, host string
		header             map[string]string
		body               string
		want               int
	}{
		"a program":                 {"POST", "/v1/keys/one/finger", "", map[string]string{"Content-Type": asJSON}, `{"finger":"2"}`, 200},
		"by another name":           {"GET", "/v1/keys", "localhost:1", nil, "", 200},
		"over IPv6":                 {"GET", "/v1/keys", "[::1]", nil, "", 200},
		"an address by hand":        {"GET", "/v1/keys", "", map[string]string{"Sec-Fetch-Site": "none"}, "", 200},
		"a form":                    {"POST", "/v1/keys/one/finger", "", map[string]string{"Content-Type": "text/plain"}, `{"finger":"2"}`, 415},
		"a form without a type":     {"POST", "/v1/keys/one/finger", "", nil, `{"finger":"2"}`, 415},
		"a page with an origin":     {"POST", "/v1/keys/one/finger", "", map[string]string{"Content-Type": asJSON, "Origin": "https://evil.example"}, `{"finger":"2"}`, 403},
		"a page without an origin":  {"POST", "/v1/keys/one/finger", "", map[string]string{"Content-Type": asJSON, "Origin": "null"}, `{"finger":"2"}`, 403},
		"an image":                  {"GET", "/v1/keys", "", map[string]string{"Sec-Fetch-Site": "cross-site"}, "", 403},
		"a page of another port":    {"GET", "/v1/keys", "", map[string]string{"Sec-Fetch-Site": "same-site"}, "", 403},
		"a rebound name":            {"GET", "/v1/keys", "evil.example", nil, "", 403},
		"a name that looks like it": {"GET", "/v1/keys", "127.0.0.1.evil.example:80", nil, "", 403},
		"another machine":           {"GET", "/v1/keys", "192.0.2.1", nil, "", 403},
		"a preflight":               {"OPTIONS", "/v1/keys/one/touch", "", map[string]string{"Origin": "https://evil.example"}, "", 403},
		"another method":            {"DELETE", "/v1/keys/one", "", nil, "", 405},
		"another path":              {"GET", "/", "", nil, "", 404},
		"a large body":              {"POST", "/v1/keys/one/finger", "", map[string]string{"Content-Type": asJSON}, strings.Repeat(" ", 70000), 413},
		"a wrong number":            {"GET", "/v1/events?after=x", "", nil, "", 400},
		"a wrong time":              {"GET", "/v1/events?wait=long", "", nil, "", 400},
	} {
		r, err := http.NewRequest(c.method, "http://"+b.at+c.path, strings.NewReader(c.body))
		if err != nil {
			t.Fatal(err)
		}
		if c.host != "" {
			r.Host = c.host
		}
		for k, v := range c.header {
			r.Header.Set(k, v)
		}
		transport := &http.Transport{DisableKeepAlives: true}
		answer, err := transport.RoundTrip(r)
		if err != nil {
			t.Fatalf("%s: %v", name, err)
		}
		text, _ := io.ReadAll(answer.Body)
		answer.Body.Close()
		if answer.StatusCode != c.want {
			t.Errorf("%s: status %d, want %d: %s", name, answer.StatusCode, c.want, text)
		}
		if answer.Header.Get("Access-Control-Allow-Origin") != "" {
			t.Errorf("%s: others may read it", name)
		}
	}
	if state, err := b.client.Key(t.Context(), "one"); err != nil || state.Finger != "2" {
		t.Errorf("%+v, %v", state, err)
	}
}

func TestListenOnLoopbackOnly(t *testing.T) {
	for _, address := range []string{"0.0.0.0:0", "192.0.2.1:0", "[::]:0", "example.com:80"} {
		if l, err := control.Listen(address); !errors.Is(err, control.ErrNotLoopback) {
			t.Errorf("%s: %v", address, err)
			if err == nil {
				l.Close()
			}
		}
		if _, err := control.NewClient(address); !errors.Is(err, control.ErrNotLoopback) {
			t.Errorf("client of %s: %v", address, err)
		}
	}
	for _, address := range []string{"", "127.0.0.1", "127.0.0.1:x"} {
		if _, err := control.Listen(address); err == nil {
			t.Errorf("%q is listened at", address)
		}
	}
}

func TestClientOfSomethingElse(t *testing.T) {
	other := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if strings.HasSuffix(r.URL.Path, "/keys") {
			fmt.Fprint(w, "<html>")
			return
		}
		http.Redirect(w, r, "/v1/keys", http.StatusFound)
	}))
	at := strings.TrimPrefix(other.URL, "http://")
	c, err := control.NewClient(at)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := c.Keys(t.Context()); err == nil || errors.Is(err, control.ErrUnreachable) {
		t.Error(err)
	}
	if _, err := c.Key(t.Context(), "one"); err == nil || !strings.Contains(err.Error(), "HTTP status 302 is no served key") {
		t.Error(err)
	}
	other.Close()
	if _, err := c.Keys(t.Context()); !errors.Is(err, control.ErrUnreachable) {
		t.Error(err)
	}
	l, err := net.Listen("tcp", at)
	if err != nil {
		t.Skipf("NOT RUN: the port was taken meanwhile: %v", err)
	}
	defer l.Close()
	ctx, stop := context.WithCancelCause(t.Context())
	why := errors.New("enough")
	stop(why)
	if _, err := c.Keys(ctx); !errors.Is(err, why) {
		t.Error(err)
	}
}
