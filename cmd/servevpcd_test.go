package cmd_test

import (
	"context"
	"encoding/binary"
	"fmt"
	"io"
	"net"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/touchstone-fido/touchstone/cmd"
	"github.com/touchstone-fido/touchstone/cmd/internal/term"
	"github.com/touchstone-fido/touchstone/nfc/vpcd"
)

// slotOf is a virtual reader, as the driver of vsmartcard-vpcd is one.
type slotOf struct {
	t    *testing.T
	l    net.Listener
	conn net.Conn
}

func newSlot(t *testing.T) *slotOf {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { l.Close() })
	return &slotOf{t: t, l: l}
}

// insert waits for a card and gives it power.
func (s *slotOf) insert() {
	s.t.Helper()
	conn, err := s.l.Accept()
	if err != nil {
		s.t.Fatal(err)
	}
	s.t.Cleanup(func() { conn.Close() })
	if err := conn.SetDeadline(time.Now().Add(startLimit)); err != nil {
		s.t.Fatal(err)
	}
	s.conn = conn
	s.send([]byte{1})
}

func (s *slotOf) send(frame []byte) {
	s.t.Helper()
	if _, err := s.conn.Write(append(binary.BigEndian.AppendUint16(nil, uint16(len(frame))), frame...)); err != nil {
		s.t.Fatal(err)
	}
}

// ask sends a frame and returns what the card answers, as hex.
func (s *slotOf) ask(frame ...byte) string {
	s.t.Helper()
	s.send(frame)
	var length [2]byte
	if _, err := io.ReadFull(s.conn, length[:]); err != nil {
		return err.Error()
	}
	b := make([]byte, binary.BigEndian.Uint16(length[:]))
	if _, err := io.ReadFull(s.conn, b); err != nil {
		return err.Error()
	}
	return fmt.Sprintf("%x", b)
}

// begin serves in this process, until the reader or the test ends.
func (s *slotOf) begin(args ...string) (done <-chan int, errs fmt.Stringer) {
	s.t.Helper()
	ctx, stop := context.WithCancel(s.t.Context())
	streams, _, stderr := term.Test("")
	ended := make(chan int, 1)
	args = append([]string{"virtual", "serve", "--address", s.l.Addr().String()}, args...)
	go func() { ended <- cmd.Run(ctx, streams, args) }()
	s.t.Cleanup(stop)
	return ended, stderr
}

var selectFIDO = []byte{0x00, 0xa4, 0x04, 0x00, 8, 0xa0, 0, 0, 6, 0x47, 0x2f, 0, 1, 0}

// TestServeCard: a software key is the card, and the reader's end is the end.
func TestServeCard(t *testing.T) {
	s := newSlot(t)
	done, errs := s.begin("vpcd")
	s.insert()
	if got, want := s.ask(4), fmt.Sprintf("%x", vpcd.DefaultATR()); got != want {
		t.Errorf("ATR %s, want %s", got, want)
	}
	if got, want := s.ask(selectFIDO...), "5532465f56329000"; got != want {
		t.Errorf("SELECT is answered %s, want %s", got, want)
	}
	s.conn.Close()
	if exit := <-done; exit != 0 {
		t.Errorf("exit status %d\n%s", exit, errs)
	}
}

// TestServeCardTape: a tape is the card, with its own ATR, and strict.
func TestServeCardTape(t *testing.T) {
	const tape = `{"touchstone":1,"transport":"nfc","device":{},"atr":"3b8001"}
{"t_us":1,"dir":"out","hex":"00a4040008a0000006472f000100"}
{"t_us":2,"dir":"in","hex":"4649444f5f325f309000"}
{"t_us":3,"dir":"out","hex":"80108000010400"}
{"t_us":4,"dir":"in","hex":"006a9000"}
`
	file := filepath.Join(t.TempDir(), "card.jsonl")
	if err := os.WriteFile(file, []byte(tape), 0o600); err != nil {
		t.Fatal(err)
	}
	for _, c := range []struct {
		asks []byte
		exit int
		told string
	}{
		{[]byte{0x80, 0x10, 0x80, 0, 1, 4, 0}, 0, ""},
		{[]byte{0x80, 0x10, 0x80, 0, 1, 6, 0}, 1, "card.jsonl line 4: asked for NFCCTAP_MSG authenticatorClientPIN, the tape has NFCCTAP_MSG authenticatorGetInfo"},
		{nil, 1, "(1 requests) were not played"},
	} {
		s := newSlot(t)
		done, errs := s.begin("vpcd", "--tape", file)
		s.insert()
		if got := s.ask(4); got != "3b8001" {
			t.Errorf("ATR %s", got)
		}
		if got := s.ask(selectFIDO...); got != "4649444f5f325f309000" {
			t.Errorf("SELECT is answered %s", got)
		}
		if c.asks != nil {
			s.ask(c.asks...)
		}
		s.conn.Close()
		if exit := <-done; exit != c.exit || !strings.Contains(errs.String(), c.told) {
			t.Errorf("%x: exit status %d\n%s", c.asks, exit, errs)
		}
	}
}
