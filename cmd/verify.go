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
	"github.com/touchstone-fido/touchstone/devices/enroll"
	"github.com/touchstone-fido/touchstone/relyingparty"
)

// verifyOptions are the flags of verify.
type verifyOptions struct {
	usernameless bool
	user         string
	uv           string
	noTouch      bool
	extensions   assertionFlags
	out          string
	assertion    string
}

func (a *app) verifyCommand() *cobra.Command {
	o := &verifyOptions{}
	c := &cobra.Command{
		Use: "verify REGISTRATION...", Short: "Get an assertion for a stored registration, and verify it", Args: cobra.MinimumNArgs(1),
		Long: "Check stored registrations (files that enroll or \"u2f register\" wrote), ask the key for an assertion,\n" +
			"and have the relying party's side verify it (go-webauthn). With --usernameless the key is not told which\n" +
			"passkey is meant, and the relying party finds the user among the registrations. With --assertion no key\n" +
			"is asked: an assertion that was stored with --out is verified again. With --no-touch nobody need be\n" +
			"there: that finds out whether the passkey is on the key, and no relying party accepts it.",
		Example: "  touchstone verify alice.json\n  touchstone verify --usernameless alice.json bob.json\n" +
			"  touchstone verify alice.json --out assertion.json\n  touchstone verify alice.json --assertion assertion.json\n" +
			"  touchstone verify alice.json --prf=disk --prf-out secret.json\n  touchstone verify alice.json --large-blob-read blob.bin",
		RunE: func(c *cobra.Command, args []string) error { return a.verify(c.Context(), o, args, c.Flags().Changed) },
	}
	f := c.Flags()
	f.BoolVar(&o.usernameless, "usernameless", false, "let the key say who the user is: no list of credentials is sent")
	f.StringVar(&o.user, "user", "", "with --usernameless: the user `name` to sign in, when the key has several")
	f.StringVar(&o.uv, "uv", string(enroll.Preferred), "user verification: required, preferred or discouraged")
	f.BoolVar(&o.noTouch, "no-touch", false, "ask for no touch, and for no user verification unless --uv says so")
	o.extensions.add(f)
	f.StringVar(&o.out, "out", "", "also write the assertion to this `FILE`; one that is there is kept under another name")
	f.StringVar(&o.assertion, "assertion", "", "verify the assertion in this `FILE` and ask no key")
	return c
}

// authenticationPlan is what the flags of verify ask for, checked.
type authenticationPlan struct {
	stored *registrations
	policy relyingparty.Policy
	get    enroll.GetOptions
	byUser bool   // the user is found by the user handle
	user   string // who is meant, "" for the only one
}

func (o *verifyOptions) plan(files []string, changed func(flag string) bool) (*authenticationPlan, error) {
	if o.noTouch && !changed("uv") {
		o.uv = string(enroll.Discouraged)
	}
	uv, err := requirement("--uv", o.uv)
	if err != nil {
		return nil, usageError{err}
	}
	p := &authenticationPlan{byUser: o.usernameless, user: o.user}
	if p.stored, err = readRegistrations(files); err != nil {
		return nil, err
	}
	in, err := o.extensions.inputs(changed)
	if err != nil {
		return nil, err
	}
	if in.PRF != nil && o.noTouch {
		return nil, usageError{errors.New("--prf wants a touch: not with --no-touch")}
	}
	party := p.stored.first().Party()
	p.get = enroll.GetOptions{RPID: party.ID, Origin: party.Origin, UserVerification: uv, Silent: o.noTouch}
	if !o.usernameless {
		p.get.Allow, in.AppID = p.stored.descriptors(), p.stored.appID
	}
	if in.LargeBlob != nil && in.LargeBlob.Write != nil && len(p.get.Allow) != 1 {
		return nil, usageError{errors.New("--large-blob-write wants one registration, and no --usernameless")}
	}
	p.get.Extensions = in
	p.policy = relyingparty.Policy{RequireUserVerification: uv == enroll.Required, Asked: relyingparty.Ask(in), Silent: o.noTouch}
	return p, nil
}

func (a *app) verify(ctx context.Context, o *verifyOptions, files []string, changed func(flag string) bool) error {
	plan, err := o.plan(files, changed)
	if err != nil {
		return err
	}
	if o.assertion != "" {
		return a.verifyStored(o, plan.stored.all)
	}
	out, err := a.newFile(o.out)
	if err != nil {
		return err
	}
	defer out.discard()
	keep, err := o.extensions.files(a)
	if err != nil {
		return err
	}
	defer keep.discard()
	return a.withKey(ctx, func(ctx context.Context, s *session) (view.Result, error) {
		assertion, got, err := a.authenticate(ctx, s, plan)
		if err != nil {
			return nil, err
		}
		defer wipePRF(got.PRFResults())
		if err := out.write(assertion); err != nil {
			return nil, err
		}
		if assertion.CloneWarning {
			a.note("warning: the signature counter did not grow: there may be a copy of this key")
		}
		return keep.results(a, o, assertion, got)
	})
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
func (a *app) authenticate(ctx context.Context, s *session, plan *authenticationPlan) (*relyingparty.Assertion, *enroll.Got, error) {
	party := plan.stored.first().Party()
	party.Rand = s.rand
	ceremony, err := party.Begin(plan.policy)
	if err != nil {
		return nil, nil, err
	}
	get := plan.get
	get.Challenge = ceremony.Challenge
	all, err := enroll.Get(ctx, s.Conn, get, a.ask())
	if err != nil {
		return nil, nil, err
	}
	got, err := plan.choose(all)
	if err != nil {
		return nil, nil, err
	}
	for _, r := range got.Remarks {
		a.note("warning: the key's answer is not canonical CBOR: %v", r)
	}
	a.tell("user verification: %s", orElse(got.Verified, "none"))
	if got.WriteError != nil {
		return nil, nil, fmt.Errorf("large blob: %w", got.WriteError)
	}
	got.Response.ClientExtensionResults = withoutBlob(got.Extensions).Results()
	assertion, err := party.Authenticate(ceremony, plan.stored.all, got.Response, plan.byUser)
	return assertion, &got, err
}

// Errors of a login without user name.
var (
	errNoneRegistered = errors.New("the key has passkeys for this relying party, but none of the given registrations")
	errWhichUser      = errors.New("the key has several of the given registrations: say whose with --user")
)

// choose picks the assertion to verify: the only one, or the one of the user
// that is meant.
func (p *authenticationPlan) choose(all []enroll.Got) (enroll.Got, error) {
	if !p.byUser {
		return all[0], nil
	}
	var match []enroll.Got
	var names []string
	for _, g := range all {
		for _, r := range p.stored.all {
			if bytes.Equal(g.Response.RawID, r.CredentialID) && (p.user == "" || p.user == r.User.Name) {
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
