package view

import (
	"fmt"
	"io"

	"github.com/touchstone-fido/touchstone/devices/transcript/capture"
)

// TapeExport shows what was written of a tape as a capture.
type TapeExport struct {
	capture.Exported
	Out string // the capture
}

type tapeExport struct {
	Schema      string       `json:"schema"`
	File        string       `json:"file"` // the tape
	Out         string       `json:"out"`
	Transport   string       `json:"transport"`
	Link        string       `json:"link"` // the link type of the capture
	Crossings   int          `json:"crossings"`
	Packets     int          `json:"packets"`
	Remarks     []tapeRemark `json:"remarks"` // what of the tape is not in the capture
	MoreRemarks int          `json:"moreRemarks,omitempty"`
}

// Envelope is touchstone/transcript-export/1.
func (t TapeExport) Envelope() any {
	return tapeExport{
		Schema: "touchstone/transcript-export/1", File: t.Tape, Out: t.Out, Transport: string(t.Transport), Link: t.Link,
		Crossings: t.Crossings, Packets: t.Packets, Remarks: tapeRemarks(t.Remarks), MoreRemarks: t.MoreRemarks,
	}
}

// Text writes the same.
func (t TapeExport) Text(w io.Writer) error {
	err := pairs(w, [][2]string{
		{"Tape", t.Tape}, {"Capture", t.Out}, {"Transport", string(t.Transport)}, {"Link type", t.Link},
		{"Crossings", fmt.Sprint(t.Crossings)}, {"Packets", fmt.Sprint(t.Packets)},
	})
	if err != nil {
		return err
	}
	return listed(w, "Remarks", remarkLines(t.Remarks), t.MoreRemarks)
}
