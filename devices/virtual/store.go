package virtual

import (
	"bytes"
	"errors"
	"maps"
	"sync"
)

// Store keeps a key's named records. Package statefile has one in a file,
// [NewMemory] one in memory.
type Store interface {
	// Load returns all records.
	Load() (map[string][]byte, error)

	// Apply writes puts and removes deletes, which need not exist; no name is
	// in both. It keeps neither the map nor its values, which are wiped
	// afterwards. It is atomic and durable: when it returns nil, the change
	// survives a crash at any point; when the process dies inside it, either
	// all or nothing of it is there; when it returns an error, nothing is.
	Apply(puts map[string][]byte, deletes []string) error

	// Close lets go of the records. It may be called twice.
	Close() error
}

// Memory is a Store that lasts as long as the program. Closing it loses
// nothing: a key made on it afterwards has the same state. The zero value
// cannot be used; NewMemory makes one.
type Memory struct {
	mu      sync.Mutex
	records map[string][]byte
}

var _ Store = (*Memory)(nil)

// NewMemory returns an empty store.
func NewMemory() *Memory { return &Memory{records: map[string][]byte{}} }

// Load returns a copy of all records.
func (m *Memory) Load() (map[string][]byte, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	records := maps.Clone(m.records)
	for name, value := range records {
		records[name] = bytes.Clone(value)
	}
	return records, nil
}

// Apply changes the records; it fails only when puts and deletes share a name.
func (m *Memory) Apply(puts map[string][]byte, deletes []string) error {
	for _, name := range deletes {
		if _, ok := puts[name]; ok {
			return errors.New("record is both put and deleted")
		}
	}
	m.mu.Lock()
	defer m.mu.Unlock()
	for _, name := range deletes {
		delete(m.records, name)
	}
	for name, value := range puts {
		m.records[name] = bytes.Clone(value)
	}
	return nil
}

// Close does nothing.
func (m *Memory) Close() error { return nil }

// String says what it is and none of what it holds.
func (m *Memory) String() string { return "virtual.Memory" }

// GoString is the same as String.
func (m *Memory) GoString() string { return m.String() }
