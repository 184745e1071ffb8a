package nfc

import (
	"bytes"
	"encoding/hex"
	"errors"
	"reflect"
	"strings"
	"testing"
)

func TestCommandForms(t *testing.T) {
	long := strings.Repeat("ab", 300)
	for name, c := range map[string]struct {
		apdu string
		want Command
	}{
		"1":           {"80120100", Command{CLA: 0x80, INS: 0x12, P1: 1}},
		"2 short":     {"00c000000e", Command{INS: 0xC0, Ne: 14}},
		"2 short all": {"00c0000000", Command{INS: 0xC0, Ne: 256}},
		"3 short":     {"801080000104", Command{CLA: 0x80, INS: 0x10, P1: 0x80, Data: []byte{4}}},
		"4 short":     {"8010000001042a", Command{CLA: 0x80, INS: 0x10, Data: []byte{4}, Ne: 42}},
		"4 short all": {"80100000010400", Command{CLA: 0x80, INS: 0x10, Data: []byte{4}, Ne: 256}},
		"2 extended":  {"80110000000100", Command{CLA: 0x80, INS: 0x11, Ne: 256, Extended: true}},
		"2 all":       {"80110000000000", Command{CLA: 0x80, INS: 0x11, Ne: 65536, Extended: true}},
		"3 extended":  {"8010800000000104", Command{CLA: 0x80, INS: 0x10, P1: 0x80, Data: []byte{4}, Extended: true}},
		"4 extended": {"8010000000012c" + long + "0203",
			Command{CLA: 0x80, INS: 0x10, Data: bytes.Repeat([]byte{0xAB}, 300), Ne: 0x203, Extended: true}},
		"4 all": {"801000000000010400 00", Command{CLA: 0x80, INS: 0x10, Data: []byte{4}, Ne: 65536, Extended: true}},
	} {
		t.Run(name, func(t *testing.T) {
			apdu := unhex(t, c.apdu)
			got, err := ParseCommand(apdu)
			if err != nil || !reflect.DeepEqual(got, c.want) {
				t.Errorf("parsed %+v, %v\nwant %+v", got, err, c.want)
			}
			back, err := c.want.Bytes()
			if err != nil || !bytes.Equal(back, apdu) {
				t.Errorf("wrote %x, %v\nwant %x", back, err, apdu)
			}
		})
	}
}

func TestCommandMalformed(t *testing.T) {
	for name, apdu := range map[string]string{
		"empty":             "",
		"header cut":        "801000",
		"Lc too large":      "8010000002 04",
		"Lc too small":      "8010000001 040404",
		"extended Lc 0":     "80100000 000000 00",
		"extended cut":      "80100000 0000",
		"extended too long": "80100000 000005 04",
		"Le of one byte":    "80100000 000001 04 00",
		"Le of three bytes": "80100000 000001 04 000000",
	} {
		if c, err := ParseCommand(unhex(t, apdu)); !errors.Is(err, ErrMalformed) {
			t.Errorf("%s: parsed %+v, %v", name, c, err)
		}
	}
	for name, c := range map[string]Command{
		"data":          {Data: make([]byte, 256)},
		"Ne":            {Ne: 257},
		"negative Ne":   {Ne: -1},
		"extended data": {Data: make([]byte, 65536), Extended: true},
		"extended Ne":   {Ne: 65537, Extended: true},
	} {
		if apdu, err := c.Bytes(); !errors.Is(err, ErrMalformed) {
			t.Errorf("%s: wrote %d bytes, %v", name, len(apdu), err)
		}
	}
}

// The data of a parsed command cannot be appended to by mistake into Le.
func TestCommandDataIsCapped(t *testing.T) {
	apdu := unhex(t, "80100000020405ff")
	c, err := ParseCommand(apdu)
	if err != nil {
		t.Fatal(err)
	}
	_ = append(c.Data, 0)
	if apdu[7] != 0xFF {
		t.Error("appending to the data wrote over Le")
	}
}

func TestResponse(t *testing.T) {
	got, err := ParseResponse([]byte{1, 2, 0x61, 0x05})
	want := Response{Data: []byte{1, 2}, SW: 0x6105}
	if err != nil || !reflect.DeepEqual(got, want) {
		t.Errorf("parsed %+v, %v", got, err)
	}
	if back := hex.EncodeToString(got.Bytes()); back != "01026105" {
		t.Errorf("wrote %s", back)
	}
	if r, err := ParseResponse(make([]byte, 65538)); err != nil || len(r.Data) != 65536 {
		t.Errorf("longest: %d bytes, %v", len(r.Data), err)
	}
	for _, n := range []int{0, 1, 65539} {
		if _, err := ParseResponse(make([]byte, n)); !errors.Is(err, ErrProtocol) {
			t.Errorf("%d bytes: %v", n, err)
		}
	}
}

func TestStatusWord(t *testing.T) {
	for sw, want := range map[StatusWord]string{
		0x9000:       "9000 success",
		SWNotAllowed: "6986 command not allowed",
		0x6100:       "6100 256 more bytes to fetch",
		0x6113:       "6113 19 more bytes to fetch",
		0x6C10:       "6C10 wrong Le, 16 is right",
		0x1234:       "1234 unknown status word",
	} {
		if got := sw.Error(); got != want {
			t.Errorf("%q, want %q", got, want)
		}
	}
	if n, ok := SWOK.Remaining(); n != 0 || ok {
		t.Errorf("9000 offers %d bytes", n)
	}
	if n, ok := StatusWord(0x6C00).RightLength(); n != 256 || !ok {
		t.Errorf("6C00 asks for %d bytes", n)
	}
}

func TestErrorText(t *testing.T) {
	err := refusal("message", SWInsNotSupported)
	if err.Error() != "nfc: message: 6D00 instruction not supported" {
		t.Error(err)
	}
	var e *Error
	if !errors.As(err, &e) || e.SW != SWInsNotSupported || !errors.Is(err, SWInsNotSupported) {
		t.Errorf("%#v", err)
	}
	if fail("select", err) != err {
		t.Error("the operation of an error was replaced")
	}
}
