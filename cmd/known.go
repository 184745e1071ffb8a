package cmd

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"runtime"
	"slices"

	"github.com/spf13/cobra"

	"github.com/touchstone-fido/touchstone/cmd/internal/view"
	"github.com/touchstone-fido/touchstone/devices/manage"
)

// knownFlag names the file of known keys.
const knownFlag = "known-keys"

// aboutKnown says what the flag does.
const aboutKnown = "With --known-keys FILE the PIN is asked for once: FILE keeps a token with which the key lists its passkeys, and nothing\n" +
	"else, until its PIN is changed or the key is reset (CTAP 2.2). Keep it as you would the list itself."

func knownFlagOf(c *cobra.Command, name *string) {
	c.Flags().StringVar(name, knownFlag, "", "keep the means to list passkeys without the PIN in this `FILE`")
}

// errKnownOpen: others can read the file.
var errKnownOpen = errors.New("others can read this file, which holds tokens")

// mostKnown is how many bytes of a file of known keys are read.
const mostKnown = 1 << 20

// readKnown reads a file of known keys. One that there is not has none.
func readKnown(name string) ([]manage.Known, error) {
	file, err := os.Open(name)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, nil
	}
	if err != nil {
		return nil, fmt.Errorf("--%s: %w", knownFlag, err)
	}
	defer file.Close()
	i, err := file.Stat()
	if err == nil && runtime.GOOS != "windows" && i.Mode().IsRegular() && i.Mode().Perm()&0o077 != 0 {
		err = errKnownOpen
	}
	if err != nil {
		return nil, fmt.Errorf("--%s: %s: %w", knownFlag, name, err)
	}
	text, err := io.ReadAll(io.LimitReader(file, mostKnown))
	defer clear(text)
	if err != nil {
		return nil, fmt.Errorf("--%s: %w", knownFlag, err)
	}
	all, err := manage.ParseKnown(text)
	if err != nil {
		return nil, fmt.Errorf("--%s: %s: %w", knownFlag, name, err)
	}
	return all, nil
}

// writeKnown puts known keys into a file for its owner alone, in one piece.
func writeKnown(name string, all []manage.Known) error {
	text, err := manage.FormatKnown(all)
	if err != nil {
		return err
	}
	defer clear(text)
	temp, err := os.CreateTemp(filepath.Dir(name), filepath.Base(name)+".new-*")
	if err != nil {
		return fmt.Errorf("--%s: %w", knownFlag, err)
	}
	defer os.Remove(temp.Name()) // which is another name when all went well
	_, err = temp.Write(text)
	err = errors.Join(err, temp.Sync(), temp.Close())
	if err == nil {
		err = os.Rename(temp.Name(), name)
	}
	if err != nil {
		return fmt.Errorf("--%s: %w", knownFlag, err)
	}
	return nil
}

func wipeKnown(all []manage.Known) {
	for _, k := range all {
		k.Wipe()
	}
}

// passkeys lists passkeys for looking at them: with the PIN, or by what a file
// keeps of the key.
func (a *app) passkeys(ctx context.Context, key *manage.Key, rp, file string) (*manage.Passkeys, error) {
	if file == "" {
		return key.Passkeys(ctx, rp)
	}
	all, err := readKnown(file)
	if err != nil {
		return nil, err
	}
	defer wipeKnown(all)
	passkeys, one, err := key.KnownPasskeys(ctx, rp, all)
	if err != nil {
		return nil, err
	}
	defer one.Wipe()
	if err := a.remember(file, all, one); err != nil {
		passkeys.Close()
		return nil, err
	}
	return passkeys, nil
}

// remember writes what is known now, if that is something else than before.
func (a *app) remember(file string, all []manage.Known, one manage.Known) error {
	at := slices.IndexFunc(all, func(k manage.Known) bool { return bytes.Equal(k.Token, one.Token) })
	if at >= 0 && bytes.Equal(all[at].StoreState, one.StoreState) {
		return nil
	}
	if err := writeKnown(file, manage.Remember(all, one)); err != nil {
		return err
	}
	if at < 0 {
		a.note("From now on this key lists its passkeys without its PIN to who has %s, until the PIN is changed.", file)
	}
	return nil
}

func (a *app) passkeyStateCommand() *cobra.Command {
	var file string
	c := &cobra.Command{
		Use: "state --known-keys FILE", Short: "Tell which known key this is, and whether its passkeys have changed", Args: cobra.NoArgs,
		Long: "Recognize a key that FILE knows from \"touchstone passkey list --known-keys FILE\", by the identifier that it shows to\n" +
			"nobody else, and tell whether its passkeys are as they were when they were last listed so. No PIN and no touch is\n" +
			"asked for, and nothing is written.",
		Example: "  touchstone passkey state --known-keys keys.json",
		RunE: func(c *cobra.Command, _ []string) error {
			if file == "" {
				return usageError{errors.New("say with --known-keys which FILE knows the keys")}
			}
			return a.withManaged(c.Context(), func(_ context.Context, key *manage.Key) (view.Result, error) {
				return passkeyState(key, file)
			})
		},
	}
	knownFlagOf(c, &file)
	return c
}

func passkeyState(key *manage.Key, file string) (view.Result, error) {
	if err := key.Remembers(); err != nil {
		return nil, err
	}
	all, err := readKnown(file)
	if err != nil {
		return nil, err
	}
	defer wipeKnown(all)
	v := view.PasskeyState{Device: key.Device()}
	one, found := key.Recognize(all)
	if !found {
		return v, nil
	}
	v.Known, v.Identifier, v.StoreState = true, one.Identifier, key.StoreState(one)
	if v.StoreState != nil && len(one.StoreState) > 0 {
		changed := !bytes.Equal(v.StoreState, one.StoreState)
		v.Changed = &changed
	}
	return v, nil
}
