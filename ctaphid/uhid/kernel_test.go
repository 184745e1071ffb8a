package uhid

import (
	"context"
	"encoding/binary"
	"errors"
	"io/fs"
	"sync"
	"testing"

	"github.com/touchstone-fido/touchstone/ctaphid"
)

// kernel is the other end of a node: one write is one event, and so is one read.
type kernel struct {
	says   chan []byte
	told   chan []byte
	refuse error // of writes
	closed chan struct{}
	close  sync.Once
}

func newKernel() *kernel {
	return &kernel{says: make(chan []byte, 1), told: make(chan []byte, 4096), closed: make(chan struct{})}
}

func (k *kernel) Read(p []byte) (int, error) {
	select {
	case event := <-k.says:
		return copy(p, event), nil
	case <-k.closed:
		return 0, fs.ErrClosed
	}
}

func (k *kernel) Write(p []byte) (int, error) {
	select {
	case <-k.closed:
		return 0, fs.ErrClosed
	default:
	}
	if k.refuse != nil {
		return 0, k.refuse
	}
	k.told <- append([]byte(nil), p...)
	return len(p), nil
}

func (k *kernel) Close() error {
	k.close.Do(func() { close(k.closed) })
	return nil
}

// next is the next event that the kernel was told.
func (k *kernel) next(t *testing.T) []byte {
	t.Helper()
	ctx, stop := context.WithTimeout(t.Context(), limit)
	defer stop()
	select {
	case event := <-k.told:
		return event
	case <-ctx.Done():
		t.Fatal("the kernel is told nothing")
		return nil
	}
}

// output is UHID_OUTPUT, with all of the structure.
func output(kind byte, data ...byte) []byte {
	b := make([]byte, outputKind+1)
	binary.NativeEndian.PutUint32(b, typeOutput)
	copy(b[outputData:], data)
	binary.NativeEndian.PutUint16(b[outputSize:], uint16(len(data)))
	b[outputKind] = kind
	return b
}

// setReport is UHID_SET_REPORT.
func setReport(id uint32, kind byte, data ...byte) []byte {
	b := make([]byte, setData, setData+len(data))
	binary.NativeEndian.PutUint32(b, typeSetReport)
	binary.NativeEndian.PutUint32(b[requestID:], id)
	b[requestKind] = kind
	binary.NativeEndian.PutUint16(b[setSize:], uint16(len(data)))
	return append(b, data...)
}

func getReport(id uint32) []byte {
	b := binary.NativeEndian.AppendUint32(nil, typeGetReport)
	return binary.NativeEndian.AppendUint32(b, id)
}

func plain(kind uint32) []byte { return binary.NativeEndian.AppendUint32(nil, kind) }

// host speaks with the key as a program does that has opened the hidraw node:
// what it writes begins with the number of the report, which is zero.
type host struct{ *kernel }

var _ ctaphid.ReportConn = host{}

func (h host) ReadReport(ctx context.Context, p []byte) (int, error) {
	select {
	case event := <-h.told:
		if kind := binary.NativeEndian.Uint32(event); kind != typeInput2 {
			return 0, errors.New("not an input report")
		}
		n := binary.NativeEndian.Uint16(event[inputSize:])
		return copy(p, event[inputData:][:n]), nil
	case <-ctx.Done():
		return 0, context.Cause(ctx)
	}
}

func (h host) WriteReport(_ context.Context, p []byte) error {
	h.says <- output(kindOutput, append([]byte{0}, p...)...)
	return nil
}
