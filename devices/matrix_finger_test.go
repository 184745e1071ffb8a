package devices_test

import (
	"github.com/touchstone-fido/touchstone/ctap2"
	"github.com/touchstone-fido/touchstone/ctap2/pinuv"
	"github.com/touchstone-fido/touchstone/devices/virtual"
)

// enrolThumb has the key know its user.
func (b *bench) enrolThumb() []byte {
	b.Helper()
	f, err := b.Fingerprints(b.info(), b.token(ctap2.PermissionBioEnrollment, ""))
	b.must(err)
	id, err := f.Enroll(b.Context(), 0, func(ctap2.Sample) error { return nil })
	b.must(err)
	return id
}

func matrixFingers(b *bench) {
	b = b.cell.benchOf(b.T, virtual.FingerprintProfile(), func(p *virtual.Profile) { p.UV.PreferredAttempts = 1 })
	b.setPIN()
	_, err := b.UVTokenWithPermissions(b.Context(), b.cell.protocol, ctap2.PermissionGetAssertion, matrixRP)
	b.refused("a token by no finger", err, ctap2.StatusNotAllowed)
	without, err := b.Fingerprints(b.info(), nil)
	b.must(err)
	_, err = without.Templates(b.Context())
	b.refused("listing without a token", err, ctap2.StatusPUATRequired)
	id := b.manageFingers(b.token(ctap2.PermissionBioEnrollment, ""))
	b.equal("bioEnroll and uv", [2]bool{b.option(ctap2.OptionBioEnroll), b.option(ctap2.OptionUV)}, [2]bool{true, true})

	// The finger is now good for tokens, also to forget itself.
	b.wrongFinger()
	token, err := b.UVTokenWithPermissions(b.Context(), b.cell.protocol, ctap2.PermissionBioEnrollment, "")
	b.must(err)
	f, err := b.Fingerprints(b.info(), token)
	b.must(err)
	b.must(f.Remove(b.Context(), id))
	b.refused("removing it again", f.Remove(b.Context(), id), ctap2.StatusInvalidOption)
	b.equal("bioEnroll and uv", [2]bool{b.option(ctap2.OptionBioEnroll), b.option(ctap2.OptionUV)}, [2]bool{false, false})
}

// wrongFinger spends the tries of a finger that is not known, and has the PIN
// give them back.
func (b *bench) wrongFinger() {
	b.Helper()
	retries := func(want uint) {
		b.Helper()
		n, err := b.UVRetries(b.Context())
		b.must(err)
		b.equal("tries of the sensor", n, want)
	}
	retries(5)
	b.finger(virtual.Sample{Finger: "stranger"})
	for _, left := range []uint{2, 0} { // three tries within a command
		_, err := b.UVTokenWithPermissions(b.Context(), b.cell.protocol, ctap2.PermissionGetAssertion, matrixRP)
		want := ctap2.StatusUVInvalid
		if left == 0 {
			want = ctap2.StatusUVBlocked
		}
		b.refused("a stranger", err, want)
		retries(left)
	}
	b.equal("tries since the PIN", b.info().UVCountSinceLastPINEntry, uint(5))
	_, err := b.PINToken(b.Context(), b.cell.protocol, []byte(matrixPINText))
	b.must(err)
	retries(5)
	b.equal("tries since the PIN", b.info().UVCountSinceLastPINEntry, uint(0))
	b.finger(virtual.Sample{Finger: "thumb"})
}

func matrixFingersPre(b *bench) {
	b = b.cell.benchOf(b.T, virtual.FingerprintProfile(), func(p *virtual.Profile) {
		prototypes(p)
		p.Options[ctap2.OptionUserVerificationMgmtPreview] = false
	})
	b.setPIN()
	token, err := b.PINToken(b.Context(), b.cell.protocol, []byte(matrixPINText))
	b.must(err)
	id := b.manageFingers(token)
	b.equal("userVerificationMgmtPreview", b.option(ctap2.OptionUserVerificationMgmtPreview), true)
	f, err := b.Fingerprints(b.info(), token)
	b.must(err)
	b.must(f.Remove(b.Context(), id))
	b.equal("messages to the command of CTAP 2.1", len(b.key.sent(ctap2.CommandBioEnrollment)), 0)
}

// manageFingers enrols, cancels, lists and renames, and returns the ID of the
// thumb.
func (b *bench) manageFingers(token *pinuv.Token) []byte {
	b.Helper()
	ctx := b.Context()
	f, err := b.Fingerprints(b.info(), token)
	b.must(err)
	modality, err := f.Modality(ctx)
	b.must(err)
	b.equal("modality", modality, ctap2.BioFingerprint)
	sensor, err := f.Sensor(ctx)
	b.must(err)
	b.equal("sensor", sensor, ctap2.SensorInfo{Kind: ctap2.FingerprintTouch, MaxSamples: 4, MaxNameLength: 64})
	none, err := f.Templates(ctx)
	b.must(err)
	b.equal("templates of an empty key", len(none), 0)

	e, first, err := f.Begin(ctx, 0)
	b.must(err)
	b.equal("first sample", first, ctap2.Sample{Status: ctap2.SampleGood, Remaining: 3})
	b.must(e.Cancel(ctx))
	_, err = e.Next(ctx, 0)
	b.refused("the next sample of what was cancelled", err, ctap2.StatusInvalidOption)

	id := b.enrolBadly(f)
	b.finger(virtual.Sample{Finger: "index"})
	other, err := f.Enroll(ctx, 0, func(ctap2.Sample) error { return nil })
	b.must(err)
	b.must(f.Rename(ctx, id, "thümb"))
	b.refused("a finger that is not there", f.Rename(ctx, []byte("x"), "y"), ctap2.StatusInvalidOption)
	all, err := f.Templates(ctx)
	b.must(err)
	b.equal("templates", all, []ctap2.Template{{ID: id, Name: "thümb"}, {ID: other}})
	b.must(f.Remove(ctx, other))
	b.finger(virtual.Sample{Finger: "thumb"})
	_, known, err := f.Begin(ctx, 0)
	b.must(err)
	b.equal("a finger that is known", known, ctap2.Sample{Status: ctap2.SampleExists, Remaining: 4})
	b.must(f.CancelEnrollment(ctx))
	return id
}

// enrolBadly enrols the thumb with samples of each kind between the good ones.
func (b *bench) enrolBadly(f *ctap2.Fingerprints) []byte {
	b.Helper()
	good := virtual.Sample{Finger: "thumb"}
	samples, want := []virtual.Sample{good}, []ctap2.Sample{{Status: ctap2.SampleGood, Remaining: 3}}
	for s := virtual.SampleTooHigh; s <= virtual.SampleTooShort; s++ {
		samples = append(samples, virtual.Sample{Finger: "thumb", Status: s})
		want = append(want, ctap2.Sample{Status: ctap2.SampleStatus(s), Remaining: 3})
	}
	samples = append(samples, virtual.Sample{Finger: "nose"}, virtual.Sample{}, good)
	want = append(want, ctap2.Sample{Status: ctap2.SampleMergeFailure, Remaining: 3}, ctap2.Sample{Status: ctap2.SampleNoUserActivity, Remaining: 3})
	for left := uint(3); left > 0; left-- {
		want = append(want, ctap2.Sample{Status: ctap2.SampleGood, Remaining: left - 1})
	}
	b.finger(samples...)
	var told []ctap2.Sample
	id, err := f.Enroll(b.Context(), 0, func(s ctap2.Sample) error {
		told = append(told, s)
		return nil
	})
	b.must(err)
	b.equal("samples", told, want)
	return id
}
