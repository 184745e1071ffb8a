package simulator

import (
	"context"
	"errors"
	"net"
	"sync"
	"time"

	"github.com/touchstone-fido/touchstone/ctaphid"
)

// ServeStream is the key on a listening socket: every host that connects gets a
// connection of its own that connect makes, until one of the two hangs up or the
// host sends what is no report. A host more than [Config.Hosts] is hung up on at
// once. ServeStream runs until ctx ends, whose cause it returns, or until the
// listener fails. It closes the listener.
func ServeStream(ctx context.Context, l net.Listener, connect func() ctaphid.ReportConn, cfg Config) error {
	ctx, end := closeWith(ctx, l)
	cfg, err := cfg.complete()
	if err != nil {
		end()
		return serveError(l.Addr(), err)
	}
	var hosts sync.WaitGroup
	defer hosts.Wait()
	defer end()
	room := make(chan struct{}, cfg.Hosts)
	for {
		sock, err := accept(ctx, l)
		if err != nil {
			return err
		}
		select {
		case room <- struct{}{}:
			hosts.Go(func() {
				join(ctx, newConn(sock, TCP, sock.RemoteAddr().String(), cfg), connect(), cfg.ReportSize)
				<-room
			})
		default:
			_ = sock.Close()
		}
	}
}

// accept waits for the next host. It sits out what may pass, such as too many
// open files.
func accept(ctx context.Context, l net.Listener) (net.Conn, error) {
	for pause := 5 * time.Millisecond; ; pause = min(2*pause, time.Second) {
		sock, err := l.Accept()
		var t interface{ Temporary() bool }
		switch {
		case err == nil:
			return sock, nil
		case ctx.Err() != nil:
			return nil, context.Cause(ctx)
		case !errors.As(err, &t) || !t.Temporary():
			return nil, serveError(l.Addr(), err)
		}
		select {
		case <-time.After(pause):
		case <-ctx.Done():
			return nil, context.Cause(ctx)
		}
	}
}

// join carries reports both ways between a host and a key until one of them
// leaves or ctx ends, and then hangs up on both.
func join(ctx context.Context, host, key ctaphid.ReportConn, size int) {
	ctx, cancel := context.WithCancel(ctx)
	var back sync.WaitGroup
	back.Go(func() {
		carry(ctx, key, host, size)
		cancel()
	})
	carry(ctx, host, key, size)
	cancel()
	back.Wait()
	_ = host.Close()
	_ = key.Close()
}

// carry hands reports on, as long as that goes well. A short one is filled up
// with zeros.
func carry(ctx context.Context, from, to ctaphid.ReportConn, size int) {
	report := make([]byte, size)
	for {
		n, err := from.ReadReport(ctx, report)
		if err != nil {
			return
		}
		clear(report[n:])
		if to.WriteReport(ctx, report) != nil {
			return
		}
	}
}
