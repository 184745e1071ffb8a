package transcript

import (
	"bytes"
	"io"
	"testing"
)

// benchTape is 10,000 reports in this package's form.
func benchTape(b *testing.B) []byte {
	var file bytes.Buffer
	writer, err := NewWriter(&file, Header{Transport: HID, ReportSize: 64})
	if err != nil {
		b.Fatal(err)
	}
	for i := range 10_000 {
		rec := Record{Level: Report, Dir: Out, Data: report("0000000790000104")}
		if i%2 == 1 {
			rec.Dir, rec.Data = In, report("0000000790000100")
		}
		if err := writer.Write(rec); err != nil {
			b.Fatal(err)
		}
	}
	return file.Bytes()
}

func BenchmarkRead(b *testing.B) {
	text := benchTape(b)
	b.SetBytes(int64(len(text)))
	b.ReportAllocs()
	for b.Loop() {
		reader, err := NewReader(bytes.NewReader(text), "bench")
		if err != nil {
			b.Fatal(err)
		}
		for _, err := range reader.Records() {
			if err != nil {
				b.Fatal(err)
			}
		}
	}
}

func BenchmarkCheck(b *testing.B) {
	text := benchTape(b)
	b.SetBytes(int64(len(text)))
	b.ReportAllocs()
	for b.Loop() {
		if _, err := Check(bytes.NewReader(text), "bench"); err != nil {
			b.Fatal(err)
		}
	}
}

func BenchmarkWrite(b *testing.B) {
	writer, err := NewWriter(io.Discard, Header{Transport: HID})
	if err != nil {
		b.Fatal(err)
	}
	rec := Record{Level: Report, Dir: Out, Data: report("0000000790000104")}
	b.ReportAllocs()
	for b.Loop() {
		if err := writer.Write(rec); err != nil {
			b.Fatal(err)
		}
	}
}
