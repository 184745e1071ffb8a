package capture

import (
	"bufio"
	"bytes"
	"encoding/binary"
	"fmt"
	"io"
	"os"
	"runtime"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/gopacket/gopacket"
	"github.com/gopacket/gopacket/layers"
	"github.com/gopacket/gopacket/pcapgo"
)

// writeBigCapture writes a pcapng capture of at least so many bytes: a bus with
// two keys that have one session after the other, a mouse and a disk.
func writeBigCapture(t testing.TB, w io.Writer, size int) {
	t.Helper()
	session := hidSession(t)
	plugged := interleavedEvents(
		described(1, 2, 0x1050, 0x0407, "Key one", true), described(1, 3, 0x1209, 0xbeee, "Key two", true),
		described(1, 4, 0x046d, 0xc077, "Mouse", false),
	)
	round := interleavedEvents(
		usbEvents(session, 1, 2, 0x84, 0x04), usbEvents(session, 1, 3, 0x84, 0x04), mouse(1, 4, 60), disk(1, 5, 40),
	)
	ng, err := pcapgo.NewNgWriter(w, layers.LinkType(linkUSBLinuxMapped))
	if err != nil {
		t.Fatal(err)
	}
	written := 0
	put := func(events []usbEvent, from time.Duration) {
		for _, p := range packetsOf(events, linkUSBLinuxMapped, binary.LittleEndian) {
			ci := gopacket.CaptureInfo{Timestamp: captureBegan.Add(from + p.at), Length: len(p.data), CaptureLength: len(p.data)}
			if err := ng.WritePacket(ci, p.data); err != nil {
				t.Fatal(err)
			}
			written += 32 + len(p.data)
		}
	}
	put(plugged, 0)
	for from := time.Second; written < size; from += time.Second {
		put(round, from)
	}
	if err := ng.Flush(); err != nil {
		t.Fatal(err)
	}
}

// TestWriteBigCapture writes a capture for scripts/bench-import.
func TestWriteBigCapture(t *testing.T) {
	name := os.Getenv("TOUCHSTONE_BIG_CAPTURE")
	if name == "" {
		t.Skip("NOT RUN: TOUCHSTONE_BIG_CAPTURE names no file to write")
	}
	file, err := os.Create(name)
	if err != nil {
		t.Fatal(err)
	}
	size := 220_000_000
	if text := os.Getenv("TOUCHSTONE_BIG_CAPTURE_BYTES"); text != "" {
		if size, err = strconv.Atoi(text); err != nil {
			t.Fatal(err)
		}
	}
	buffer := bufio.NewWriterSize(file, 1<<20)
	writeBigCapture(t, buffer, size)
	if err := buffer.Flush(); err != nil {
		t.Fatal(err)
	}
	if err := file.Close(); err != nil {
		t.Fatal(err)
	}
}

// discard throws away what an import writes.
type discard struct{ io.Writer }

func (discard) Close() error { return nil }

func nowhere(n int, _ Device) (io.WriteCloser, string, error) {
	return discard{io.Discard}, fmt.Sprint("tape-", n), nil
}

func benchImport(b *testing.B, data []byte) {
	b.Helper()
	b.SetBytes(int64(len(data)))
	b.ReportAllocs()
	for b.Loop() {
		if _, err := Import(bytes.NewReader(data), "capture", nowhere); err != nil {
			b.Fatal(err)
		}
	}
}

func BenchmarkImportPcapng(b *testing.B) {
	var file bytes.Buffer
	writeBigCapture(b, &file, 4e6)
	benchImport(b, file.Bytes())
}

func BenchmarkImportText(b *testing.B) {
	for _, f := range textForms() {
		tape, _ := f.sessionFor(b)
		lines := strings.Join(f.write(b, tape), "\n") + "\n"
		if f.form == JSONLines || f.form == Source {
			continue // they have a beginning, and are not repeated
		}
		text := strings.Repeat(lines, 1+400_000/len(lines))
		b.Run(f.name, func(b *testing.B) { benchImport(b, []byte(text)) })
	}
}

// watched is a tape file that looks at the heap now and then.
type watched struct {
	writes int
	peak   *uint64
}

func (w *watched) Write(p []byte) (int, error) {
	if w.writes++; w.writes%4096 == 0 {
		var m runtime.MemStats
		runtime.ReadMemStats(&m)
		*w.peak = max(*w.peak, m.HeapAlloc)
	}
	return len(p), nil
}

func (w *watched) Close() error { return nil }

// A capture is imported in memory that does not grow with it.
func TestImportsInConstantMemory(t *testing.T) {
	const size, limit = 48e6, 24 << 20
	read, write := io.Pipe()
	go func() {
		writeBigCapture(t, write, size)
		write.Close()
	}()
	var peak uint64
	result, err := Import(read, "capture", func(n int, _ Device) (io.WriteCloser, string, error) {
		return &watched{peak: &peak}, fmt.Sprint("tape-", n), nil
	})
	if err != nil {
		t.Fatal(err)
	}
	if peak == 0 || peak > limit {
		t.Errorf("%d bytes of heap for %d bytes of capture", peak, int(size))
	}
	if len(result.Tapes) != 2 || result.Tapes[0].Summary.Messages.Whole < 1000 {
		t.Errorf("%+v", result.Tapes)
	}
}
