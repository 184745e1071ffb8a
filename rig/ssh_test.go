//go:build linux

package rig

import (
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/touchstone-fido/touchstone/devices/virtual"
)

// sshd is Debian's server of OpenSSH on the loopback, to which the public key may
// log in.
func sshd(t *testing.T, publicKey string) (port string) {
	t.Helper()
	dir := t.TempDir()
	hostKey := filepath.Join(dir, "host")
	start(t, "", nil, "ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-f", hostKey).wait(0)
	free, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	_, port, _ = net.SplitHostPort(free.Addr().String())
	free.Close()
	config := filepath.Join(dir, "config")
	text := lines("ListenAddress 127.0.0.1:"+port, "HostKey "+hostKey, "AuthorizedKeysFile "+publicKey, "PidFile none",
		"AuthenticationMethods publickey", "PermitRootLogin yes", "StrictModes no", "UsePAM no")
	if err := os.WriteFile(config, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	server := exec.Command("/bin/sshd", "-D", "-e", "-f", config)
	var said strings.Builder
	server.Stderr = &said
	if err := server.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := server.Process.Signal(os.Interrupt); err != nil {
			t.Error(err)
		}
		server.Wait()
		if t.Failed() {
			t.Logf("sshd said\n%s", &said)
		}
	})
	for end := time.Now().Add(limit); ; time.Sleep(20 * time.Millisecond) {
		conn, err := net.Dial("tcp", "127.0.0.1:"+port)
		if err == nil {
			conn.Close()
			return port
		}
		if time.Now().After(end) {
			t.Fatalf("sshd does not listen: %v", err)
		}
	}
}

// askPass has OpenSSH get the answers to its questions from a program: the PIN,
// and nothing to "confirm user presence".
func askPass(t *testing.T, pin string) {
	t.Helper()
	script := filepath.Join(t.TempDir(), "askpass")
	text := lines("#!/bin/sh", `case "$1" in`, "*PIN*) echo "+pin+" ;;", "*) echo ;;", "esac")
	if err := os.WriteFile(script, []byte(text), 0o700); err != nil {
		t.Fatal(err)
	}
	t.Setenv("SSH_ASKPASS", script)
	t.Setenv("SSH_ASKPASS_REQUIRE", "force")
	t.Setenv("DISPLAY", ":0")
}

// login logs in with an identity and runs a command there. It wants an exit
// status: 0, or 255 where ssh could not log in.
func login(t *testing.T, port, identity string, exit int) {
	t.Helper()
	const word = "a login by a security key"
	p := start(t, "", nil, "ssh", "-F", "none", "-p", port, "-i", identity, "-o", "IdentitiesOnly=yes",
		"-o", "StrictHostKeyChecking=no", "-o", "UserKnownHostsFile=/dev/null", "-o", "LogLevel=ERROR",
		"-o", "PreferredAuthentications=publickey", "root@127.0.0.1", "echo "+word).wait(exit)
	if got := strings.TrimSpace(p.out.String()); (exit == 0) != (got == word) {
		t.Errorf("the server's shell says %q\n%s", got, &p.err)
	}
}

// TestOpenSSH: ssh-keygen makes keys of both kinds on the security key, resident
// and verifying the user too, and a login with each works while the key is there.
func TestOpenSSH(t *testing.T) {
	const pin = "24680"
	for _, kind := range []string{"ecdsa-sk", "ed25519-sk"} {
		for _, more := range [][]string{nil, {"resident", "verify-required"}} {
			name := strings.Join(append([]string{kind}, more...), " ")
			t.Run(name, func(t *testing.T) {
				k := plugIn(t, options{virtual: virtual.Config{Profile: lookalike(t, likeYubiKey)}})
				newTools(t, k) // sets the PIN
				askPass(t, pin)
				identity := filepath.Join(t.TempDir(), "id")
				args := []string{"-q", "-t", kind, "-N", "", "-f", identity}
				for _, o := range more {
					args = append(args, "-O", o)
				}
				start(t, "", nil, "ssh-keygen", args...).wait(0)
				port := sshd(t, identity+".pub")
				login(t, port, identity, 0)
				if len(more) > 0 {
					sameFromKey(t, identity)
				}
				k.pull()
				login(t, port, identity, 255)
			})
		}
	}
}

// sameFromKey has ssh-keygen load the resident keys from the security key, of
// which there is one, and wants the public key that it made.
func sameFromKey(t *testing.T, identity string) {
	t.Helper()
	dir := t.TempDir()
	load := exec.CommandContext(t.Context(), "/bin/ssh-keygen", "-q", "-K", "-N", "")
	load.Dir = dir
	if out, err := load.CombinedOutput(); err != nil {
		t.Fatalf("%s: %v\n%s", load, err, out)
	}
	found, err := filepath.Glob(filepath.Join(dir, "*.pub"))
	if err != nil || len(found) != 1 {
		t.Fatalf("ssh-keygen -K wrote %q, %v", found, err)
	}
	if got, want := publicKey(t, found[0]), publicKey(t, identity+".pub"); got != want {
		t.Errorf("ssh-keygen -K found %s, made was %s", got, want)
	}
}

// publicKey is the kind and the key in a file of OpenSSH, without the comment.
func publicKey(t *testing.T, path string) string {
	t.Helper()
	b, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	words := strings.Fields(string(b))
	if len(words) < 2 {
		t.Fatalf("%s has %q", path, b)
	}
	return words[0] + " " + words[1]
}
