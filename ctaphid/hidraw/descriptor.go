package hidraw

import (
	"errors"
	"fmt"
)

var (
	// ErrDescriptor says that a report descriptor breaks the rules of HID 1.11
	// §6.2.2, so that nothing about the device can be believed.
	ErrDescriptor = errors.New("malformed report descriptor")

	// ErrReports says that an interface is FIDO's and its reports are not what
	// CTAPHID needs: one size for both directions and no report IDs.
	ErrReports = errors.New("reports unfit for CTAPHID")
)

// maxReport is the most bytes that Linux lets a report have.
const maxReport = 16384

// minReport has room for the header of a first packet and one byte.
const minReport = 8

// Descriptor is what a FIDO host has to know of a report descriptor.
type Descriptor struct {
	FIDO       bool // a top-level application collection is usage 1 of page 0xF1D0
	Numbered   bool // reports begin with an ID byte
	InputSize  int  // bytes of the input report; without meaning if Numbered
	OutputSize int  // bytes of the output report; without meaning if Numbered
}

// ReportSize returns how many bytes a report of the FIDO interface has whose
// report descriptor is given. It returns 0 and no error if the interface is not
// FIDO's, an error that wraps [ErrReports] if no CTAPHID host can use it, and
// one that wraps [ErrDescriptor] if the descriptor cannot be read.
func ReportSize(descriptor []byte) (int, error) {
	d, err := ParseDescriptor(descriptor)
	switch {
	case err != nil:
		return 0, err
	case !d.FIDO:
		return 0, nil
	case d.Numbered:
		return 0, fmt.Errorf("%w: they are numbered", ErrReports)
	case d.InputSize != d.OutputSize:
		return 0, fmt.Errorf("%w: input has %d bytes, output %d", ErrReports, d.InputSize, d.OutputSize)
	case d.InputSize < minReport:
		return 0, fmt.Errorf("%w: %d bytes hold no packet", ErrReports, d.InputSize)
	}
	return d.InputSize, nil
}

// ParseDescriptor reads a report descriptor. With an error, which wraps
// [ErrDescriptor], comes what had been seen up to it.
func ParseDescriptor(b []byte) (Descriptor, error) {
	var p parser
	for at := 0; at < len(b); {
		it, n, err := nextItem(b[at:])
		if err == nil {
			err = p.item(it)
		}
		if err != nil {
			return p.result(), fmt.Errorf("%w: byte %d: %w", ErrDescriptor, at, err)
		}
		at += n
	}
	if p.depth > 0 {
		return p.result(), fmt.Errorf("%w: %d collections are not closed", ErrDescriptor, p.depth)
	}
	return p.result(), nil
}

// Item tags together with their type, as in the prefix byte without its size
// bits (HID 1.11 §6.2.2.4 to §6.2.2.8).
const (
	tagInput         = 0x80
	tagOutput        = 0x90
	tagCollection    = 0xA0
	tagEndCollection = 0xC0

	tagUsagePage   = 0x04
	tagReportSize  = 0x74
	tagReportID    = 0x84
	tagReportCount = 0x94
	tagPush        = 0xA4
	tagPop         = 0xB4

	tagUsage = 0x08

	prefixLong = 0xFE
)

const (
	typeMain   = 0
	typeGlobal = 1
	typeLocal  = 2
)

const (
	collectionApplication = 0x01
	usageFIDO             = 0xF1D0_0001 // page 0xF1D0, usage 0x01
	maxPushed             = 16
)

var (
	errCut      = errors.New("the last item is cut off")
	errClose    = errors.New("end of a collection that was not opened")
	errPop      = errors.New("pop without push")
	errPush     = errors.New("too many pushes")
	errReportID = errors.New("report ID out of range")
	errTooLong  = errors.New("report longer than any system takes")
)

type item struct {
	tag  byte
	size int // bytes of data
	data uint32
}

// kind is the item's type: main, global, local or reserved.
func (it item) kind() byte { return it.tag >> 2 & 3 }

// nextItem splits the first item off b, which is not empty, and returns how many
// bytes it takes. A long item has a tag of a reserved type and no data.
func nextItem(b []byte) (item, int, error) {
	if b[0] == prefixLong {
		if len(b) < 3 || len(b) < 3+int(b[1]) {
			return item{}, 0, errCut
		}
		return item{tag: prefixLong &^ 3}, 3 + int(b[1]), nil
	}
	it := item{tag: b[0] &^ 3, size: [4]int{0, 1, 2, 4}[b[0]&3]}
	if len(b) < 1+it.size {
		return item{}, 0, errCut
	}
	for i := range it.size {
		it.data |= uint32(b[1+i]) << (8 * i)
	}
	return it, 1 + it.size, nil
}

// globals are the parts of the item state table that push and pop save.
type globals struct {
	page        uint32
	size, count uint32
}

type parser struct {
	globals
	pushed   []globals
	usage    item // the first usage since the last main item
	hasUsage bool
	depth    int
	fido     bool
	numbered bool
	in, out  uint64 // bits
}

func (p *parser) result() Descriptor {
	return Descriptor{
		FIDO:       p.fido,
		Numbered:   p.numbered,
		InputSize:  int((p.in + 7) / 8),
		OutputSize: int((p.out + 7) / 8),
	}
}

func (p *parser) item(it item) error {
	switch it.kind() {
	case typeMain:
		err := p.main(it)
		p.hasUsage = false
		return err
	case typeGlobal:
		return p.global(it)
	case typeLocal:
		if it.tag == tagUsage && !p.hasUsage {
			p.usage, p.hasUsage = it, true
		}
	}
	return nil
}

func (p *parser) main(it item) error {
	switch it.tag {
	case tagCollection:
		if p.depth == 0 && it.data == collectionApplication && p.fullUsage() == usageFIDO {
			p.fido = true
		}
		p.depth++
	case tagEndCollection:
		if p.depth == 0 {
			return errClose
		}
		p.depth--
	case tagInput:
		return p.grow(&p.in)
	case tagOutput:
		return p.grow(&p.out)
	}
	return nil
}

// fullUsage is the usage that the next main item has. One of four bytes brings
// its page along; a shorter one takes the page last declared, even if that came
// after it (HID 1.11 §6.2.2.8).
func (p *parser) fullUsage() uint32 {
	switch {
	case !p.hasUsage:
		return 0
	case p.usage.size == 4:
		return p.usage.data
	}
	return p.page<<16 | p.usage.data
}

// grow adds fields of the current size and count to a report.
func (p *parser) grow(bits *uint64) error {
	more := uint64(p.size) * uint64(p.count)
	if more > maxReport*8 || *bits+more > maxReport*8 {
		return errTooLong
	}
	*bits += more
	return nil
}

func (p *parser) global(it item) error {
	switch it.tag {
	case tagUsagePage:
		p.page = it.data & 0xFFFF
	case tagReportSize:
		p.size = it.data
	case tagReportCount:
		p.count = it.data
	case tagReportID:
		p.numbered = true
		if it.data == 0 || it.data > 0xFF {
			return errReportID
		}
	case tagPush:
		return p.push()
	case tagPop:
		return p.pop()
	}
	return nil
}

func (p *parser) push() error {
	if len(p.pushed) == maxPushed {
		return errPush
	}
	p.pushed = append(p.pushed, p.globals)
	return nil
}

func (p *parser) pop() error {
	if len(p.pushed) == 0 {
		return errPop
	}
	last := len(p.pushed) - 1
	p.globals, p.pushed = p.pushed[last], p.pushed[:last]
	return nil
}
