package u2f_test

import (
	"bytes"
	"context"
	"crypto/x509"
	"encoding/hex"
	"encoding/json"
	"encoding/pem"
	"errors"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/touchstone-fido/touchstone/ctap2/u2f"
	"github.com/touchstone-fido/touchstone/ctaphid"
	"github.com/touchstone-fido/touchstone/fixtures"
	"github.com/touchstone-fido/touchstone/nfc"
)

// described is what the corpus says beside a registration.
type described struct {
	PublicKey, KeyHandle, Cert, Signature string
	ApplicationHash, ChallengeHash        *string
	SignatureVerifies                     bool
}

func describe(t *testing.T, file string) (d described, ok bool) {
	t.Helper()
	text, err := os.ReadFile(strings.TrimSuffix(file, ".hex") + ".json")
	if errors.Is(err, os.ErrNotExist) {
		return d, false
	}
	if err == nil {
		err = json.Unmarshal(text, &d)
	}
	if err != nil {
		t.Fatal(err)
	}
	return d, true
}

// TestCorpusRegistrations reads the registrations of real keys, verifies those
// whose parameters are known, and mends the certificates that need it.
func TestCorpusRegistrations(t *testing.T) {
	files, err := filepath.Glob(filepath.Join(fixtures.Corpus(t), "real", "*", "u2f", "*.hex"))
	if err != nil || len(files) == 0 {
		t.Fatalf("no registrations in the corpus (%v)", err)
	}
	root := yubicoRoot(t)
	mended, verified := 0, 0
	for _, file := range files {
		text, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		r, err := u2f.ParseRegistration(unhex(t, string(text)))
		if err != nil {
			t.Errorf("%s: %v", file, err)
			continue
		}
		// crypto/x509 does not take the BIT STRING in the name of Google's.
		if _, err := r.X509(); (err == nil) == strings.Contains(file, "google-gnubby") {
			t.Errorf("%s: %v", file, err)
		}
		if !bytes.Equal(r.MendedCertificate(), r.Certificate) {
			if before, after := signedBy(t, root, r.Certificate), signedBy(t, root, r.MendedCertificate()); before || !after {
				t.Errorf("%s: signed by Yubico's root: %v before the mend, %v after", file, before, after)
			}
			mended++
		}
		d, ok := describe(t, file)
		if !ok {
			continue
		}
		got := []string{hex.EncodeToString(r.PublicKey), hex.EncodeToString(r.KeyHandle), hex.EncodeToString(r.Certificate), hex.EncodeToString(r.Signature)}
		if want := []string{d.PublicKey, d.KeyHandle, d.Cert, d.Signature}; !slices.Equal(got, want) {
			t.Errorf("%s: %v, the corpus has %v", file, got, want)
		}
		if d.SignatureVerifies {
			if err := r.Verify(unhex(t, *d.ChallengeHash), unhex(t, *d.ApplicationHash)); err != nil {
				t.Errorf("%s: %v", file, err)
			}
			verified++
		}
	}
	t.Logf("%d registrations, %d verified, %d certificates mended", len(files), verified, mended)
	if len(files) < 13 || verified < 3 || mended != 2 {
		t.Error("fewer than there were")
	}
}

// yubicoRoot is the root certificate of Yubico's first U2F keys.
func yubicoRoot(t *testing.T) *x509.Certificate {
	t.Helper()
	text, err := os.ReadFile(filepath.Join(fixtures.Corpus(t), "real", "mds", "attestation-roots.pem"))
	if err != nil {
		t.Fatal(err)
	}
	for {
		block, rest := pem.Decode(text)
		if block == nil {
			t.Fatal("Yubico's root is not in the corpus")
		}
		c, err := x509.ParseCertificate(block.Bytes)
		if err == nil && c.Subject.CommonName == "Yubico U2F Root CA Serial 457200631" {
			return c
		}
		text = rest
	}
}

func signedBy(t *testing.T, root *x509.Certificate, der []byte) bool {
	t.Helper()
	c, err := x509.ParseCertificate(der)
	return err == nil && c.CheckSignatureFrom(root) == nil
}

// exchange is a request of a tape, nil where it has answers only, and its
// answer.
type exchange struct {
	request *nfc.Command
	answer  []byte
}

// recorded is a key that answers as it did on tape. Requests are held to the
// tape's where it has them.
type recorded struct {
	t    *testing.T
	tape []exchange
}

func (r *recorded) U2F(_ context.Context, apdu []byte) ([]byte, error) {
	if len(r.tape) == 0 {
		r.t.Fatal("asked after the end of the tape")
	}
	next := r.tape[0]
	r.tape = r.tape[1:]
	if next.request != nil {
		got, err := nfc.ParseCommand(apdu)
		if err != nil {
			r.t.Fatal(err)
		}
		if got.INS != next.request.INS || got.P1 != next.request.P1 || !bytes.Equal(got.Data, next.request.Data) {
			r.t.Errorf("asked %+v, on the tape %+v", got, next.request)
		}
	}
	return next.answer, nil
}

// load reads a tape of APDUs, or the CTAPHID_MSG answers among reports.
func load(t *testing.T, file string) []exchange {
	t.Helper()
	text, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	var tape []exchange
	var request *nfc.Command
	asm := ctaphid.NewAssembler(64)
	for line := range bytes.Lines(text) {
		var r struct{ Dir, Hex string }
		if err := json.Unmarshal(line, &r); err != nil {
			t.Fatal(err)
		}
		b := unhex(t, r.Hex)
		switch {
		case !strings.Contains(file, "apdu"):
			packet, err := ctaphid.ParsePacket(b)
			if err != nil {
				t.Fatal(err)
			}
			m, whole, err := asm.Add(packet)
			if err != nil {
				t.Fatal(err)
			}
			if whole && m.Command == ctaphid.CommandMsg {
				tape = append(tape, exchange{answer: bytes.Clone(m.Payload)})
			}
		case r.Dir == "tx":
			cmd, err := nfc.ParseCommand(b)
			if err != nil {
				t.Fatal(err)
			}
			request = &cmd
		default:
			tape = append(tape, exchange{request, b})
		}
	}
	return tape
}

// TestCorpusSessions plays U2F sessions of real keys through a device: waits for
// a touch, refusals and answers.
func TestCorpusSessions(t *testing.T) {
	dir := filepath.Join(fixtures.Corpus(t), "real")
	var files []string
	for _, pattern := range []string{"Yubico+libfido2/wiredata/*_u2f.jsonl", "Yubico+libfido2/wiredata/*_U2F_*.jsonl", "hwsecurity-sdk+hwsecurity/apdu/u2f*.jsonl"} {
		found, err := filepath.Glob(filepath.Join(dir, pattern))
		if err != nil || len(found) == 0 {
			t.Fatalf("nothing at %s (%v)", pattern, err)
		}
		files = append(files, found...)
	}
	counts := map[string]int{}
	for _, file := range files {
		t.Run(filepath.Base(file), func(t *testing.T) { session(t, load(t, file), file, counts) })
	}
	t.Logf("%d sessions: %v", len(files), counts)
	if len(files) < 22 {
		t.Error("fewer than there were")
	}
}

func session(t *testing.T, tape []exchange, file string, counts map[string]int) {
	r := &recorded{t: t, tape: tape}
	// A tape that ends while the key wants a touch ends the wait.
	ctx, stop := context.WithCancel(t.Context())
	defer stop()
	d := u2f.New(r, u2f.Config{Pace: time.Nanosecond, OnTouchNeeded: func(time.Duration) {
		counts["touch needed"]++
		if len(r.tape) == 0 {
			stop()
		}
	}})
	for len(r.tape) > 0 {
		err := replay(ctx, t, d, r.tape[0], file, counts)
		var refused u2f.Status
		switch {
		case errors.As(err, &refused):
			counts[refused.Error()]++
		case err != nil && !errors.Is(err, context.Canceled):
			t.Error(err)
		}
	}
}

// replay makes the request that is next, as it was made then.
func replay(ctx context.Context, t *testing.T, d *u2f.Device, next exchange, file string, counts map[string]int) error {
	register := next.request != nil && next.request.INS == 1 ||
		next.request == nil && (strings.Contains(file, "cred") || strings.Contains(file, "REGISTER"))
	data := make([]byte, 66)
	if next.request != nil {
		data = next.request.Data
	} else {
		data[64] = 1 // a key handle of a byte
	}
	if register {
		made, err := d.Register(ctx, data[:32], data[32:64])
		if err != nil {
			return err
		}
		counts["registration"]++
		if next.request != nil && made.Verify(data[:32], data[32:64]) == nil {
			counts["registration verified"]++
		}
		_, err = made.X509()
		return err
	}
	control := u2f.Enforce
	if next.request != nil {
		control = u2f.Control(next.request.P1)
	}
	a, err := d.Authenticate(ctx, control, data[:32], data[32:64], data[65:])
	if err == nil {
		counts["authentication"]++
		if a.Flags != u2f.FlagUserPresent {
			t.Errorf("flags %02x", a.Flags)
		}
	}
	return err
}
