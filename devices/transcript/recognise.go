package transcript

import (
	"github.com/touchstone-fido/touchstone/ctaphid"
	"github.com/touchstone-fido/touchstone/nfc"
)

// lookAhead is how many records of a tape without a header are read before it
// is decided what they are.
const lookAhead = 32

// recognise finds out from the first records of a tape without a header what
// its transport is, and what those records are that do not say whether they
// are reports or APDUs.
//
// Each such record has one vote. Of 64 bytes and no APDU of its direction, it
// votes for reports; of another size and an APDU, for APDUs. (A command APDU
// is what parses as one, Lc and Le included; a response APDU ends in a status
// word 6xxx or 9xxx.) Records that could be both or neither have no vote. If
// the votes are equal, at least half of the records having 64 bytes means
// reports.
func recognise(records []Record) (Transport, Level) {
	var votes, sized, silent int
	transport := HID
	for _, rec := range records {
		if rec.Level == APDU {
			transport = NFC
		}
		if rec.Level == 0 && !rec.Partial {
			silent++
			votes += vote(rec)
			if len(rec.Data) == ctaphid.ReportSize {
				sized++
			}
		}
	}
	if silent == 0 {
		return transport, levelOf(transport)
	}
	if votes < 0 || votes == 0 && 2*sized < silent {
		return NFC, APDU
	}
	return transport, Report
}

// vote is positive for a report and negative for an APDU.
func vote(rec Record) int {
	sized, apdu := len(rec.Data) == ctaphid.ReportSize, isAPDU(rec)
	switch {
	case sized && !apdu:
		return 1
	case apdu && !sized:
		return -1
	}
	return 0
}

func isAPDU(rec Record) bool {
	if rec.Dir == Out {
		_, err := nfc.ParseCommand(rec.Data)
		return err == nil
	}
	n := len(rec.Data)
	return n >= 2 && (rec.Data[n-2]>>4 == 6 || rec.Data[n-2]>>4 == 9)
}
