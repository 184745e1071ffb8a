package diff

import (
	"strings"

	"github.com/touchstone-fido/touchstone/devices/transcript/explain"
)

// place is where in a message fields stand.
type place struct {
	path   string
	clause string
	area   func(path string) Area
}

func (p place) below(f explain.Field) place {
	p.path = strings.TrimPrefix(p.path+"."+f.Name, ".")
	if f.Name == "unknown member" {
		p.path += " " + f.Key
	}
	if f.Clause != "" {
		p.clause = f.Clause
	}
	return p
}

func always(a Area) func(string) Area { return func(string) Area { return a } }

// areaOf says what the members of the answer to a command are about.
func areaOf(command string) func(string) Area {
	return func(path string) Area {
		first, rest, _ := strings.Cut(path, ".")
		second, _, _ := strings.Cut(rest, ".")
		switch {
		case first == "authData" && second == "extensions", first == "unsignedExtensionOutputs", first == "extensions" && command != getInfo:
			return Extensions
		case first == "authData":
			return AuthData
		case first == "fmt", first == "attStmt", first == "epAtt":
			return Format
		case command == getInfo:
			return Info
		}
		return Answer
	}
}

const getInfo = "authenticatorGetInfo"

// fields compares two groups of fields by their names.
func (p *Pair) fields(a, b []explain.Field, at place) {
	right := map[string]explain.Field{}
	for _, f := range b {
		right[f.Name+f.Key] = f
	}
	for _, f := range a {
		other, ok := right[f.Name+f.Key]
		delete(right, f.Name+f.Key)
		if !ok {
			p.differ(at.below(f), textOf(f), Absent)
			continue
		}
		p.field(f, other, at.below(f))
	}
	for _, f := range b {
		if _, left := right[f.Name+f.Key]; left {
			p.differ(at.below(f), Absent, textOf(f))
		}
	}
}

func (p *Pair) differ(at place, a, b string) {
	p.add(Difference{Area: at.area(at.path), Path: at.path, Clause: at.clause, A: a, B: b})
}

func (p *Pair) field(a, b explain.Field, at place) {
	switch {
	case a.Like == explain.LikeOwn:
		// that both are there is all that can be asked
	case len(a.Fields) > 0 && len(b.Fields) > 0:
		p.fields(a.Fields, b.Fields, at)
	case len(a.Fields) > 0 || len(b.Fields) > 0:
		p.differ(at, textOf(a), textOf(b))
	case a.Like == explain.LikeFresh:
		if len(a.Value) != len(b.Value) {
			p.differ(at, sizeOf(a), sizeOf(b))
		}
	case a.Value != b.Value:
		p.differ(at, textOf(a), textOf(b))
	}
}

func sizeOf(f explain.Field) string {
	size, _, _ := strings.Cut(f.Note, ",")
	if size == "" {
		return f.Value
	}
	return size
}

// textOf is a field as text: its value with what that means, or what is in the
// group.
func textOf(f explain.Field) string {
	switch {
	case len(f.Fields) > 0:
		var names []string
		for _, child := range f.Fields {
			names = append(names, child.Name)
		}
		return "{" + strings.Join(names, ", ") + "}"
	case f.Like == explain.LikeFresh:
		return sizeOf(f)
	case f.Value == "":
		return "there"
	case f.Note != "" && !strings.HasSuffix(f.Note, "bytes") && !strings.HasSuffix(f.Note, "byte"):
		return f.Value + " (" + f.Note + ")"
	}
	return f.Value
}
