package ctap2_test

import (
	"bytes"
	"context"
	"crypto/x509"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"reflect"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"testing"

	"github.com/touchstone-fido/touchstone/ctap2"
	"github.com/touchstone-fido/touchstone/ctap2/authdata"
	"github.com/touchstone-fido/touchstone/ctap2/u2f"
	"github.com/touchstone-fido/touchstone/ctap2/wire"
	"github.com/touchstone-fido/touchstone/ctaphid"
	"github.com/touchstone-fido/touchstone/fixtures"
)

// answerFolders hold what real keys answered to commands.
var answerFolders = []string{
	"Yubico+libfido2/wiredata", "kanidm+webauthn-rs/cmdresp",
	"hwsecurity-sdk+hwsecurity/apdu", "hwsecurity-sdk+hwsecurity/makecred", "hwsecurity-sdk+hwsecurity/u2f",
}

// indexed is what the corpus' index says of an item.
type indexed struct{ device, content string }

var indexRow = regexp.MustCompile("^\\| `([^`]+)` \\|[^|]*\\|([^|]*)\\|.*\\| [ABCD] \\|([^|]*)\\|")

func index(t *testing.T, corpus string) map[string]indexed {
	t.Helper()
	text, err := os.ReadFile(filepath.Join(corpus, "INDEX.md"))
	if err != nil {
		t.Fatal(err)
	}
	all := map[string]indexed{}
	for line := range strings.Lines(string(text)) {
		if m := indexRow.FindStringSubmatch(line); m != nil {
			all[m[1]] = indexed{strings.TrimSpace(m[2]), strings.TrimSpace(m[3])}
		}
	}
	return all
}

// TestCorpusIndex holds every answer, U2F's among them, to its line in the index:
// which messages there are in which order, of which size, and from which device.
// A file without a line fails, and a line without a file.
func TestCorpusIndex(t *testing.T) {
	corpus := fixtures.Corpus(t)
	lines, read := index(t, corpus), 0
	for _, folder := range answerFolders {
		files, err := os.ReadDir(filepath.Join(corpus, "real", folder))
		if err != nil {
			t.Fatal(err)
		}
		for _, f := range files {
			name := folder + "/" + f.Name()
			line, ok := lines[name]
			delete(lines, name)
			switch {
			case strings.HasSuffix(name, ".hidlog.txt"), strings.HasSuffix(name, ".json"):
				continue // the same reports as text; what is said of a .hex
			case !ok:
				t.Errorf("%s is not in the index", name)
				continue
			}
			read++
			t.Run(name, func(t *testing.T) { holdToIndex(t, filepath.Join(corpus, "real", name), line) })
		}
	}
	for name := range lines {
		if slices.Contains(answerFolders, filepath.ToSlash(filepath.Dir(name))) {
			t.Errorf("%s is in the index and not in the corpus", name)
		}
	}
	t.Logf("%d items are as the index says", read)
	if read < 72 {
		t.Error("fewer than there were")
	}
}

func holdToIndex(t *testing.T, file string, line indexed) {
	t.Helper()
	text, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	switch {
	case strings.HasSuffix(file, ".txt"):
		want := fmt.Sprintf(": %d B, not a multiple of 64", len(hexBytes.FindAll(text, -1)))
		if !strings.HasSuffix(line.content, want) {
			t.Errorf("it has%s, the index says %q", want, line.content)
		}
	case strings.Contains(filepath.ToSlash(file), "/u2f/"):
		d := deviceOf{t: t}
		d.registration(unhex(t, string(text)))
		d.holdTo(line.device)
	case strings.HasSuffix(file, ".hex"):
		holdBytes(t, file, unhex(t, string(text)), line)
	case strings.Contains(filepath.ToSlash(file), "/apdu/"):
		holdAPDUs(t, fromLines(t, text), line)
	default:
		holdReports(t, fromLines(t, text), line)
	}
}

// holdBytes compares the CBOR of an item with the index, and with what the file
// beside it says that it decodes to.
func holdBytes(t *testing.T, file string, body []byte, line indexed) {
	t.Helper()
	if n, counted := strings.CutSuffix(line.content, " B, decodes"); counted && n != strconv.Itoa(len(body)) {
		t.Errorf("%d bytes, the index says %s", len(body), n)
	}
	beside, err := os.ReadFile(strings.TrimSuffix(file, ".hex") + ".json")
	if err != nil {
		t.Fatal(err)
	}
	var said struct{ Decoded any }
	if err := json.Unmarshal(beside, &said); err != nil {
		t.Fatal(err)
	}
	var v any
	if err := wire.Decode(body, &v); err != nil {
		t.Fatal(err)
	}
	if got := inJSON(v); !reflect.DeepEqual(got, said.Decoded) {
		t.Errorf("%v, the corpus says %v", got, said.Decoded)
	}
	if strings.Contains(file, "makecred") {
		d := deviceOf{t: t}
		d.answer(append([]byte{0}, body...))
		d.holdTo(line.device)
	}
}

// inJSON is CBOR as the corpus writes it: keys as text, bytes in hexadecimal.
func inJSON(v any) any {
	switch v := v.(type) {
	case []byte:
		return "h:" + hex.EncodeToString(v)
	case uint64:
		return float64(v)
	case int64:
		return float64(v)
	case []any:
		all := []any{}
		for _, e := range v {
			all = append(all, inJSON(e))
		}
		return all
	case map[any]any:
		all := map[string]any{}
		for key, e := range v {
			all[fmt.Sprint(key)] = inJSON(e)
		}
		return all
	}
	return v
}

// holdReports compares the messages of reports with the index.
func holdReports(t *testing.T, reports [][]byte, line indexed) {
	t.Helper()
	asm, d := ctaphid.NewAssembler(64), deviceOf{t: t}
	var labels []string
	for _, report := range reports {
		packet, err := ctaphid.ParsePacket(report)
		if err != nil {
			t.Fatal(err)
		}
		if packet.CID == 0 {
			continue // padding that one of libfido2's seeds has
		}
		m, whole, err := asm.Add(packet)
		if err != nil {
			t.Fatal(err)
		}
		if whole {
			labels = append(labels, d.message(m.Command, bytes.Clone(m.Payload)))
		}
	}
	if got := fmt.Sprintf("%d reports: %s", len(reports), strings.Join(folded(labels), "; ")); got != line.content {
		t.Errorf("%s, the index says %s", got, line.content)
	}
	d.holdTo(line.device)
}

// folded has each label once, where it comes first, with how often it comes.
func folded(labels []string) []string {
	var order []string
	counts := map[string]int{}
	for _, label := range labels {
		if counts[label]++; counts[label] == 1 {
			order = append(order, label)
		}
	}
	for i, label := range order {
		if n := counts[label]; n > 1 {
			order[i] += fmt.Sprintf("x%d", n)
		}
	}
	return order
}

// holdAPDUs compares the answers of a tape of APDUs with the index.
func holdAPDUs(t *testing.T, responses [][]byte, line indexed) {
	t.Helper()
	d := deviceOf{t: t}
	var labels []string
	for _, r := range responses {
		label := d.u2f(r, "sw")
		if n := len(r) - 2; n > 0 && r[0] == 0 {
			label = strings.TrimPrefix(d.answer(r[:n]), "CBOR:")
		}
		labels = append(labels, label)
	}
	got := fmt.Sprintf("%d exchanges: %s", len(responses), strings.Join(labels, ", "))
	if want, _, _ := strings.Cut(line.content, " sig VERIFIED"); got != want {
		t.Errorf("%s, the index says %s", got, want)
	}
	d.holdTo(line.device)
}

// deviceOf gathers what answers tell of the device that gave them.
type deviceOf struct {
	t     *testing.T
	facts []fact
}

// fact is something that the index' words for the device have to have, if they
// tell such a thing at all.
type fact struct {
	told *regexp.Regexp
	text string
}

var (
	tellsInit        = regexp.MustCompile("INIT")
	tellsModel       = regexp.MustCompile("[0-9a-f]{8}")
	tellsCertificate = regexp.MustCompile("CN=|cert ")
)

func (d *deviceOf) tells(of *regexp.Regexp, format string, v ...any) {
	d.facts = append(d.facts, fact{of, fmt.Sprintf(format, v...)})
}

func (d *deviceOf) holdTo(device string) {
	d.t.Helper()
	for _, f := range d.facts {
		if f.told.MatchString(device) && !strings.Contains(device, f.text) {
			d.t.Errorf("%s, the index says %s", f.text, device)
		}
	}
}

// message is the index' label of a CTAPHID message.
func (d *deviceOf) message(c ctaphid.Command, payload []byte) string {
	d.t.Helper()
	switch c {
	case ctaphid.CommandInit:
		const version, caps = 13, 16
		d.tells(tellsInit, "INIT fw %d.%d.%d caps %#02x", payload[version], payload[version+1], payload[version+2], payload[caps])
		return "INIT"
	case ctaphid.CommandKeepalive:
		return "KEEPALIVE"
	case ctaphid.CommandCBOR:
		return d.answer(payload)
	case ctaphid.CommandMsg:
		return d.u2f(payload, "MSG:")
	}
	d.t.Errorf("%v is not expected", c)
	return ""
}

// u2f is the label of an answer to U2F: a registration, or the status word.
func (d *deviceOf) u2f(answer []byte, word string) string {
	d.t.Helper()
	n := len(answer) - 2
	if n > 0 && answer[0] == 5 {
		d.registration(answer[:n])
		return strings.TrimPrefix(word, "sw") + "u2freg"
	}
	return word + hex.EncodeToString(answer[n:])
}

func (d *deviceOf) registration(b []byte) {
	d.t.Helper()
	r, err := u2f.ParseRegistration(b)
	if err != nil {
		d.t.Error(err)
		return
	}
	d.certificate(r.Certificate)
}

func (d *deviceOf) certificate(der []byte) {
	d.t.Helper()
	c, err := x509.ParseCertificate(der)
	if err != nil {
		d.t.Error(err)
		return
	}
	d.tells(tellsCertificate, "%s", c.Subject.CommonName)
}

// answer is the label of an answer to a CTAP2 command. What it is, is found out by
// having the client read it: as the only command whose answer it can be.
func (d *deviceOf) answer(answer []byte) string {
	d.t.Helper()
	client := ctap2.New(transportFunc(func(context.Context, []byte) ([]byte, error) { return answer, nil }), ctap2.Config{})
	ctx := d.t.Context()
	info, _ := client.GetInfo(ctx)
	made, notMade := client.MakeCredential(ctx, &ctap2.MakeCredentialRequest{})
	_, notAsserted := client.GetAssertion(ctx, &ctap2.GetAssertionRequest{})
	var agreement struct {
		Key map[int64]any `cbor:"1,keyasint"`
	}
	switch {
	case info != nil && len(info.Versions) > 0:
		d.model(info.AAGUID)
		return "CBOR:getinfo"
	case notMade == nil:
		d.model(made.AuthData.Credential.AAGUID)
		d.statement(made.Statement)
		return "CBOR:makecred"
	case notAsserted == nil:
		return "CBOR:getassert"
	case wire.Decode(answer[1:], &agreement) == nil && len(agreement.Key) == 5:
		if _, _, err := client.KeyAgreement(ctx, 1); err != nil {
			d.t.Error(err)
		}
		return "CBOR:keyagreement"
	case errors.Is(notMade, ctap2.Status(answer[0])) && answer[0] != 0:
		return fmt.Sprintf("CBOR:status=%02x", answer[0])
	}
	return fmt.Sprintf("CBOR:status=%02x,%dB", answer[0], len(answer))
}

// model is an AAGUID, by its first part, which is all that some lines have.
func (d *deviceOf) model(a authdata.AAGUID) { d.tells(tellsModel, "%s", a.String()[:8]) }

func (d *deviceOf) statement(raw wire.Raw) {
	d.t.Helper()
	var s struct {
		X5C [][]byte `cbor:"x5c"`
	}
	if err := wire.Decode(raw, &s); err != nil {
		d.t.Error(err)
		return
	}
	if len(s.X5C) > 0 {
		d.certificate(s.X5C[0])
	}
}
