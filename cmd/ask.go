package cmd

import (
	"bytes"
	"context"
	"errors"
	"strings"

	"github.com/touchstone-fido/touchstone/cmd/internal/view"
	"github.com/touchstone-fido/touchstone/devices"
	"github.com/touchstone-fido/touchstone/devices/enroll"
)

// fewTries is from where on a person has to agree before another PIN is tried.
const fewTries = 3

// ask is how flows reach the person: on the terminal, or not at all where a flag
// says where PINs come from.
func (a *app) ask() enroll.Ask {
	return enroll.Ask{PIN: func(ctx context.Context, r enroll.PINRequest) ([]byte, error) {
		return a.askPIN(ctx, "PIN of "+keyName(r.Key)+": ", r.Left)
	}}
}

// askPIN asks for the PIN of a key with so many tries left, after it told how
// many. The caller wipes it. A wrong one is never asked for again.
func (a *app) askPIN(ctx context.Context, prompt string, left uint) ([]byte, error) {
	if err := a.guardTries(ctx, left); err != nil {
		return nil, err
	}
	return a.secret(ctx, prompt)
}

// errFewTries: few PIN tries are left, and nobody agreed to spend one.
var errFewTries = errors.New("few PIN tries are left: no PIN was tried")

// guardTries tells how many tries are left and, when they are few, has the
// person agree.
func (a *app) guardTries(ctx context.Context, left uint) error {
	switch {
	case left == 1:
		a.note("Warning: this is the last PIN try. After another wrong PIN only a reset helps, which deletes every passkey on the key.")
	case left <= fewTries:
		a.note("Warning: %d PIN tries are left before the key locks its PIN for good.", left)
	case !a.pins.elsewhere():
		a.note("PIN tries left: %d", left)
	}
	switch {
	case left > fewTries || a.yes:
		return nil
	case a.pins.elsewhere():
		return errFewTries
	}
	answer, err := a.streams.ReadWord(ctx, "Try a PIN all the same? [y/N] ")
	if err == nil && !yes(answer) {
		err = errFewTries
	}
	return err
}

func yes(answer string) bool {
	answer = strings.ToLower(strings.TrimSpace(answer))
	return answer == "y" || answer == "yes"
}

// errPINsDiffer: the new PIN was not typed the same twice.
var errPINsDiffer = errors.New("the two PINs differ; nothing was changed")

// newSecret reads a new PIN: twice on a terminal, once from elsewhere.
func (a *app) newSecret(ctx context.Context) ([]byte, error) {
	pin, err := a.secret(ctx, "New PIN: ")
	if err != nil || a.pins.elsewhere() {
		return pin, err
	}
	again, err := a.secret(ctx, "New PIN again: ")
	defer clear(again)
	if err == nil && !bytes.Equal(pin, again) {
		err = errPINsDiffer
	}
	if err != nil {
		clear(pin)
		return nil, err
	}
	return pin, nil
}

// keyName is how a prompt names a key.
func keyName(i devices.Info) string {
	switch {
	case i.Product != "":
		return view.CleanText(i.Product)
	case i.Path != "":
		return view.CleanText(i.Path)
	}
	return "the security key"
}
