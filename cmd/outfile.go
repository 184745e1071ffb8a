package cmd

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"

	"github.com/touchstone-fido/touchstone/cmd/internal/view"
)

// outFile is a file for a result that must not be lost. It is made beside its
// final name before the key is asked for anything, so that no passkey comes
// to be whose registration cannot be kept, and gets its name when it is whole.
// A nil one takes nothing.
type outFile struct {
	app  *app
	flag string // that named it
	name string
	mode fs.FileMode
	temp *os.File
}

// Modes of files. What only the owner may read is also in no error.
const (
	publicFile = fs.FileMode(0o644)
	secretFile = fs.FileMode(0o600)
)

// newFile prepares the file of --out; name may be empty for none.
func (a *app) newFile(name string) (*outFile, error) { return a.newFileFor("--out", name, publicFile) }

// newFileFor prepares a file that another flag names.
func (a *app) newFileFor(flag, name string, mode fs.FileMode) (*outFile, error) {
	if name == "" {
		return nil, nil
	}
	if i, err := os.Stat(name); err == nil && !i.Mode().IsRegular() {
		return nil, fmt.Errorf("%s: %s is no ordinary file", flag, name)
	}
	temp, err := os.OpenFile(fmt.Sprintf("%s.new-%d", name, os.Getpid()), os.O_WRONLY|os.O_CREATE|os.O_EXCL, mode)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", flag, err)
	}
	return &outFile{app: a, flag: flag, name: name, mode: mode, temp: temp}, nil
}

// write stores v as JSON on the disk, under the final name.
func (o *outFile) write(v any) error {
	if o == nil {
		return nil
	}
	err := o.store(func(w io.Writer) error { return view.WriteJSON(w, v) })
	if err != nil && o.mode == publicFile {
		err = errors.Join(err, dump(v))
	}
	return err
}

// writeBytes stores bytes as they are.
func (o *outFile) writeBytes(data []byte) error {
	if o == nil {
		return nil
	}
	return o.store(func(w io.Writer) error {
		_, err := w.Write(data)
		return err
	})
}

// store has the file written, and gives it its name when it is on the disk.
func (o *outFile) store(write func(io.Writer) error) error {
	err := write(o.temp)
	if err == nil {
		err = o.temp.Sync()
	}
	if err == nil {
		err = o.keepOld()
	}
	if err == nil {
		err = os.Rename(o.temp.Name(), o.name)
	}
	if err != nil {
		return fmt.Errorf("%s: %w", o.flag, err)
	}
	return nil
}

// keepOld gives a file that has the name another one: a registration that is
// written over could never be signed in with again.
func (o *outFile) keepOld() error {
	other := o.name
	for n := 1; exists(other); n++ {
		other = fmt.Sprintf("%s.%d", o.name, n)
	}
	if other == o.name {
		return nil
	}
	if err := os.Rename(o.name, other); err != nil {
		return err
	}
	o.app.note("the earlier %s is now %s", o.name, other)
	return nil
}

func exists(name string) bool {
	_, err := os.Lstat(name)
	return !errors.Is(err, fs.ErrNotExist)
}

// discard closes the file, and removes it if it did not get its name.
func (o *outFile) discard() {
	if o != nil {
		_ = o.temp.Close()
		_ = os.Remove(o.temp.Name())
	}
}

// dump puts into an error what could not be stored, lest it be lost.
func dump(v any) error {
	text, err := json.Marshal(v)
	if err != nil {
		return err
	}
	return fmt.Errorf("what should have been stored: %s", text)
}
