package webauthn

// Exception is the name of the DOMException, or of the simple exception, with
// which a browser's promise would be rejected (WebAuthn L3 §5.1.3 and §5.1.4).
// Errors of this package and of package ceremony match one with errors.Is.
type Exception string

// Exceptions.
const (
	ConstraintError   Exception = "ConstraintError"   // the authenticator cannot do what is required
	InvalidStateError Exception = "InvalidStateError" // a credential of the exclude list is there, and the user agreed to tell
	NotAllowedError   Exception = "NotAllowedError"   // all that a relying party must not tell apart
	NotSupportedError Exception = "NotSupportedError" // no algorithm or extension in common
	SecurityError     Exception = "SecurityError"     // the origin may not use the relying party ID
	SyntaxError       Exception = "SyntaxError"       // text that is none of what it should be
	TypeError         Exception = "TypeError"         // a member of the wrong type, or missing
)

// Error is the name.
func (e Exception) Error() string { return string(e) }
