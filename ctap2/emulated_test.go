package ctap2_test

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"testing"

	"github.com/touchstone-fido/touchstone/ctap2"
	"github.com/touchstone-fido/touchstone/ctap2/pinuv"
	"github.com/touchstone-fido/touchstone/ctap2/wire"
	"github.com/touchstone-fido/touchstone/ctaphid"
	"github.com/touchstone-fido/touchstone/fixtures"
)

// exchange is a CTAP2 request and its answer, as another client had them.
type exchange struct{ request, answer []byte }

// exchanges are the CTAP2 messages of a tape of reports.
func exchanges(t *testing.T, file string) []exchange {
	t.Helper()
	text, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	asm := map[string]*ctaphid.Assembler{"out": ctaphid.NewAssembler(64), "in": ctaphid.NewAssembler(64)}
	var all []exchange
	for line := range bytes.Lines(text) {
		var r struct{ Dir, Hex string }
		if err := json.Unmarshal(line, &r); err != nil {
			t.Fatal(err)
		}
		if asm[r.Dir] == nil {
			continue // the header
		}
		packet, err := ctaphid.ParsePacket(unhex(t, r.Hex))
		if err != nil {
			t.Fatal(err)
		}
		m, whole, err := asm[r.Dir].Add(packet)
		if err != nil {
			t.Fatal(err)
		}
		switch {
		case !whole || m.Command != ctaphid.CommandCBOR:
		case r.Dir == "out":
			all = append(all, exchange{request: bytes.Clone(m.Payload)})
		default:
			all[len(all)-1].answer = bytes.Clone(m.Payload)
		}
	}
	return all
}

// TestEmulatedAnswers reads what software keys of others answered to a client of
// others, and holds requests that hold nothing random to that client's.
func TestEmulatedAnswers(t *testing.T) {
	files, err := filepath.Glob(filepath.Join(fixtures.Corpus(t), "emulated", "*.hid.jsonl"))
	if err != nil || len(files) == 0 {
		t.Fatalf("no emulated keys in the corpus (%v)", err)
	}
	counts := map[string]int{}
	for _, file := range files {
		t.Run(filepath.Base(file), func(t *testing.T) {
			for rest := exchanges(t, file); len(rest) > 0; {
				rest = rerun(t, rest, counts)
			}
		})
	}
	for _, kind := range slices.Sorted(maps.Keys(counts)) {
		t.Logf("%3d %s", counts[kind], kind)
	}
}

// rerun asks for what comes first again, and returns what is left.
func rerun(t *testing.T, all []exchange, counts map[string]int) []exchange {
	t.Helper()
	request, status := all[0].request, ctap2.Status(all[0].answer[0])
	command := ctap2.Command(request[0])
	n, same := 1, false
	tape := transportFunc(func(_ context.Context, msg []byte) ([]byte, error) {
		if n > len(all) {
			t.Fatal("asked after the end of the tape")
		}
		next := all[n-1]
		if same && !bytes.Equal(msg, next.request) {
			t.Errorf("asked %x, the other client %x", msg, next.request)
		}
		n++
		return next.answer, nil
	})
	client := ctap2.New(tape, ctap2.Config{})
	var err error
	kind := command.String()
	switch command {
	case ctap2.CommandGetInfo:
		same = true
		_, err = client.GetInfo(t.Context())
	case ctap2.CommandMakeCredential:
		_, err = client.MakeCredential(t.Context(), &ctap2.MakeCredentialRequest{})
	case ctap2.CommandGetAssertion:
		_, err = client.GetAssertion(t.Context(), &ctap2.GetAssertionRequest{})
	case ctap2.CommandClientPIN:
		kind, err = rerunPIN(t, tape, request, &same)
	case ctap2.CommandCredentialManagement:
		kind, err = rerunManagement(t, client, request)
	default:
		t.Fatalf("%v is not expected", command)
	}
	if status != ctap2.StatusOK && !errors.Is(err, status) || status == ctap2.StatusOK && err != nil {
		t.Errorf("%s: %v, the key said %v", kind, err, status)
	}
	counts[kind]++
	return all[n-1:]
}

func rerunPIN(t *testing.T, tape transportFunc, request []byte, same *bool) (string, error) {
	t.Helper()
	c := ctap2.New(tape, ctap2.Config{})
	var r struct {
		Protocol   pinuv.Protocol      `cbor:"1,keyasint"`
		Subcommand ctap2.PINSubcommand `cbor:"2,keyasint"`
	}
	if err := wire.Decode(request[1:], &r); err != nil {
		t.Fatal(err)
	}
	var err error
	switch r.Subcommand {
	case ctap2.PINGetKeyAgreement:
		*same = true
		_, _, err = c.KeyAgreement(t.Context(), r.Protocol)
	case ctap2.PINGetRetries:
		_, err = c.PINRetries(t.Context())
	case ctap2.PINSet:
		err = afterAgreement(t, tape, r.Protocol).SetPIN(t.Context(), r.Protocol, []byte("1234"))
	default:
		_, err = afterAgreement(t, tape, r.Protocol).PINTokenWithPermissions(t.Context(), r.Protocol, []byte("1234"), ctap2.PermissionCredentialManagement, "")
	}
	return r.Subcommand.String(), err
}

// afterAgreement is a client whose key agrees on a key by itself and has the
// tape for the rest.
func afterAgreement(t *testing.T, tape transportFunc, p pinuv.Protocol) *ctap2.Client {
	t.Helper()
	agreed := false
	return ctap2.New(transportFunc(func(ctx context.Context, msg []byte) ([]byte, error) {
		if !agreed {
			agreed = true
			return unhex(t, agreement(p).answer), nil
		}
		return tape(ctx, msg)
	}), ctap2.Config{})
}

func rerunManagement(t *testing.T, c *ctap2.Client, request []byte) (string, error) {
	t.Helper()
	var r struct {
		Subcommand ctap2.CredMgmtSubcommand `cbor:"1,keyasint"`
	}
	if err := wire.Decode(request[1:], &r); err != nil {
		t.Fatal(err)
	}
	m, err := c.CredentialManagement(all, nil)
	if err != nil {
		t.Fatal(err)
	}
	switch r.Subcommand {
	case ctap2.CredMgmtGetMetadata:
		_, err = m.Metadata(t.Context())
	case ctap2.CredMgmtRPsBegin:
		for _, e := range m.RelyingParties(t.Context()) {
			err = e
		}
	case ctap2.CredMgmtCredentialsBegin:
		for _, e := range m.Credentials(t.Context(), make([]byte, 32)) {
			err = e
		}
	case ctap2.CredMgmtDelete:
		err = m.Delete(t.Context(), ctap2.Descriptor{})
	case ctap2.CredMgmtUpdateUser:
		err = m.UpdateUser(t.Context(), ctap2.Descriptor{}, ctap2.User{})
	default:
		t.Fatalf("%v by itself", r.Subcommand)
	}
	return r.Subcommand.String(), err
}
