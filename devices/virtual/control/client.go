package control

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/netip"
	"net/url"
	"strconv"
	"time"
)

// maxAnswer is the most bytes of an answer that is read.
const maxAnswer = 16 << 20

// Refusal is an error that the other end answered with.
type Refusal struct {
	Status int    // of HTTP
	Text   string // what was wrong
}

// Error is the text.
func (e *Refusal) Error() string { return e.Text }

// Usage tells whether the request made no sense, rather than was not possible.
func (e *Refusal) Usage() bool { return !possible(e.Status) }

// Is makes it the error of the panel that it was.
func (e *Refusal) Is(target error) bool { return target != nil && target == kinds[e.Status] }

// ErrUnreachable: nobody answers at the address.
var ErrUnreachable = errors.New("no served key can be reached there")

// Client is the other end of [Panel.Serve].
type Client struct {
	base string
	http *http.Client
}

// NewClient makes a client of the panel at HOST:PORT, on loopback. Nothing is sent
// yet.
func NewClient(address string) (*Client, error) {
	host, port, err := net.SplitHostPort(address)
	if err != nil {
		return nil, fmt.Errorf("control: %w", err)
	}
	if host == "" || host == "localhost" {
		host = "127.0.0.1"
	}
	if at, err := netip.ParseAddr(host); err != nil || !at.Unmap().IsLoopback() {
		return nil, fmt.Errorf("control: %s: %w", address, ErrNotLoopback)
	}
	// No proxy of the environment has anything to do with loopback, and nothing
	// there sends clients elsewhere.
	transport := &http.Transport{DisableKeepAlives: true}
	return &Client{
		base: "http://" + net.JoinHostPort(host, port) + "/v1/",
		http: &http.Client{Transport: transport, CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }},
	}, nil
}

// Keys is how the keys are.
func (c *Client) Keys(ctx context.Context) ([]State, error) {
	var e KeysEnvelope
	if err := c.call(ctx, http.MethodGet, "keys", nil, &e); err != nil {
		return nil, err
	}
	return e.Keys, nil
}

// Key is how one key is. The error is [ErrUnknownKey] when there is none of that
// name.
func (c *Client) Key(ctx context.Context, name string) (State, error) {
	var e KeyEnvelope
	err := c.call(ctx, http.MethodGet, "keys/"+url.PathEscape(name), nil, &e)
	return e.Key, err
}

// Do does something to a key and returns how it is then. request is what the
// action takes, nil for nothing. The error is a [*Refusal] when the other end
// refused, and [ErrUnreachable] when there is none.
func (c *Client) Do(ctx context.Context, name string, action Action, request any) (State, error) {
	if request == nil {
		request = struct{}{}
	}
	body, err := json.Marshal(request)
	if err != nil {
		return State{}, fmt.Errorf("control: %w", err)
	}
	var e KeyEnvelope
	err = c.call(ctx, http.MethodPost, "keys/"+url.PathEscape(name)+"/"+string(action), body, &e)
	return e.Key, err
}

// Events are the events of a query. When there are none yet it waits for the
// first one, at most so long, after which there are none and no error.
func (c *Client) Events(ctx context.Context, q Query, wait time.Duration) (EventsEnvelope, error) {
	v := url.Values{"after": {strconv.FormatUint(q.After, 10)}, "wait": {wait.String()}}
	if q.Key != "" {
		v.Set("key", q.Key)
	}
	if q.Event != "" {
		v.Set("event", q.Event)
	}
	var e EventsEnvelope
	err := c.call(ctx, http.MethodGet, "events?"+v.Encode(), nil, &e)
	return e, err
}

func (c *Client) call(ctx context.Context, method, path string, body []byte, into any) error {
	r, err := http.NewRequestWithContext(ctx, method, c.base+path, bytes.NewReader(body))
	if err != nil {
		return fmt.Errorf("control: %w", err)
	}
	if method == http.MethodPost {
		r.Header.Set("Content-Type", "application/json")
	}
	answer, err := c.http.Do(r)
	switch {
	case ctx.Err() != nil:
		return context.Cause(ctx)
	case err != nil:
		return fmt.Errorf("control: %w (%w)", ErrUnreachable, err)
	}
	defer answer.Body.Close()
	text, err := io.ReadAll(io.LimitReader(answer.Body, maxAnswer))
	if err != nil {
		return fmt.Errorf("control: read the answer: %w", err)
	}
	return understand(answer.StatusCode, text, into)
}

// understand reads an answer, which is what was asked for or an error.
func understand(status int, text []byte, into any) error {
	if status == http.StatusOK {
		if err := json.Unmarshal(text, into); err != nil {
			return fmt.Errorf("control: the answer: %w", err)
		}
		return nil
	}
	var e errorEnvelope
	if err := json.Unmarshal(text, &e); err != nil || e.Schema != errorSchema {
		return fmt.Errorf("control: what answers there with HTTP status %d is no served key", status)
	}
	return &Refusal{Status: status, Text: e.Error}
}
