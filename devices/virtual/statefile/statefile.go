// Package statefile keeps the state of a virtual security key in a file: a
// SQLite database with one table of named records, held by one process at a
// time.
//
//	store, err := statefile.Open("key.db")
//	if errors.Is(err, statefile.ErrInUse) { ... }
//	key, err := virtual.New(virtual.Config{Store: store})
//	...
//	err = key.Close() // closes the store, too
//
// The file holds private keys and is readable by its owner only. While it is
// open, and after a crash, a rollback journal (the file's name and "-journal")
// may lie next to it and belongs to it: without it the file is not whole.
package statefile

import (
	"bytes"
	"context"
	"crypto/sha256"
	"database/sql"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"sync"

	"github.com/touchstone-fido/touchstone/devices/virtual"
)

// Errors of [Open].
var (
	// ErrInUse: this or another process has the file open.
	ErrInUse = errors.New("in use by another process")
	// ErrForeign: the file is something else. It was not touched.
	ErrForeign = errors.New("not the state of a virtual key")
	// ErrNewer: a later version of Touchstone wrote the file.
	ErrNewer = errors.New("written by a later version")
	// ErrCorrupt: the database is damaged.
	ErrCorrupt = errors.New("database is damaged")
	// ErrClosed: the file was closed, or let go of after an error that left
	// open what is in it.
	ErrClosed = errors.New("state file is closed")
)

// File is a [virtual.Store] in a file. Its methods may be called from several
// goroutines.
type File struct {
	path  string
	claim *claim

	mu   sync.Mutex
	db   *sql.DB
	conn *sql.Conn // the one connection; nil when closed
}

var _ virtual.Store = (*File)(nil)

// Open opens the state file at path, or creates an empty one with mode 0600 if
// there is nothing. Whoever else has it open makes it fail with [ErrInUse] at
// once; a directory, a file of another kind and another program's database are
// [ErrForeign] and left alone. A state file that others may read is made the
// owner's alone. A crash inside Open leaves either no file or one
// that opens.
func Open(path string) (*File, error) {
	f, err := open(path)
	if err != nil {
		return nil, fmt.Errorf("state file %s: %w", path, err)
	}
	return f, nil
}

func open(path string) (*File, error) {
	info, err := os.Stat(path)
	if errors.Is(err, fs.ErrNotExist) {
		if err := create(path); err != nil {
			return nil, err
		}
		info, err = os.Stat(path)
	}
	if err != nil {
		return nil, err
	}
	if !info.Mode().IsRegular() {
		return nil, fmt.Errorf("%w: not a regular file", ErrForeign)
	}
	claim, err := claimFile(info)
	if err != nil {
		return nil, err
	}
	f := &File{path: path, claim: claim}
	if err := f.attach(); err != nil {
		return nil, errors.Join(err, f.Close())
	}
	return f, nil
}

// attach checks what the file is before SQLite gets to see it.
func (f *File) attach() error {
	if err := checkHeader(f.path); err != nil {
		return err
	}
	if f.claim.info.Mode().Perm()&0o077 != 0 {
		if err := os.Chmod(f.path, 0o600); err != nil {
			return err
		}
	}
	var err error
	f.db, f.conn, err = connect(f.path)
	if err != nil {
		return err
	}
	return hold(f.conn)
}

// Load returns all records. One whose checksum is wrong is a
// [*virtual.RecordError].
func (f *File) Load() (map[string][]byte, error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.conn == nil {
		return nil, ErrClosed
	}
	rows, err := f.conn.QueryContext(context.Background(), "SELECT name, value, digest FROM records")
	if err != nil {
		return nil, f.failed("load", err)
	}
	defer rows.Close()
	records := map[string][]byte{}
	for rows.Next() {
		var name string
		var value, digest []byte
		if err := rows.Scan(&name, &value, &digest); err != nil {
			return nil, f.failed("load", err)
		}
		if !bytes.Equal(digest, checksum(name, value)) {
			return nil, f.failed("load", &virtual.RecordError{Name: name, Err: virtual.ErrCorrupt})
		}
		records[name] = value
	}
	if err := rows.Err(); err != nil {
		return nil, f.failed("load", err)
	}
	return records, nil
}

// Apply changes the records in one transaction that has reached the disk when
// it returns nil. After an error that leaves open what did reach the disk, the
// file is let go of and every later call is [ErrClosed].
func (f *File) Apply(puts map[string][]byte, deletes []string) error {
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.conn == nil {
		return ErrClosed
	}
	tx, err := f.conn.BeginTx(context.Background(), nil)
	if err != nil {
		return f.failed("write", err)
	}
	if err := write(tx, puts, deletes); err != nil {
		return f.failed("write", errors.Join(err, tx.Rollback()))
	}
	if err := tx.Commit(); err != nil {
		if !diskFull(err) {
			err = errors.Join(err, f.release())
		}
		return f.failed("write", err)
	}
	return nil
}

func write(tx *sql.Tx, puts map[string][]byte, deletes []string) error {
	for _, name := range deletes {
		if _, ok := puts[name]; ok {
			return fmt.Errorf("record %q is both put and deleted", name)
		}
		if _, err := tx.Exec("DELETE FROM records WHERE name = ?", name); err != nil {
			return err
		}
	}
	for name, value := range puts {
		_, err := tx.Exec("INSERT OR REPLACE INTO records (name, value, digest) VALUES (?, ?, ?)",
			name, value, checksum(name, value))
		if err != nil {
			return err
		}
	}
	return nil
}

// Close lets go of the file. A second Close does nothing.
func (f *File) Close() error {
	f.mu.Lock()
	defer f.mu.Unlock()
	if err := f.release(); err != nil {
		return f.failed("close", err)
	}
	return nil
}

func (f *File) release() error {
	var err error
	if f.conn != nil {
		err = errors.Join(f.conn.Close(), f.db.Close())
	}
	f.conn = nil
	f.claim.release()
	return err
}

func (f *File) failed(doing string, err error) error {
	return fmt.Errorf("%s state file %s: %w", doing, f.path, err)
}

// checksum ties a record's value to its name.
func checksum(name string, value []byte) []byte {
	h := sha256.New()
	fmt.Fprintf(h, "%s\x00", name)
	h.Write(value)
	return h.Sum(nil)
}
