package cmd

import (
	"context"
	"errors"
	"fmt"
	"io"
	"strings"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"

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
	formats            []string
	enterprise         string
	exclude            []string
	extensions         creationFlags
	out                string
}

func (a *app) enrollCommand() *cobra.Command {
	o := &enrollOptions{}
	c := &cobra.Command{
		Use: "enroll --rp ID --user NAME", Short: "Make a passkey on a key, and verify the registration", Args: cobra.NoArgs,
		Long: "Make a credential on a security key as a browser would, have the relying party's side verify it\n" +
			"(go-webauthn), and print all that a relying party stores. Nothing of that is secret. What prf gives is,\n" +
			"and is told by --prf-out and --show-prf only.",
		Example: "  touchstone enroll --rp example.com --user alice --out alice.json\n" +
			"  touchstone --device virtual:my.key --json enroll --rp example.com --user alice\n" +
			"  touchstone enroll --rp example.com --user alice --exclude alice.json --protect 3,enforce\n" +
			"  touchstone enroll --rp example.com --user alice --prf=disk --prf-out secret.json",
		RunE: func(c *cobra.Command, _ []string) error { return a.enroll(c.Context(), o, c.Flags().Changed) },
	}
	o.add(c.Flags())
	return c
}

// algorithmNames are those whose signatures can be verified.
const algorithmNames = "ES256, ES384, ES512, EdDSA, Ed25519, ESP256, ESP384, ESP512, RS256, ML-DSA-44, ML-DSA-65, ML-DSA-87 and others"

func (o *enrollOptions) add(f *pflag.FlagSet) {
	f.StringVar(&o.rp, "rp", "", "relying party `ID`: a domain name")
	f.StringVar(&o.rpName, "rp-name", "", "relying party's `name` for people (default: its ID)")
	f.StringVar(&o.origin, "origin", "", "`origin` of the relying party's site (default https:// and its ID)")
	f.StringVar(&o.user, "user", "", "user `name`")
	f.StringVar(&o.displayName, "display-name", "", "user's `name` for people (default: the user name)")
	f.StringVar(&o.userID, "user-id", "", "user handle in base64url, 1 to 64 bytes (default: 32 random bytes)")
	f.StringSliceVar(&o.algorithms, "alg", []string{"ES256", "EdDSA"}, "signature algorithms, preferred first: "+algorithmNames)
	f.StringVar(&o.discoverable, "discoverable", string(enroll.Required), "store the passkey on the key: required, preferred or discouraged")
	f.StringVar(&o.uv, "uv", string(enroll.Preferred), "user verification: required, preferred or discouraged")
	f.StringVar(&o.attestation, "attestation", string(webauthn.ConveyanceDirect), "attestation conveyance: none, indirect, direct or enterprise")
	f.StringSliceVar(&o.formats, "attestation-format", nil, "attestation statement `FORMAT`s, preferred first, such as packed")
	f.StringVar(&o.enterprise, "enterprise", "", "with --attestation enterprise: which `KIND`, vendor (the key has the list of relying parties) or platform (you vouch for this one) (default vendor)")
	f.StringArrayVar(&o.exclude, "exclude", nil, "refuse a key that has the passkey of this registration `FILE`; may be repeated")
	o.extensions.add(f)
	f.StringVar(&o.out, "out", "", "also write the registration to this `FILE`; one that is there is kept under another name")
}

// registrationPlan is what the flags of enroll ask for, checked.
type registrationPlan struct {
	party  relyingparty.Party
	user   relyingparty.User
	policy relyingparty.Policy
	create enroll.CreateOptions
}

func (o *enrollOptions) plan(changed func(flag string) bool) (*registrationPlan, error) {
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
	if err := webauthn.CheckOrigin(p.party.Origin, p.party.ID); err != nil {
		return nil, err
	}
	var err error
	if p.create.Extensions, err = o.extensions.inputs(changed); err != nil {
		return nil, err
	}
	if err := p.excluding(o.exclude); err != nil {
		return nil, err
	}
	p.policy = relyingparty.Policy{
		RequireUserVerification: p.create.UserVerification == enroll.Required, Algorithms: p.create.Algorithms,
		Asked: relyingparty.Ask(p.create.Extensions),
	}
	return p, nil
}

// excluding takes the passkeys that must not be on the key from their files.
func (p *registrationPlan) excluding(files []string) error {
	stored, err := readExcluded(files, p.party.ID)
	if err != nil {
		return err
	}
	p.create.Exclude, p.create.Extensions.AppIDExclude = stored.descriptors(), stored.appID
	return nil
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
		switch {
		case !ok:
			return fmt.Errorf("--alg: unknown algorithm %q", name)
		case !alg.Verifiable():
			return fmt.Errorf("--alg: %s is no algorithm whose signatures could be verified", name)
		}
		c.Algorithms = append(c.Algorithms, alg)
	}
	c.AttestationFormats = o.formats
	return o.enterpriseKind(c)
}

func (o *enrollOptions) enterpriseKind(c *enroll.CreateOptions) error {
	switch {
	case o.enterprise != "" && c.Attestation != webauthn.ConveyanceEnterprise:
		return errors.New("--enterprise wants --attestation enterprise")
	case o.enterprise == "platform":
		c.Enterprise = ctap2.EnterprisePlatform
	case o.enterprise != "" && o.enterprise != "vendor":
		return fmt.Errorf("--enterprise %q is not vendor or platform", o.enterprise)
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

func (a *app) enroll(ctx context.Context, o *enrollOptions, changed func(flag string) bool) error {
	plan, err := o.plan(changed)
	if err != nil {
		return err
	}
	out, err := a.newFile(o.out)
	if err != nil {
		return err
	}
	defer out.discard()
	secrets, err := o.extensions.prf.file(a)
	if err != nil {
		return err
	}
	defer secrets.discard()
	return a.withKey(ctx, func(ctx context.Context, s *session) (view.Result, error) {
		registration, results, err := a.register(ctx, s, plan)
		if err != nil {
			return nil, err
		}
		defer wipePRF(results)
		if err := out.write(registration); err != nil {
			return nil, err
		}
		shown := view.Registration{Registration: registration}
		if results != nil {
			shown.PRF, err = o.extensions.prf.keep(secrets, registration.RPID, registration.CredentialID, results)
		}
		return shown, err
	})
}

// register runs the registration ceremony between the relying party and the
// key. It returns the secrets of prf beside the registration.
func (a *app) register(ctx context.Context, s *session, plan *registrationPlan) (*relyingparty.Registration, *webauthn.PRFValues, error) {
	if err := holdsBlob(ctx, s, plan.create.Extensions.CredBlob); err != nil {
		return nil, nil, err
	}
	if len(plan.user.ID) == 0 {
		plan.user.ID = make([]byte, defaultUserID)
		if _, err := io.ReadFull(s.rand, plan.user.ID); err != nil {
			return nil, nil, err
		}
	}
	plan.party.Rand = s.rand
	ceremony, err := plan.party.Begin(plan.policy)
	if err != nil {
		return nil, nil, err
	}
	o := plan.create
	o.RP = ctap2.RelyingParty{ID: plan.party.ID, Name: plan.party.Name}
	o.User = ctap2.User{ID: plan.user.ID, Name: plan.user.Name, DisplayName: plan.user.DisplayName}
	o.Origin, o.Challenge = plan.party.Origin, ceremony.Challenge
	created, err := enroll.Create(ctx, s.Conn, o, a.ask())
	if err != nil {
		return nil, nil, err
	}
	for _, r := range created.Remarks {
		a.note("warning: the key's answer is not canonical CBOR: %v", r)
	}
	a.tell("user verification: %s", orElse(created.Verified, "none"))
	registration, err := plan.party.Register(ceremony, plan.user, created.Response)
	if err != nil {
		return nil, nil, err
	}
	registration.Discoverable, registration.EnterpriseAttestation = created.Discoverable, created.EnterpriseAttestation
	a.tellMissing(o.Extensions, created, o.Attestation)
	return registration, created.PRFResults(), nil
}
