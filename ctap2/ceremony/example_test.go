package ceremony_test

import (
	"context"
	"encoding/json"
	"fmt"
	"log"

	"github.com/touchstone-fido/touchstone/ctap2"
	"github.com/touchstone-fido/touchstone/ctap2/ceremony"
	"github.com/touchstone-fido/touchstone/ctap2/u2f"
	"github.com/touchstone-fido/touchstone/ctap2/u2f/u2ftest"
	"github.com/touchstone-fido/touchstone/ctap2/webauthn"
)

// A whole registration: from the options of a relying party in JSON to the
// results of its extensions.
func Example() {
	options, err := webauthn.ParseCreationOptions([]byte(`{
		"rp": {"id": "example.com", "name": "Example"}, "user": {"id": "AQ", "name": "alice", "displayName": "Alice"},
		"challenge": "AAECAw", "pubKeyCredParams": [{"type": "public-key", "alg": -7}], "extensions": {"credProps": true}}`))
	if err != nil {
		log.Fatal(err)
	}
	key, err := u2ftest.New() // in place of a transport to a real one
	if err != nil {
		log.Fatal(err)
	}
	ctx, client := context.Background(), ctap2.New(u2f.NewBridge(u2f.New(key, u2f.Config{})), ctap2.Config{})
	info, err := client.GetInfo(ctx)
	if err != nil {
		log.Fatal(err)
	}

	data := webauthn.ClientData{Type: webauthn.TypeCreate, Challenge: options.Challenge, Origin: "https://example.com"}
	creation, err := ceremony.NewCreation(info, options, options.RP.ID, data.Hash())
	if err != nil {
		log.Fatal(err)
	}
	defer creation.Close()
	decision := ceremony.Decide(info, creation.Purpose())
	if err := decision.Err(); err != nil {
		log.Fatal(err)
	}
	fmt.Println("verify the user:", decision.Verify)
	if err := creation.Prepare(ctx, client, nil); err != nil {
		log.Fatal(err)
	}
	made, err := client.MakeCredential(ctx, creation.Request)
	if err != nil {
		log.Fatal(ceremony.Exception(err))
	}
	results, err := creation.Results(made)
	if err != nil {
		log.Fatal(err)
	}
	text, err := json.Marshal(results.Results())
	fmt.Println(made.Format, string(text), err)
	// Output:
	// verify the user: false
	// fido-u2f {"credProps":{"rk":false}} <nil>
}

// What a key with a fingerprint reader and a PIN is asked for when a passkey is
// made on it.
func ExampleDecide() {
	info := &ctap2.Info{Options: map[string]bool{"uv": true, "clientPin": true, "pinUvAuthToken": true}}
	decision := ceremony.Decide(info, ceremony.Purpose{
		Permissions: ctap2.PermissionMakeCredential, RPID: "example.com",
		Requirement: webauthn.Required, Discoverable: true,
	})
	fmt.Println(decision.Method)
	fmt.Println(decision.Fallback)
	// Output:
	// built-in user verification with permissions
	// PIN with permissions
}
