package virtual_test

import (
	"context"
	"fmt"
	"log"
	"math/rand/v2"
	"time"

	"github.com/touchstone-fido/touchstone/ctap2"
	"github.com/touchstone-fido/touchstone/ctaphid"
	"github.com/touchstone-fido/touchstone/devices/virtual"
	"github.com/touchstone-fido/touchstone/devices/virtual/profiles"
	"github.com/touchstone-fido/touchstone/nfc"
)

// A key at the seam of messages: a command byte and CBOR in, a status byte and
// CBOR out. This is all of a client that needs no framing.
func Example() {
	key, err := virtual.New(virtual.Config{})
	if err != nil {
		log.Fatal(err)
	}
	defer key.Close()
	answer := key.Message(context.Background(), []byte{0x04}, nil) // authenticatorGetInfo
	fmt.Printf("status %02x, map of %d members\n", answer[0], answer[1]&0x1f)
	// Output: status 00, map of 24 members
}

// A key at the seam of reports, for a client that speaks CTAPHID: each host has a
// connection of its own.
func Example_reports() {
	key, err := virtual.New(virtual.Config{})
	if err != nil {
		log.Fatal(err)
	}
	device := ctaphid.NewDevice(key.Handler(), ctaphid.DeviceConfig{})
	defer device.Close()
	conn := device.Connect()
	if err := conn.WriteReport(context.Background(), []byte{0xff, 0xff, 0xff, 0xff, 0x86, 0, 8, 1, 2, 3, 4, 5, 6, 7, 8}); err != nil {
		log.Fatal(err)
	}
	report := make([]byte, ctaphid.ReportSize)
	n, err := conn.ReadReport(context.Background(), report)
	fmt.Printf("%d bytes: %x, %v\n", n, report[:24], err)
	// Output: 64 bytes: ffffffff8600110102030405060708000000010200000005, <nil>
}

// A key at the seam of APDUs, for a client that speaks to cards.
func Example_card() {
	key, err := virtual.New(virtual.Config{Transport: virtual.NFC})
	if err != nil {
		log.Fatal(err)
	}
	card := nfc.NewEmulator(key.Handler(), nfc.EmulatorConfig{})
	defer card.Close()
	answer, err := card.Transmit(context.Background(), []byte{0x00, 0xa4, 0x04, 0x00, 8, 0xa0, 0, 0, 6, 0x47, 0x2f, 0, 1, 0})
	fmt.Printf("%q, %v\n", answer, err)
	// Output: "U2F_V2\x90\x00", <nil>
}

// A key of a certain model, whose clock, randomness, store and user are the
// test's own: what it does is the same byte for byte, each time.
func ExampleConfig() {
	model, err := profiles.Named("yubikey-5-nfc-5.7")
	if err != nil {
		log.Fatal(err)
	}
	now := time.Date(2026, 11, 26, 12, 0, 0, 0, time.UTC)
	touches := 0
	key, err := virtual.New(virtual.Config{
		Profile: model.Profile,
		Rand:    rand.NewChaCha8([32]byte{1}),
		Now:     func() time.Time { return now },
		Store:   virtual.NewMemory(), // or package statefile's, in a file
		Presence: func(context.Context) virtual.Decision {
			touches++
			return virtual.DecisionDenied
		},
	})
	if err != nil {
		log.Fatal(err)
	}
	defer key.Close()
	answer := key.Message(context.Background(), []byte{0x0b}, nil) // authenticatorSelection
	fmt.Println(ctap2.Status(answer[0]), "after", touches, "touch")
	// Output: CTAP2_ERR_OPERATION_DENIED (0x27) after 1 touch
}
