package cmd

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/spf13/cobra"

	"github.com/touchstone-fido/touchstone/cmd/internal/view"
	"github.com/touchstone-fido/touchstone/devices"
	"github.com/touchstone-fido/touchstone/devices/reset"
)

func (a *app) deviceResetCommand() *cobra.Command {
	return &cobra.Command{
		Use: "reset", Short: "Take a key back to its factory state: all that is on it is lost", Args: cobra.NoArgs,
		Long: "Delete every passkey and credential, the PIN, fingerprints, large blobs and settings of a key. Says which key it\n" +
			"is and what is lost, and wants the word reset typed, or --yes. Keys take a reset for ten seconds after they got\n" +
			"power, so the key has to be taken out and put back (off the reader and on again), and is then touched, for\n" +
			"several seconds where its policy says so. A key that is not the same as before is left alone. Afterwards the\n" +
			"key is asked what is left on it: exit status 5 if that is not what a new key says. Keys with U2F only have no\n" +
			"reset.",
		Example: "  touchstone device reset\n  touchstone --device hid:/dev/hidraw3 --yes device reset",
		RunE: func(c *cobra.Command, _ []string) error {
			if err := a.mayConfirm(); err != nil {
				return err
			}
			return a.withKey(c.Context(), a.deviceReset)
		},
	}
}

func (a *app) deviceReset(ctx context.Context, s *session) (view.Result, error) {
	before, err := reset.Read(ctx, s.Conn)
	if err == nil {
		err = before.Allowed()
	}
	if err == nil {
		err = a.confirm(ctx, gate{Key: s.Info, Loss: view.ResetLoss(before.Info), Word: "reset"})
	}
	if err != nil {
		return nil, err
	}
	key, left, err := a.putBack(ctx, s, before)
	if err != nil {
		return nil, err
	}
	text := "Touch the security key to reset it."
	if key.Info.LongTouchForReset {
		text = "Touch the security key to reset it, and hold it until it is done."
	}
	a.touch.Ask(text, left)
	if err := key.Reset(ctx); err != nil {
		return nil, err
	}
	state, err := key.Look(ctx)
	if err != nil {
		return nil, fmt.Errorf("the key was reset, and then: %w", err)
	}
	result := view.Reset{Device: s.Info, State: state}
	if len(state.Findings) > 0 {
		return result, errChecksFailed
	}
	return result, nil
}

// putBack gives the key power anew, as a reset wants, and makes sure that it is
// the same one. It returns how much of the time for a reset is left, 0 where that
// is not known: nobody here can plug in a simulator.
func (a *app) putBack(ctx context.Context, s *session, before *reset.Key) (*reset.Key, time.Duration, error) {
	if s.replug == nil {
		return before, 0, nil
	}
	since, err := a.reconnect(ctx, s)
	if err != nil {
		return nil, 0, err
	}
	again, err := reset.Read(ctx, s.Conn)
	if err == nil {
		err = again.Same(before)
	}
	return again, max(time.Second, reset.Window-time.Since(since)), err
}

// reconnect closes the key, has it put back and opens it. It returns when the key
// got power.
func (a *app) reconnect(ctx context.Context, s *session) (time.Time, error) {
	conn := s.Conn
	s.Conn = nil
	if err := conn.Close(); err != nil {
		return time.Time{}, err
	}
	link, since, err := s.replug(ctx, func(k devices.ChangeKind) { a.note("%s", replugText(conn.Info.Transport, k)) })
	if err != nil {
		return time.Time{}, err
	}
	s.link = link
	if s.rec != nil {
		s.link = recorded(s.rec, link)
	}
	s.Conn, err = devices.Connect(ctx, s.link, s.opts)
	return since, err
}

// replugText asks for what a person has to do next.
func replugText(t devices.Transport, k devices.ChangeKind) string {
	switch {
	case k == devices.Present && t == devices.NFC:
		return "Take the key off the reader."
	case k == devices.Present:
		return "Unplug the key."
	case t == devices.NFC:
		return "Put it back on the reader, and leave it there."
	}
	return "Insert it again, and touch it as soon as it blinks: it takes the reset for ten seconds."
}

// isOtherKey says that the key that was put back is not the one that was taken
// out.
func isOtherKey(err error) bool {
	var other *reset.OtherKeyError
	return errors.As(err, &other)
}
