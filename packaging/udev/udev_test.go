package udev

import (
	"errors"
	"os"
	"os/exec"
	"regexp"
	"slices"
	"strings"
	"testing"
)

// assignment is one part of a rule, such as ATTRS{idVendor}=="1050".
var assignment = regexp.MustCompile(`^([A-Z]+(?:\{[A-Za-z_]+\})?)(==|!=|\+=|=)"([^"]*)"$`)

// rule is the assignments of a line, as key and operator to value.
type rule map[string]string

func parseRule(t *testing.T, line string) rule {
	t.Helper()
	r := rule{}
	for part := range strings.SplitSeq(line, ", ") {
		m := assignment.FindStringSubmatch(part)
		if m == nil {
			t.Fatalf("%q: no assignment: %q", line, part)
		}
		if _, again := r[m[1]+m[2]]; again {
			t.Errorf("%q: twice %s", line, m[1])
		}
		r[m[1]+m[2]] = m[3]
	}
	return r
}

func (r rule) keys() []string {
	var keys []string
	for k := range r {
		keys = append(keys, k)
	}
	slices.Sort(keys)
	return keys
}

// lines are the rules of the file, without comments.
func lines() []string {
	var all []string
	for line := range strings.Lines(Rules()) {
		if line = strings.TrimSuffix(line, "\n"); line != "" && !strings.HasPrefix(line, "#") {
			all = append(all, line)
		}
	}
	return all
}

// TestRules reads every line: a way around the rules for a device that leaves,
// then rules that each tag hidraw nodes and nothing else.
func TestRules(t *testing.T) {
	all := lines()
	first, last := parseRule(t, all[0]), parseRule(t, all[len(all)-1])
	if first["ACTION=="] != "remove" || first["GOTO="] != last["LABEL="] || last["LABEL="] == "" || len(first) != 2 || len(last) != 1 {
		t.Errorf("the frame is %v and %v", first, last)
	}
	layers := map[string][]string{
		"by what it is": {"ENV{ID_SECURITY_TOKEN}==", "KERNEL==", "SUBSYSTEM==", "TAG+="},
		"by its number": {"ATTRS{idProduct}==", "ATTRS{idVendor}==", "KERNEL==", "SUBSYSTEM==", "TAG+="},
	}
	seen := map[string]int{}
	for _, line := range all[1 : len(all)-1] {
		r := parseRule(t, line)
		if r["KERNEL=="] != "hidraw*" || r["SUBSYSTEM=="] != "hidraw" || r["TAG+="] != "uaccess" {
			t.Errorf("%q does something else than to tag hidraw nodes", line)
		}
		for layer, keys := range layers {
			if slices.Equal(r.keys(), keys) {
				seen[layer]++
			}
		}
	}
	if seen["by what it is"] != 1 || seen["by its number"] != len(all)-3 || len(all) < 30 {
		t.Errorf("%v of %d lines", seen, len(all))
	}
}

// TestNumbers: each vendor has one line, with its products once and in order.
func TestNumbers(t *testing.T) {
	number := regexp.MustCompile(`^[0-9a-f]{4}$`)
	var vendors []string
	for _, line := range lines() {
		r := parseRule(t, line)
		vendor, ok := r["ATTRS{idVendor}=="]
		if !ok {
			continue
		}
		vendors = append(vendors, vendor)
		products := strings.Split(r["ATTRS{idProduct}=="], "|")
		if !slices.IsSorted(products) || len(slices.Compact(slices.Clone(products))) != len(products) {
			t.Errorf("%s has %v", vendor, products)
		}
		for _, n := range append(products, vendor) {
			if !number.MatchString(n) {
				t.Errorf("%q is no number of a vendor or product", n)
			}
		}
	}
	if !slices.IsSorted(vendors) || len(slices.Compact(slices.Clone(vendors))) != len(vendors) {
		t.Errorf("vendors %v", vendors)
	}
}

// TestGroupLine: the line for systems without seats is off, and a rule when it
// is on.
func TestGroupLine(t *testing.T) {
	i := strings.Index(Rules(), "\n#KERNEL")
	if i < 0 {
		t.Fatal("there is no such line")
	}
	line, _, _ := strings.Cut(Rules()[i+2:], "\n")
	r := parseRule(t, line)
	if r["TAG=="] != "uaccess" || r["MODE="] != "0660" || r["GROUP="] != "plugdev" || r["SUBSYSTEM=="] != "hidraw" {
		t.Errorf("%v", r)
	}
}

func TestFileName(t *testing.T) {
	if !(FileName > "60-fido-id.rules" && FileName < "73-seat-late.rules") {
		t.Errorf("%s has no effect", FileName)
	}
	b, err := os.ReadFile(FileName)
	if err != nil || string(b) != Rules() {
		t.Errorf("%v", err)
	}
}

// TestGenerated holds the file to the table that it is made of.
func TestGenerated(t *testing.T) {
	out, err := generate(t)
	if err != nil {
		t.Fatal(err)
	}
	if out != Rules() {
		t.Errorf("%s is not what packaging/udev/generate prints", FileName)
	}
}

func TestGenerateRefuses(t *testing.T) {
	for _, line := range []string{
		"1050\t0407\tYubico\tYubiKey", "1050\t0407\tYubico\tYubiKey\tL\tX", "1050\t407\tYubico\tYubiKey\tL", "105G\t0407\tYubico\tYubiKey\tL",
	} {
		file := t.TempDir() + "/keys.tsv"
		if err := os.WriteFile(file, []byte("# a table\n"+line+"\n"), 0o600); err != nil {
			t.Fatal(err)
		}
		if out, err := generate(t, file); err == nil {
			t.Errorf("%q became\n%s", line, out)
		}
	}
}

func generate(t *testing.T, args ...string) (string, error) {
	t.Helper()
	if _, err := exec.LookPath("awk"); err != nil {
		t.Skip("NOT RUN: no awk, which packaging/udev/generate wants")
	}
	var stderr strings.Builder
	c := exec.Command("sh", append([]string{"generate"}, args...)...)
	c.Stderr = &stderr
	out, err := c.Output()
	if err != nil {
		err = errors.Join(err, errors.New(stderr.String()))
	}
	return string(out), err
}
