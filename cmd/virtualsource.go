package cmd

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"strings"

	"github.com/touchstone-fido/touchstone/devices"
	"github.com/touchstone-fido/touchstone/devices/virtual"
	"github.com/touchstone-fido/touchstone/devices/virtual/profiles"
)

// paramProfile names the product that the software key is.
const paramProfile = "profile"

// virtualSource reads what stands behind virtual: and its parameter profile. What
// stands there is, in this order,
//
//   - with the parameter: a state file;
//   - the name of a built-in profile, unless there is a file of that name, too;
//   - a profile file, if its name ends in .toml;
//   - a state file, unless it would be a new one and is nearly a profile's name.
//
// So a name never means one thing today and another when a file comes to be.
func virtualSource(sel devices.Selector) (p *virtual.Profile, state string, err error) {
	name := sel.Value
	if sel.Params.Has(paramProfile) {
		p, err := anyProfile(sel.Params.Get(paramProfile))
		return p, name, err
	}
	_, err = os.Lstat(name)
	there := !errors.Is(err, fs.ErrNotExist)
	switch m, err := profiles.Named(name); {
	case name == "":
		return virtual.DefaultProfile(), "", nil
	case err == nil && there:
		return nil, "", usageError{fmt.Errorf("%s: that is a profile, and a file: write virtual:./%[2]s for the file and virtual?profile=%[2]s for the profile", sel, name)}
	case err == nil:
		return m.Profile, "", nil
	case isProfileFile(name):
		p, err := profileFile(name)
		return p, "", err
	}
	if near := closest(name, profiles.Names()); !there && len(near) > 0 {
		return nil, "", usageError{fmt.Errorf("%s: there is no such profile: did you mean %s? virtual:./%s is a new state file", sel, strings.Join(near, ", "), name)}
	}
	return virtual.DefaultProfile(), name, nil
}

// isProfileFile tells the files of profiles from their names.
func isProfileFile(name string) bool { return strings.HasSuffix(name, profiles.Extension) }

// anyProfile is a built-in profile or one in a file.
func anyProfile(name string) (*virtual.Profile, error) {
	if isProfileFile(name) || strings.ContainsAny(name, `/\`) {
		return profileFile(name)
	}
	m, err := profiles.Named(name)
	if err != nil {
		return nil, usageError{fmt.Errorf("%w%s; touchstone virtual profiles lists them", err, meant(name, profiles.Names()))}
	}
	return m.Profile, nil
}

func profileFile(path string) (*virtual.Profile, error) {
	m, err := profiles.Read(path)
	var wrong *profiles.Error
	if errors.As(err, &wrong) {
		return nil, usageError{err}
	}
	return m.Profile, err
}

// meant asks whether a name that there is not was meant to be another.
func meant(name string, names []string) string {
	if near := closest(name, names); len(near) > 0 {
		return ", did you mean " + strings.Join(near, ", ") + "?"
	}
	return ""
}

// closest are the names that a slip of the fingers leads away from: at most two
// letters are different, too many or too few, and at least as many are right.
func closest(name string, names []string) (near []string) {
	for _, other := range names {
		if d := editDistance(name, other); d <= 2 && 2*d <= len(name) {
			near = append(near, other)
		}
	}
	return near
}

// editDistance is how many letters to change, add or take away to come from one
// text to the other (Levenshtein).
func editDistance(a, b string) int {
	row := make([]int, len(b)+1)
	for j := range row {
		row[j] = j
	}
	for i := range len(a) {
		corner := row[0]
		row[0] = i + 1
		for j := range len(b) {
			cost := 1
			if a[i] == b[j] {
				cost = 0
			}
			corner, row[j+1] = row[j+1], min(row[j+1]+1, row[j]+1, corner+cost)
		}
	}
	return row[len(b)]
}
