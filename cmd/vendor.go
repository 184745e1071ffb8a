package cmd

import (
	"context"
	"encoding/hex"
	"fmt"
	"strconv"
	"strings"

	"github.com/spf13/cobra"

	"github.com/touchstone-fido/touchstone/cmd/internal/view"
	"github.com/touchstone-fido/touchstone/ctap2/wire"
	"github.com/touchstone-fido/touchstone/devices/manage"
)

func (a *app) policyVendorCommand() *cobra.Command {
	var params []string
	c := &cobra.Command{
		Use: "vendor ID", Short: "Run a command of the key's maker (vendorPrototype)", Args: cobra.ExactArgs(1),
		Long: "Run one of the commands that the key's maker has given it, which \"touchstone policy show\" lists. What it does, takes and\n" +
			"answers only the maker says, so the word run has to be typed, or --yes given.",
		Example: "  touchstone policy vendor 0x1f3a\n  touchstone --yes --pin-stdin policy vendor 0x1f3a --param 2=f5 < pin",
		RunE: func(c *cobra.Command, args []string) error {
			id, err := strconv.ParseUint(args[0], 0, 64)
			if err != nil {
				return usageError{fmt.Errorf("%q is no number of a command, such as 0x1f3a", args[0])}
			}
			all, err := readParams(params)
			if err != nil {
				return err
			}
			return a.policyVendor(c.Context(), id, all)
		},
	}
	c.Flags().StringArrayVar(&params, "param", nil, "a further parameter as `NUMBER=HEX`, CBOR in hex; repeat it for more")
	return c
}

// readParams reads NUMBER=HEX. Number 1 is the command's own.
func readParams(typed []string) (map[uint]wire.Raw, error) {
	all := map[uint]wire.Raw{}
	for _, s := range typed {
		before, after, _ := strings.Cut(s, "=")
		number, err := strconv.ParseUint(before, 0, 32)
		value, hexErr := hex.DecodeString(after)
		var v any
		switch {
		case err != nil || number < 2:
			return nil, usageError{fmt.Errorf("--param %q: want NUMBER=HEX with a number from 2 on", s)}
		case hexErr != nil || wire.Decode(value, &v) != nil:
			return nil, usageError{fmt.Errorf("--param %q: the value is no CBOR in hex", s)}
		case all[uint(number)] != nil:
			return nil, usageError{fmt.Errorf("--param: %d is there twice", number)}
		}
		all[uint(number)] = value
	}
	return all, nil
}

func (a *app) policyVendor(ctx context.Context, id uint64, params map[uint]wire.Raw) error {
	if err := a.mayConfirm(); err != nil {
		return err
	}
	return a.withManaged(ctx, func(ctx context.Context, key *manage.Key) (view.Result, error) {
		if err := key.HasVendor(id); err != nil {
			return nil, err
		}
		g := gate{Key: key.Device(), Loss: view.VendorLoss(id), Word: "run"}
		if err := a.confirm(ctx, g); err != nil {
			return nil, err
		}
		answer, err := key.Vendor(ctx, id, params)
		if err != nil {
			return nil, err
		}
		return view.VendorAnswer{Device: key.Device(), Command: id, Answer: answer}, nil
	})
}
