// Command touchstone enrols passkeys on FIDO2 security keys, tests them, and
// replays their captured sessions.
package main

import (
	"os"

	"github.com/touchstone-fido/touchstone/cmd"
)

func main() {
	os.Exit(cmd.Main(os.Args[1:]))
}
