package nfc

import (
	"bufio"
	"bytes"
	"context"
	"encoding/hex"
	"encoding/json"
	"os"
	"path/filepath"
	"testing"

	"github.com/touchstone-fido/touchstone/fixtures"
)

// record is one line of a captured session.
type record struct {
	Dir, Hex, Level string
	out             bool
	apdu            []byte
}

func readTape(t testing.TB, path string) []record {
	f, err := os.Open(path)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	var tape []record
	lines := bufio.NewScanner(f)
	lines.Buffer(nil, 1<<20)
	for lines.Scan() {
		var r record
		if err := json.Unmarshal(lines.Bytes(), &r); err != nil {
			t.Fatalf("%s: %v", path, err)
		}
		if r.Dir == "" || r.Level != "" && r.Level != "apdu" {
			continue // a header, a cut, another layer
		}
		if r.apdu, err = hex.DecodeString(r.Hex); err != nil {
			t.Fatalf("%s: %v", path, err)
		}
		r.out = r.Dir == "out" || r.Dir == "tx"
		tape = append(tape, r)
	}
	if err := lines.Err(); err != nil {
		t.Fatalf("%s: %v", path, err)
	}
	return tape
}

// tapes is every captured APDU session.
func tapes(t testing.TB) []string {
	dir := fixtures.Corpus(t)
	var paths []string
	for _, pattern := range []string{"real/*/apdu/*.jsonl", "real/joostd+ctap-nfc-sniffer/getinfo.jsonl",
		"real/kanidm+webauthn-rs/issues/214.jsonl", "real/solokeys+solo1/issues/214.jsonl",
		"real/BryanJacobs+FIDO2Applet/issues/6.jsonl", "emulated/*.nfc-*.jsonl"} {
		found, err := filepath.Glob(filepath.Join(dir, pattern))
		if err != nil || len(found) == 0 {
			t.Fatalf("nothing in the corpus matches %s (%v)", pattern, err)
		}
		paths = append(paths, found...)
	}
	return paths
}

// Every captured APDU reads, and writes back to the same bytes.
func TestCorpusCodec(t *testing.T) {
	commands, responses := 0, 0
	for _, path := range tapes(t) {
		for i, r := range readTape(t, path) {
			var back []byte
			var err error
			if r.out {
				commands++
				var c Command
				if c, err = ParseCommand(r.apdu); err == nil {
					back, err = c.Bytes()
				}
			} else {
				responses++
				var resp Response
				resp, err = ParseResponse(r.apdu)
				back = resp.Bytes()
			}
			if err != nil || !bytes.Equal(back, r.apdu) {
				t.Errorf("%s: APDU %d: %x, read and written: %x, %v", path, i+1, r.apdu, back, err)
			}
		}
	}
	if commands < 100 || responses < 100 {
		t.Errorf("only %d commands and %d responses in the corpus", commands, responses)
	}
}

// tapeCard plays a tape back, strictly.
type tapeCard struct {
	t    testing.TB
	left []record
}

func (c *tapeCard) Transmit(_ context.Context, apdu []byte) ([]byte, error) {
	if len(c.left) < 2 || !c.left[0].out || c.left[1].out {
		c.t.Fatalf("no more on the tape for %x", apdu)
	}
	want, answer := c.left[0].apdu, c.left[1].apdu
	c.left = c.left[2:]
	if !bytes.Equal(apdu, want) {
		c.t.Fatalf("sent %x\ntape %x", apdu, want)
	}
	return answer, nil
}

func (c *tapeCard) Close() error { return nil }

// Our host sends what other hosts have sent, byte for byte, and understands
// what the cards said: the message of each NFCCTAP_MSG is sent again.
func TestCorpusReplay(t *testing.T) {
	dir := fixtures.Corpus(t)
	selectNoLe := append([]byte{0x00, 0xA4, 0x04, 0x00, 0x08}, AID...)
	version := []byte{0x00, 0x03, 0x00, 0x00}
	for path, cfg := range map[string]Config{
		"emulated/canokey.nfc-short.jsonl":                                             {Opening: [][]byte{selectNoLe}},
		"emulated/fido2applet.nfc-short.jsonl":                                         {Opening: [][]byte{selectNoLe}},
		"real/joostd+ctap-nfc-sniffer/getinfo.jsonl":                                   {Opening: [][]byte{selectNoLe}, OmitLe: true, NoPoll: true},
		"real/hwsecurity-sdk+hwsecurity/apdu/fido2-makeCredential.jsonl":               {Opening: [][]byte{version}, OmitLe: true, NoPoll: true},
		"real/hwsecurity-sdk+hwsecurity/apdu/fido2-getAssertion.jsonl":                 {Opening: [][]byte{version}, OmitLe: true, NoPoll: true},
		"real/hwsecurity-sdk+hwsecurity/apdu/u2f-authenticateAsync_withPresence.jsonl": {},
	} {
		t.Run(filepath.Base(path), func(t *testing.T) {
			tape := readTape(t, filepath.Join(dir, path))
			card := &tapeCard{t, tape}
			if cfg.Opening == nil { // U2F commands only: opened before the capture
				card.left = append([]record{{out: true, apdu: selectNoLe}, {apdu: []byte("U2F_V2\x90\x00")}}, tape...)
				cfg.Opening = [][]byte{selectNoLe}
			}
			a := open(t, card, cfg)
			for len(card.left) > 0 {
				resend(t, a, card.left[0].apdu)
			}
		})
	}
}

// resend sends the command that a client has sent, as far as it is one that a
// client of this package would send.
func resend(t *testing.T, a *Applet, apdu []byte) {
	cmd, err := ParseCommand(apdu)
	if err != nil {
		t.Fatal(err)
	}
	if cmd.INS != INSMessage {
		if _, err := a.Transmit(t.Context(), cmd); err != nil {
			t.Fatalf("%x: %v", apdu, err)
		}
		return
	}
	answer, err := a.Exchange(t.Context(), cmd.Data)
	if err != nil || answer[0] != 0 && answer[0] != 0x2E {
		t.Fatalf("%x: answer %x, %v", apdu, answer, err)
	}
}
