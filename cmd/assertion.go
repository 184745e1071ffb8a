package cmd

import (
	"errors"

	"github.com/spf13/pflag"

	"github.com/touchstone-fido/touchstone/cmd/internal/view"
	"github.com/touchstone-fido/touchstone/ctap2/webauthn"
	"github.com/touchstone-fido/touchstone/devices/enroll"
	"github.com/touchstone-fido/touchstone/relyingparty"
)

// assertionFlags are the extensions that verify asks for.
type assertionFlags struct {
	prf       prfFlags
	blobRead  string
	blobWrite string
	credBlob  bool
	payment   bool
	uvm       bool
}

func (o *assertionFlags) add(f *pflag.FlagSet) {
	o.prf.add(f, "ask for the secrets that the passkey derives from inputs")
	f.StringVar(&o.blobRead, "large-blob-read", "", "write the passkey's large blob to this `FILE`, readable by its owner only")
	f.StringVar(&o.blobWrite, "large-blob-write", "", "store this `FILE` as the passkey's large blob, in place of the one that it has")
	f.BoolVar(&o.credBlob, "cred-blob", false, "ask for the small blob that was stored with the passkey")
	f.BoolVar(&o.payment, "payment", false, "ask whether the passkey is one for payments (thirdPartyPayment)")
	f.BoolVar(&o.uvm, "uvm", false, "ask by which methods the user was verified")
}

// inputs are the extension inputs that the flags say.
func (o *assertionFlags) inputs(changed func(flag string) bool) (webauthn.ExtensionInputs, error) {
	in := webauthn.ExtensionInputs{GetCredBlob: o.credBlob, UVM: o.uvm, Payment: payment(o.payment)}
	var err error
	if in.PRF, err = o.prf.inputs(); err != nil {
		return in, err
	}
	if in.PRF != nil && in.PRF.Eval == nil {
		return in, usageError{errors.New("--prf wants something to evaluate: --prf=INPUT")}
	}
	read, write := changed("large-blob-read"), changed("large-blob-write")
	switch {
	case read && write:
		return in, usageError{errors.New("--large-blob-read or --large-blob-write: one at a time")}
	case read:
		in.LargeBlob = &webauthn.LargeBlobInputs{Read: true}
	case write:
		data, err := readData(o.blobWrite)
		if err != nil {
			return in, err
		}
		in.LargeBlob = &webauthn.LargeBlobInputs{Write: (*webauthn.Bytes)(&data)}
	}
	return in, nil
}

// kept are the files that results go to.
type kept struct{ prf, blob *outFile }

func (o *assertionFlags) files(a *app) (kept, error) {
	prf, err := o.prf.file(a)
	if err != nil {
		return kept{}, err
	}
	blob, err := a.newFileFor("--large-blob-read", o.blobRead, secretFile)
	if err != nil {
		prf.discard()
	}
	return kept{prf: prf, blob: blob}, err
}

func (k kept) discard() {
	k.prf.discard()
	k.blob.discard()
}

// results writes what belongs into files, and is what to show of an assertion.
func (k kept) results(a *app, o *verifyOptions, assertion *relyingparty.Assertion, got *enroll.Got) (view.Result, error) {
	shown := view.Assertion{Assertion: assertion}
	if k.blob != nil {
		if got.Extensions.LargeBlob.Blob == nil {
			return nil, errNoBlob
		}
		blob := *got.Extensions.LargeBlob.Blob
		if err := k.blob.writeBytes(blob); err != nil {
			return nil, err
		}
		shown.Blob = &view.BlobFile{File: o.extensions.blobRead, Size: len(blob)}
	}
	if !o.extensions.prf.evaluations.asked {
		return shown, nil
	}
	secrets := got.PRFResults()
	if secrets == nil {
		a.noPRF(false)
		return shown, nil
	}
	var err error
	shown.PRF, err = o.extensions.prf.keep(k.prf, assertion.RPID, assertion.CredentialID, secrets)
	return shown, err
}

// withoutBlob is what the relying party is told of the extensions. A large blob
// that was read goes into its file, and not into a record of the sign-in.
func withoutBlob(out webauthn.ExtensionOutputs) webauthn.ExtensionOutputs {
	out = out.WithoutSecrets()
	if out.LargeBlob != nil {
		out.LargeBlob = &webauthn.LargeBlobOutputs{Supported: out.LargeBlob.Supported, Written: out.LargeBlob.Written}
	}
	return out
}
