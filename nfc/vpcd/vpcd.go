// Package vpcd plugs a software card into a virtual PC/SC reader: the card's
// end of the protocol that the vpcd driver of the vsmartcard project speaks,
// as packaged by Debian in vsmartcard-vpcd 3.3. Every PC/SC program on the
// machine then sees the card.
//
//	conn, err := net.Dial("tcp", vpcd.Addr)
//	card := nfc.NewEmulator(handler, nfc.EmulatorConfig{})
//	defer card.Close()
//	err = vpcd.Serve(ctx, conn, card, nil) // until the reader daemon stops
//
// On the wire is a 16-bit big-endian length and that many bytes, in both
// directions. One byte from the reader is a control code: 0 power off, 1 power
// on, 2 reset, 4 "tell me your ATR", the only one that is answered. More bytes
// are a command APDU, answered with the response APDU.
//
// The driver listens on all interfaces of the machine and asks nobody who he
// is: run the daemon where its port cannot be reached from outside.
package vpcd

import (
	"bufio"
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"math"
)

// Addr is where the driver waits for the card of its first reader, unless it
// was configured otherwise; the next port is its second reader's.
const Addr = "127.0.0.1:35963"

// ErrFrame says that the reader sent a frame that has no meaning, or that the
// card's response does not fit a frame.
var ErrFrame = errors.New("vpcd: bad frame")

// CardDevice is a card with a power supply, such as *nfc.Emulator. One that
// also has the method PowerOff() learns when the reader cuts the power;
// PowerOff is always followed by Reset before the next Transmit.
type CardDevice interface {
	// Transmit answers a command APDU. An error takes the card out of the
	// reader: Serve returns it.
	Transmit(ctx context.Context, apdu []byte) ([]byte, error)
	// Reset is a power cycle.
	Reset()
}

// The control codes.
const (
	powerOff = 0
	powerOn  = 1
	reset    = 2
	getATR   = 4
)

// Serve is the card in the reader at the other end of conn, until the reader
// hangs up (nil), ctx ends (its cause), the card leaves (its error) or the
// bytes make no sense ([ErrFrame]). It closes conn, which takes the card out.
// A nil atr stands for [DefaultATR].
//
// The card's Reset is called when the reader switches the power on and when it
// resets the card: once for an off and on, whichever way it is asked for. When
// Serve returns, the card is without power.
func Serve(ctx context.Context, conn io.ReadWriteCloser, card CardDevice, atr []byte) error {
	if atr == nil {
		atr = DefaultATR()
	}
	defer conn.Close()
	stop := context.AfterFunc(ctx, func() { conn.Close() })
	defer stop()
	s := &slot{ctx: ctx, in: bufio.NewReader(prompt(conn)), out: conn, card: card, atr: atr, off: true}
	defer s.powerOff()
	for {
		if err := s.step(); err != nil {
			return s.verdict(err)
		}
	}
}

// slot is one card in one reader.
type slot struct {
	ctx  context.Context
	in   *bufio.Reader
	out  io.Writer
	card CardDevice
	atr  []byte
	off  bool // there is no power: from the start, until the reader gives it
}

// verdict is what Serve says when step said err.
func (s *slot) verdict(err error) error {
	switch {
	case s.ctx.Err() != nil:
		return context.Cause(s.ctx)
	case err == io.EOF:
		return nil
	}
	return err
}

// step deals with one frame.
func (s *slot) step() error {
	frame, err := s.read()
	if err != nil {
		return err
	}
	if len(frame) == 1 {
		switch frame[0] {
		case powerOff:
			s.powerOff()
			return nil
		case powerOn, reset:
			s.off = false
			s.card.Reset()
			return nil
		case getATR:
			return s.write(s.atr)
		}
	}
	if s.off {
		s.off = false
		s.card.Reset()
	}
	response, err := s.card.Transmit(s.ctx, frame)
	if err != nil {
		return err
	}
	return s.write(response)
}

func (s *slot) powerOff() {
	if c, ok := s.card.(interface{ PowerOff() }); ok && !s.off {
		c.PowerOff()
	}
	s.off = true
}

// read reads one frame. io.EOF is the end between two frames.
func (s *slot) read() ([]byte, error) {
	var length [2]byte
	if _, err := io.ReadFull(s.in, length[:]); err != nil {
		return nil, err
	}
	n := binary.BigEndian.Uint16(length[:])
	if n == 0 {
		return nil, fmt.Errorf("%w: length 0", ErrFrame)
	}
	frame := make([]byte, n)
	if _, err := io.ReadFull(s.in, frame); err != nil {
		return nil, fmt.Errorf("vpcd: frame cut short: %w", noEOF(err))
	}
	return frame, nil
}

func noEOF(err error) error {
	if err == io.EOF {
		return io.ErrUnexpectedEOF
	}
	return err
}

// write sends one frame in one piece: two would wait for each other's
// acknowledgement.
func (s *slot) write(data []byte) error {
	if len(data) == 0 || len(data) > math.MaxUint16 {
		return fmt.Errorf("%w: %d bytes to send", ErrFrame, len(data))
	}
	frame := binary.BigEndian.AppendUint16(make([]byte, 0, 2+len(data)), uint16(len(data)))
	_, err := s.out.Write(append(frame, data...))
	return err
}
