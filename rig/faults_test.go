package rig

import (
	"bytes"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
)

// TestFaults: every fault still fits the code, and its test has the name that it
// says.
func TestFaults(t *testing.T) {
	if _, err := exec.LookPath("sed"); err != nil {
		t.Skip("NOT RUN: there is no sed")
	}
	files, err := filepath.Glob("faults/*.sed")
	if err != nil || len(files) == 0 {
		t.Fatalf("%d faults, %v", len(files), err)
	}
	tests := testNames(t)
	for _, file := range files {
		b, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		head := regexp.MustCompile(`\A# (\S+) (Test\w+)\n`).FindStringSubmatch(string(b))
		if head == nil {
			t.Errorf("%s does not begin with \"# FILE TEST\"", file)
			continue
		}
		if !strings.Contains(tests, "func "+head[2]+"(t *testing.T)") {
			t.Errorf("%s: there is no test %s", file, head[2])
		}
		before, err := os.ReadFile(filepath.Join("..", head[1]))
		if err != nil {
			t.Fatal(err)
		}
		after, err := exec.Command("sed", "-f", file, filepath.Join("..", head[1])).Output()
		if err != nil || bytes.Equal(before, after) {
			t.Errorf("%s changes nothing in %s: %v", file, head[1], err)
		}
	}
}

// testNames is the text of all tests.
func testNames(t *testing.T) string {
	t.Helper()
	files, err := filepath.Glob("*_test.go")
	if err != nil {
		t.Fatal(err)
	}
	var all strings.Builder
	for _, file := range files {
		b, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		all.Write(b)
	}
	return all.String()
}
