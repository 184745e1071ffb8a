package cmd

import (
	"context"
	"errors"

	"github.com/spf13/cobra"

	"github.com/touchstone-fido/touchstone/cmd/internal/view"
	"github.com/touchstone-fido/touchstone/devices/manage"
)

func (a *app) passkeyCommand() *cobra.Command {
	return group("passkey", "List, show, rename and delete the passkeys on a key",
		a.passkeyListCommand(), a.passkeyShowCommand(), a.passkeyRenameCommand(), a.passkeyDeleteCommand(), a.passkeyStateCommand())
}

// aboutPasskeys is what all these commands have in common.
const aboutPasskeys = "By the standard a key tells of its passkeys to a verified user only: to a finger that it knows, or to its PIN."

func (a *app) passkeyListCommand() *cobra.Command {
	var rp, known string
	c := &cobra.Command{
		Use: "list", Short: "List the passkeys on a key", Args: cobra.NoArgs,
		Long: "List the discoverable credentials that a key stores, by relying party.\n" + aboutPasskeys + "\n" +
			"PASSKEY is as much of an ID as means this passkey and no other: the other commands take it. With --json IDs are whole.\n" +
			aboutKnown,
		Example: "  touchstone passkey list\n  touchstone passkey list --rp example.com\n  touchstone passkey list --known-keys keys.json\n" +
			"  touchstone --json passkey list | jq -r '.passkeys[].rp.id'",
		RunE: func(c *cobra.Command, _ []string) error {
			return a.withManaged(c.Context(), func(ctx context.Context, key *manage.Key) (view.Result, error) {
				return a.passkeyList(ctx, key, rp, known)
			})
		},
	}
	knownFlagOf(c, &known)
	c.Flags().StringVar(&rp, "rp", "", "only those of this relying party, by its whole `ID`")
	return c
}

// withManaged opens the key for work that manages it.
func (a *app) withManaged(ctx context.Context, work func(context.Context, *manage.Key) (view.Result, error)) error {
	return a.withKey(ctx, func(ctx context.Context, s *session) (view.Result, error) {
		ask := manage.Ask{Ask: a.ask(), BuiltIn: func() {
			a.note("The key verifies you by its own means: use a finger that it knows.")
		}}
		key, err := manage.Open(ctx, s.Conn, ask)
		if err != nil {
			return nil, err
		}
		return work(ctx, key)
	})
}

func (a *app) passkeyList(ctx context.Context, key *manage.Key, rp, known string) (view.Result, error) {
	passkeys, err := a.passkeys(ctx, key, rp, known)
	if err != nil {
		return nil, err
	}
	defer passkeys.Close()
	return view.Passkeys{Device: key.Device(), All: passkeys.All, Metadata: passkeys.Metadata}, nil
}

// whichFlags are the flags and the argument that mean one passkey.
type whichFlags struct {
	manage.Which
	known string // the file of known keys, for commands that look only
}

func (w *whichFlags) register(c *cobra.Command) {
	c.Args = cobra.MaximumNArgs(1)
	c.Flags().StringVar(&w.RP, "rp", "", "the passkey at this relying party, by its whole `ID`")
	c.Flags().StringVar(&w.User, "user", "", "the passkey of this user: `name`, display name or user handle")
}

// read takes the argument, and wants at least something to go by.
func (w *whichFlags) read(args []string) error {
	if len(args) > 0 {
		w.ID = args[0]
	}
	if w.Which == (manage.Which{}) {
		return usageError{errors.New("say which passkey: the beginning of its ID, --rp or --user")}
	}
	return nil
}

// aboutWhich says how a passkey is meant.
const aboutWhich = "Which one: the beginning of its ID in hex or base64url (after -- if it begins with a dash), --rp, --user, or several of\n" +
	"these. If that does not mean exactly one, nothing is done, and what there is to choose from is listed (exit status 2 for\n" +
	"several, 1 for none)."

func (a *app) passkeyShowCommand() *cobra.Command {
	var w whichFlags
	c := &cobra.Command{
		Use: "show [ID]", Short: "Show all that a key tells of one passkey",
		Long:    "Show all that a key tells of one passkey. " + aboutWhich + "\n" + aboutKnown,
		Example: "  touchstone passkey show a3f09c11\n  touchstone passkey show --rp example.com --user alice",
		RunE: func(c *cobra.Command, args []string) error {
			return a.withPasskey(c.Context(), &w, args, func(_ context.Context, p picked) (view.Result, error) {
				return view.Passkey{Device: p.key.Device(), Passkey: p.Passkey}, nil
			})
		},
	}
	w.register(c)
	knownFlagOf(c, &w.known)
	return c
}

// picked is the passkey that was meant, among the others of the key.
type picked struct {
	manage.Passkey
	all *manage.Passkeys
	key *manage.Key
}

// withPasskey finds the passkey that is meant for work with it.
func (a *app) withPasskey(ctx context.Context, w *whichFlags, args []string, work func(context.Context, picked) (view.Result, error)) error {
	if err := w.read(args); err != nil {
		return err
	}
	return a.withManaged(ctx, func(ctx context.Context, key *manage.Key) (view.Result, error) {
		all, err := a.passkeys(ctx, key, w.RP, w.known)
		if err != nil {
			return nil, err
		}
		defer all.Close()
		one, err := all.Find(w.Which)
		if err != nil {
			return nil, err
		}
		return work(ctx, picked{Passkey: one, all: all, key: key})
	})
}

func (a *app) passkeyRenameCommand() *cobra.Command {
	var w whichFlags
	var name, displayName string
	c := &cobra.Command{
		Use: "rename [ID] --name NAME | --display-name NAME", Short: "Change the names of a passkey's user on the key",
		Long: "Change what the key shows of a passkey's user, and read it back. The relying party is not told. A name that is not\n" +
			"given stays, an empty one is removed. " + aboutWhich,
		Example: "  touchstone passkey rename a3f09c11 --display-name \"Alice (work)\"",
		RunE: func(c *cobra.Command, args []string) error {
			var names manage.Names
			if c.Flags().Changed("name") {
				names.Name = &name
			}
			if c.Flags().Changed("display-name") {
				names.DisplayName = &displayName
			}
			return a.passkeyRename(c.Context(), &w, args, names)
		},
	}
	w.register(c)
	c.Flags().StringVar(&name, "name", "", "the user's `name` from now on")
	c.Flags().StringVar(&displayName, "display-name", "", "the user's display `name` from now on")
	return c
}

func (a *app) passkeyRename(ctx context.Context, w *whichFlags, args []string, names manage.Names) error {
	if names == (manage.Names{}) {
		return usageError{errors.New("rename wants --name or --display-name")}
	}
	if err := w.read(args); err != nil {
		return err
	}
	return a.withManaged(ctx, func(ctx context.Context, key *manage.Key) (view.Result, error) {
		if err := key.Renames(); err != nil {
			return nil, err // before a PIN is asked for
		}
		all, err := key.Passkeys(ctx, w.RP)
		if err != nil {
			return nil, err
		}
		defer all.Close()
		one, err := all.Find(w.Which)
		if err != nil {
			return nil, err
		}
		now, changed, err := all.Rename(ctx, one, names)
		if err != nil {
			return nil, err
		}
		return view.PasskeyRenamed{
			Device: key.Device(), Passkey: now, Before: one.User, Changed: changed, Cut: names.Cut(now.User),
		}, nil
	})
}

func (a *app) passkeyDeleteCommand() *cobra.Command {
	var w whichFlags
	c := &cobra.Command{
		Use: "delete [ID]", Short: "Delete a passkey from the key",
		Long: "Delete a passkey, and list the others again to be sure. Says what is lost and wants the relying party's ID typed,\n" +
			"or --yes. The relying party is not told: it goes on to offer the sign-in. " + aboutWhich,
		Example: "  touchstone passkey delete a3f09c11\n  touchstone --yes --pin-stdin passkey delete --rp example.com --user alice < pin",
		RunE: func(c *cobra.Command, args []string) error {
			if err := a.mayConfirm(); err != nil {
				return err
			}
			return a.withPasskey(c.Context(), &w, args, a.passkeyDelete)
		},
	}
	w.register(c)
	return c
}

func (a *app) passkeyDelete(ctx context.Context, p picked) (view.Result, error) {
	blob, err := p.all.BlobStored(ctx, p.Passkey)
	if err != nil {
		return nil, err
	}
	g := gate{Key: p.key.Device(), Loss: view.PasskeyLoss(p.Passkey, blob), Word: wordFor(p.RP.ID, "delete")}
	if err := a.confirm(ctx, g); err != nil {
		return nil, err
	}
	if err := p.all.Delete(ctx, p.Passkey); err != nil {
		return nil, err
	}
	return view.PasskeyDeleted{Device: p.key.Device(), Passkey: p.Passkey, Metadata: p.all.Metadata, BlobLeft: blob}, nil
}
