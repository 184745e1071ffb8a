package cmd

import (
	"errors"
	"slices"

	"github.com/spf13/pflag"

	"github.com/touchstone-fido/touchstone/cmd/internal/view"
	"github.com/touchstone-fido/touchstone/ctap2/webauthn"
)

// prfFlags are how prf is asked for, and where its secrets go.
type prfFlags struct {
	evaluations evaluations
	out         string
	show        bool
}

// alone is the value of a --prf without one.
const alone = "-"

// evaluations is the flag --prf: alone it asks for prf, with a value also to
// evaluate it, two at most.
type evaluations struct {
	asked  bool
	inputs []string
}

// String is what a help text has for a default: nothing.
func (*evaluations) String() string { return "" }

// Type is the kind of value.
func (*evaluations) Type() string { return "INPUT" }

// Set takes one value.
func (e *evaluations) Set(value string) error {
	e.asked = true
	if value == alone {
		return nil
	}
	if e.inputs = append(e.inputs, value); len(e.inputs) > 2 {
		return errors.New("two inputs at most")
	}
	return nil
}

func (o *prfFlags) add(f *pflag.FlagSet, usage string) {
	f.Var(&o.evaluations, "prf", usage+"; =`INPUT`, once or twice, evaluates it ("+dataForms+")")
	f.Lookup("prf").NoOptDefVal = alone
	f.StringVar(&o.out, "prf-out", "", "write the secrets that prf gives to this `FILE`, readable by its owner only")
	f.BoolVar(&o.show, "show-prf", false, "show the secrets that prf gives on standard output")
}

// inputs are what is to be evaluated, nil for nothing.
func (o *prfFlags) inputs() (*webauthn.PRFInputs, error) {
	wanted := o.out != "" || o.show
	switch n := len(o.evaluations.inputs); {
	case wanted && n == 0:
		return nil, usageError{errors.New("--prf-out and --show-prf want something to evaluate: --prf=INPUT")}
	case !o.evaluations.asked:
		return nil, nil
	case n == 0:
		return &webauthn.PRFInputs{}, nil
	}
	var data []webauthn.Bytes
	for _, text := range o.evaluations.inputs {
		b, err := parseData("--prf", text)
		if err != nil {
			return nil, err
		}
		data = append(data, append(webauthn.Bytes{}, b...)) // an empty input is one, too
	}
	values := &webauthn.PRFValues{First: data[0]}
	if len(data) > 1 {
		values.Second = data[1]
	}
	return &webauthn.PRFInputs{Eval: values}, nil
}

// file prepares the file for the secrets, nil for none.
func (o *prfFlags) file(a *app) (*outFile, error) {
	return a.newFileFor("--prf-out", o.out, secretFile)
}

// noPRF says why there are no secrets where some were asked for.
func (a *app) noPRF(enabled bool) {
	if enabled {
		a.note("warning: the key evaluates prf when signing in only: get the secrets with \"touchstone verify --prf=INPUT\"")
		return
	}
	a.note("warning: there is no prf: the key does not have it (hmac-secret), or the passkey was made without")
}

// keep writes the secrets to where they were asked for, and returns a copy of
// them if they are to be shown.
func (o *prfFlags) keep(file *outFile, rpID string, credentialID []byte, values *webauthn.PRFValues) (*webauthn.PRFValues, error) {
	if file != nil {
		if err := file.write(view.PRF{RPID: rpID, CredentialID: credentialID, Values: *values}.Envelope()); err != nil {
			return nil, err
		}
	}
	if !o.show {
		return nil, nil
	}
	return &webauthn.PRFValues{First: slices.Clone(values.First), Second: slices.Clone(values.Second)}, nil
}

// wipePRF forgets secrets that were handed out.
func wipePRF(values *webauthn.PRFValues) {
	if values != nil {
		clear(values.First)
		clear(values.Second)
	}
}
