package devices_test

import (
	"bytes"
	"context"
	"fmt"
	"go/ast"
	"go/parser"
	"go/token"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"testing"

	"github.com/touchstone-fido/touchstone/ctap2"
	"github.com/touchstone-fido/touchstone/ctap2/wire"
	"github.com/touchstone-fido/touchstone/devices/virtual"
)

// observer is the software key as a framing sees it. It notes every message
// that reaches it.
type observer struct {
	*virtual.Authenticator
	tally *tally

	mu       sync.Mutex
	messages [][]byte                        // all of them, in order
	rewrite  func(msg, answer []byte) []byte // changes an answer, nil for none
}

// Message notes the message and has the key answer it.
func (o *observer) Message(ctx context.Context, msg []byte, keepalive func(byte)) []byte {
	o.mu.Lock()
	o.messages = append(o.messages, bytes.Clone(msg))
	rewrite := o.rewrite
	o.mu.Unlock()
	o.tally.message(msg)
	answer := o.Authenticator.Message(ctx, msg, keepalive)
	if rewrite != nil {
		answer = rewrite(msg, answer)
	}
	return answer
}

// U2F does the same for an APDU of U2F.
func (o *observer) U2F(ctx context.Context, apdu []byte) []byte {
	if len(apdu) > 2 {
		o.tally.saw(fmt.Sprintf("U2F %02x", apdu[1]))
		if apdu[1] == 2 {
			o.tally.saw(fmt.Sprintf("U2F 02, control %02x", apdu[2]))
		}
	}
	return o.Authenticator.U2F(ctx, apdu)
}

// handler is the key for a framing: without U2F where its model has none.
func (o *observer) handler() virtual.Handler {
	if _, has := o.Authenticator.Handler().(interface {
		U2F(context.Context, []byte) []byte
	}); has {
		return o
	}
	return struct{ virtual.Handler }{o}
}

// sent are the messages of a command since the last time it was asked, each
// without its first byte.
func (o *observer) sent(c ctap2.Command) [][]byte {
	o.mu.Lock()
	defer o.mu.Unlock()
	var all [][]byte
	for _, msg := range o.messages {
		if ctap2.Command(msg[0]) == c {
			all = append(all, msg[1:])
		}
	}
	o.messages = nil
	return all
}

// tally is what a key was sent, by name.
type tally struct {
	mu   sync.Mutex
	seen map[string]bool
}

func newTally() *tally { return &tally{seen: map[string]bool{}} }

func (y *tally) saw(what string) {
	y.mu.Lock()
	defer y.mu.Unlock()
	y.seen[what] = true
}

// subcommandMember is where a command has its subcommand, 0 for nowhere.
var subcommandMember = map[ctap2.Command]uint64{
	ctap2.CommandClientPIN: 2, ctap2.CommandCredentialManagement: 1, ctap2.CommandCredManagementPre: 1,
	ctap2.CommandBioEnrollment: 2, ctap2.CommandBioEnrollmentPre: 2, ctap2.CommandConfig: 1,
}

// message notes the command, its subcommand and its extensions. It reads the
// bytes by itself: a client that does not send what it means to is found out.
func (y *tally) message(msg []byte) {
	command := ctap2.Command(msg[0])
	y.saw(fmt.Sprintf("command %#02x", msg[0]))
	var m map[uint64]wire.Raw
	if len(msg) == 1 || wire.Decode(msg[1:], &m) != nil {
		return
	}
	switch command {
	case ctap2.CommandMakeCredential:
		y.extensions(command, m[6])
		y.values(command, m, 0x0a, 0x0b)
	case ctap2.CommandGetAssertion:
		y.extensions(command, m[4])
	case ctap2.CommandLargeBlobs:
		y.values(command, m, 1, 2)
	case ctap2.CommandBioEnrollment, ctap2.CommandBioEnrollmentPre:
		y.values(command, m, 6)
	}
	var sub uint64
	if member := subcommandMember[command]; member != 0 && wire.Decode(m[member], &sub) == nil {
		y.saw(fmt.Sprintf("command %#02x, subcommand %#02x", msg[0], sub))
	}
}

func (y *tally) extensions(c ctap2.Command, raw wire.Raw) {
	var all map[string]wire.Raw
	if raw == nil || wire.Decode(raw, &all) != nil {
		return
	}
	for id := range all {
		y.saw(fmt.Sprintf("extension %s, command %#02x", id, byte(c)))
	}
}

// values notes which of the members are there and, of a number, what it is.
func (y *tally) values(c ctap2.Command, m map[uint64]wire.Raw, members ...uint64) {
	for _, member := range members {
		raw, ok := m[member]
		if !ok {
			continue
		}
		y.saw(fmt.Sprintf("command %#02x, member %#02x", byte(c), member))
		var n uint64
		if wire.Decode(raw, &n) == nil {
			y.saw(fmt.Sprintf("command %#02x, member %#02x, %d", byte(c), member, n))
		}
	}
}

// want is what a key has to have been sent, besides what the constants of
// package ctap2 say.
var want = []string{
	"U2F 01", "U2F 02", "U2F 03", "U2F 02, control 03", "U2F 02, control 07", "U2F 02, control 08",
	"command 0x01, member 0x0b", "command 0x01, member 0x0a, 1", "command 0x01, member 0x0a, 2",
	"command 0x0c, member 0x01", "command 0x0c, member 0x02",
	"command 0x09, member 0x06", "command 0x40, member 0x06",
}

// commandsOf are the commands that an extension has an input for.
var commandsOf = map[string][]ctap2.Command{
	ctap2.ExtensionCredProtect:         {ctap2.CommandMakeCredential},
	ctap2.ExtensionCredBlob:            {ctap2.CommandMakeCredential, ctap2.CommandGetAssertion},
	ctap2.ExtensionLargeBlobKey:        {ctap2.CommandMakeCredential, ctap2.CommandGetAssertion},
	ctap2.ExtensionLargeBlob:           {ctap2.CommandMakeCredential, ctap2.CommandGetAssertion},
	ctap2.ExtensionMinPINLength:        {ctap2.CommandMakeCredential},
	ctap2.ExtensionPINComplexityPolicy: {ctap2.CommandMakeCredential},
	ctap2.ExtensionHMACSecret:          {ctap2.CommandMakeCredential, ctap2.CommandGetAssertion},
	ctap2.ExtensionHMACSecretMC:        {ctap2.CommandMakeCredential},
	ctap2.ExtensionThirdPartyPayment:   {ctap2.CommandMakeCredential, ctap2.CommandGetAssertion},
	ctap2.ExtensionUVM:                 {ctap2.CommandMakeCredential, ctap2.CommandGetAssertion},
}

// subcommandsOf are the commands that have the subcommands of a type, and what
// one of them does not have.
var subcommandsOf = map[string]map[ctap2.Command]uint64{
	"PINSubcommand":      {ctap2.CommandClientPIN: 0},
	"CredMgmtSubcommand": {ctap2.CommandCredentialManagement: 0, ctap2.CommandCredManagementPre: uint64(ctap2.CredMgmtUpdateUser)},
	"BioSubcommand":      {ctap2.CommandBioEnrollment: 0, ctap2.CommandBioEnrollmentPre: 0},
	"ConfigSubcommand":   {ctap2.CommandConfig: 0},
}

// complete fails for every command, subcommand and extension that package ctap2
// has a constant for and that was never sent.
func (y *tally) complete(t *testing.T) {
	all, constants := want, constantsOf(t, "../ctap2")
	for _, c := range constants {
		switch {
		case c.kind == "Command":
			all = append(all, fmt.Sprintf("command %#02x", c.number(t)))
		case subcommandsOf[c.kind] != nil:
			for command, without := range subcommandsOf[c.kind] {
				if n := c.number(t); n != without {
					all = append(all, fmt.Sprintf("command %#02x, subcommand %#02x", byte(command), n))
				}
			}
		case strings.HasPrefix(c.name, "Extension"):
			id, err := strconv.Unquote(c.value)
			if err != nil || commandsOf[id] == nil {
				t.Errorf("%s is %s, and the matrix does not know where it goes", c.name, c.value)
			}
			for _, command := range commandsOf[id] {
				all = append(all, fmt.Sprintf("extension %s, command %#02x", id, byte(command)))
			}
		}
	}
	if len(constants) < 55 || len(all) < 70 {
		t.Errorf("%d constants and %d things to send are fewer than there were", len(constants), len(all))
	}
	for _, what := range all {
		if !y.seen[what] {
			t.Errorf("never sent: %s", what)
		}
	}
}

// constant is one of a package's constants that have a literal for a value.
type constant struct{ name, kind, value string }

func (c constant) number(t *testing.T) uint64 {
	t.Helper()
	n, err := strconv.ParseUint(c.value, 0, 16)
	if err != nil {
		t.Errorf("%s: %v", c.name, err)
	}
	return n
}

// constantsOf reads the exported constants of a package out of its files.
func constantsOf(t *testing.T, dir string) []constant {
	t.Helper()
	files, err := filepath.Glob(filepath.Join(dir, "*.go"))
	if err != nil || len(files) == 0 {
		t.Fatalf("no files in %s (%v)", dir, err)
	}
	var all []constant
	for _, file := range files {
		f, err := parser.ParseFile(token.NewFileSet(), file, nil, 0)
		if err != nil {
			t.Fatal(err)
		}
		for _, decl := range f.Decls {
			if gen, ok := decl.(*ast.GenDecl); ok && gen.Tok == token.CONST {
				all = append(all, literals(gen)...)
			}
		}
	}
	return all
}

func literals(gen *ast.GenDecl) []constant {
	var all []constant
	for _, spec := range gen.Specs {
		v := spec.(*ast.ValueSpec)
		for i, name := range v.Names {
			if i >= len(v.Values) || !name.IsExported() {
				continue
			}
			if lit, ok := v.Values[i].(*ast.BasicLit); ok {
				kind, _ := v.Type.(*ast.Ident)
				c := constant{name: name.Name, value: lit.Value}
				if kind != nil {
					c.kind = kind.Name
				}
				all = append(all, c)
			}
		}
	}
	return all
}
