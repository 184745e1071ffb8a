package nfc_test

import (
	"context"
	"errors"
	"fmt"
	"log"

	"github.com/touchstone-fido/touchstone/nfc"
)

// stub is an authenticator that knows no command but getInfo.
type stub struct{}

func (stub) Message(_ context.Context, msg []byte, _ func(byte)) []byte {
	if msg[0] != 0x04 {
		return []byte{0x01}
	}
	return []byte{0x00, 0xA0}
}

func Example() {
	card := nfc.NewEmulator(stub{}, nfc.EmulatorConfig{})
	key, err := nfc.Open(context.Background(), card, nfc.Config{})
	if err != nil {
		log.Fatal(err)
	}
	defer key.Close()
	info, err := key.Exchange(context.Background(), []byte{0x04})
	fmt.Printf("%s: %x %v\n", key.Version(), info, err)
	// Output: FIDO_2_0: 00a0 <nil>
}

func ExampleStatusWord() {
	card := nfc.NewEmulator(stub{}, nfc.EmulatorConfig{})
	key, err := nfc.Open(context.Background(), card, nfc.Config{
		Opening: [][]byte{{0x00, 0xA4, 0x04, 0x00, 0x02, 0x3F, 0x00}},
	})
	if errors.Is(err, nfc.SWNotFound) {
		fmt.Println(key, err)
	}
	// Output: <nil> nfc: select: 6A82 applet not found
}
