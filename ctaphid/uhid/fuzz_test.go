package uhid

import "testing"

// FuzzEvent has the kernel say anything at all: no event makes the parser panic
// or point outside of what it read, and a key gets no report that is longer than
// one.
func FuzzEvent(f *testing.F) {
	for _, seed := range [][]byte{
		nil, {6}, plain(typeStart), plain(typeOutput), output(kindOutput, 0, 1, 2), setReport(1, kindOutput, pattern(64)...), getReport(7),
		output(kindOutput, pattern(dataSize)...), setReport(2, kindOutput, pattern(dataSize+1)...),
	} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, b []byte) {
		e, err := parseEvent(b)
		if err != nil {
			return
		}
		if len(e.data) > dataSize {
			t.Fatalf("a report of %d bytes", len(e.data))
		}
		key := newRecorded()
		a := &Attachment{cfg: Config{ReportSize: 64}, conn: key, ctx: t.Context()}
		if err := a.output(e); err != nil {
			t.Fatal(err)
		}
		close(key.reports)
		for report := range key.reports {
			if len(report) == 0 || len(report) > 64 {
				t.Fatalf("the key got %d bytes", len(report))
			}
		}
	})
}
