package simulator

import (
	"context"
	"fmt"
	"net"
	"net/netip"
	"slices"
)

// Networks that [Dial] knows.
const (
	UDP = "udp" // a report in each datagram
	TCP = "tcp" // reports behind their length
)

// Dial opens a connection to the simulator at address, HOST:PORT, over network
// "udp" or "tcp". The error wraps [ErrNotRunning] if nobody listens there; over
// UDP, where nothing is sent yet, only the first read can tell.
//
// Of a host's addresses UDP uses an IPv4 one if there is one, as that is where
// simulators listen; TCP tries them all.
func Dial(ctx context.Context, network, address string, cfg Config) (*Conn, error) {
	cfg, err := cfg.complete()
	if err == nil && network != UDP && network != TCP {
		err = fmt.Errorf("the network is neither %s nor %s", UDP, TCP)
	}
	var sock net.Conn
	if err == nil {
		sock, err = dial(ctx, network, address, cfg.Local)
	}
	switch {
	case err != nil && ctx.Err() != nil:
		return nil, context.Cause(ctx)
	case err != nil && isRefused(err):
		err = fmt.Errorf("%w (%w)", ErrNotRunning, bare(err))
	}
	if err != nil {
		return nil, &Error{Op: "dial", Network: network, Address: address, Err: bare(err)}
	}
	return newConn(sock, network, address, cfg), nil
}

func dial(ctx context.Context, network, address, local string) (net.Conn, error) {
	var d net.Dialer
	if local != "" {
		at, err := netip.ParseAddrPort(local)
		if err != nil {
			return nil, fmt.Errorf("local address: %w", err)
		}
		d.LocalAddr = localAddr(network, at)
	}
	if network == TCP {
		return d.DialContext(ctx, network, address)
	}
	address, err := resolve(ctx, address)
	if err != nil {
		return nil, err
	}
	sock, err := d.DialContext(ctx, network, address)
	if err != nil {
		return nil, err
	}
	widen(sock)
	return sock, nil
}

func localAddr(network string, at netip.AddrPort) net.Addr {
	if network == TCP {
		return net.TCPAddrFromAddrPort(at)
	}
	return net.UDPAddrFromAddrPort(at)
}

// resolve finds the one IP:PORT to use of a HOST:PORT.
func resolve(ctx context.Context, address string) (string, error) {
	host, port, err := net.SplitHostPort(address)
	if err != nil {
		return "", err
	}
	ips, err := net.DefaultResolver.LookupNetIP(ctx, "ip", host)
	if err != nil {
		return "", err
	}
	return net.JoinHostPort(preferred(ips).String(), port), nil
}

func preferred(ips []netip.Addr) netip.Addr {
	at := slices.IndexFunc(ips, func(ip netip.Addr) bool { return ip.Unmap().Is4() })
	return ips[max(at, 0)]
}

// widen gives a datagram socket room for several whole messages: what does not
// fit is lost. The system may grant less.
func widen(sock any) {
	if s, ok := sock.(interface{ SetReadBuffer(bytes int) error }); ok {
		_ = s.SetReadBuffer(readBuffer)
	}
}
