package control

import (
	"flag"
	"fmt"
	"os"
	"runtime"
	"runtime/pprof"
	"testing"
	"time"
)

// limit is how long a test waits for what must happen.
const limit = 10 * time.Second

// TestMain fails the run when a goroutine is left over.
func TestMain(m *testing.M) {
	flag.Parse()
	before := runtime.NumGoroutine()
	status := m.Run()
	if fuzzing := flag.Lookup("test.fuzz").Value.String() != ""; status == 0 && !fuzzing && leaked(before) {
		fmt.Fprintln(os.Stderr, "goroutines left over:")
		pprof.Lookup("goroutine").WriteTo(os.Stderr, 1)
		status = 1
	}
	os.Exit(status)
}

func leaked(before int) bool {
	for end := time.Now().Add(limit); runtime.NumGoroutine() > before; runtime.Gosched() {
		if time.Now().After(end) {
			return true
		}
	}
	return false
}
