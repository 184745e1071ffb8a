package cmd

import (
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"slices"

	"github.com/touchstone-fido/touchstone/ctap2"
	"github.com/touchstone-fido/touchstone/relyingparty"
)

// registrations are stored registrations of one relying party.
type registrations struct {
	all   []*relyingparty.Registration
	appID string // of those by U2F, "" if there are none
}

// readRegistrations loads registrations and checks each: what the file says
// must still be what was registered.
func readRegistrations(files []string) (*registrations, error) {
	stored := &registrations{}
	for _, name := range files {
		text, err := os.ReadFile(name)
		if err != nil {
			return nil, err
		}
		r, appID, err := parseRegistration(text)
		if err != nil {
			return nil, fmt.Errorf("%s: %w", name, err)
		}
		if first := stored.first(); first != nil && (r.RPID != first.RPID || r.Origin != first.Origin) {
			return nil, usageError{fmt.Errorf("%s is for %s, %s for %s: one relying party at a time", name, r.Origin, files[0], first.Origin)}
		}
		if appID != "" && stored.appID != "" && appID != stored.appID {
			return nil, usageError{fmt.Errorf("%s is for AppID %s, another for %s: one at a time", name, appID, stored.appID)}
		}
		if appID != "" {
			stored.appID = appID
		}
		stored.all = append(stored.all, r)
	}
	stored.adopt()
	return stored, nil
}

// adopt gives registrations by U2F, which has no user handles, the user of one
// by WebAuthn, if there is one: the same person has gone over to it.
func (r *registrations) adopt() {
	newer := slices.IndexFunc(r.all, func(one *relyingparty.Registration) bool { return !isU2F(one) })
	for _, one := range r.all {
		if newer >= 0 && isU2F(one) {
			one.User = r.all[newer].User
		}
	}
}

// isU2F reports whether a registration is one by U2F, which has no response of
// WebAuthn.
func isU2F(r *relyingparty.Registration) bool { return len(r.Challenge) == 0 }

// parseRegistration reads and checks a registration by WebAuthn or by U2F, the
// latter with its AppID.
func parseRegistration(text []byte) (r *relyingparty.Registration, appID string, err error) {
	var kind struct{ Schema string }
	if err := json.Unmarshal(text, &kind); err == nil && kind.Schema == relyingparty.U2FRegistrationSchema {
		old, err := relyingparty.ParseU2FRegistration(text)
		if err == nil {
			err = old.Check()
		}
		if err != nil {
			return nil, "", err
		}
		r, err := old.Registration()
		return r, old.AppID, err
	}
	if r, err = relyingparty.ParseRegistration(text); err == nil {
		err = r.Check()
	}
	return r, "", err
}

func (r *registrations) first() *relyingparty.Registration {
	if len(r.all) == 0 {
		return nil
	}
	return r.all[0]
}

func (r *registrations) descriptors() []ctap2.Descriptor {
	var ids [][]byte
	for _, one := range r.all {
		ids = append(ids, one.CredentialID)
	}
	return ctap2.Descriptors(ids...)
}

// errOtherRP: a registration to be excluded is of another relying party.
var errOtherRP = errors.New("it is of another relying party")

// readExcluded loads the registrations that must not be on the key.
func readExcluded(files []string, rpID string) (*registrations, error) {
	stored, err := readRegistrations(files)
	if err != nil {
		return nil, err
	}
	if first := stored.first(); first != nil && first.RPID != rpID {
		return nil, usageError{fmt.Errorf("--exclude %s: %w: %s", files[0], errOtherRP, first.RPID)}
	}
	return stored, nil
}
