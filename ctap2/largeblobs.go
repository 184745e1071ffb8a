package ctap2

import (
	"context"
	"crypto/sha256"
	"encoding/binary"
	"errors"
	"fmt"

	"github.com/touchstone-fido/touchstone/ctap2/largeblob"
	"github.com/touchstone-fido/touchstone/ctap2/pinuv"
)

// fragmentOverhead is what a message has room for beside a fragment, in bytes
// (CTAP 2.3 §6.10.2).
const fragmentOverhead = 64

// maxMessage is the longest message in bytes that any transport carries (CTAP 2.3
// §11.2.4). A maxMsgSize beyond it is not to be believed.
const maxMessage = 7609

// maxLargeBlobArray bounds what a hostile authenticator can make a platform
// read, in bytes. No key stores as much.
const maxLargeBlobArray = 1 << 20

// largeBlobsRequest holds the parameters of authenticatorLargeBlobs (CTAP 2.3
// §6.10.2). Either Get or Set is set.
type largeBlobsRequest struct {
	Get            uint           `cbor:"1,keyasint,omitempty"`
	Set            []byte         `cbor:"2,keyasint,omitempty"`
	Offset         uint           `cbor:"3,keyasint"`
	Length         uint           `cbor:"4,keyasint,omitempty"`
	PINUVAuthParam []byte         `cbor:"5,keyasint,omitempty"`
	Protocol       pinuv.Protocol `cbor:"6,keyasint,omitempty"`
}

type largeBlobsResponse struct {
	Config []byte `cbor:"1,keyasint"`
}

// checkLargeBlobKey refuses a largeBlobKey that is neither absent nor of the one
// size that there is.
func checkLargeBlobKey(key []byte) error {
	if n := len(key); n != 0 && n != largeblob.KeySize {
		return fmt.Errorf("largeBlobKey of %d bytes, want %d", n, largeblob.KeySize)
	}
	return nil
}

// maxFragment is how many bytes of the array go into one message.
func (c *Client) maxFragment() int {
	limit := c.known().message
	if limit <= fragmentOverhead {
		limit = DefaultMaxMsgSize // not told, or nonsense
	}
	return int(min(limit, maxMessage)) - fragmentOverhead
}

// ReadLargeBlobArray reads the serialised large-blob array in as many fragments
// as it takes, for [largeblob.Parse] (CTAP 2.3 §6.10.2). It needs no token.
func (c *Client) ReadLargeBlobArray(ctx context.Context) ([]byte, error) {
	var array []byte
	for {
		fragment, err := c.readFragment(ctx, len(array))
		if err != nil {
			return nil, err
		}
		array = append(array, fragment...)
		// A fragment that is not full is the last; if the hash does not fit it
		// may be one of a key that sends less at a time, which is asked again.
		full := len(fragment) == c.maxFragment()
		if len(fragment) == 0 || !full && largeblob.Whole(array) {
			return array, nil
		}
		if len(array) > maxLargeBlobArray {
			k := call{command: CommandLargeBlobs}
			return nil, k.bad(fmt.Errorf("the array has no end after %d bytes", len(array)))
		}
	}
}

// readFragment reads what there is from offset on, up to one fragment. At the
// end it is empty; keys that refuse to read there are taken at their word.
func (c *Client) readFragment(ctx context.Context, offset int) ([]byte, error) {
	want := c.maxFragment()
	var resp largeBlobsResponse
	k := call{command: CommandLargeBlobs, subcommand: "get", result: &resp, optional: true}
	k.params = largeBlobsRequest{Get: uint(want), Offset: uint(offset)}
	_, err := c.do(ctx, k)
	if offset > 0 && errors.Is(err, StatusInvalidParameter) {
		return nil, nil
	}
	if err != nil {
		return nil, err
	}
	if len(resp.Config) > want {
		return nil, k.bad(fmt.Errorf("fragment of %d bytes, asked for %d", len(resp.Config), want))
	}
	return resp.Config, nil
}

// WriteLargeBlobArray replaces the serialised large-blob array, one of
// [largeblob.Serialize], in as many fragments as it takes (CTAP 2.3 §6.10.2).
// The token needs permission lbw and may be nil on an authenticator that has no
// user verification set up.
//
// The authenticator takes the new array over with its last fragment only: an
// error, or the end of ctx, leaves the old one. An array without its right hash
// is [largeblob.ErrDamaged] and not sent. [StatusLargeBlobStorageFull] says that
// there is no room for it.
func (c *Client) WriteLargeBlobArray(ctx context.Context, t *pinuv.Token, array []byte) error {
	if !largeblob.Whole(array) {
		return fmt.Errorf("write large-blob array: %w: %d bytes", largeblob.ErrDamaged, len(array))
	}
	size := c.maxFragment()
	for offset := 0; offset < len(array); offset += size {
		end := min(offset+size, len(array))
		r := largeBlobsRequest{Set: array[offset:end], Offset: uint(offset)}
		if offset == 0 {
			r.Length = uint(len(array))
		}
		r.authorize(t)
		k := call{command: CommandLargeBlobs, subcommand: "set", params: r}
		if _, err := c.do(ctx, k); err != nil {
			return err
		}
	}
	return nil
}

// authorize makes the pinUvAuthParam of a fragment: over 32 bytes of 0xff, the
// command and a zero byte, the offset in little endian and the fragment's hash.
func (r *largeBlobsRequest) authorize(t *pinuv.Token) {
	hash := sha256.Sum256(r.Set)
	place := binary.LittleEndian.AppendUint32([]byte{0}, uint32(r.Offset))
	r.Protocol, r.PINUVAuthParam = authorize(t, domain(CommandLargeBlobs), place, hash[:])
}

// LargeBlobs reads the large-blob array. An array whose hash does not fit counts
// as empty, as the standard says, and damaged tells it; what another program
// stored there is lost then.
func (c *Client) LargeBlobs(ctx context.Context) (array *largeblob.Array, damaged bool, err error) {
	serialized, err := c.ReadLargeBlobArray(ctx)
	if err != nil {
		return nil, false, err
	}
	array, err = largeblob.ParseArray(serialized)
	if errors.Is(err, largeblob.ErrDamaged) {
		return &largeblob.Array{}, true, nil
	}
	if err != nil {
		k := call{command: CommandLargeBlobs, subcommand: "get"}
		return nil, false, k.bad(err)
	}
	return array, false, nil
}

// ErrNotReplaced: a large-blob array was written and what is read back is
// another.
var ErrNotReplaced = errors.New("the large-blob array is not what was written")

// ChangeLargeBlobs reads the large-blob array, has change work on it, writes it
// back if it is another then, and reads it again to be sure ([ErrNotReplaced]).
// An error from change writes nothing and is returned. The token is as in
// [Client.WriteLargeBlobArray].
func (c *Client) ChangeLargeBlobs(ctx context.Context, t *pinuv.Token, change func(*largeblob.Array) error) error {
	array, _, err := c.LargeBlobs(ctx)
	if err != nil {
		return err
	}
	before := string(array.Bytes())
	if err := change(array); err != nil {
		return err
	}
	after := array.Bytes()
	if string(after) == before {
		return nil
	}
	if err := c.WriteLargeBlobArray(ctx, t, after); err != nil {
		return err
	}
	read, err := c.ReadLargeBlobArray(ctx)
	if err != nil {
		return err
	}
	if string(read) != string(after) {
		return ErrNotReplaced
	}
	return nil
}

// PutLargeBlob stores data under a credential's largeBlobKey, in place of what
// is there under it, in the way of [Client.ChangeLargeBlobs].
func (c *Client) PutLargeBlob(ctx context.Context, t *pinuv.Token, key, data []byte) error {
	return c.ChangeLargeBlobs(ctx, t, func(a *largeblob.Array) error { return a.Put(c.rand, key, data) })
}
