package ctaphid

import (
	"errors"
	"fmt"
	"testing"
)

func TestNames(t *testing.T) {
	tests := []struct {
		value fmt.Stringer
		want  string
	}{
		{ChannelID(0x00000102), "00000102"},
		{BroadcastCID, "ffffffff"},
		{CommandInit, "CTAPHID_INIT"},
		{Command(0x3c), "command 0x3c"},
		{Command(0x41), "vendor command 0x41"},
		{Capability(0), "none"},
		{CapabilityWink | CapabilityCBOR, "wink|cbor"},
		{CapabilityLock | CapabilityNMSG | 0x30, "lock|nmsg|0x30"},
		{KeepaliveProcessing, "processing"},
		{KeepaliveUPNeeded, "up-needed"},
		{KeepaliveStatus(3), "status 0x03"},
		{CodeInvalidChannel, "ERR_INVALID_CHANNEL (0x0b)"},
		{ErrorCode(0x42), "unknown error (0x42)"},
	}
	for _, tt := range tests {
		if got := tt.value.String(); got != tt.want {
			t.Errorf("got %q, want %q", got, tt.want)
		}
	}
}

func TestErrorTexts(t *testing.T) {
	tests := []struct {
		err  error
		want string
	}{
		{&Error{Op: "open", Err: ErrGone}, "ctaphid open: device is gone, plug it in again"},
		{&Error{Op: "cbor", CID: 0x0a0b, Err: CodeOther}, "ctaphid cbor on channel 00000a0b: ERR_OTHER (0x7f)"},
		{&ProtocolError{Fault: FaultShort, CID: 1, Got: 3, Want: 5}, "report is too short on channel 00000001: 3 bytes, want 5"},
		{&ProtocolError{Fault: FaultStray, CID: 1, Got: 3}, "continuation packet without a message on channel 00000001: sequence number 3"},
		{
			&ProtocolError{Fault: FaultSequence, CID: 1, Command: CommandPing, Got: 3, Want: 2},
			"CTAPHID_PING: packet is out of sequence on channel 00000001: sequence number 3, want 2",
		},
		{
			&ProtocolError{Fault: FaultCommand, CID: 1, Command: CommandCBOR, Got: 3, Want: 0x10},
			"CTAPHID_CBOR: answer is to another command on channel 00000001: CTAPHID_MSG",
		},
		{
			&ProtocolError{Fault: FaultIncomplete, CID: 1, Command: CommandMsg, Got: 57, Want: 60},
			"CTAPHID_MSG: message is incomplete on channel 00000001: 57 of 60 bytes",
		},
		{Fault(99), "fault 99"},
	}
	for _, tt := range tests {
		if got := tt.err.Error(); got != tt.want {
			t.Errorf("got %q, want %q", got, tt.want)
		}
	}
}

func TestErrorKinds(t *testing.T) {
	busy := &Error{Op: "cbor", CID: 1, Err: CodeChannelBusy}
	if !errors.Is(busy, ErrBusy) || !errors.Is(busy, CodeChannelBusy) || errors.Is(busy, ErrTimeout) {
		t.Error("CodeChannelBusy is ErrBusy and nothing else")
	}
	if errors.Is(CodeOther, ErrBusy) {
		t.Error("CodeOther is not ErrBusy")
	}
	var fault Fault
	err := &Error{Op: "ping", Err: &ProtocolError{Fault: FaultSequence}}
	if !errors.Is(err, ErrProtocol) || !errors.As(err, &fault) || fault != FaultSequence {
		t.Errorf("%v: fault %v", err, fault)
	}
}
