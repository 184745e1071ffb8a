package cmd

import (
	"context"
	"fmt"
	"time"

	"github.com/spf13/cobra"

	"github.com/touchstone-fido/touchstone/cmd/internal/view"
	"github.com/touchstone-fido/touchstone/ctap2"
	"github.com/touchstone-fido/touchstone/devices/manage"
)

func (a *app) fingerprintCommand() *cobra.Command {
	return group("fingerprint", "List, add, rename and delete the fingers that a key knows",
		&cobra.Command{
			Use: "list", Short: "List the fingers that a key knows", Args: cobra.NoArgs,
			Long: "List the enrolled fingers and what the sensor is like. A key that says by itself that it knows none is not asked for\n" +
				"them, and no PIN then.",
			Example: "  touchstone fingerprint list\n  touchstone --json fingerprint list",
			RunE:    func(c *cobra.Command, _ []string) error { return a.withManaged(c.Context(), fingerprintList) },
		},
		a.fingerprintAddCommand(),
		&cobra.Command{
			Use: "rename WHICH NAME", Short: "Name a finger", Args: cobra.ExactArgs(2),
			Long:    "Give a finger another name. " + aboutFinger,
			Example: "  touchstone fingerprint rename 5f02 \"left thumb\"\n  touchstone fingerprint rename thumb \"left thumb\"",
			RunE: func(c *cobra.Command, args []string) error {
				return a.withFinger(c.Context(), args[0], func(ctx context.Context, f finger) (view.Result, error) { return f.rename(ctx, args[1]) })
			},
		},
		&cobra.Command{
			Use: "delete WHICH", Short: "Have a key forget a finger", Args: cobra.ExactArgs(1),
			Long: "Delete a finger, and list the others again to be sure. Says what is lost and wants the word delete typed, or --yes.\n" +
				aboutFinger,
			Example: "  touchstone fingerprint delete 5f02\n  touchstone --yes fingerprint delete \"left thumb\"",
			RunE: func(c *cobra.Command, args []string) error {
				if err := a.mayConfirm(); err != nil {
					return err
				}
				return a.withFinger(c.Context(), args[0], a.fingerprintDelete)
			},
		},
	)
}

// aboutFinger says how a finger is meant.
const aboutFinger = "WHICH is the beginning of its ID in hex or base64url, or its whole name; if that does not mean exactly one,\n" +
	"nothing is done (exit status 2 for several, 1 for none)."

func fingerprintList(ctx context.Context, key *manage.Key) (view.Result, error) {
	f, err := key.Fingerprints(ctx)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	return view.Fingerprints{Device: key.Device(), Sensor: f.Sensor, All: f.All}, nil
}

func (a *app) fingerprintAddCommand() *cobra.Command {
	var o manage.Adding
	c := &cobra.Command{
		Use: "add", Short: "Enrol a finger", Args: cobra.NoArgs,
		Long: "Enrol a finger: touch the sensor again and again, a little differently each time, until the key has seen enough. What\n" +
			"becomes of each sample is told at once; with --events as a line of JSON. Ctrl-C, and nobody touching the sensor for\n" +
			"three samples, give the enrolment up at the key, which stays as it was.",
		Example: "  touchstone fingerprint add --name \"left thumb\"\n  touchstone --events=samples.jsonl fingerprint add --name thumb --sample-timeout 10s",
		RunE:    func(c *cobra.Command, _ []string) error { return a.fingerprintAdd(c.Context(), o) },
	}
	c.Flags().StringVar(&o.Name, "name", "", "what to call the finger")
	c.Flags().DurationVar(&o.Limit, "sample-timeout", 0, "how long the key waits for each sample; 0 leaves it to the key")
	return c
}

func (a *app) fingerprintAdd(ctx context.Context, o manage.Adding) error {
	if o.Limit < 0 {
		return usageError{fmt.Errorf("--sample-timeout %v is less than nothing", o.Limit)}
	}
	o.Sample = a.tellSamples()
	return a.withManaged(ctx, func(ctx context.Context, key *manage.Key) (view.Result, error) {
		f, err := key.Fingerprints(ctx)
		if err != nil {
			return nil, err
		}
		defer f.Close()
		added, err := f.Add(ctx, o)
		if len(added.ID) == 0 {
			return nil, err
		}
		return view.FingerprintChanged{
			Device: key.Device(), Action: view.FingerprintAdded, Fingerprint: added, Changed: true, Enrolled: len(f.All),
		}, err
	})
}

// tellSamples tells what becomes of each sample: to the person, and to --events.
func (a *app) tellSamples() func(ctap2.Sample) {
	n := 0
	return func(s ctap2.Sample) {
		n++
		a.events.write(view.SampleEvent(time.Now(), n, s))
		if !a.linesOnly() {
			fmt.Fprintln(view.Clean(a.streams.Err), view.SampleText(n, s))
		}
	}
}

// finger is the one that was meant, among the others of the key.
type finger struct {
	ctap2.Template
	all *manage.Fingerprints
	key *manage.Key
}

// withFinger finds the finger that is meant for work with it.
func (a *app) withFinger(ctx context.Context, typed string, work func(context.Context, finger) (view.Result, error)) error {
	return a.withManaged(ctx, func(ctx context.Context, key *manage.Key) (view.Result, error) {
		all, err := key.Fingerprints(ctx)
		if err != nil {
			return nil, err
		}
		defer all.Close()
		one, err := all.Find(typed)
		if err != nil {
			return nil, err
		}
		return work(ctx, finger{Template: one, all: all, key: key})
	})
}

func (f finger) rename(ctx context.Context, name string) (view.Result, error) {
	changed, err := f.all.Rename(ctx, f.Template, name)
	if err != nil {
		return nil, err
	}
	return view.FingerprintChanged{
		Device: f.key.Device(), Action: view.FingerprintRenamed, Fingerprint: ctap2.Template{ID: f.ID, Name: name},
		Before: f.Name, Changed: changed, Enrolled: len(f.all.All),
	}, nil
}

func (a *app) fingerprintDelete(ctx context.Context, f finger) (view.Result, error) {
	g := gate{Key: f.key.Device(), Loss: view.FingerprintLoss(f.Template, len(f.all.All)), Word: "delete"}
	if err := a.confirm(ctx, g); err != nil {
		return nil, err
	}
	if err := f.all.Delete(ctx, f.Template); err != nil {
		return nil, err
	}
	return view.FingerprintChanged{
		Device: f.key.Device(), Action: view.FingerprintDeleted, Fingerprint: f.Template, Changed: true, Enrolled: len(f.all.All),
	}, nil
}
