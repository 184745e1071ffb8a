package simulator

import (
	"bytes"
	"encoding/binary"
	"errors"
	"slices"
	"testing"

	"github.com/touchstone-fido/touchstone/ctaphid"
)

// FuzzFrames lets a peer send anything, in pieces of any size. What is read are
// the frames at the front of it, and the error says why there are no more.
func FuzzFrames(f *testing.F) {
	whole := frame(TCP, numbered(64))
	for _, seed := range [][]byte{nil, {0}, {0, 0}, {0xff, 0xff}, {0, 64}, {0, 65}, {0, 1, 7}, whole, whole[:65], slices.Concat(whole, whole, []byte{0, 0}), slices.Concat([]byte{0, 1, 7}, whole, whole[:3])} {
		f.Add(seed, byte(1))
		f.Add(seed, byte(64))
	}
	f.Fuzz(func(t *testing.T, data []byte, piece byte) {
		conn := newConn(&pieces{data: data, size: max(1, int(piece))}, TCP, "peer", mustComplete(t, Config{}))
		left, p := data, make([]byte, 64)
		n, err := conn.ReadReport(t.Context(), p)
		for ; err == nil; n, err = conn.ReadReport(t.Context(), p) {
			if want := frame(TCP, p[:n]); n == 0 || !bytes.HasPrefix(left, want) {
				t.Fatalf("read %x, where %x was sent", p[:n], left)
			}
			left = left[2+n:]
		}
		var wrong *FrameError
		switch {
		case errors.As(err, &wrong):
			if n := int(binary.BigEndian.Uint16(left)); n != wrong.Got || n > 0 && n <= 64 {
				t.Fatalf("%v, where %x was sent", err, left)
			}
		case !errors.Is(err, ctaphid.ErrGone) || len(left) >= 2 && len(left) >= 2+int(binary.BigEndian.Uint16(left)):
			t.Fatalf("%v, where %x was sent", err, left)
		}
	})
}
