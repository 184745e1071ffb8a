package u2f_test

import (
	"context"
	"fmt"
	"log"
	"time"

	"github.com/touchstone-fido/touchstone/ctap2"
	"github.com/touchstone-fido/touchstone/ctap2/cose"
	"github.com/touchstone-fido/touchstone/ctap2/u2f"
	"github.com/touchstone-fido/touchstone/ctap2/u2f/u2ftest"
)

// Register and authenticate by U2F itself.
func Example() {
	key, err := u2ftest.New() // in place of a transport to a real one
	if err != nil {
		log.Fatal(err)
	}
	key.Untouched = 1
	device := u2f.New(key, u2f.Config{Pace: time.Millisecond, OnTouchNeeded: func(time.Duration) { fmt.Println("touch the key") }})
	ctx, challenge, application := context.Background(), make([]byte, 32), make([]byte, 32)

	registration, err := device.Register(ctx, challenge, application)
	if err != nil {
		log.Fatal(err)
	}
	fmt.Println(registration.Verify(challenge, application))
	auth, err := device.Authenticate(ctx, u2f.Enforce, challenge, application, registration.KeyHandle)
	if err != nil {
		log.Fatal(err)
	}
	fmt.Println("signature", auth.Counter)
	// Output:
	// touch the key
	// <nil>
	// signature 1
}

// Use a U2F key as any CTAP2 authenticator.
func ExampleBridge() {
	key, err := u2ftest.New()
	if err != nil {
		log.Fatal(err)
	}
	client := ctap2.New(u2f.NewBridge(u2f.New(key, u2f.Config{})), ctap2.Config{})

	made, err := client.MakeCredential(context.Background(), &ctap2.MakeCredentialRequest{
		ClientDataHash: make([]byte, 32), RP: ctap2.RelyingParty{ID: "example.com"}, User: ctap2.User{ID: []byte{1}},
		Parameters: ctap2.Parameters(cose.ES256),
	})
	if err != nil {
		log.Fatal(err)
	}
	fmt.Println(made.Format, made.AuthData.Flags, made.AuthData.Credential.Key.Alg)
	// Output: fido-u2f UP AT ES256
}
