package virtual

import "github.com/touchstone-fido/touchstone/ctap2"

// extCredProtect is the extension by which a relying party says when a
// credential may be used (CTAP 2.3 §12.1).
const extCredProtect = "credProtect"

// Levels of credProtect.
const (
	protectOptional = 1 // userVerificationOptional, also without the extension
	protectWithList = 2 // userVerificationOptionalWithCredentialIDList
	protectRequired = 3 // userVerificationRequired
)

// protectLevel is the level a request asks for. The standard names no status
// for one that is not defined.
func protectLevel(asked *uint64) (uint8, error) {
	switch {
	case asked == nil:
		return protectOptional, nil
	case *asked < protectOptional || *asked > protectRequired:
		return 0, ctap2.StatusInvalidOption
	}
	return uint8(*asked), nil
}
