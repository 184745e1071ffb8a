package cmd

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"slices"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/touchstone-fido/touchstone/cmd/internal/view"
	"github.com/touchstone-fido/touchstone/devices/transcript"
	"github.com/touchstone-fido/touchstone/devices/transcript/redact"
)

// redacting is what the flags of transcript redact say.
type redacting struct {
	out, key string
	keep     []string
	strings  []string
	times    time.Duration
	drop     bool
}

func (a *app) transcriptRedactCommand() *cobra.Command {
	var r redacting
	c := &cobra.Command{
		Use: "redact TAPE --out FILE", Short: "Make a tape fit to be published", Args: cobra.ExactArgs(1),
		Long: "Write a copy of a tape in which pseudonyms of the same length stand for what identifies: serial numbers, user\n" +
			"names and handles, RP IDs and their hashes, credential IDs, what is one key's own in certificates, and what has\n" +
			"no known meaning. What the PIN and hmac-secret protocols exchanged becomes noise, and a seed or PIN in the\n" +
			"header is removed. The tape still replays, with new keys. Nothing is signed anew: what no longer verifies is\n" +
			"said in the header. Clock, client data hashes, AAGUID and credentials' public keys stay.\n\n" +
			"The result is searched for every value of the original before it is written. \"-\" is standard input. No file is\n" +
			"written over. A message that cannot be read is a reason to refuse.",
		Example: "  touchstone transcript redact tape.jsonl --out public.jsonl\n" +
			"  touchstone transcript redact tape.jsonl --out public.jsonl --keep rp --string \"Alice's laptop\"",
		RunE: func(_ *cobra.Command, args []string) error { return a.transcriptRedact(args[0], r) },
	}
	c.Flags().StringVar(&r.out, "out", "", "write the redacted tape to this new `FILE`")
	c.Flags().StringVar(&r.key, "key", "", "make the pseudonyms from the key in this `FILE`, the same over all tapes; it is made if there is none")
	c.Flags().StringSliceVar(&r.keep, "keep", nil, "leave these kinds as they are, a `LIST` of "+kindNames())
	c.Flags().StringArrayVar(&r.strings, "string", nil, "replace this `TEXT` too, wherever it is; may be given more than once")
	c.Flags().DurationVar(&r.times, "times", 0, "round times down to a multiple of this `DURATION`, and the time of the recording to its day")
	c.Flags().BoolVar(&r.drop, "drop-unreadable", false, "leave out messages that cannot be read, with a gap in their place")
	return c
}

func kindNames() string {
	var names []string
	for _, kind := range redact.Keepable {
		names = append(names, string(kind))
	}
	return strings.Join(names, ", ")
}

// kinds reads --keep.
func kinds(names []string) (list []redact.Kind, err error) {
	for _, name := range names {
		kind := redact.Kind(name)
		if !slices.Contains(redact.Keepable, kind) {
			return nil, usageError{fmt.Errorf("--keep: %q is none of %s", name, kindNames())}
		}
		list = append(list, kind)
	}
	return list, nil
}

func (a *app) transcriptRedact(name string, r redacting) error {
	if r.out == "" {
		return usageError{errors.New("transcript redact wants --out")}
	}
	if r.times < 0 {
		return usageError{errors.New("--times: less than nothing")}
	}
	o := redact.Options{Strings: r.strings, Times: r.times, DropUnreadable: r.drop}
	var err error
	if o.Keep, err = kinds(r.keep); err != nil {
		return err
	}
	tape, err := a.tape(name)
	if err != nil {
		return err
	}
	if o.Key, err = a.pseudonymKey(r.key); err != nil {
		return fmt.Errorf("--key: %w", err)
	}
	result, err := redact.Run(tape, o)
	var unreadable *redact.UnreadableError
	switch {
	case errors.Is(err, redact.ErrShortString):
		return usageError{fmt.Errorf("--string: %w", err)}
	case errors.As(err, &unreadable):
		return fmt.Errorf("%w; --drop-unreadable leaves it out", err)
	case err != nil:
		return err
	}
	if err := writeTape(r.out, result.Tape); err != nil {
		return err
	}
	return a.show(view.TapeRedact{Result: *result, Tape: name, Out: r.out})
}

// tape loads a tape of a file, or of standard input for "-".
func (a *app) tape(name string) (*transcript.Tape, error) {
	source, err := a.source(name)
	if err != nil {
		return nil, err
	}
	defer source.Close()
	return transcript.Load(source, name)
}

// writeTape writes a tape to a new file.
func writeTape(name string, tape *transcript.Tape) error {
	file, err := os.OpenFile(name, os.O_WRONLY|os.O_CREATE|os.O_EXCL, secretFile)
	if err != nil {
		return fmt.Errorf("--out: %w", err)
	}
	_, err = tape.WriteTo(file)
	if err = errors.Join(err, file.Close()); err != nil {
		_ = os.Remove(name)
	}
	return err
}

// Sizes of a key for pseudonyms in bytes: of one that is made, and the least that
// is one.
const (
	newPseudonymKey   = 32
	leastPseudonymKey = 16
)

// pseudonymKey reads the key of a file, or makes both; nil without a file.
func (a *app) pseudonymKey(name string) ([]byte, error) {
	if name == "" {
		return nil, nil
	}
	key, err := os.ReadFile(name)
	if err == nil && len(key) < leastPseudonymKey {
		return nil, fmt.Errorf("%s has less than %d bytes", name, leastPseudonymKey)
	}
	if !errors.Is(err, fs.ErrNotExist) {
		return key, err
	}
	key = make([]byte, newPseudonymKey)
	_, _ = rand.Read(key) // never fails
	file, err := os.OpenFile(name, os.O_WRONLY|os.O_CREATE|os.O_EXCL, secretFile)
	if err != nil {
		return nil, err
	}
	a.note("made the key %s: whoever has it can test guesses at what the pseudonyms stand for", name)
	_, err = file.Write(key)
	return key, errors.Join(err, file.Close())
}

// leaking is what the flags of transcript leaks say.
type leaking struct {
	originals, strings, keep []string
	pin                      bool
}

func (a *app) transcriptLeaksCommand() *cobra.Command {
	var l leaking
	c := &cobra.Command{
		Use: "leaks TAPE", Short: "Look for what a published tape should not tell", Args: cobra.ExactArgs(1),
		Long: "Look on a tape for values in the places that the standard has for them (RP IDs, user names, credential IDs\n" +
			"and so on) that are no pseudonyms of transcript redact, for a seed and a PIN, and for what is named: strings, the PIN\n" +
			"and its hash, and with --original all values of the tape that this one was made from. They are looked for as\n" +
			"they are, in hex, Base64 and UTF-16, in single records, in whole messages and in the header. Where something\n" +
			"is, is said, but not what. The exit status is 0 when there is nothing, and 5 when there is.",
		Example: "  touchstone transcript leaks public.jsonl --original tape.jsonl\n" +
			"  touchstone transcript leaks public.jsonl --string alice --pin",
		RunE: func(c *cobra.Command, args []string) error { return a.transcriptLeaks(c.Context(), args[0], l) },
	}
	c.Flags().StringArrayVar(&l.originals, "original", nil, "look for all values of this `TAPE`; may be given more than once")
	c.Flags().StringArrayVar(&l.strings, "string", nil, "look for this `TEXT`; may be given more than once")
	c.Flags().StringSliceVar(&l.keep, "keep", nil, "these kinds may be there, a `LIST` of "+kindNames())
	c.Flags().BoolVar(&l.pin, "pin", false, "look for a PIN, which is asked for, and its hash")
	return c
}

func (a *app) transcriptLeaks(ctx context.Context, name string, l leaking) error {
	s := redact.Search{Strings: l.strings}
	var err error
	if s.Keep, err = kinds(l.keep); err != nil {
		return err
	}
	tape, err := a.tape(name)
	if err != nil {
		return err
	}
	for _, original := range l.originals {
		t, err := a.tape(original)
		if err != nil {
			return fmt.Errorf("--original: %w", err)
		}
		s.Originals = append(s.Originals, t)
	}
	if l.pin || a.pins.elsewhere() {
		pin, err := a.secret(ctx, "PIN to look for: ")
		if err != nil {
			return err
		}
		defer clear(pin)
		s.PINs = append(s.PINs, pin)
	}
	found := redact.Leaks(tape, s)
	if err := a.show(view.TapeLeaks{Findings: found, Tape: name}); err != nil {
		return err
	}
	if len(found.Leaks) > 0 {
		return errChecksFailed
	}
	return nil
}
