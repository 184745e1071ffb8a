package control

import (
	"net/http"
	"net/http/httptest"
	"net/url"
	"testing"
)

// FuzzAnswer has a server say anything at all to the client: what is no answer is
// an error.
func FuzzAnswer(f *testing.F) {
	f.Add(200, []byte(`{"schema":"touchstone/virtual-key/1","key":{"name":"udp","faults":null}}`))
	f.Add(409, []byte(`{"schema":"touchstone/error/1","error":"no","exit":1}`))
	f.Add(500, []byte(`<html>`))
	f.Add(200, []byte(`{"key":`))
	f.Fuzz(func(t *testing.T, status int, text []byte) {
		var e KeyEnvelope
		if err := understand(status, text, &e); err == nil && status != http.StatusOK {
			t.Fatalf("status %d is no error", status)
		}
	})
}

// FuzzQuery has a client ask for events in any way, and name any host.
func FuzzQuery(f *testing.F) {
	f.Add("after=3&key=udp&event=done&wait=10s", "127.0.0.1:80")
	f.Add("after=-1&wait=11m", "[::1]")
	f.Add("%zz&wait=1h", "localhost.evil.example")
	f.Fuzz(func(t *testing.T, query, host string) {
		r := httptest.NewRequest(http.MethodGet, "/v1/events", nil)
		r.URL = &url.URL{RawQuery: query}
		if _, wait, err := parseQuery(r); err == nil && (wait < 0 || wait > MaxWait) {
			t.Fatalf("a wait of %v", wait)
		}
		_ = loopbackHost(host)
	})
}
