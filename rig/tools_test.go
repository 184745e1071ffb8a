//go:build linux

package rig

import (
	"bytes"
	"encoding/base64"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/touchstone-fido/touchstone/devices/discover"
	"github.com/touchstone-fido/touchstone/devices/virtual"
	"github.com/touchstone-fido/touchstone/devices/virtual/profiles"
)

// tools are Debian's fido2-token, fido2-cred and fido2-assert on one key. They
// read PINs from standard input, as the guest has no terminal.
type tools struct {
	t    *testing.T
	node string
	pin  string
	dir  string
}

func newTools(t *testing.T, k *key) *tools {
	t.Helper()
	u := &tools{t: t, node: k.find(discover.Hidraw).Path, pin: "24680", dir: t.TempDir()}
	u.token(0, lines(u.pin, u.pin), "-S")
	return u
}

// lines is a file of lines, or what somebody types.
func lines(all ...string) string { return strings.Join(all, "\n") + "\n" }

func b64(b []byte) string { return base64.StdEncoding.EncodeToString(b) }

// token runs fido2-token on the key and returns what it printed.
func (u *tools) token(exit int, stdin string, args ...string) string {
	u.t.Helper()
	return start(u.t, stdin, nil, "fido2-token", append(args, u.node)...).wait(exit).out.String()
}

// withPIN is token, where the PIN is asked for.
func (u *tools) withPIN(args ...string) string {
	u.t.Helper()
	return u.token(0, lines(u.pin), args...)
}

// file writes lines into a new file and returns its path.
func (u *tools) file(name string, all ...string) string {
	u.t.Helper()
	path := filepath.Join(u.dir, name)
	if err := os.WriteFile(path, []byte(lines(all...)), 0o600); err != nil {
		u.t.Fatal(err)
	}
	return path
}

// read returns the lines of a file.
func (u *tools) read(path string) []string {
	u.t.Helper()
	b, err := os.ReadFile(path)
	if err != nil {
		u.t.Fatal(err)
	}
	return strings.Split(strings.TrimSuffix(string(b), "\n"), "\n")
}

// made is a credential that fido2-cred made and verified.
type made struct {
	rp, id, largeBlobKey string
	publicKey            string // the file, as fido2-assert reads it
	kind                 string // of the key
}

// lookalike is a key that looks like a product. Debian's libfido2, 1.12, manages
// credentials and fingerprints with the commands of CTAP 2.1's drafts alone, 0x41
// and 0x40, which products have beside those of the standard.
func lookalike(t *testing.T, name string) *virtual.Profile {
	t.Helper()
	model, err := profiles.Named(name)
	if err != nil {
		t.Fatal(err)
	}
	return model.Profile
}

const (
	likeYubiKey = "yubikey-5-nfc-5.7"
	likeBio     = "yubikey-bio-5.7"
)

// credential has fido2-cred make a credential and verify its attestation.
func (u *tools) credential(rp, user, kind string, flags ...string) made {
	u.t.Helper()
	asked := u.file("asked", b64(bytes.Repeat([]byte{1}, 32)), rp, user, b64([]byte("handle of "+user)))
	answer, verified := filepath.Join(u.dir, "answer"), filepath.Join(u.dir, "verified")
	start(u.t, lines(u.pin), nil, "fido2-cred", slices.Concat([]string{"-M", "-i", asked, "-o", answer}, flags, []string{u.node, kind})...).wait(0)
	got := u.read(answer)
	if len(got) < 7 || got[1] != rp || got[2] != "packed" {
		u.t.Fatalf("fido2-cred says %q", got)
	}
	m := made{rp: rp, id: got[4], kind: kind, publicKey: filepath.Join(u.dir, "key-"+rp+"-"+user)}
	check := []string{}
	for i, flag := range flags {
		switch flag {
		case "-b":
			m.largeBlobKey = got[len(got)-1]
		case "-h", "-v":
			check = append(check, flag)
		case "-c":
			check = append(check, flag, flags[i+1])
		}
	}
	start(u.t, "", nil, "fido2-cred", slices.Concat([]string{"-V", "-i", answer, "-o", verified}, check, []string{kind})...).wait(0)
	both := u.read(verified)
	if both[0] != m.id {
		u.t.Fatalf("fido2-cred -V says %q, -M said %q", both[0], m.id)
	}
	u.file(filepath.Base(m.publicKey), both[1:]...)
	return m
}

// assert has fido2-assert get an assertion, which is verified, and returns the
// lines of the answer. With -r the key finds the credential, with -h there is a
// salt.
func (u *tools) assert(m made, salt []byte, flags ...string) []string {
	u.t.Helper()
	asked := []string{b64(bytes.Repeat([]byte{2}, 32)), m.rp}
	if !slices.Contains(flags, "-r") {
		asked = append(asked, m.id)
	}
	var check []string
	if salt != nil {
		asked, flags, check = append(asked, b64(salt)), append(flags, "-h"), append(check, "-h")
	}
	if slices.Contains(flags, "-v") {
		check = append(check, "-v")
	}
	answer := filepath.Join(u.dir, "assertion")
	start(u.t, lines(u.pin), nil, "fido2-assert", slices.Concat([]string{"-G", "-i", u.file("asked", asked...), "-o", answer}, flags, []string{u.node})...).wait(0)
	start(u.t, "", nil, "fido2-assert", slices.Concat([]string{"-V", "-i", answer}, check, []string{m.publicKey, m.kind})...).wait(0)
	return u.read(answer)
}

// TestLibfido2Ceremonies: fido2-cred and fido2-assert make, use and verify
// credentials of each kind of key, with hmac-secret and credProtect.
func TestLibfido2Ceremonies(t *testing.T) {
	u := newTools(t, plugIn(t, options{}))
	for _, kind := range []string{"es256", "es384", "eddsa"} {
		m := u.credential("plain.example", kind, kind)
		u.assert(m, nil)
		u.assert(m, nil, "-v")
	}

	m := u.credential("secret.example", "alice", "es256", "-h", "-r", "-v")
	salts := [][]byte{bytes.Repeat([]byte{7}, 32), bytes.Repeat([]byte{8}, 32)}
	secret := func(salt []byte, flags ...string) string {
		got := u.assert(m, salt, flags...)
		return got[len(got)-1]
	}
	first := secret(salts[0])
	if raw, err := base64.StdEncoding.DecodeString(first); err != nil || len(raw) != 32 {
		t.Errorf("hmac-secret %q, %v", first, err)
	}
	for what, again := range map[string]struct {
		got  string
		same bool
	}{
		"the same salt again":               {secret(salts[0]), true},
		"with the credential found":         {secret(salts[0], "-r"), true},
		"another salt":                      {secret(salts[1]), false},
		"the user verified":                 {secret(salts[0], "-v"), false},
		"verified and found, so once again": {secret(salts[0], "-v", "-r"), false},
	} {
		if (again.got == first) != again.same {
			t.Errorf("%s: %q after %q", what, again.got, first)
		}
	}

	hidden := u.credential("hidden.example", "bob", "es256", "-c", "3", "-r", "-v")
	u.assert(hidden, nil, "-v")
	asked := u.file("asked", b64(bytes.Repeat([]byte{2}, 32)), hidden.rp, hidden.id)
	p := start(t, "", nil, "fido2-assert", "-G", "-i", asked, u.node).wait(1)
	p.told("FIDO_ERR_NO_CREDENTIALS")
}

// TestFido2TokenManages: fido2-token changes the PIN, lists and deletes
// credentials, and stores, reads and deletes large blobs.
func TestFido2TokenManages(t *testing.T) {
	u := newTools(t, plugIn(t, options{virtual: virtual.Config{Profile: lookalike(t, likeYubiKey)}}))
	u.token(1, lines("13579", "98765", "98765"), "-C")
	u.token(0, lines(u.pin, "135790", "135790"), "-C")
	u.pin = "135790"

	a, b := u.credential("one.example", "alice", "es256", "-r", "-b"), u.credential("two.example", "bob", "eddsa", "-r")
	listed := u.withPIN("-L", "-r")
	for _, rp := range []string{"one.example", "two.example"} {
		if !strings.Contains(listed, " "+rp+"\n") {
			t.Errorf("fido2-token -L -r says\n%s", listed)
		}
	}
	// Number, ID, name to show, handle, kind and credProtect of each.
	words := strings.Fields(u.withPIN("-L", "-k", "one.example"))
	if len(words) < 4 || words[1] != a.id {
		t.Fatalf("fido2-token -L -k says %q, the credential is %s", words, a.id)
	}
	// The drafts' command has no subcommand that changes the user.
	p := start(t, lines(u.pin), nil, "fido2-token", "-S", "-c", "-i", a.id, "-k", b64([]byte("handle of alice")), "-n", "alicia", "-p", "Alicia", u.node).wait(1)
	p.told("fido_credman_set_dev_rk")

	blob, back := u.file("blob", strings.Repeat("what is kept ", 60)), filepath.Join(u.dir, "back")
	u.withPIN("-S", "-b", "-n", a.rp, "-i", a.id, blob)
	u.withPIN("-G", "-b", "-n", a.rp, "-i", a.id, back)
	u.token(0, "", "-G", "-b", "-k", u.file("largeBlobKey", a.largeBlobKey), back+"2")
	for _, path := range []string{back, back + "2"} {
		if !slices.Equal(u.read(path), u.read(blob)) {
			t.Errorf("the blob came back as %q", u.read(path))
		}
	}
	if said := u.withPIN("-L", "-b"); len(strings.Fields(said)) == 0 {
		t.Error("fido2-token lists no blob")
	}
	u.withPIN("-D", "-b", "-n", a.rp, "-i", a.id)
	if said := u.withPIN("-L", "-b"); strings.TrimSpace(said) != "" {
		t.Errorf("after the deletion fido2-token lists blobs: %q", said)
	}

	u.withPIN("-D", "-i", b.id)
	if said := u.withPIN("-L", "-r"); strings.Contains(said, "two.example") || !strings.Contains(said, "one.example") {
		t.Errorf("after the deletion fido2-token says\n%s", said)
	}
}

// TestFido2TokenConfigures: fido2-token sets what authenticatorConfig has.
func TestFido2TokenConfigures(t *testing.T) {
	u := newTools(t, plugIn(t, options{}))
	info := func(want string) {
		t.Helper()
		if said := u.token(0, "", "-I"); !strings.Contains(said, want) {
			t.Errorf("no %q in\n%s", want, said)
		}
	}
	info(", noalwaysUv")
	u.withPIN("-S", "-u")
	info(" alwaysUv")
	u.withPIN("-D", "-u")
	info(", noalwaysUv")
	u.withPIN("-S", "-l", "6")
	info("minpinlen: 6")
	u.token(1, lines(u.pin), "-S", "-m", "one.example,two.example") // with a PIN that is too short now
	u.token(0, lines(u.pin, "135790", "135790"), "-C")
	u.pin = "135790"
	u.withPIN("-S", "-m", "one.example,two.example")
	u.withPIN("-S", "-f")
	info("pin change required: true")
}

// TestFido2TokenFingers: fido2-token enrols, names and deletes a fingerprint.
func TestFido2TokenFingers(t *testing.T) {
	u := newTools(t, plugIn(t, options{virtual: virtual.Config{Profile: lookalike(t, likeBio), Finger: virtual.Touching("thumb")}}))
	u.withPIN("-S", "-e")
	listed := strings.Fields(u.withPIN("-L", "-e"))
	if len(listed) < 2 {
		t.Fatalf("fido2-token lists %q", listed)
	}
	u.withPIN("-S", "-e", "-i", listed[1], "-n", "thumb")
	if said := u.withPIN("-L", "-e"); !strings.Contains(said, "thumb") {
		t.Errorf("fido2-token lists %q", said)
	}
	m := u.credential("finger.example", "alice", "es256", "-r", "-v")
	u.assert(m, nil, "-v", "-r")
	u.withPIN("-D", "-e", "-i", listed[1])
	start(t, lines(u.pin), nil, "fido2-token", "-L", "-e", u.node).wait(1).told("FIDO_ERR_INVALID_OPTION") // there is none
}

// TestFido2TokenResets: a reset is done within ten seconds of plugging in.
func TestFido2TokenResets(t *testing.T) {
	kept := virtual.NewMemory()
	first := plugIn(t, options{virtual: virtual.Config{Profile: lookalike(t, likeYubiKey), Store: kept}})
	u := newTools(t, first)
	u.credential("one.example", "alice", "es256", "-r")
	first.pull()

	k := plugIn(t, options{virtual: virtual.Config{Profile: lookalike(t, likeYubiKey), Store: kept}})
	u.node = k.find(discover.Hidraw).Path
	if said := u.token(0, "", "-I"); !strings.Contains(said, ", clientPin") {
		t.Fatalf("the key has no PIN any more:\n%s", said)
	}
	u.token(0, "", "-R")
	if said := u.token(0, "", "-I"); !strings.Contains(said, "noclientPin") {
		t.Errorf("after the reset fido2-token says\n%s", said)
	}
	u.token(0, lines(u.pin, u.pin), "-S")
	start(t, lines(u.pin), nil, "fido2-token", "-L", "-r", u.node).wait(1).told("FIDO_ERR_NO_CREDENTIALS")
}
