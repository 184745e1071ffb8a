package cmd

import (
	"context"
	"errors"
	"fmt"
	"strings"

	"github.com/touchstone-fido/touchstone/cmd/internal/view"
	"github.com/touchstone-fido/touchstone/devices"
)

// gate is what a person has to agree to before something is lost.
type gate struct {
	Key  devices.Info
	Loss string // what is done and what is lost by it, in sentences
	Word string // to be typed
}

// Errors of the gate; nothing was changed.
var (
	errNoWord    = errors.New("this wants a word typed, and there is no terminal to type it on")
	errOtherWord = errors.New("that is not the word: nothing was changed")
)

// confirm names the key, says what is lost and has the person type the word.
// With --yes it says the same and goes ahead. The text reaches the terminal that
// the word is typed on, wherever standard error goes.
func (a *app) confirm(ctx context.Context, g gate) error {
	if err := a.mayConfirm(); err != nil {
		return err
	}
	text := view.CleanText("Key: " + describe(g.Key) + "\n" + strings.TrimSpace(g.Loss))
	a.note("%s", text)
	if a.yes {
		return nil
	}
	prompt := fmt.Sprintf("Type %s to go ahead: ", view.CleanText(g.Word))
	if a.linesOnly() || !a.streams.ErrIsTerminal() {
		prompt = text + "\n" + prompt
	}
	word, err := a.streams.ReadWord(ctx, prompt)
	switch {
	case err != nil:
		return err
	case word != g.Word:
		return errOtherWord
	}
	return nil
}

// mayConfirm refuses what confirm would refuse whatever it is about, for commands
// that ask for a PIN before they know what is lost.
func (a *app) mayConfirm() error {
	if a.yes || a.streams.HasTerminal() {
		return nil
	}
	return errNoWord
}

// describe names a key so that a person can tell it from others: what it is, how
// it is selected and its serial number.
func describe(i devices.Info) string {
	where := i.Selector()
	if where == "" {
		where = i.Path
	}
	var parts []string
	for _, s := range []string{i.Product, where, i.Serial} {
		if s != "" {
			parts = append(parts, s)
		}
	}
	if len(parts) == 0 {
		return "the security key"
	}
	return strings.Join(parts, ", ")
}

// wordFor is the word that means a thing by its name, or another word where that
// is none to be typed.
func wordFor(name, otherwise string) string {
	const longest = 64
	typable := func(r rune) bool { return r > ' ' && r < 0x7f }
	if name == "" || len(name) > longest || strings.ContainsFunc(name, func(r rune) bool { return !typable(r) }) {
		return otherwise
	}
	return name
}
