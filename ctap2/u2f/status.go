package u2f

import "fmt"

// Status is the status word that ends every answer (U2F Raw Message Formats
// 1.2 §3.3). Every one but [StatusOK] is an error that callers compare with
// errors.Is.
type Status uint16

// Status words that U2F uses.
const (
	StatusOK          Status = 0x9000
	StatusWrongLength Status = 0x6700

	// StatusConditions is SW_CONDITIONS_NOT_SATISFIED: a touch is needed. As the
	// answer to a check-only request it means that the key handle is known.
	StatusConditions Status = 0x6985

	StatusNotAllowed Status = 0x6986 // U2F is off, such as by alwaysUv (CTAP 2.3 §7.2)

	// StatusWrongData is SW_WRONG_DATA: the key handle is not this key's, or not
	// of this application.
	StatusWrongData Status = 0x6a80

	StatusINSUnsupported Status = 0x6d00
	StatusCLAUnsupported Status = 0x6e00
)

var statusNames = map[Status]string{
	StatusOK:             "SW_NO_ERROR",
	StatusWrongLength:    "SW_WRONG_LENGTH",
	StatusConditions:     "SW_CONDITIONS_NOT_SATISFIED",
	StatusNotAllowed:     "SW_COMMAND_NOT_ALLOWED",
	StatusWrongData:      "SW_WRONG_DATA",
	StatusINSUnsupported: "SW_INS_NOT_SUPPORTED",
	StatusCLAUnsupported: "SW_CLA_NOT_SUPPORTED",
}

// Error gives the name and the number, such as "SW_WRONG_DATA (0x6a80)".
func (s Status) Error() string {
	name, ok := statusNames[s]
	if !ok {
		name = "unknown status word"
	}
	return fmt.Sprintf("%s (0x%04x)", name, uint16(s))
}

// String is the same as Error.
func (s Status) String() string { return s.Error() }
