package ctaphid

import (
	"errors"
	"fmt"
)

// Kinds of failure, for errors.Is.
var (
	// ErrClosed says that this program closed the connection.
	ErrClosed = errors.New("connection is closed")
	// ErrGone says that the device left. Backends wrap it.
	ErrGone = errors.New("device is gone, plug it in again")
	// ErrTimeout says that no answer came in time.
	ErrTimeout = errors.New("no answer in time")
	// ErrBusy says that the key works for somebody else; [CodeChannelBusy] is
	// this kind.
	ErrBusy = errors.New("key is busy with another program")
	// ErrProtocol says that bytes broke the rules; every [Fault] is this kind.
	ErrProtocol = errors.New("protocol error")
	// ErrTooLong says that a message does not fit a channel; nothing was sent.
	ErrTooLong = errors.New("message is too long")
)

// Error is every error of a [Channel] and of the connections of a [Device].
type Error struct {
	Op  string    // what was being done: "open", "cbor", "ping", "write"...
	CID ChannelID // on which channel, zero if on none
	Err error     // wraps a kind, an [ErrorCode], a [ProtocolError] or ctx's cause
}

// Error gives the operation, the channel and the reason.
func (e *Error) Error() string {
	if e.CID == 0 {
		return fmt.Sprintf("ctaphid %s: %v", e.Op, e.Err)
	}
	return fmt.Sprintf("ctaphid %s on channel %v: %v", e.Op, e.CID, e.Err)
}

// Unwrap gives the reason.
func (e *Error) Unwrap() error { return e.Err }

// ErrorCode is the payload of a CTAPHID_ERROR packet (CTAP 2.3 §11.2.9.1.6).
type ErrorCode byte

// Error codes.
const (
	CodeInvalidCommand   ErrorCode = 0x01
	CodeInvalidParameter ErrorCode = 0x02
	CodeInvalidLength    ErrorCode = 0x03
	CodeInvalidSeq       ErrorCode = 0x04
	CodeMessageTimeout   ErrorCode = 0x05
	CodeChannelBusy      ErrorCode = 0x06
	CodeLockRequired     ErrorCode = 0x0a
	CodeInvalidChannel   ErrorCode = 0x0b
	CodeOther            ErrorCode = 0x7f
)

var codeNames = map[ErrorCode]string{
	CodeInvalidCommand:   "ERR_INVALID_CMD",
	CodeInvalidParameter: "ERR_INVALID_PAR",
	CodeInvalidLength:    "ERR_INVALID_LEN",
	CodeInvalidSeq:       "ERR_INVALID_SEQ",
	CodeMessageTimeout:   "ERR_MSG_TIMEOUT",
	CodeChannelBusy:      "ERR_CHANNEL_BUSY",
	CodeLockRequired:     "ERR_LOCK_REQUIRED",
	CodeInvalidChannel:   "ERR_INVALID_CHANNEL",
	CodeOther:            "ERR_OTHER",
}

// Name is the standard's name of the code, or "unknown error".
func (c ErrorCode) Name() string {
	if name, ok := codeNames[c]; ok {
		return name
	}
	return "unknown error"
}

// Error gives the name and the code, such as "ERR_CHANNEL_BUSY (0x06)".
func (c ErrorCode) Error() string { return fmt.Sprintf("%s (0x%02x)", c.Name(), byte(c)) }

// String is the same as Error.
func (c ErrorCode) String() string { return c.Error() }

// Is makes CodeChannelBusy an [ErrBusy].
func (c ErrorCode) Is(target error) bool { return c == CodeChannelBusy && target == ErrBusy }

// Fault is a way to break the framing of CTAP 2.3 §11.2.4. It is an error for
// errors.Is and the first half of a [ProtocolError].
type Fault byte

// Faults.
const (
	FaultShort       Fault = iota + 1 // a report ends before what it must hold
	FaultLength                       // an init packet announces more than a message may have
	FaultStray                        // a continuation packet that continues nothing
	FaultSequence                     // a continuation packet out of turn
	FaultInterrupted                  // an init packet before the message had ended
	FaultIncomplete                   // a message that had not ended
	FaultCommand                      // an answer to another command than was sent
	FaultPayload                      // an answer whose payload cannot be right
)

var faultNames = [...]string{
	FaultShort:       "report is too short",
	FaultLength:      "announced length is over the maximum",
	FaultStray:       "continuation packet without a message",
	FaultSequence:    "packet is out of sequence",
	FaultInterrupted: "message was interrupted by an init packet",
	FaultIncomplete:  "message is incomplete",
	FaultCommand:     "answer is to another command",
	FaultPayload:     "answer is malformed",
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

// ProtocolError says which rule was broken, where and by how much. It is an
// [ErrProtocol] and its Fault for errors.Is.
type ProtocolError struct {
	Fault   Fault
	CID     ChannelID
	Command Command // of the message concerned, zero if it has none
	// Got and Want are bytes for FaultShort, FaultLength, FaultInterrupted,
	// FaultIncomplete and FaultPayload, sequence numbers for FaultSequence and
	// FaultStray (Got only), commands for FaultCommand.
	Got, Want int
}

// Error gives the fault and its place.
func (e *ProtocolError) Error() string {
	where := fmt.Sprintf("%v on channel %v", e.Fault, e.CID)
	if e.Command != 0 {
		where = fmt.Sprintf("%v: %v on channel %v", e.Command, e.Fault, e.CID)
	}
	switch e.Fault {
	case FaultStray:
		return fmt.Sprintf("%s: sequence number %d", where, e.Got)
	case FaultSequence:
		return fmt.Sprintf("%s: sequence number %d, want %d", where, e.Got, e.Want)
	case FaultCommand:
		return fmt.Sprintf("%s: %v", where, Command(e.Got))
	case FaultInterrupted, FaultIncomplete:
		return fmt.Sprintf("%s: %d of %d bytes", where, e.Got, e.Want)
	}
	return fmt.Sprintf("%s: %d bytes, want %d", where, e.Got, e.Want)
}

// Unwrap gives the fault.
func (e *ProtocolError) Unwrap() error { return e.Fault }
