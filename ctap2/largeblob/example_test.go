package largeblob_test

import (
	"crypto/rand"
	"fmt"
	"log"

	"github.com/touchstone-fido/touchstone/ctap2/largeblob"
)

// Store a blob under a credential's key and find it again.
func Example() {
	key := make([]byte, largeblob.KeySize) // the credential's largeBlobKey
	array := &largeblob.Array{}
	if err := array.Put(rand.Reader, key, []byte("hello")); err != nil {
		log.Fatal(err)
	}
	stored, err := largeblob.ParseArray(array.Bytes())
	if err != nil {
		log.Fatal(err)
	}
	data, found, err := stored.Find(key)
	fmt.Printf("%s %t %v\n", data, found, err)
	// Output: hello true <nil>
}
