package control

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"mime"
	"net"
	"net/http"
	"net/netip"
	"strconv"
	"time"
)

const (
	maxBody      = 64 << 10 // bytes of a request
	headerLimit  = 10 * time.Second
	maxHeader    = 16 << 10 // bytes
	shutdownTime = 2 * time.Second
)

// ErrNotLoopback: the address is, or may be, one that other machines reach.
var ErrNotLoopback = errors.New("not a loopback address")

// Listen listens at HOST:PORT for [Panel.Serve]; port 0 is any that is free. HOST
// is localhost, which is 127.0.0.1, or an address of the loopback network; the
// error of any other wraps [ErrNotLoopback].
func Listen(address string) (net.Listener, error) {
	host, port, err := net.SplitHostPort(address)
	if err != nil {
		return nil, fmt.Errorf("control: %w", err)
	}
	if host == "" || host == "localhost" {
		host = "127.0.0.1"
	}
	if at, err := netip.ParseAddr(host); err != nil || !at.Unmap().IsLoopback() {
		return nil, fmt.Errorf("control: %s: %w: want 127.0.0.1, [::1] or localhost", address, ErrNotLoopback)
	}
	l, err := net.Listen("tcp", net.JoinHostPort(host, port))
	if err != nil {
		return nil, fmt.Errorf("control: %w", err)
	}
	return l, nil
}

// Serve answers requests at l until ctx ends, and closes l. The error is nil
// then.
func (p *Panel) Serve(ctx context.Context, l net.Listener) error {
	ending, end := context.WithCancel(ctx)
	defer end()
	s := &http.Server{
		Handler: p.Handler(), ReadHeaderTimeout: headerLimit, MaxHeaderBytes: maxHeader,
		BaseContext: func(net.Listener) context.Context { return ending },
	}
	stopped := make(chan struct{})
	stop := context.AfterFunc(ctx, func() {
		defer close(stopped)
		limit, cancel := context.WithTimeout(context.Background(), shutdownTime)
		defer cancel()
		_ = s.Shutdown(limit)
		_ = s.Close()
	})
	err := s.Serve(l)
	if !stop() {
		<-stopped
		return nil
	}
	return fmt.Errorf("control: %w", errors.Join(err, s.Close()))
}

// Handler answers the requests of docs/control.md. Whoever reaches it can use it,
// but a web page: what a browser sends for one, and what names another host than a
// loopback one, is refused.
func (p *Panel) Handler() http.Handler {
	mux := http.NewServeMux()
	mux.HandleFunc("GET /v1/keys", func(w http.ResponseWriter, _ *http.Request) {
		answer(w, http.StatusOK, KeysEnvelope{KeysSchema, p.Keys()})
	})
	mux.HandleFunc("GET /v1/keys/{name}", p.showKey)
	mux.HandleFunc("POST /v1/keys/{name}/{action}", p.act)
	mux.HandleFunc("GET /v1/events", p.showEvents)
	return guard(mux)
}

func (p *Panel) showKey(w http.ResponseWriter, r *http.Request) {
	k, err := p.Key(r.PathValue("name"))
	if err != nil {
		refuseWith(w, err)
		return
	}
	answer(w, http.StatusOK, KeyEnvelope{KeySchema, k.State()})
}

func (p *Panel) act(w http.ResponseWriter, r *http.Request) {
	if kind, _, err := mime.ParseMediaType(r.Header.Get("Content-Type")); err != nil || kind != "application/json" {
		fail(w, http.StatusUnsupportedMediaType, errors.New("the body is not of type application/json"))
		return
	}
	body, err := readBody(w, r)
	if err != nil {
		fail(w, http.StatusRequestEntityTooLarge, fmt.Errorf("the body: %w", err))
		return
	}
	state, err := p.Do(r.Context(), r.PathValue("name"), Action(r.PathValue("action")), body)
	if err != nil {
		refuseWith(w, err)
		return
	}
	answer(w, http.StatusOK, KeyEnvelope{KeySchema, state})
}

// readBody reads a body, in no more time than a header may take. The limit must
// not last: it would end a request that waits.
func readBody(w http.ResponseWriter, r *http.Request) ([]byte, error) {
	limit := http.NewResponseController(w)
	_ = limit.SetReadDeadline(time.Now().Add(headerLimit)) // not every writer can
	defer func() { _ = limit.SetReadDeadline(time.Time{}) }()
	return io.ReadAll(http.MaxBytesReader(w, r.Body, maxBody))
}

func (p *Panel) showEvents(w http.ResponseWriter, r *http.Request) {
	q, wait, err := parseQuery(r)
	if err != nil {
		refuseWith(w, err)
		return
	}
	ctx, stop := context.WithTimeout(r.Context(), wait)
	defer stop()
	events, last, missed := p.Events(ctx, q)
	if events == nil {
		events = []Event{}
	}
	answer(w, http.StatusOK, EventsEnvelope{EventsSchema, events, last, missed})
}

func parseQuery(r *http.Request) (Query, time.Duration, error) {
	v := r.URL.Query()
	q := Query{Key: v.Get("key"), Event: v.Get("event")}
	if text := v.Get("after"); text != "" {
		n, err := strconv.ParseUint(text, 10, 63)
		if err != nil {
			return q, 0, fmt.Errorf("%w: after=%q is no number", ErrRequest, text)
		}
		q.After = n
	}
	wait, err := parseWait(v.Get("wait"))
	return q, wait, err
}

// guard keeps web pages out. A page can have the browser send requests to
// loopback, but not without saying which page it is (Origin), what it is to the
// server (Sec-Fetch-Site) or which host it looked up (Host).
func guard(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		site := r.Header.Get("Sec-Fetch-Site")
		switch {
		case !loopbackHost(r.Host):
			fail(w, http.StatusForbidden, fmt.Errorf("host %q is no loopback address", r.Host))
		case len(r.Header.Values("Origin")) > 0, site != "" && site != "none":
			fail(w, http.StatusForbidden, errors.New("web pages may not use this"))
		default:
			next.ServeHTTP(w, r)
		}
	})
}

// loopbackHost reads a Host header, with a port or without.
func loopbackHost(host string) bool {
	if name, _, err := net.SplitHostPort(host); err == nil {
		host = name
	}
	if host == "localhost" {
		return true
	}
	at, err := netip.ParseAddr(trimBrackets(host))
	return err == nil && at.Unmap().IsLoopback()
}

func trimBrackets(host string) string {
	if len(host) > 2 && host[0] == '[' && host[len(host)-1] == ']' {
		return host[1 : len(host)-1]
	}
	return host
}

func answer(w http.ResponseWriter, status int, v any) {
	h := w.Header()
	h.Set("Content-Type", "application/json")
	h.Set("Cache-Control", "no-store")
	h.Set("X-Content-Type-Options", "nosniff")
	w.WriteHeader(status)
	_ = json.NewEncoder(w).Encode(v) // whoever asked may have left
}

// Exit statuses of the program that an error envelope has.
const (
	exitFailed = 1
	exitUsage  = 2
)

func fail(w http.ResponseWriter, status int, err error) {
	exit := exitUsage
	if possible(status) {
		exit = exitFailed
	}
	answer(w, status, errorEnvelope{errorSchema, err.Error(), exit})
}

// kinds are the errors of the panel by the statuses that they are told by.
var kinds = map[int]error{
	http.StatusNotFound: ErrUnknownKey, http.StatusBadRequest: ErrRequest,
	http.StatusConflict: ErrNotWaiting, http.StatusUnprocessableEntity: ErrCannot,
}

// possible tells the statuses of requests that made sense.
func possible(status int) bool {
	return status == http.StatusConflict || status == http.StatusUnprocessableEntity
}

// refuseWith tells an error of the panel.
func refuseWith(w http.ResponseWriter, err error) {
	status := http.StatusUnprocessableEntity
	switch {
	case errors.Is(err, ErrUnknownKey):
		status = http.StatusNotFound
	case wrong(err):
		status = http.StatusBadRequest
	case errors.Is(err, ErrNotWaiting):
		status = http.StatusConflict
	}
	fail(w, status, err)
}
