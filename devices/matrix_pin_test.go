package devices_test

import (
	"bytes"
	"errors"
	"strings"

	"github.com/touchstone-fido/touchstone/ctap2"
	"github.com/touchstone-fido/touchstone/ctap2/pinuv"
	"github.com/touchstone-fido/touchstone/devices/virtual"
)

func matrixBasics(b *bench) {
	info := b.info()
	b.equal("versions", info.Versions, []string{"U2F_V2", "FIDO_2_0", "FIDO_2_1", "FIDO_2_3"})
	b.equal("AAGUID", info.AAGUID, virtual.DefaultAAGUID)
	b.equal("protocols", info.PINUVAuthProtocols, []pinuv.Protocol{b.cell.protocol})
	b.equal("room", info.RemainingDiscoverableCredentials, uint(100))
	b.must(b.Selection(b.Context()))
	b.equal("touches of a selection", b.touches.Load(), int32(1))

	b.setPIN()
	first := b.mustCreate(discoverable(matrixRP, "alice"))
	b.equal("room with one credential", b.info().RemainingDiscoverableCredentials, uint(99))
	b.decision.Store(int32(virtual.DecisionDenied))
	b.refused("a selection without the user", b.Selection(b.Context()), ctap2.StatusOperationDenied)
	b.refused("a reset without the user", b.Reset(b.Context()), ctap2.StatusOperationDenied)

	b.decision.Store(int32(virtual.DecisionHeld))
	b.must(b.Reset(b.Context()))
	set, _ := b.info().Option(ctap2.OptionClientPIN)
	b.equal("a PIN after a reset", set, false)
	b.equal("room after a reset", b.info().RemainingDiscoverableCredentials, uint(100))
	_, err := b.get(requestOptions(matrixRP, first.descriptor()))
	b.refused("a credential after a reset", err, ctap2.StatusNoCredentials)
}

func matrixPIN(b *bench) {
	ctx, p := b.Context(), b.cell.protocol
	retries := func(want ctap2.PINRetries) {
		b.Helper()
		r, err := b.PINRetries(ctx)
		b.must(err)
		b.equal("tries", r, want)
	}
	retries(ctap2.PINRetries{Left: 8})
	b.refused("a PIN of three", b.SetPIN(ctx, p, []byte("123")), pinuv.ErrPINTooShort)
	b.setPIN()
	b.refused("a second first PIN", b.SetPIN(ctx, p, []byte("9999")), ctap2.StatusPINAuthInvalid)
	b.must(b.ChangePIN(ctx, p, []byte(matrixPINText), []byte("13579")))

	for left := 7; left > 4; left-- {
		_, err := b.PINToken(ctx, p, []byte("0000"))
		want := ctap2.StatusPINInvalid
		if left == 5 {
			want = ctap2.StatusPINAuthBlocked // the third in a row
		}
		var refused *ctap2.PINError
		b.refused("a wrong PIN", err, want)
		if !errors.As(err, &refused) || refused.Left != left {
			b.Errorf("a wrong PIN: %v, want %d tries left", err, left)
		}
	}
	retries(ctap2.PINRetries{Left: 5, PowerCycle: true})
	b.key.PowerCycle()
	retries(ctap2.PINRetries{Left: 5})
	token, err := b.PINToken(ctx, p, []byte("13579"))
	b.must(err)
	b.equal("protocol of the token", token.Protocol(), p)
	retries(ctap2.PINRetries{Left: 8})
	_, err = b.UVRetries(ctx)
	b.refused("tries of no sensor", err, ctap2.StatusInvalidSubcommand)
}

// matrixNormalisation has PINs written in two ways, and PINs at the limits.
func matrixNormalisation(b *bench) {
	const composed, decomposed = "\u00c5ngstr\u00f6m", "A\u030angstro\u0308m"
	ctx, p := b.Context(), b.cell.protocol
	for _, test := range []struct {
		what, pin string
		want      error
	}{
		{"three characters written as six", strings.Repeat("e\u0301", 3), pinuv.ErrPINTooShort},
		{"64 bytes", strings.Repeat("\u00e9", 32), pinuv.ErrPINTooLong},
		{"bytes that are no text", "\xff\xfe\xfd\xfc", pinuv.ErrPINInvalid},
		{"a zero byte at the end", "1234\x00", pinuv.ErrPINInvalid},
	} {
		b.refused(test.what, b.SetPIN(ctx, p, []byte(test.pin)), test.want)
	}
	b.must(b.SetPIN(ctx, p, []byte(decomposed)))
	_, err := b.PINToken(ctx, p, []byte(composed))
	b.must(err)
	b.equal("bytes that the key has hashed", b.pinHash(), pinuv.HashPIN([]byte(composed)))
	b.must(b.ChangePIN(ctx, p, []byte(composed), []byte(strings.Repeat("\u00e9", 31)+"x"))) // 63 bytes
	b.must(b.ChangePIN(ctx, p, []byte(strings.Repeat("e\u0301", 31)+"x"), []byte(strings.Repeat("e\u0301", 4))))
	b.equal("bytes of the shortest", b.pinHash(), pinuv.HashPIN([]byte(strings.Repeat("\u00e9", 4))))
}

// pinHash is what the key stores of its PIN.
func (b *bench) pinHash() []byte {
	b.Helper()
	return b.record("pin", 1).([]byte)
}

func matrixForcedChange(b *bench) {
	ctx, p := b.Context(), b.cell.protocol
	b.setPIN()
	b.must(b.SetMinPINLength(ctx, b.configuration(), ctap2.MinPINLength{ForceChange: true}))
	b.equal("forcePINChange", b.info().ForcePINChange, true)
	_, err := b.PINToken(ctx, p, []byte(matrixPINText))
	b.refused("a token by the old PIN", err, ctap2.StatusPINInvalid)
	b.refused("the same PIN", b.ChangePIN(ctx, p, []byte(matrixPINText), []byte(matrixPINText)), ctap2.StatusPINPolicyViolation)
	b.must(b.ChangePIN(ctx, p, []byte(matrixPINText), []byte("97531")))
	b.equal("forcePINChange after the change", b.info().ForcePINChange, false)
	_, err = b.PINToken(ctx, p, []byte("97531"))
	b.must(err)
}

// matrixTokens holds tokens to what they authorise.
func matrixTokens(b *bench) {
	ctx := b.Context()
	b.setPIN()
	request := func(rpID string) *ctap2.MakeCredentialRequest {
		return &ctap2.MakeCredentialRequest{
			ClientDataHash: bytes.Repeat([]byte{3}, 32), RP: ctap2.RelyingParty{ID: rpID},
			User: ctap2.User{ID: []byte("u")}, Parameters: ctap2.Parameters(-7),
		}
	}
	make := func(t *pinuv.Token, rpID string) error {
		r := request(rpID)
		r.Authorize(t)
		_, err := b.MakeCredential(ctx, r)
		return err
	}
	for perms := ctap2.Permission(1); perms <= ctap2.PermissionConfig; perms <<= 1 {
		if perms == ctap2.PermissionBioEnrollment {
			continue // this key has no sensor
		}
		rpID := ""
		if perms <= ctap2.PermissionGetAssertion {
			rpID = matrixRP
		}
		t := b.token(perms, rpID)
		var want error = ctap2.StatusPINAuthInvalid
		if perms == ctap2.PermissionMakeCredential {
			want = nil
		}
		b.refused("makeCredential with "+perms.String(), make(t, matrixRP), want)
	}
	_, err := b.PINTokenWithPermissions(ctx, b.cell.protocol, []byte(matrixPINText), ctap2.PermissionBioEnrollment, "")
	b.refused("be on a key without a sensor", err, ctap2.StatusUnauthorizedPermission)

	t := b.token(ctap2.PermissionMakeCredential, matrixRP)
	b.refused("another relying party", make(t, "example.org"), ctap2.StatusPINAuthInvalid)
	b.must(make(t, matrixRP))
	b.refused("a token that was used", make(t, matrixRP), ctap2.StatusPINAuthInvalid)
	t = b.token(ctap2.PermissionMakeCredential, matrixRP)
	b.token(ctap2.PermissionConfig, "")
	b.refused("a token that another has ended", make(t, matrixRP), ctap2.StatusPINAuthInvalid)

	legacy, err := b.PINToken(ctx, b.cell.protocol, []byte(matrixPINText))
	b.must(err)
	b.must(make(legacy, matrixRP)) // which binds it
	b.equal("sizes of pinUvAuthParam", len(legacy.Authenticate([]byte("x"))), map[pinuv.Protocol]int{pinuv.One: 16, pinuv.Two: 32}[b.cell.protocol])
}
