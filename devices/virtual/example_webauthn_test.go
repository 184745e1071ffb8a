package virtual_test

import (
	"context"
	"fmt"
	"log"

	"github.com/touchstone-fido/touchstone/ctap2"
	"github.com/touchstone-fido/touchstone/ctap2/cose"
	"github.com/touchstone-fido/touchstone/ctap2/webauthn"
	"github.com/touchstone-fido/touchstone/ctaphid"
	"github.com/touchstone-fido/touchstone/devices"
	"github.com/touchstone-fido/touchstone/devices/enroll"
	"github.com/touchstone-fido/touchstone/devices/virtual"
	"github.com/touchstone-fido/touchstone/relyingparty"
)

var (
	party = relyingparty.Party{ID: "example.com", Name: "Example", Origin: "https://example.com"}
	alice = relyingparty.User{ID: webauthn.Bytes("user 1"), Name: "alice", DisplayName: "Alice"}
)

// register is the client that is to be tested. In your test it is your own.
func register(ctx context.Context, key *devices.Conn, challenge []byte) (webauthn.RegistrationResponse, error) {
	made, err := enroll.Create(ctx, key, enroll.CreateOptions{
		RP:     ctap2.RelyingParty{ID: party.ID, Name: party.Name},
		Origin: party.Origin, Challenge: challenge,
		User:         ctap2.User{ID: alice.ID, Name: alice.Name, DisplayName: alice.DisplayName},
		Algorithms:   []cose.Algorithm{cose.ES256},
		Discoverable: enroll.Required, UserVerification: enroll.Discouraged,
		Attestation: webauthn.ConveyanceDirect,
	}, enroll.Ask{})
	if err != nil {
		return webauthn.RegistrationResponse{}, err
	}
	return made.Response, nil
}

// A test of a WebAuthn client: it registers with a key that needs no hardware,
// and a relying party verifies what comes of it.
func Example_webauthnClient() {
	ctx := context.Background()
	key, err := virtual.New(virtual.Config{})
	if err != nil {
		log.Fatal(err)
	}
	defer key.Close()
	device := ctaphid.NewDevice(key.Handler(), ctaphid.DeviceConfig{})
	defer device.Close()
	conn, err := devices.Connect(ctx, devices.Link{Reports: device.Connect()}, devices.Options{})
	if err != nil {
		log.Fatal(err)
	}
	defer conn.Close()

	ceremony, err := party.Begin(relyingparty.Policy{Algorithms: []cose.Algorithm{cose.ES256}})
	if err != nil {
		log.Fatal(err)
	}
	response, err := register(ctx, conn, ceremony.Challenge)
	if err != nil {
		log.Fatal(err)
	}
	registration, err := party.Register(ceremony, alice, response)
	if err != nil {
		log.Fatal(err)
	}
	fmt.Println(registration.Verified, registration.Algorithm, registration.AttestationType)

	// A second response to the challenge must not count.
	_, err = party.Register(ceremony, alice, response)
	fmt.Println(err)
	// Output:
	// true ES256 basic_full
	// the challenge was used before
}
