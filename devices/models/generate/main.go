// Command generate makes the table of package models: scripts/models runs it.
//
//	generate BLOB.jwt [MORE]... >table.txt
//
// The first file that names a key counts. A file is a BLOB of FIDO's Metadata
// Service as it is signed, whose signature and certificates must hold; or, as
// JSON, a BLOB's payload, a list with metadata statements, one such statement,
// or an object from AAGUIDs to names. All are read as untrusted: of what they
// hold only keys and names are taken, cleaned and bounded.
package main

import (
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"time"
)

func main() {
	v, err := newVerifier(time.Now())
	if err == nil {
		err = run(os.Args[1:], v, os.Stdout)
	}
	if err != nil {
		fmt.Fprintln(os.Stderr, "generate:", err)
		os.Exit(1)
	}
}

func run(files []string, v verifier, w io.Writer) error {
	if len(files) == 0 {
		return errors.New("usage: generate BLOB.jwt [MORE]...")
	}
	t := table{}
	for _, file := range files {
		raw, err := os.ReadFile(file)
		if err != nil {
			return err
		}
		s, err := v.read(raw)
		if err != nil {
			return fmt.Errorf("%s: %w", file, err)
		}
		s.origin += " (" + label(file) + ")"
		t.add(s)
	}
	return t.write(w)
}

// label is the last two parts of a path: who published the file, and its name.
func label(file string) string {
	return clean(filepath.ToSlash(filepath.Join(filepath.Base(filepath.Dir(file)), filepath.Base(file))))
}
