// Package leftover fails the tests of a package that leave goroutines behind.
package leftover

import (
	"flag"
	"fmt"
	"os"
	"testing"
	"time"

	"go.uber.org/goleak"
)

// patience is how long goroutines may take to end after the last test, on a
// machine that does other things as well.
const patience = 10 * time.Second

// Main is the whole of a TestMain: it runs the tests and ends the process, with
// status 1 if they have passed and a goroutine is left over. Fuzzing has its own
// goroutines and is let be.
func Main(m *testing.M) {
	flag.Parse()
	status := m.Run()
	if fuzzing := flag.Lookup("test.fuzz").Value.String() != ""; status == 0 && !fuzzing {
		if err := wait(); err != nil {
			fmt.Fprintln(os.Stderr, "goroutines left over:", err)
			status = 1
		}
	}
	os.Exit(status)
}

// wait waits until none is left, or returns those that stay.
func wait() error {
	for end := time.Now().Add(patience); ; {
		if err := goleak.Find(); err == nil || time.Now().After(end) {
			return err
		}
	}
}
