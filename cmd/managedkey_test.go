package cmd_test

import (
	"context"
	"crypto/rand"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"maps"
	"net"
	"os"
	"slices"
	"strconv"
	"strings"
	"testing"

	"github.com/rogpeppe/go-internal/testscript"

	"github.com/touchstone-fido/touchstone/ctap2"
	"github.com/touchstone-fido/touchstone/ctap2/cose"
	"github.com/touchstone-fido/touchstone/ctap2/largeblob"
	"github.com/touchstone-fido/touchstone/ctap2/pinuv"
	"github.com/touchstone-fido/touchstone/ctaphid"
	"github.com/touchstone-fido/touchstone/ctaphid/simulator"
	"github.com/touchstone-fido/touchstone/devices"
	"github.com/touchstone-fido/touchstone/devices/virtual"
)

// keyPIN is the PIN of the keys of this file.
const keyPIN = "24680"

// keyKinds are the keys that a script can have by name.
var keyKinds = map[string]func() (virtual.Config, []func(*stock)){
	// factory-new, without a PIN
	"fresh": func() (virtual.Config, []func(*stock)) { return virtual.Config{}, nil },
	// with a PIN and no passkeys
	"empty": func() (virtual.Config, []func(*stock)) { return virtual.Config{}, []func(*stock){(*stock).setPIN} },
	// with a PIN, alice and bob at example.com and carol at example.org; alice and
	// carol can have large blobs, and there is one of nobody's
	"stocked": func() (virtual.Config, []func(*stock)) {
		return virtual.Config{}, []func(*stock){(*stock).setPIN, (*stock).fill, (*stock).orphan}
	},
	// with a PIN, of FIDO_2_1_PRE
	"preview": func() (virtual.Config, []func(*stock)) {
		return virtual.Config{Profile: previewModel()}, []func(*stock){(*stock).setPIN, (*stock).alice}
	},
	// with a PIN, of CTAP 2.0
	"old": func() (virtual.Config, []func(*stock)) {
		m := previewModel()
		m.Versions = []string{"FIDO_2_0"}
		delete(m.Options, "credentialMgmtPreview")
		return virtual.Config{Profile: m}, []func(*stock){(*stock).setPIN}
	},
	// U2F only
	"u2f": func() (virtual.Config, []func(*stock)) {
		m := virtual.DefaultProfile()
		m.Versions = []string{"U2F_V2"}
		return virtual.Config{Profile: m}, nil
	},
	// with a PIN, alice, and blobs that are kept with passkeys
	"keeper": func() (virtual.Config, []func(*stock)) {
		m := virtual.DefaultProfile()
		delete(m.Options, "largeBlobs")
		m.Extensions = append(slices.DeleteFunc(m.Extensions, func(x string) bool { return x == "largeBlobKey" }), "largeBlob")
		return virtual.Config{Profile: m}, []func(*stock){(*stock).setPIN, (*stock).alice}
	},
	// with a PIN and a sensor that a thumb touches whenever it is wanted
	"sensor": func() (virtual.Config, []func(*stock)) {
		return virtual.Config{Profile: virtual.FingerprintProfile(), Finger: virtual.Touching("thumb")}, []func(*stock){(*stock).setPIN}
	},
	// with a PIN and a sensor that nobody touches
	"idle": func() (virtual.Config, []func(*stock)) {
		return virtual.Config{Profile: virtual.FingerprintProfile()}, []func(*stock){(*stock).setPIN}
	},
	// with a PIN and a thumb, of FIDO_2_1_PRE
	"bio-preview": func() (virtual.Config, []func(*stock)) {
		m := previewModel()
		m.UV = virtual.FingerprintProfile().UV
		m.Options["uv"], m.Options["userVerificationMgmtPreview"] = false, false
		return virtual.Config{Profile: m, Finger: virtual.Touching("thumb")}, []func(*stock){(*stock).setPIN}
	},
	// with a PIN and a command of its maker
	"vendor": func() (virtual.Config, []func(*stock)) {
		m := virtual.DefaultProfile()
		m.VendorConfigCommands = []uint64{0x1f3a}
		m.ConfigCommands = append(m.ConfigCommands, 0xff)
		return virtual.Config{Profile: m}, []func(*stock){(*stock).setPIN}
	},
	// whose alwaysUv stays on
	"strict": func() (virtual.Config, []func(*stock)) {
		m := virtual.DefaultProfile()
		m.AlwaysUVStays, m.Options["alwaysUv"] = true, true
		return virtual.Config{Profile: m}, []func(*stock){(*stock).setPIN}
	},
}

func previewModel() *virtual.Profile {
	m := virtual.DefaultProfile()
	m.Versions = []string{"FIDO_2_0", "FIDO_2_1_PRE"}
	m.PINProtocols = []pinuv.Protocol{pinuv.One}
	m.Extensions = []string{"credProtect", "hmac-secret"}
	m.Options = map[string]bool{"rk": true, "up": true, "clientPin": false, "credentialMgmtPreview": true}
	m.LargeBlobs, m.ConfigCommands, m.EncIdentifier, m.EncStoreState = 0, nil, false, false
	m.PIN.Complexity, m.Reset.LongTouch, m.PIN.MaxRPIDs = nil, nil, 0
	return m
}

// spy is a key of which the messages are looked at.
type spy struct {
	*virtual.Authenticator
	sees func(msg []byte)
}

func (s spy) Message(ctx context.Context, msg []byte, keepalive func(byte)) []byte {
	s.sees(msg)
	return s.Authenticator.Message(ctx, msg, keepalive)
}

// offer serves a key to other programs and returns the selector that means it, and
// what ends it.
func offer(cfg virtual.Config, sees func([]byte), fill ...func(*stock)) (string, func(), error) {
	key, err := virtual.New(cfg)
	if err != nil {
		return "", nil, err
	}
	if sees == nil {
		sees = func([]byte) {}
	}
	model := key.Profile()
	caps := ctaphid.Capability(model.Capabilities())
	device := ctaphid.NewDevice(spy{key, sees}, ctaphid.DeviceConfig{Capabilities: &caps})
	if err := provide(device, fill); err != nil {
		return "", nil, err
	}
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return "", nil, err
	}
	ctx, stop := context.WithCancel(context.Background())
	done := make(chan error, 1)
	go func() { done <- simulator.ServeStream(ctx, listener, device.Connect, simulator.Config{}) }()
	return "tcp:" + listener.Addr().String(), func() {
		stop()
		<-done
		_ = device.Close()
		_ = key.Close()
	}, nil
}

// offered is offer for a Go test.
func offered(t *testing.T, cfg virtual.Config, sees func([]byte), fill ...func(*stock)) string {
	t.Helper()
	selector, end, err := offer(cfg, sees, fill...)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(end)
	return selector
}

// kind is offered for one of the keys that scripts have.
func kind(t *testing.T, name string) string {
	t.Helper()
	cfg, fill := keyKinds[name]()
	return offered(t, cfg, nil, fill...)
}

// stock puts things on a key before the program sees it. The first error counts.
type stock struct {
	conn *devices.Conn
	err  error
}

func provide(device *ctaphid.Device, fill []func(*stock)) error {
	if len(fill) == 0 {
		return nil
	}
	conn, err := devices.Connect(context.Background(), devices.Link{Reports: device.Connect()}, devices.Options{})
	if err != nil {
		return err
	}
	s := &stock{conn: conn}
	for _, do := range fill {
		do(s)
	}
	if s.err != nil {
		return s.err
	}
	return conn.Close()
}

func (s *stock) setPIN() {
	info, err := s.conn.GetInfo(context.Background())
	if err == nil {
		err = s.conn.SetPIN(context.Background(), info.PINUVAuthProtocol(), []byte(keyPIN))
	}
	s.fail(err)
}

func (s *stock) fail(err error) {
	if s.err == nil {
		s.err = err
	}
}

// token gets a token with permissions, or the one of CTAP 2.0.
func (s *stock) token(p ctap2.Permission, rpID string) *pinuv.Token {
	ctx := context.Background()
	info, err := s.conn.GetInfo(ctx)
	if err != nil {
		s.fail(err)
		return nil
	}
	token, err := s.conn.PINTokenWithPermissions(ctx, info.PINUVAuthProtocol(), []byte(keyPIN), p, rpID)
	if on, _ := info.Option(ctap2.OptionPINUVAuthToken); !on {
		token, err = s.conn.PINToken(ctx, info.PINUVAuthProtocol(), []byte(keyPIN))
	}
	s.fail(err)
	return token
}

// make makes a passkey and returns its largeBlobKey, if it asked for one.
func (s *stock) make(rpID, user string, x ctap2.CreationExtensions) []byte {
	if s.err != nil {
		return nil
	}
	r := &ctap2.MakeCredentialRequest{
		ClientDataHash: make([]byte, 32), RP: ctap2.RelyingParty{ID: rpID}, User: ctap2.User{ID: []byte("id of " + user), Name: user},
		Parameters: ctap2.Parameters(cose.ES256), Options: map[string]bool{"rk": true}, Extensions: x.Inputs(),
	}
	if token := s.token(ctap2.PermissionMakeCredential, rpID); token != nil {
		r.Authorize(token)
	}
	made, err := s.conn.MakeCredential(context.Background(), r)
	if err != nil {
		s.fail(err)
		return nil
	}
	return made.LargeBlobKey
}

func (s *stock) alice() { s.make("example.com", "alice", ctap2.CreationExtensions{}) }

func (s *stock) fill() {
	blobs := ctap2.CreationExtensions{LargeBlobKey: true}
	s.make("example.com", "alice", blobs)
	s.make("example.com", "bob", ctap2.CreationExtensions{CredProtect: ctap2.CredProtectRequired})
	s.make("example.org", "carol", blobs)
}

// orphan stores a blob of a passkey that there is not.
func (s *stock) orphan() {
	array := &largeblob.Array{}
	s.fail(array.Put(rand.Reader, make([]byte, largeblob.KeySize), []byte("nobody's")))
	s.fail(s.conn.WriteLargeBlobArray(context.Background(), s.token(ctap2.PermissionLargeBlobWrite, ""), array.Bytes()))
}

// provideKey is the command key of scripts.
func provideKey(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) != 2 || keyKinds[args[1]] == nil {
		ts.Fatalf("usage: key NAME KIND, of %v", slices.Sorted(maps.Keys(keyKinds)))
	}
	cfg, fill := keyKinds[args[1]]()
	selector, end, err := offer(cfg, nil, fill...)
	ts.Check(err)
	ts.Defer(end)
	ts.Setenv(args[0], selector)
}

// takeMember is the command take of scripts.
func takeMember(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) != 3 {
		ts.Fatalf("usage: take VARIABLE FILE MEMBER")
	}
	var v any
	ts.Check(json.Unmarshal([]byte(ts.ReadFile(args[1])), &v))
	for name := range strings.SplitSeq(args[2], ".") {
		switch in := v.(type) {
		case map[string]any:
			v = in[name]
		case []any:
			if n, err := strconv.Atoi(name); err == nil && n < len(in) {
				v = in[n]
				continue
			}
			v = nil
		default:
			v = nil
		}
	}
	if v == nil {
		ts.Fatalf("no member %s", args[2])
	}
	ts.Setenv(args[0], fmt.Sprint(v))
}

// writeHex is the command unhex of scripts.
func writeHex(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) != 2 {
		ts.Fatalf("usage: unhex FILE HEX")
	}
	data, err := hex.DecodeString(args[1])
	ts.Check(err)
	ts.Check(os.WriteFile(ts.MkAbs(args[0]), data, 0o600))
}

// writeNoise is the command noise of scripts.
func writeNoise(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) != 2 {
		ts.Fatalf("usage: noise FILE SIZE")
	}
	n, err := strconv.Atoi(args[1])
	ts.Check(err)
	data := make([]byte, n)
	_, err = rand.Read(data)
	ts.Check(err)
	ts.Check(os.WriteFile(ts.MkAbs(args[0]), data, 0o600))
}
