// Package profiles has the products that the software key can be: one data file
// for each, with the public source of what is in it. Users write their own in
// the same form, which docs/profiles.md describes.
//
//	model, err := profiles.Named("yubikey-5-nfc-5.7") // or profiles.Read("my-key.toml")
//	...
//	key, err := virtual.New(virtual.Config{Profile: model.Profile})
//
// What such a key answers to authenticatorGetInfo is what its file says, member
// for member, but for what is different from key to key. What it does otherwise
// is what the software key does: a profile does not have a product's bugs.
package profiles

import (
	"embed"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"

	"github.com/touchstone-fido/touchstone/devices/virtual"
)

// Extension is what the names of profile files end in.
const Extension = ".toml"

// maxFile is the most bytes of a profile file.
const maxFile = 1 << 20

//go:embed *.toml
var files embed.FS

// Model is a profile and where it comes from.
type Model struct {
	Name    string   // of the file, without its extension
	Product string   // what a person calls it
	Sources []string // of what the file says
	Profile *virtual.Profile
}

// ErrUnknown: there is no built-in profile of that name.
var ErrUnknown = errors.New("there is no such profile")

// Names are the built-in profiles, in the order of their names.
func Names() []string {
	entries, err := fs.ReadDir(files, ".")
	if err != nil {
		panic(err) // of an embedded folder
	}
	var names []string
	for _, e := range entries {
		names = append(names, strings.TrimSuffix(e.Name(), Extension))
	}
	return names
}

// Named is the built-in profile of that name; the caller may change it. The error
// wraps [ErrUnknown] when there is none.
func Named(name string) (Model, error) {
	data, err := files.ReadFile(name + Extension)
	if err != nil {
		return Model{}, fmt.Errorf("%w: %q", ErrUnknown, name)
	}
	return Parse(name, data)
}

// All are the built-in profiles, in the order of their names.
func All() ([]Model, error) {
	var all []Model
	for _, name := range Names() {
		m, err := Named(name)
		if err != nil {
			return nil, err
		}
		all = append(all, m)
	}
	return all, nil
}

// Read reads a profile file. What is wrong in it is an [*Error].
func Read(path string) (Model, error) {
	info, err := os.Stat(path)
	switch {
	case err != nil:
		return Model{}, fmt.Errorf("profile: %w", err)
	case info.Size() > maxFile:
		return Model{}, fmt.Errorf("profile %s: more than %d bytes", path, maxFile)
	}
	data, err := os.ReadFile(path)
	if err != nil {
		return Model{}, fmt.Errorf("profile: %w", err)
	}
	return parse(strings.TrimSuffix(filepath.Base(path), Extension), path, data)
}

// Parse reads the text of a profile file. What is wrong in it, members that there
// are none of included, is an [*Error].
func Parse(name string, data []byte) (Model, error) { return parse(name, name+Extension, data) }

func parse(name, path string, data []byte) (Model, error) {
	f, err := decode(data)
	if err != nil {
		return Model{}, located(path, err)
	}
	profile, err := f.profile()
	if err != nil {
		return Model{}, &Error{File: path, Err: err}
	}
	return Model{Name: name, Product: f.Product, Sources: f.Sources, Profile: profile}, nil
}
