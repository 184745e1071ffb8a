package ctaphid

import (
	"bytes"
	"context"
	"encoding/binary"
	"fmt"
	"sync"
	"testing"

	"github.com/touchstone-fido/touchstone/internal/leftover"
)

func TestMain(m *testing.M) { leftover.Main(m) }

// reports cuts a message into 64-byte reports.
func reports(cid ChannelID, cmd Command, payload []byte) [][]byte {
	cut, err := NewFragmenter(Message{CID: cid, Command: cmd, Payload: payload}, ReportSize)
	if err != nil {
		panic(err)
	}
	var all [][]byte
	for report := make([]byte, ReportSize); cut.Next(report); report = make([]byte, ReportSize) {
		all = append(all, report)
	}
	return all
}

// initPacket is one init packet with any length field.
func initPacket(cid ChannelID, cmd Command, length int, data ...byte) []byte {
	report := make([]byte, ReportSize)
	binary.BigEndian.PutUint32(report, uint32(cid))
	report[4] = byte(cmd) | 0x80
	binary.BigEndian.PutUint16(report[5:], uint16(length))
	copy(report[7:], data)
	return report
}

// contPacket is one continuation packet.
func contPacket(cid ChannelID, seq byte, data ...byte) []byte {
	report := make([]byte, ReportSize)
	binary.BigEndian.PutUint32(report, uint32(cid))
	report[4] = seq
	copy(report[5:], data)
	return report
}

// pattern is n bytes that begin with zero bytes and repeat late.
func pattern(n int) []byte {
	p := make([]byte, n)
	for i := range p {
		p[i] = byte(i / 3 * 7)
	}
	return p
}

// fakeChannel is the channel that a fakeKey hands out.
const fakeChannel ChannelID = 0x00000102

// fakeKey is a ReportConn whose answers the test decides on.
type fakeKey struct {
	// answer sees every message that the host sends. If it is nil, or returns
	// false, INIT is answered by the rules and CBOR with an echo.
	answer func(k *fakeKey, m Message) bool
	// writeErr, if not nil, is asked before every report.
	writeErr func(report []byte) error

	in     chan []byte
	gone   chan struct{}
	closed chan struct{}
	close  sync.Once
	asm    *Assembler

	mu  sync.Mutex
	log []string // "command channel" of the messages that came
}

func newFakeKey(answer func(k *fakeKey, m Message) bool) *fakeKey {
	return &fakeKey{
		answer: answer,
		in:     make(chan []byte, 1024),
		gone:   make(chan struct{}),
		closed: make(chan struct{}),
		asm:    NewAssembler(ReportSize),
	}
}

func (k *fakeKey) ReadReport(ctx context.Context, p []byte) (int, error) {
	select {
	case report := <-k.in:
		copy(p, report)
		return len(report), nil
	default:
	}
	select {
	case report := <-k.in:
		copy(p, report)
		return len(report), nil
	case <-ctx.Done():
		return 0, context.Cause(ctx)
	case <-k.gone:
		return 0, fmt.Errorf("fake: %w", ErrGone)
	case <-k.closed:
		return 0, fmt.Errorf("fake: %w", ErrClosed)
	}
}

func (k *fakeKey) WriteReport(ctx context.Context, p []byte) error {
	if k.writeErr != nil {
		if err := k.writeErr(p); err != nil {
			return err
		}
	}
	packet, err := ParsePacket(p)
	if err != nil {
		return err
	}
	if m, whole, _ := k.asm.Add(packet); whole {
		m.Payload = bytes.Clone(m.Payload)
		k.receive(m)
	}
	return ctx.Err()
}

func (k *fakeKey) receive(m Message) {
	k.mu.Lock()
	k.log = append(k.log, fmt.Sprint(m.Command, " ", m.CID))
	k.mu.Unlock()
	if k.answer != nil && k.answer(k, m) {
		return
	}
	switch m.Command {
	case CommandInit:
		k.send(reports(m.CID, CommandInit, initReply(m.Payload, fakeChannel))...)
	case CommandCBOR:
		k.send(reports(m.CID, CommandCBOR, m.Payload)...)
	}
}

func initReply(nonce []byte, id ChannelID) []byte {
	reply := append([]byte(nil), nonce...)
	reply = binary.BigEndian.AppendUint32(reply, uint32(id))
	return append(reply, 2, 5, 4, 3, byte(CapabilityCBOR|CapabilityWink))
}

func (k *fakeKey) send(reports ...[]byte) {
	for _, r := range reports {
		k.in <- r
	}
}

// heard returns the messages that came since the last call.
func (k *fakeKey) heard() []string {
	k.mu.Lock()
	defer k.mu.Unlock()
	log := k.log
	k.log = nil
	return log
}

func (k *fakeKey) Close() error {
	k.close.Do(func() { close(k.closed) })
	return nil
}

func mustOpen(t testing.TB, conn ReportConn, cfg Config) *Channel {
	t.Helper()
	c, err := Open(context.Background(), conn, cfg)
	if err != nil {
		t.Fatal(err)
	}
	return c
}

// handlerFunc is a Handler without MSG and WINK.
type handlerFunc func(ctx context.Context, msg []byte, keepalive func(byte)) []byte

func (f handlerFunc) Message(ctx context.Context, msg []byte, keepalive func(byte)) []byte {
	return f(ctx, msg, keepalive)
}

// echo answers with the message.
var echo = handlerFunc(func(_ context.Context, msg []byte, _ func(byte)) []byte { return msg })

// touchWait asks for a touch and gets none.
var touchWait = handlerFunc(func(ctx context.Context, _ []byte, keepalive func(byte)) []byte {
	keepalive(2)
	<-ctx.Done()
	return []byte{0x2d}
})

// byCommand waits for a touch on message 0x0b and echoes others.
var byCommand = handlerFunc(func(ctx context.Context, msg []byte, keepalive func(byte)) []byte {
	if msg[0] == 0x0b {
		return touchWait(ctx, msg, keepalive)
	}
	return msg
})
