package ctap2

import (
	"context"
	"crypto/sha256"
	"errors"
	"fmt"
	"iter"

	"github.com/touchstone-fido/touchstone/ctap2/cose"
	"github.com/touchstone-fido/touchstone/ctap2/pinuv"
	"github.com/touchstone-fido/touchstone/ctap2/wire"
)

// CredMgmtSubcommand is the subCommand of authenticatorCredentialManagement
// (CTAP 2.3 §6.8).
type CredMgmtSubcommand uint

// Subcommands of authenticatorCredentialManagement.
const (
	CredMgmtGetMetadata      CredMgmtSubcommand = 0x01
	CredMgmtRPsBegin         CredMgmtSubcommand = 0x02
	CredMgmtRPsNext          CredMgmtSubcommand = 0x03
	CredMgmtCredentialsBegin CredMgmtSubcommand = 0x04
	CredMgmtCredentialsNext  CredMgmtSubcommand = 0x05
	CredMgmtDelete           CredMgmtSubcommand = 0x06
	CredMgmtUpdateUser       CredMgmtSubcommand = 0x07
)

var credMgmtNames = map[CredMgmtSubcommand]string{
	CredMgmtGetMetadata:      "getCredsMetadata",
	CredMgmtRPsBegin:         "enumerateRPsBegin",
	CredMgmtRPsNext:          "enumerateRPsGetNextRP",
	CredMgmtCredentialsBegin: "enumerateCredentialsBegin",
	CredMgmtCredentialsNext:  "enumerateCredentialsGetNextCredential",
	CredMgmtDelete:           "deleteCredential",
	CredMgmtUpdateUser:       "updateUserInformation",
}

// String is the standard's name of the subcommand.
func (s CredMgmtSubcommand) String() string { return subcommand(credMgmtNames, s) }

type credMgmtRequest struct {
	Subcommand     CredMgmtSubcommand `cbor:"1,keyasint"`
	Params         wire.Raw           `cbor:"2,keyasint,omitempty"`
	Protocol       pinuv.Protocol     `cbor:"3,keyasint,omitempty"`
	PINUVAuthParam []byte             `cbor:"4,keyasint,omitempty"`
}

type credMgmtParams struct {
	RPIDHash     []byte      `cbor:"1,keyasint,omitempty"`
	CredentialID *Descriptor `cbor:"2,keyasint,omitempty"`
	User         *User       `cbor:"3,keyasint,omitempty"`
}

type credMgmtResponse struct {
	Existing          *uint         `cbor:"1,keyasint"`
	Remaining         *uint         `cbor:"2,keyasint"`
	RP                *RelyingParty `cbor:"3,keyasint"`
	RPIDHash          []byte        `cbor:"4,keyasint"`
	TotalRPs          *uint         `cbor:"5,keyasint"`
	User              *User         `cbor:"6,keyasint"`
	CredentialID      *Descriptor   `cbor:"7,keyasint"`
	PublicKey         wire.Raw      `cbor:"8,keyasint"`
	Total             *uint         `cbor:"9,keyasint"`
	CredProtect       CredProtect   `cbor:"10,keyasint"`
	LargeBlobKey      []byte        `cbor:"11,keyasint"`
	ThirdPartyPayment *bool         `cbor:"12,keyasint"`

	remarks []wire.Remark
}

// CredentialManager lists, changes and deletes the discoverable credentials of
// an authenticator (CTAP 2.3 §6.8). It is made by
// [Client.CredentialManagement].
type CredentialManager struct {
	client  *Client
	command Command
	token   *pinuv.Token
}

// CredentialManagement returns the manager of the authenticator's discoverable
// credentials: over the prototype command of FIDO_2_1_PRE where the
// authenticator has no other, and [ErrUnsupported] where it has neither.
//
// The token needs permission cm without an RP ID; a persistent token (pcmr)
// is enough to list, and so is one with cm for a credential's own relying party
// to delete and update. Prototypes take [Client.PINToken]'s. The caller keeps
// the token, and wipes it.
func (c *Client) CredentialManagement(info *Info, token *pinuv.Token) (*CredentialManager, error) {
	m := &CredentialManager{client: c, command: CommandCredentialManagement, token: token}
	if yes, _ := info.Option(OptionCredMgmt); yes {
		return m, nil
	}
	if yes, _ := info.Option(OptionCredentialMgmtPreview); yes {
		m.command = CommandCredManagementPre
		return m, nil
	}
	return nil, fmt.Errorf("%w: credential management", ErrUnsupported)
}

// CredentialsMetadata counts the discoverable credentials of an authenticator.
type CredentialsMetadata struct {
	Existing  uint
	Remaining uint // how many more there is room for, at most
	Remarks   []wire.Remark
}

// Metadata asks how many discoverable credentials there are and how many more
// there is room for (CTAP 2.3 §6.8.2).
func (m *CredentialManager) Metadata(ctx context.Context) (CredentialsMetadata, error) {
	r, k, err := m.authorized(ctx, CredMgmtGetMetadata, nil)
	switch {
	case err != nil:
		return CredentialsMetadata{}, err
	case r.Existing == nil:
		return CredentialsMetadata{}, k.missing("existingResidentCredentialsCount")
	case r.Remaining == nil:
		return CredentialsMetadata{}, k.missing("maxPossibleRemainingResidentCredentialsCount")
	}
	return CredentialsMetadata{Existing: *r.Existing, Remaining: *r.Remaining, Remarks: r.remarks}, nil
}

// StoredRP is a relying party that an authenticator has discoverable
// credentials for.
type StoredRP struct {
	RelyingParty
	IDHash  []byte // SHA-256 of the relying party ID, 32 bytes
	Remarks []wire.Remark
}

// Complete reports whether ID is the whole relying party ID. Authenticators may
// store long ones cut short (CTAP 2.3 §6.8.7); IDHash is always whole.
func (r StoredRP) Complete() bool {
	h := sha256.Sum256([]byte(r.ID))
	return string(h[:]) == string(r.IDHash)
}

// StoredCredential is a discoverable credential as an authenticator lists it.
type StoredCredential struct {
	User              User
	ID                Descriptor
	PublicKey         wire.Raw    // the COSE_Key as it was sent; see [StoredCredential.Key]
	CredProtect       CredProtect // 0 when the authenticator does not tell
	LargeBlobKey      []byte      // 32 bytes or nil
	ThirdPartyPayment *bool       // nil when the authenticator does not tell
	Remarks           []wire.Remark
}

// Key reads PublicKey.
func (c StoredCredential) Key() (cose.Key, error) { return cose.Parse(c.PublicKey) }

// RelyingParties lists the relying parties that have discoverable credentials
// (CTAP 2.3 §6.8.3); for none there is no iteration. An error ends it, after
// what was read before.
//
// All are read before the first is yielded: the authenticator forgets where it
// was at any other command, such as one from the body of the loop.
func (m *CredentialManager) RelyingParties(ctx context.Context) iter.Seq2[StoredRP, error] {
	return func(yield func(StoredRP, error) bool) {
		var all []StoredRP
		err := m.enumerate(ctx, CredMgmtRPsBegin, nil, func(r *credMgmtResponse, k call) error {
			rp, err := r.relyingParty(k)
			if err == nil {
				all = append(all, rp)
			}
			return err
		})
		yieldAll(yield, all, err)
	}
}

// Credentials lists the discoverable credentials of the relying party with this
// ID hash of 32 bytes (CTAP 2.3 §6.8.4), in the way of
// [CredentialManager.RelyingParties].
func (m *CredentialManager) Credentials(ctx context.Context, rpIDHash []byte) iter.Seq2[StoredCredential, error] {
	return func(yield func(StoredCredential, error) bool) {
		var all []StoredCredential
		params := credMgmtParams{RPIDHash: rpIDHash}
		err := m.enumerate(ctx, CredMgmtCredentialsBegin, params, func(r *credMgmtResponse, k call) error {
			c, err := r.credential(k)
			if err == nil {
				all = append(all, c)
			}
			return err
		})
		yieldAll(yield, all, err)
	}
}

// yieldAll hands out what was read and then what went wrong.
func yieldAll[T any](yield func(T, error) bool, all []T, err error) {
	var none T
	for _, v := range all {
		if !yield(v, nil) {
			return
		}
	}
	if err != nil {
		yield(none, err)
	}
}

// Delete deletes a credential (CTAP 2.3 §6.8.5). One that is not there is
// [StatusNoCredentials].
func (m *CredentialManager) Delete(ctx context.Context, id Descriptor) error {
	return m.change(ctx, CredMgmtDelete, credMgmtParams{CredentialID: plain(id)})
}

// UpdateUser replaces the names of a credential's user (CTAP 2.3 §6.8.6, since
// CTAP 2.1). The user's ID must be the credential's; names that are empty are
// removed. The prototype command has no such thing and is [ErrUnsupported].
func (m *CredentialManager) UpdateUser(ctx context.Context, id Descriptor, user User) error {
	if m.command == CommandCredManagementPre {
		return fmt.Errorf("%w: %v by the prototype command", ErrUnsupported, CredMgmtUpdateUser)
	}
	return m.change(ctx, CredMgmtUpdateUser, credMgmtParams{CredentialID: plain(id), User: &user})
}

// plain is a descriptor with the two members that it must have.
func plain(id Descriptor) *Descriptor { return &Descriptor{ID: id.ID, Type: PublicKeyType} }

func (m *CredentialManager) change(ctx context.Context, s CredMgmtSubcommand, params credMgmtParams) error {
	_, _, err := m.authorized(ctx, s, params)
	return err
}

// enumerate begins an enumeration and has each entry read, as many as the
// authenticator announces.
func (m *CredentialManager) enumerate(ctx context.Context, begin CredMgmtSubcommand, params any, each func(*credMgmtResponse, call) error) error {
	r, k, err := m.authorized(ctx, begin, params)
	if errors.Is(err, StatusNoCredentials) {
		return nil
	}
	if err != nil {
		return err
	}
	total, err := r.total(begin, k)
	if err != nil {
		return err
	}
	for i := uint(0); i < total; i++ {
		if i > 0 {
			if r, k, err = m.send(ctx, credMgmtRequest{Subcommand: begin + 1}); err != nil {
				return err
			}
		}
		if err := each(r, k); err != nil {
			return err
		}
	}
	return nil
}

// maxStored bounds what a hostile total can make a platform ask for; no key
// stores as many credentials.
const maxStored = 1 << 12

// total is how many entries there are. Some keys say 0 of none, where the
// standard has [StatusNoCredentials].
func (r *credMgmtResponse) total(begin CredMgmtSubcommand, k call) (uint, error) {
	n, name := r.TotalRPs, "totalRPs"
	if begin == CredMgmtCredentialsBegin {
		n, name = r.Total, "totalCredentials"
	}
	switch {
	case n == nil:
		return 0, k.missing(name)
	case *n > maxStored:
		return 0, k.bad(fmt.Errorf("%s is %d", name, *n))
	}
	return *n, nil
}

func (r *credMgmtResponse) relyingParty(k call) (StoredRP, error) {
	switch {
	case r.RP == nil:
		return StoredRP{}, k.missing("rp")
	case len(r.RPIDHash) != sha256.Size:
		return StoredRP{}, k.bad(fmt.Errorf("rpIDHash of %d bytes, want %d", len(r.RPIDHash), sha256.Size))
	}
	return StoredRP{RelyingParty: *r.RP, IDHash: r.RPIDHash, Remarks: r.remarks}, nil
}

func (r *credMgmtResponse) credential(k call) (StoredCredential, error) {
	switch {
	case r.User == nil:
		return StoredCredential{}, k.missing("user")
	case r.CredentialID == nil || len(r.CredentialID.ID) == 0:
		return StoredCredential{}, k.missing("credentialID")
	}
	if err := checkLargeBlobKey(r.LargeBlobKey); err != nil {
		return StoredCredential{}, k.bad(err)
	}
	return StoredCredential{
		User: *r.User, ID: *r.CredentialID, PublicKey: r.PublicKey, CredProtect: r.CredProtect,
		LargeBlobKey: r.LargeBlobKey, ThirdPartyPayment: r.ThirdPartyPayment, Remarks: r.remarks,
	}, nil
}

// authorized sends a subcommand that needs the token. The token covers the
// subcommand and the bytes of its parameters (CTAP 2.3 §6.8).
func (m *CredentialManager) authorized(ctx context.Context, s CredMgmtSubcommand, params any) (*credMgmtResponse, call, error) {
	raw, err := encodeParams(params)
	if err != nil {
		return nil, call{}, err
	}
	r := credMgmtRequest{Subcommand: s, Params: raw}
	r.Protocol, r.PINUVAuthParam = authorize(m.token, []byte{byte(s)}, raw)
	return m.send(ctx, r)
}

func (m *CredentialManager) send(ctx context.Context, r credMgmtRequest) (*credMgmtResponse, call, error) {
	resp := &credMgmtResponse{}
	k := call{command: m.command, subcommand: r.Subcommand.String(), params: r, result: resp}
	if r.Subcommand == CredMgmtDelete || r.Subcommand == CredMgmtUpdateUser {
		k.result = nil // they answer a status only
	}
	remarks, err := m.client.do(ctx, k)
	resp.remarks = remarks
	return resp, k, err
}
