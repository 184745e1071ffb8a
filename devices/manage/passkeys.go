package manage

import (
	"cmp"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"slices"
	"strings"

	"github.com/touchstone-fido/touchstone/ctap2"
	"github.com/touchstone-fido/touchstone/ctap2/pinuv"
)

// Passkey is a discoverable credential on a key.
type Passkey struct {
	// RP is whose it is. The ID may be cut short by the key; see
	// [ctap2.StoredRP.Complete].
	RP ctap2.StoredRP

	// StoredCredential has the largeBlobKey, which opens the passkey's large blob
	// to whoever has it.
	ctap2.StoredCredential
}

// At reports whether the passkey is at this relying party: by the whole ID, or by
// what the key shows of it.
func (p Passkey) At(rp string) bool { return isRP(p.RP, rp) }

// Passkeys are the discoverable credentials of a key, as they were when it was
// asked. They hold a token: the caller closes them soon.
type Passkeys struct {
	// All are the passkeys by relying party ID, those of one relying party in the
	// key's order.
	All []Passkey

	// Metadata counts the passkeys on the key, those of all relying parties.
	Metadata ctap2.CredentialsMetadata

	key     *Key
	manager *ctap2.CredentialManager
	token   *pinuv.Token
}

// Passkeys lists the passkeys of a relying party, or of all when rp is empty. The
// relying party's whole ID finds it even where the key has cut it short, and so
// does what the key shows of it.
//
// The user is verified for permission cm without a relying party, whatever rp
// is: the standard has a token that is bound to one list nothing (CTAP 2.3
// §6.8.3, §6.8.4).
func (k *Key) Passkeys(ctx context.Context, rp string) (*Passkeys, error) {
	return k.passkeys(ctx, rp, ctap2.PermissionCredentialManagement)
}

// passkeys lists with a token that has these permissions.
func (k *Key) passkeys(ctx context.Context, rp string, perms ctap2.Permission) (*Passkeys, error) {
	if _, err := k.conn.CredentialManagement(k.info, nil); err != nil {
		return nil, err // before a PIN is asked for
	}
	token, err := k.authorize(ctx, perms)
	if err != nil {
		return nil, err
	}
	return k.listWith(ctx, rp, token)
}

// listWith lists with a token, and wipes it when that fails.
func (k *Key) listWith(ctx context.Context, rp string, token *pinuv.Token) (*Passkeys, error) {
	p := &Passkeys{key: k, token: token}
	if err := p.read(ctx, rp); err != nil {
		p.Close()
		return nil, err
	}
	return p, nil
}

// Close wipes the token.
func (p *Passkeys) Close() { p.token.Wipe() }

func (p *Passkeys) read(ctx context.Context, rp string) (err error) {
	if p.manager, err = p.key.conn.CredentialManagement(p.key.info, p.token); err != nil {
		return err
	}
	if p.Metadata, err = p.manager.Metadata(ctx); err != nil {
		return err
	}
	var rps []ctap2.StoredRP
	for stored, err := range p.manager.RelyingParties(ctx) {
		if err != nil {
			return err
		}
		if rp == "" || isRP(stored, rp) {
			rps = append(rps, named(stored, rp))
		}
	}
	slices.SortStableFunc(rps, func(a, b ctap2.StoredRP) int { return cmp.Compare(a.ID, b.ID) })
	for _, stored := range rps {
		if err := p.add(ctx, stored); err != nil {
			return err
		}
	}
	return nil
}

// add reads the passkeys of one relying party.
func (p *Passkeys) add(ctx context.Context, rp ctap2.StoredRP) error {
	for c, err := range p.manager.Credentials(ctx, rp.IDHash) {
		if err != nil {
			return err
		}
		p.All = append(p.All, Passkey{RP: rp, StoredCredential: c})
	}
	return nil
}

// isRP reports whether a person means this relying party: by its ID, of which the
// hash is what the key knows for sure, or by what the key shows of it.
func isRP(stored ctap2.StoredRP, rp string) bool {
	hash := sha256.Sum256([]byte(rp))
	return string(hash[:]) == string(stored.IDHash) || stored.ID == rp
}

// named puts the ID that a person typed in the place of one that the key has cut
// short.
func named(stored ctap2.StoredRP, rp string) ctap2.StoredRP {
	hash := sha256.Sum256([]byte(rp))
	if string(hash[:]) == string(stored.IDHash) {
		stored.ID = rp
	}
	return stored
}

// Which says which passkey is meant. What is empty does not matter.
type Which struct {
	ID   string // the beginning of its ID, in hex or in base64url
	RP   string // the relying party's ID
	User string // the user's name or display name, or the user handle in hex or base64url
}

// String is what was asked for, for errors.
func (w Which) String() string {
	var parts []string
	for _, p := range []struct{ before, value string }{{"", w.ID}, {"of ", w.User}, {"at ", w.RP}} {
		if p.value != "" {
			parts = append(parts, p.before+p.value)
		}
	}
	return strings.Join(parts, " ")
}

// Find returns the one passkey that is meant; none or several are a
// [*SelectionError].
func (p *Passkeys) Find(w Which) (Passkey, error) {
	some := slices.DeleteFunc(slices.Clone(p.All), func(k Passkey) bool {
		return w.RP != "" && !k.At(w.RP) || w.User != "" && !isUser(k.User, w.User)
	})
	if w.ID != "" {
		var with []Passkey
		for _, i := range among(ids(some), w.ID) {
			with = append(with, some[i])
		}
		some = with
	}
	if len(some) == 1 {
		return some[0], nil
	}
	e := &SelectionError{What: "passkey", Typed: w.String(), Matches: len(some), Remark: p.hashRemark(w.ID)}
	if len(some) == 0 {
		some = p.All
	}
	e.Choices = choices(some)
	return Passkey{}, e
}

func isUser(u ctap2.User, typed string) bool {
	return u.Name == typed || u.DisplayName == typed || isID(u.ID, typed)
}

func ids(all []Passkey) [][]byte {
	var ids [][]byte
	for _, p := range all {
		ids = append(ids, p.ID.ID)
	}
	return ids
}

// hashRemark helps who took the hash of a relying party's ID, which other
// programs list, for a passkey's ID.
func (p *Passkeys) hashRemark(typed string) string {
	for _, k := range p.All {
		if len(typed) >= shortID && begins(k.RP.IDHash, typed) {
			return fmt.Sprintf("%s begins the hash of the relying party ID %q, not a passkey's ID", typed, k.RP.ID)
		}
	}
	return ""
}

// choices is a line for each passkey.
func choices(all []Passkey) []string {
	var lines []string
	for i, short := range ShortIDs(ids(all)) {
		who := fmt.Sprintf("%q", all[i].User.Name)
		if all[i].User.Name == "" {
			who = "user " + hex.EncodeToString(all[i].User.ID)
		}
		lines = append(lines, fmt.Sprintf("%s  %s at %q", short, who, all[i].RP.ID))
	}
	return lines
}
