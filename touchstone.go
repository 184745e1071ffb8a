// Package touchstone is the root of a CTAP2 toolkit for FIDO2 security keys
// over USB HID and NFC; it holds no code. The library's rooms are
//
//	ctap2            the client: one method for each authenticator command
//	ctap2/webauthn   what a WebAuthn client does around it
//	ctaphid, nfc     the two framings, both ends of each, and their backends
//	devices          finding, naming and opening keys
//	devices/virtual  a security key in software
//	devices/doctor   what keeps keys from being used, and devices/holders who has them
//	devices/transcript  tapes: record a key's session, replay it
//	devices/enroll   make and check a passkey
//	relyingparty     a relying party's checks, by go-webauthn
//
// and cmd/touchstone is the program; packaging/udev has the udev rules. Which room may import which is law in
// imports_test.go.
package touchstone
