package ctap2_test

import (
	"context"
	"encoding/hex"
	"errors"
	"fmt"
	"log"
	"strings"
	"time"

	"github.com/touchstone-fido/touchstone/ctap2"
	"github.com/touchstone-fido/touchstone/ctap2/largeblob"
	"github.com/touchstone-fido/touchstone/ctap2/pinuv"
)

// canned is a key that gives these answers, one after the other, in hex.
type canned []string

func (c *canned) Exchange(context.Context, []byte) ([]byte, error) {
	next := (*c)[0]
	*c = (*c)[1:]
	return hex.DecodeString(strings.ReplaceAll(next, " ", ""))
}

// exampleToken stands for one of [ctap2.Client.PINTokenWithPermissions].
func exampleToken() *pinuv.Token {
	token, err := pinuv.NewToken(pinuv.Two, make([]byte, 32))
	if err != nil {
		log.Fatal(err)
	}
	return token
}

// List the passkeys on a key, relying party by relying party.
func ExampleClient_CredentialManagement() {
	key := &canned{
		"00 a3 03" + exampleRP + "04 5820" + exampleHash + "05 01",
		"00 a4" + credentialAnswer + "09 01 0a 02",
	}
	ctx, client := context.Background(), ctap2.New(key, ctap2.Config{})
	info := &ctap2.Info{Options: map[string]bool{ctap2.OptionCredMgmt: true}} // of client.GetInfo

	token := exampleToken() // with ctap2.PermissionCredentialManagement
	defer token.Wipe()
	manager, err := client.CredentialManagement(info, token)
	if err != nil {
		log.Fatal(err)
	}
	for rp, err := range manager.RelyingParties(ctx) {
		if err != nil {
			log.Fatal(err)
		}
		for credential, err := range manager.Credentials(ctx, rp.IDHash) {
			if err != nil {
				log.Fatal(err)
			}
			fmt.Printf("%s: %s, credProtect %d\n", rp.ID, credential.User.DisplayName, credential.CredProtect)
		}
	}
	// Output: example.com: Alice, credProtect 2
}

// Enrol a finger and tell the user what to do.
func ExampleFingerprints_Enroll() {
	key := &canned{"00 a3 04 42cea3 05 00 06 02", "00 a2 05 05 06 02", "00 a2 05 00 06 01", "00 a2 05 00 06 00"}
	ctx, client := context.Background(), ctap2.New(key, ctap2.Config{})
	info := &ctap2.Info{Options: map[string]bool{ctap2.OptionBioEnroll: false}} // of client.GetInfo

	token := exampleToken() // with ctap2.PermissionBioEnrollment
	defer token.Wipe()
	fingers, err := client.Fingerprints(info, token)
	if err != nil {
		log.Fatal(err)
	}
	id, err := fingers.Enroll(ctx, 10*time.Second, func(s ctap2.Sample) error {
		if s.Status != ctap2.SampleGood {
			fmt.Printf("once more (%v)\n", s.Status)
			return nil
		}
		fmt.Printf("good, %d to go\n", s.Remaining)
		return nil
	})
	fmt.Printf("%x %v\n", id, err)
	// Output:
	// good, 2 to go
	// once more (CTAP2_ENROLL_FEEDBACK_FP_TOO_FAST)
	// good, 1 to go
	// good, 0 to go
	// cea3 <nil>
}

// Remove the large blobs of credentials that are gone.
func ExampleClient_ChangeLargeBlobs() {
	stored := hex.EncodeToString(vectors.LargeBlob.Array) // one blob, and nobody's
	empty := hex.EncodeToString(vectors.LargeBlob.Initial)
	key := &canned{"00 a1 01 583b" + stored, "00", "00 a1 01 51" + empty}
	ctx, client := context.Background(), ctap2.New(key, ctap2.Config{})

	token := exampleToken() // with ctap2.PermissionLargeBlobWrite
	defer token.Wipe()
	var live [][]byte // the LargeBlobKey of every credential on the key
	err := client.ChangeLargeBlobs(ctx, token, func(array *largeblob.Array) error {
		n, err := array.Collect(live)
		fmt.Println(n, "removed")
		return err
	})
	fmt.Println(err)
	// Output:
	// 1 removed
	// <nil>
}

// Tell the refusals of a key apart.
func ExampleClient_SetMinPINLength() {
	client := ctap2.New(&canned{"37"}, ctap2.Config{})

	token := exampleToken() // with ctap2.PermissionConfig
	defer token.Wipe()
	err := client.SetMinPINLength(context.Background(), token, ctap2.MinPINLength{Length: 4})
	if errors.Is(err, ctap2.StatusPINPolicyViolation) {
		fmt.Println("never less than before")
	}
	// Output: never less than before
}

// Ask for extensions and read what came of them.
func ExampleCreationExtensions() {
	extensions := ctap2.CreationExtensions{CredProtect: ctap2.CredProtectRequired, MinPINLength: true}
	data := strings.Replace(newAuthData, rpHash+"41", rpHash+"c1", 1) + "a2" + text("credProtect") + "03" + text("minPinLength") + "06"
	client := ctap2.New(&canned{"00 a3 01 646e6f6e65 02" + long(data) + "03 a0"}, ctap2.Config{})

	made, err := client.MakeCredential(context.Background(), &ctap2.MakeCredentialRequest{Extensions: extensions.Inputs()})
	if err != nil {
		log.Fatal(err)
	}
	outputs, err := extensions.Outputs(made)
	fmt.Println(outputs.CredProtect, *outputs.MinPINLength, err)
	// Output: 3 6 <nil>
}
