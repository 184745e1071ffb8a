package nfc

import (
	"bytes"
	"testing"
)

func BenchmarkCommandBytes(b *testing.B) {
	c := Command{CLA: 0x80, INS: 0x10, P1: 0x80, Data: make([]byte, 240), Ne: 256}
	b.ReportAllocs()
	for b.Loop() {
		if _, err := c.Bytes(); err != nil {
			b.Fatal(err)
		}
	}
}

func BenchmarkParseCommand(b *testing.B) {
	apdu, _ := Command{CLA: 0x80, INS: 0x10, P1: 0x80, Data: make([]byte, 1024), Ne: 65536, Extended: true}.Bytes()
	b.ReportAllocs()
	for b.Loop() {
		if _, err := ParseCommand(apdu); err != nil {
			b.Fatal(err)
		}
	}
}

func BenchmarkParseResponse(b *testing.B) {
	apdu := append(make([]byte, 1024), 0x90, 0x00)
	b.ReportAllocs()
	for b.Loop() {
		if _, err := ParseResponse(apdu); err != nil {
			b.Fatal(err)
		}
	}
}

// BenchmarkExchange is a message of 1 KiB and an answer of as much, host and
// card together.
func BenchmarkExchange(b *testing.B) {
	for name, encoding := range map[string]Encoding{"auto": EncodingAuto, "short": EncodingShort, "extended": EncodingExtended} {
		b.Run(name, func(b *testing.B) {
			a := open(b, NewEmulator(&fakeKey{}, EmulatorConfig{}), Config{Encoding: encoding})
			msg := bytes.Repeat([]byte{cmdEcho}, 1024)
			b.SetBytes(2 * 1024)
			b.ReportAllocs()
			for b.Loop() {
				if _, err := a.Exchange(b.Context(), msg); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}
