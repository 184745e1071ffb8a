package virtual

import (
	"bytes"
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
// only that one exists here; it is of the protocol it was issued under.
type token struct {
	key          *pinuv.Token // nil when none is in use
	issued       time.Time
	lastUse      time.Time // zero before the first one
	userVerified bool
	userPresent  bool // a touch that still counts came with it
	byUV         bool // built-in user verification earned it
	permissions  ctap2.Permission
	rpID         *string // permissions RP ID
	// lasting: issued in the way of CTAP 2.0 on a key without pinUvAuthToken. It
	// is good for everything until the power goes.
	lasting bool
	// legacy: issued by getPinToken, which FIDO_2_1_PRE commands take for
	// everything.
	legacy bool
}

// stop is stopUsingPinUvAuthToken.
func (t *token) stop() {
	t.key.Wipe()
	*t = token{}
}

// use notes a use of the token.
func (t *token) use(now time.Time) { t.lastUse = now }

// spend is what makeCredential, and getAssertion with user presence, do to a
// token: what it may do from then on is write large blobs (CTAP 2.3 §6.1.2 step
// 14, §6.2.2 step 9).
func (t *token) spend() {
	if t.lasting {
		return
	}
	t.userPresent = false
	t.userVerified = false
	t.permissions &= ctap2.PermissionLargeBlobWrite
}

// may tells whether the token has the permission.
func (t *token) may(permission ctap2.Permission) bool {
	return t.lasting || t.permissions&permission != 0
}

// serves tells whether the token may be used on the relying party, and binds it
// to that if it is bound to none.
func (t *token) serves(rpID string) bool {
	if t.lasting {
		return true
	}
	if t.rpID == nil {
		t.rpID = &rpID
	}
	return *t.rpID == rpID
}

// initialUsage is how long a token may wait for its first use, and how long the
// touch counts that came with it.
func (a *Authenticator) initialUsage() time.Duration {
	usual := initialUsageUSB
	if a.cfg.Transport == NFC {
		usual = initialUsageNFC
	}
	return or(a.profile.Timers.InitialUsage, usual)
}

// expired tells whether the usage timer of the token has run out.
func (a *Authenticator) expired(t *token) bool {
	now, timers := a.cfg.Now(), a.profile.Timers
	switch {
	case t.lasting, a.faulty(tokenForever):
		return false
	case t.lastUse.IsZero() && now.Sub(t.issued) > a.initialUsage() && !a.faulty(tokenUnusedForever):
		return true
	case timers.TokenRolling > 0 && !t.lastUse.IsZero() && now.Sub(t.lastUse) > timers.TokenRolling:
		return true
	}
	return now.Sub(t.issued) > or(timers.TokenMaximum, maxUsage)
}

// liveToken returns the token after the usage timer had its say.
func (a *Authenticator) liveToken() *token {
	t := &a.volatile.token
	if t.key == nil {
		return t
	}
	if a.expired(t) {
		t.stop()
	}
	if t.userPresent && a.cfg.Now().Sub(t.issued) > a.initialUsage() {
		t.userPresent = false
	}
	return t
}

// issueToken replaces the token in use by a new one, fresh but for its key, and
// returns that encrypted for the platform.
func (a *Authenticator) issueToken(secret *pinuv.Secret, fresh token) ([]byte, error) {
	raw := make([]byte, tokenSize)
	if _, err := io.ReadFull(a.cfg.Rand, raw); err != nil {
		return nil, fmt.Errorf("token: %w", err)
	}
	key, err := pinuv.NewToken(secret.Protocol(), raw)
	if err != nil {
		return nil, err
	}
	random := a.cfg.Rand
	if a.faulty(tokenZeroIV) {
		random = zeros{}
	}
	encrypted, err := secret.Encrypt(random, raw)
	if err != nil {
		key.Wipe()
		return nil, err
	}
	fresh.key, fresh.issued, fresh.userVerified = key, a.cfg.Now(), true
	if a.faulty(tokenOlder) {
		a.volatile.older = a.volatile.token
	} else {
		a.volatile.token.stop()
	}
	a.volatile.token = fresh
	return encrypted, nil
}

// lastingToken is the token of a key of CTAP 2.0: the same one until the power
// goes, whoever asks.
func (a *Authenticator) lastingToken(secret *pinuv.Secret) ([]byte, error) {
	t := &a.volatile.token
	if t.key == nil || t.key.Protocol() != secret.Protocol() {
		return a.issueToken(secret, token{lasting: true, legacy: true})
	}
	return secret.Encrypt(a.cfg.Rand, t.key.Bytes())
}

// verifyToken checks a pinUvAuthParam over the message with the token in use.
// Whatever is wrong, the error is CTAP2_ERR_PIN_AUTH_INVALID.
func (a *Authenticator) verifyToken(p pinAuth, message ...[]byte) (*token, error) {
	t := a.liveToken()
	if older := &a.volatile.older; a.faulty(tokenOlder) && a.isOf(older, p, message) {
		t = older
	}
	if !a.isOf(t, p, message) {
		return nil, ctap2.StatusPINAuthInvalid
	}
	t.use(a.cfg.Now())
	return t, nil
}

// isOf tells whether a pinUvAuthParam is the token's.
func (a *Authenticator) isOf(t *token, p pinAuth, message [][]byte) bool {
	const part = 16
	switch {
	case t.key == nil || uint64(t.key.Protocol()) != p.protocol:
		return false
	case a.faulty(paramPrefix) && len(p.param) >= part:
		return bytes.Equal(p.param[:part], t.key.Authenticate(message...)[:part])
	}
	return t.key.Verify(p.param, message...)
}

// authorizeFor checks a pinUvAuthParam of makeCredential or getAssertion, and
// that the token behind it has the permission for the relying party. Whatever is
// wrong, the error is CTAP2_ERR_PIN_AUTH_INVALID (CTAP 2.3 §6.1.2 step 11,
// §6.2.2 step 6).
func (a *Authenticator) authorizeFor(p pinAuth, permission ctap2.Permission, rpID string, message ...[]byte) (*token, error) {
	t, err := a.verifyToken(p, message...)
	if err != nil {
		return nil, err
	}
	may := t.may(permission) && t.userVerified || a.faulty(permissionUnchecked)
	anywhere := a.faulty(tokenRPUnchecked) || t.legacy && a.faulty(legacyUnbound)
	if !may || !anywhere && !t.serves(rpID) {
		return nil, ctap2.StatusPINAuthInvalid
	}
	return t, nil
}

// unchecked has the faults of keys that do not look at a permission.
var unchecked = map[ctap2.Permission]FaultID{
	ctap2.PermissionCredentialManagement: uncheckedCM, ctap2.PermissionBioEnrollment: uncheckedBE,
	ctap2.PermissionLargeBlobWrite: uncheckedLBW, ctap2.PermissionConfig: uncheckedACFG,
}

// authorize checks a pinUvAuthParam of a management command, which spends
// nothing, and that the token has the permission. A prototype command takes the
// token of getPinToken, which has no permissions of its kind.
func (a *Authenticator) authorize(p pinAuth, permission ctap2.Permission, prototype bool, message ...[]byte) (*token, error) {
	if err := a.checkAuthProtocol(p); err != nil {
		return nil, err
	}
	t, err := a.verifyToken(p, message...)
	if err != nil {
		return nil, err
	}
	if !t.may(permission) && !(prototype && t.legacy) && !a.faulty(unchecked[permission]) {
		return nil, ctap2.StatusPINAuthInvalid
	}
	return t, nil
}
