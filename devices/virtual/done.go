package virtual

import (
	"encoding/binary"
	"fmt"

	"github.com/touchstone-fido/touchstone/ctap2"
)

// Done is a command that was carried out, and what became of it.
type Done struct {
	U2F     bool   // it is one of CTAP1
	Command byte   // command byte; of CTAP1 the instruction; 0 of a message too short to have one
	Status  uint16 // status byte of the answer; of CTAP1 its status word
}

// Name is the command by the standard's name, or its number in hex.
func (d Done) Name() string {
	if name, ok := u2fCommands[d.Command]; ok && d.U2F {
		return name
	}
	if d.U2F {
		return fmt.Sprintf("instruction 0x%02x", d.Command)
	}
	return ctap2.Command(d.Command).String()
}

var u2fCommands = map[byte]string{insRegister: "U2F_REGISTER", insAuthenticate: "U2F_AUTHENTICATE", insVersion: "U2F_VERSION"}

// OK tells whether the answer was one of success.
func (d Done) OK() bool {
	if d.U2F {
		return statusWord(d.Status) == swOK
	}
	return d.Status == uint16(ctap2.StatusOK)
}

func doneMessage(msg, answer []byte) (d Done) {
	if len(msg) > 0 {
		d.Command = msg[0]
	}
	if len(answer) > 0 {
		d.Status = uint16(answer[0])
	}
	return d
}

func doneU2F(command, answer []byte) Done {
	d := Done{U2F: true}
	if len(command) > 1 {
		d.Command = command[1]
	}
	if n := len(answer); n >= 2 {
		d.Status = binary.BigEndian.Uint16(answer[n-2:])
	}
	return d
}
