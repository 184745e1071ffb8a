package devices

import (
	"fmt"
	"net"
	"net/netip"
	"net/url"
	"strconv"
	"strings"
)

// loopback is the host of an address that names none.
const loopback = "127.0.0.1"

// paramLocal is the parameter of a udp selector that says where a simulator's
// answers go to.
const paramLocal = "local"

// socketForms are the forms of udp and tcp selectors.
var socketForms = map[Kind]string{
	KindUDP: "udp:[HOST:]PORT[?local=[IP:]PORT]",
	KindTCP: "tcp:[HOST:]PORT",
}

// parseSocket reads what comes after udp: or tcp:.
func parseSocket(kind Kind, text, rest string) (Selector, error) {
	address, query, asked := strings.Cut(rest, "?")
	address, err := parseAddress(address)
	local := ""
	if err == nil && asked {
		local, err = parseLocal(kind, query)
	}
	if err != nil {
		return Selector{}, fmt.Errorf("%w %q: want %s: %w", ErrSelector, text, socketForms[kind], err)
	}
	return socketSelector(kind, address, local), nil
}

func socketSelector(kind Kind, address, local string) Selector {
	s := Selector{Kind: kind, Value: address}
	if local != "" {
		s.Params = url.Values{paramLocal: {local}}
	}
	return s
}

// parseLocal reads the parameters of a udp selector; tcp has none.
func parseLocal(kind Kind, query string) (string, error) {
	params, err := url.ParseQuery(query)
	if err != nil {
		return "", err
	}
	values := params[paramLocal]
	if kind != KindUDP || len(params) != 1 || len(values) != 1 {
		return "", fmt.Errorf("unknown parameters %q", query)
	}
	local, err := parseAddress(values[0])
	if err != nil {
		return "", err
	}
	if _, err := netip.ParseAddrPort(local); err != nil {
		return "", fmt.Errorf("%s has a name and no address", local)
	}
	return local, nil
}

// parseAddress reads HOST:PORT, :PORT or PORT.
func parseAddress(text string) (string, error) {
	if !strings.Contains(text, ":") {
		text = ":" + text
	}
	host, port, err := net.SplitHostPort(text)
	if err != nil {
		return "", err
	}
	n, err := strconv.ParseUint(port, 10, 16)
	if err != nil || n == 0 {
		return "", fmt.Errorf("port %q is not between 1 and 65535", port)
	}
	if host == "" {
		host = loopback
	}
	if _, err := netip.ParseAddr(host); err != nil && strings.ContainsFunc(host, notInName) {
		return "", fmt.Errorf("%q is neither a host's name nor its address", host)
	}
	return net.JoinHostPort(host, strconv.FormatUint(n, 10)), nil
}

// notInName tells the characters that no name of a host has. Those beyond ASCII
// are left to whoever looks the name up.
func notInName(r rune) bool {
	return r <= ' ' || r < 0x80 && strings.ContainsRune(`!"#$%&'()*+,/:;<=>?@[\]^{|}~`+"`\x7f", r)
}
