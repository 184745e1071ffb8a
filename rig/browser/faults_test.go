//go:build linux

package browser

import (
	_ "embed"
	"fmt"
	"os"
	"slices"
	"strings"
	"testing"

	"github.com/touchstone-fido/touchstone/devices/virtual"
	"github.com/touchstone-fido/touchstone/devices/virtual/faulty"
)

// faultList has faults that the tests have to find, one on each line: the name of
// the fault and of the test.
//
//go:embed faults.txt
var faultList string

// faultsEnvironment has names of faults, with commas between, that each key has.
const faultsEnvironment = "TOUCHSTONE_BROWSER_FAULT"

// plantedFaults are what scripts/browser has put into each key.
func plantedFaults() ([]virtual.FaultID, error) {
	names := os.Getenv(faultsEnvironment)
	if names == "" {
		return nil, nil
	}
	ids, err := faulty.Parse(strings.Split(names, ","))
	if err != nil {
		return nil, fmt.Errorf("%s: %w", faultsEnvironment, err)
	}
	return ids, nil
}

// TestFaultList: each fault has its name still, and so has the test that finds it;
// each test of the browser finds one.
func TestFaultList(t *testing.T) {
	unused := testNames(t)
	for line := range strings.Lines(faultList) {
		fault, test, _ := strings.Cut(strings.TrimSpace(line), " ")
		if _, err := faulty.Parse([]string{fault}); err != nil {
			t.Error(err)
		}
		if !slices.Contains(testNames(t), test) {
			t.Errorf("%s: there is no test %q", fault, test)
		}
		unused = slices.DeleteFunc(unused, func(name string) bool { return name == test })
	}
	if want := []string{"TestFaultList", "TestLiar"}; !slices.Equal(unused, want) {
		t.Errorf("tests that find no fault: %q, want %q, which are about faults themselves", unused, want)
	}
}

// testNames are the tests of this package, in order.
func testNames(t *testing.T) (names []string) {
	t.Helper()
	entries, err := os.ReadDir(".")
	if err != nil {
		t.Fatal(err)
	}
	for _, e := range entries {
		if !strings.HasSuffix(e.Name(), "_test.go") {
			continue
		}
		b, err := os.ReadFile(e.Name())
		if err != nil {
			t.Fatal(err)
		}
		for line := range strings.Lines(string(b)) {
			if name, ok := strings.CutSuffix(strings.TrimSpace(line), "(t *testing.T) {"); ok && strings.HasPrefix(name, "func Test") {
				names = append(names, strings.TrimPrefix(name, "func "))
			}
		}
	}
	slices.Sort(names)
	return names
}
