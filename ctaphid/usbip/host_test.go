package usbip

import (
	"context"
	"encoding/binary"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"net"
	"strings"
	"testing"

	"github.com/touchstone-fido/touchstone/ctaphid"
)

// touchKey is an authenticator that answers a message with itself, and that
// waits for a touch that never comes when a message says so.
type touchKey struct {
	cycles  int
	waiting chan struct{}
}

const cmdTouch = 0x11

func (k *touchKey) Message(ctx context.Context, msg []byte, keepalive func(byte)) []byte {
	if msg[0] != cmdTouch {
		return msg
	}
	keepalive(2)
	close(k.waiting)
	<-ctx.Done()
	return []byte{0x2D}
}

func (k *touchKey) PowerCycle() { k.cycles++ }

// host is the kernel's end of a stream, which a test drives step by step.
type host struct {
	t       testing.TB
	conn    io.ReadWriteCloser
	seq     uint32
	replies chan reply // closed at the end of the stream
}

// reply is RET_SUBMIT or RET_UNLINK. In the text form of a test it is
// "submit 3: 0, 18 1201...".
type reply struct {
	command, seq uint32
	status       int32
	moved        uint32
	data         []byte
}

func (r reply) String() string {
	if r.command == retUnlink {
		return fmt.Sprintf("unlink %d: %d", r.seq, r.status)
	}
	return strings.TrimSpace(fmt.Sprintf("submit %d: %d, %d %x", r.seq, r.status, r.moved, r.data))
}

func newHost(t testing.TB, conn io.ReadWriteCloser) *host {
	h := &host{t: t, conn: conn, replies: make(chan reply, 1024)}
	go h.read()
	return h
}

// numbers of transfers IN are odd, those OUT even, so that the reader knows
// which ones bring data.
func (h *host) number(in bool) uint32 {
	h.seq++
	if in != (h.seq%2 == 1) {
		h.seq++
	}
	return h.seq
}

func (h *host) read() {
	defer close(h.replies)
	for {
		var b [headerSize]byte
		if _, err := io.ReadFull(h.conn, b[:]); err != nil {
			return
		}
		r := reply{
			command: binary.BigEndian.Uint32(b[0:]), seq: binary.BigEndian.Uint32(b[4:]),
			status: int32(binary.BigEndian.Uint32(b[20:])),
		}
		if r.command == retSubmit {
			r.moved = binary.BigEndian.Uint32(b[24:])
		}
		if r.command == retSubmit && r.seq%2 == 1 {
			r.data = make([]byte, r.moved)
			if _, err := io.ReadFull(h.conn, r.data); err != nil {
				return
			}
		}
		h.replies <- r
	}
}

// submit sends CMD_SUBMIT and returns its number.
func (h *host) submit(in bool, endpoint, length int, setup, data []byte) uint32 {
	h.t.Helper()
	seq := h.number(in)
	h.write(submitCommand(seq, in, endpoint, length, setup, data))
	return seq
}

func submitCommand(seq uint32, in bool, endpoint, length int, setup, data []byte) []byte {
	b := make([]byte, headerSize, headerSize+len(data))
	binary.BigEndian.PutUint32(b[0:], cmdSubmit)
	binary.BigEndian.PutUint32(b[4:], seq)
	binary.BigEndian.PutUint32(b[8:], 1<<16|1)
	if in {
		binary.BigEndian.PutUint32(b[12:], 1)
	}
	binary.BigEndian.PutUint32(b[16:], uint32(endpoint))
	binary.BigEndian.PutUint32(b[24:], uint32(length))
	copy(b[40:], setup)
	return append(b, data...)
}

func unlinkCommand(seq, victim uint32) []byte {
	b := make([]byte, headerSize)
	binary.BigEndian.PutUint32(b[0:], cmdUnlink)
	binary.BigEndian.PutUint32(b[4:], seq)
	binary.BigEndian.PutUint32(b[20:], victim)
	return b
}

func (h *host) unlink(victim uint32) uint32 {
	h.t.Helper()
	seq := h.number(false)
	h.write(unlinkCommand(seq, victim))
	return seq
}

func (h *host) write(b []byte) {
	h.t.Helper()
	if _, err := h.conn.Write(b); err != nil {
		h.t.Fatal(err)
	}
}

// next is the next reply.
func (h *host) next() reply {
	h.t.Helper()
	r, ok := <-h.replies
	if !ok {
		h.t.Fatal("the stream ended")
	}
	return r
}

// control makes a control request, its setup packet in hex, and returns the
// answer in hex, "stall", or for a request OUT "" .
func (h *host) control(setup string, data ...byte) string {
	h.t.Helper()
	b := unhex(h.t, setup)
	in := b[0]&0x80 != 0
	length := int(binary.LittleEndian.Uint16(b[6:]))
	seq := h.submit(in, 0, length, b, data)
	switch r := h.next(); {
	case r.command != retSubmit || r.seq != seq:
		h.t.Fatalf("%s was answered with %v", setup, r)
	case r.status == statusStall && r.moved == 0:
		return "stall"
	case r.status != statusDone || !in && int(r.moved) != length:
		h.t.Fatalf("%s was answered with %v", setup, r)
	default:
		return hex.EncodeToString(r.data)
	}
	return ""
}

func unhex(t testing.TB, s string) []byte {
	t.Helper()
	b, err := hex.DecodeString(strings.ReplaceAll(s, " ", ""))
	if err != nil {
		t.Fatal(err)
	}
	return b
}

// bench is a device that is plugged into a host.
type bench struct {
	*host
	key    *touchKey
	hid    *ctaphid.Device
	device *Device
	served chan error
}

// plugIn makes a key and serves it. It must be called in a synctest bubble or
// be followed by end.
func plugIn(t testing.TB, ctx context.Context, cfg Config) *bench {
	b := &bench{key: &touchKey{waiting: make(chan struct{})}, served: make(chan error, 1)}
	b.hid = ctaphid.NewDevice(b.key, ctaphid.DeviceConfig{ReportSize: cfg.ReportSize})
	var err error
	if b.device, err = NewDevice(b.hid, cfg); err != nil {
		t.Fatal(err)
	}
	b.attach(t, ctx)
	return b
}

func (b *bench) attach(t testing.TB, ctx context.Context) {
	ours, theirs := net.Pipe()
	b.host = newHost(t, ours)
	go func() { b.served <- b.device.Serve(ctx, theirs) }()
}

// end hangs up and wants that to be the reason why the device left.
func (b *bench) end() {
	b.t.Helper()
	b.conn.Close()
	if err := <-b.served; err != nil {
		b.t.Errorf("served until %v", err)
	}
	for range b.replies {
	}
	if err := b.hid.Close(); err != nil {
		b.t.Error(err)
	}
}

// reports is the host's program: a connection on the FIDO interface, as the
// kernel's driver makes it.
type reports struct{ *bench }

// transfer makes a transfer on the FIDO interface and returns what it brings.
func (r reports) transfer(ctx context.Context, in bool, p []byte) ([]byte, error) {
	seq, data := r.number(in), p
	if in {
		data = nil
	}
	if _, err := r.conn.Write(submitCommand(seq, in, endpointFIDO, len(p), nil, data)); err != nil {
		return nil, fmt.Errorf("%w: %w", ctaphid.ErrGone, err)
	}
	select {
	case got, ok := <-r.replies:
		switch {
		case !ok:
			return nil, ctaphid.ErrGone
		case got.seq != seq || got.status != statusDone || int(got.moved) != len(p):
			return nil, errors.New(got.String())
		}
		return got.data, nil
	case <-ctx.Done():
		return nil, context.Cause(ctx)
	}
}

func (r reports) WriteReport(ctx context.Context, p []byte) error {
	_, err := r.transfer(ctx, false, p)
	return err
}

func (r reports) ReadReport(ctx context.Context, p []byte) (int, error) {
	data, err := r.transfer(ctx, true, p)
	return copy(p, data), err
}

func (r reports) Close() error { return nil }

// pattern is n bytes that differ from their neighbours.
func pattern(n int) []byte {
	b := make([]byte, n)
	for i := range b {
		b[i] = byte(i*7 + i>>8)
	}
	return b
}
