package virtual

import (
	"fmt"
	"io"
	"time"

	"github.com/touchstone-fido/touchstone/ctap2"
	"github.com/touchstone-fido/touchstone/ctap2/pinuv"
)

// Limits on the life of a pinUvAuthToken (CTAP 2.3 §6.5.2.1): how long it may
// wait for its first use, by transport, and how long it lives at the most.
const (
	initialUsageUSB = 30 * time.Second
	initialUsageNFC = 19800 * time.Millisecond
	maxUsage        = 10 * time.Minute
	tokenSize       = 32 // bytes, for both protocols
)

// token is the one pinUvAuthToken in use and its state (CTAP 2.3 §6.5.2.1). The
// standard gives each protocol a token and lets only one of them be in use, so
// only that one exists here; it is of the protocol it was issued under. There
// is no userPresent flag: only built-in user verification can set it.
type token struct {
	key          *pinuv.Token // nil when none is in use
	issued       time.Time
	used         bool
	userVerified bool
	permissions  ctap2.Permission
	rpID         *string // permissions RP ID
}

// stop is stopUsingPinUvAuthToken.
func (t *token) stop() {
	t.key.Wipe()
	*t = token{}
}

// expired tells whether the usage timer has run out at the time now.
func (t *token) expired(now time.Time, initial time.Duration) bool {
	age := now.Sub(t.issued)
	return age > maxUsage || !t.used && age > initial
}

// spend is what makeCredential, and getAssertion with user presence, do to a
// token: what it may do from then on is write large blobs (CTAP 2.3 §6.1.2 step
// 14, §6.2.2 step 9).
func (t *token) spend() {
	t.userVerified = false
	t.permissions &= ctap2.PermissionLargeBlobWrite
}

// serves tells whether the token may be used on the relying party, and binds it
// to that if it is bound to none.
func (t *token) serves(rpID string) bool {
	if t.rpID == nil {
		t.rpID = &rpID
	}
	return *t.rpID == rpID
}

// liveToken returns the token after the usage timer had its say.
func (a *Authenticator) liveToken() *token {
	t, initial := &a.volatile.token, initialUsageUSB
	if a.cfg.Transport == NFC {
		initial = initialUsageNFC
	}
	if t.key != nil && t.expired(a.cfg.Now(), initial) {
		t.stop()
	}
	return t
}

// issueToken replaces the token in use by a new one, which a PIN has earned,
// and returns it encrypted for the platform.
func (a *Authenticator) issueToken(secret *pinuv.Secret, permissions ctap2.Permission, rpID *string) ([]byte, error) {
	raw := make([]byte, tokenSize)
	if _, err := io.ReadFull(a.cfg.Rand, raw); err != nil {
		return nil, fmt.Errorf("token: %w", err)
	}
	key, err := pinuv.NewToken(secret.Protocol(), raw)
	if err != nil {
		return nil, err
	}
	encrypted, err := secret.Encrypt(a.cfg.Rand, raw)
	if err != nil {
		key.Wipe()
		return nil, err
	}
	a.volatile.token.stop()
	a.volatile.token = token{
		key: key, issued: a.cfg.Now(), userVerified: true, permissions: permissions, rpID: rpID,
	}
	return encrypted, nil
}

// authorize checks a pinUvAuthParam over the message and that the token behind
// it has the permission for the relying party. Whatever is wrong, the error is
// CTAP2_ERR_PIN_AUTH_INVALID (CTAP 2.3 §6.1.2 step 11, §6.2.2 step 6).
func (a *Authenticator) authorize(p pinAuth, message []byte, permission ctap2.Permission, rpID string) error {
	t := a.liveToken()
	if t.key == nil || uint64(t.key.Protocol()) != p.protocol || !t.key.Verify(p.param, message) {
		return ctap2.StatusPINAuthInvalid
	}
	t.used = true
	if t.permissions&permission == 0 || !t.userVerified || !t.serves(rpID) {
		return ctap2.StatusPINAuthInvalid
	}
	return nil
}
