package simulator

import (
	"testing"

	"github.com/touchstone-fido/touchstone/ctaphid"
)

// BenchmarkReports sends the longest message to a key and back, 129 reports each
// way: in memory, and over each socket.
func BenchmarkReports(b *testing.B) {
	memory := ctaphid.NewDevice(handler{}, ctaphid.DeviceConfig{})
	defer memory.Close()
	for _, to := range []string{"memory", UDP, TCP} {
		b.Run(to, func(b *testing.B) {
			conn := memory.Connect()
			if to != "memory" {
				conn = mustDial(b, to, serve(b, to, Config{}).address, Config{})
			}
			ch := mustOpen(b, conn, ctaphid.Config{})
			msg := numbered(ctaphid.MaxMessage)
			b.ReportAllocs()
			for b.Loop() {
				if _, err := ch.Ping(b.Context(), msg); err != nil {
					b.Fatal(err)
				}
			}
			b.ReportMetric(float64(b.Elapsed().Nanoseconds())/float64(b.N)/(2*129), "ns/report")
		})
	}
}
