package usbip

import "fmt"

// Fault is a way to break the protocol. It is an error for errors.Is and the
// first half of a [ProtocolError].
type Fault byte

// Faults.
const (
	FaultVersion     Fault = iota + 1 // another version than 1.1.1
	FaultCommand                      // an unknown command or operation
	FaultLength                       // a transfer longer than any that a key has
	FaultIsochronous                  // an isochronous transfer
	FaultEndpoint                     // an endpoint that the device does not have
)

var faultNames = [...]string{
	FaultVersion:     "unknown version",
	FaultCommand:     "unknown command",
	FaultLength:      "transfer is too long",
	FaultIsochronous: "isochronous transfer",
	FaultEndpoint:    "no such endpoint",
}

// Error names the fault.
func (f Fault) Error() string {
	if f == 0 || int(f) >= len(faultNames) {
		return fmt.Sprintf("fault %d", byte(f))
	}
	return faultNames[f]
}

// Is makes every fault an [ErrProtocol].
func (f Fault) Is(target error) bool { return target == ErrProtocol }

// ProtocolError says which rule the other end broke. It is an [ErrProtocol] and
// its Fault for errors.Is. After it the stream has no meaning any more.
type ProtocolError struct {
	Fault Fault
	Seq   uint32 // the number of the transfer, 0 before the first one
	// Got is the version, the command or operation, the bytes, the number of
	// packets, or the endpoint's address with 0x80 for IN.
	Got uint32
}

// Error gives the fault and the number that is wrong.
func (e *ProtocolError) Error() string {
	if e.Seq == 0 {
		return fmt.Sprintf("usbip: %v: 0x%x", e.Fault, e.Got)
	}
	return fmt.Sprintf("usbip: transfer %d: %v: 0x%x", e.Seq, e.Fault, e.Got)
}

// Unwrap gives the fault.
func (e *ProtocolError) Unwrap() error { return e.Fault }
