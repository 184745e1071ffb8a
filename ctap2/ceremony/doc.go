// Package ceremony is what a client has to decide and do between a relying
// party's options and an authenticator's commands (WebAuthn L3 §5.1.3, §5.1.4;
// CTAP 2.3): whether and how to verify the user, what a request holds, which of
// many credentials an authenticator has, and what extensions mean.
//
//	creation, err := ceremony.NewCreation(info, options, rpID, data.Hash())
//	defer creation.Close()
//	decision := ceremony.Decide(info, creation.Purpose())
//	token, _, err := decision.Token(ctx, client, info, askPIN)
//	creation.Request.Authorize(token)
//	err = creation.Prepare(ctx, client, token)
//	response, err := client.MakeCredential(ctx, creation.Request)
//	token.Wipe()
//	results, err := creation.Results(response)
//
// It asks no person and knows no framing: package enroll of the devices does.
package ceremony
