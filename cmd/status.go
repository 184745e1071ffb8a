package cmd

import (
	"context"
	"errors"
	"fmt"

	"github.com/touchstone-fido/touchstone/cmd/internal/term"
	"github.com/touchstone-fido/touchstone/ctap2"
	"github.com/touchstone-fido/touchstone/ctap2/u2f"
	"github.com/touchstone-fido/touchstone/ctaphid"
	"github.com/touchstone-fido/touchstone/ctaphid/simulator"
	"github.com/touchstone-fido/touchstone/devices"
	"github.com/touchstone-fido/touchstone/devices/discover"
	"github.com/touchstone-fido/touchstone/devices/enroll"
	"github.com/touchstone-fido/touchstone/devices/manage"
	"github.com/touchstone-fido/touchstone/devices/reset"
	"github.com/touchstone-fido/touchstone/devices/transcript"
	"github.com/touchstone-fido/touchstone/devices/virtual"
	"github.com/touchstone-fido/touchstone/devices/virtual/control"
	"github.com/touchstone-fido/touchstone/devices/virtual/profiles"
	"github.com/touchstone-fido/touchstone/nfc"
	"github.com/touchstone-fido/touchstone/nfc/pcsc"
)

// Exit statuses. They are a promise.
const (
	statusDone        = 0
	statusFailed      = 1
	statusUsage       = 2
	statusNoDevice    = 3 // no device, or not one only
	statusRefused     = 4 // the authenticator refused
	statusChecks      = 5 // checks ran and some failed
	statusGate        = 6 // refused by a safety gate
	statusInterrupted = 130
)

// usageError is a wrong flag, argument or command.
type usageError struct{ err error }

// Error is the text of what is wrong.
func (e usageError) Error() string { return e.err.Error() }

// Unwrap returns it.
func (e usageError) Unwrap() error { return e.err }

// errChecksFailed: checks ran to the end and not all of them held. The result
// that was printed says which.
var errChecksFailed = errors.New("not everything that was checked is in order")

func exitStatus(ctx context.Context, err error) int {
	var usage usageError
	var notOne *devices.NotOneError
	var refused *ctap2.Error
	var which *manage.SelectionError
	var code ctap2.Status
	var hid ctaphid.ErrorCode
	var sw nfc.StatusWord
	var late lateError
	var old u2f.Status
	switch {
	case errors.As(err, &late):
		return statusFailed
	case errors.Is(context.Cause(ctx), errInterrupted):
		return statusInterrupted
	case errors.As(err, &usage), errors.Is(err, devices.ErrSelector), errors.As(err, &which) && which.Matches > 1:
		return statusUsage
	case errors.As(err, &notOne), errors.Is(err, simulator.ErrNotRunning), errors.Is(err, control.ErrUnreachable):
		return statusNoDevice
	case errors.Is(err, errChecksFailed):
		return statusChecks
	case errors.Is(err, errNoWord), errors.Is(err, errOtherWord), errors.Is(err, errFewTries), isOtherKey(err):
		return statusGate
	case errors.As(err, &refused) && refused.Cause != nil:
		return statusFailed // it was the platform that cancelled
	case errors.As(err, &refused), errors.As(err, &code), errors.As(err, &hid), errors.As(err, &sw), errors.As(err, &old):
		return statusRefused
	}
	return statusFailed
}

// hints say what to do about an error, the first that matches.
var hints = []struct {
	when error
	hint string
}{
	{errNoWord, "Run this on a terminal, or give --yes to go ahead without being asked."},
	{errFewTries, "If you are sure of the PIN, give --yes. \"touchstone pin status\" shows how many tries are left."},
	{reset.ErrU2FOnly, "Its key handles are kept by the sites: remove the key from the accounts there. Some makers have a tool for it."},
	{reset.ErrLate, "Nothing was changed. Run this again, and put the key back when you are told to; a simulator has to be started anew just before."},
	{reset.ErrShortTouch, "Nothing was changed. Run this again, and hold the key for at least five seconds, ten on some."},
	{discover.ErrStopped, "\"touchstone doctor\" finds out why."},
	{errNotForTerminal, "Send it to a file or a program: --out FILE, or a pipe. --json shows it in base64url."},
	{manage.ErrUnprotected, "Set a PIN with \"touchstone pin set\": a key without one shows and changes these for nobody."},
	{errKnownOpen, "Let nobody else read it: chmod 600 FILE."},
	{manage.ErrStays, "Only a reset turns alwaysUv off again, if this model has it off at first."},
	{manage.ErrMeanwhile, "Another program has changed it. Run this again to see what it is now."},
	{ctap2.StatusFPDatabaseFull, "Delete a fingerprint first: \"touchstone fingerprint list\" shows them."},
	{ctap2.StatusLargeBlobStorageFull, "\"touchstone blob list\" shows what takes the room, \"touchstone blob collect\" frees what no passkey opens."},
	{manage.ErrNoRoom, "\"touchstone blob list\" shows what takes the room, \"touchstone blob collect\" frees what no passkey opens."},
	{ctap2.ErrUnsupported, "\"touchstone device info\" shows what the key has, \"touchstone policy show\" what of it can be changed."},
	{enroll.ErrNoVerification, "Set a PIN with \"touchstone pin set\", or do not require user verification."},
	{enroll.ErrNoPIN, noTerminalHint},
	{term.ErrNoTerminal, noTerminalHint},
	{enroll.ErrPINChange, "Change it with \"touchstone pin change\"."},
	{ctap2.StatusPINAuthBlocked, "Unplug the key and insert it again (take a card off the reader), then try again. No PIN try was lost by this refusal."},
	{ctap2.StatusPINBlocked, "Only a reset makes the key usable again. It deletes every passkey on the key."},
	{ctap2.StatusPINInvalid, "The PIN is wrong. Nothing is tried again by itself."},
	{ctap2.StatusPINNotSet, "Set a PIN with \"touchstone pin set\"."},
	{ctap2.StatusNoCredentials, "There is no passkey for this relying party on the key, or only one that wants user verification."},
	{ctap2.ErrNoOutput, "The passkey was made without: enrol it again, and ask for it then."},
	{errNoBlob, "Write one with \"touchstone blob put\", or with verify --large-blob-write."},
	{ctap2.StatusUPRequired, "The key has the passkey, and signs nothing without a touch."},
	{ctap2.StatusCredentialExcluded, "The key already holds a passkey for this account."},
	{ctap2.StatusKeyStoreFull, "The key has no room for another passkey."},
	{ctap2.StatusOperationDenied, "The key was not touched in time, or the user said no."},
	{ctap2.StatusUserActionTimeout, "The key was not touched in time."},
	{u2f.StatusWrongData, "The registration is of another key, or for another AppID."},
	{u2f.StatusConditions, "The key was not touched."},
	{u2f.StatusNotAllowed, "The key has U2F switched off, as alwaysUv does."},
	{ctaphid.CodeInvalidCommand, "The key does not know the command. One that speaks U2F only knows no CTAP2."},
	{ctaphid.ErrBusy, "Another program is using the key."},
	{simulator.ErrNotRunning, "Start the simulator, or name the address that it has: --device udp:HOST:PORT or tcp:HOST:PORT."},
	{control.ErrUnreachable, "Start them with: touchstone virtual serve KIND --control HOST:PORT, and name that address by --at."},
	{control.ErrNotWaiting, "--wait 10s waits until it does. \"touchstone virtual control state\" shows who touches the key."},
	{simulator.ErrGone, "The simulator has ended. Start it and try again."},
	{ctaphid.ErrGone, "The key was unplugged. Plug it in and try again."},
	{pcsc.ErrNoReader, "The reader was unplugged, or has another name. Plug it in, and look with \"touchstone device list\"."},
	{pcsc.ErrNoService, "The PC/SC service does not run, or was stopped. Start it and try again."},
	{nfc.ErrGone, "The card has left the reader. Put it back and try again."},
	{pcsc.ErrReset, "Another program has reset the card, and what was under way is lost. Try again."},
	{nfc.ErrTransmission, "Hold the card still on the reader and try again. Whether the key has done what it was asked for is not known."},
	{nfc.SWNotFound, "What is on the reader is no FIDO key."},
	{ctap2.ErrTimeout, "Touch the key when it blinks, or allow more time with --timeout."},
}

const noTerminalHint = "Run this on a terminal, or say with --pin-stdin, --pin-fd or --pin-command where the PIN comes from."

func hint(err error) string {
	var notOne *devices.NotOneError
	if errors.As(err, &notOne) {
		return notOne.Hint()
	}
	var which *manage.SelectionError
	if errors.As(err, &which) {
		return which.Hint()
	}
	var mismatch *transcript.MismatchError
	var end *transcript.EndError
	switch {
	case errors.As(err, &end) && end.Next == "":
		return "The tape ends before the session does."
	case errors.As(err, &mismatch), errors.As(err, &end):
		return "The tape holds another session than the one that this command asks for."
	case errors.Is(err, pcsc.ErrInUse): // even if it ended with the time limit
		return discover.Hint(err)
	}
	if model := (*virtual.ModelError)(nil); errors.As(err, &model) {
		return profileHint(model)
	}
	for _, h := range hints {
		if errors.Is(err, h.when) {
			return h.hint
		}
	}
	if service := (*pcsc.Error)(nil); errors.As(err, &service) {
		return discover.Hint(err)
	}
	return ""
}

// profileHint says how a state file of another model is opened.
func profileHint(e *virtual.ModelError) string {
	models, err := profiles.All()
	if err != nil {
		return ""
	}
	for _, m := range models {
		if m.Profile.AAGUID == e.Stored {
			return fmt.Sprintf("The state file is of the profile %[1]s: --device 'virtual:FILE?profile=%[1]s'", m.Name)
		}
	}
	return "The state file is of a profile that is not built in: --device 'virtual:FILE?profile=PROFILE.toml'"
}
