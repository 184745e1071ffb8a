package main

import (
	"bytes"
	"fmt"
	"io"
	"maps"
	"slices"
)

// table is the names of several sources, of which the first counts.
type table struct {
	sources []source
	from    map[string]int // by key: which source, counted from 0
}

func (t *table) add(s source) {
	if t.from == nil {
		t.from = map[string]int{}
	}
	added := false
	for key := range s.names {
		if _, ok := t.from[key]; !ok {
			t.from[key] = len(t.sources)
			added = true
		}
	}
	if added {
		t.sources = append(t.sources, s)
	}
}

const head = `# Product names by AAGUID, and by the key identifier of the attestation
# certificate for keys that have none. Made by scripts/models: do not edit.
# After a key stands the number of the source that its name is from.
`

// write writes the table. Its lines are sorted, and no key is there twice.
func (t *table) write(w io.Writer) error {
	var b bytes.Buffer
	b.WriteString(head)
	for i, s := range t.sources {
		fmt.Fprintf(&b, "# source %d: %s\n", i+1, s.origin)
	}
	for _, key := range slices.Sorted(maps.Keys(t.from)) {
		i := t.from[key]
		fmt.Fprintf(&b, "%s %d %s\n", key, i+1, t.sources[i].names[key])
	}
	_, err := w.Write(b.Bytes())
	return err
}
