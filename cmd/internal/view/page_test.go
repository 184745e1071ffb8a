package view_test

import (
	"bytes"
	"context"
	"encoding/json"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/touchstone-fido/touchstone/cmd/internal/view"
	"github.com/touchstone-fido/touchstone/ctap2/wire"
	"github.com/touchstone-fido/touchstone/devices/transcript/diff"
	"github.com/touchstone-fido/touchstone/devices/transcript/explain"
)

// message is a line of a tape with a whole message.
func message(t *testing.T, us int, dir, command string, first byte, members map[int]any) string {
	t.Helper()
	payload := []byte{first}
	if members != nil {
		body, err := wire.Encode(members)
		if err != nil {
			t.Fatal(err)
		}
		payload = append(payload, body...)
	}
	line, err := json.Marshal(map[string]any{"t_us": us, "dir": dir, "level": "msg", "cmd": command, "hex": hexOf(payload)})
	if err != nil {
		t.Fatal(err)
	}
	return string(line)
}

func hexOf(b []byte) string {
	const digits = "0123456789abcdef"
	var s strings.Builder
	for _, c := range b {
		s.WriteByte(digits[c>>4])
		s.WriteByte(digits[c&15])
	}
	return s.String()
}

func storyOf(t *testing.T, name string, lines ...string) *explain.Story {
	t.Helper()
	story, err := explain.Read(strings.NewReader(strings.Join(lines, "\n")+"\n"), name, explain.Options{})
	if err != nil {
		t.Fatal(err)
	}
	return story
}

// session is a tape with a getInfo, a touch, an assertion with a remark and a gap.
func session(t *testing.T, name string, versions ...string) *explain.Story {
	up := make([]byte, 37)
	up[32] = 1
	return storyOf(t, name,
		`{"touchstone":1,"transport":"hid","device":{"product":"a <key>"},"tool":"touchstone","recorded":"2026-11-21T20:11:00Z"}`,
		message(t, 1000, "out", "10", 4, nil),
		message(t, 2500, "in", "10", 0, map[int]any{1: versions, 3: make([]byte, 16), 4: map[string]bool{"up": true}}),
		message(t, 3000, "out", "10", 2, map[int]any{1: "example.com", 2: make([]byte, 32), 6: make([]byte, 16), 7: 1}),
		message(t, 4000, "in", "3b", 2, nil), message(t, 104000, "in", "3b", 2, nil),
		message(t, 904000, "in", "10", 0, map[int]any{1: map[string]any{"id": []byte{1, 2}, "type": "public-key"}, 2: up, 3: []byte{9}}),
		`{"t_us":905000,"cut":"the rest"}`, "nonsense", `{"t_us":906000,"event":"close"}`,
	)
}

// told are tapes explained and compared.
func told(t *testing.T) map[string]view.Result {
	old, new := session(t, "old.jsonl", "FIDO_2_0"), session(t, "new.jsonl", "FIDO_2_0", "FIDO_2_1")
	return map[string]view.Result{
		"transcript-explain":   view.Explained{Story: old},
		"transcript-diff":      view.Compared{Comparison: diff.Compare(old, new, diff.Config{TimingFactor: 2})},
		"transcript-diff-same": view.Compared{Comparison: diff.Compare(old, old, diff.Config{})},
		"transcript-diff-not":  view.Compared{Comparison: diff.Compare(old, storyOf(t, "empty.jsonl", `{"transport":"nfc"}`), diff.Config{})},
	}
}

// TestColoursAreAllThatTheyAdd wants the coloured text to be the plain one
// without its colours.
func TestColoursAreAllThatTheyAdd(t *testing.T) {
	e := view.Explained{Story: session(t, "tape.jsonl", "FIDO_2_0")}
	var plain, coloured bytes.Buffer
	if err := e.Text(&plain); err != nil {
		t.Fatal(err)
	}
	if err := e.Coloured(&coloured); err != nil {
		t.Fatal(err)
	}
	bare := regexp.MustCompile("\x1b\\[[0-9;]*m").ReplaceAllString(coloured.String(), "")
	if bare != plain.String() || coloured.Len() == plain.Len() {
		t.Errorf("without its colours the text is\n%s\nwant\n%s", bare, plain.String())
	}
}

// evil are texts that a key or a file could bring to take over a page or a
// terminal.
var evil = []string{
	`<script>document.title='owned'</script>`, `"><img src=x onerror="document.title='owned'">`, `</script><script>document.title='owned'</script>`,
	`</style><svg onload="document.title='owned'">`, `javascript:document.title='owned'`, `{{.Policy}}`, "\x1b]0;owned\x07", "line\nfeed", "\u202eowned",
}

// hostile is a session in which every text that a key, a relying party or a file
// chooses is one of those.
func hostile(t *testing.T, name string, extra ...string) *explain.Story {
	var lines []string
	device, err := json.Marshal(map[string]any{"touchstone": 1, "transport": "hid", "device": map[string]string{"product": evil[0]}, "tool": evil[1], "client": evil[2]})
	if err != nil {
		t.Fatal(err)
	}
	lines = append(lines, string(device))
	for _, text := range append(evil, extra...) {
		event, err := json.Marshal(map[string]any{"event": text, "text": text})
		if err != nil {
			t.Fatal(err)
		}
		lines = append(lines, string(event),
			message(t, 1, "out", "10", 1, map[int]any{
				1: make([]byte, 32), 2: map[string]any{"id": text, text: text}, 3: map[string]any{"id": []byte(text), "name": text},
				4: []any{map[string]any{"alg": -7, "type": text}}, 6: map[string]any{text: text},
			}),
			message(t, 2, "in", "10", 0, map[int]any{1: text, 2: []byte(text), 3: map[string]any{text: text}, 99: text}),
		)
	}
	return storyOf(t, name, lines...)
}

func TestTextOfHostileTapesKeepsToItsLines(t *testing.T) {
	a, b := hostile(t, "a\nfeed"), hostile(t, evil[1], "<b>one more</b>")
	a.Header.Device["product"], a.Header.Tool, a.Header.Client = evil[7], evil[7], evil[7]
	var text bytes.Buffer
	if err := (view.Explained{Story: a}).Coloured(&text); err != nil {
		t.Fatal(err)
	}
	if err := view.Write(&text, false, view.Compared{Comparison: diff.Compare(a, b, diff.Config{})}); err != nil {
		t.Fatal(err)
	}
	for _, bad := range []string{"\nfeed", "\x1b]", "\x07", "\u202e"} {
		if strings.Contains(text.String(), bad) {
			t.Errorf("the text has %q", bad)
		}
	}
}

// pagesOf are both pages of hostile tapes.
func pagesOf(t *testing.T) map[string][]byte {
	a, b := hostile(t, evil[0]), hostile(t, evil[1], "<b>one more</b>")
	all := map[string][]byte{}
	for name, write := range map[string]func(*bytes.Buffer) error{
		"explain": func(w *bytes.Buffer) error { return view.Explained{Story: a}.HTML(w) },
		"diff": func(w *bytes.Buffer) error {
			return view.Compared{Comparison: diff.Compare(a, b, diff.Config{})}.HTML(w)
		},
	} {
		var page bytes.Buffer
		if err := write(&page); err != nil {
			t.Fatal(err)
		}
		all[name] = page.Bytes()
	}
	return all
}

func TestPagesEscapeWhatATapeSays(t *testing.T) {
	for name, page := range pagesOf(t) {
		text := string(page)
		if n := strings.Count(text, "<script"); n != 1 {
			t.Errorf("%s: %d scripts", name, n)
		}
		for _, bad := range []string{"<img", "<svg", "<b>one", "\x1b", "\u202e", "http://", "https://"} {
			if strings.Contains(text, bad) {
				t.Errorf("%s has %q", name, bad)
			}
		}
		if tag := regexp.MustCompile(`<[a-z][^>]*\s(src|href|on[a-z]+)=[^>]*>`).FindString(text); tag != "" {
			t.Errorf("%s has the tag %s", name, tag)
		}
		if !strings.Contains(text, "&lt;script&gt;") {
			t.Errorf("%s: the hostile text is not there at all", name)
		}
	}
}

// chromium finds the browser of scripts/setup, or skips the test.
func chromium(t *testing.T) string {
	t.Helper()
	for _, name := range []string{"/usr/lib/chromium/chromium", "chromium", "chromium-browser", "google-chrome"} {
		if path, err := exec.LookPath(name); err == nil {
			return path
		}
	}
	t.Skip("NOT RUN: there is no Chromium; scripts/setup installs it")
	return ""
}

// dom is a page as Chromium has it after its script ran.
func dom(t *testing.T, browser, file, fragment string) string {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), 2*time.Minute)
	defer cancel()
	cmd := exec.CommandContext(ctx, browser, "--headless=new", "--no-sandbox", "--disable-gpu", "--no-first-run", "--disable-background-networking",
		"--disable-component-update", "--disable-sync", "--disable-dev-shm-usage", "--user-data-dir="+t.TempDir(),
		"--virtual-time-budget=5000", "--dump-dom", "file://"+file+fragment)
	cmd.WaitDelay = 10 * time.Second
	out, err := cmd.Output()
	if err != nil {
		t.Fatalf("%s: %v", browser, err)
	}
	return string(out)
}

// TestPagesInABrowser opens hostile pages in a real browser: the page's own
// script runs, nothing else does, and search and addresses work.
func TestPagesInABrowser(t *testing.T) {
	browser := chromium(t)
	if testing.Short() {
		t.Skip("NOT RUN: -short")
	}
	words := map[string]string{"explain": "svg", "diff": "absent+asked"}
	for name, page := range pagesOf(t) {
		file := filepath.Join(t.TempDir(), name+".html")
		if err := os.WriteFile(file, page, 0o600); err != nil {
			t.Fatal(err)
		}
		text := dom(t, browser, file, "#q="+words[name]+"&open=1")
		if !strings.Contains(text, `data-ready="yes"`) {
			t.Errorf("%s: the page's script did not run to its end", name)
		}
		if strings.Contains(text, "<title>owned") || strings.Contains(text, "<img") || strings.Contains(text, "<svg") || strings.Contains(text, "<b>one") {
			t.Errorf("%s: the tape took over the page", name)
		}
		items, hidden := strings.Count(text, "data-item="), strings.Count(text, `hidden=""`)
		if hidden == 0 || hidden >= items {
			t.Errorf("%s: the search hides %d of %d items", name, hidden, items)
		}
		if !regexp.MustCompile(`(?s)id="item-1".*?<details open=""|<details[^>]*id="item-1"[^>]*open=""`).MatchString(text) {
			t.Errorf("%s: the address does not open an item", name)
		}
	}
}
