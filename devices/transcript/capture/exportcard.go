package capture

import (
	"encoding/binary"
	"strings"

	"github.com/gopacket/gopacket/layers"

	"github.com/touchstone-fido/touchstone/devices/transcript"
)

// linkUpperPDU is the link type of PDUs that name the dissector that Wireshark
// is to show them with.
const linkUpperPDU layers.LinkType = 252

// linkNames are the link types that are exported, as tcpdump.org/linktypes.html
// names them.
var linkNames = map[layers.LinkType]string{
	linkUSBLinuxMapped: "LINKTYPE_USB_LINUX_MMAPPED", linkUpperPDU: "LINKTYPE_WIRESHARK_UPPER_PDU",
}

// Tags before such a PDU (Wireshark's wsutil/exported_pdu_tlvs.h), and the
// dissectors that it is for.
const (
	pduEnd       = 0
	pduDissector = 12
	pduDirection = 35

	pduAPDU = "iso7816"
	pduATR  = "iso7816.atr"
)

// pduWriter writes APDUs as PDUs of ISO 7816.
type pduWriter struct{ e *exporter }

// plug writes the card's answer to reset.
func (w *pduWriter) plug() error {
	if atr := w.e.header.ATR; atr != nil {
		return w.e.packet(upperPDU(pduATR, in, atr), "answer to reset")
	}
	return nil
}

func (w *pduWriter) put(rec transcript.Record) error {
	if rec.Level != transcript.APDU {
		w.e.comment("the APDUs that follow carry a message: %s", transcript.Describe(rec))
		return nil
	}
	w.e.result.Crossings++
	return w.e.packet(upperPDU(pduAPDU, rec.Dir, rec.Data), transcript.Describe(rec))
}

// upperPDU is a PDU with its tags.
func upperPDU(dissector string, dir transcript.Direction, data []byte) []byte {
	tag := func(p []byte, kind uint16, value []byte) []byte {
		for len(value)%4 != 0 {
			value = append(value, 0)
		}
		p = binary.BigEndian.AppendUint16(p, kind)
		return append(binary.BigEndian.AppendUint16(p, uint16(len(value))), value...)
	}
	p := tag(nil, pduDissector, []byte(dissector))
	way := []byte{0, 0, 0, 0}
	if dir == in {
		way[3] = 1
	}
	p = tag(p, pduDirection, way)
	return append(tag(p, pduEnd, nil), data...)
}

// parseUpperPDU takes the tags off a PDU.
func parseUpperPDU(p []byte) (dissector string, dir transcript.Direction, data []byte, ok bool) {
	for len(p) >= 4 {
		kind, size := binary.BigEndian.Uint16(p), int(binary.BigEndian.Uint16(p[2:]))
		if p = p[4:]; size > len(p) {
			return "", 0, nil, false
		}
		value := p[:size]
		p = p[size:]
		switch {
		case kind == pduEnd:
			return dissector, dir, p, true
		case kind == pduDissector:
			dissector = strings.TrimRight(string(value), "\x00")
		case kind == pduDirection && size == 4:
			dir = out
			if value[3] != 0 {
				dir = in
			}
		}
	}
	return "", 0, nil, false
}
