package view_test

import (
	"bytes"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"strings"
	"testing"
	"time"

	"github.com/touchstone-fido/touchstone/cmd/internal/view"
	"github.com/touchstone-fido/touchstone/ctap2"
	"github.com/touchstone-fido/touchstone/devices"
	"github.com/touchstone-fido/touchstone/devices/manage"
)

// es256 is a COSE_Key.
const es256 = "a5010203262001215820" + "1111111111111111111111111111111111111111111111111111111111111111" +
	"225820" + "2222222222222222222222222222222222222222222222222222222222222222"

// stored is a passkey with an ID of 16 bytes that begins as told.
func stored(id, rp, user, display string) manage.Passkey {
	whole, err := hex.DecodeString(id + strings.Repeat("0", 32-len(id)))
	if err != nil {
		panic(err)
	}
	key, err := hex.DecodeString(es256)
	if err != nil {
		panic(err)
	}
	hash := sha256.Sum256([]byte(rp))
	p := manage.Passkey{RP: ctap2.StoredRP{RelyingParty: ctap2.RelyingParty{ID: rp}, IDHash: hash[:]}}
	p.ID, p.PublicKey = ctap2.Descriptor{ID: whole, Type: "public-key"}, key
	p.User = ctap2.User{ID: []byte("handle of " + user), Name: user, DisplayName: display}
	return p
}

// three are passkeys of all sorts: everything told, a relying party ID that is cut
// and little told, nothing told that need not be.
func three() []manage.Passkey {
	pays := true
	all := []manage.Passkey{
		stored("a3f09c11", "example.com", "alice", "Alice <3"),
		stored("a3f09c11aa", "a-rather-long-name-for-a-host.example.com", "bob@example.com", ""),
		stored("0b", "example.org", "", ""),
	}
	all[0].RP.Name, all[0].CredProtect, all[0].LargeBlobKey, all[0].ThirdPartyPayment = "Example", ctap2.CredProtectRequired, make([]byte, 32), &pays
	all[1].RP.ID, all[1].CredProtect, all[1].LargeBlobKey = all[1].RP.ID[:32], ctap2.CredProtectOptionalList, make([]byte, 32)
	all[2].PublicKey = []byte("not CBOR")
	return all
}

func yes() *bool       { v := true; return &v }
func no() *bool        { v := false; return &v }
func num(n uint) *uint { return &n }
func finger(id byte, name string) ctap2.Template {
	return ctap2.Template{ID: []byte{id, 0x02}, Name: name}
}

// managed are the results of the commands that manage a key.
func managed() map[string]view.Result {
	all := three()
	few := ctap2.CredentialsMetadata{Existing: 3, Remaining: 22}
	touch := ctap2.SensorInfo{Kind: ctap2.FingerprintTouch, MaxSamples: 4, MaxNameLength: 15}
	strict := manage.Policy{
		AlwaysUV: yes(), MakeCredUVNotRqd: no(), MinPINLength: num(8), MaxPINLength: num(63), MaxMinPINLengthRPIDs: num(8),
		ForcePINChange: yes(), PINComplexityPolicy: no(), ComplexityURL: "https://example.com/pins", EnterpriseAttestation: no(),
		LongTouchForReset: yes(), Vendor: []uint64{0x1234, 1<<64 - 1},
		Changeable: []manage.Setting{manage.AlwaysUV, manage.MinPINLength, manage.MinPINLengthRPIDs, manage.ForcePINChange, manage.EnterpriseAttestation},
	}
	return map[string]view.Result{
		"passkeys":      view.Passkeys{Device: usb, All: all, Metadata: few},
		"passkeys-some": view.Passkeys{Device: usb, All: all[:1], Metadata: few},
		"passkeys-none": view.Passkeys{Device: card, Metadata: ctap2.CredentialsMetadata{Remaining: 25}},
		"passkey":       view.Passkey{Device: usb, Passkey: all[0]},
		"passkey-cut":   view.Passkey{Device: usb, Passkey: all[1]},
		"passkey-bare":  view.Passkey{Device: usb, Passkey: all[2]},
		"passkey-rename": view.PasskeyRenamed{
			Device: usb, Passkey: all[0], Before: ctap2.User{ID: []byte("handle of alice"), Name: "al"}, Changed: true, Cut: true,
		},
		"passkey-rename-same": view.PasskeyRenamed{Device: usb, Passkey: all[0], Before: all[0].User},
		"passkey-delete":      view.PasskeyDeleted{Device: usb, Passkey: all[0], Metadata: ctap2.CredentialsMetadata{Existing: 2, Remaining: 23}, BlobLeft: 81},
		"passkey-delete-bare": view.PasskeyDeleted{Device: usb, Passkey: all[2], Metadata: ctap2.CredentialsMetadata{Existing: 1, Remaining: 24}},
		"fingerprints":        view.Fingerprints{Device: usb, Sensor: touch, All: []ctap2.Template{finger(1, "left thumb"), finger(2, "")}},
		"fingerprints-none":   view.Fingerprints{Device: usb, Sensor: ctap2.SensorInfo{Kind: ctap2.FingerprintSwipe, MaxSamples: 1}},
		"fingerprint-added":   view.FingerprintChanged{Device: usb, Action: view.FingerprintAdded, Fingerprint: finger(1, "thumb"), Changed: true, Enrolled: 1},
		"fingerprint-renamed": view.FingerprintChanged{
			Device: usb, Action: view.FingerprintRenamed, Fingerprint: finger(1, "left"), Before: "thumb", Changed: true, Enrolled: 2,
		},
		"fingerprint-same":    view.FingerprintChanged{Device: usb, Action: view.FingerprintRenamed, Fingerprint: finger(1, "left"), Before: "left", Enrolled: 2},
		"fingerprint-deleted": view.FingerprintChanged{Device: usb, Action: view.FingerprintDeleted, Fingerprint: finger(1, ""), Changed: true, Enrolled: 0},
		"passkey-state":       view.PasskeyState{Device: usb, Known: true, Identifier: make([]byte, 16), StoreState: bytes.Repeat([]byte{0xf7}, 16), Changed: no()},
		"passkey-state-other": view.PasskeyState{Device: usb, Known: true, Identifier: make([]byte, 16), StoreState: bytes.Repeat([]byte{0xf7}, 16), Changed: yes()},
		"passkey-state-mute":  view.PasskeyState{Device: usb, Known: true, Identifier: make([]byte, 16)},
		"passkey-state-none":  view.PasskeyState{Device: usb},
		"vendor-answer":       view.VendorAnswer{Device: usb, Command: 0x1f3a, Answer: []byte{0xa1, 1, 2}},
		"vendor-answer-none":  view.VendorAnswer{Device: usb, Command: 1<<64 - 1},
		"policy":              view.Policy{Device: usb, Policy: strict},
		"policy-none":         view.Policy{Device: usb},
		"policy-change": view.PolicyChanged{Device: usb, Policy: strict, Changes: []manage.Change{
			{Setting: manage.AlwaysUV, Before: false, After: true}, {Setting: manage.MinPINLength, Before: uint(4), After: uint(8), Final: true},
			{Setting: manage.MinPINLengthRPIDs, After: []string{"example.com", "example.org"}},
		}},
		"policy-change-none": view.PolicyChanged{Device: usb, Policy: manage.Policy{AlwaysUV: yes()}},
		"blobs": view.Blobs{
			Device: usb, All: []view.PasskeyBlob{
				{Passkey: all[0], Has: true, Size: 12, Stored: 81}, {Passkey: all[1]}, {Passkey: all[2], Has: true, Stored: 50, Err: errors.New("large blob: does not inflate")},
			},
			Array: &view.BlobArray{Capacity: 1024, Used: 200, Free: 824, Orphans: 1, OrphanBytes: 52, Foreign: 2, Damaged: true},
		},
		"blobs-none":      view.Blobs{Device: usb, Array: &view.BlobArray{Capacity: 1024, Used: 17, Free: 1007}},
		"blobs-kept":      view.Blobs{Device: usb, All: []view.PasskeyBlob{{Passkey: all[0], Has: true, Size: 12}, {Passkey: all[2]}}},
		"blob":            view.Blob{Device: usb, Passkey: all[0], Data: []byte("\x00\xff blob")},
		"blob-file":       view.Blob{Device: usb, Passkey: all[0], Data: []byte("blob"), File: "blob.bin"},
		"blob-stored":     view.BlobChanged{Device: usb, Action: view.BlobStored, Passkey: &all[0], Blobs: 1, Size: 12, Stored: 81, Free: num(926)},
		"blob-replaced":   view.BlobChanged{Device: usb, Action: view.BlobReplaced, Passkey: &all[0], Blobs: 1, Size: 12, Stored: 81, Free: num(926)},
		"blob-unchanged":  view.BlobChanged{Device: usb, Action: view.BlobUnchanged, Passkey: &all[0], Size: 12, Stored: 81, Free: num(926)},
		"blob-kept":       view.BlobChanged{Device: usb, Action: view.BlobStored, Passkey: &all[0], Blobs: 1, Size: 12},
		"blob-deleted":    view.BlobChanged{Device: usb, Action: view.BlobDeleted, Passkey: &all[0], Blobs: 1, Stored: 81, Free: num(1007)},
		"blobs-collected": view.BlobChanged{Device: usb, Action: view.BlobCollected, Blobs: 2, Stored: 133, Free: num(1007)},
		"blobs-nothing":   view.BlobChanged{Device: usb, Action: view.BlobCollected, Free: num(1007)},
	}
}

// losses are the texts in front of the gate.
func losses() map[string]string {
	all := three()
	return map[string]string{
		"passkey":          view.PasskeyLoss(all[0], 81),
		"passkey, no blob": view.PasskeyLoss(all[1], 0),
		"finger":           view.FingerprintLoss(finger(1, "thumb"), 2),
		"last finger":      view.FingerprintLoss(finger(1, ""), 1),
		"blob":             view.BlobLoss(all[0], 81, false),
		"other blob":       view.BlobLoss(all[0], 81, true),
		"vendor":           view.VendorLoss(0x1f3a),
		"kept blob":        view.KeptBlobLoss(all[0]),
		"orphans":          view.OrphanLoss(2, 133),
		"policy": view.PolicyLoss([]manage.Change{
			{Setting: manage.AlwaysUV, Before: false, After: true}, {Setting: manage.AlwaysUV, Before: true, After: false},
			{Setting: manage.MinPINLength, Before: uint(4), After: uint(8), Final: true},
			{Setting: manage.MinPINLengthRPIDs, After: []string{"example.com"}}, {Setting: manage.ForcePINChange, Before: false, After: true},
			{Setting: manage.PINComplexityPolicy, Before: false, After: true, Final: true},
			{Setting: manage.EnterpriseAttestation, Before: false, After: true, Final: true},
			{Setting: manage.LongTouchForReset, Before: false, After: true, Final: true},
		}),
	}
}

func TestLossesGolden(t *testing.T) {
	var b bytes.Buffer
	for _, name := range []string{"passkey", "passkey, no blob", "finger", "last finger", "blob", "other blob", "kept blob", "orphans", "policy", "vendor"} {
		b.WriteString("# " + name + "\n" + losses()[name] + "\n")
	}
	golden(t, "losses.txt", b.Bytes())
}

// TestSamplesGolden: every status that the standard has for a sample has words.
func TestSamplesGolden(t *testing.T) {
	var b bytes.Buffer
	for status := ctap2.SampleGood; status <= ctap2.SampleNoPresenceTransition+1; status++ {
		b.WriteString(view.SampleText(int(status)+1, ctap2.Sample{Status: status, Remaining: 2 - min(2, uint(status))}) + "\n")
	}
	golden(t, "samples.txt", b.Bytes())
}

func TestSampleEventGolden(t *testing.T) {
	var b bytes.Buffer
	at := time.Date(2026, 11, 21, 20, 11, 0, 7e6, time.UTC)
	for n, s := range []ctap2.Sample{{Status: ctap2.SampleTooHigh, Remaining: 1}, {Status: ctap2.SampleGood}} {
		if err := view.WriteJSONLine(&b, view.SampleEvent(at, n+1, s)); err != nil {
			t.Fatal(err)
		}
	}
	golden(t, "event-sample.jsonl", b.Bytes())
}

// TestNoSecretsOfPasskeys: the key of a large blob is shown by nothing.
func TestNoSecretsOfPasskeys(t *testing.T) {
	secret := bytes.Repeat([]byte{0x5e}, 32)
	for name, r := range managed() {
		switch v := r.(type) {
		case view.Passkeys:
			for i := range v.All {
				v.All[i].LargeBlobKey = secret
			}
		case view.Passkey:
			v.Passkey.LargeBlobKey = secret
			r = v
		}
		for _, asJSON := range []bool{true, false} {
			var b bytes.Buffer
			if err := view.Write(&b, asJSON, r); err != nil {
				t.Fatal(err)
			}
			if s := b.String(); strings.Contains(s, "Xl5eXl5e") || strings.Contains(s, "5e5e5e5e") {
				t.Errorf("%s: %s", name, s)
			}
		}
	}
}

// TestNoForgedPasskeys: what a key says of a passkey does not look like another, in
// tables and in front of the gate.
func TestNoForgedPasskeys(t *testing.T) {
	evil := stored("0b", "example.com\nb00b1e55  example.net", "alice\r\n  cafe", "x\x1b[2J\n")
	evil.RP.Name = "A\nB"
	var list bytes.Buffer
	if err := view.Write(&list, false, view.Passkeys{Device: devices.Info{}, All: []manage.Passkey{evil}, Metadata: ctap2.CredentialsMetadata{Existing: 1}}); err != nil {
		t.Fatal(err)
	}
	if n := strings.Count(list.String(), "\n"); n != 3 || strings.ContainsRune(list.String(), '\x1b') {
		t.Errorf("%d lines: %s", n, list.String())
	}
	loss := view.PasskeyLoss(evil, 0)
	if n := strings.Count(loss, "\n"); n != 1 || strings.ContainsRune(loss, '\x1b') {
		t.Errorf("%q", loss)
	}
	if loss := view.FingerprintLoss(finger(1, "thumb\nfake"), 2); strings.ContainsRune(loss, '\n') {
		t.Errorf("%q", loss)
	}
}
