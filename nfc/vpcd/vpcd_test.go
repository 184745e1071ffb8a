package vpcd

import (
	"bytes"
	"context"
	"encoding/binary"
	"encoding/hex"
	"errors"
	"io"
	"net"
	"slices"
	"testing"
	"testing/synctest"

	"github.com/touchstone-fido/touchstone/nfc"
)

var _ CardDevice = (*nfc.Emulator)(nil)

// device is a card that notes what happens to it and answers with answer.
type device struct {
	log    []string
	answer []byte
	err    error
}

func (d *device) Transmit(_ context.Context, apdu []byte) ([]byte, error) {
	d.log = append(d.log, hex.EncodeToString(apdu))
	return d.answer, d.err
}

func (d *device) Reset() { d.log = append(d.log, "reset") }

// powered is a device that sees the power go.
type powered struct{ device }

func (d *powered) PowerOff() { d.log = append(d.log, "off") }

// reader is the driver's end of a connection to a card being served.
type reader struct {
	t      testing.TB
	conn   net.Conn
	served chan error
}

func serve(t testing.TB, ctx context.Context, card CardDevice, atr []byte) reader {
	ours, theirs := net.Pipe()
	r := reader{t, ours, make(chan error, 1)}
	go func() { r.served <- Serve(ctx, theirs, card, atr) }()
	t.Cleanup(func() { ours.Close() })
	return r
}

func frame(data ...byte) []byte {
	return append(binary.BigEndian.AppendUint16(nil, uint16(len(data))), data...)
}

func (r reader) send(data ...byte) {
	r.t.Helper()
	if _, err := r.conn.Write(frame(data...)); err != nil {
		r.t.Fatal(err)
	}
}

func (r reader) receive() []byte {
	r.t.Helper()
	length := make([]byte, 2)
	if _, err := io.ReadFull(r.conn, length); err != nil {
		r.t.Fatal(err)
	}
	data := make([]byte, binary.BigEndian.Uint16(length))
	if _, err := io.ReadFull(r.conn, data); err != nil {
		r.t.Fatal(err)
	}
	return data
}

func TestServeATR(t *testing.T) {
	for _, atr := range [][]byte{nil, {0x3B, 0x00}} {
		r := serve(t, t.Context(), &device{}, atr)
		if atr == nil {
			atr = DefaultATR()
		}
		for range 3 {
			r.send(getATR)
			if got := r.receive(); !bytes.Equal(got, atr) {
				t.Errorf("ATR %x, want %x", got, atr)
			}
		}
	}
}

// Each power cycle is one reset, however it is asked for.
func TestServePower(t *testing.T) {
	const apdu = 0xA0
	for name, c := range map[string]struct {
		frames []byte
		want   []string
	}{
		"on":              {[]byte{powerOn, apdu}, []string{"reset", "a0a0", "off"}},
		"off and on":      {[]byte{powerOn, powerOff, powerOn, apdu}, []string{"reset", "off", "reset", "a0a0", "off"}},
		"off at first":    {[]byte{powerOff, powerOn}, []string{"reset", "off"}},
		"off twice":       {[]byte{powerOn, powerOff, powerOff}, []string{"reset", "off"}},
		"reset":           {[]byte{powerOn, apdu, reset, apdu}, []string{"reset", "a0a0", "reset", "a0a0", "off"}},
		"off and reset":   {[]byte{powerOn, powerOff, reset, apdu}, []string{"reset", "off", "reset", "a0a0", "off"}},
		"off and command": {[]byte{powerOn, powerOff, apdu, apdu}, []string{"reset", "off", "reset", "a0a0", "a0a0", "off"}},
		"never on":        {[]byte{apdu}, []string{"reset", "a0a0", "off"}},
		"ATR in the dark": {[]byte{powerOff, getATR}, nil},
		"one odd byte":    {[]byte{3}, []string{"reset", "03", "off"}}, // a program's nonsense, which wants an answer
	} {
		t.Run(name, func(t *testing.T) {
			for _, sees := range []bool{true, false} {
				card := &powered{device{answer: []byte{0x90, 0x00}}}
				var d CardDevice = card
				want := c.want
				if !sees {
					d = &card.device
					want = slices.DeleteFunc(slices.Clone(want), func(s string) bool { return s == "off" })
				}
				r := serve(t, t.Context(), d, nil)
				for _, b := range c.frames {
					switch b {
					case apdu:
						r.send(apdu, apdu)
						r.receive()
					default:
						r.send(b)
						if b > reset {
							r.receive()
						}
					}
				}
				r.conn.Close()
				if err := <-r.served; err != nil {
					t.Error(err)
				}
				if !slices.Equal(card.log, want) {
					t.Errorf("the card saw %q, want %q", card.log, want)
				}
			}
		})
	}
}

func TestServeEnds(t *testing.T) {
	cause := errors.New("called off")
	for name, c := range map[string]struct {
		send []byte
		card device
		want error
	}{
		"at once":         {nil, device{}, nil},
		"length cut":      {[]byte{0}, device{}, io.ErrUnexpectedEOF},
		"frame cut":       {[]byte{0, 5, 1, 2}, device{}, io.ErrUnexpectedEOF},
		"no frame":        {[]byte{0, 5}, device{}, io.ErrUnexpectedEOF},
		"longest cut":     {[]byte{0xFF, 0xFF, 1}, device{}, io.ErrUnexpectedEOF},
		"empty frame":     {[]byte{0, 0}, device{}, ErrFrame},
		"card gone":       {frame(0x80, 0x10), device{err: nfc.ErrGone}, nfc.ErrGone},
		"empty answer":    {frame(0x80, 0x10), device{}, ErrFrame},
		"answer too long": {frame(0x80, 0x10), device{answer: make([]byte, 65536)}, ErrFrame},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				r := serve(t, t.Context(), &c.card, nil)
				go io.Copy(io.Discard, r.conn)
				if _, err := r.conn.Write(c.send); err != nil {
					t.Fatal(err)
				}
				synctest.Wait()
				r.conn.Close()
				if err := <-r.served; !errors.Is(err, c.want) || (err == nil) != (c.want == nil) {
					t.Errorf("Serve said %v, want %v", err, c.want)
				}
			})
		})
	}
	synctest.Test(t, func(t *testing.T) {
		ctx, cancel := context.WithCancelCause(t.Context())
		r := serve(t, ctx, &device{}, nil)
		synctest.Wait()
		cancel(cause)
		if err := <-r.served; err != cause {
			t.Errorf("Serve said %v", err)
		}
		if _, err := r.conn.Read(make([]byte, 1)); err != io.EOF {
			t.Errorf("the connection is open: %v", err)
		}
	})
}

// key is an authenticator that answers with what it was sent.
type key struct{ cycles int }

func (*key) Message(_ context.Context, msg []byte, _ func(byte)) []byte {
	return append([]byte{0}, msg...)
}
func (k *key) PowerCycle() { k.cycles++ }

// loop is the other end of a served card as a card again: over TCP, in the two
// pieces in which the driver sends.
type loop struct{ reader }

func (l loop) Transmit(_ context.Context, apdu []byte) ([]byte, error) {
	whole := frame(apdu...)
	for _, piece := range [][]byte{whole[:2], whole[2:]} {
		if _, err := l.conn.Write(piece); err != nil {
			return nil, err
		}
	}
	return l.receive(), nil
}

func (l loop) Close() error { return l.conn.Close() }

func TestServeEmulator(t *testing.T) {
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer listener.Close()
	k := &key{}
	card := nfc.NewEmulator(k, nfc.EmulatorConfig{})
	defer card.Close()
	served := make(chan error, 1)
	go func() {
		conn, err := net.Dial("tcp", listener.Addr().String())
		if err == nil {
			err = Serve(t.Context(), conn, card, nil)
		}
		served <- err
	}()
	conn, err := listener.Accept()
	if err != nil {
		t.Fatal(err)
	}
	l := loop{reader{t, conn, served}}
	l.send(powerOff)
	l.send(powerOn)
	for _, encoding := range []nfc.Encoding{nfc.EncodingShort, nfc.EncodingExtended} {
		a, err := nfc.Open(t.Context(), l, nfc.Config{Encoding: encoding})
		if err != nil {
			t.Fatal(err)
		}
		answer, err := a.Exchange(t.Context(), make([]byte, 1000))
		if err != nil || len(answer) != 1001 {
			t.Errorf("%d bytes, %v", len(answer), err)
		}
	}
	l.conn.Close()
	if err := <-served; err != nil {
		t.Error(err)
	}
	if k.cycles != 1 {
		t.Errorf("%d power cycles", k.cycles)
	}
}

func TestATR(t *testing.T) {
	for historical, want := range map[string]string{
		"Touchstone":                      "3b8a8001546f75636873746f6e652d",
		"":                                "3b80800101",
		"\x80\x73\xC0\x21\xC0\x57YubiKey": "3b8d80018073c021c057597562694b6579f9", // a YubiKey 5 on an ACR122
	} {
		atr, err := ContactlessATR(historical)
		if got := hex.EncodeToString(atr); got != want || err != nil {
			t.Errorf("%q: %s, %v, want %s", historical, got, err, want)
		}
	}
	if _, err := ContactlessATR("more than 15 bytes"); err == nil {
		t.Error("18 historical bytes were taken")
	}
}

func TestContactATR(t *testing.T) {
	for p, want := range map[nfc.Protocol]string{nfc.ProtocolT0: "3b0480730000", nfc.ProtocolT1: "3b84018073000076"} {
		atr, err := ContactATR(p, []byte{0x80, 0x73, 0x00, 0x00})
		if got := hex.EncodeToString(atr); got != want || err != nil {
			t.Errorf("%v: %s, %v, want %s", p, got, err, want)
		}
	}
	if _, err := ContactATR(nfc.ProtocolT0, make([]byte, 16)); err == nil {
		t.Error("16 historical bytes were taken")
	}
	if _, err := ContactATR(nfc.ProtocolRaw, nil); err == nil {
		t.Error("an ATR of no protocol")
	}
}

// Whatever the reader sends, Serve ends when it hangs up, and what it has
// written by then is whole frames.
func FuzzServe(f *testing.F) {
	for _, seed := range [][]byte{nil, {0}, {0, 0}, {0xFF, 0xFF}, frame(powerOn), frame(powerOff), frame(getATR), frame(9),
		slices.Concat(frame(powerOn), frame(getATR), frame(0x00, 0xA4, 0x04, 0x00), frame(0x80, 0x10, 0x80, 0x00, 0x01, 0x04, 0x00), frame(reset))} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, input []byte) {
		card := nfc.NewEmulator(&key{}, nfc.EmulatorConfig{})
		defer card.Close()
		conn := &tape{in: bytes.NewReader(input)}
		_ = Serve(t.Context(), conn, card, nil)
		for out := conn.out.Bytes(); len(out) > 0; {
			if len(out) < 2 || len(out) < 2+int(binary.BigEndian.Uint16(out)) {
				t.Fatalf("half a frame: %x", out)
			}
			out = out[2+int(binary.BigEndian.Uint16(out)):]
		}
		if !conn.closed {
			t.Error("the connection was left open")
		}
	})
}

type tape struct {
	in     io.Reader
	out    bytes.Buffer
	closed bool
}

func (c *tape) Read(b []byte) (int, error)  { return c.in.Read(b) }
func (c *tape) Write(b []byte) (int, error) { return c.out.Write(b) }
func (c *tape) Close() error                { c.closed = true; return nil }
