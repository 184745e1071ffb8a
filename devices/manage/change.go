package manage

import (
	"bytes"
	"context"
	"fmt"
	"slices"
	"strings"

	"github.com/touchstone-fido/touchstone/ctap2"
)

// Delete deletes a passkey and lists those of its relying party again: one that
// is still there is [ErrNotDone]. All and Metadata are as after it.
//
// A large blob of the passkey stays on the key, where nothing can open it any
// more; see [Passkeys.BlobSize] and [Blobs.Collect].
func (p *Passkeys) Delete(ctx context.Context, passkey Passkey) error {
	if err := p.manager.Delete(ctx, passkey.ID); err != nil {
		return err
	}
	now, err := p.again(ctx, passkey.RP)
	if err != nil {
		return err
	}
	if slices.ContainsFunc(now, func(k Passkey) bool { return same(k, passkey) }) {
		return fmt.Errorf("delete passkey: %w", ErrNotDone)
	}
	p.All = slices.DeleteFunc(p.All, func(k Passkey) bool { return same(k, passkey) })
	p.Metadata, err = p.manager.Metadata(ctx)
	return err
}

// again lists the passkeys of a relying party as they are now.
func (p *Passkeys) again(ctx context.Context, rp ctap2.StoredRP) ([]Passkey, error) {
	now := &Passkeys{key: p.key, manager: p.manager}
	err := now.add(ctx, rp)
	return now.All, err
}

func same(a, b Passkey) bool {
	return bytes.Equal(a.ID.ID, b.ID.ID) && bytes.Equal(a.RP.IDHash, b.RP.IDHash)
}

// Names are the names of a passkey's user to be. What is nil stays as it is; an
// empty one is removed.
type Names struct {
	Name, DisplayName *string
}

// of are the user's names when the wish is granted.
func (n Names) of(u ctap2.User) ctap2.User {
	if n.Name != nil {
		u.Name = *n.Name
	}
	if n.DisplayName != nil {
		u.DisplayName = *n.DisplayName
	}
	return u
}

// Renames reports whether the key can change the names of a passkey's user:
// [ctap2.ErrUnsupported] if not, as for all prototypes. It asks for nothing.
func (k *Key) Renames() error {
	switch {
	case k.option(ctap2.OptionCredMgmt):
		return nil
	case k.option(ctap2.OptionCredentialMgmtPreview):
		return unsupported("it has the prototype of credential management, which renames nothing")
	}
	return unsupported("credential management")
}

// Rename changes the names of a passkey's user and reads them back. Where they are
// so already nothing is sent, and changed is false. A key may cut long names
// short; what it did with them otherwise is [ErrNotDone].
func (p *Passkeys) Rename(ctx context.Context, passkey Passkey, names Names) (now Passkey, changed bool, err error) {
	if err := p.key.Renames(); err != nil {
		return passkey, false, err
	}
	want := names.of(passkey.User)
	if sameNames(want, passkey.User) {
		return passkey, false, nil
	}
	// What the key had cut in the middle of a character cannot be sent back.
	want.Name, want.DisplayName = strings.ToValidUTF8(want.Name, ""), strings.ToValidUTF8(want.DisplayName, "")
	if err := p.manager.UpdateUser(ctx, passkey.ID, want); err != nil {
		return passkey, false, err
	}
	now, err = p.renamed(ctx, passkey, want)
	return now, true, err
}

// renamed reads a passkey again that was to be renamed.
func (p *Passkeys) renamed(ctx context.Context, passkey Passkey, want ctap2.User) (Passkey, error) {
	all, err := p.again(ctx, passkey.RP)
	if err != nil {
		return passkey, err
	}
	at := slices.IndexFunc(all, func(k Passkey) bool { return same(k, passkey) })
	if at < 0 {
		return passkey, fmt.Errorf("rename passkey: %w: it is gone", ErrNotDone)
	}
	now := all[at]
	if !isCut(now.User.Name, want.Name) || !isCut(now.User.DisplayName, want.DisplayName) || sameNames(now.User, passkey.User) {
		return now, fmt.Errorf("rename passkey: %w", ErrNotDone)
	}
	return now, nil
}

// isCut reports whether a key has all of a name, or its beginning.
func isCut(now, want string) bool {
	return now == want || now != "" && strings.HasPrefix(want, now)
}

func sameNames(a, b ctap2.User) bool { return a.Name == b.Name && a.DisplayName == b.DisplayName }

// Cut reports whether a user's names are less than what was asked for.
func (n Names) Cut(u ctap2.User) bool { return !sameNames(n.of(u), u) }
