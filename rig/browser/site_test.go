//go:build linux

package browser

import (
	_ "embed"
	"errors"
	"fmt"
	"net"
	"net/http"

	"github.com/touchstone-fido/touchstone/relyingparty"
)

//go:embed testdata/page.html
var page []byte

// site is a web site with a page on which a test can start ceremonies.
type site struct {
	server *http.Server
	party  relyingparty.Party
	done   chan error
}

// rpID is the site's relying party ID.
const rpID = "localhost"

func openSite() (*site, error) {
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return nil, err
	}
	origin := fmt.Sprintf("http://%s:%d", rpID, listener.Addr().(*net.TCPAddr).Port)
	s := &site{
		server: &http.Server{Handler: http.HandlerFunc(servePage)},
		party:  relyingparty.Party{ID: rpID, Name: "Touchstone", Origin: origin},
		done:   make(chan error, 1),
	}
	go func() { s.done <- s.server.Serve(listener) }()
	return s, nil
}

func servePage(w http.ResponseWriter, _ *http.Request) {
	w.Header().Set("Content-Type", "text/html; charset=utf-8")
	_, _ = w.Write(page)
}

func (s *site) close() error {
	err := s.server.Close()
	if served := <-s.done; !errors.Is(served, http.ErrServerClosed) {
		return errors.Join(err, served)
	}
	return err
}
