package statefile_test

import (
	"bytes"
	"context"
	"database/sql"
	"errors"
	"fmt"
	"maps"
	"os"
	"path/filepath"
	"testing"

	"github.com/touchstone-fido/touchstone/devices/virtual"
	"github.com/touchstone-fido/touchstone/devices/virtual/statefile"
)

func open(t *testing.T, path string) *statefile.File {
	t.Helper()
	f, err := statefile.Open(path)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { f.Close() })
	return f
}

func apply(t *testing.T, s virtual.Store, puts map[string][]byte, deletes ...string) {
	t.Helper()
	if err := s.Apply(puts, deletes); err != nil {
		t.Fatal(err)
	}
}

func wantRecords(t *testing.T, s virtual.Store, want map[string][]byte) {
	t.Helper()
	got, err := s.Load()
	if err != nil {
		t.Fatal(err)
	}
	if !maps.EqualFunc(got, want, bytes.Equal) {
		t.Fatalf("records are %v, want %v", got, want)
	}
}

func TestRecordsSurviveReopening(t *testing.T) {
	// Names that mean something in a URI or to a shell must not lead elsewhere.
	for _, name := range []string{"key.db", "a key?mode=memory&x#y%20.db", "ключ"} {
		t.Run(name, func(t *testing.T) {
			path := filepath.Join(t.TempDir(), name)
			f := open(t, path)
			wantRecords(t, f, map[string][]byte{})
			apply(t, f, map[string][]byte{"a": {1}, "b": {}, "c": {3}})
			apply(t, f, map[string][]byte{"a": {4, 5}}, "c", "never there")
			if err := f.Close(); err != nil {
				t.Fatal(err)
			}
			wantRecords(t, open(t, path), map[string][]byte{"a": {4, 5}, "b": {}})
		})
	}
}

func TestFileIsTheOwnersAlone(t *testing.T) {
	path := filepath.Join(t.TempDir(), "key.db")
	f := open(t, path)
	apply(t, f, map[string][]byte{"a": {1}})
	wantMode(t, path)
	if journal := path + "-journal"; exists(journal) {
		wantMode(t, journal)
	}
	if err := f.Close(); err != nil {
		t.Fatal(err)
	}
	if err := os.Chmod(path, 0o644); err != nil {
		t.Fatal(err)
	}
	open(t, path)
	wantMode(t, path)
}

func wantMode(t *testing.T, path string) {
	t.Helper()
	info, err := os.Stat(path)
	if err != nil {
		t.Fatal(err)
	}
	if mode := info.Mode().Perm(); mode != 0o600 {
		t.Fatalf("mode of %s is %o", filepath.Base(path), mode)
	}
}

func exists(path string) bool {
	_, err := os.Stat(path)
	return err == nil
}

func TestClosingLeavesOneFile(t *testing.T) {
	dir := t.TempDir()
	f := open(t, filepath.Join(dir, "key.db"))
	apply(t, f, map[string][]byte{"a": {1}})
	for range 2 {
		if err := f.Close(); err != nil {
			t.Fatal(err)
		}
	}
	entries, err := os.ReadDir(dir)
	if err != nil || len(entries) != 1 {
		t.Fatalf("left behind: %v, %v", entries, err)
	}
	if err := f.Apply(nil, nil); !errors.Is(err, statefile.ErrClosed) {
		t.Fatalf("Apply after Close: %v", err)
	}
	if _, err := f.Load(); !errors.Is(err, statefile.ErrClosed) {
		t.Fatalf("Load after Close: %v", err)
	}
}

func TestSecondOpenerInThisProcess(t *testing.T) {
	path := filepath.Join(t.TempDir(), "key.db")
	f := open(t, path)
	apply(t, f, map[string][]byte{"a": {1}})
	link := path + ".link"
	if err := os.Symlink(path, link); err != nil {
		t.Fatal(err)
	}
	for _, name := range []string{path, link} {
		if _, err := statefile.Open(name); !errors.Is(err, statefile.ErrInUse) {
			t.Fatalf("second Open: %v", err)
		}
	}
	// The refusal must not have cost the first opener its lock.
	if out := runChild(t, "open", path); out != "in use" {
		t.Fatalf("other process: %q", out)
	}
	if err := f.Close(); err != nil {
		t.Fatal(err)
	}
	wantRecords(t, open(t, path), map[string][]byte{"a": {1}})
}

func TestOpenerInAnotherProcess(t *testing.T) {
	path := filepath.Join(t.TempDir(), "key.db")
	f := open(t, path) // read and written nothing yet
	if out := runChild(t, "open", path); out != "in use" {
		t.Fatalf("while open: %q", out)
	}
	apply(t, f, map[string][]byte{"a": {1}})
	if out := runChild(t, "open", path); out != "in use" {
		t.Fatalf("after a change: %q", out)
	}
	if err := f.Close(); err != nil {
		t.Fatal(err)
	}
	if out := runChild(t, "open", path); out != "opened" {
		t.Fatalf("after Close: %q", out)
	}
}

// foreign makes a SQLite database with the header numbers.
func foreign(t *testing.T, path string, statements string) {
	t.Helper()
	db, err := sql.Open("sqlite", path)
	if err != nil {
		t.Fatal(err)
	}
	defer db.Close()
	if _, err := db.ExecContext(context.Background(), statements); err != nil {
		t.Fatal(err)
	}
}

func TestOtherFilesAreLeftAlone(t *testing.T) {
	tests := []struct {
		name string
		make func(t *testing.T, path string)
		want error
	}{
		{"directory", func(t *testing.T, path string) { must(t, os.Mkdir(path, 0o755)) }, statefile.ErrForeign},
		{"empty", write(""), statefile.ErrForeign},
		{"text", write("precious\n"), statefile.ErrForeign},
		{"long text", write(string(bytes.Repeat([]byte("precious\n"), 1000))), statefile.ErrForeign},
		{"cut header", write("SQLite format 3\x00"), statefile.ErrForeign},
		{"other database", database("CREATE TABLE t (x)"), statefile.ErrForeign},
		{"other database in WAL mode", database("PRAGMA journal_mode=WAL; CREATE TABLE t (x)"), statefile.ErrForeign},
		{"other application", database("PRAGMA application_id=7; CREATE TABLE t (x)"), statefile.ErrForeign},
		{"later version", database(fmt.Sprintf("PRAGMA application_id=%d; PRAGMA user_version=2; CREATE TABLE t (x)", 0x546f7563)), statefile.ErrNewer},
		{"no version", database(fmt.Sprintf("PRAGMA application_id=%d; CREATE TABLE t (x)", 0x546f7563)), statefile.ErrCorrupt},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			dir := t.TempDir()
			path := filepath.Join(dir, "file")
			test.make(t, path)
			before := snapshot(t, dir)
			if _, err := statefile.Open(path); !errors.Is(err, test.want) {
				t.Fatalf("Open: %v, want %v", err, test.want)
			}
			if after := snapshot(t, dir); !maps.Equal(before, after) {
				t.Fatalf("files were touched: %v, then %v", before, after)
			}
		})
	}
}

func write(content string) func(*testing.T, string) {
	return func(t *testing.T, path string) { must(t, os.WriteFile(path, []byte(content), 0o644)) }
}

func database(statements string) func(*testing.T, string) {
	return func(t *testing.T, path string) { foreign(t, path, statements) }
}

func must(t *testing.T, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

// snapshot describes all files of a directory, with mode, time and content.
func snapshot(t *testing.T, dir string) map[string]string {
	t.Helper()
	entries, err := os.ReadDir(dir)
	must(t, err)
	files := map[string]string{}
	for _, e := range entries {
		info, err := e.Info()
		must(t, err)
		content, _ := os.ReadFile(filepath.Join(dir, e.Name()))
		files[e.Name()] = fmt.Sprintf("%v %v %x", info.Mode(), info.ModTime(), content)
	}
	return files
}

func TestMissingDirectory(t *testing.T) {
	if _, err := statefile.Open(filepath.Join(t.TempDir(), "no", "key.db")); !errors.Is(err, os.ErrNotExist) {
		t.Fatalf("Open: %v", err)
	}
}

// patch changes the first occurrence of old in the file.
func patch(t *testing.T, path, old, new string) {
	t.Helper()
	b, err := os.ReadFile(path)
	must(t, err)
	if !bytes.Contains(b, []byte(old)) {
		t.Fatalf("%q is not in the file", old)
	}
	must(t, os.WriteFile(path, bytes.Replace(b, []byte(old), []byte(new), 1), 0o600))
}

func TestDamagedRecordIsNamed(t *testing.T) {
	path := filepath.Join(t.TempDir(), "key.db")
	f := open(t, path)
	apply(t, f, map[string][]byte{"fine": []byte("some value"), "damaged": []byte("telltale value")})
	must(t, f.Close())
	patch(t, path, "telltale", "telltalf")
	_, err := open(t, path).Load()
	var record *virtual.RecordError
	if !errors.As(err, &record) || record.Name != "damaged" || !errors.Is(err, virtual.ErrCorrupt) {
		t.Fatalf("Load: %v", err)
	}
}

func TestDamagedDatabaseIsRefused(t *testing.T) {
	path := filepath.Join(t.TempDir(), "key.db")
	f := open(t, path)
	for i := range 200 {
		apply(t, f, map[string][]byte{fmt.Sprint("record", i): bytes.Repeat([]byte{byte(i)}, 100)})
	}
	must(t, f.Close())
	b, err := os.ReadFile(path)
	must(t, err)
	t.Run("page", func(t *testing.T) {
		damaged := filepath.Join(t.TempDir(), "key.db")
		copied := bytes.Clone(b)
		copy(copied[2*4096:], bytes.Repeat([]byte{0xff}, 64))
		must(t, os.WriteFile(damaged, copied, 0o600))
		if _, err := statefile.Open(damaged); !errors.Is(err, statefile.ErrCorrupt) {
			t.Fatalf("Open: %v", err)
		}
	})
	t.Run("cut", func(t *testing.T) {
		damaged := filepath.Join(t.TempDir(), "key.db")
		must(t, os.WriteFile(damaged, b[:len(b)/2], 0o600))
		if _, err := statefile.Open(damaged); !errors.Is(err, statefile.ErrCorrupt) {
			t.Fatalf("Open: %v", err)
		}
	})
}

func TestApplyIsAllOrNothing(t *testing.T) {
	f := open(t, filepath.Join(t.TempDir(), "key.db"))
	apply(t, f, map[string][]byte{"a": {1}, "b": {2}})
	if err := f.Apply(map[string][]byte{"a": {9}, "b": {9}}, []string{"a"}); err == nil {
		t.Fatal("a record was both put and deleted")
	}
	wantRecords(t, f, map[string][]byte{"a": {1}, "b": {2}})
	apply(t, f, map[string][]byte{"a": {3}})
	wantRecords(t, f, map[string][]byte{"a": {3}, "b": {2}})
}

func TestRemovedRecordsAreOverwritten(t *testing.T) {
	path := filepath.Join(t.TempDir(), "key.db")
	f := open(t, path)
	apply(t, f, map[string][]byte{"a": []byte("telltale value"), "b": {1}})
	apply(t, f, nil, "a")
	must(t, f.Close())
	b, err := os.ReadFile(path)
	must(t, err)
	if bytes.Contains(b, []byte("telltale")) {
		t.Fatal("a deleted record is still in the file")
	}
}

// TestKeyInAFile runs a key on a file as its users do.
func TestKeyInAFile(t *testing.T) {
	path := filepath.Join(t.TempDir(), "key.db")
	info := func() []byte {
		key, err := virtual.New(virtual.Config{Store: open(t, path)})
		must(t, err)
		answer := key.Message(context.Background(), []byte{4}, nil)
		must(t, key.Close())
		if _, err := os.Stat(path); err != nil || answer[0] != 0 {
			t.Fatalf("getInfo: %x, %v", answer, err)
		}
		return key.AttestationRoot().Raw
	}
	if first, second := info(), info(); !bytes.Equal(first, second) {
		t.Fatal("the key became another one")
	}
}

func BenchmarkApply(b *testing.B) {
	f, err := statefile.Open(filepath.Join(b.TempDir(), "key.db"))
	if err != nil {
		b.Fatal(err)
	}
	defer f.Close()
	for b.Loop() {
		if err := f.Apply(map[string][]byte{"counter": {1, 2, 3, 4}}, nil); err != nil {
			b.Fatal(err)
		}
	}
}
