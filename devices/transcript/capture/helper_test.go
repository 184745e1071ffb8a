package capture

import (
	"bytes"
	"encoding/binary"
	"encoding/hex"
	"fmt"
	"io"
	"math/big"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/fxamacker/cbor/v2"

	"github.com/touchstone-fido/touchstone/ctaphid"
	"github.com/touchstone-fido/touchstone/devices/transcript"
)

// tapes keeps what an import writes.
type tapes struct{ files []*bytes.Buffer }

type memory struct{ *bytes.Buffer }

func (memory) Close() error { return nil }

func (m *tapes) open(n int, _ Device) (io.WriteCloser, string, error) {
	if n != len(m.files)+1 {
		return nil, "", fmt.Errorf("tape %d is asked for after %d", n, len(m.files))
	}
	m.files = append(m.files, &bytes.Buffer{})
	return memory{m.files[n-1]}, fmt.Sprintf("tape-%d", n), nil
}

// load loads the tapes that were written.
func (m *tapes) load(t testing.TB) []*transcript.Tape {
	t.Helper()
	var all []*transcript.Tape
	for i, file := range m.files {
		tape, err := transcript.Load(bytes.NewReader(file.Bytes()), fmt.Sprintf("tape-%d", i+1))
		if err != nil {
			t.Fatal(err)
		}
		all = append(all, tape)
	}
	return all
}

// importBytes imports a capture that must have something in it.
func importBytes(t testing.TB, data []byte) (Result, []*transcript.Tape) {
	t.Helper()
	var m tapes
	result, err := Import(bytes.NewReader(data), "capture", m.open)
	if err != nil {
		t.Fatalf("%v\n%.2000s", err, data)
	}
	return result, m.load(t)
}

func importFile(t testing.TB, path string) (Result, []*transcript.Tape) {
	t.Helper()
	data, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	var m tapes
	result, err := Import(bytes.NewReader(data), filepath.Base(path), m.open)
	if err != nil {
		t.Fatal(err)
	}
	return result, m.load(t)
}

// crossings are the crossings of tapes in a form to compare: one line each,
// with reports that were rebuilt as the message that they make up.
func crossings(tapes ...*transcript.Tape) []string {
	var all []string
	for _, tape := range tapes {
		var rebuilt *ctaphid.Assembler
		for _, rec := range tape.Records {
			switch rec.Level {
			case transcript.Gap, transcript.Mark:
				continue
			case transcript.Report:
				if !rec.Rebuilt {
					break
				}
				p, _ := ctaphid.ParsePacket(rec.Data)
				if p.Init {
					rebuilt = ctaphid.NewAssembler(len(rec.Data))
				}
				if m, whole, _ := rebuilt.Add(p); whole {
					all = append(all, fmt.Sprintf("%v msg %02x %x", rec.Dir, byte(m.Command), m.Payload))
				}
				continue
			}
			all = append(all, crossing(rec))
		}
	}
	return all
}

func crossing(rec transcript.Record) string {
	text := fmt.Sprintf("%v %v", rec.Dir, rec.Level)
	if rec.Level == transcript.Message {
		text += fmt.Sprintf(" %02x", rec.Command)
	}
	text += " " + hex.EncodeToString(rec.Data)
	if rec.Partial {
		text += fmt.Sprintf(" partial from %d", rec.Offset)
	}
	return text
}

// sameLines compares lists line by line.
func sameLines(t testing.TB, what string, got, want []string) {
	t.Helper()
	for i := range max(len(got), len(want)) {
		g, w := "nothing", "nothing"
		if i < len(got) {
			g = got[i]
		}
		if i < len(want) {
			w = want[i]
		}
		if g != w {
			t.Errorf("%s: crossing %d is\n%s\nwant\n%s\n(%d and %d)", what, i, g, w, len(got), len(want))
			return
		}
	}
}

// remarks are the texts of a result's remarks.
func remarks(r Result) string {
	var all []string
	for _, m := range r.Remarks {
		all = append(all, m.String())
	}
	return strings.Join(all, "\n")
}

// reassembled are the messages of tapes, whole ones only, however they cross.
func reassembled(t testing.TB, tapes ...*transcript.Tape) []string {
	t.Helper()
	var all []string
	for _, tape := range tapes {
		assemblers := map[string]*ctaphid.Assembler{}
		for _, rec := range tape.Records {
			switch rec.Level {
			case transcript.Message:
				all = append(all, fmt.Sprintf("%v %02x %x", rec.Dir, rec.Command, rec.Data))
			case transcript.APDU:
				all = append(all, fmt.Sprintf("%v %x", rec.Dir, rec.Data))
			case transcript.Report:
				p, err := ctaphid.ParsePacket(rec.Data)
				if err != nil {
					t.Fatal(err)
				}
				id := fmt.Sprint(rec.Dir, p.CID)
				if assemblers[id] == nil {
					assemblers[id] = ctaphid.NewAssembler(len(rec.Data))
				}
				if m, whole, _ := assemblers[id].Add(p); whole {
					all = append(all, fmt.Sprintf("%v %02x %x", rec.Dir, byte(m.Command), m.Payload))
				}
			}
		}
	}
	return all
}

var testOrder = binary.LittleEndian

// broken is a file that fails.
type broken struct{ write, close error }

func (b broken) Write(p []byte) (int, error) { return len(p), b.write }
func (b broken) Close() error                { return b.close }

// failing is a reader that fails.
type failing struct{ err error }

func (f failing) Read([]byte) (int, error) { return 0, f.err }

// alternating takes lines from two logs in turn.
func alternating(one, two []string) []string {
	var all []string
	for i := range max(len(one), len(two)) {
		if i < len(one) {
			all = append(all, one[i])
		}
		if i < len(two) {
			all = append(all, two[i])
		}
	}
	return all
}

// withChannel is a session on another channel.
func withChannel(tape *transcript.Tape, channel uint32) *transcript.Tape {
	other := &transcript.Tape{Header: tape.Header}
	from, to := []byte{1, 2, 3, 4}, binary.BigEndian.AppendUint32(nil, channel)
	for _, rec := range tape.Records {
		rec.Data = bytes.Clone(rec.Data)
		if bytes.HasPrefix(rec.Data, from) {
			copy(rec.Data, to)
		} else {
			rec.Data = bytes.Replace(rec.Data, from, to, 1) // in the answer to INIT
			rec.Data[8] ^= 0xff                             // and another nonce
		}
		other.Records = append(other.Records, rec)
	}
	return other
}

// otherKey is the session with a key of another version, on another channel.
func otherKey(tape *transcript.Tape) *transcript.Tape {
	other := withChannel(tape, 0x0a0b0c0d)
	other.Records[1].Data[20]++
	return other
}

// shiftedWord is a status word as python-fido2 0.9 printed it: SW1 is shifted by
// 8+SW2 bits.
func shiftedWord(sw1, sw2 byte) string {
	n := new(big.Int).Lsh(big.NewInt(int64(sw1)), 8+uint(sw2))
	return fmt.Sprintf("%02X", n)
}

// utf8Texts says whether CBOR has no text that is not UTF-8.
func utf8Texts(encoded []byte) bool {
	var any any
	return cbor.Unmarshal(encoded, &any) == nil
}
