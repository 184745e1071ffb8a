package cmd

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"unicode"
	"unicode/utf8"

	"github.com/spf13/cobra"

	"github.com/touchstone-fido/touchstone/cmd/internal/view"
	"github.com/touchstone-fido/touchstone/ctap2/largeblob"
	"github.com/touchstone-fido/touchstone/devices/manage"
)

func (a *app) blobCommand() *cobra.Command {
	return group("blob", "List, read, store and delete the large blobs of passkeys",
		a.blobListCommand(), a.blobGetCommand(), a.blobPutCommand(), a.blobDeleteCommand(), a.blobCollectCommand())
}

// aboutKept says how keys differ.
const aboutKept = "A key with the largeBlob extension of CTAP 2.3 keeps each blob with its passkey: it wants --rp, and a touch."

func (a *app) blobListCommand() *cobra.Command {
	var rp string
	c := &cobra.Command{
		Use: "list", Short: "List the passkeys that have a large blob or could have one", Args: cobra.NoArgs,
		Long: "List which passkeys have a key for a large blob, how large it is, how much room is left, and what is left over of\n" +
			"passkeys that are gone (orphans). " + aboutKept,
		Example: "  touchstone blob list\n  touchstone --json blob list --rp example.com",
		RunE: func(c *cobra.Command, _ []string) error {
			return a.withManaged(c.Context(), func(ctx context.Context, key *manage.Key) (view.Result, error) { return blobList(ctx, key, rp) })
		},
	}
	c.Flags().StringVar(&rp, "rp", "", "only those of this relying party, by its whole `ID`")
	return c
}

// errKeptRP: a key that keeps blobs with their passkeys tells of them to one
// relying party at a time.
var errKeptRP = usageError{errors.New("this key keeps each blob with its passkey: say at which relying party with --rp")}

// isKept reports whether the key keeps blobs with their passkeys; then it needs
// the relying party.
func isKept(key *manage.Key, rp string) (bool, error) {
	err := key.HasArray()
	switch {
	case !errors.Is(err, manage.ErrKept):
		return false, err
	case rp == "":
		return true, errKeptRP
	}
	return true, nil
}

func blobList(ctx context.Context, key *manage.Key, rp string) (view.Result, error) {
	kept, err := isKept(key, rp)
	if err != nil {
		return nil, err
	}
	if kept {
		return keptList(ctx, key, rp)
	}
	b, err := key.Blobs(ctx)
	if err != nil {
		return nil, err
	}
	defer b.Close()
	return arrayList(b, key, rp), nil
}

func arrayList(b *manage.Blobs, key *manage.Key, rp string) view.Blobs {
	v := view.Blobs{Device: key.Device(), Array: &view.BlobArray{
		Capacity: b.Capacity(), Used: b.Used(), Free: b.Free(), Foreign: b.Foreign(), Damaged: b.Damaged,
	}}
	v.Array.Orphans, v.Array.OrphanBytes = b.Orphans()
	for _, p := range b.All {
		if len(p.LargeBlobKey) == 0 || rp != "" && !p.At(rp) {
			continue
		}
		data, has, err := b.Get(p)
		v.All = append(v.All, view.PasskeyBlob{Passkey: p, Has: has, Size: uint(len(data)), Stored: b.Stored(p), Err: err})
	}
	return v
}

func keptList(ctx context.Context, key *manage.Key, rp string) (view.Result, error) {
	k, err := key.KeptBlobs(ctx, rp)
	if err != nil {
		return nil, err
	}
	defer k.Close()
	v := view.Blobs{Device: key.Device()}
	for _, p := range k.All {
		data, has := k.Get(p)
		v.All = append(v.All, view.PasskeyBlob{Passkey: p, Has: has, Size: uint(len(data))})
	}
	return v, nil
}

func (a *app) blobGetCommand() *cobra.Command {
	var w whichFlags
	var out string
	c := &cobra.Command{
		Use: "get [ID]", Short: "Read the large blob of a passkey",
		Long: "Write the large blob of a passkey to standard output, byte for byte, or into a file. With --json it is in the envelope.\n" +
			aboutKept + "\n" + aboutWhich,
		Example: "  touchstone blob get a3f09c11 > blob.bin\n  touchstone blob get --rp example.com --user alice --out blob.bin",
		RunE:    func(c *cobra.Command, args []string) error { return a.blobGet(c.Context(), &w, args, out) },
	}
	w.register(c)
	c.Flags().StringVar(&out, "out", "", "write the blob to this `FILE`; one that is there is kept under another name")
	return c
}

// errNoBlob: the passkey has none.
var errNoBlob = errors.New("this passkey has no large blob")

func (a *app) blobGet(ctx context.Context, w *whichFlags, args []string, name string) error {
	if err := w.read(args); err != nil {
		return err
	}
	out, err := a.newFile(name)
	if err != nil {
		return err
	}
	defer out.discard()
	return a.withManaged(ctx, func(ctx context.Context, key *manage.Key) (view.Result, error) {
		p, data, err := readBlob(ctx, key, w.Which)
		if err != nil {
			return nil, err
		}
		result := view.Blob{Device: key.Device(), Passkey: p, Data: data, File: name}
		if name != "" {
			return result, out.writeBytes(data)
		}
		if a.json {
			return result, nil
		}
		return nil, a.pour(data)
	})
}

func readBlob(ctx context.Context, key *manage.Key, w manage.Which) (p manage.Passkey, data []byte, err error) {
	kept, err := isKept(key, w.RP)
	if err != nil {
		return p, nil, err
	}
	has := false
	if kept {
		k, err := key.KeptBlobs(ctx, w.RP)
		if err != nil {
			return p, nil, err
		}
		defer k.Close()
		if p, err = k.Find(w); err != nil {
			return p, nil, err
		}
		data, has = k.Get(p)
	} else {
		b, err := key.Blobs(ctx)
		if err != nil {
			return p, nil, err
		}
		defer b.Close()
		if p, err = b.Find(w); err != nil {
			return p, nil, err
		}
		if data, has, err = b.Get(p); err != nil {
			return p, nil, err
		}
	}
	if !has {
		return p, nil, errNoBlob
	}
	return p, data, nil
}

// errNotForTerminal: what is to be shown could take over the terminal.
var errNotForTerminal = errors.New("the blob is no plain text, and standard output is a terminal")

// pour writes data to standard output as they are.
func (a *app) pour(data []byte) error {
	if a.streams.OutIsTerminal() && !isPlainText(data) {
		return errNotForTerminal
	}
	_, err := a.streams.Out.Write(data)
	return err
}

func isPlainText(data []byte) bool {
	for len(data) > 0 {
		r, n := utf8.DecodeRune(data)
		if r == utf8.RuneError || unicode.Is(unicode.Bidi_Control, r) || unicode.IsControl(r) && r != '\n' && r != '\t' {
			return false
		}
		data = data[n:]
	}
	return true
}

// blobInput reads the data of blob put: a file, or standard input.
func (a *app) blobInput(ctx context.Context, name string) ([]byte, error) {
	if name == "" || name == "-" {
		if a.pins.stdin {
			return nil, usageError{errors.New("standard input cannot hold both the PIN and the blob: give the blob with --in FILE")}
		}
		return a.streams.ReadAll(ctx, largeblob.MaxInflated)
	}
	file, err := os.Open(name)
	if err != nil {
		return nil, err
	}
	defer file.Close()
	data, err := io.ReadAll(io.LimitReader(file, largeblob.MaxInflated+1))
	if err != nil {
		return nil, fmt.Errorf("%s: %w", name, err)
	}
	return data, nil
}
