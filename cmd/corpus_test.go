package cmd_test

import (
	"bytes"
	"encoding/json"
	"io/fs"
	"path/filepath"
	"strings"
	"testing"

	"github.com/fxamacker/cbor/v2"
	"github.com/go-webauthn/webauthn/protocol"

	"github.com/touchstone-fido/touchstone/cmd"
	"github.com/touchstone-fido/touchstone/cmd/internal/term"
	"github.com/touchstone-fido/touchstone/ctap2"
	"github.com/touchstone-fido/touchstone/ctap2/authdata"
	"github.com/touchstone-fido/touchstone/ctap2/webauthn"
	"github.com/touchstone-fido/touchstone/ctap2/wire"
	"github.com/touchstone-fido/touchstone/ctaphid"
	"github.com/touchstone-fido/touchstone/devices"
	"github.com/touchstone-fido/touchstone/devices/transcript"
	"github.com/touchstone-fido/touchstone/fixtures"
	"github.com/touchstone-fido/touchstone/nfc"
)

const (
	loginTape = "real/mphi-rc+pi-zero-security-key/login.jsonl"
	madeTape  = "real/hwsecurity-sdk+hwsecurity/apdu/fido2-makeCredential.jsonl"
)

// run runs the program in this process.
func run(t testing.TB, stdin string, args ...string) (exit int, stdout, stderr string) {
	t.Helper()
	streams, out, errs := term.Test(stdin)
	exit = cmd.Run(t.Context(), streams, args)
	return exit, out.String(), errs.String()
}

// TestCorpusDeviceInfo asks the tape of a real YubiKey what it is.
func TestCorpusDeviceInfo(t *testing.T) {
	tape := filepath.Join(fixtures.Corpus(t), loginTape)
	exit, out, errs := run(t, "", "--json", "--device", "replay:"+tape, "device", "info")
	if exit != 0 || !strings.Contains(errs, "were not played") {
		t.Errorf("exit status %d, stderr %s", exit, errs)
	}
	var got struct {
		Schema string
		Info   struct {
			AAGUID             string
			MaxMsgSize         int
			PINUVAuthProtocols []int
		}
	}
	if err := json.Unmarshal([]byte(out), &got); err != nil {
		t.Fatalf("%v in %s", err, out)
	}
	if got.Schema != "touchstone/device-info/1" || got.Info.AAGUID != "cb69481e-8ff7-4039-93ec-0a2729a154a8" ||
		got.Info.MaxMsgSize != 1200 || len(got.Info.PINUVAuthProtocols) != 1 || got.Info.PINUVAuthProtocols[0] != 1 {
		t.Errorf("%s", out)
	}
}

// replay connects today's client to a tape.
func replay(t *testing.T, tape *transcript.Tape, onEvent func(devices.Event)) *devices.Conn {
	t.Helper()
	player, err := transcript.NewPlayer(tape, transcript.PlayConfig{})
	if err != nil {
		t.Fatal(err)
	}
	var link devices.Link
	if tape.Header.Transport == transcript.NFC {
		link.Card, err = player.Card()
	} else {
		link.Reports, err = player.Reports()
	}
	if err != nil {
		t.Fatal(err)
	}
	conn, err := devices.Connect(t.Context(), link, devices.Options{HID: tape.HIDConfig(), NFC: tape.NFCConfig(), OnEvent: onEvent})
	if err != nil {
		t.Fatal(err)
	}
	return conn
}

func load(t *testing.T, name string) *transcript.Tape {
	t.Helper()
	tape, err := transcript.LoadFile(filepath.Join(fixtures.Corpus(t), name))
	if err != nil {
		t.Fatal(err)
	}
	return tape
}

// asked lists the CTAP2 messages that the host of a tape sent.
func asked(t *testing.T, tape *transcript.Tape) [][]byte {
	t.Helper()
	var all [][]byte
	asm := ctaphid.NewAssembler(0)
	for _, r := range tape.Records {
		switch {
		case r.Dir != transcript.Out:
		case r.Level == transcript.APDU:
			if c, err := nfc.ParseCommand(r.Data); err == nil && c.CLA == 0x80 && c.INS == 0x10 {
				all = append(all, c.Data)
			}
		case r.Level == transcript.Report:
			p, err := ctaphid.ParsePacket(r.Data)
			if err != nil {
				t.Fatal(err)
			}
			if m, whole, err := asm.Add(p); err == nil && whole && m.Command == ctaphid.CommandCBOR {
				all = append(all, bytes.Clone(m.Payload))
			}
		}
	}
	return all
}

// question reads a recorded request into the client's own form, from which the
// client then writes it again; the player compares every byte.
func question[T any](t *testing.T, tape *transcript.Tape, command ctap2.Command) *T {
	t.Helper()
	for _, msg := range asked(t, tape) {
		if msg[0] == byte(command) {
			request := new(T)
			if err := wire.Decode(msg[1:], request); err != nil {
				t.Fatal(err)
			}
			return request
		}
	}
	t.Fatalf("%v is not on the tape", command)
	return nil
}

// TestCorpusAssertion asks the recorded question again through the client, and
// gets the recorded assertion, three keepalives included.
func TestCorpusAssertion(t *testing.T) {
	tape := load(t, loginTape)
	var events []string
	conn := replay(t, tape, func(e devices.Event) { events = append(events, e.Status) })
	if _, err := conn.GetInfo(t.Context()); err != nil {
		t.Fatal(err)
	}
	request := question[ctap2.GetAssertionRequest](t, tape, ctap2.CommandGetAssertion)
	if request.RPID != "webauthn.io" || len(request.AllowList) != 1 {
		t.Fatalf("the question was %+v", request)
	}
	a, err := conn.GetAssertion(t.Context(), request)
	if err != nil {
		t.Fatal(err)
	}
	if strings.Join(events, " ") != "up-needed up-needed up-needed done" {
		t.Errorf("events %v", events)
	}
	if a.AuthData.SignCount != 5 || a.AuthData.Flags != authdata.FlagUP || len(a.Signature) != 71 ||
		!bytes.Equal(a.Credential.ID, request.AllowList[0].ID) || len(a.Remarks) != 0 {
		t.Errorf("%+v", a)
	}
	if err := conn.Close(); err != nil {
		t.Errorf("the tape was not played to its end: %v", err)
	}
}

// TestCorpusMakeCredential makes a recorded credential again through the
// client, over NFC; go-webauthn verifies its packed attestation.
func TestCorpusMakeCredential(t *testing.T) {
	tape := load(t, madeTape)
	conn := replay(t, tape, nil)
	if _, err := conn.GetInfo(t.Context()); err != nil {
		t.Fatal(err)
	}
	request := question[ctap2.MakeCredentialRequest](t, tape, ctap2.CommandMakeCredential)
	made, err := conn.MakeCredential(t.Context(), request)
	if err != nil {
		t.Fatal(err)
	}
	if made.Format != "packed" || made.AuthData.Credential.AAGUID.String() != "6d44ba9b-f6ec-2e49-b930-0c8fe920cb73" {
		t.Errorf("%s, %v", made.Format, made.AuthData.Credential.AAGUID)
	}
	object, err := webauthn.AttestationObject(webauthn.ConveyanceDirect, made.Format, made.Statement, made.RawAuthData)
	if err != nil {
		t.Fatal(err)
	}
	verify := func(hash []byte) error {
		var o protocol.AttestationObject
		if err := cbor.Unmarshal(object, &o); err != nil {
			t.Fatal(err)
		}
		if err := o.AuthData.Unmarshal(o.RawAuthData); err != nil {
			t.Fatal(err)
		}
		return o.VerifyAttestation(hash, nil, protocol.AttestationPolicy{}, protocol.SignaturePolicy{})
	}
	if err := verify(request.ClientDataHash); err != nil {
		t.Errorf("the attestation: %v", err)
	}
	if err := verify(make([]byte, 32)); err == nil {
		t.Error("the attestation verifies for another client data hash")
	}
	if err := conn.Close(); err != nil {
		t.Errorf("the tape was not played to its end: %v", err)
	}
}

// TestCorpusCheck checks every tape of the corpus with the program.
func TestCorpusCheck(t *testing.T) {
	root := fixtures.Corpus(t)
	n := 0
	err := filepath.WalkDir(root, func(path string, d fs.DirEntry, err error) error {
		if err != nil || filepath.Ext(path) != ".jsonl" {
			return err
		}
		n++
		exit, out, errs := run(t, "", "--json", "transcript", "check", path)
		var got struct {
			Schema   string
			Messages struct{ Whole, Cut, Malformed *int }
		}
		if err := json.Unmarshal([]byte(out), &got); err != nil {
			t.Errorf("%s: %v: %s%s", path, err, out, errs)
			return nil
		}
		m := got.Messages
		if exit != 0 || m.Whole == nil || m.Cut == nil || m.Malformed == nil || *m.Whole+*m.Cut == 0 || *m.Malformed != 0 {
			t.Errorf("%s: exit status %d, %s", path, exit, out)
		}
		return nil
	})
	if err != nil || n == 0 {
		t.Errorf("%d tapes, %v", n, err)
	}
}
