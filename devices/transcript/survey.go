package transcript

import (
	"io"
	"iter"
)

// Survey yields the records in order, once, as [Reader.Records] does, but goes
// on after a line that is no record: that yields a [FormatError] and no record.
// Any other error is of reading, and the last.
func (r *Reader) Survey() iter.Seq2[Record, error] {
	return func(yield func(Record, error) bool) {
		for {
			rec, err := r.next()
			if err == io.EOF || !yield(rec, err) || err != nil && !r.skip() {
				return
			}
		}
	}
}
