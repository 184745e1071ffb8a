package webauthn_test

import (
	"fmt"
	"log"

	"github.com/touchstone-fido/touchstone/ctap2/webauthn"
)

// Read what a relying party asks for.
func ExampleParseRequestOptions() {
	options, err := webauthn.ParseRequestOptions([]byte(`{
		"challenge": "AAECAw", "rpId": "example.com", "allowCredentials": [{"type": "public-key", "id": "AQI="}],
		"extensions": {"prf": {"eval": {"first": "AA"}}}}`))
	if err != nil {
		log.Fatal(err)
	}
	allowed, err := options.Allowed()
	if err != nil {
		log.Fatal(err)
	}
	fmt.Println(options.UserVerification(), allowed[0].ID, len(options.Extensions.PRF.ValuesFor(allowed[0].ID).Salts()))
	// Output: preferred AQI 1
}

// A member of the wrong type is what a browser calls a TypeError.
func ExampleException() {
	_, err := webauthn.ParseRequestOptions([]byte(`{"challenge": 7}`))
	fmt.Println(err)
	// Output: request options: TypeError: challenge is not a text
}
