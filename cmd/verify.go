package cmd

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"os"
	"slices"
	"strings"

	"github.com/spf13/cobra"

	"github.com/touchstone-fido/touchstone/cmd/internal/view"
	"github.com/touchstone-fido/touchstone/ctap2"
	"github.com/touchstone-fido/touchstone/devices/enroll"
	"github.com/touchstone-fido/touchstone/relyingparty"
)

// verifyOptions are the flags of verify.
type verifyOptions struct {
	usernameless bool
	user         string
	uv           string
	out          string
	assertion    string
}

func (a *app) verifyCommand() *cobra.Command {
	o := &verifyOptions{}
	c := &cobra.Command{
		Use: "verify REGISTRATION...", Short: "Get an assertion for a stored registration, and verify it", Args: cobra.MinimumNArgs(1),
		Long: "Check stored registrations (files that enroll wrote), ask the key for an assertion, and have the\n" +
			"relying party's side verify it (go-webauthn). With --usernameless the key is not told which passkey\n" +
			"is meant, and the relying party finds the user among the registrations. With --assertion no key is\n" +
			"asked: an assertion that was stored with --out is verified again.",
		Example: "  touchstone verify alice.json\n  touchstone verify --usernameless alice.json bob.json\n" +
			"  touchstone verify alice.json --out assertion.json\n  touchstone verify alice.json --assertion assertion.json",
		RunE: func(c *cobra.Command, args []string) error { return a.verify(c.Context(), o, args) },
	}
	f := c.Flags()
	f.BoolVar(&o.usernameless, "usernameless", false, "let the key say who the user is: no list of credentials is sent")
	f.StringVar(&o.user, "user", "", "with --usernameless: the user `name` to sign in, when the key has several")
	f.StringVar(&o.uv, "uv", string(enroll.Preferred), "user verification: required, preferred or discouraged")
	f.StringVar(&o.out, "out", "", "also write the assertion to this `FILE`; one that is there is kept under another name")
	f.StringVar(&o.assertion, "assertion", "", "verify the assertion in this `FILE` and ask no key")
	return c
}

func (a *app) verify(ctx context.Context, o *verifyOptions, files []string) error {
	uv, err := requirement("--uv", o.uv)
	if err != nil {
		return usageError{err}
	}
	stored, err := readRegistrations(files)
	if err != nil {
		return err
	}
	if o.assertion != "" {
		return a.verifyStored(o, stored)
	}
	out, err := a.newFile(o.out)
	if err != nil {
		return err
	}
	defer out.discard()
	return a.withKey(ctx, func(ctx context.Context, s *session) (view.Result, error) {
		assertion, err := a.authenticate(ctx, s, o, uv, stored)
		if err != nil {
			return nil, err
		}
		if err := out.write(assertion); err != nil {
			return nil, err
		}
		if assertion.CloneWarning {
			a.note("warning: the signature counter did not grow: there may be a copy of this key")
		}
		return view.Assertion{Assertion: assertion}, nil
	})
}

// readRegistrations loads registrations and checks each: what the file says
// must still be what was registered.
func readRegistrations(files []string) ([]*relyingparty.Registration, error) {
	var stored []*relyingparty.Registration
	for _, name := range files {
		text, err := os.ReadFile(name)
		if err != nil {
			return nil, err
		}
		r, err := relyingparty.ParseRegistration(text)
		if err == nil {
			err = r.Check()
		}
		if err != nil {
			return nil, fmt.Errorf("%s: %w", name, err)
		}
		if len(stored) > 0 && (r.RPID != stored[0].RPID || r.Origin != stored[0].Origin) {
			return nil, usageError{fmt.Errorf("%s is for %s, %s for %s: one relying party at a time", name, r.Origin, files[0], stored[0].Origin)}
		}
		stored = append(stored, r)
	}
	return stored, nil
}

// verifyStored verifies an assertion from a file.
func (a *app) verifyStored(o *verifyOptions, stored []*relyingparty.Registration) error {
	text, err := os.ReadFile(o.assertion)
	if err != nil {
		return err
	}
	assertion, err := relyingparty.ParseAssertion(text)
	if err != nil {
		return fmt.Errorf("%s: %w", o.assertion, err)
	}
	i := slices.IndexFunc(stored, func(r *relyingparty.Registration) bool {
		return bytes.Equal(r.CredentialID, assertion.Response.RawID)
	})
	if i < 0 {
		return fmt.Errorf("%s: %w", o.assertion, errForeignAssertion)
	}
	if err := assertion.Check(stored[i]); err != nil {
		return fmt.Errorf("%s: %w", o.assertion, err)
	}
	return a.show(view.Assertion{Assertion: assertion})
}

var errForeignAssertion = errors.New("the assertion is by a credential of none of the registrations")

// authenticate runs the authentication ceremony between the relying party and
// the key.
func (a *app) authenticate(ctx context.Context, s *session, o *verifyOptions, uv enroll.Requirement, stored []*relyingparty.Registration) (*relyingparty.Assertion, error) {
	party := stored[0].Party()
	party.Rand = s.rand
	ceremony, err := party.Begin(relyingparty.Policy{RequireUserVerification: uv == enroll.Required})
	if err != nil {
		return nil, err
	}
	get := enroll.GetOptions{RPID: party.ID, Origin: party.Origin, Challenge: ceremony.Challenge, UserVerification: uv}
	if !o.usernameless {
		get.Allow = descriptors(stored)
	}
	all, err := enroll.Get(ctx, s.Conn, get, a.ask())
	if err != nil {
		return nil, err
	}
	got, err := choose(all, stored, o)
	if err != nil {
		return nil, err
	}
	for _, r := range got.Remarks {
		a.note("warning: the key's answer is not canonical CBOR: %v", r)
	}
	a.tell("user verification: %s", orElse(got.Verified, "none"))
	return party.Authenticate(ceremony, stored, got.Response, o.usernameless)
}

func descriptors(stored []*relyingparty.Registration) []ctap2.Descriptor {
	var ids [][]byte
	for _, r := range stored {
		ids = append(ids, r.CredentialID)
	}
	return ctap2.Descriptors(ids...)
}

// Errors of a login without user name.
var (
	errNoneRegistered = errors.New("the key has passkeys for this relying party, but none of the given registrations")
	errWhichUser      = errors.New("the key has several of the given registrations: say whose with --user")
)

// choose picks the assertion to verify: the only one, or the one of the user
// that is meant.
func choose(all []enroll.Got, stored []*relyingparty.Registration, o *verifyOptions) (enroll.Got, error) {
	if !o.usernameless {
		return all[0], nil
	}
	var match []enroll.Got
	var names []string
	for _, g := range all {
		for _, r := range stored {
			if bytes.Equal(g.Response.RawID, r.CredentialID) && (o.user == "" || o.user == r.User.Name) {
				match = append(match, g)
				names = append(names, r.User.Name)
			}
		}
	}
	switch len(match) {
	case 0:
		return enroll.Got{}, errNoneRegistered
	case 1:
		return match[0], nil
	}
	return enroll.Got{}, usageError{fmt.Errorf("%w (%s)", errWhichUser, strings.Join(names, ", "))}
}
