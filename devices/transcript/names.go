package transcript

import (
	"fmt"

	"github.com/touchstone-fido/touchstone/ctap2"
	"github.com/touchstone-fido/touchstone/ctaphid"
	"github.com/touchstone-fido/touchstone/nfc"
)

// reportName names a report in a few words, for errors and listings: the
// message that it begins, or that it goes on with one.
func reportName(dir Direction, report []byte) string {
	p, err := ctaphid.ParsePacket(report)
	if err != nil {
		return "what is no packet"
	}
	if !p.Init {
		return fmt.Sprintf("continuation packet %d on channel %v", p.Seq, p.CID)
	}
	return fmt.Sprintf("%s on channel %v", messageName(dir, p.Command, p.Data), p.CID)
}

// messageName names a CTAPHID message by its command and the first bytes of
// its payload.
func messageName(dir Direction, command ctaphid.Command, payload []byte) string {
	name := command.String()
	if len(payload) == 0 {
		return name
	}
	switch {
	case command == ctaphid.CommandCBOR && dir == Out:
		return name + " " + ctap2.Command(payload[0]).String()
	case command == ctaphid.CommandCBOR:
		return name + " " + ctap2.Status(payload[0]).String()
	case command == ctaphid.CommandMsg && dir == Out:
		return name + " " + instructionName(payload)
	case command == ctaphid.CommandKeepalive && dir == In:
		return name + " " + ctaphid.KeepaliveStatus(payload[0]).String()
	case command == ctaphid.CommandError && dir == In:
		return name + " " + ctaphid.ErrorCode(payload[0]).String()
	}
	return name
}

// The instructions that a FIDO card knows, by class and INS, the class
// without its chaining bit.
const (
	apduU2FRegister     = nfc.ClassISO<<8 | nfc.INSU2FRegister
	apduU2FAuthenticate = nfc.ClassISO<<8 | nfc.INSU2FAuthenticate
	apduU2FVersion      = nfc.ClassISO<<8 | nfc.INSU2FVersion
	apduSelect          = nfc.ClassISO<<8 | nfc.INSSelect
	apduGetResponse     = nfc.ClassISO<<8 | nfc.INSGetResponse
	apduMessage         = nfc.ClassCTAP<<8 | nfc.INSMessage
	apduPoll            = nfc.ClassCTAP<<8 | nfc.INSPoll
	apduControl         = nfc.ClassCTAP<<8 | nfc.INSControl
	apduGetResponseCTAP = nfc.ClassCTAP<<8 | nfc.INSGetResponse
)

var instructionNames = map[int]string{
	apduU2FRegister:     "U2F_REGISTER",
	apduU2FAuthenticate: "U2F_AUTHENTICATE",
	apduU2FVersion:      "U2F_VERSION",
	apduSelect:          "SELECT",
	apduGetResponse:     "GET RESPONSE",
	apduGetResponseCTAP: "GET RESPONSE",
	apduMessage:         "NFCCTAP_MSG",
	apduPoll:            "NFCCTAP_GETRESPONSE",
	apduControl:         "NFCCTAP_CONTROL",
}

// instruction is the class, without its chaining bit, and INS of a command
// APDU, which must have its header.
func instruction(apdu []byte) int {
	return int(apdu[0]&^nfc.ClassChain)<<8 | int(apdu[1])
}

// instructionName names a command APDU by its header alone.
func instructionName(apdu []byte) string {
	if len(apdu) < 4 {
		return "what is no command"
	}
	if name, ok := instructionNames[instruction(apdu)]; ok {
		return name
	}
	return fmt.Sprintf("command %02x %02x", apdu[0], apdu[1])
}

// commandAPDUName names a command APDU and what it asks for. It sees one APDU:
// of a chain, only a part that has more to come is known to be one.
func commandAPDUName(apdu []byte) string {
	name := instructionName(apdu)
	c, err := nfc.ParseCommand(apdu)
	if err != nil || len(c.Data) == 0 {
		return name
	}
	switch instruction(apdu) {
	case apduSelect:
		return fmt.Sprintf("%s %x", name, c.Data)
	case apduMessage:
		if c.CLA&nfc.ClassChain != 0 {
			return name + " part"
		}
		return name + " " + ctap2.Command(c.Data[0]).String()
	}
	return name
}

// responseAPDUName names a response APDU by its status word.
func responseAPDUName(apdu []byte) string {
	r, err := nfc.ParseResponse(apdu)
	if err != nil {
		return "what is no response"
	}
	return "SW " + r.SW.Error()
}

// name names a crossing by its level.
func (r Record) name() string {
	switch {
	case r.Level == Report:
		return reportName(r.Dir, r.Data)
	case r.Level == Message && r.Command == 0:
		return "message of a command that the tape does not name"
	case r.Level == Message:
		return messageName(r.Dir, ctaphid.Command(r.Command), r.Data)
	case r.Dir == Out:
		return commandAPDUName(r.Data)
	}
	return responseAPDUName(r.Data)
}
