package ctap2_test

import (
	"bytes"
	"context"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"maps"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/touchstone-fido/touchstone/ctap2"
	"github.com/touchstone-fido/touchstone/ctap2/cose"
	"github.com/touchstone-fido/touchstone/ctap2/largeblob"
	"github.com/touchstone-fido/touchstone/ctap2/pinuv"
	"github.com/touchstone-fido/touchstone/ctaphid"
	"github.com/touchstone-fido/touchstone/fixtures"
)

// tape answers with what a real key answered, in order, whatever is asked.
type tape struct {
	t       *testing.T
	answers [][]byte
	counts  map[string]int
}

func (p *tape) Exchange(context.Context, []byte) ([]byte, error) {
	if len(p.answers) == 0 {
		p.t.Fatal("asked after the end of the tape")
	}
	next := p.answers[0]
	p.answers = p.answers[1:]
	return next, nil
}

// step is one call of a client: count what it decoded, and fail on an error.
func (p *tape) step(kind string, err error) {
	p.t.Helper()
	if err != nil {
		p.t.Errorf("%s: %v", kind, err)
		return
	}
	p.counts[kind]++
}

// equal holds what was decoded to what the corpus says.
func (p *tape) equal(what string, got, want any) {
	p.t.Helper()
	if fmt.Sprint(got) != fmt.Sprint(want) {
		p.t.Errorf("%s: %v, the corpus says %v", what, got, want)
	}
}

// decoders read the answers of an item, by the end of its name. What they hold
// them to is said in the corpus' index or beside the item.
var decoders = map[string]func(*tape, *ctap2.Client){
	// Sessions of libfido2's fuzz seeds.
	"fuzz_assert_c-dummy_wire_data.jsonl":      assertWithPIN,
	"fuzz_assert_c-dummy_wire_data_fido.jsonl": assertWithPIN,
	"fuzz_cred_c-dummy_wire_data.jsonl":        makeWithPIN,
	"fuzz_cred_c-dummy_wire_data_fido.jsonl":   makeWithPIN,
	"fuzz_mgmt_c-dummy_wire_data.jsonl":        manage,
	"dummy_del_wire_data.jsonl":                func(p *tape, c *ctap2.Client) { legacyToken(p, c); deleteCredential(p, c) },
	"dummy_meta_wire_data.jsonl":               func(p *tape, c *ctap2.Client) { legacyToken(p, c); metadata(p, c, 0, 25) },
	"dummy_rp_wire_data.jsonl":                 func(p *tape, c *ctap2.Client) { legacyToken(p, c); relyingParties(p, c) },
	"dummy_change_pin_wire_data.jsonl": func(p *tape, c *ctap2.Client) {
		p.step("changePIN", c.ChangePIN(p.t.Context(), pinuv.One, []byte("1234"), []byte("5678")))
	},
	"dummy_info_wire_data.jsonl":              getInfo,
	"dummy_reset_wire_data.jsonl":             reset,
	"dummy_retry_wire_data.jsonl":             retries,
	"dummy_enroll_wire_data.txt":              func(p *tape, c *ctap2.Client) { legacyToken(p, c); enrollFinger(p, c) },
	"WIREDATA_CTAP_CBOR_BIO_ENROLL.txt":       enrollFinger,
	"WIREDATA_CTAP_CBOR_BIO_ENUM.jsonl":       templates,
	"WIREDATA_CTAP_CBOR_CRED.jsonl":           func(p *tape, c *ctap2.Client) { creation(p, c) },
	"WIREDATA_CTAP_CBOR_CREDMAN_META.jsonl":   func(p *tape, c *ctap2.Client) { metadata(p, c, 0, 25) },
	"WIREDATA_CTAP_CBOR_CREDMAN_RKLIST.jsonl": credentials,
	"WIREDATA_CTAP_CBOR_CREDMAN_RPLIST.jsonl": relyingParties,
	"WIREDATA_CTAP_CBOR_INFO.jsonl":           getInfo,
	"WIREDATA_CTAP_CBOR_PINTOKEN.jsonl":       func(p *tape, c *ctap2.Client) { tokenOnly(p, pinuv.One) },
	"WIREDATA_CTAP_CBOR_RESET.jsonl":          reset,
	"WIREDATA_CTAP_CBOR_RETRIES.jsonl":        retries,
	"WIREDATA_CTAP_CBOR_AUTHKEY.jsonl":        agree,
	"WIREDATA_CTAP_KEEPALIVE.jsonl":           func(*tape, *ctap2.Client) {}, // no answer at all
	"LARGEBLOB_GET_ARRAY.jsonl":               blobs,
	"REGRESS_WIREDATA_MAKECRED_ENTATTEST.jsonl": func(p *tape, c *ctap2.Client) {
		r := creation(p, c)
		p.equal("epAtt", r.EnterpriseAttestation, true)
	},

	// Answers in kanidm's tests, without a status byte.
	"get_key_agreement-r-262.hex":   agree,
	"get_pin_retries-r-236.hex":     retries,
	"get_pin_token-r-345.hex":       func(p *tape, c *ctap2.Client) { tokenOnly(p, pinuv.Two) },
	"get_cred_metadata-r-555.hex":   func(p *tape, c *ctap2.Client) { metadata(p, c, 3, 22) },
	"enumerate_rps_begin-r-606.hex": func(p *tape, c *ctap2.Client) { begunRP(p, "webauthn.firstyear.id.au", "", 2) },
	"enumerate_rps_begin-r-634.hex": func(p *tape, c *ctap2.Client) {
		begunRP(p, "webauthntest.azurewebsites.net", "WebAuthn Test Server", 3)
	},
	"enumerate_rps_begin-r-679.hex":            noRPs,
	"enumerate_rps_next-r-710.hex":             nextRP,
	"enumerate_credentials_begin-r-794.hex":    begunCredential,
	"enumerate_credentials_next-r-881.hex":     nextCredential,
	"make_credential-bytes-555.hex":            request,
	"sample_make_credential_request-r-394.hex": standardExample,
	"security-key-by-yubico-with-nfc-packed-ff424f68.hex": func(p *tape, c *ctap2.Client) {
		p.equal("AAGUID", creation(p, c).AuthData.Credential.AAGUID, "6d44ba9b-f6ec-2e49-b930-0c8fe920cb73")
	},

	// NFC, both ways.
	"fido2-makeCredential.jsonl": func(p *tape, c *ctap2.Client) {
		getInfo(p, c)
		p.equal("AAGUID", creation(p, c).AuthData.Credential.AAGUID, "6d44ba9b-f6ec-2e49-b930-0c8fe920cb73")
	},
	"fido2-getAssertion.jsonl": func(p *tape, c *ctap2.Client) { getInfo(p, c); assert(p, c) },
}

// leftOut says why an item is not for the client, by a part of its path.
var leftOut = map[string]string{
	"WIREDATA_CTAP_EXTENDED_APDU": "fuzz seed of NFC framing, an APDU full of ff",
	"WIREDATA_CTAP_NFC_INIT":      "answer to SELECT, which is the framing's",
	"_u2f.jsonl":                  "U2F, read by the test of package u2f",
	"WIREDATA_CTAP_U2F":           "U2F, read by the test of package u2f",
	"apdu/u2f":                    "U2F, read by the test of package u2f",
	".hidlog.txt":                 "the same reports as text",
	".json":                       "what the corpus says of the item beside it",
}

// TestCorpusAnswers decodes what real keys answered, through the client's own
// methods. Every item of these folders is decoded, or left out with a reason.
func TestCorpusAnswers(t *testing.T) {
	dir := filepath.Join(fixtures.Corpus(t), "real")
	counts, unused := map[string]int{}, maps.Clone(decoders)
	for _, pattern := range []string{
		"Yubico+libfido2/wiredata/*", "kanidm+webauthn-rs/cmdresp/*", "hwsecurity-sdk+hwsecurity/apdu/*", "hwsecurity-sdk+hwsecurity/makecred/*",
	} {
		files, err := filepath.Glob(filepath.Join(dir, pattern))
		if err != nil || len(files) == 0 {
			t.Fatalf("nothing at %s (%v)", pattern, err)
		}
		for _, file := range files {
			t.Run(filepath.Base(file), func(t *testing.T) { readItem(t, file, counts, unused) })
		}
	}
	for _, kind := range slices.Sorted(maps.Keys(counts)) {
		t.Logf("%4d %s", counts[kind], kind)
	}
	for name := range unused {
		t.Errorf("%s is not in the corpus", name)
	}
}

func readItem(t *testing.T, file string, counts map[string]int, unused map[string]func(*tape, *ctap2.Client)) {
	for part, reason := range leftOut {
		if strings.Contains(filepath.ToSlash(file), part) && (part != ".json" || strings.HasSuffix(file, part)) {
			counts["left out: "+reason]++
			return
		}
	}
	for end, decode := range decoders {
		if strings.HasSuffix(file, end) {
			delete(unused, end)
			p := &tape{t: t, answers: answersOf(t, file), counts: counts}
			decode(p, ctap2.New(p, ctap2.Config{}))
			if len(p.answers) > 0 {
				t.Errorf("%d answers are left, the first is %x", len(p.answers), p.answers[0])
			}
			return
		}
	}
	t.Error("nobody decodes this, and no reason is given")
}

var hexBytes = regexp.MustCompile(`0x([0-9a-f]{2})`)

// answersOf are the CTAP2 answers of an item, each with its status byte.
func answersOf(t *testing.T, file string) [][]byte {
	t.Helper()
	text, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	switch {
	case strings.HasSuffix(file, ".hex"):
		return [][]byte{append([]byte{0}, unhex(t, string(text))...)}
	case strings.HasSuffix(file, ".txt"):
		var b []byte
		for _, m := range hexBytes.FindAllSubmatch(text, -1) {
			b = append(b, unhex(t, string(m[1]))...)
		}
		// The last report lacks the zeros at its end.
		b = append(b, make([]byte, -len(b)&63)...)
		return assembled(t, slices.Collect(slices.Chunk(b, 64)))
	}
	lines := fromLines(t, text)
	if strings.Contains(file, "apdu") {
		return fromAPDUs(lines)
	}
	return assembled(t, lines)
}

// fromLines are the bytes that came from the key, one line each.
func fromLines(t *testing.T, text []byte) [][]byte {
	t.Helper()
	var all [][]byte
	for line := range bytes.Lines(text) {
		var r struct{ Dir, Hex string }
		if err := json.Unmarshal(line, &r); err != nil {
			t.Fatal(err)
		}
		if r.Dir == "rx" {
			all = append(all, unhex(t, r.Hex))
		}
	}
	return all
}

// assembled are the CTAPHID_CBOR messages of reports.
func assembled(t *testing.T, reports [][]byte) [][]byte {
	t.Helper()
	asm := ctaphid.NewAssembler(64)
	var all [][]byte
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
		if whole && m.Command == ctaphid.CommandCBOR {
			all = append(all, bytes.Clone(m.Payload))
		}
	}
	return all
}

// fromAPDUs are the CTAP2 answers, which follow the answer to SELECT.
func fromAPDUs(responses [][]byte) [][]byte {
	var all [][]byte
	for _, r := range responses[1:] {
		all = append(all, r[:len(r)-2])
	}
	return all
}

// manageCredentials needs no token: the answers of a tape are there already.
func manageCredentials(p *tape, c *ctap2.Client) *ctap2.CredentialManager {
	m, err := c.CredentialManagement(&ctap2.Info{Options: map[string]bool{ctap2.OptionCredMgmt: true}}, nil)
	if err != nil {
		p.t.Fatal(err)
	}
	return m
}

func manageFingers(p *tape, c *ctap2.Client) *ctap2.Fingerprints {
	f, err := c.Fingerprints(&ctap2.Info{Options: map[string]bool{ctap2.OptionBioEnroll: true}}, nil)
	if err != nil {
		p.t.Fatal(err)
	}
	return f
}

func agree(p *tape, c *ctap2.Client) {
	_, _, err := c.KeyAgreement(p.t.Context(), pinuv.One)
	p.step("getKeyAgreement", err)
}

// legacyToken reads a key agreement key and a token.
func legacyToken(p *tape, c *ctap2.Client) {
	_, err := c.PINToken(p.t.Context(), pinuv.One, []byte("1234"))
	p.step("getKeyAgreement", err)
	p.step("getPinToken", err)
}

// tokenOnly reads a token, for which an agreement is put before it.
func tokenOnly(p *tape, protocol pinuv.Protocol) {
	p.answers = append([][]byte{unhex(p.t, agreement(protocol).answer)}, p.answers...)
	_, err := ctap2.New(p, ctap2.Config{}).PINToken(p.t.Context(), protocol, []byte("1234"))
	p.step("getPinToken", err)
}

func retries(p *tape, c *ctap2.Client) {
	r, err := c.PINRetries(p.t.Context())
	p.step("getPINRetries", err)
	p.equal("retries", r.Left, 8)
}

func reset(p *tape, c *ctap2.Client) { p.step("reset", c.Reset(p.t.Context())) }

func getInfo(p *tape, c *ctap2.Client) {
	info, err := c.GetInfo(p.t.Context())
	p.step("getInfo", err)
	if err == nil {
		p.equal("problems", len(info.Problems)+len(info.Unknown())+len(info.Remarks), 0)
	}
}

func creation(p *tape, c *ctap2.Client) *ctap2.MakeCredentialResponse {
	p.t.Helper()
	r, err := c.MakeCredential(p.t.Context(), &ctap2.MakeCredentialRequest{})
	p.step("makeCredential", err)
	if err != nil {
		p.t.FailNow()
	}
	p.equal("format", r.Format, "packed")
	if _, err := r.AuthData.Credential.Key.Public(); err != nil {
		p.t.Error(err)
	}
	return r
}

func assert(p *tape, c *ctap2.Client) {
	a, err := c.GetAssertion(p.t.Context(), &ctap2.GetAssertionRequest{})
	p.step("getAssertion", err)
	if err == nil {
		p.equal("credential ID", len(a.Credential.ID), 64)
	}
}

func assertWithPIN(p *tape, c *ctap2.Client) { legacyToken(p, c); assert(p, c) }

func makeWithPIN(p *tape, c *ctap2.Client) {
	legacyToken(p, c)
	p.equal("AAGUID", creation(p, c).AuthData.Credential.AAGUID, "f8a011f3-8c0a-4d15-8006-17111f9edc7d")
}

// manage is libfido2's management in one session.
func manage(p *tape, c *ctap2.Client) {
	reset(p, c)
	getInfo(p, c)
	p.step("setPIN", c.SetPIN(p.t.Context(), pinuv.One, []byte("1234")))
	p.step("changePIN", c.ChangePIN(p.t.Context(), pinuv.One, []byte("1234"), []byte("5678")))
	retries(p, c)
}

func metadata(p *tape, c *ctap2.Client, existing, remaining uint) {
	m, err := manageCredentials(p, c).Metadata(p.t.Context())
	p.step("getCredsMetadata", err)
	p.equal("metadata", [2]uint{m.Existing, m.Remaining}, [2]uint{existing, remaining})
}

func deleteCredential(p *tape, c *ctap2.Client) {
	p.step("deleteCredential", manageCredentials(p, c).Delete(p.t.Context(), ctap2.Descriptor{}))
}

func relyingParties(p *tape, c *ctap2.Client) {
	var ids []string
	for rp, err := range manageCredentials(p, c).RelyingParties(p.t.Context()) {
		p.step("enumerateRPs entry", err)
		p.equal("the hash is of "+rp.ID, rp.Complete(), true)
		ids = append(ids, rp.ID)
	}
	p.equal("relying parties", ids, "[yubico.com yubikey.org webauthn.dev]")
}

func credentials(p *tape, c *ctap2.Client) {
	n := 0
	for credential, err := range manageCredentials(p, c).Credentials(p.t.Context(), nil) {
		p.step("enumerateCredentials entry", err)
		p.equal("user", credential.User.Name, "bob banana")
		if _, err := credential.Key(); err != nil {
			p.t.Error(err)
		}
		n++
	}
	p.equal("credentials", n, 5)
}

// begunRP reads a first relying party, of total, and has the key forget the
// others.
func begunRP(p *tape, id, name string, total int) {
	p.answers = append(p.answers, []byte{byte(ctap2.StatusNotAllowed)})
	var seen []string
	for rp, err := range manageCredentials(p, ctap2.New(p, ctap2.Config{})).RelyingParties(p.t.Context()) {
		if err != nil {
			p.equal("the end", total > 1 && strings.Contains(err.Error(), "NOT_ALLOWED"), true)
			continue
		}
		p.step("enumerateRPs entry", nil)
		p.equal("the hash fits", rp.Complete(), true)
		seen = append(seen, rp.ID, rp.Name)
	}
	p.equal("relying party", seen, []string{id, name})
}

func noRPs(p *tape, c *ctap2.Client) {
	for range manageCredentials(p, c).RelyingParties(p.t.Context()) {
		p.t.Error("there is one")
	}
	p.step("enumerateRPs of none", nil)
}

// nextRP reads a continuation, for which the corpus' own beginning is put before
// it.
func nextRP(p *tape, c *ctap2.Client) {
	p.answers = append([][]byte{unhex(p.t, "00 a3 03"+exampleRP+"04 5820"+exampleHash+"05 02")}, p.answers...)
	var ids []string
	for rp, err := range manageCredentials(p, c).RelyingParties(p.t.Context()) {
		p.step("enumerateRPs entry", err)
		ids = append(ids, rp.ID)
	}
	p.counts["enumerateRPs entry"]-- // the one of ours
	p.equal("relying parties", ids, "[example.com webauthntest.identitystandards.io]")
}

func alice(p *tape, c ctap2.StoredCredential) {
	p.equal("user", []string{string(c.User.ID), c.User.Name, c.User.DisplayName}, "[alice@example.com allison@example.com Allison Doe]")
	p.equal("ID", hex.EncodeToString(c.ID.ID), "3924dbf7ba5de8829c69ee10158976f1")
	p.equal("credProtect", c.CredProtect, ctap2.CredProtectOptional)
	p.equal("largeBlobKey", hex.EncodeToString(c.LargeBlobKey), "a3810fafc12ae8a3f5dd47212ff82a30d82ad9f86edf063471765c853aa80ae6")
}

func begunCredential(p *tape, c *ctap2.Client) {
	p.answers = append(p.answers, []byte{byte(ctap2.StatusNotAllowed)})
	for credential, err := range manageCredentials(p, c).Credentials(p.t.Context(), nil) {
		if err == nil {
			p.step("enumerateCredentials entry", nil)
			alice(p, credential)
		}
	}
}

func nextCredential(p *tape, c *ctap2.Client) {
	p.answers = append([][]byte{unhex(p.t, "00 a3"+credentialAnswer+"09 02")}, p.answers...)
	n := 0
	for credential, err := range manageCredentials(p, c).Credentials(p.t.Context(), nil) {
		if n++; n == 2 {
			p.step("enumerateCredentials entry", err)
			alice(p, credential)
		}
	}
}

func templates(p *tape, c *ctap2.Client) {
	all, err := manageFingers(p, c).Templates(p.t.Context())
	p.step("enumerateEnrollments", err)
	p.equal("templates", all, []ctap2.Template{{ID: []byte{0xce, 0xa3}, Name: "finger1"}, {ID: []byte{0xbf, 0x5e}, Name: "finger2"}, {ID: []byte{0x5e, 0xd2}, Name: "finger3"}})
}

// enrollFinger reads three good samples, the last of which ends the enrolment.
func enrollFinger(p *tape, c *ctap2.Client) {
	var left []uint
	id, err := manageFingers(p, c).Enroll(p.t.Context(), 0, func(s ctap2.Sample) error {
		p.step("enrolment sample", nil)
		p.equal("feedback", s.Status, ctap2.SampleGood)
		left = append(left, s.Remaining)
		return nil
	})
	p.equal("error", err, nil)
	p.equal("template", hex.EncodeToString(id), "6896")
	p.equal("remaining", left, "[2 1 0]")
}

func blobs(p *tape, c *ctap2.Client) {
	array, damaged, err := c.LargeBlobs(p.t.Context())
	p.step("largeBlobs get", err)
	p.equal("damaged", damaged, false)
	p.equal("elements", len(array.Elements()), 1)
	if _, err := largeblob.Open(make([]byte, largeblob.KeySize), array.Elements()[0]); err == nil {
		p.t.Error("a key of zeros opens it")
	}
}

// request is a request: the client writes the same, byte for byte.
func request(p *tape, _ *ctap2.Client) {
	want := append([]byte{byte(ctap2.CommandMakeCredential)}, p.answers[0][1:]...)
	p.answers = nil
	r := &ctap2.MakeCredentialRequest{
		ClientDataHash: unhex(p.t, "687134968222ec17202e42505f8ed2b16ae22f16bb05b88c25db9e602645f141"),
		RP:             ctap2.RelyingParty{ID: "test.ctap", Name: "test.ctap"},
		User: ctap2.User{
			ID: unhex(p.t, "2b6689bb18f4169f069fbcdf50cb6ea3c60a861b9a7b63946983e0b577b78c70"), Name: "testctap@ctap.com", DisplayName: "Test Ctap",
		},
		Parameters: ctap2.Parameters(cose.ES256, cose.RS256, cose.PS256),
		Extensions: ctap2.CreationExtensions{HMACSecret: true}.Inputs(), Options: map[string]bool{ctap2.OptionRK: true},
		PINUVAuthParam: unhex(p.t, "fc43aaa411d948cc6c37068b8da1d508"), PINUVAuthProtocol: pinuv.One,
	}
	c := ctap2.New(transportFunc(func(_ context.Context, msg []byte) ([]byte, error) {
		if !bytes.Equal(msg, want) {
			p.t.Errorf("\n%x, the corpus has\n%x", msg, want)
		}
		return []byte{byte(ctap2.StatusOther)}, nil
	}), ctap2.Config{})
	_, _ = c.MakeCredential(p.t.Context(), r)
	p.step("makeCredential request, written the same", nil)
}

// standardExample is the answer in CTAP 2.1's own example, which has a length
// that is not in its shortest form.
func standardExample(p *tape, c *ctap2.Client) {
	r := creation(p, c)
	p.equal("remarks", r.Remarks, "[integer or length not in shortest form: 162 written in 2 bytes in 0x02 (byte 10)]")
	out, err := ctap2.CreationExtensions{HMACSecret: true}.Outputs(r)
	p.equal("hmac-secret", out.HMACSecret != nil && *out.HMACSecret, true)
	p.equal("error", err, nil)
}
