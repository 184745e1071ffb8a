package cmd

import (
	"context"
	"errors"
	"fmt"
	"io"
	"strings"

	"github.com/spf13/cobra"

	"github.com/touchstone-fido/touchstone/cmd/internal/view"
	"github.com/touchstone-fido/touchstone/ctap2"
	"github.com/touchstone-fido/touchstone/ctap2/cose"
	"github.com/touchstone-fido/touchstone/ctap2/webauthn"
	"github.com/touchstone-fido/touchstone/devices/enroll"
	"github.com/touchstone-fido/touchstone/relyingparty"
)

// enrollOptions are the flags of enroll.
type enrollOptions struct {
	rp, rpName, origin string
	user, displayName  string
	userID             string
	algorithms         []string
	discoverable       string
	uv                 string
	attestation        string
	out                string
}

func (a *app) enrollCommand() *cobra.Command {
	o := &enrollOptions{}
	c := &cobra.Command{
		Use: "enroll --rp ID --user NAME", Short: "Make a passkey on a key, and verify the registration", Args: cobra.NoArgs,
		Long: "Make a credential on a security key as a browser would, have the relying party's side verify it\n" +
			"(go-webauthn), and print all that a relying party stores. Nothing of that is secret.",
		Example: "  touchstone enroll --rp example.com --user alice --out alice.json\n" +
			"  touchstone --device virtual:my.key --json enroll --rp example.com --user alice",
		RunE: func(c *cobra.Command, _ []string) error { return a.enroll(c.Context(), o) },
	}
	f := c.Flags()
	f.StringVar(&o.rp, "rp", "", "relying party `ID`: a domain name")
	f.StringVar(&o.rpName, "rp-name", "", "relying party's `name` for people (default: its ID)")
	f.StringVar(&o.origin, "origin", "", "`origin` of the relying party's site (default https:// and its ID)")
	f.StringVar(&o.user, "user", "", "user `name`")
	f.StringVar(&o.displayName, "display-name", "", "user's `name` for people (default: the user name)")
	f.StringVar(&o.userID, "user-id", "", "user handle in base64url, 1 to 64 bytes (default: 32 random bytes)")
	f.StringSliceVar(&o.algorithms, "alg", []string{"ES256", "EdDSA"}, "signature algorithms, preferred first")
	f.StringVar(&o.discoverable, "discoverable", string(enroll.Required), "store the passkey on the key: required, preferred or discouraged")
	f.StringVar(&o.uv, "uv", string(enroll.Preferred), "user verification: required, preferred or discouraged")
	f.StringVar(&o.attestation, "attestation", string(webauthn.ConveyanceDirect), "attestation conveyance: none, indirect, direct or enterprise")
	f.StringVar(&o.out, "out", "", "also write the registration to this `FILE`; one that is there is kept under another name")
	return c
}

// registrationPlan is what the flags of enroll ask for, checked.
type registrationPlan struct {
	party  relyingparty.Party
	user   relyingparty.User
	policy relyingparty.Policy
	create enroll.CreateOptions
}

func (o *enrollOptions) plan() (*registrationPlan, error) {
	if o.rp == "" || o.user == "" {
		return nil, usageError{errors.New("enroll wants --rp and --user")}
	}
	p := &registrationPlan{
		party: relyingparty.Party{ID: o.rp, Name: orElse(o.rpName, o.rp), Origin: orElse(o.origin, webauthn.DefaultOrigin(o.rp))},
		user:  relyingparty.User{Name: o.user, DisplayName: orElse(o.displayName, o.user)},
	}
	if o.userID != "" {
		if err := p.user.ID.UnmarshalText([]byte(o.userID)); err != nil || len(p.user.ID) == 0 || len(p.user.ID) > maxUserID {
			return nil, usageError{fmt.Errorf("--user-id %q is not base64url of 1 to %d bytes", o.userID, maxUserID)}
		}
	}
	if err := o.requirements(&p.create); err != nil {
		return nil, usageError{err}
	}
	p.policy = relyingparty.Policy{RequireUserVerification: p.create.UserVerification == enroll.Required, Algorithms: p.create.Algorithms}
	if err := webauthn.CheckOrigin(p.party.Origin, p.party.ID); err != nil {
		return nil, err
	}
	return p, nil
}

const (
	maxUserID     = 64 // bytes, WebAuthn L3 §5.4.3
	defaultUserID = 32
)

func orElse(s, other string) string {
	if s == "" {
		return other
	}
	return s
}

func (o *enrollOptions) requirements(c *enroll.CreateOptions) error {
	var err error
	if c.Discoverable, err = requirement("--discoverable", o.discoverable); err != nil {
		return err
	}
	if c.UserVerification, err = requirement("--uv", o.uv); err != nil {
		return err
	}
	switch c.Attestation = webauthn.Conveyance(o.attestation); c.Attestation {
	case webauthn.ConveyanceNone, webauthn.ConveyanceIndirect, webauthn.ConveyanceDirect, webauthn.ConveyanceEnterprise:
	default:
		return fmt.Errorf("--attestation %q is not none, indirect, direct or enterprise", o.attestation)
	}
	for _, name := range o.algorithms {
		alg, ok := cose.AlgorithmByName(strings.TrimSpace(name))
		if !ok {
			return fmt.Errorf("--alg: unknown algorithm %q", name)
		}
		c.Algorithms = append(c.Algorithms, alg)
	}
	return nil
}

func requirement(flag, value string) (enroll.Requirement, error) {
	r := enroll.Requirement(value)
	if !r.Valid() {
		return "", fmt.Errorf("%s %q is not required, preferred or discouraged", flag, value)
	}
	return r, nil
}

func (a *app) enroll(ctx context.Context, o *enrollOptions) error {
	plan, err := o.plan()
	if err != nil {
		return err
	}
	out, err := a.newFile(o.out)
	if err != nil {
		return err
	}
	defer out.discard()
	return a.withKey(ctx, func(ctx context.Context, s *session) (view.Result, error) {
		registration, err := a.register(ctx, s, plan)
		if err != nil {
			return nil, err
		}
		if err := out.write(registration); err != nil {
			return nil, err
		}
		return view.Registration{Registration: registration}, nil
	})
}

// register runs the registration ceremony between the relying party and the
// key.
func (a *app) register(ctx context.Context, s *session, plan *registrationPlan) (*relyingparty.Registration, error) {
	if len(plan.user.ID) == 0 {
		plan.user.ID = make([]byte, defaultUserID)
		if _, err := io.ReadFull(s.rand, plan.user.ID); err != nil {
			return nil, err
		}
	}
	plan.party.Rand = s.rand
	ceremony, err := plan.party.Begin(plan.policy)
	if err != nil {
		return nil, err
	}
	o := plan.create
	o.RP = ctap2.RelyingParty{ID: plan.party.ID, Name: plan.party.Name}
	o.User = ctap2.User{ID: plan.user.ID, Name: plan.user.Name, DisplayName: plan.user.DisplayName}
	o.Origin, o.Challenge = plan.party.Origin, ceremony.Challenge
	created, err := enroll.Create(ctx, s.Conn, o, a.ask())
	if err != nil {
		return nil, err
	}
	for _, r := range created.Remarks {
		a.note("warning: the key's answer is not canonical CBOR: %v", r)
	}
	a.tell("user verification: %s", orElse(created.Verified, "none"))
	registration, err := plan.party.Register(ceremony, plan.user, created.Response)
	if err != nil {
		return nil, err
	}
	registration.Discoverable = created.Discoverable
	return registration, nil
}
