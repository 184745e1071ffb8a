package cmd

import (
	"context"
	"errors"
	"fmt"
	"os"
	"time"

	"github.com/spf13/cobra"

	"github.com/touchstone-fido/touchstone/cmd/internal/view"
	"github.com/touchstone-fido/touchstone/ctap2/u2f"
	"github.com/touchstone-fido/touchstone/ctaphid"
	"github.com/touchstone-fido/touchstone/devices"
	"github.com/touchstone-fido/touchstone/devices/enroll"
	"github.com/touchstone-fido/touchstone/relyingparty"
)

func (a *app) u2fCommand() *cobra.Command {
	return group("u2f", "Speak U2F with a key, as before WebAuthn",
		&cobra.Command{
			Use: "version", Short: "Ask for the version of U2F", Args: cobra.NoArgs,
			Example: "  touchstone u2f version",
			RunE:    func(c *cobra.Command, _ []string) error { return a.withKey(c.Context(), a.u2fVersion) },
		},
		a.u2fRegisterCommand(), a.u2fAuthenticateCommand(),
	)
}

// errNoU2F: the key says that it has none.
var errNoU2F = fmt.Errorf("U2F: %w", enroll.ErrUnsupported)

// u2fDevice is a key that speaks U2F.
func (s *session) u2fDevice() (*u2f.Device, error) {
	switch {
	case s.Channel != nil && s.Channel.Capabilities().Has(ctaphid.CapabilityNMSG),
		s.Applet != nil && s.Applet.Version() != u2f.Version:
		return nil, errNoU2F
	}
	return s.U2F(u2f.Config{OnTouchNeeded: func(since time.Duration) {
		s.opts.OnEvent(devices.Event{Status: ctaphid.KeepaliveUPNeeded.String(), Since: since})
	}}), nil
}

// withU2F does something with the key's U2F, within the limit of --timeout.
func (a *app) withU2F(ctx context.Context, s *session, do func(context.Context, *u2f.Device) error) error {
	device, err := s.u2fDevice()
	if err != nil {
		return err
	}
	ctx, stop := a.limited(ctx)
	defer stop()
	start := time.Now()
	err = do(ctx, device)
	s.opts.OnEvent(devices.Event{Status: devices.EventDone, Since: time.Since(start)})
	return err
}

func (a *app) u2fVersion(ctx context.Context, s *session) (view.Result, error) {
	var version string
	err := a.withU2F(ctx, s, func(ctx context.Context, d *u2f.Device) (err error) {
		version, err = d.Version(ctx)
		return err
	})
	return view.U2FVersion{Device: s.Info, Version: version}, err
}

// u2fRegisterOptions are the flags of u2f register.
type u2fRegisterOptions struct{ appID, user, out string }

func (a *app) u2fRegisterCommand() *cobra.Command {
	var o u2fRegisterOptions
	c := &cobra.Command{
		Use: "register --app-id URL", Short: "Register a key by U2F, and verify the attestation signature", Args: cobra.NoArgs,
		Long: "Have a key make a key pair for an AppID, and verify what it signs. \"touchstone verify\" signs in with the\n" +
			"stored registration as a site does that has gone over to WebAuthn (extension appid).",
		Example: "  touchstone u2f register --app-id https://example.com --out old.json\n  touchstone verify old.json",
		RunE:    func(c *cobra.Command, _ []string) error { return a.u2fRegister(c.Context(), o) },
	}
	c.Flags().StringVar(&o.appID, "app-id", "", "the site's AppID: an https `URL`")
	c.Flags().StringVar(&o.user, "user", "", "user `name`, for the stored registration")
	c.Flags().StringVar(&o.out, "out", "", "also write the registration to this `FILE`; one that is there is kept under another name")
	return c
}

func (a *app) u2fRegister(ctx context.Context, o u2fRegisterOptions) error {
	party, err := relyingparty.ForAppID(o.appID)
	if err != nil {
		return usageError{fmt.Errorf("--app-id: %w", err)}
	}
	out, err := a.newFile(o.out)
	if err != nil {
		return err
	}
	defer out.discard()
	return a.withKey(ctx, func(ctx context.Context, s *session) (view.Result, error) {
		party.Rand = s.rand
		r, err := relyingparty.BeginU2F(party, o.appID, o.user)
		if err != nil {
			return nil, err
		}
		challenge, application := r.Parameters()
		err = a.withU2F(ctx, s, func(ctx context.Context, d *u2f.Device) error {
			answer, err := d.Register(ctx, challenge, application)
			if err != nil {
				return err
			}
			return r.Finish(answer)
		})
		if err != nil {
			return nil, err
		}
		return view.U2FRegistration{U2FRegistration: r}, out.write(r)
	})
}

// u2fAuthenticateOptions are the flags of u2f authenticate.
type u2fAuthenticateOptions struct{ check, noTouch bool }

func (a *app) u2fAuthenticateCommand() *cobra.Command {
	var o u2fAuthenticateOptions
	c := &cobra.Command{
		Use: "authenticate REGISTRATION", Short: "Sign in by U2F with a stored registration, and verify the signature", Args: cobra.ExactArgs(1),
		Long: "Have a key sign with the key pair of a registration that \"u2f register\" wrote. With --check nothing is\n" +
			"signed: it is an error (exit status 4) if the key does not know the key handle.",
		Example: "  touchstone u2f authenticate old.json\n  touchstone u2f authenticate --check old.json",
		RunE:    func(c *cobra.Command, args []string) error { return a.u2fAuthenticate(c.Context(), o, args[0]) },
	}
	c.Flags().BoolVar(&o.check, "check", false, "only ask whether the key handle is the key's (check-only)")
	c.Flags().BoolVar(&o.noTouch, "no-touch", false, "ask for a signature without a touch (dont-enforce-user-presence-and-sign)")
	return c
}

func (a *app) u2fAuthenticate(ctx context.Context, o u2fAuthenticateOptions, file string) error {
	if o.check && o.noTouch {
		return usageError{errors.New("--check or --no-touch: one at a time")}
	}
	text, err := os.ReadFile(file)
	if err != nil {
		return err
	}
	r, err := relyingparty.ParseU2FRegistration(text)
	if err == nil {
		err = r.Check()
	}
	if err != nil {
		return fmt.Errorf("%s: %w", file, err)
	}
	party, err := relyingparty.ForAppID(r.AppID)
	if err != nil {
		return fmt.Errorf("%s: %w", file, err)
	}
	return a.withKey(ctx, func(ctx context.Context, s *session) (view.Result, error) {
		party.Rand = s.rand
		authentication, err := r.Begin(party)
		if err != nil {
			return nil, err
		}
		err = a.withU2F(ctx, s, func(ctx context.Context, d *u2f.Device) error { return o.sign(ctx, d, r, authentication) })
		if err != nil {
			return nil, err
		}
		if o.check {
			return view.U2FCheck{Device: s.Info, AppID: r.AppID, KeyHandle: r.KeyHandle}, nil
		}
		return view.U2FAuthentication{U2FAuthentication: authentication}, nil
	})
}

// sign has the key sign, or say whether it could.
func (o u2fAuthenticateOptions) sign(ctx context.Context, d *u2f.Device, r *relyingparty.U2FRegistration, to *relyingparty.U2FAuthentication) error {
	control := u2f.Enforce
	switch {
	case o.check:
		control = u2f.CheckOnly
	case o.noTouch:
		control = u2f.DontEnforce
	}
	challenge, application := to.Parameters()
	answer, err := d.Authenticate(ctx, control, challenge, application, r.KeyHandle)
	if o.check && errors.Is(err, u2f.StatusConditions) { // is how a key says yes
		return nil
	}
	if err != nil {
		return err
	}
	return to.Finish(r, answer)
}
