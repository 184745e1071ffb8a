//go:build linux

package rig

import (
	"fmt"
	"testing"

	"github.com/touchstone-fido/touchstone/ctaphid"
	"github.com/touchstone-fido/touchstone/devices/virtual"
)

// TestKey is all of the framing on both backends: listing, INIT, getInfo and
// PING up to the longest message.
func TestKey(t *testing.T) {
	onBackends(t, func(t *testing.T, backend string) {
		k := plugIn(t, options{})
		found := k.find(backend)
		if found.VendorID != vendorID || found.ProductID != productID || found.Manufacturer != maker ||
			found.Product != product || found.ReportSize != ctaphid.ReportSize {
			t.Errorf("listed as %+v", found)
		}
		conn := k.connect(backend)
		if v := conn.Channel.ProtocolVersion(); v != 2 {
			t.Errorf("CTAPHID version %d", v)
		}
		info, err := conn.GetInfo(t.Context())
		if err != nil || info.AAGUID != virtual.DefaultAAGUID {
			t.Errorf("getInfo: %+v, %v", info, err)
		}
		for _, n := range []int{0, 1, 57, 58, 1024, ctaphid.MaxMessage} {
			took, err := conn.Channel.Ping(t.Context(), pattern(n))
			if err != nil {
				t.Fatalf("PING of %d bytes: %v", n, err)
			}
			t.Logf("PING of %d bytes: %v", n, took)
		}
	})
}

// TestChannelsThatBeginWithZero: a report that begins with a zero byte arrives
// whole only behind a report ID of its own.
func TestChannelsThatBeginWithZero(t *testing.T) {
	for _, first := range []ctaphid.ChannelID{0x00000001, 0x00000102, 0x00112233} {
		t.Run(fmt.Sprint(first), func(t *testing.T) {
			k := plugIn(t, options{first: first})
			for i, backend := range backends {
				conn := k.connect(backend)
				if id := conn.Channel.ID(); id != first+ctaphid.ChannelID(i) {
					t.Errorf("%s: channel %v, want %v", backend, id, first+ctaphid.ChannelID(i))
				}
				if _, err := conn.Channel.Ping(t.Context(), pattern(100)); err != nil {
					t.Errorf("%s: %v", backend, err)
				}
				if err := conn.Close(); err != nil {
					t.Errorf("%s: %v", backend, err)
				}
			}
		})
	}
}
