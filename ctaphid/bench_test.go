package ctaphid

import "testing"

func BenchmarkCodec(b *testing.B) {
	report, payload := make([]byte, ReportSize), pattern(MaxMessage)
	asm := NewAssembler(ReportSize)
	b.ReportAllocs()
	b.SetBytes(MaxMessage)
	for b.Loop() {
		codecRound(b, asm, report, payload)
	}
}

func BenchmarkPacketParse(b *testing.B) {
	report := reports(1, CommandCBOR, pattern(57))[0]
	b.ReportAllocs()
	for b.Loop() {
		if _, err := ParsePacket(report); err != nil {
			b.Fatal(err)
		}
	}
}

func BenchmarkPing(b *testing.B) {
	benchChannel(b, func(c *Channel, msg []byte) error { _, err := c.Ping(ctx, msg); return err })
}

func BenchmarkExchange(b *testing.B) { benchChannel(b, roundTrip) }

// benchChannel runs request with 7609 bytes through host and device.
func benchChannel(b *testing.B, request func(c *Channel, msg []byte) error) {
	d := NewDevice(echo, DeviceConfig{})
	defer d.Close()
	c := mustOpen(b, d.Connect(), Config{})
	defer c.Close()
	msg := pattern(MaxMessage)
	b.ReportAllocs()
	b.SetBytes(MaxMessage)
	for b.Loop() {
		if err := request(c, msg); err != nil {
			b.Fatal(err)
		}
	}
}
