package capture

import (
	"bytes"
	"encoding/base64"
	"encoding/json"
	"errors"
	"flag"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/touchstone-fido/touchstone/ctap2/wire"
	"github.com/touchstone-fido/touchstone/devices/transcript"
	"github.com/touchstone-fido/touchstone/fixtures"
)

var update = flag.Bool("update", false, "write the golden summaries of the corpus anew; then read what changed")

// notCaptures are texts of the corpus that hold no session: what a program
// printed of getInfo, or of a device.
var notCaptures = []string{".getinfo.txt", ".deviceinfo.txt", ".fido2token.txt", ".stdout.txt", "fido2-cred.out", "fido2-pub.out", "fido2-assert.out"}

// corpusCaptures are the captures of the corpus, by their path inside it.
func corpusCaptures(t testing.TB) []string {
	t.Helper()
	dir := fixtures.Corpus(t)
	var files []string
	for _, root := range []string{"emulated", "real"} {
		err := filepath.WalkDir(filepath.Join(dir, root), func(path string, d fs.DirEntry, err error) error {
			if err != nil || d.IsDir() {
				return err
			}
			name, err := filepath.Rel(dir, path)
			name = filepath.ToSlash(name)
			ext := filepath.Ext(name)
			if ext == ".txt" && !strings.Contains(name, "/mds/") || ext == ".jsonl" || ext == ".log" || ext == ".pcapng" {
				files = append(files, name)
			}
			return err
		})
		if err != nil {
			t.Fatal(err)
		}
	}
	if len(files) < 100 {
		t.Fatalf("the corpus %s has %d captures", dir, len(files))
	}
	return files
}

func isCapture(name string) bool {
	return !slices.ContainsFunc(notCaptures, func(suffix string) bool { return strings.HasSuffix(name, suffix) })
}

// golden is the summary of an import: facts of a capture, none of its bytes.
type golden struct {
	Form    Form         `json:"form,omitempty"`
	Error   string       `json:"error,omitempty"`
	Tapes   []goldenTape `json:"tapes,omitempty"`
	Remarks int          `json:"remarks,omitempty"`
	LeftOut int          `json:"leftOut,omitempty"`
}

type goldenTape struct {
	Transport transcript.Transport `json:"transport"`
	Messages  [3]int               `json:"messages"` // whole, cut, malformed
	Lines     transcript.Lines     `json:"lines"`
	Commands  map[string]int       `json:"commands,omitempty"`
	Statuses  map[string]int       `json:"statuses,omitempty"`
}

func summarize(result Result, err error) golden {
	g := golden{Form: result.Form, Remarks: len(result.Remarks), LeftOut: len(result.LeftOut)}
	switch {
	case errors.Is(err, ErrUnknown):
		g.Error = "unknown"
	case errors.Is(err, ErrNothing):
		g.Error = "nothing"
	case err != nil:
		g.Error = "failed"
	}
	for _, tape := range result.Tapes {
		m := tape.Summary.Messages
		g.Tapes = append(g.Tapes, goldenTape{
			tape.Transport, [3]int{m.Whole, m.Cut, m.Malformed}, tape.Summary.Lines, tape.Summary.Commands, tape.Summary.Statuses,
		})
	}
	return g
}

const goldenFile = "testdata/corpus.json"

// Every capture of the corpus imports, with the summary that was looked through
// once; what is no capture does not.
func TestCorpusImports(t *testing.T) {
	dir := fixtures.Corpus(t)
	got := map[string]golden{}
	for _, name := range corpusCaptures(t) {
		file, err := os.Open(filepath.Join(dir, name))
		if err != nil {
			t.Fatal(err)
		}
		var m tapes
		result, err := Import(file, name, m.open)
		file.Close()
		got[name] = summarize(result, err)
		if isCapture(name) != (err == nil) && !strings.Contains(name, "EXTENDED_APDU") { // a SELECT of no applet
			t.Errorf("%s: %v", name, err)
		}
		checkAgrees(t, name, result, m)
	}
	if *update {
		text, err := json.MarshalIndent(got, "", " ")
		if err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(goldenFile, append(text, '\n'), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	text, err := os.ReadFile(goldenFile)
	if err != nil {
		t.Fatal(err)
	}
	var want map[string]golden
	if err := json.Unmarshal(text, &want); err != nil {
		t.Fatal(err)
	}
	for name, w := range want {
		g, _ := json.Marshal(got[name])
		if w, _ := json.Marshal(w); !bytes.Equal(g, w) {
			t.Errorf("%s:\ngot  %s\nwant %s", name, g, w)
		}
	}
	for name := range got {
		if _, ok := want[name]; !ok {
			t.Errorf("%s has no golden summary", name)
		}
	}
}

// checkAgrees holds the summary of each tape to what a check of the file finds.
func checkAgrees(t *testing.T, name string, result Result, m tapes) {
	t.Helper()
	for i, tape := range result.Tapes {
		want, err := transcript.Check(bytes.NewReader(m.files[i].Bytes()), tape.Name)
		if err != nil {
			t.Errorf("%s: the tape does not check: %v", name, err)
			continue
		}
		g, _ := json.Marshal(tape.Summary)
		if w, _ := json.Marshal(want); !bytes.Equal(g, w) {
			t.Errorf("%s: the summary is\n%s\na check says\n%s", name, g, w)
		}
	}
}

// A text of the corpus has what the file beside it says that it means.
func TestCorpusTextsMeanWhatTheyAreSaidTo(t *testing.T) {
	dir := fixtures.Corpus(t)
	compared := 0
	for _, name := range corpusCaptures(t) {
		stem, isText := strings.CutSuffix(name, ".txt")
		if !isText || !isCapture(name) {
			continue
		}
		meaning := filepath.Join(dir, strings.TrimSuffix(stem, filepath.Ext(stem))+".jsonl")
		want, err := transcript.LoadFile(meaning)
		if errors.Is(err, fs.ErrNotExist) {
			continue
		}
		if err != nil {
			t.Fatal(err)
		}
		_, got := importFile(t, filepath.Join(dir, name))
		sameLines(t, name, crossings(got...), crossings(want))
		compared++
	}
	t.Logf("%d texts compared", compared)
	if compared < 55 {
		t.Errorf("only %d texts compared", compared)
	}
}

// The USB capture of a session and the debug logs of the programs that had it
// agree message for message, in both directions.
func TestCorpusCaptureAgreesWithDebugLogs(t *testing.T) {
	dir := filepath.Join(fixtures.Corpus(t), "emulated")
	_, usb := importFile(t, filepath.Join(dir, "canokey.usbmon.pcapng"))
	var logs []*transcript.Tape
	for _, tool := range []string{"token-I", "cred-M", "assert-G"} {
		_, tapes := importFile(t, filepath.Join(dir, "canokey.fido2-"+tool+".libfido2-debug.log"))
		logs = append(logs, tapes...)
	}
	got, want := reassembled(t, usb...), reassembled(t, logs...)
	sameLines(t, "canokey", got, want)
	if len(got) != 24 {
		t.Errorf("%d messages", len(got))
	}
}

// The credential and the assertion in the captures are those that the tools
// printed, and so are the requests for them.
func TestCorpusCaptureHasWhatTheToolsPrinted(t *testing.T) {
	for capture, has := range map[string]struct{ credential, assertion bool }{
		"canokey.usbmon.pcapng":                     {true, true},
		"canokey.fido2-cred-M.libfido2-debug.log":   {credential: true},
		"canokey.fido2-assert-G.libfido2-debug.log": {assertion: true},
	} {
		dir := filepath.Join(fixtures.Corpus(t), "emulated")
		_, tapes := importFile(t, filepath.Join(dir, capture))
		all := strings.Join(reassembled(t, tapes...), "\n")
		if has.credential {
			hasPrintedCredential(t, capture, all, printed(t, filepath.Join(dir, "canokey.fido2-cred.out")))
		}
		if has.assertion {
			hasPrintedAssertion(t, capture, all, printed(t, filepath.Join(dir, "canokey.fido2-assert.out")))
		}
	}
}

// hasPrintedCredential compares with the lines of fido2-cred -M: hash of the
// client data, relying party, format, authenticator data, credential ID,
// signature, certificate.
func hasPrintedCredential(t *testing.T, capture, all string, cred []string) {
	t.Helper()
	var asked struct {
		Hash []byte `cbor:"1,keyasint"`
		RP   struct {
			ID string `cbor:"id"`
		} `cbor:"2,keyasint"`
	}
	body(t, all, "out 10 01", &asked)
	if asked.RP.ID != cred[1] || !bytes.Equal(asked.Hash, decode(t, cred[0])) {
		t.Errorf("%s: asked for %+v", capture, asked)
	}
	var made struct {
		Format   string `cbor:"1,keyasint"`
		AuthData []byte `cbor:"2,keyasint"`
		Stmt     struct {
			Sig []byte   `cbor:"sig"`
			X5C [][]byte `cbor:"x5c"`
		} `cbor:"3,keyasint"`
	}
	answer(t, all, "out 10 01", &made)
	authData := unwrapped(t, cred[3])
	if made.Format != cred[2] || !bytes.Equal(made.AuthData, authData) || !bytes.Contains(authData, decode(t, cred[4])) ||
		!bytes.Equal(made.Stmt.Sig, decode(t, cred[5])) || !bytes.Equal(made.Stmt.X5C[0], decode(t, cred[6])) {
		t.Errorf("%s: the credential is %+v", capture, made)
	}
}

// hasPrintedAssertion compares with the lines of fido2-assert -G: hash of the
// client data, relying party, authenticator data, signature.
func hasPrintedAssertion(t *testing.T, capture, all string, assert []string) {
	t.Helper()
	var asked struct {
		RP   string `cbor:"1,keyasint"`
		Hash []byte `cbor:"2,keyasint"`
	}
	body(t, all, "out 10 02", &asked)
	if asked.RP != assert[1] || !bytes.Equal(asked.Hash, decode(t, assert[0])) {
		t.Errorf("%s: asked for %+v", capture, asked)
	}
	var got struct {
		AuthData []byte `cbor:"2,keyasint"`
		Sig      []byte `cbor:"3,keyasint"`
	}
	answer(t, all, "out 10 02", &got)
	if !bytes.Equal(got.AuthData, unwrapped(t, assert[2])) || !bytes.Equal(got.Sig, decode(t, assert[3])) {
		t.Errorf("%s: the assertion is %+v", capture, got)
	}
}

func printed(t *testing.T, file string) []string {
	t.Helper()
	text, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	return strings.Split(string(text), "\n")
}

// unwrapped is what the tools print as CBOR in base64.
func unwrapped(t *testing.T, text string) []byte {
	t.Helper()
	var data []byte
	if err := wire.Decode(decode(t, text), &data); err != nil {
		t.Fatal(err)
	}
	return data
}

func decode(t *testing.T, text string) []byte {
	t.Helper()
	data, err := base64.StdEncoding.DecodeString(text)
	if err != nil {
		t.Fatal(err)
	}
	return data
}

// answer decodes the first answer behind a request.
func answer(t *testing.T, all, request string, into any) {
	t.Helper()
	body(t, all[max(0, strings.Index(all, request)):], "in 10 00", into)
}

// body decodes the body of the first message of a kind.
func body(t *testing.T, all, kind string, into any) {
	t.Helper()
	at := strings.Index(all, kind)
	if at < 0 {
		t.Fatalf("no %s in\n%s", kind, all)
	}
	digits, _, _ := strings.Cut(all[at+len(kind):], "\n")
	if err := wire.Decode(fixtures.Unhex(t, digits), into); err != nil {
		t.Fatal(err)
	}
}
