package cmd

import (
	"context"

	"github.com/spf13/cobra"

	"github.com/touchstone-fido/touchstone/cmd/internal/view"
	"github.com/touchstone-fido/touchstone/devices/manage"
)

func (a *app) blobPutCommand() *cobra.Command {
	var w whichFlags
	var in string
	c := &cobra.Command{
		Use: "put [ID]", Short: "Store a large blob with a passkey",
		Long: "Store what is in a file, or on standard input, as the large blob of a passkey, compressed, and read it again. Whether it\n" +
			"fits is looked at first. A blob that is there already is replaced only after the word replace was typed, or with\n" +
			"--yes; the same blob again is not written. With --pin-stdin the blob has to come from a file.\n" +
			aboutKept + "\n" + aboutWhich,
		Example: "  touchstone blob put a3f09c11 --in certificate.pub\n  touchstone blob put --rp example.com --user alice < certificate.pub",
		RunE:    func(c *cobra.Command, args []string) error { return a.blobPut(c.Context(), &w, args, in) },
	}
	w.register(c)
	c.Flags().StringVar(&in, "in", "", "the `FILE` to store (default: standard input)")
	return c
}

func (a *app) blobPut(ctx context.Context, w *whichFlags, args []string, in string) error {
	if err := w.read(args); err != nil {
		return err
	}
	data, err := a.blobInput(ctx, in)
	if err != nil {
		return err
	}
	return a.withManaged(ctx, func(ctx context.Context, key *manage.Key) (view.Result, error) {
		kept, err := isKept(key, w.RP)
		if err != nil {
			return nil, err
		}
		if _, err := key.CheckBlob(data); err != nil {
			return nil, err
		}
		if kept {
			return a.keptPut(ctx, key, w.Which, data)
		}
		b, err := key.BlobsToChange(ctx)
		if err != nil {
			return nil, err
		}
		defer b.Close()
		p, err := b.Find(w.Which)
		if err != nil {
			return nil, err
		}
		return a.arrayPut(ctx, b, p, data)
	})
}

func (a *app) arrayPut(ctx context.Context, b *manage.Blobs, p manage.Passkey, data []byte) (view.Result, error) {
	result := view.BlobChanged{Device: b.Device(), Action: view.BlobStored, Passkey: &p, Blobs: 1, Size: uint(len(data))}
	if before := b.Stored(p); before > 0 && !b.Has(p, data) {
		result.Action = view.BlobReplaced
		if err := a.confirm(ctx, gate{Key: b.Device(), Loss: view.BlobLoss(p, before, true), Word: "replace"}); err != nil {
			return nil, err
		}
	}
	changed, err := b.Put(ctx, p, data)
	if err != nil {
		return nil, err
	}
	if !changed {
		result.Action, result.Blobs = view.BlobUnchanged, 0
	}
	free := b.Free()
	result.Stored, result.Free = b.Stored(p), &free
	return result, nil
}

// keptPut stores a blob on a key that keeps it with its passkey. Whether there is
// one is not told without another touch, so that the gate is always there.
func (a *app) keptPut(ctx context.Context, key *manage.Key, w manage.Which, data []byte) (view.Result, error) {
	if err := a.mayConfirm(); err != nil {
		return nil, err
	}
	k, err := key.Kept(ctx, w.RP)
	if err != nil {
		return nil, err
	}
	defer k.Close()
	p, err := k.Find(w)
	if err != nil {
		return nil, err
	}
	if err := a.confirm(ctx, gate{Key: key.Device(), Loss: view.KeptBlobLoss(p), Word: "replace"}); err != nil {
		return nil, err
	}
	if err := k.Put(ctx, p, data); err != nil {
		return nil, err
	}
	return view.BlobChanged{Device: key.Device(), Action: view.BlobStored, Passkey: &p, Blobs: 1, Size: uint(len(data))}, nil
}

func (a *app) blobDeleteCommand() *cobra.Command {
	var w whichFlags
	c := &cobra.Command{
		Use: "delete [ID]", Short: "Delete the large blob of a passkey",
		Long: "Delete the large blob of a passkey, which stays itself. Says what is lost and wants the word delete typed, or --yes.\n" +
			"A key that keeps blobs with their passkeys (CTAP 2.3's largeBlob) deletes none: store an empty one.\n" + aboutWhich,
		Example: "  touchstone blob delete a3f09c11\n  touchstone --yes --pin-stdin blob delete --rp example.com --user alice < pin",
		RunE: func(c *cobra.Command, args []string) error {
			if err := w.read(args); err != nil {
				return err
			}
			return a.changeBlobs(c.Context(), func(ctx context.Context, b *manage.Blobs) (view.Result, error) {
				return a.blobDelete(ctx, b, w.Which)
			})
		},
	}
	w.register(c)
	return c
}

// changeBlobs opens the large-blob array for a change that the gate is before.
func (a *app) changeBlobs(ctx context.Context, work func(context.Context, *manage.Blobs) (view.Result, error)) error {
	if err := a.mayConfirm(); err != nil {
		return err
	}
	return a.withManaged(ctx, func(ctx context.Context, key *manage.Key) (view.Result, error) {
		b, err := key.BlobsToChange(ctx)
		if err != nil {
			return nil, err
		}
		defer b.Close()
		return work(ctx, b)
	})
}

func (a *app) blobDelete(ctx context.Context, b *manage.Blobs, w manage.Which) (view.Result, error) {
	p, err := b.Find(w)
	if err != nil {
		return nil, err
	}
	size := b.Stored(p)
	if size == 0 {
		return nil, errNoBlob
	}
	if err := a.confirm(ctx, gate{Key: b.Device(), Loss: view.BlobLoss(p, size, false), Word: "delete"}); err != nil {
		return nil, err
	}
	if err := b.Delete(ctx, p); err != nil {
		return nil, err
	}
	free := b.Free()
	return view.BlobChanged{Device: b.Device(), Action: view.BlobDeleted, Passkey: &p, Blobs: 1, Stored: size, Free: &free}, nil
}

func (a *app) blobCollectCommand() *cobra.Command {
	return &cobra.Command{
		Use: "collect", Short: "Delete the large blobs of passkeys that are gone", Args: cobra.NoArgs,
		Long: "Delete the large blobs that no passkey on the key opens: a passkey that is deleted leaves its blob behind. Says how many\n" +
			"there are and wants the word collect typed, or --yes. What is no blob by the standard is left alone.",
		Example: "  touchstone blob collect\n  touchstone --yes --pin-stdin blob collect < pin",
		RunE:    func(c *cobra.Command, _ []string) error { return a.changeBlobs(c.Context(), a.blobCollect) },
	}
}

func (a *app) blobCollect(ctx context.Context, b *manage.Blobs) (view.Result, error) {
	n, size := b.Orphans()
	if n > 0 {
		if err := a.confirm(ctx, gate{Key: b.Device(), Loss: view.OrphanLoss(n, size), Word: "collect"}); err != nil {
			return nil, err
		}
		if err := b.Collect(ctx); err != nil {
			return nil, err
		}
	}
	free := b.Free()
	return view.BlobChanged{Device: b.Device(), Action: view.BlobCollected, Blobs: n, Stored: size, Free: &free}, nil
}
