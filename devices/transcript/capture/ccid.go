package capture

import (
	"bytes"
	"encoding/binary"

	"github.com/touchstone-fido/touchstone/devices/transcript"
)

// ccidFrames takes APDUs out of the frames that a reader's driver logs, with
// T=1 around them where the reader leaves that to its driver (CCID 1.1 §6,
// ISO 7816-3 §11).
type ccidFrames struct {
	parts map[transcript.Direction][]byte // of an APDU in more frames than one
	last  map[transcript.Direction][]byte // block of T=1
}

// Messages of CCID that carry APDUs.
const (
	ccidHeader    = 10
	ccidXfrBlock  = 0x6f
	ccidDataBlock = 0x80
)

// ccidLine is how pcscd logs a frame: the way it goes, the reader, its bytes.
var ccidLine = pattern(`(->|<-) [0-9A-F]{6} ((?:[0-9A-F]{2} ?)+)`)

// ccidFrame is the frame in a line. The direction is 0 if there is none.
func ccidFrame(text []byte) (transcript.Direction, []byte) {
	if !bytes.Contains(text, []byte("-> ")) && !bytes.Contains(text, []byte("<- ")) {
		return 0, nil
	}
	m := ccidLine().FindSubmatch(text)
	if m == nil {
		return 0, nil
	}
	frame, _, _ := hexRun(m[2])
	if m[1][0] == '<' {
		return in, frame
	}
	return out, frame
}

// carries says whether a frame is one that carries an APDU.
func carries(dir transcript.Direction, frame []byte) bool {
	return dir == out && frame[0] == ccidXfrBlock || dir == in && frame[0] == ccidDataBlock
}

// add takes a frame. It returns an APDU when it is whole, or cut because the
// log has not all of the frame.
func (f *ccidFrames) add(dir transcript.Direction, frame []byte) (apdu marked, ok bool) {
	want := int64(binary.LittleEndian.Uint32(frame[1:]))
	data := frame[ccidHeader:]
	more := frame[8] // wLevelParameter
	if dir == in {
		more = frame[9] // bChainParameter
	}
	apdu = marked{want: -1, cut: want > int64(len(data))}
	data = data[:min(want, int64(len(data)))]
	if f.parts == nil {
		f.parts, f.last = map[transcript.Direction][]byte{}, map[transcript.Direction][]byte{}
	}
	if isT1(data) {
		before := f.last[dir]
		if data[1]&t1Supervisory != 0 || bytes.Equal(data, before) {
			return apdu, false // it keeps the protocol going, or comes again
		}
		apdu.cut = before != nil && (before[1]^data[1])&t1Number == 0
		f.last[dir] = data
		more = data[1] & t1More >> 5
		data = data[3 : len(data)-1]
	}
	f.parts[dir] = append(f.parts[dir], data...)
	if more&1 != 0 && len(f.parts[dir]) < maxBytes && !apdu.cut {
		return apdu, false
	}
	apdu.data = f.parts[dir]
	delete(f.parts, dir)
	return apdu, len(apdu.data) > 0
}

// Bits of the second byte of a block of T=1.
const (
	t1Supervisory = 0x80 // it carries nothing
	t1Number      = 0x40 // changes with each block that carries something
	t1More        = 0x20
)

// isT1 says whether bytes are a block of T=1: it has an address of 0, its
// length and a checksum.
func isT1(data []byte) bool {
	n := len(data)
	if n < 4 || data[0] != 0 || int(data[2]) != n-4 {
		return false
	}
	var sum byte
	for _, b := range data {
		sum ^= b
	}
	return sum == 0
}

// isCCID says whether a line has a frame of a reader's driver.
func isCCID(text []byte) bool {
	dir, _ := ccidFrame(text)
	return dir != 0
}
