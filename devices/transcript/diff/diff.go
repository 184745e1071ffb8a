package diff

import (
	"fmt"
	"time"

	"github.com/touchstone-fido/touchstone/devices/transcript"
	"github.com/touchstone-fido/touchstone/devices/transcript/explain"
)

// Verdict is what a comparison comes to.
type Verdict byte

// Verdicts.
const (
	Same         Verdict = iota + 1 // nothing that was compared differs
	Differs                         // something does
	Incomparable                    // the tapes have nothing in common to compare
)

var verdictNames = [...]string{Same: "same", Differs: "differs", Incomparable: "cannot compare"}

// String says it in a word or two.
func (v Verdict) String() string {
	if v == 0 || int(v) >= len(verdictNames) {
		return fmt.Sprintf("verdict %d", byte(v))
	}
	return verdictNames[v]
}

// Config says what counts.
type Config struct {
	// TimingFactor is how many times as long as the other one a median may be
	// before the tapes differ by it; 0 has timings told only.
	TimingFactor float64
}

// Comparison is what two tapes have in common, and what not.
type Comparison struct {
	A, B    *explain.Story
	Verdict Verdict
	Why     string // of a verdict that is Incomparable
	Pairs   []Pair
	Timings []Timing
}

// Pair is an exchange of one tape beside that of the other.
type Pair struct {
	Name        string
	A, B        int // places in the stories' Exchanges, -1 where a tape has none
	Differences []Difference
	Uncompared  string // why the answers were not compared, "" if they were
}

// Area is what a difference is about.
type Area string

// Areas.
const (
	Sequence   Area = "sequence"           // one tape has an exchange that the other has not
	Request    Area = "request"            // what was asked
	Status     Area = "status"             // the status of the answer
	Info       Area = "getInfo"            // a member of getInfo
	AuthData   Area = "authenticator data" // but for its extensions
	Format     Area = "credential format"  // the attestation of a new credential
	Extensions Area = "extensions"         // inputs are a matter of the request
	Answer     Area = "answer"             // any other member
	Touch      Area = "touch"              // one key waits for the user where the other does not
	Conduct    Area = "conduct"            // one breaks the standard where the other does not
)

// Difference is one thing that is not the same.
type Difference struct {
	Area   Area
	Path   string // of names, such as "options.rk"; empty for the whole exchange
	Clause string
	A, B   string // as text, [Absent] where it is not there
}

// Absent stands for what a tape does not have.
const Absent = "absent"

// Timing compares one kind of duration.
type Timing struct {
	Name    string
	A, B    explain.Spread
	Differs bool // by more than the factor
}

// Differences counts those of all pairs, and the timings that differ.
func (c *Comparison) Differences() int {
	n := 0
	for _, p := range c.Pairs {
		n += len(p.Differences)
	}
	for _, t := range c.Timings {
		if t.Differs {
			n++
		}
	}
	return n
}

// Compare compares two stories.
func Compare(a, b *explain.Story, cfg Config) *Comparison {
	c := &Comparison{A: a, B: b}
	same := a.Header.Transport == b.Header.Transport
	left, right := kept(a, same), kept(b, same)
	compared := 0
	for _, m := range align(left, right) {
		p := c.pair(m)
		if m.a >= 0 && m.b >= 0 && p.Uncompared == "" {
			compared++
		}
		c.Pairs = append(c.Pairs, p)
	}
	c.Timings = timings(a.Timing, b.Timing, cfg.TimingFactor)
	switch {
	case len(left) == 0 || len(right) == 0:
		c.Verdict, c.Why = Incomparable, "a tape has no exchange of a request and an answer"
	case compared == 0:
		c.Verdict, c.Why = Incomparable, "no command is on both tapes with its answer"
	case c.Differences() > 0:
		c.Verdict = Differs
	default:
		c.Verdict = Same
	}
	return c
}

// pair compares the two exchanges of a match.
func (c *Comparison) pair(m match) Pair {
	p := Pair{Name: m.name, A: m.a, B: m.b}
	if m.a < 0 || m.b < 0 {
		d := Difference{Area: Sequence, A: Absent, B: Absent}
		if m.a >= 0 {
			d.A = "asked"
		} else {
			d.B = "asked"
		}
		p.Differences = []Difference{d}
		return p
	}
	a, b := c.A.Exchanges[m.a], c.B.Exchanges[m.b]
	p.requests(c.A, c.B, a, b)
	p.answers(c.A, c.B, a, b)
	p.touches(c, a, b)
	return p
}

func (p *Pair) requests(a, b *explain.Story, x, y explain.Exchange) {
	if x.Ask < 0 || y.Ask < 0 {
		return // the key's side alone
	}
	p.fields(a.Steps[x.Ask].Fields, b.Steps[y.Ask].Fields, place{area: always(Request), clause: a.Steps[x.Ask].Clause})
}

func (p *Pair) answers(a, b *explain.Story, x, y explain.Exchange) {
	if x.Answer < 0 || y.Answer < 0 {
		p.Uncompared = "an answer is not on the tape"
		return
	}
	left, right := &a.Steps[x.Answer], &b.Steps[y.Answer]
	if x.Status != y.Status {
		p.add(Difference{Area: Status, Clause: "CTAP 2.3 §8.2", A: x.Status, B: y.Status})
		return // members that an error does not have are no further difference
	}
	p.fields(left.Fields, right.Fields, place{area: areaOf(p.Name), clause: left.Clause})
	p.remarks(left.Remarks, right.Remarks)
}

// touches compares whether the keys said that they wait for the user. On a card
// they do not: to be there is enough.
func (p *Pair) touches(c *Comparison, x, y explain.Exchange) {
	if p.Uncompared != "" || x.Waited == y.Waited || c.A.Header.Transport != transcript.HID || c.B.Header.Transport != transcript.HID {
		return
	}
	word := map[bool]string{true: "waits for a touch", false: "does not wait for a touch"}
	p.add(Difference{Area: Touch, Clause: "CTAP 2.3 §11.2.9.1.7", A: word[x.Waited], B: word[y.Waited]})
}

func (p *Pair) add(d Difference) { p.Differences = append(p.Differences, d) }

// remarks compares what each was remarked on for.
func (p *Pair) remarks(a, b []explain.Remark) {
	count := map[explain.Remark]int{}
	for _, r := range a {
		count[explain.Remark{Clause: r.Clause, Text: r.Text}]++
	}
	for _, r := range b {
		count[explain.Remark{Clause: r.Clause, Text: r.Text}]--
	}
	for _, r := range append(append([]explain.Remark{}, a...), b...) {
		key := explain.Remark{Clause: r.Clause, Text: r.Text}
		switch n := count[key]; {
		case n > 0:
			p.add(Difference{Area: Conduct, Clause: r.Clause, A: r.Text, B: Absent})
		case n < 0:
			p.add(Difference{Area: Conduct, Clause: r.Clause, A: Absent, B: r.Text})
		}
		delete(count, key)
	}
}

func timings(a, b explain.Timing, factor float64) []Timing {
	var all []Timing
	for _, t := range []Timing{
		{Name: "touch", A: a.Touch, B: b.Touch}, {Name: "keepalive gap", A: a.Gap, B: b.Gap}, {Name: "answer", A: a.Answer, B: b.Answer},
	} {
		if t.A.Count == 0 && t.B.Count == 0 {
			continue
		}
		t.Differs = factor > 0 && t.A.Count > 0 && t.B.Count > 0 && beyond(t.A.Median, t.B.Median, factor)
		all = append(all, t)
	}
	return all
}

// beyond says whether one duration is more than factor times the other.
func beyond(a, b time.Duration, factor float64) bool {
	return float64(max(a, b)) > factor*float64(min(a, b))
}
