package replay

import (
	"cmp"
	"fmt"
	"maps"
	"slices"
	"strings"
)

// Fact is one thing that an answer says, by the standard's names.
type Fact struct{ Name, Value string }

// facts collects what an answer says.
type facts []Fact

func (f *facts) add(name, format string, args ...any) {
	*f = append(*f, Fact{name, fmt.Sprintf(format, args...)})
}

// Difference is a fact that is another in the second of two answers. An answer
// that does not have it has "" there.
type Difference struct{ Name, Recorded, Got string }

// compare lists the facts that differ, in the order of the first answer. What is
// said twice by one name counts together.
func compare(recorded, got []Fact) []Difference {
	before, order := byName(recorded)
	after, more := byName(got)
	var all []Difference
	for _, name := range append(order, more...) {
		if before[name] != after[name] {
			all = append(all, Difference{name, before[name], after[name]})
		}
		delete(before, name)
		delete(after, name)
	}
	return all
}

func byName(list []Fact) (values map[string]string, order []string) {
	values = map[string]string{}
	for _, f := range list {
		if value, twice := values[f.Name]; twice {
			values[f.Name] = value + "; " + f.Value
			continue
		}
		values[f.Name] = f.Value
		order = append(order, f.Name)
	}
	return values, order
}

// size is a number of bytes in words.
func size(n int) string {
	if n == 1 {
		return "1 byte"
	}
	return fmt.Sprintf("%d bytes", n)
}

// names gives names such as "credential 2" to values, in the order in which they
// appear, so that equal values show on either side without being equal there.
type names struct {
	what  string
	known map[string]int
}

func naming(what string) *names { return &names{what, map[string]int{}} }

// of is the value's name.
func (n *names) of(value []byte) string {
	if n.known[string(value)] == 0 {
		n.known[string(value)] = len(n.known) + 1
	}
	return fmt.Sprintf("%s %d", n.what, n.known[string(value)])
}

// stands has a value be called as one of another side is, unless it has a name.
func (n *names) stands(value []byte, other *names, theirs []byte) {
	if n.known[string(value)] == 0 && other.known[string(theirs)] != 0 {
		n.known[string(value)] = other.known[string(theirs)]
	}
}

// flatten turns a decoded CBOR value into facts; how a byte string is told the
// caller decides.
func (f *facts) flatten(name string, v any, bytes func([]byte) string) {
	switch v := v.(type) {
	case map[any]any:
		keys := slices.SortedFunc(maps.Keys(v), func(a, b any) int { return cmp.Compare(fmt.Sprint(a), fmt.Sprint(b)) })
		if len(keys) == 0 {
			f.add(name, "an empty map")
		}
		for _, key := range keys {
			f.flatten(fmt.Sprintf("%s.%v", name, key), v[key], bytes)
		}
	case []any:
		f.list(name, v, bytes)
	case []byte:
		f.add(name, "%s", bytes(v))
	case string:
		f.add(name, "%q", v)
	default:
		f.add(name, "%v", v)
	}
}

// list tells a list of plain values in one fact, and any other one by one.
func (f *facts) list(name string, v []any, bytes func([]byte) string) {
	var plain []string
	for _, item := range v {
		switch item.(type) {
		case map[any]any, []any, []byte:
			f.add(name, "%d elements", len(v))
			for i, item := range v {
				f.flatten(fmt.Sprintf("%s[%d]", name, i), item, bytes)
			}
			return
		}
		plain = append(plain, fmt.Sprint(item))
	}
	f.add(name, "[%s]", strings.Join(plain, " "))
}

// isNew says whether the value has no name yet, and gives it one.
func (n *names) isNew(value []byte) bool {
	known := n.known[string(value)] != 0
	n.of(value)
	return !known
}
