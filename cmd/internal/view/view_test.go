package view_test

import (
	"bytes"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/hex"
	"errors"
	"flag"
	"fmt"
	"maps"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/touchstone-fido/touchstone/cmd/internal/view"
	"github.com/touchstone-fido/touchstone/ctap2"
	"github.com/touchstone-fido/touchstone/ctap2/webauthn"
	"github.com/touchstone-fido/touchstone/ctaphid"
	"github.com/touchstone-fido/touchstone/devices"
	"github.com/touchstone-fido/touchstone/devices/doctor"
	"github.com/touchstone-fido/touchstone/devices/transcript"
	"github.com/touchstone-fido/touchstone/devices/transcript/capture"
	"github.com/touchstone-fido/touchstone/devices/transcript/redact"
	software "github.com/touchstone-fido/touchstone/devices/virtual"
	"github.com/touchstone-fido/touchstone/devices/virtual/control"
	"github.com/touchstone-fido/touchstone/devices/virtual/profiles"
	"github.com/touchstone-fido/touchstone/nfc"
	"github.com/touchstone-fido/touchstone/relyingparty"
)

var update = flag.Bool("update", false, "write the golden files anew; then read what changed")

// golden holds got to testdata/name. The files are the promise: members are
// added to them, never taken away or given another meaning.
func golden(t *testing.T, name string, got []byte) {
	t.Helper()
	file := filepath.Join("testdata", name)
	if *update {
		if err := os.WriteFile(file, got, 0o644); err != nil {
			t.Fatal(err)
		}
	}
	want, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	if !bytes.Equal(got, want) {
		t.Errorf("%s is now\n%s\nwant\n%s", file, got, want)
	}
}

var (
	usb = devices.Info{
		Transport: devices.USB, Backend: "hidraw", Path: "/dev/hidraw3", VendorID: 0x1050, ProductID: 0x0407,
		Manufacturer: "Yubico", Product: "YubiKey OTP+FIDO+CCID", Serial: "0012345", ReportSize: 64,
	}
	card    = devices.Info{Transport: devices.NFC, Backend: "pcsc", Path: "ACS ACR122U 00 00", ATR: []byte{0x3b, 0x80, 0x80, 0x01, 0x01}}
	virtual = devices.Info{Transport: devices.USB, Backend: "virtual", Manufacturer: "Touchstone", Product: "software key"}
)

// asked are keys with what they told: all, U2F only, a little, nothing.
func asked() []devices.Info {
	told := []devices.Identity{
		{AAGUID: [16]byte{0x2f, 0xc0, 0x57, 0x9f, 0x81, 0x13, 0x47, 0xea, 0xb1, 0x16, 0xbb, 0x5a, 0x8d, 0xb9, 0x20, 0x2a},
			Model: "YubiKey 5 Series with NFC", Firmware: "5.4.3", Versions: []string{"U2F_V2", "FIDO_2_0", "FIDO_2_1_PRE"}},
		{Firmware: "1.1.0", Versions: []string{"U2F_V2"}},
		{Firmware: "5.7.1", Err: errors.New("key is busy with another program"), Hint: "wait"},
		{Err: errors.New("no answer")},
	}
	keys := []devices.Info{usb, {Transport: devices.USB, Backend: "hidraw", Path: "/dev/hidraw5", VendorID: 0x1050, ProductID: 0x0120}, usb, card}
	for i := range keys {
		keys[i].Identity = &told[i]
	}
	return keys
}

func info(t *testing.T, data string) *ctap2.Info {
	t.Helper()
	b, err := hex.DecodeString(strings.Join(strings.Fields(data), ""))
	if err != nil {
		t.Fatal(err)
	}
	i, err := ctap2.ParseInfo(b)
	if err != nil {
		t.Fatal(err)
	}
	return i
}

// everything has all members of getInfo, one that has no name yet, one of a
// wrong type, and options out of order.
func everything(t *testing.T) *ctap2.Info {
	return info(t, `b820
	01 81 684649444f5f325f33
	02 82 6b6372656450726f74656374 6b686d61632d736563726574
	03 50 000102030405060708090a0b0c0d0e0f
	04 a3 627576 f4 62726b f5 69636c69656e7450696e f5
	05 19 04b0    06 82 02 01    07 08    08 18 80
	09 82 636e6663 63757362
	0a 81 a2 63616c67 26 64747970656a7075626c69632d6b6579
	0b 19 0400    0c f5    0d 06    0e 1a 00050704    0f 18 20    10 00    11 6161    12 02
	13 a1 644649444f 01    14 00    15 81 1b ffffffffffffffff    16 81 667061636b6564    17 02
	1818 f4    1819 58 20 `+strings.Repeat("19", 32)+`    181a 81 63757362    181b f5
	181c 46 687474703a2f    181d 18 3f    181e 58 20 `+strings.Repeat("1e", 32)+`    181f 82 01 18ff
	1820 6161`)
}

// extended completes an assertion.
func extended(user relyingparty.User, a relyingparty.Assertion) *relyingparty.Assertion {
	id := webauthn.Bytes(strings.Repeat("k", 32))
	byAppID := true
	a.Schema, a.RPID, a.Origin, a.User, a.CredentialID = relyingparty.AssertionSchema, "example.com", "https://example.com", user, id
	a.Algorithm, a.SignCount, a.Challenge = "ML-DSA-44", 8, id
	a.Asked = &relyingparty.Asked{Extensions: []string{"appid", "largeBlob"}, AppID: "https://example.com", LargeBlobWrite: true}
	a.Response = webauthn.NewAuthenticationResponse(id, []byte("{}"), id, id, user.ID)
	a.Response.ClientExtensionResults = webauthn.ExtensionOutputs{AppID: &byAppID, LargeBlob: &webauthn.LargeBlobOutputs{Written: &byAppID}}.Results()
	return &a
}

func results(t *testing.T) map[string]view.Result {
	bytes32 := webauthn.Bytes(strings.Repeat("k", 32))
	user := relyingparty.User{ID: webauthn.Bytes("handle"), Name: "alice", DisplayName: "Alice <3"}
	two, yes, no, blob := uint(2), true, false, webauthn.Bytes("a blob")
	created := webauthn.ExtensionOutputs{
		CredBlob: &no, CredProps: &webauthn.CredProps{RK: &yes}, PRF: &webauthn.PRFOutputs{Enabled: &yes},
		LargeBlob: &webauthn.LargeBlobOutputs{Supported: &no},
	}
	pins := info(t, "a2 01 81 684649444f5f325f30 04 a2 627576 f4 69636c69656e7450696e f5")
	all := map[string]view.Result{
		"device-list": view.DeviceList{Listing: devices.Listing{
			Devices:  []devices.Info{usb, card},
			LeftOut:  []devices.LeftOut{{Info: devices.Info{Transport: devices.USB, Backend: "hidraw", Path: "/dev/hidraw4", VendorID: 0x20a0, ProductID: 0x42b2, Product: "Nitrokey 3"}, Reason: errors.New("permission denied"), Hint: "add a rule"}},
			Looked:   []string{"hidraw"},
			Failures: []devices.Failure{{Backend: "pcsc", Reason: errors.New("the service does not run"), Hint: "start pcscd"}},
		}},
		"device-list-asked": view.DeviceList{Listing: devices.Listing{
			Devices: asked(),
			LeftOut: []devices.LeftOut{
				{Info: devices.Info{Transport: devices.USB, Backend: "hidraw", Path: "/dev/hidraw4", VendorID: 0x20a0, ProductID: 0x42b2, Product: "Nitrokey 3", Serial: "77"}, Reason: errors.New("permission denied"), Hint: "add a rule"},
				{Info: card, Reason: errors.New("no FIDO applet on that card")},
			},
			Looked: []string{"hidraw", "pcsc"},
		}},
		"device-list-none":    view.DeviceList{Listing: devices.Listing{Looked: []string{"hidraw"}}},
		"device-list-unknown": view.DeviceList{Listing: devices.Listing{Failures: []devices.Failure{{Backend: "hidraw", Reason: errors.New("no such class")}}}},
		"device-info": view.DeviceInfo{
			Device: usb, Protocol: devices.Protocol{CTAPHID: 2, DeviceVersion: "5.4.3", Capabilities: []string{"wink", "cbor"}}, Info: everything(t),
			Model: "YubiKey 5 Series with NFC",
		},
		"device-info-small": view.DeviceInfo{Device: card, Protocol: devices.Protocol{Applet: "FIDO_2_0"}, Info: info(t, "a2 01 81 684649444f5f325f30 03 50"+strings.Repeat("00", 16))},
		"pin-status":        view.PINStatus{Device: virtual, Info: pins, Retries: &ctap2.PINRetries{Left: 2, PowerCycle: true}, UVRetries: &two},
		"pin-status-none":   view.PINStatus{Device: virtual, Info: info(t, "a1 01 80")},
		"virtual-profiles": view.Profiles{Models: []profiles.Model{
			{Name: "some-key-5.7", Product: "Some key, firmware 5.7", Sources: []string{"one source", "another"}, Profile: software.DefaultProfile()},
			{Name: "u2f", Product: "A key without CTAP2", Sources: []string{"a capture"}, Profile: &software.Profile{Versions: []string{"U2F_V2"}}},
		}},
		"virtual-faults": view.Faults{List: []software.Fault{
			{ID: "mc-no-touch", Area: "makeCredential", Text: "makes a credential without a touch", Rule: "§6.1.2 step 14", Seen: "a key"},
			{ID: "nfc-answer-cut", Area: "NFC", Text: "leaves out the last byte of an answer", Rule: "§11.3.5.2"},
		}},
		"virtual-root": view.AttestationRoot{Certificate: &x509.Certificate{
			Subject: pkix.Name{CommonName: "A root"}, Raw: []byte("not read here"),
		}},
		"serving": view.Serving{Keys: []view.ServedPlace{{Name: "udp", Kind: "udp", Address: "127.0.0.1:8111"}}},
		"serving-several": view.Serving{Control: "127.0.0.1:8110", Keys: []view.ServedPlace{
			{Name: "uhid", Kind: "uhid", Address: "/dev/uhid"}, {Name: "usbip", Kind: "usbip", Address: "127.0.0.1:3240", BusID: "1-1"},
			{Name: "tcp", Kind: "tcp", Address: "127.0.0.1:8112", Tape: true},
		}},
		"virtual-key": view.ServedKey{State: control.State{
			Name: "udp", Kind: "udp", Address: "127.0.0.1:8111", Inserted: true, Presence: control.Manual, Finger: "good", Waiting: "touch",
			Faults: []software.FaultID{"hid-cancel-ignored", "mc-no-touch"},
		}},
		"virtual-keys": view.ServedKeys{Keys: []control.State{
			{Name: "udp", Kind: "udp", Address: "127.0.0.1:8111", Presence: control.Auto, Finger: "7", Faults: []software.FaultID{}},
			{Name: "udp-2", Kind: "udp", Address: "127.0.0.1:8113", Inserted: true, Faults: []software.FaultID{}},
		}},
		"virtual-events": view.ServedEvents{All: control.EventsEnvelope{Schema: control.EventsSchema, Last: 12, Missed: true, Events: []control.Event{
			{Seq: 11, Time: "2026-11-26T07:30:00.001Z", Key: "udp", Event: control.EventWaiting, Detail: "touch"},
			{Seq: 12, Time: "2026-11-26T07:30:00.002Z", Key: "udp", Event: control.EventDone, Command: "authenticatorSelection", Status: "0x00"},
		}}},
		"pin-verified": view.PINChanged{Device: virtual, Action: view.PINVerified, Left: &two},
		"pin":          view.PINChanged{Device: virtual, Action: view.PINWasSet},
		"registration": view.Registration{Registration: &relyingparty.Registration{
			Schema: relyingparty.RegistrationSchema, Verified: true, RPID: "example.com", RPName: "Example", Origin: "https://example.com",
			User: user, CredentialID: bytes32, PublicKey: bytes32, Algorithm: "ES256", SignCount: 7, AAGUID: "00010203-0405-0607-0809-0a0b0c0d0e0f",
			Transports: []string{"nfc", "usb"}, Discoverable: true, UserVerified: true, AttestationFormat: "packed", AttestationType: "basic_full",
			Challenge: bytes32, Response: webauthn.RegistrationResponse{ID: bytes32, RawID: bytes32, Type: "public-key", ClientExtensionResults: map[string]any{}},
		}},
		"assertion": view.Assertion{Assertion: &relyingparty.Assertion{
			Schema: relyingparty.AssertionSchema, Verified: true, RPID: "example.com", Origin: "https://example.com", User: user,
			CredentialID: bytes32, SignCount: 8, UserPresent: true, Challenge: bytes32,
			Response: webauthn.NewAuthenticationResponse(bytes32, []byte("{}"), bytes32, bytes32, user.ID),
		}},
		"registration-extended": view.Registration{
			Registration: &relyingparty.Registration{
				Schema: relyingparty.RegistrationSchema, Verified: true, RPID: "example.com", Origin: "https://example.com",
				User: user, CredentialID: bytes32, PublicKey: bytes32, Algorithm: "ML-DSA-44", AAGUID: "00010203-0405-0607-0809-0a0b0c0d0e0f",
				Transports: []string{"usb"}, AttestationFormat: "packed", AttestationType: "basic_surrogate", EnterpriseAttestation: true,
				Gaps: []relyingparty.Gap{relyingparty.GapAttestation}, Challenge: bytes32,
				Extensions: &relyingparty.Told{
					ProtectionPolicy: "userVerificationRequired", HMACSecret: &yes, CredBlob: &no, MinPINLength: &two, PINComplexityPolicy: &yes,
					UVM: [][]uint64{{2, 4, 2}, {0x800, 1, 1}},
				},
				Asked:    &relyingparty.Asked{Extensions: []string{"credBlob", "prf"}, CredBlob: true, LargeBlobSupport: "preferred"},
				Response: webauthn.RegistrationResponse{ID: bytes32, RawID: bytes32, Type: "public-key", ClientExtensionResults: created.Results()},
			},
			PRF: &webauthn.PRFValues{First: bytes32, Second: bytes32},
		},
		"assertion-extended": view.Assertion{
			Assertion: extended(user, relyingparty.Assertion{
				Verified: true, UserPresent: true, Gaps: []relyingparty.Gap{relyingparty.GapSignature},
				Extensions: &relyingparty.Told{GetCredBlob: &blob, ThirdPartyPayment: &no, UVM: [][]uint64{{2, 4, 2}}},
			}),
			PRF:  &webauthn.PRFValues{First: bytes32},
			Blob: &view.BlobFile{File: "blob.bin", Size: 31},
		},
		"assertion-silent": view.Assertion{Assertion: extended(user, relyingparty.Assertion{Silent: true})},
		"prf":              view.PRF{RPID: "example.com", CredentialID: bytes32, Values: webauthn.PRFValues{First: bytes32, Second: bytes32}},
		"u2f-version":      view.U2FVersion{Device: usb, Version: "U2F_V2"},
		"u2f-check":        view.U2FCheck{Device: usb, AppID: "https://example.com", KeyHandle: bytes32},
		"u2f-registration": view.U2FRegistration{U2FRegistration: &relyingparty.U2FRegistration{
			Schema: relyingparty.U2FRegistrationSchema, Verified: true, AppID: "https://example.com", User: "alice",
			KeyHandle: bytes32, PublicKey: bytes32, Certificate: bytes32, Signature: bytes32, ClientData: bytes32, AttestationSubject: "CN=Key\n7",
		}},
		"u2f-authentication": view.U2FAuthentication{U2FAuthentication: &relyingparty.U2FAuthentication{
			Schema: relyingparty.U2FAuthenticationSchema, Verified: true, AppID: "https://example.com", User: "alice",
			KeyHandle: bytes32, UserPresent: true, Counter: 7, Signature: bytes32, ClientData: bytes32,
		}},
		"transcript-check": view.TapeCheck{Summary: transcript.Summary{
			Tape: "tape.jsonl", Header: transcript.Header{Version: 1, Transport: transcript.HID, Seed: []byte{1}}, Ending: transcript.EndCut,
			Lines:    transcript.Lines{Out: 2, In: 3, Reports: 5, Gaps: 1},
			Messages: transcript.Count{Whole: 3, Cut: 1, Malformed: 1},
			Commands: map[string]int{"CTAPHID_INIT": 1, "authenticatorGetInfo": 2}, Statuses: map[string]int{"CTAP2_OK (0x00)": 2},
			Problems: []transcript.Problem{{Line: 6, Text: "something is wrong"}}, CutAt: 5,
		}},
		"transcript-import":         view.TapeImport{Result: imported(1)},
		"transcript-import-several": view.TapeImport{Result: imported(2)},
		"transcript-export": view.TapeExport{Out: "tape.pcapng", Exported: capture.Exported{
			Tape: "tape.jsonl", Transport: transcript.NFC, Link: "LINKTYPE_WIRESHARK_UPPER_PDU", Packets: 7, Crossings: 6,
			Remarks: []capture.Remark{{Place: capture.Place{Line: 5}, Text: "left out: no record"}}, MoreRemarks: 2,
		}},
		"transcript-redact": view.TapeRedact{Tape: "tape.jsonl", Out: "public.jsonl", Result: redact.Result{
			Values: map[redact.Kind]int{redact.RP: 3, redact.User: 2}, Signatures: 2, Kept: 1,
			Notes: []string{"the PIN was removed from the header"}, Dropped: []redact.Place{{Line: 5, Why: "cut"}},
		}},
		"transcript-leaks": view.TapeLeaks{Tape: "public.jsonl", Findings: redact.Findings{
			Leaks: []redact.Leak{{Line: 7, Kind: redact.User, Where: "a message", Form: "hex"}}, More: 2, Values: 12, Short: 1,
		}},
		"transcript-replay":         view.TapeReplay{Report: replayed()},
		"transcript-replay-against": view.TapeReplay{Report: replayedAgainst(), Key: &virtual},
		"transcript-checks":         checkedTapes(),
		"doctor": view.Doctor{Version: "v1.2.3", OS: "linux", Arch: "amd64", Report: doctor.Report{Findings: []doctor.Finding{
			{ID: "build.backends", Status: doctor.OK, Summary: "built in: hidraw, pcsc", Detail: "usbhid: get a compiler"},
			{ID: "container", Status: doctor.OK, Summary: "this is no container"},
			{ID: "hidraw.permission:/dev/hidraw3", Status: doctor.Problem, Summary: "/dev/hidraw3 may not be opened by this user",
				Detail: "permission denied\nmode 0600", Fix: doctor.Fix{Text: "let the person at the seat use it", Commands: []string{"echo '<a rule>'", "sudo udevadm trigger"}}},
			{ID: "hidraw.held:/dev/hidraw3", Status: doctor.Unknown, Summary: "no program of this user has it open", Detail: "3 processes could not be looked at"},
			{ID: "udev.rules", Status: doctor.Warning, Summary: "few rules", Fix: doctor.Fix{Text: "install rules"}},
			{ID: "pcsc.daemon", Status: doctor.NotApplicable, Summary: "PC/SC is not in this build"},
			{ID: "key.answers:hid:/dev/hidraw4", Status: doctor.OK, Summary: "it answers"},
		}}},
		"doctor-well": view.Doctor{Version: "v1.2.3", OS: "darwin", Arch: "arm64", Report: doctor.Report{Findings: []doctor.Finding{
			{ID: "build.backends", Status: doctor.OK, Summary: "built in: usbhid, pcsc"},
		}}},
		"udev-rules": view.UdevRules{FileName: "70-x.rules", Rules: "# rules\nTAG+=\"uaccess\"\n"},
		"version": view.Version{Version: "v1.2.3", Go: "go1.26", OS: "linux", Arch: "amd64", Backends: []devices.Backend{
			{Name: "hidraw", Built: true}, {Name: "pcsc", Hint: "rebuild with -tags pcsc"},
		}},
	}
	maps.Copy(all, managed())
	maps.Copy(all, told(t))
	return all
}

// imported is an import of one key or more.
func imported(keys int) capture.Result {
	r := capture.Result{
		File: "login.pcapng", Form: capture.PCAPNG,
		Remarks: []capture.Remark{
			{Place: capture.Place{Packet: 7, Offset: 1234}, Text: "the capture keeps 20 of the 64 bytes"},
			{Place: capture.Place{Line: 9, Offset: 99}, Text: "a request without its answer"},
		},
		MoreRemarks: 3, MoreLeftOut: 1,
		LeftOut: []capture.LeftOut{{What: "usb 1.4 (046d:c077 Mouse)", Why: "no FIDO interface"}},
	}
	for i := range keys {
		name := []string{"tape.jsonl", "tape-2.jsonl"}[i]
		r.Tapes = append(r.Tapes, capture.Tape{
			Name: name,
			Device: capture.Device{
				Key: fmt.Sprintf("usb 1.%d interface 0", i+2), Transport: transcript.HID,
				Facts: map[string]string{"vendor_id": "1050", "product_id": "0407", "product": "YubiKey OTP+FIDO+CCID"},
			},
			Summary: transcript.Summary{
				Tape: name, Header: transcript.Header{Version: 1, Transport: transcript.HID},
				Lines:    transcript.Lines{Out: 1, In: 1, Reports: 2},
				Messages: transcript.Count{Whole: 2},
				Commands: map[string]int{"authenticatorGetInfo": 1}, Statuses: map[string]int{"CTAP2_OK (0x00)": 1},
			},
		})
	}
	return r
}

func TestGolden(t *testing.T) {
	for name, r := range results(t) {
		for ext, asJSON := range map[string]bool{".json": true, ".txt": false} {
			var b bytes.Buffer
			if err := view.Write(&b, asJSON, r); err != nil {
				t.Fatal(err)
			}
			golden(t, name+ext, b.Bytes())
		}
	}
}

// changes are all kinds of events of a watch.
func changes() []devices.Change {
	at := time.Date(2026, 11, 21, 20, 11, 0, 7e6, time.UTC)
	denied := errors.New("/dev/hidraw3: permission denied")
	stopped := errors.New("the service does not run")
	key := func(kind devices.ChangeKind, i devices.Info, reason error, hint string) devices.Change {
		at = at.Add(time.Millisecond)
		return devices.Change{Kind: kind, Time: at, Backend: i.Backend, Device: i, Reason: reason, Hint: hint}
	}
	asked := asked()
	return []devices.Change{
		key(devices.Present, card, nil, ""), key(devices.Added, usb, denied, "add a rule"), key(devices.Changed, usb, nil, ""),
		key(devices.Removed, usb, nil, ""), key(devices.Added, asked[0], nil, ""), key(devices.Added, asked[2], nil, ""),
		key(devices.Failed, devices.Info{Backend: "pcsc"}, stopped, "start pcscd"), key(devices.Recovered, devices.Info{Backend: "pcsc"}, nil, ""),
	}
}

// TestChangesGolden shows events one by one, as a watch does.
func TestChangesGolden(t *testing.T) {
	for ext, asJSON := range map[string]bool{".jsonl": true, ".txt": false} {
		var b bytes.Buffer
		for _, c := range changes() {
			if err := view.WriteLine(&b, asJSON, view.DeviceChange{Change: c}); err != nil {
				t.Fatal(err)
			}
		}
		golden(t, "device-events"+ext, b.Bytes())
		if n := bytes.Count(b.Bytes(), []byte("\n")); asJSON && n != len(changes()) {
			t.Errorf("%d events in %d lines", len(changes()), n)
		}
	}
}

func TestNotesGolden(t *testing.T) {
	for name, notes := range map[string]string{"device-list": "device-list-notes.txt", "device-list-asked": "device-list-asked-notes.txt"} {
		var b bytes.Buffer
		results(t)[name].(view.DeviceList).Notes(&b)
		golden(t, notes, b.Bytes())
	}
}

func TestErrorGolden(t *testing.T) {
	refused := &ctap2.Error{Command: ctap2.CommandClientPIN, Subcommand: "changePIN", Status: ctap2.StatusPINInvalid}
	for name, err := range map[string]error{
		"error":        fmt.Errorf("pin: %w", &ctap2.PINError{Err: refused, Left: 5}),
		"error-plain":  errors.New("something <else>"),
		"error-vendor": &ctap2.Error{Command: 0x50, Status: 0xf1},
		"error-hid":    &ctaphid.Error{Op: "cbor", CID: 1, Err: ctaphid.CodeInvalidCommand},
		"error-card":   &nfc.Error{Op: "select", SW: nfc.SWNotFound, Err: nfc.SWNotFound},
	} {
		var text, asJSON bytes.Buffer
		view.Error(&text, false, err, 4, "do this\nthen that")
		view.Error(&asJSON, true, err, 4, "do this\nthen that")
		golden(t, name+".txt", text.Bytes())
		golden(t, name+".json", asJSON.Bytes())
	}
}

func TestTapeGolden(t *testing.T) {
	records := []transcript.Record{
		{Line: 2, Time: 1834 * time.Microsecond, Dir: transcript.Out, Level: transcript.APDU, Data: []byte{0x80, 0x10, 0x80, 0, 1, 4, 0}},
		{Line: 3, Time: 2 * time.Second, Dir: transcript.In, Level: transcript.APDU, Data: []byte{0, 0xa0, 0x90, 0}},
		{Line: 4, Level: transcript.Gap, Cut: "the rest"},
	}
	header := transcript.Header{Version: 1, Transport: transcript.NFC, Device: map[string]string{"product": "a card"}, Tool: "touchstone", Seed: []byte("secret seed"), Recorded: time.Date(2026, 11, 21, 0, 0, 0, 0, time.UTC)}
	for ext, asJSON := range map[string]bool{".jsonl": true, ".txt": false} {
		var b bytes.Buffer
		tape := view.NewTape(&b, asJSON)
		if err := tape.Header(header); err != nil {
			t.Fatal(err)
		}
		for _, r := range records {
			if err := tape.Record(r); err != nil {
				t.Fatal(err)
			}
		}
		if err := tape.End(transcript.EndCut); err != nil {
			t.Fatal(err)
		}
		golden(t, "transcript-show"+ext, b.Bytes())
		if strings.Contains(b.String(), "secret") || strings.Contains(b.String(), hex.EncodeToString([]byte("secret"))) {
			t.Errorf("the seed is shown: %s", b.String())
		}
	}
}

// TestNoControlCharacters: what a device calls itself does not reach the
// terminal as it is.
func TestNoControlCharacters(t *testing.T) {
	evil := "\x1b]0;owned\x07\x9b2J\r"
	i := info(t, "a1 01 80")
	i.Versions = []string{evil}
	var text, failed bytes.Buffer
	if err := view.Write(&text, false, view.DeviceInfo{Device: devices.Info{Product: evil}, Info: i}); err != nil {
		t.Fatal(err)
	}
	view.Error(&failed, false, errors.New(evil), 1, evil)
	for _, s := range []string{text.String(), failed.String()} {
		if strings.ContainsAny(s, "\x1b\x07\r\u009b") || !strings.Contains(s, "?]0;owned?") {
			t.Errorf("%q", s)
		}
	}
}

// TestNoForgedLines: what a key says of itself does not look like another key, or
// another event.
func TestNoForgedLines(t *testing.T) {
	evil := usb
	evil.Product = "Key\nhid:/dev/hidraw9"
	evil.Identity = &devices.Identity{Versions: []string{"FIDO_2_0\r\nhid:/dev/hidraw8  usb"}, Firmware: "1\n"}
	var list, event bytes.Buffer
	if err := view.Write(&list, false, view.DeviceList{Listing: devices.Listing{Devices: []devices.Info{evil}}}); err != nil {
		t.Fatal(err)
	}
	if err := view.WriteLine(&event, false, view.DeviceChange{Change: devices.Change{Kind: devices.Added, Device: evil}}); err != nil {
		t.Fatal(err)
	}
	if n := strings.Count(list.String(), "\n"); n != 4 {
		t.Errorf("%d lines: %s", n, list.String())
	}
	if n := strings.Count(event.String(), "\n"); n != 1 {
		t.Errorf("%d lines: %s", n, event.String())
	}
}

// TestNoGoldenIsLeftOver fails on a golden file that no test reads.
func TestNoGoldenIsLeftOver(t *testing.T) {
	files, err := os.ReadDir("testdata")
	if err != nil {
		t.Fatal(err)
	}
	known := map[string]bool{"device-list-notes": true, "device-list-asked-notes": true, "device-events": true, "events": true, "error": true, "error-plain": true, "error-vendor": true, "error-hid": true, "error-card": true, "transcript-show": true, "losses": true, "samples": true, "event-sample": true}
	known["reset-losses"] = true
	for name := range results(t) {
		known[name] = true
	}
	for name := range verbs() {
		known[name] = true
	}
	for _, f := range files {
		if name, _, _ := strings.Cut(f.Name(), "."); !known[name] {
			t.Errorf("testdata/%s belongs to no test", f.Name())
		}
	}
}

// TestNoFindingIsLost: whatever an identifier begins with, there is a heading
// for it.
func TestNoFindingIsLost(t *testing.T) {
	var text bytes.Buffer
	report := doctor.Run(t.Context(), doctor.Config{NoOpen: true})
	for _, id := range []string{"windows.elevation", "usb.bound:1-1:1.0", "session.seat", "udev.masked:x", "pcsc.reader-taken:1-1:1.2", "sandbox"} {
		report.Findings = append(report.Findings, doctor.Finding{ID: id, Status: doctor.OK, Summary: "found"})
	}
	if err := view.Write(&text, false, view.Doctor{Report: report}); err != nil {
		t.Fatal(err)
	}
	for _, f := range report.Findings {
		if !strings.Contains(text.String(), " "+f.ID+": "+view.CleanText(f.Summary)) {
			t.Errorf("%s is not in\n%s", f.ID, text.String())
		}
	}
}
