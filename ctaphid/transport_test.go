package ctaphid_test

import (
	"github.com/touchstone-fido/touchstone/ctap2"
	"github.com/touchstone-fido/touchstone/ctaphid"
)

var _ ctap2.Transport = (*ctaphid.Channel)(nil)
