package ctap2

import (
	"bytes"
	"fmt"

	"github.com/touchstone-fido/touchstone/ctap2/pinuv"
	"github.com/touchstone-fido/touchstone/ctap2/wire"
)

// subcommand is the name of a subcommand or, for one without a name, its
// number.
func subcommand[S ~uint](names map[S]string, s S) string {
	if name, ok := names[s]; ok {
		return name
	}
	return fmt.Sprintf("subcommand 0x%02x", uint(s))
}

// encodeParams returns subCommandParams as they will be sent. What
// authorises a subcommand covers these very bytes, so they are encoded once.
func encodeParams(params any) (wire.Raw, error) {
	if params == nil {
		return nil, nil
	}
	raw, err := wire.Encode(params)
	if err != nil {
		return nil, fmt.Errorf("subCommandParams: %w", err)
	}
	return raw, nil
}

// authorize makes the pinUvAuthParam of a message, and names the protocol. A
// token of nil authorises nothing and gives neither.
func authorize(t *pinuv.Token, message ...[]byte) (pinuv.Protocol, []byte) {
	if t == nil {
		return 0, nil
	}
	return t.Protocol(), t.Authenticate(message...)
}

// domain is what the messages of authenticatorConfig and authenticatorLargeBlobs
// begin with: 32 bytes of 0xff, so that no client data hash can be taken for
// one, and the command.
func domain(c Command) []byte {
	return append(bytes.Repeat([]byte{0xff}, 32), byte(c))
}
