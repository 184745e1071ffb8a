package explain

import (
	"fmt"

	"github.com/touchstone-fido/touchstone/ctap2/largeblob"
	"github.com/touchstone-fido/touchstone/ctap2/wire"
)

const clauseBlobs = "CTAP 2.3 §6.10.3"

// maxFragments bounds what is kept of an array that is read in fragments.
const maxFragments = 64 << 10

// blobFound takes the fragments of a large-blob array that is read together, and
// tells the array when it is whole.
func (r *reading) blobFound(found map[uint64]wire.Raw) {
	fragment, ok := byteString(found[0x01])
	wanted, get := number(r.req.members[0x01])
	offset, at := number(r.req.members[0x03])
	if !ok || !get || !at {
		return
	}
	if uint64(len(fragment)) > wanted {
		r.remark("CTAP 2.3 §6.10.2", "%s were asked for, and %s came", bytesOf(int(min(wanted, maxFragments))), bytesOf(len(fragment)))
	}
	if offset == 0 {
		r.t.blob = nil
	}
	if offset != uint64(len(r.t.blob)) || len(r.t.blob)+len(fragment) > maxFragments {
		return
	}
	r.t.blob = append(r.t.blob, fragment...)
	if uint64(len(fragment)) < wanted { // the last one
		r.array(r.t.blob)
	}
}

// array tells a whole large-blob array. What is in its elements is encrypted.
func (r *reading) array(serialized []byte) {
	elements, err := largeblob.Parse(serialized)
	if err != nil {
		r.remark(clauseBlobs, "%v", err)
		return
	}
	f := Field{Name: "large-blob array", Clause: clauseBlobs, Note: fmt.Sprintf("%s, %s", bytesOf(len(serialized)), several(len(elements), "element"))}
	for i, element := range elements {
		f.Fields = append(f.Fields, Field{Name: fmt.Sprintf("[%d]", i), Value: bytesOf(len(element)), Note: "encrypted with a largeBlobKey", Like: LikeOwn})
	}
	if len(elements) == 0 {
		f.Value = "[]"
	}
	r.step.Fields = append(r.step.Fields, f)
}
