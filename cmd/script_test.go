package cmd_test

import (
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"slices"
	"strconv"
	"strings"
	"testing"

	"github.com/rogpeppe/go-internal/testscript"

	"github.com/touchstone-fido/touchstone/cmd"
)

// beMain is the environment variable that makes the test binary the program,
// for tests that start it by themselves.
const beMain = "TOUCHSTONE_TEST_MAIN"

func TestMain(m *testing.M) {
	if os.Getenv(beMain) != "" {
		os.Exit(cmd.Main(os.Args[1:]))
	}
	testscript.Main(m, map[string]func(){
		"touchstone": func() { os.Exit(cmd.Main(os.Args[1:])) },
	})
}

// TestScripts runs testdata/script/*.txtar against the real main. In them,
//
//	status N touchstone ARGS...  wants that exit status, or one of N,M
//	same FILE MEMBER VALUE       wants that value of a JSON member (a.b.c)
//	take NAME FILE MEMBER        sets $NAME to a JSON member (a.0.b)
//	key NAME KIND                serves a key of a kind (keyKinds), which $NAME selects
//	unhex FILE HEX               writes bytes into a file
//	noise FILE SIZE              writes bytes that do not compress
//	flip FILE MEMBER             changes one character of a JSON text member
//	serve NAME ARGS...           starts touchstone --json ARGS, which serves a key;
//	                             $NAME is then its address, NAME.json its envelope
//	                             and NAME.err its stderr
//	halt NAME SIGNAL [STATUS]    sends it interrupt, terminate or nothing and wants exit
//	                             status 0 or that one
func TestScripts(t *testing.T) {
	testscript.Run(t, testscript.Params{
		Dir: "testdata/script",
		Setup: func(e *testscript.Env) error {
			e.Setenv("TOUCHSTONE_DEVICE", "")
			e.Values[served{}] = map[string]*exec.Cmd{}
			return nil
		},
		Cmds: map[string]func(*testscript.TestScript, bool, []string){
			"status": wantStatus, "same": wantMember, "flip": flipMember,
			"serve": startServing, "halt": stopServing, "key": provideKey, "take": takeMember,
			"unhex": writeHex, "noise": writeNoise,
		},
	})
}

func wantStatus(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) < 2 {
		ts.Fatalf("usage: status N COMMAND ARGS...")
	}
	got := 0
	err := ts.Exec(args[1], args[2:]...)
	var exit *exec.ExitError
	switch {
	case errors.As(err, &exit):
		got = exit.ExitCode()
	case err != nil:
		ts.Fatalf("%v", err)
	}
	if !slices.Contains(strings.Split(args[0], ","), strconv.Itoa(got)) {
		ts.Fatalf("exit status %d, want %s", got, args[0])
	}
}

func readJSON(ts *testscript.TestScript, file string) map[string]any {
	var v map[string]any
	ts.Check(json.Unmarshal([]byte(ts.ReadFile(file)), &v))
	return v
}

// member finds the map that holds a.b.c, and the last name of the path.
func member(ts *testscript.TestScript, v map[string]any, path string) (map[string]any, string) {
	names := strings.Split(path, ".")
	for _, name := range names[:len(names)-1] {
		next, ok := v[name].(map[string]any)
		if !ok {
			ts.Fatalf("%s: no object %s", path, name)
		}
		v = next
	}
	last := names[len(names)-1]
	if _, ok := v[last]; !ok {
		ts.Fatalf("%s: no member %s", path, last)
	}
	return v, last
}

func wantMember(ts *testscript.TestScript, neg bool, args []string) {
	if len(args) != 3 {
		ts.Fatalf("usage: same FILE MEMBER VALUE")
	}
	in, name := member(ts, readJSON(ts, args[0]), args[1])
	if got := fmt.Sprint(in[name]); (got == args[2]) == neg {
		ts.Fatalf("%s is %q", args[1], got)
	}
}

func flipMember(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) != 2 {
		ts.Fatalf("usage: flip FILE MEMBER")
	}
	v := readJSON(ts, args[0])
	in, name := member(ts, v, args[1])
	text := []byte(in[name].(string))
	i := len(text) / 2
	if text[i] == 'e' {
		text[i] = 'f'
	} else {
		text[i] = 'e'
	}
	in[name] = string(text)
	out, err := json.Marshal(v)
	ts.Check(err)
	ts.Check(os.WriteFile(ts.MkAbs(args[0]), out, 0o600))
}
