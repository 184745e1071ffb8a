package cmd

import (
	"bytes"
	"context"
	"errors"
	"fmt"

	"github.com/touchstone-fido/touchstone/cmd/internal/view"
	"github.com/touchstone-fido/touchstone/devices"
	"github.com/touchstone-fido/touchstone/devices/enroll"
)

// fewTries is from where on the tries left are told before a PIN is asked for.
const fewTries = 3

// ask is how flows reach the person: through the terminal, or standard input
// with --pin-stdin.
func (a *app) ask() enroll.Ask {
	return enroll.Ask{PIN: func(ctx context.Context, r enroll.PINRequest) ([]byte, error) {
		a.warnTries(r.Left)
		return a.secret(ctx, "PIN of "+keyName(r.Key)+": ")
	}}
}

func (a *app) warnTries(left uint) {
	switch {
	case left == 1:
		a.note("Warning: this is the last PIN try. After another wrong PIN only a reset helps, which deletes every passkey on the key.")
	case left <= fewTries:
		a.note("Warning: %d PIN tries are left before the key locks its PIN for good.", left)
	}
}

// secret reads one secret. The caller wipes it.
func (a *app) secret(ctx context.Context, prompt string) ([]byte, error) {
	if a.pinStdin {
		line, err := a.streams.ReadLine(ctx)
		if err != nil {
			return nil, fmt.Errorf("PIN: %w", err)
		}
		return line, nil
	}
	return a.streams.ReadSecret(ctx, prompt)
}

// errPINsDiffer: the new PIN was not typed the same twice.
var errPINsDiffer = errors.New("the two PINs differ; nothing was changed")

// newSecret reads a new PIN: twice on a terminal, once from standard input.
func (a *app) newSecret(ctx context.Context) ([]byte, error) {
	pin, err := a.secret(ctx, "New PIN: ")
	if err != nil || a.pinStdin {
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
