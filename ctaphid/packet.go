package ctaphid

import (
	"encoding/binary"
	"fmt"
)

const (
	// ReportSize is the bytes of one report of a full-speed USB key (CTAP 2.3
	// §11.2.8), without a report ID.
	ReportSize = 64
	// MaxMessage is the most payload bytes of one message in reports of
	// ReportSize: one init packet and 128 continuation packets (§11.2.4).
	MaxMessage = ReportSize - initHeader + continuations*(ReportSize-contHeader)
	// MinReportSize is the smallest report with room for the answer to INIT.
	MinReportSize = initHeader + InitAnswerSize
)

const (
	initHeader    = 7    // channel, command, length
	contHeader    = 5    // channel, sequence number
	continuations = 128  // sequence numbers 00 to 7f
	initBit       = 0x80 // of the fifth byte, marks an init packet
	maxCount      = 0xffff
)

// MaxMessageSize is the most payload bytes of one message in reports of
// reportSize bytes, zero when that is less than [MinReportSize]. The length
// field ends it at 65535.
func MaxMessageSize(reportSize int) int {
	if reportSize < MinReportSize {
		return 0
	}
	return min(maxCount, reportSize-initHeader+continuations*(reportSize-contHeader))
}

// Packet is one report taken apart (CTAP 2.3 §11.2.4).
type Packet struct {
	CID     ChannelID
	Init    bool    // an init packet, which has Command and Length; else Seq
	Command Command // of an init packet
	Length  int     // payload bytes of the whole message, of an init packet
	Seq     byte    // 0 to 127, of a continuation packet
	Data    []byte  // aliases the report; of a continuation packet with its padding
}

// ParsePacket takes report apart. A report that ends inside its header is a
// [ProtocolError] with [FaultShort]; the packet then still has the channel,
// if that much is there. Data is never longer than Length in an init packet.
func ParsePacket(report []byte) (Packet, error) {
	if len(report) < contHeader {
		return Packet{CID: channelOf(report)}, shortReport(report, contHeader)
	}
	p := Packet{CID: channelOf(report)}
	if report[4]&initBit == 0 {
		p.Seq = report[4]
		p.Data = report[contHeader:]
		return p, nil
	}
	if len(report) < initHeader {
		return p, shortReport(report, initHeader)
	}
	p.Init = true
	p.Command = Command(report[4] &^ initBit)
	p.Length = int(binary.BigEndian.Uint16(report[5:]))
	p.Data = report[initHeader:min(len(report), initHeader+p.Length)]
	return p, nil
}

func channelOf(report []byte) ChannelID {
	if len(report) < 4 {
		return 0
	}
	return ChannelID(binary.BigEndian.Uint32(report))
}

func shortReport(report []byte, want int) error {
	return &ProtocolError{Fault: FaultShort, CID: channelOf(report), Got: len(report), Want: want}
}

// wrongSize is the error of a connection or its user that moves reports of
// another size than was agreed.
func wrongSize(got, want int) error {
	return fmt.Errorf("%w: report of %d bytes, want %d", ErrProtocol, got, want)
}

// Message is one whole message of a channel, in either direction.
type Message struct {
	CID     ChannelID
	Command Command
	Payload []byte
}
