package usbip

import (
	"bytes"
	"context"
	"encoding/binary"
	"errors"
	"io"
	"net"
	"slices"
	"testing"

	"github.com/touchstone-fido/touchstone/ctaphid"
)

// echoKey reports what is written to it, and forgets what nobody reads.
type echoKey chan []byte

func (k echoKey) Connect() ctaphid.ReportConn { return k }
func (k echoKey) Close() error                { return nil }

func (k echoKey) WriteReport(_ context.Context, p []byte) error {
	select {
	case k <- bytes.Clone(p):
	default:
	}
	return nil
}

func (k echoKey) ReadReport(ctx context.Context, p []byte) (int, error) {
	select {
	case report := <-k:
		return copy(p, report), nil
	case <-ctx.Done():
		return 0, context.Cause(ctx)
	}
}

// tape is a host that has said all it will say, and keeps what it hears.
type tape struct {
	io.Reader
	heard bytes.Buffer
}

func (t *tape) Write(p []byte) (int, error) { return t.heard.Write(p) }
func (t *tape) Close() error                { return nil }

// FuzzStream: whatever a host sends, Serve comes to an end with a typed error or
// none, and what it sent is whole messages, one for each command at most.
func FuzzStream(f *testing.F) {
	get := submitCommand(1, true, 0, 18, []byte{0x80, 6, 0, 1, 0, 0, 18, 0}, nil)
	out := submitCommand(2, false, endpointFIDO, 64, nil, initialise(1))
	in := submitCommand(3, true, endpointFIDO, 64, nil, nil)
	set := submitCommand(4, false, 0, 64, []byte{0x21, 9, 0, 2, 1, 0, 64, 0}, initialise(2))
	key := submitCommand(5, true, endpointKeyboard, 8, nil, nil)
	f.Add(slices.Concat(get, out, in, set, key, unlinkCommand(6, 5), unlinkCommand(7, 3)), true)
	f.Add(slices.Concat(in, in, out, out, unlinkCommand(6, 3)), false)
	f.Add(slices.Concat(key, key), false)
	f.Add(submitCommand(7, true, endpointFIDO|directionIn, 64, nil, nil), false)
	f.Add(submitCommand(8, true, endpointFIDO, -1, nil, nil), false)
	for s := range answers {
		f.Add(submitCommand(9, s[0]&0x80 != 0, 0, 0, []byte{s[0], s[1], 0, 0, 1, 0, 0, 0}, nil), true)
	}
	f.Fuzz(func(t *testing.T, stream []byte, keyboard bool) {
		d, err := NewDevice(make(echoKey, 4), Config{Product: "key", Keyboard: keyboard, Pace: -1})
		if err != nil {
			t.Fatal(err)
		}
		host := &tape{Reader: bytes.NewReader(stream)}
		err = d.Serve(t.Context(), host)
		if err != nil && !errors.Is(err, ErrProtocol) && !errors.Is(err, io.ErrUnexpectedEOF) {
			t.Errorf("served until %v", err)
		}
		checkReplies(t, stream, host.heard.Bytes())
	})
}

// checkReplies reads both halves of a stream by itself.
func checkReplies(t *testing.T, stream, heard []byte) {
	commands := map[uint32][]bool{} // the directions of the transfers of a number, true for IN
	for r := (&urbReader{r: bytes.NewReader(stream)}); ; {
		u, err := r.next()
		if err != nil {
			break
		}
		commands[u.seq] = append(commands[u.seq], u.in && !u.unlink)
	}
	for len(heard) > 0 {
		if len(heard) < headerSize {
			t.Fatalf("a message of %d bytes", len(heard))
		}
		h := heard[:headerSize]
		seq, moved := binary.BigEndian.Uint32(h[4:]), binary.BigEndian.Uint32(h[24:])
		if len(commands[seq]) == 0 {
			t.Fatalf("an answer to %d, which is no command or has had one", seq)
		}
		heard = heard[headerSize:]
		switch in := slices.Contains(commands[seq], true); {
		case len(commands[seq]) > 1 && in: // a number used twice: who knows which one this is
			return
		case in && int(moved) > len(heard):
			t.Fatalf("%d bytes announced, %d there", moved, len(heard))
		case in:
			heard = heard[moved:]
		}
		commands[seq] = commands[seq][1:]
	}
}

// FuzzHandshake: whatever a host says, it gets whole replies and at most one
// device, which is there for others when it has left.
func FuzzHandshake(f *testing.F) {
	list := []byte{0x01, 0x11, 0x80, 0x05, 0, 0, 0, 0}
	f.Add(list)
	f.Add(slices.Concat(list, list, importRequest("1-1")))
	f.Add(slices.Concat(importRequest("1-1"), submitCommand(1, true, 0, 18, []byte{0x80, 6, 0, 1, 0, 0, 18, 0}, nil)))
	f.Add(importRequest("1-2"))
	f.Add([]byte{0x01, 0x06, 0x80, 0x05, 0, 0, 0, 0})
	f.Fuzz(func(t *testing.T, stream []byte) {
		d, err := NewDevice(make(echoKey, 4), Config{Pace: -1})
		if err != nil {
			t.Fatal(err)
		}
		s := &Server{}
		if err := s.Add("1-1", d); err != nil {
			t.Fatal(err)
		}
		ours, theirs := net.Pipe()
		done := make(chan struct{})
		go func() {
			defer close(done)
			s.host(t.Context(), theirs, func() {})
		}()
		go func() {
			ours.Write(stream) // as far as they listen
			ours.Close()
		}()
		io.Copy(io.Discard, ours)
		<-done
		if !d.claim() {
			t.Error("the device stays attached")
		}
	})
}

// FuzzPorts: whatever a status file says, its ports are numbers that it has.
func FuzzPorts(f *testing.F) {
	f.Add("hub port sta spd dev      sockfd local_busid\nhs  0000 004 000 00000000 000000 0-0\nss  0008 004 000 00000000 000000 0-0\n")
	f.Add("prt sta spd bus dev socket local_busid\n000 004 000 000 000 00000000 0-0\n")
	f.Add("")
	f.Fuzz(func(t *testing.T, status string) {
		ports, err := parsePorts(status)
		if err != nil && ports != nil {
			t.Errorf("%v and %v", ports, err)
		}
		for _, p := range ports {
			if p < 0 || p > 0xffff {
				t.Errorf("port %d", p)
			}
		}
	})
}
