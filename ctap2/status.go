package ctap2

import "fmt"

// Status is the first byte of every CTAP2 response (CTAP 2.3 §8.2). Zero is
// success; every other value is an error that callers compare with errors.Is.
type Status byte

// Status codes. A CTAPHID_ERROR packet uses the CTAP1 ones too.
const (
	StatusOK                     Status = 0x00
	StatusInvalidCommand         Status = 0x01
	StatusInvalidParameter       Status = 0x02
	StatusInvalidLength          Status = 0x03
	StatusInvalidSeq             Status = 0x04
	StatusTimeout                Status = 0x05
	StatusChannelBusy            Status = 0x06
	StatusLockRequired           Status = 0x0a
	StatusInvalidChannel         Status = 0x0b
	StatusCBORUnexpectedType     Status = 0x11
	StatusInvalidCBOR            Status = 0x12
	StatusMissingParameter       Status = 0x14
	StatusLimitExceeded          Status = 0x15
	StatusUnsupportedExtension   Status = 0x16 // CTAP 2.0 only
	StatusFPDatabaseFull         Status = 0x17
	StatusLargeBlobStorageFull   Status = 0x18
	StatusCredentialExcluded     Status = 0x19
	StatusProcessing             Status = 0x21
	StatusInvalidCredential      Status = 0x22
	StatusUserActionPending      Status = 0x23
	StatusOperationPending       Status = 0x24
	StatusNoOperations           Status = 0x25
	StatusUnsupportedAlgorithm   Status = 0x26
	StatusOperationDenied        Status = 0x27
	StatusKeyStoreFull           Status = 0x28
	StatusNotBusy                Status = 0x29 // CTAP 2.0 only
	StatusNoOperationPending     Status = 0x2a // CTAP 2.0 only
	StatusUnsupportedOption      Status = 0x2b
	StatusInvalidOption          Status = 0x2c
	StatusKeepaliveCancel        Status = 0x2d
	StatusNoCredentials          Status = 0x2e
	StatusUserActionTimeout      Status = 0x2f
	StatusNotAllowed             Status = 0x30
	StatusPINInvalid             Status = 0x31
	StatusPINBlocked             Status = 0x32
	StatusPINAuthInvalid         Status = 0x33
	StatusPINAuthBlocked         Status = 0x34
	StatusPINNotSet              Status = 0x35
	StatusPUATRequired           Status = 0x36 // PIN_REQUIRED in CTAP 2.0
	StatusPINPolicyViolation     Status = 0x37
	StatusPINTokenExpired        Status = 0x38 // CTAP 2.0; reserved since 2.1
	StatusRequestTooLarge        Status = 0x39
	StatusActionTimeout          Status = 0x3a
	StatusUPRequired             Status = 0x3b
	StatusUVBlocked              Status = 0x3c
	StatusIntegrityFailure       Status = 0x3d
	StatusInvalidSubcommand      Status = 0x3e
	StatusUVInvalid              Status = 0x3f
	StatusUnauthorizedPermission Status = 0x40
	StatusOther                  Status = 0x7f
	StatusSpecLast               Status = 0xdf
	StatusExtensionFirst         Status = 0xe0
	StatusExtensionLast          Status = 0xef
	StatusVendorFirst            Status = 0xf0
	StatusVendorLast             Status = 0xff
)

var statusNames = map[Status]string{
	StatusOK:                     "CTAP2_OK",
	StatusInvalidCommand:         "CTAP1_ERR_INVALID_COMMAND",
	StatusInvalidParameter:       "CTAP1_ERR_INVALID_PARAMETER",
	StatusInvalidLength:          "CTAP1_ERR_INVALID_LENGTH",
	StatusInvalidSeq:             "CTAP1_ERR_INVALID_SEQ",
	StatusTimeout:                "CTAP1_ERR_TIMEOUT",
	StatusChannelBusy:            "CTAP1_ERR_CHANNEL_BUSY",
	StatusLockRequired:           "CTAP1_ERR_LOCK_REQUIRED",
	StatusInvalidChannel:         "CTAP1_ERR_INVALID_CHANNEL",
	StatusCBORUnexpectedType:     "CTAP2_ERR_CBOR_UNEXPECTED_TYPE",
	StatusInvalidCBOR:            "CTAP2_ERR_INVALID_CBOR",
	StatusMissingParameter:       "CTAP2_ERR_MISSING_PARAMETER",
	StatusLimitExceeded:          "CTAP2_ERR_LIMIT_EXCEEDED",
	StatusUnsupportedExtension:   "CTAP2_ERR_UNSUPPORTED_EXTENSION",
	StatusFPDatabaseFull:         "CTAP2_ERR_FP_DATABASE_FULL",
	StatusLargeBlobStorageFull:   "CTAP2_ERR_LARGE_BLOB_STORAGE_FULL",
	StatusCredentialExcluded:     "CTAP2_ERR_CREDENTIAL_EXCLUDED",
	StatusProcessing:             "CTAP2_ERR_PROCESSING",
	StatusInvalidCredential:      "CTAP2_ERR_INVALID_CREDENTIAL",
	StatusUserActionPending:      "CTAP2_ERR_USER_ACTION_PENDING",
	StatusOperationPending:       "CTAP2_ERR_OPERATION_PENDING",
	StatusNoOperations:           "CTAP2_ERR_NO_OPERATIONS",
	StatusUnsupportedAlgorithm:   "CTAP2_ERR_UNSUPPORTED_ALGORITHM",
	StatusOperationDenied:        "CTAP2_ERR_OPERATION_DENIED",
	StatusKeyStoreFull:           "CTAP2_ERR_KEY_STORE_FULL",
	StatusNotBusy:                "CTAP2_ERR_NOT_BUSY",
	StatusNoOperationPending:     "CTAP2_ERR_NO_OPERATION_PENDING",
	StatusUnsupportedOption:      "CTAP2_ERR_UNSUPPORTED_OPTION",
	StatusInvalidOption:          "CTAP2_ERR_INVALID_OPTION",
	StatusKeepaliveCancel:        "CTAP2_ERR_KEEPALIVE_CANCEL",
	StatusNoCredentials:          "CTAP2_ERR_NO_CREDENTIALS",
	StatusUserActionTimeout:      "CTAP2_ERR_USER_ACTION_TIMEOUT",
	StatusNotAllowed:             "CTAP2_ERR_NOT_ALLOWED",
	StatusPINInvalid:             "CTAP2_ERR_PIN_INVALID",
	StatusPINBlocked:             "CTAP2_ERR_PIN_BLOCKED",
	StatusPINAuthInvalid:         "CTAP2_ERR_PIN_AUTH_INVALID",
	StatusPINAuthBlocked:         "CTAP2_ERR_PIN_AUTH_BLOCKED",
	StatusPINNotSet:              "CTAP2_ERR_PIN_NOT_SET",
	StatusPUATRequired:           "CTAP2_ERR_PUAT_REQUIRED",
	StatusPINPolicyViolation:     "CTAP2_ERR_PIN_POLICY_VIOLATION",
	StatusPINTokenExpired:        "CTAP2_ERR_PIN_TOKEN_EXPIRED",
	StatusRequestTooLarge:        "CTAP2_ERR_REQUEST_TOO_LARGE",
	StatusActionTimeout:          "CTAP2_ERR_ACTION_TIMEOUT",
	StatusUPRequired:             "CTAP2_ERR_UP_REQUIRED",
	StatusUVBlocked:              "CTAP2_ERR_UV_BLOCKED",
	StatusIntegrityFailure:       "CTAP2_ERR_INTEGRITY_FAILURE",
	StatusInvalidSubcommand:      "CTAP2_ERR_INVALID_SUBCOMMAND",
	StatusUVInvalid:              "CTAP2_ERR_UV_INVALID",
	StatusUnauthorizedPermission: "CTAP2_ERR_UNAUTHORIZED_PERMISSION",
	StatusOther:                  "CTAP1_ERR_OTHER",
	StatusSpecLast:               "CTAP2_ERR_SPEC_LAST",
}

// Name is the standard's name of the code, or a name of its range, such as
// "vendor error", for a code without one.
func (s Status) Name() string {
	if name, ok := statusNames[s]; ok {
		return name
	}
	switch {
	case s >= StatusVendorFirst:
		return "vendor error"
	case s >= StatusExtensionFirst:
		return "extension error"
	}
	return "unknown status"
}

// Error gives the name and the code, such as
// "CTAP2_ERR_PIN_INVALID (0x31)".
func (s Status) Error() string { return fmt.Sprintf("%s (0x%02x)", s.Name(), byte(s)) }

// String is the same as Error.
func (s Status) String() string { return s.Error() }
