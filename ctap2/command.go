package ctap2

import "fmt"

// Command is the first byte of every CTAP2 request (CTAP 2.3 §6).
type Command byte

// Commands of CTAP 2.0 to 2.3, and the two prototypes of FIDO_2_1_PRE.
const (
	CommandMakeCredential       Command = 0x01
	CommandGetAssertion         Command = 0x02
	CommandGetInfo              Command = 0x04
	CommandClientPIN            Command = 0x06
	CommandReset                Command = 0x07
	CommandGetNextAssertion     Command = 0x08
	CommandBioEnrollment        Command = 0x09
	CommandCredentialManagement Command = 0x0a
	CommandSelection            Command = 0x0b
	CommandLargeBlobs           Command = 0x0c
	CommandConfig               Command = 0x0d
	CommandBioEnrollmentPre     Command = 0x40
	CommandCredManagementPre    Command = 0x41
)

var commandNames = map[Command]string{
	CommandMakeCredential:       "authenticatorMakeCredential",
	CommandGetAssertion:         "authenticatorGetAssertion",
	CommandGetInfo:              "authenticatorGetInfo",
	CommandClientPIN:            "authenticatorClientPIN",
	CommandReset:                "authenticatorReset",
	CommandGetNextAssertion:     "authenticatorGetNextAssertion",
	CommandBioEnrollment:        "authenticatorBioEnrollment",
	CommandCredentialManagement: "authenticatorCredentialManagement",
	CommandSelection:            "authenticatorSelection",
	CommandLargeBlobs:           "authenticatorLargeBlobs",
	CommandConfig:               "authenticatorConfig",
	CommandBioEnrollmentPre:     "authenticatorBioEnrollment (prototype)",
	CommandCredManagementPre:    "authenticatorCredentialManagement (prototype)",
}

// String is the standard's name, such as "authenticatorGetInfo", or the number
// of a command without one.
func (c Command) String() string {
	if name, ok := commandNames[c]; ok {
		return name
	}
	return fmt.Sprintf("command 0x%02x", byte(c))
}

// PINSubcommand is the subCommand of authenticatorClientPIN (CTAP 2.3 §6.5.5).
type PINSubcommand uint

// Subcommands of authenticatorClientPIN.
const (
	PINGetRetries       PINSubcommand = 0x01
	PINGetKeyAgreement  PINSubcommand = 0x02
	PINSet              PINSubcommand = 0x03
	PINChange           PINSubcommand = 0x04
	PINGetToken         PINSubcommand = 0x05
	PINGetTokenUsingUV  PINSubcommand = 0x06
	PINGetUVRetries     PINSubcommand = 0x07
	PINGetTokenUsingPIN PINSubcommand = 0x09
)

var pinSubcommandNames = map[PINSubcommand]string{
	PINGetRetries:       "getPINRetries",
	PINGetKeyAgreement:  "getKeyAgreement",
	PINSet:              "setPIN",
	PINChange:           "changePIN",
	PINGetToken:         "getPinToken",
	PINGetTokenUsingUV:  "getPinUvAuthTokenUsingUvWithPermissions",
	PINGetUVRetries:     "getUVRetries",
	PINGetTokenUsingPIN: "getPinUvAuthTokenUsingPinWithPermissions",
}

// String is the standard's name of the subcommand.
func (s PINSubcommand) String() string {
	if name, ok := pinSubcommandNames[s]; ok {
		return name
	}
	return fmt.Sprintf("subcommand 0x%02x", uint(s))
}
