// Package ctap2 is the platform side of CTAP 2.0 to 2.3: one method for each
// authenticator command, over any transport that carries messages.
//
//	c := ctap2.New(channel, ctap2.Config{})
//	info, err := c.GetInfo(ctx)
//	token, err := c.PINToken(ctx, ctap2.PINTokenRequest{...})
//	resp, err := c.MakeCredential(ctx, &ctap2.MakeCredentialRequest{...})
//	if errors.Is(err, ctap2.StatusCredentialExcluded) { ... }
//
// What is managed under one token is a value of its own: a [CredentialManager],
// [Fingerprints]. Package u2f has a transport for keys that are older than
// CTAP2, package ceremony what a WebAuthn client does around the commands.
//
// Requests are canonical CBOR. Answers are read leniently, and every answer
// lists in Remarks where its encoding left the canonical form.
package ctap2

import "context"

// Transport carries CTAP2 messages to one authenticator, one at a time.
//
// Exchange sends msg, a command byte followed by its CBOR parameters, and
// returns the answer, a status byte followed by CBOR. It never looks at the
// status byte. When ctx ends while the authenticator works, Exchange cancels
// the operation, waits a bounded time for the authenticator's last word and
// returns that; if none comes, the error wraps ctx's cause.
type Transport interface {
	Exchange(ctx context.Context, msg []byte) ([]byte, error)
}
