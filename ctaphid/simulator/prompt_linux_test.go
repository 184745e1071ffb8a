package simulator

import (
	"io"
	"net"
	"testing"
	"time"
)

// TestPromptly: a peer that sends length and report apart and holds small pieces
// back (Nagle's algorithm) is not waited for 40 ms each time.
func TestPromptly(t *testing.T) {
	conn, peer := pair(t, TCP, Config{})
	if err := peer.(*net.TCPConn).SetNoDelay(false); err != nil {
		t.Fatal(err)
	}
	const rounds = 25
	p, start := make([]byte, 64), time.Now()
	for range rounds {
		if err := conn.WriteReport(t.Context(), p); err != nil { // from then on the kernel takes its time
			t.Fatal(err)
		}
		if _, err := io.ReadFull(peer, make([]byte, 2+64)); err != nil {
			t.Fatal(err)
		}
		for range 2 {
			for _, piece := range [][]byte{{0, 64}, p} {
				if _, err := peer.Write(piece); err != nil {
					t.Fatal(err)
				}
			}
		}
		for range 2 {
			if _, err := conn.ReadReport(t.Context(), p); err != nil {
				t.Fatal(err)
			}
		}
	}
	if took := time.Since(start); took > rounds*20*time.Millisecond {
		t.Errorf("%d reports took %v", 2*rounds, took)
	}
}
