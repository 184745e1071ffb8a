package diff

import (
	"strings"

	"github.com/touchstone-fido/touchstone/devices/transcript/explain"
)

// match is an exchange of either tape, or one of each that belong together.
type match struct {
	name string
	a, b int // places in Exchanges, -1 for none
}

// item is an exchange that is compared.
type item struct {
	name  string
	place int
}

// kept are the exchanges to compare. Those that belong to a transport are left
// out where the transports are not the same.
func kept(s *explain.Story, sameTransport bool) []item {
	var items []item
	for i, e := range s.Exchanges {
		if sameTransport || !ofTransport(e.Name) {
			items = append(items, item{key(s, e), i})
		}
	}
	return items
}

// key is what an exchange is found by on the other tape. Of one without its
// request that is what the answer was read as.
func key(s *explain.Story, e explain.Exchange) string {
	if e.Ask < 0 && e.Answer >= 0 && s.Steps[e.Answer].Gist != "" {
		return s.Steps[e.Answer].Gist
	}
	return e.Name
}

func ofTransport(name string) bool {
	for _, own := range []string{"CTAPHID_", "NFCCTAP_", "SELECT", "U2F_VERSION", "command "} {
		if strings.HasPrefix(name, own) {
			return true
		}
	}
	return false
}

// maxTable bounds the table of the alignment, in places.
const maxTable = 16 << 20

// align puts the exchanges of the same name beside each other, in order, as many
// as possible. Tapes that are too long for that are put together in step from
// the front, and looked ahead in for a little where they do not fit.
func align(a, b []item) []match {
	if (len(a)+1)*(len(b)+1) > maxTable {
		return alignGreedily(a, b)
	}
	length := lengths(a, b)
	var all []match
	i, j := 0, 0
	for i < len(a) && j < len(b) {
		switch {
		case a[i].name == b[j].name:
			all = append(all, match{a[i].name, a[i].place, b[j].place})
			i, j = i+1, j+1
		case length[i+1][j] >= length[i][j+1]:
			all = append(all, match{a[i].name, a[i].place, -1})
			i++
		default:
			all = append(all, match{b[j].name, -1, b[j].place})
			j++
		}
	}
	return rest(all, a[i:], b[j:])
}

// lengths is the table of the longest common subsequences of all ends.
func lengths(a, b []item) [][]int32 {
	table := make([][]int32, len(a)+1)
	for i := range table {
		table[i] = make([]int32, len(b)+1)
	}
	for i := len(a) - 1; i >= 0; i-- {
		for j := len(b) - 1; j >= 0; j-- {
			if a[i].name == b[j].name {
				table[i][j] = table[i+1][j+1] + 1
			} else {
				table[i][j] = max(table[i+1][j], table[i][j+1])
			}
		}
	}
	return table
}

func rest(all []match, a, b []item) []match {
	for _, x := range a {
		all = append(all, match{x.name, x.place, -1})
	}
	for _, y := range b {
		all = append(all, match{y.name, -1, y.place})
	}
	return all
}

// lookAhead is how far a long tape is looked ahead in.
const lookAhead = 64

func alignGreedily(a, b []item) []match {
	var all []match
	for len(a) > 0 && len(b) > 0 {
		i, j := distance(a, b[0].name), distance(b, a[0].name)
		switch {
		case i == 0:
			all = append(all, match{a[0].name, a[0].place, b[0].place})
			a, b = a[1:], b[1:]
		case i <= j:
			all, a = rest(all, a[:min(i, len(a))], nil), a[min(i, len(a)):]
		default:
			all, b = rest(all, nil, b[:min(j, len(b))]), b[min(j, len(b)):]
		}
	}
	return rest(all, a, b)
}

// distance is how far ahead the name is, lookAhead if it is not near.
func distance(items []item, name string) int {
	for i, x := range items[:min(len(items), lookAhead)] {
		if x.name == name {
			return i
		}
	}
	return lookAhead
}
