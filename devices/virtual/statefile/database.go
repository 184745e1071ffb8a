package statefile

import (
	"context"
	"database/sql"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"net/url"
	"os"
	"path/filepath"
	"runtime"
	"strings"

	"modernc.org/sqlite"
	sqlite3 "modernc.org/sqlite/lib"
)

// What makes a SQLite file a state file: both numbers are in its header.
const (
	applicationID = 0x546f7563 // "Touc"
	schemaVersion = 1
)

// schema is carried out in one transaction on an empty file.
var schema = fmt.Sprintf(`
	PRAGMA synchronous = FULL;
	BEGIN EXCLUSIVE;
	PRAGMA application_id = %d;
	PRAGMA user_version = %d;
	CREATE TABLE records (
		name   TEXT PRIMARY KEY NOT NULL,
		value  BLOB NOT NULL,
		digest BLOB NOT NULL -- SHA-256 of name, a zero byte and value
	) STRICT, WITHOUT ROWID;
	COMMIT;`, applicationID, schemaVersion)

// settings make the connection keep the file to itself and a commit wait for
// the disk. In this locking mode a commit ends with a synchronised write to the
// journal, so that FULL is enough for it to survive a power cut; removed records
// are overwritten.
const settings = `
	PRAGMA busy_timeout = 0;
	PRAGMA locking_mode = EXCLUSIVE;
	PRAGMA synchronous = FULL;
	PRAGMA secure_delete = ON;
	PRAGMA trusted_schema = OFF;
	BEGIN EXCLUSIVE;
	COMMIT;`

// create makes an empty state file under another name, and gives it its own
// when it is whole. A file that has come to be at path meanwhile stays.
func create(path string) error {
	temp, err := os.CreateTemp(filepath.Dir(path), filepath.Base(path)+".new-*") // mode 0600
	if err != nil {
		return err
	}
	defer os.Remove(temp.Name())
	if err := temp.Close(); err != nil {
		return err
	}
	if err := initialize(temp.Name()); err != nil {
		return err
	}
	if err := publish(temp.Name(), path); err != nil && !errors.Is(err, fs.ErrExist) {
		return err
	}
	return syncDirectory(filepath.Dir(path))
}

func initialize(path string) error {
	db, conn, err := connect(path)
	if err != nil {
		return err
	}
	_, err = conn.ExecContext(context.Background(), schema)
	return errors.Join(err, conn.Close(), db.Close())
}

// publish moves a file to a name that is free. A link is the way to do so that
// never replaces a file; file systems without links must do with a rename.
func publish(temp, path string) error {
	err := os.Link(temp, path)
	if err == nil || errors.Is(err, fs.ErrExist) {
		return err
	}
	if _, err := os.Lstat(path); !errors.Is(err, fs.ErrNotExist) {
		return fs.ErrExist
	}
	return os.Rename(temp, path)
}

// syncDirectory makes a new name durable, where directories can be
// synchronised.
func syncDirectory(path string) error {
	if runtime.GOOS == "windows" {
		return nil
	}
	d, err := os.Open(path)
	if err != nil {
		return err
	}
	return errors.Join(d.Sync(), d.Close())
}

// checkHeader reads the fixed part of the database header (SQLite file format
// §1.3) and tells whether the file is a state file of this version. SQLite is
// not asked, because it would begin to recover another program's database.
func checkHeader(path string) error {
	file, err := os.Open(path)
	if err != nil {
		return err
	}
	defer file.Close()
	header := make([]byte, 100)
	if _, err := io.ReadFull(file, header); err != nil {
		return fmt.Errorf("%w: too short", ErrForeign)
	}
	if string(header[:16]) != "SQLite format 3\x00" {
		return fmt.Errorf("%w: not a SQLite database", ErrForeign)
	}
	if binary.BigEndian.Uint32(header[68:]) != applicationID {
		return fmt.Errorf("%w: another program's database", ErrForeign)
	}
	switch version := binary.BigEndian.Uint32(header[60:]); {
	case version > schemaVersion:
		return fmt.Errorf("%w: format %d, this one reads %d", ErrNewer, version, schemaVersion)
	case version == 0:
		return fmt.Errorf("%w: format 0", ErrCorrupt)
	}
	return nil
}

// connect opens one connection to a file that exists.
func connect(path string) (*sql.DB, *sql.Conn, error) {
	absolute, err := filepath.Abs(path)
	if err != nil {
		return nil, nil, err
	}
	absolute = filepath.ToSlash(absolute)
	if !strings.HasPrefix(absolute, "/") { // a drive letter
		absolute = "/" + absolute
	}
	dsn := url.URL{Scheme: "file", OmitHost: true, Path: absolute, RawQuery: "mode=rw"}
	db, err := sql.Open("sqlite", dsn.String())
	if err != nil {
		return nil, nil, err
	}
	conn, err := db.Conn(context.Background())
	if err != nil {
		return nil, nil, errors.Join(err, db.Close())
	}
	return db, conn, nil
}

// hold takes the file for this process and checks that it is whole.
func hold(conn *sql.Conn) error {
	if _, err := conn.ExecContext(context.Background(), settings); err != nil {
		return explain(err)
	}
	var result string
	row := conn.QueryRowContext(context.Background(), "PRAGMA quick_check(1)")
	if err := row.Scan(&result); err != nil {
		return explain(err)
	}
	if result != "ok" {
		return ErrCorrupt
	}
	return nil
}

// code is SQLite's primary result code of an error, 0 for other errors.
func code(err error) int {
	var e *sqlite.Error
	if !errors.As(err, &e) {
		return 0
	}
	return e.Code() & 0xff
}

func diskFull(err error) bool { return code(err) == sqlite3.SQLITE_FULL }

// explain gives an error of SQLite's the kind that callers look for.
func explain(err error) error {
	switch code(err) {
	case sqlite3.SQLITE_BUSY, sqlite3.SQLITE_LOCKED:
		return ErrInUse
	case sqlite3.SQLITE_CORRUPT, sqlite3.SQLITE_NOTADB:
		return fmt.Errorf("%w: %w", ErrCorrupt, err)
	}
	return err
}
