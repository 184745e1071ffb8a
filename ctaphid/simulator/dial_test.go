package simulator

import (
	"context"
	"errors"
	"net"
	"net/netip"
	"testing"

	"github.com/touchstone-fido/touchstone/ctaphid"
)

func TestDialNobody(t *testing.T) {
	for _, network := range networks {
		conn, err := Dial(t.Context(), network, freeAddress(t, network), Config{})
		if network == UDP {
			if err != nil {
				t.Fatal(err)
			}
			_, err = ctaphid.Open(t.Context(), conn, ctaphid.Config{})
			conn.Close()
		}
		if !errors.Is(err, ErrNotRunning) || !errors.Is(err, ctaphid.ErrGone) || errors.Is(err, ErrGone) {
			t.Errorf("%s: %v", network, err)
		}
	}
}

func TestDialRefuses(t *testing.T) {
	for name, c := range map[string]struct {
		network, address string
		cfg              Config
	}{
		"another network":       {"unix", "/run/key", Config{}},
		"an empty network":      {"", "127.0.0.1:8111", Config{}},
		"no port":               {UDP, "127.0.0.1", Config{}},
		"no host":               {UDP, ":8111", Config{}},
		"no port over TCP":      {TCP, "127.0.0.1", Config{}},
		"a port too high":       {UDP, "127.0.0.1:65536", Config{}},
		"reports too small":     {UDP, "127.0.0.1:8111", Config{ReportSize: ctaphid.MinReportSize - 1}},
		"reports too large":     {TCP, "127.0.0.1:8111", Config{ReportSize: 65508}},
		"a local name":          {UDP, "127.0.0.1:8111", Config{Local: "localhost:7112"}},
		"a local address taken": {UDP, "127.0.0.1:8111", Config{Local: taken(t)}},
	} {
		conn, err := Dial(t.Context(), c.network, c.address, c.cfg)
		var e *Error
		if !errors.As(err, &e) || e.Op != "dial" || e.Network != c.network || e.Address != c.address || errors.Is(err, ctaphid.ErrGone) {
			t.Errorf("%s: %v, %v", name, conn, err)
		}
	}
	ctx, cancel := context.WithCancelCause(t.Context())
	cancel(errStopped)
	for _, network := range networks {
		if _, err := Dial(ctx, network, "127.0.0.1:8111", Config{}); err != errStopped {
			t.Errorf("%s after the end: %v", network, err)
		}
	}
}

// taken is a UDP address that is in use.
func taken(t *testing.T) string {
	conn, err := net.ListenPacket("udp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { conn.Close() })
	return conn.LocalAddr().String()
}

// TestDialFixedPort reaches a simulator that answers to one port whoever asks.
func TestDialFixedPort(t *testing.T) {
	there, err := net.ListenPacket("udp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer there.Close()
	local := freeAddress(t, UDP)
	to, err := net.ResolveUDPAddr("udp", local)
	if err != nil {
		t.Fatal(err)
	}
	device := ctaphid.NewDevice(handler{}, ctaphid.DeviceConfig{})
	defer device.Close()
	key := device.Connect()
	go func() {
		report := make([]byte, 64)
		for {
			if _, _, err := there.ReadFrom(report); err != nil {
				return
			}
			key.WriteReport(context.Background(), report)
			key.ReadReport(context.Background(), report)
			there.WriteTo(report, to)
		}
	}()
	ch := mustOpen(t, mustDial(t, UDP, there.LocalAddr().String(), Config{Local: local}), ctaphid.Config{})
	if _, err := ch.Ping(t.Context(), numbered(50)); err != nil {
		t.Error(err)
	}
}

func TestDialByName(t *testing.T) {
	for _, network := range networks {
		s := serve(t, network, Config{})
		_, port, err := net.SplitHostPort(s.address)
		if err != nil {
			t.Fatal(err)
		}
		conn := mustDial(t, network, net.JoinHostPort("localhost", port), Config{})
		if conn.RemoteAddr().String() != s.address {
			t.Errorf("%s: connected to %v", network, conn.RemoteAddr())
		}
		mustOpen(t, conn, ctaphid.Config{})
	}
}

func TestPreferred(t *testing.T) {
	six, mapped, four := netip.MustParseAddr("::1"), netip.MustParseAddr("::ffff:127.0.0.1"), netip.MustParseAddr("127.0.0.1")
	for _, c := range []struct {
		ips  []netip.Addr
		want netip.Addr
	}{
		{[]netip.Addr{six, four}, four},
		{[]netip.Addr{six, mapped}, mapped},
		{[]netip.Addr{four, six}, four},
		{[]netip.Addr{six}, six},
	} {
		if got := preferred(c.ips); got != c.want {
			t.Errorf("%v: %v", c.ips, got)
		}
	}
}

func TestDialIPv6(t *testing.T) {
	conn, err := net.ListenPacket("udp", "[::1]:0")
	if err != nil {
		t.Skipf("NOT RUN: no IPv6 on this machine: %v", err)
	}
	ctx, stop := context.WithCancel(t.Context())
	device, done := ctaphid.NewDevice(handler{}, ctaphid.DeviceConfig{}), make(chan error, 1)
	defer device.Close()
	go func() { done <- Serve(ctx, conn, device.Connect, Config{}) }()
	defer func() { stop(); <-done }()
	mustOpen(t, mustDial(t, UDP, conn.LocalAddr().String(), Config{}), ctaphid.Config{})
}
