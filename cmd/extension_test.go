package cmd

import (
	"os"
	"path/filepath"
	"reflect"
	"runtime"
	"strings"
	"testing"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"

	"github.com/touchstone-fido/touchstone/cmd/internal/term"
	"github.com/touchstone-fido/touchstone/ctap2"
	"github.com/touchstone-fido/touchstone/ctap2/webauthn"
)

func TestParseData(t *testing.T) {
	file := filepath.Join(t.TempDir(), "data")
	if err := os.WriteFile(file, []byte{0, 1}, 0o600); err != nil {
		t.Fatal(err)
	}
	for value, want := range map[string]string{
		"": "", "plain": "plain", "text:hex:00": "hex:00", "hex:00fF": "\x00\xff", "hex:": "",
		"base64url:AP8": "\x00\xff", "base64url:AP8=": "\x00\xff", "other:x": "other:x", "a:b:c": "a:b:c", "file:" + file: "\x00\x01",
	} {
		if got, err := parseData("--flag", value); err != nil || string(got) != want {
			t.Errorf("%s: %q, %v", value, got, err)
		}
	}
	for _, value := range []string{"hex:0", "hex:zz", "base64url:+/", "base64url:AP9", "file:" + file + ".no"} {
		if got, err := parseData("--flag", value); err == nil {
			t.Errorf("%s: %q", value, got)
		}
	}
	if err := os.WriteFile(file, make([]byte, maxDataFile+1), 0o600); err != nil {
		t.Fatal(err)
	}
	if _, err := parseData("--flag", "file:"+file); err == nil {
		t.Error("a file that no key takes was read")
	}
}

// flagsOf reads flags into options.
func flagsOf(t *testing.T, add func(*pflag.FlagSet), args ...string) func(string) bool {
	t.Helper()
	c := &cobra.Command{}
	add(c.Flags())
	if err := c.ParseFlags(args); err != nil {
		t.Fatal(err)
	}
	return c.Flags().Changed
}

// TestCreationInputs: what the flags of enroll ask for, member by member.
func TestCreationInputs(t *testing.T) {
	for flags, want := range map[string]webauthn.ExtensionInputs{
		"":                            {CredProps: true},
		"--protect 1":                 {CredProps: true, ProtectionPolicy: "userVerificationOptional"},
		"--protect 2,enforce":         {CredProps: true, ProtectionPolicy: "userVerificationOptionalWithCredentialIDList", EnforceProtectionPolicy: true},
		"--cred-blob hex:00":          {CredProps: true, CredBlob: webauthn.Bytes{0}},
		"--large-blob required":       {CredProps: true, LargeBlob: &webauthn.LargeBlobInputs{Support: "required"}},
		"--prf":                       {CredProps: true, PRF: &webauthn.PRFInputs{}},
		"--prf=a":                     {CredProps: true, PRF: &webauthn.PRFInputs{Eval: &webauthn.PRFValues{First: []byte("a")}}},
		"--prf=text:- --prf=":         {CredProps: true, PRF: &webauthn.PRFInputs{Eval: &webauthn.PRFValues{First: []byte("-"), Second: webauthn.Bytes{}}}},
		"--min-pin-length":            {CredProps: true, MinPINLength: true},
		"--pin-policy":                {CredProps: true, PINComplexityPolicy: true},
		"--payment":                   {CredProps: true, Payment: &webauthn.PaymentInputs{IsPayment: true}},
		"--uvm":                       {CredProps: true, UVM: true},
		"--prf=a --prf-out x --prf=b": {CredProps: true, PRF: &webauthn.PRFInputs{Eval: &webauthn.PRFValues{First: []byte("a"), Second: []byte("b")}}},
		"--protect userVerificationRequired,enforce": {CredProps: true, ProtectionPolicy: "userVerificationRequired", EnforceProtectionPolicy: true},
	} {
		var o creationFlags
		changed := flagsOf(t, o.add, strings.Fields(flags)...)
		if got, err := o.inputs(changed); err != nil || !reflect.DeepEqual(got, want) {
			t.Errorf("%s: %+v, %v", flags, got, err)
		}
	}
}

func TestEnterpriseKinds(t *testing.T) {
	for flags, want := range map[string]ctap2.EnterpriseAttestation{
		"--attestation enterprise": 0, "--attestation enterprise --enterprise vendor": 0,
		"--attestation enterprise --enterprise platform": ctap2.EnterprisePlatform,
	} {
		o := &enrollOptions{}
		changed := flagsOf(t, o.add, append(strings.Fields(flags), "--rp", "example.com", "--user", "a", "--attestation-format", "tpm,packed")...)
		plan, err := o.plan(changed)
		if err != nil {
			t.Fatal(err)
		}
		if plan.create.Enterprise != want || !reflect.DeepEqual(plan.create.AttestationFormats, []string{"tpm", "packed"}) {
			t.Errorf("%s: %+v", flags, plan.create)
		}
	}
}

// TestSecretFile: a file with secrets is its owner's alone, and an error that it
// cannot be written does not say what was in it.
func TestSecretFile(t *testing.T) {
	streams, _, _ := term.Test("")
	a := &app{streams: streams}
	name := filepath.Join(t.TempDir(), "secret")
	out, err := a.newFileFor("--prf-out", name, secretFile)
	if err != nil {
		t.Fatal(err)
	}
	if err := out.write("the secret"); err != nil {
		t.Fatal(err)
	}
	out.discard()
	if i, err := os.Stat(name); err != nil || runtime.GOOS != "windows" && i.Mode().Perm()&0o077 != 0 {
		t.Errorf("%v, %v", i.Mode(), err)
	}
	for mode, told := range map[os.FileMode]bool{secretFile: false, publicFile: true} {
		out, err := a.newFileFor("--flag", name, mode)
		if err != nil {
			t.Fatal(err)
		}
		out.temp.Close() // so that writing fails
		err = out.write("the content")
		if err == nil || strings.Contains(err.Error(), "the content") != told || !strings.Contains(err.Error(), "--flag") {
			t.Errorf("mode %v: %v", mode, err)
		}
		out.discard()
	}
}
