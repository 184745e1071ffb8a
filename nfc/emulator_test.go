package nfc

import (
	"context"
	"errors"
	"strings"
	"testing"
	"testing/synctest"
	"time"
)

const (
	fidoVersion = "4649444f5f325f30"
	u2fVersion  = "5532465f5632"
)

// CTAP 2.3 §11.3.3.
func TestEmulatorSelect(t *testing.T) {
	for version, h := range map[string]Handler{fidoVersion: &fakeKey{}, u2fVersion: &fakeU2F{}} {
		newRaw(t, h, EmulatorConfig{}).expect(
			"00a4040008a0000006472f0001 -> "+version+"9000",
			"00a4040008a0000006472f000100 -> "+version+"9000",
			hexLe("00a4040008a0000006472f0001", len(version)/2)+" -> "+version+"9000",
			"00a40400000008a0000006472f00010000 -> "+version+"9000",
			"00a40400000008a0000006472f0001 -> "+version+"9000",
		)
	}
}

func hexLe(apdu string, n int) string {
	return apdu + string("0123456789"[n/10]) + string("0123456789"[n%10])
}

func TestEmulatorSelectOther(t *testing.T) {
	r := newRaw(t, &fakeKey{}, EmulatorConfig{})
	wrong := []string{
		"00a4040009a0000006472f0001ff00 -> 6a82", // more than the name
		"00a4040007a0000006472f0000 -> 6a82",     // less
		"00a4040008a000000308000010 -> 6a82",     // another
		"00a4040000 -> 6a82",                     // none
		"00a4000c023f00 -> 6a86",                 // a file
		"00a4040208a0000006472f000100 -> 6a86",   // the next occurrence
	}
	r.expect(wrong...)
	r.expect("80108000011000 -> 6986")
	r.selected().expect(wrong...)
	r.expect("80108000011000 -> 0010 9000") // still selected
}

// NFC-04, NFC-27, NFC-28.
func TestEmulatorNotSelected(t *testing.T) {
	r := newRaw(t, &fakeU2F{}, EmulatorConfig{})
	refused := []string{
		"80108000011000 -> 6986", "90108000011000 -> 6986", "8011000000 -> 6986", "80120100 -> 6986",
		"0003000000 -> 6986", "00c0000000 -> 6985", "80ff0000 -> 6d00", "a0100000 -> 6e00",
	}
	r.expect(refused...)
	r.selected().expect("80120100 -> 9000")
	r.expect(refused...)
	r.selected().expect("80108000011000 -> 0010 9000")
}

// NFC-34: the handler learns when a session has ended.
func TestEmulatorSessions(t *testing.T) {
	key := &fakeKey{}
	r := newRaw(t, key, EmulatorConfig{})
	for i, line := range []struct {
		apdu  string
		ended int
	}{
		{selectHex, 0}, {"80108000011000", 0}, {"00a4040001ff", 0}, {selectHex, 1},
		{"80120000", 1}, {"80120100", 2}, {"80120100", 2}, {selectHex, 2}, {"80120100", 3},
	} {
		r.send(line.apdu)
		if key.sessions != line.ended {
			t.Errorf("%d: after %s %d sessions have ended, want %d", i, line.apdu, key.sessions, line.ended)
		}
	}
}

// NFC-20 to NFC-22, and parameters.
func TestEmulatorRefusals(t *testing.T) {
	newRaw(t, &fakeKey{}, EmulatorConfig{}).selected().expect(
		"80130000 -> 6d00", "80aa000000 -> 6d00", "80aa000000000104 -> 6d00", "0001000000 -> 6d00",
		"ff100000 -> 6e00", "81100000 -> 6e00", "c0100000 -> 6e00", "9011000000 -> 6e00", "90120100 -> 6e00",
		" -> 6700", "801000 -> 6700", "8010800002 04 -> 6700", "80108000 000002 04 -> 6700", "8010800001 0404 00 -> 6700",
		"80108000 -> 6700", "8010800000 -> 6700", // no message in it
		"80108001 01 10 -> 6a86", "80100100 01 10 -> 6a86", "80108100 01 10 -> 6a86",
		"80110100 -> 6a86", "80110001 -> 6a86", "80110000 01 00 -> 6700",
		"80120000 -> 6a86", "80120101 -> 6a86", "80120100 01 00 -> 6700",
		"8011000000 -> 6985", "8011110000 -> 6985", // nothing pending
	)
}

func TestEmulatorShortOnly(t *testing.T) {
	newRaw(t, &fakeKey{}, EmulatorConfig{ShortOnly: true}).selected().expect(
		"80108000000001 10 0000 -> 6700",
		"80108000011000 -> 0010 9000")
}

func fill(n int) string { return strings.Repeat("00", n) }

// NFC-05 to NFC-09, NFC-11, NFC-12.
func TestEmulatorFragments(t *testing.T) {
	newRaw(t, &fakeKey{}, EmulatorConfig{}).selected().expect(
		"8010800003 14 00ff 00 -> "+fill(255)+"9000",
		"8010800003 14 0100 00 -> "+fill(256)+"9000",
		"8010800003 14 0101 00 -> "+fill(256)+"6101",
		"00c0000001 -> "+fill(1)+"9000",
		"8010800003 14 0200 -> "+fill(256)+"6100", // without Le
		"00c00000 -> "+fill(256)+"9000",
		"8010800003 14 0300 00 -> "+fill(256)+"6100",
		"80c0000000 -> "+fill(256)+"6100", // class 80 does too
		"00c0000000 -> "+fill(256)+"9000",
		"00c0000000 -> 6985",

		"8010800003 14 0014 05 -> "+fill(5)+"610f", // short Ne
		"00c0000003 -> "+fill(3)+"610c",
		"00c00000ff -> "+fill(12)+"9000",

		"80108000 000003 14 0400 0000 -> "+fill(1024)+"9000", // extended: whole
		"80108000 000003 14 0400 -> "+fill(1024)+"9000",
		"80108000 000003 14 0400 0300 -> "+fill(768)+"6100",
		"80108000 000003 14 0400 0010 -> "+fill(16)+"6100",
		"00c00000 000000 -> "+fill(1008)+"9000",

		"8010800003 14 0101 00 -> "+fill(256)+"6101",
		"00c00100 00 -> 6a86", // drops the rest, as any other command
		"00c0000000 -> 6985",
		"8010800003 14 0101 00 -> "+fill(256)+"6101",
		"8010800001 10 00 -> 00109000",
		"00c0000000 -> 6985",
		"8010800003 14 0000 00 -> 6f00", // a handler without an answer
	)
}

// NFC-13 to NFC-19.
func TestEmulatorChaining(t *testing.T) {
	r := newRaw(t, &fakeKey{}, EmulatorConfig{}).selected()
	echo := "8010800001 bb 00 -> 0010aabb 9000"
	r.expect(
		"9010800002 10aa -> 9000", echo,
		"9010000002 10aa -> 9000", echo, // the poll bit on the last part only
		"9010800001 10 00 -> 9000", "90108000 -> 9000", "90108000 000001aa -> 9000", echo,
		"9010800002 10aa -> 9000", "80108000 -> 0010aa 9000", // an empty last part
		"9010800002 10aa -> 9000", "8010800000 -> 0010aa 9000",
		"9010800002 10aa -> 9000", "80108000 000001bb 0000 -> 0010aabb 9000",
		"90108000 -> 9000", "80108000 -> 6700", // nothing but empty parts
	)
	for _, other := range []string{
		"80ff0000 -> 6d00", "00c0000000 -> 6985", "8011000000 -> 6985", "801080 -> 6700",
		"00a4040001ff -> 6a82", "00a4040008a0000006472f0001 -> " + fidoVersion + "9000", "90110000 -> 6e00",
		"90108100 01 ff -> 6a86", "ff000000 -> 6e00",
	} {
		r.expect("9010800001 ff -> 9000", other, "8010800002 10bb 00 -> 0010bb 9000")
	}
}

// NFC-18: what is too long is not kept, and is refused by CTAP itself.
func TestEmulatorTooLong(t *testing.T) {
	r := newRaw(t, &fakeKey{}, EmulatorConfig{MaxMessage: 300}).selected()
	for range 1000 {
		r.expect("90108000ff " + strings.Repeat("10", 255) + " -> 9000")
	}
	if n := cap(r.chain.Data); n > 1024 {
		t.Errorf("the emulator keeps %d bytes", n)
	}
	r.expect("8010800001 10 00 -> 39 9000")
	r.expect("80108000 00012d" + strings.Repeat("10", 301) + " -> 39 9000")
	r.expect("80108000 00012c" + strings.Repeat("10", 300) + " -> 00" + strings.Repeat("10", 300) + "9000")
}

// NFC-23 to NFC-26.
func TestEmulatorPending(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := newRaw(t, &fakeKey{}, EmulatorConfig{}).selected()
		start := time.Now()
		r.expect("8010000001 11 00 -> 00 9000") // no poll bit: no 9100
		if took := time.Since(start); took != userTakes {
			t.Errorf("answered after %v", took)
		}
		r.expect("8010800001 11 00 -> 02 9100", "8011000000 -> 02 9100",
			"8010800001 10 00 -> 6985", "9010800001 10 -> 6985", "0003000000 -> 6d00", "00a4040001ff -> 6a82",
			"8011000000 -> 02 9100")
		time.Sleep(userTakes)
		r.expect("8010800001 10 00 -> 6985", "8011000000 -> 00 9000", "8011000000 -> 6985")

		r.expect("8010800001 11 00 -> 02 9100", "8011110000 -> 2d 9000", "8011000000 -> 6985")
		r.expect("8010800001 12 00 -> 02 9100", "8011110000 -> 02 9100")
		time.Sleep(userTakes)
		r.expect("8011110000 -> 00 9000", "8011000000 -> 6985")

		for _, end := range []string{selectHex + " -> " + fidoVersion + "9000", "80120100 -> 9000"} {
			r.selected().expect("8010800001 11 00 -> 02 9100", end)
			r.selected().expect("8011000000 -> 6985", "8010800001 10 00 -> 0010 9000")
		}
	})
}

func TestEmulatorNoCancel(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := newRaw(t, &fakeKey{}, EmulatorConfig{NoCancel: true}).selected()
		r.expect("8010800001 11 00 -> 02 9100", "8011110000 -> 6a86", "8011000000 -> 02 9100")
	})
}

// NFC-30, NFC-31.
func TestEmulatorU2F(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		long := strings.Repeat("ab", 255)
		r := newRaw(t, &fakeU2F{}, EmulatorConfig{MaxMessage: 600}).selected()
		r.expect(
			"0003000000 -> 0003000000 9000",
			"0002070000 -> 6985",
			"0001000001 ff -> 0001000001ff 9000",
			"00aa0000 -> 00aa0000 9000", // the handler knows
			"0001000001 ff 05 -> 00010000016102", "00c0000000 -> ff05 9000",
			"1001000001 aa -> 9000", "0001000001 bb 00 -> 0001000002aabb00 9000",
			"10010000ff"+long+" -> 9000", "0001000001 bb -> 0001000000 0100"+long[:498]+"6107",
			"1001000001 aa -> 9000", "0002000001 bb -> 0002000001bb 9000", // another command: no chain
			"1001000001 aa -> 9000", "0001010001 bb -> 0001010001bb 9000", // other parameters
			"1001000001 aa -> 9000", "8010800001 10 00 -> 0010 9000",
			"10010000ff"+long+" -> 9000", "10010000ff"+long+" -> 9000", "00010000ff"+long+" -> 6700",
			"8010800001 13 00 -> 2e 9000",
			"8010800001 11 00 -> 02 9100", "0003000000 -> 6985",
		)
	})
}

func TestEmulatorReset(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		key := &fakeKey{}
		r := newRaw(t, key, EmulatorConfig{}).selected()
		r.expect("8010800001 11 00 -> 02 9100")
		r.Reset()
		r.expect("8011000000 -> 6986")
		r.selected().expect("8010800003 14 0200 00 -> " + fill(256) + "6100")
		r.Reset()
		r.expect("00c0000000 -> 6985")
		r.selected().expect("9010800001 ff -> 9000")
		r.Reset()
		r.selected().expect("8010800001 10 00 -> 0010 9000")
		if key.cycles != 3 {
			t.Errorf("%d power cycles", key.cycles)
		}
	})
}

// A command at work when the field goes off has no answer.
func TestEmulatorFieldLost(t *testing.T) {
	for name, c := range map[string]struct {
		lose func(*Emulator)
		kind error
	}{
		"reset": {(*Emulator).Reset, ErrGone},
		"off":   {(*Emulator).PowerOff, ErrGone},
		"close": {func(e *Emulator) { e.Close() }, ErrClosed},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				r := newRaw(t, &fakeKey{}, EmulatorConfig{}).selected()
				failed := make(chan error, 2)
				for range 2 { // one at work and one waiting for its turn
					go func() {
						_, err := r.Transmit(context.Background(), unhex(t, "80100000011100"))
						failed <- err
					}()
				}
				synctest.Wait()
				c.lose(r.Emulator)
				for range 2 {
					wantError(t, <-failed, "transmit", c.kind)
				}
				if name == "reset" {
					r.selected()
					return
				}
				_, err := r.Transmit(context.Background(), unhex(t, selectHex))
				wantError(t, err, "transmit", c.kind)
			})
		})
	}
}

func TestEmulatorPowerOff(t *testing.T) {
	key := &fakeKey{}
	r := newRaw(t, key, EmulatorConfig{}).selected()
	r.PowerOff()
	r.PowerOff()
	r.Reset()
	r.expect("8010800001 10 00 -> 6986")
	if key.cycles != 1 {
		t.Errorf("%d power cycles", key.cycles)
	}
	r.Close()
	r.Reset() // does not bring it back
	_, err := r.Transmit(context.Background(), nil)
	wantError(t, err, "transmit", ErrClosed)
	if key.cycles != 1 {
		t.Errorf("%d power cycles", key.cycles)
	}
}

// A command that is given up takes its request with it.
func TestEmulatorAbandoned(t *testing.T) {
	for _, touch := range []string{"80100000011100", "80100000011200"} {
		synctest.Test(t, func(t *testing.T) {
			r := newRaw(t, &fakeKey{}, EmulatorConfig{}).selected()
			ctx, cancel := context.WithTimeoutCause(t.Context(), 50*time.Millisecond, errCalledOff)
			defer cancel()
			_, err := r.Transmit(ctx, unhex(t, touch))
			wantError(t, err, "transmit", errCalledOff)
			if _, err = r.Transmit(ctx, unhex(t, touch)); !errors.Is(err, errCalledOff) {
				t.Error(err)
			}
			r.expect("8011000000 -> 6985", "80108000011000 -> 0010 9000")
		})
	}
}

// SELECT waits for a handler that is slow to see that it is cancelled, but not
// longer than its own caller.
func TestEmulatorSlowHandler(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := newRaw(t, &fakeKey{}, EmulatorConfig{}).selected()
		r.expect("80108000011200 -> 02 9100")
		ctx, cancel := context.WithTimeoutCause(t.Context(), 50*time.Millisecond, errCalledOff)
		defer cancel()
		_, err := r.Transmit(ctx, unhex(t, selectHex))
		wantError(t, err, "transmit", errCalledOff)
		r.selected().expect("80108000011000 -> 0010 9000")
	})
}

// The command is the caller's to reuse once it is answered.
func TestEmulatorKeepsNoCommand(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var got []byte
		r := newRaw(t, handlerFunc(func(ctx context.Context, msg []byte) []byte {
			<-time.After(userTakes)
			got = msg
			return []byte{0}
		}), EmulatorConfig{}).selected()
		apdu := unhex(t, "8010800002 1055 00")
		if _, err := r.Transmit(t.Context(), apdu); err != nil {
			t.Fatal(err)
		}
		clear(apdu)
		time.Sleep(userTakes)
		r.expect("8011000000 -> 00 9000")
		if string(got) != "\x10\x55" {
			t.Errorf("the handler saw %x", got)
		}
	})
}

type handlerFunc func(ctx context.Context, msg []byte) []byte

func (f handlerFunc) Message(ctx context.Context, msg []byte, _ func(byte)) []byte {
	return f(ctx, msg)
}
