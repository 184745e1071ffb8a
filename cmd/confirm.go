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
	if !a.yes && !a.streams.HasTerminal() {
		return errNoWord
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

// describe names a key so that a person can tell it from others.
func describe(i devices.Info) string {
	var more []string
	if s := i.Selector(); s != "" {
		more = append(more, s)
	} else if i.Path != "" {
		more = append(more, i.Path)
	}
	if i.Serial != "" {
		more = append(more, "serial "+i.Serial)
	}
	name := keyName(i)
	if len(more) == 0 || len(more) == 1 && more[0] == name {
		return name
	}
	return name + " (" + strings.Join(more, ", ") + ")"
}
