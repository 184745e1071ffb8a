package capture

import (
	"bytes"
	"encoding/binary"
	"slices"
	"strings"
	"testing"
)

// ngBlockOf is a block of a pcapng file.
func ngBlockOf(kind uint32, body ...byte) []byte {
	for len(body)%4 != 0 {
		body = append(body, 0)
	}
	size := uint32(len(body) + ngOverhead)
	b := testOrder.AppendUint32(testOrder.AppendUint32(nil, kind), size)
	return testOrder.AppendUint32(append(b, body...), size)
}

func ngSectionOf(major byte) []byte {
	return ngBlockOf(ngSection, append(testOrder.AppendUint32(nil, ngMagic), major, 0, 0, 0, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff)...)
}

// ngInterfaceOf is an interface of usbmon that keeps so much of a packet.
func ngInterfaceOf(snap uint32, options ...byte) []byte {
	return ngBlockOf(ngInterface, append(testOrder.AppendUint32([]byte{linkUSBLinuxMapped, 0, 0, 0}, snap), options...)...)
}

// ngPackets are a session's packets in blocks of a kind, of which early files
// have two without a place for more.
func ngPackets(t *testing.T, kind uint32) (blocks [][]byte, want []string) {
	t.Helper()
	session := hidSession(t)
	for _, p := range packetsOf(usbEvents(session, 1, 2, 0x81, 1), linkUSBLinuxMapped, testOrder) {
		size := testOrder.AppendUint32(nil, uint32(len(p.data)))
		head := size
		if kind == ngPacket {
			head = slices.Concat([]byte{0, 0, 0, 0}, make([]byte, 8), size, size)
		}
		blocks = append(blocks, ngBlockOf(kind, append(head, p.data...)...))
	}
	return blocks, crossings(session)
}

// Packets in the blocks of early files, and in those without times, are packets
// too; one that has no room for what it should keep costs itself.
func TestOtherPacketBlocks(t *testing.T) {
	for name, kind := range map[string]uint32{"early": ngPacket, "simple": ngSimple} {
		t.Run(name, func(t *testing.T) {
			blocks, want := ngPackets(t, kind)
			file := slices.Concat(ngSectionOf(1), ngInterfaceOf(0), slices.Concat(blocks...))
			result, got := importBytes(t, file)
			sameLines(t, name, crossings(got...), want)
			if len(result.Remarks) > 0 {
				t.Errorf("remarks:\n%s", remarks(result))
			}
			at := map[uint32]int{ngPacket: 20, ngSimple: 8}[kind]
			testOrder.PutUint32(blocks[4][at:], 5000)
			result, got = importBytes(t, slices.Concat(ngSectionOf(1), ngInterfaceOf(0), slices.Concat(blocks...)))
			if now := crossings(got...); len(now) < len(want)-1 || !strings.Contains(remarks(result), "the block is damaged") {
				t.Errorf("%d of %d crossings, remarks:\n%s", len(now), len(want), remarks(result))
			}
		})
	}
}

// A simple block keeps no more than its interface does, and does not say how
// much that is.
func TestSimplePacketsAreKeptInPart(t *testing.T) {
	const kept = 100
	var blocks [][]byte
	for _, p := range packetsOf(usbEvents(hidSession(t), 1, 2, 0x81, 1), linkUSBLinuxMapped, testOrder) {
		blocks = append(blocks, ngBlockOf(ngSimple, append(testOrder.AppendUint32(nil, uint32(len(p.data))), p.data[:min(len(p.data), kept)]...)...))
	}
	result, got := importBytes(t, slices.Concat(ngSectionOf(1), ngInterfaceOf(kept), slices.Concat(blocks...)))
	if len(got) != 1 || !got[0].Records[0].Partial || len(got[0].Records[0].Data) != kept-usbmonMappedHeader {
		t.Errorf("%d tapes: %+v", len(got), got[0].Records[0])
	}
	if !strings.Contains(remarks(result), "the capture keeps 36 of the 64 bytes") {
		t.Errorf("remarks:\n%s", remarks(result))
	}
}

// What a pcapng file has beside packets, and how it may be wrong, is told.
func TestPcapngBlocks(t *testing.T) {
	blocks, want := ngPackets(t, ngPacket)
	packets := slices.Concat(blocks...)
	dropped := append(make([]byte, 12), testOrder.AppendUint64([]byte{ngLost, 0, 8, 0}, 7)...)
	late := ngBlockOf(77, make([]byte, 80)...)
	testOrder.PutUint32(late[len(late)-4:], 8) // it does not end where it says
	long := testOrder.AppendUint32(testOrder.AppendUint32(nil, ngPacket), maxBlock+4)
	for name, c := range map[string]struct {
		file []byte
		told string
	}{
		"nothing wrong":           {slices.Concat(ngSectionOf(1), ngInterfaceOf(0), packets), ""},
		"a new section":           {slices.Concat(ngSectionOf(1), ngInterfaceOf(0), ngSectionOf(1), ngInterfaceOf(0), packets), ""},
		"a block of another kind": {slices.Concat(ngSectionOf(1), ngInterfaceOf(0), ngBlockOf(77, 1, 2, 3, 4), packets), ""},
		"dropped packets":         {slices.Concat(ngSectionOf(1), ngInterfaceOf(0), packets, ngBlockOf(ngStatistics, dropped...)), "the capture says that it lacks 7 packets, which were dropped"},
		"damaged options":         {slices.Concat(ngSectionOf(1), ngInterfaceOf(0, 2, 0, 200, 0), packets), "the options of an interface are damaged"},
		"an odd unit of time":     {slices.Concat(ngSectionOf(1), ngInterfaceOf(0, ngResolution, 0, 1, 0, 70, 0, 0, 0), packets), "the options of an interface are damaged"},
		"a length inside a word":  {slices.Concat(ngSectionOf(1), ngInterfaceOf(0), []byte{6, 0, 0, 0, 33, 0, 0, 0}, make([]byte, 24), packets), "no block begins here"},
		"a block without its end": {slices.Concat(ngSectionOf(1), ngInterfaceOf(0), late, packets), "no block begins here"},
		"a block that is too long": {
			slices.Concat(ngSectionOf(1), ngInterfaceOf(0), long, make([]byte, 24), packets), "the block is too long"},
		"a section of another version": {slices.Concat(ngSectionOf(1), ngInterfaceOf(0), packets, ngSectionOf(2)), "the block is damaged"},
		"the end in a block":           {slices.Concat(ngSectionOf(1), ngInterfaceOf(0), packets, blocks[0][:20]), "the file ends inside a block"},
	} {
		t.Run(name, func(t *testing.T) {
			result, got := importBytes(t, c.file)
			sameLines(t, name, crossings(got...), want)
			if said := remarks(result); c.told == "" && said != "" || !strings.Contains(said, c.told) {
				t.Errorf("remarks:\n%s\nwant: %s", said, c.told)
			}
		})
	}
}

// A time that is in no calendar is not the tape's.
func TestTimeOfAnotherAge(t *testing.T) {
	blocks, want := ngPackets(t, ngPacket)
	for _, later := range []bool{false, true} {
		for _, b := range blocks {
			if later {
				testOrder.PutUint32(b[12:], 1<<30) // the upper half of its microseconds
			}
		}
		result, got := importBytes(t, slices.Concat(ngSectionOf(1), ngInterfaceOf(0), slices.Concat(blocks...)))
		sameLines(t, "packets", crossings(got...), want)
		told := strings.Contains(remarks(result), "the tape does not say when it was captured")
		if got[0].Header.Recorded.IsZero() != later || told != later {
			t.Errorf("recorded %v, remarks:\n%s", got[0].Header.Recorded, remarks(result))
		}
	}
}

// A file that declares without end has an end.
func TestPcapngDeclaresWithoutEnd(t *testing.T) {
	_, name, _ := strings.Cut(strings.Repeat("a name ", 1000), " ")
	option := append(binary.LittleEndian.AppendUint16([]byte{2, 0}, uint16(len(name)&^3)), name[:len(name)&^3]...)
	for what, file := range map[string][]byte{
		"interfaces": slices.Concat(ngSectionOf(1), bytes.Repeat(ngInterfaceOf(0), maxInterfaces+5)),
		"names":      slices.Concat(ngSectionOf(1), bytes.Repeat(ngInterfaceOf(0, option...), maxPending/len(option)+5)),
	} {
		blocks, _ := ngPackets(t, ngPacket)
		result, got, _ := tryImport(t, slices.Concat(file, slices.Concat(blocks...)))
		if len(got) != 0 || !strings.Contains(remarks(result), "the file declares more than a capture can have") {
			t.Errorf("%s: %d tapes, remarks:\n%s", what, len(got), remarks(result))
		}
	}
}

// A log that has whole messages and neither reports nor APDUs has these.
func TestLogOfMessages(t *testing.T) {
	result, got := importBytes(t, text("SEND: 04", "RECV: 00a1018168"+"4649444f5f325f30", "SEND: 06a201020201", "RECV: 2e", "SEND: 77", "RECV: 0000a1"))
	sameLines(t, "messages", crossings(got...), []string{"out msg 10 04", "in msg 10 00a10181684649444f5f325f30", "out msg 10 06a201020201", "in msg 10 2e"})
	if len(result.LeftOut) != 1 || result.LeftOut[0].String() != "2 lines: with bytes that are neither reports nor APDUs" {
		t.Errorf("left out: %v", result.LeftOut)
	}
}
