// Package cmd is the command line of Touchstone: one file for each noun. A
// command gathers options, lets the library work and hands the result to
// package view; what it prints and which exit status it ends with is decided
// here alone.
package cmd

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/signal"
	"slices"
	"strings"
	"syscall"
	"time"

	"github.com/spf13/cobra"

	"github.com/touchstone-fido/touchstone/cmd/internal/term"
	"github.com/touchstone-fido/touchstone/cmd/internal/view"
	"github.com/touchstone-fido/touchstone/devices"
	"github.com/touchstone-fido/touchstone/devices/discover"
)

// Main runs the program with its arguments, the program's name left out, on the
// process's streams and signals. It returns the exit status.
func Main(args []string) int {
	ctx, stop := interruptible(context.Background())
	defer stop()
	return Run(ctx, term.System(), args)
}

// errInterrupted is the cause with which Ctrl-C ends a command.
var errInterrupted = errors.New("interrupted")

// interruptible ends the context at the first signal, also that of a terminal
// that goes away, so that a key is given back in good order; the second one
// kills the program, as it would without us.
func interruptible(parent context.Context) (context.Context, context.CancelFunc) {
	ctx, cancel := context.WithCancelCause(parent)
	signals := make(chan os.Signal, 1)
	signal.Notify(signals, os.Interrupt, syscall.SIGTERM)
	if !signal.Ignored(syscall.SIGHUP) { // nohup
		signal.Notify(signals, syscall.SIGHUP)
	}
	go func() {
		select {
		case <-signals:
			signal.Stop(signals)
			cancel(errInterrupted)
		case <-ctx.Done():
		}
	}()
	return ctx, func() {
		signal.Stop(signals)
		cancel(nil)
	}
}

// Run runs the program on the given streams and returns the exit status.
func Run(ctx context.Context, streams *term.Streams, args []string) int {
	a := &app{streams: streams, pins: pinSources{fd: noFD}}
	root := a.command()
	root.SetArgs(args)
	root.SetOut(streams.Out)
	root.SetErr(streams.Err)
	err := root.ExecuteContext(ctx)
	defer a.events.close()
	if err == nil && !isCompletion(args) {
		err = a.unused()
	}
	if err == nil {
		return statusDone
	}
	if !a.started {
		err = usageError{err}
	}
	exit := exitStatus(ctx, err)
	a.fail(err, exit, a.json || slices.Contains(args, "--json"))
	return exit
}

// isCompletion reports whether it is a shell that runs the program, to complete a
// line that has the flags of another command.
func isCompletion(args []string) bool {
	return len(args) > 0 && (args[0] == cobra.ShellCompRequestCmd || args[0] == cobra.ShellCompNoDescRequestCmd)
}

// unused is an error for flags without which the command did just the same.
func (a *app) unused() error {
	switch {
	case a.record != "" && !a.recorded:
		return usageError{errors.New("--record: nothing was recorded, as this command talks to no key")}
	case len(a.faults) > 0 && !a.faultsUsed:
		return usageError{errors.New("--fault: nothing was faulty, as this command talks to no software key")}
	}
	return nil
}

// fail tells the error that ends the program.
func (a *app) fail(err error, exit int, asJSON bool) {
	if a.linesOnly() {
		_ = view.WriteJSONLine(a.streams.Err, view.NewError(err, exit, hint(err)))
		return
	}
	view.Error(a.streams.Err, asJSON, err, exit, hint(err))
}

// app is one run of the program: its streams and global flags.
type app struct {
	streams *term.Streams
	started bool // past the reading of flags and arguments

	json       bool
	device     string
	record     string
	recordSeed bool
	recorded   bool // a tape was begun
	hidBackend string
	timeout    time.Duration
	pins       pinSources
	yes        bool
	verbose    bool
	faults     []string
	faultsUsed bool // a software key was made with them
	eventsTo   string
	events     *events
	touch      *term.Touch // the prompt of the key that is open
}

// deviceVariable is the environment variable that stands in for --device.
const deviceVariable = "TOUCHSTONE_DEVICE"

const defaultTimeout = 90 * time.Second

func (a *app) command() *cobra.Command {
	root := group("touchstone", "Enrol passkeys on security keys, test the keys, replay their sessions",
		a.deviceCommand(), a.enrollCommand(), a.verifyCommand(), a.pinCommand(), a.u2fCommand(),
		a.passkeyCommand(), a.fingerprintCommand(), a.policyCommand(), a.blobCommand(),
		a.transcriptCommand(), a.virtualCommand(), a.doctorCommand(), a.versionCommand(),
		a.completionCommand(), a.manCommand())
	root.Long = about
	root.SilenceErrors = true
	root.SilenceUsage = true
	root.PersistentPreRunE = func(*cobra.Command, []string) error { return a.start() }
	f := root.PersistentFlags()
	f.BoolVar(&a.json, "json", false, "print one JSON envelope instead of text")
	f.StringVar(&a.device, "device", os.Getenv(deviceVariable), "the key to use: "+devices.Selectors+" (default $"+deviceVariable+", or the only key there is)")
	f.StringVar(&a.record, "record", "", "record the session with the key to this new `FILE`")
	f.BoolVar(&a.recordSeed, "record-seed", false, "with --record: draw all randomness from a seed kept in the tape, so that it replays byte for byte (the tape then reveals the PIN)")
	f.StringSliceVar(&a.faults, "fault", nil, "with --device virtual: have the key do this wrong; touchstone virtual faults lists the `ID`s; may be given more than once")
	f.StringVar(&a.hidBackend, "hid-backend", "", "how to reach USB keys: hidraw or usbhid (default: the best for this system)")
	f.DurationVar(&a.timeout, "timeout", defaultTimeout, "how long one request to the key may take, touch included; 0 for no limit")
	f.BoolVar(&a.pins.stdin, "pin-stdin", false, "read PINs from standard input, one on a line")
	f.Var(&a.pins.fd, "pin-fd", "read PINs from this open file descriptor `N`, one on a line")
	f.StringVar(&a.pins.command, "pin-command", "", "run this `COMMAND` for each PIN, without a shell, and take the first line that it prints; $"+promptVariable+" tells it what is asked for")
	f.BoolVar(&a.yes, "yes", false, "go ahead without asking")
	f.StringVar(&a.eventsTo, "events", "", "write what the key says while it works as JSON lines to this `FILE`, or to standard error in the place of text")
	f.Lookup("events").NoOptDefVal = onStderr
	f.BoolVarP(&a.verbose, "verbose", "v", false, "say on standard error what is decided on the way")
	root.CompletionOptions.DisableDefaultCmd = true
	root.InitDefaultHelpCmd()
	for _, c := range root.Commands() {
		if c.Name() == "help" {
			c.Example = "  touchstone help device reset"
		}
	}
	a.complete(root)
	return root
}

// about is what the program's own page says.
const about = "Touchstone enrols passkeys on FIDO2 security keys over USB and NFC, tests the keys, and replays captured sessions\n" +
	"so that tests need no key. What was asked for goes to standard output; prompts, progress and warnings go to\n" +
	"standard error. No flag takes a PIN.\n" +
	"\n" +
	"Exit status:\n" +
	"\n" +
	"    0    done\n" +
	"    1    failed: not verified, no answer, a tape that does not fit\n" +
	"    2    wrong usage\n" +
	"    3    no device, or not one only\n" +
	"    4    the authenticator refused\n" +
	"    5    checks ran and some failed\n" +
	"    6    refused by a safety gate\n" +
	"    130  interrupted"

// start checks the global flags; what goes wrong after it is no wrong usage.
func (a *app) start() error {
	switch a.hidBackend {
	case "", discover.Hidraw, discover.USBHID:
	default:
		return fmt.Errorf("--hid-backend %q is neither %s nor %s", a.hidBackend, discover.Hidraw, discover.USBHID)
	}
	if a.timeout < 0 {
		return fmt.Errorf("--timeout %v is less than nothing", a.timeout)
	}
	if err := a.openPINSource(); err != nil {
		return err
	}
	if err := a.openEvents(); err != nil {
		return err
	}
	a.started = true
	return nil
}

// group is a command that only holds others.
func group(use, short string, commands ...*cobra.Command) *cobra.Command {
	c := &cobra.Command{Use: use, Short: short, Args: cobra.ArbitraryArgs, RunE: func(c *cobra.Command, args []string) error {
		if len(args) > 0 {
			return usageError{fmt.Errorf("unknown command %q for %q", args[0], c.CommandPath())}
		}
		if err := c.Usage(); err != nil {
			return err
		}
		return usageError{fmt.Errorf("%s wants a command", c.CommandPath())}
	}}
	c.AddCommand(commands...)
	c.Example = firstExamples(commands)
	return c
}

// firstExamples are the first example of each command, as an example of what
// holds them.
func firstExamples(commands []*cobra.Command) string {
	var lines []string
	for _, c := range commands {
		line, _, _ := strings.Cut(c.Example, "\n")
		lines = append(lines, line)
	}
	return strings.Join(lines, "\n")
}

// show writes a result to stdout.
func (a *app) show(r view.Result) error {
	return view.Write(a.streams.Out, a.json, r)
}
