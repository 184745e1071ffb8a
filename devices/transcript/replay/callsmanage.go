package replay

import (
	"context"
	"iter"

	"github.com/touchstone-fido/touchstone/ctap2"
	"github.com/touchstone-fido/touchstone/ctap2/wire"
)

// manageParams are the parameters of the subcommands of
// authenticatorCredentialManagement.
type manageParams struct {
	RPIDHash []byte           `cbor:"1,keyasint"`
	ID       ctap2.Descriptor `cbor:"2,keyasint"`
	User     ctap2.User       `cbor:"3,keyasint"`
}

func (a *asker) credentialManagement(ctx context.Context, q question) ([]members, error) {
	token, err := a.tokenFor(q.Question, q.first())
	if err != nil {
		return nil, err
	}
	option := ctap2.OptionCredMgmt
	if q.Command == ctap2.CommandCredManagementPre {
		option = ctap2.OptionCredentialMgmtPreview
	}
	m, err := a.client.CredentialManagement(&ctap2.Info{Options: map[string]bool{option: true}}, token)
	if err != nil {
		return nil, err
	}
	var p manageParams
	if raw := q.Members[2]; raw != nil && wire.Decode(raw, &p) != nil {
		return nil, errNoMethod
	}
	switch ctap2.CredMgmtSubcommand(q.Sub) {
	case ctap2.CredMgmtGetMetadata:
		return metadata(m.Metadata(ctx))
	case ctap2.CredMgmtRPsBegin:
		return listed(m.RelyingParties(ctx), relyingParty, "totalRPs")
	case ctap2.CredMgmtCredentialsBegin:
		return listed(m.Credentials(ctx, p.RPIDHash), storedCredential, "totalCredentials")
	case ctap2.CredMgmtDelete, ctap2.CredMgmtUpdateUser:
		return nil, a.change(ctx, m, q, p)
	}
	return nil, errNoMethod
}

// change deletes or renames a credential, of a key one of this session only.
func (a *asker) change(ctx context.Context, m *ctap2.CredentialManager, q question, p manageParams) error {
	if _, known := a.ids[string(p.ID.ID)]; a.against && !known && statusOf(q.first()) == ctap2.StatusOK {
		return &notAsked{reason: "the credential is not one of this session", final: true}
	}
	p.ID.ID = a.mappedID(p.ID.ID)
	if ctap2.CredMgmtSubcommand(q.Sub) == ctap2.CredMgmtDelete {
		return m.Delete(ctx, p.ID)
	}
	return m.UpdateUser(ctx, p.ID, p.User)
}

func metadata(m ctap2.CredentialsMetadata, err error) ([]members, error) {
	return one(members{
		"existingResidentCredentialsCount": m.Existing, "maxPossibleRemainingResidentCredentialsCount": m.Remaining,
	}, err)
}

// listed are the entries of an enumeration. How many there are the first one has
// told, and all of them came.
func listed[T any](entries iter.Seq2[T, error], tell func(T) members, total string) ([]members, error) {
	var list []members
	for entry, err := range entries {
		if err != nil {
			return list, err
		}
		list = append(list, tell(entry))
	}
	if len(list) > 0 {
		list[0][total] = uint(len(list))
	}
	return list, nil
}

func relyingParty(rp ctap2.StoredRP) members {
	return members{"rp": rp.RelyingParty, "rpIDHash": rp.IDHash}
}

func storedCredential(c ctap2.StoredCredential) members {
	m := members{"user": c.User, "credentialID": c.ID, "publicKey": c.PublicKey}
	if c.CredProtect != 0 {
		m["credProtect"] = uint(c.CredProtect)
	}
	if c.LargeBlobKey != nil {
		m["largeBlobKey"] = c.LargeBlobKey
	}
	if c.ThirdPartyPayment != nil {
		m["thirdPartyPayment"] = *c.ThirdPartyPayment
	}
	return m
}
