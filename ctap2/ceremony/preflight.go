package ceremony

import (
	"bytes"
	"context"
	"errors"
	"slices"

	"github.com/touchstone-fido/touchstone/ctap2"
	"github.com/touchstone-fido/touchstone/ctap2/pinuv"
	"github.com/touchstone-fido/touchstone/ctap2/wire"
)

// Preflight finds out, without a touch, which credentials of a list are on an
// authenticator (the platform's part of CTAP 2.3 §6.1.2 and §6.2.2).
type Preflight struct {
	Client *ctap2.Client
	Info   *ctap2.Info
	RPID   string

	// Token, when not nil, has permission ga: credentials that are protected by
	// credProtect are found with it only. It stays good for the command after.
	Token *pinuv.Token
}

// Find returns the first credential of a list that is on the authenticator, or
// nil when none is. It asks in batches of as many as the authenticator takes,
// and of fewer where that is too much; IDs that are longer than any of its own
// are not asked for. Errors are those of getAssertion.
func (p Preflight) Find(ctx context.Context, list []ctap2.Descriptor) (*ctap2.Descriptor, error) {
	list = p.possible(list)
	size := int(p.batch())
	for len(list) > 0 {
		n := min(size, len(list))
		found, err := p.ask(ctx, list[:n])
		switch {
		case err == nil:
			return found, nil
		case errors.Is(err, ctap2.StatusNoCredentials):
			list = list[n:]
		case !tooMuch(err):
			return nil, err
		case n > 1:
			size = n / 2
		default:
			list = list[1:] // an ID that it does not even take is none of its own
		}
	}
	return nil, nil
}

// possible leaves out IDs that are longer than the authenticator makes them.
func (p Preflight) possible(list []ctap2.Descriptor) []ctap2.Descriptor {
	limit := p.Info.MaxCredentialIDLength
	return slices.DeleteFunc(slices.Clone(list), func(d ctap2.Descriptor) bool {
		return len(d.ID) == 0 || limit > 0 && uint(len(d.ID)) > limit
	})
}

// maxBatch bounds a batch where a hostile getInfo does not.
const maxBatch = 1 << 10

// batch is how many credentials go into one request: one at a time where getInfo
// does not say.
func (p Preflight) batch() uint {
	return min(max(p.Info.MaxCredentialCountInList, 1), maxBatch)
}

func tooMuch(err error) bool {
	return errors.Is(err, ctap2.StatusRequestTooLarge) || errors.Is(err, ctap2.StatusLimitExceeded) || errors.Is(err, ctap2.ErrMessageTooLong)
}

// ask asks for an assertion that nobody will use: without a touch, over a hash of
// zeros and without extensions, of which hmac-secret would be refused.
func (p Preflight) ask(ctx context.Context, list []ctap2.Descriptor) (*ctap2.Descriptor, error) {
	r := &ctap2.GetAssertionRequest{
		RPID: p.RPID, ClientDataHash: make([]byte, 32), AllowList: list,
		Options: map[string]bool{ctap2.OptionUP: false},
	}
	if p.Token != nil {
		r.Authorize(p.Token)
	}
	a, err := p.Client.GetAssertion(ctx, r)
	if errors.Is(err, ctap2.StatusUPRequired) {
		return p.narrow(ctx, list) // a U2F key that knows one, and signs nothing without a touch
	}
	if err != nil {
		return nil, err
	}
	for i := range list {
		if bytes.Equal(list[i].ID, a.Credential.ID) {
			return &list[i], nil
		}
	}
	// A key that does not name the credential, or one that was not asked for, has
	// one of the batch.
	return p.narrow(ctx, list)
}

// narrow finds which of a batch is there by asking for each by itself.
func (p Preflight) narrow(ctx context.Context, list []ctap2.Descriptor) (*ctap2.Descriptor, error) {
	if len(list) == 1 {
		return &list[0], nil
	}
	for i := range list {
		found, err := p.ask(ctx, list[i:i+1])
		if err == nil || !errors.Is(err, ctap2.StatusNoCredentials) {
			return found, err
		}
	}
	return nil, ctap2.StatusNoCredentials
}

// fits reports whether an authenticator takes a list as it is, inside a request
// that is otherwise complete.
func (p Preflight) fits(list []ctap2.Descriptor, request any) (bool, error) {
	if limit := p.Info.MaxCredentialCountInList; limit > 0 && uint(len(list)) > limit {
		return false, nil
	}
	body, err := wire.Encode(request)
	if err != nil {
		return false, err
	}
	return uint(len(body))+1 <= p.Info.MaxMessage(), nil
}

// Exclude makes the exclude list of a request one that the authenticator takes:
// where it is too long, what is left of it is the one credential that is on the
// authenticator, or none. The request is sent all the same: it is the
// authenticator that asks for the touch before it tells.
func (p Preflight) Exclude(ctx context.Context, r *ctap2.MakeCredentialRequest) error {
	r.ExcludeList = p.possible(r.ExcludeList)
	fits, err := p.fits(r.ExcludeList, r)
	if fits || err != nil {
		return err
	}
	found, err := p.Find(ctx, r.ExcludeList)
	if err != nil {
		return err
	}
	r.ExcludeList = nil
	if found != nil {
		r.ExcludeList = []ctap2.Descriptor{*found}
	}
	return nil
}

// dummyID is a credential ID that no authenticator has. It stands for an allow
// list of which nothing is left: an empty list would allow everything.
var dummyID = []byte{0}

// Allow does the same for the allow list of a request. A list of which nothing
// is on the authenticator becomes one dummy, so that the authenticator can ask
// for a touch as for any other.
func (p Preflight) Allow(ctx context.Context, r *ctap2.GetAssertionRequest) error {
	if len(r.AllowList) == 0 {
		return nil
	}
	r.AllowList = orDummy(p.possible(r.AllowList))
	fits, err := p.fits(r.AllowList, r)
	if fits || err != nil {
		return err
	}
	found, err := p.Find(ctx, r.AllowList)
	if err != nil {
		return err
	}
	r.AllowList = nil
	if found != nil {
		r.AllowList = []ctap2.Descriptor{*found}
	}
	r.AllowList = orDummy(r.AllowList)
	return nil
}

func orDummy(list []ctap2.Descriptor) []ctap2.Descriptor {
	if len(list) > 0 {
		return list
	}
	return ctap2.Descriptors(dummyID)
}
