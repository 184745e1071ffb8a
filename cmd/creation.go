package cmd

import (
	"context"
	"errors"
	"fmt"
	"strings"

	"github.com/spf13/pflag"

	"github.com/touchstone-fido/touchstone/ctap2"
	"github.com/touchstone-fido/touchstone/ctap2/webauthn"
	"github.com/touchstone-fido/touchstone/devices/enroll"
)

// creationFlags are the extensions that enroll asks for.
type creationFlags struct {
	prf          prfFlags
	protect      string
	credBlob     string
	largeBlob    string
	minPINLength bool
	pinPolicy    bool
	payment      bool
	uvm          bool
}

func (o *creationFlags) add(f *pflag.FlagSet) {
	o.prf.add(f, "ask for secrets that the passkey derives from inputs")
	f.StringVar(&o.protect, "protect", "", "credential protection `POLICY`: 1, 2 or 3, or the standard's name of it; \",enforce\" refuses keys without (credProtect)")
	f.StringVar(&o.credBlob, "cred-blob", "", "store a small blob with the passkey: `DATA` as "+dataForms)
	f.StringVar(&o.largeBlob, "large-blob", "", "make room for a large blob: required or preferred")
	f.BoolVar(&o.minPINLength, "min-pin-length", false, "ask for the key's minimum PIN length (it tells the relying parties on its list)")
	f.BoolVar(&o.pinPolicy, "pin-policy", false, "ask for the key's PIN complexity policy, in the same way")
	f.BoolVar(&o.payment, "payment", false, "make a passkey that other sites may ask for in payments (thirdPartyPayment)")
	f.BoolVar(&o.uvm, "uvm", false, "ask by which methods the user was verified")
}

// inputs are the extension inputs that the flags say. credProps costs nothing
// and is always asked for, as browsers are by most sites.
func (o *creationFlags) inputs(changed func(flag string) bool) (webauthn.ExtensionInputs, error) {
	in := webauthn.ExtensionInputs{
		CredProps: true, MinPINLength: o.minPINLength, PINComplexityPolicy: o.pinPolicy, UVM: o.uvm, Payment: payment(o.payment),
	}
	var err error
	if in.PRF, err = o.prf.inputs(); err != nil {
		return in, err
	}
	if changed("protect") {
		if in.ProtectionPolicy, in.EnforceProtectionPolicy, err = protection(o.protect); err != nil {
			return in, err
		}
	}
	if changed("cred-blob") {
		if in.CredBlob, err = parseData("--cred-blob", o.credBlob); err == nil && len(in.CredBlob) == 0 {
			err = usageError{errors.New("--cred-blob: there is nothing to store")}
		}
	}
	if changed("large-blob") && err == nil {
		in.LargeBlob = &webauthn.LargeBlobInputs{Support: o.largeBlob}
		if o.largeBlob != webauthn.SupportRequired && o.largeBlob != webauthn.SupportPreferred {
			err = usageError{fmt.Errorf("--large-blob %q is not required or preferred", o.largeBlob)}
		}
	}
	return in, err
}

// protection reads --protect: a level by number or name, and perhaps enforce.
func protection(value string) (policy string, enforce bool, err error) {
	policy, enforce = strings.CutSuffix(value, ",enforce")
	for level := uint(1); webauthn.ProtectionPolicy(level) != ""; level++ {
		if name := webauthn.ProtectionPolicy(level); policy == name || policy == fmt.Sprint(level) {
			return name, enforce, nil
		}
	}
	return "", false, usageError{fmt.Errorf("--protect %q: want 1, 2 or 3, or the standard's name of it, and perhaps \",enforce\"", value)}
}

func payment(asked bool) *webauthn.PaymentInputs {
	if !asked {
		return nil
	}
	return &webauthn.PaymentInputs{IsPayment: true}
}

// holdsBlob refuses a blob that the key would not store. A browser would have the
// passkey made all the same, and the relying party refuse it.
func holdsBlob(ctx context.Context, s *session, blob []byte) error {
	if len(blob) == 0 {
		return nil
	}
	info, err := s.GetInfo(ctx)
	switch {
	case err != nil:
		return err
	case !info.HasExtension(ctap2.ExtensionCredBlob):
		return fmt.Errorf("--cred-blob: %w", enroll.ErrUnsupported)
	case uint(len(blob)) > info.MaxCredBlobLength:
		return fmt.Errorf("--cred-blob: %d bytes, the key takes at most %d", len(blob), info.MaxCredBlobLength)
	}
	return nil
}

// tellMissing warns of what was asked for and is not there, though nothing
// demanded it.
func (a *app) tellMissing(in webauthn.ExtensionInputs, created *enroll.Created, conveyance webauthn.Conveyance) {
	out := created.Extensions
	if in.PRF != nil && (!*out.PRF.Enabled || in.PRF.Eval != nil && out.PRF.Results == nil) {
		a.noPRF(*out.PRF.Enabled)
	}
	if in.LargeBlob != nil && !*out.LargeBlob.Supported {
		a.note("warning: the passkey has no room for a large blob")
	}
	if in.ProtectionPolicy == webauthn.ProtectionPolicy(uint(ctap2.CredProtectRequired)) && created.Verified == "" {
		a.note("warning: this passkey is found with user verification only, and the key verified nobody: set a PIN before it is used")
	}
	if conveyance == webauthn.ConveyanceEnterprise && !created.EnterpriseAttestation {
		a.note("warning: the key granted no enterprise attestation: it is off, or the relying party is not on its list")
	}
}
