package ctap2

import (
	"errors"
	"fmt"
)

// Error is an authenticator's refusal of a command. It matches its Status with
// errors.Is.
type Error struct {
	Command    Command
	Subcommand string // the standard's name, "" for commands without any
	Status     Status

	// Cause is why the platform cancelled the command, nil when it did not.
	Cause error
}

// Error names the command and the status.
func (e *Error) Error() string {
	s := e.Command.String()
	if e.Subcommand != "" {
		s += " " + e.Subcommand
	}
	s += ": " + e.Status.Error()
	if e.Cause != nil {
		s += fmt.Sprintf(" after %v", e.Cause)
	}
	return s
}

// Unwrap returns the status and, if there is one, the cause.
func (e *Error) Unwrap() []error {
	if e.Cause != nil {
		return []error{e.Status, e.Cause}
	}
	return []error{e.Status}
}

// PINError is a PIN that the authenticator did not accept. It matches
// [StatusPINInvalid], [StatusPINAuthBlocked] or [StatusPINBlocked].
type PINError struct {
	Err *Error

	// Left is the number of PIN tries left, or -1 when the authenticator did
	// not say.
	Left int
}

// Error names the refusal and the tries left.
func (e *PINError) Error() string {
	if e.Left < 0 {
		return e.Err.Error()
	}
	return fmt.Sprintf("%v, %d tries left", e.Err, e.Left)
}

// Unwrap returns the refusal.
func (e *PINError) Unwrap() error { return e.Err }

// ResponseError is an answer that is not what the standard lets a command
// answer.
type ResponseError struct {
	Command    Command
	Subcommand string
	Err        error
}

// Error names the command and what is wrong with its answer.
func (e *ResponseError) Error() string {
	s := e.Command.String()
	if e.Subcommand != "" {
		s += " " + e.Subcommand
	}
	return fmt.Sprintf("answer to %s: %v", s, e.Err)
}

// Unwrap returns what is wrong with the answer.
func (e *ResponseError) Unwrap() error { return e.Err }

// Kinds of [ResponseError].
var (
	// ErrEmptyResponse: not even a status byte, or no body where one is due.
	ErrEmptyResponse = errors.New("empty response")
	// ErrMissingMember: a member that the standard requires is absent.
	ErrMissingMember = errors.New("required member is missing")
)

// ErrMessageTooLong is a request that is longer than the authenticator's
// maxMsgSize. It was not sent.
var ErrMessageTooLong = errors.New("request is longer than the authenticator takes")

// ErrTimeout is the cause of a command that took longer than Config.Timeout.
var ErrTimeout = errors.New("no answer within the time limit")

// ErrUnsupported: by its getInfo, the authenticator cannot do this. Nothing was
// sent.
var ErrUnsupported = errors.New("the authenticator does not support this")
