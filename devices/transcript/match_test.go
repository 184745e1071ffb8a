package transcript

import (
	"testing"

	"github.com/touchstone-fido/touchstone/ctap2"
	"github.com/touchstone-fido/touchstone/ctap2/wire"
)

type m = map[any]any

// asks is a CTAP2 request.
func asks(t testing.TB, c ctap2.Command, members m) []byte {
	t.Helper()
	if members == nil {
		return []byte{byte(c)}
	}
	body, err := wire.Encode(members)
	if err != nil {
		t.Fatal(err)
	}
	return append([]byte{byte(c)}, body...)
}

func TestMessagesMatch(t *testing.T) {
	hash, other := make([]byte, 32), append(make([]byte, 31), 1)
	salts := func(key, enc []byte) m { return m{1: m{1: 2, -2: key}, 2: enc, 3: []byte{1}, 4: 2} }
	const rekey, semantic = MatchRekeyed, MatchMeaning
	tests := []struct {
		name        string
		match       Match
		command     ctap2.Command
		asked, tape m
		want        string
	}{
		{"nothing differs", rekey, ctap2.CommandGetAssertion, m{1: "a", 2: hash}, m{1: "a", 2: hash}, ""},
		{"another relying party", semantic, ctap2.CommandGetAssertion, m{1: "b", 2: hash}, m{1: "a", 2: hash}, "rpId"},
		{"another client data hash", rekey, ctap2.CommandGetAssertion, m{1: "a", 2: other}, m{1: "a", 2: hash}, "clientDataHash"},
		{"that is a nonce", semantic, ctap2.CommandGetAssertion, m{1: "a", 2: other}, m{1: "a", 2: hash}, ""},
		{"a nonce of another type", semantic, ctap2.CommandGetAssertion, m{1: "a", 2: "x"}, m{1: "a", 2: hash}, "the type of clientDataHash"},
		{"a member more", semantic, ctap2.CommandGetAssertion, m{1: "a", 3: []any{}}, m{1: "a"}, "allowList, which the tape does not have"},
		{"a member less", semantic, ctap2.CommandGetAssertion, m{1: "a"}, m{1: "a", 5: m{"up": true}}, "options, which only the tape has"},
		{"an option", semantic, ctap2.CommandGetAssertion, m{5: m{"up": false}}, m{5: m{"up": true}}, "options.up"},
		{"an option less", rekey, ctap2.CommandGetAssertion, m{5: m{}}, m{5: m{"up": true}}, "options.up, which only the tape has"},
		{"an option more", rekey, ctap2.CommandGetAssertion, m{5: m{"up": true}}, m{5: m{}}, "options.up, which the tape does not have"},
		{"a credential", semantic, ctap2.CommandGetAssertion, m{3: []any{m{"id": hash}}}, m{3: []any{m{"id": other}}}, "allowList[0].id"},
		{"a credential less", semantic, ctap2.CommandGetAssertion, m{3: []any{}}, m{3: []any{m{"id": other}}}, "allowList has 0 elements, on the tape 1"},
		{"a proof", rekey, ctap2.CommandGetAssertion, m{6: hash[:16]}, m{6: other[:16]}, ""},
		{"a proof of another length", rekey, ctap2.CommandGetAssertion, m{6: hash}, m{6: other[:16]}, "pinUvAuthParam has 32 bytes, on the tape 16"},
		{"salts", rekey, ctap2.CommandGetAssertion, m{4: m{"hmac-secret": salts(hash, other)}}, m{4: m{"hmac-secret": salts(other, hash)}}, ""},
		{"more salts", rekey, ctap2.CommandGetAssertion, m{4: m{"hmac-secret": salts(hash, append(hash, hash...))}}, m{4: m{"hmac-secret": salts(hash, hash)}}, "extensions.hmac-secret.2 has 64 bytes, on the tape 32"},
		{"a user handle", semantic, ctap2.CommandMakeCredential, m{3: m{"id": hash, "name": "a"}}, m{3: m{"id": other[:8], "name": "a"}}, ""},
		{"a user handle, strictly", rekey, ctap2.CommandMakeCredential, m{3: m{"id": hash}}, m{3: m{"id": other}}, "user.id"},
		{"a user name", semantic, ctap2.CommandMakeCredential, m{3: m{"name": "a"}}, m{3: m{"name": "b"}}, "user.name"},
		{"a subcommand", semantic, ctap2.CommandClientPIN, m{2: 1}, m{2: 2}, "the subcommand"},
		{"a key agreement", rekey, ctap2.CommandClientPIN, m{2: 5, 3: m{-2: hash}, 6: hash[:16]}, m{2: 5, 3: m{-2: other}, 6: other[:16]}, ""},
		{"permissions", semantic, ctap2.CommandClientPIN, m{2: 9, 9: 1}, m{2: 9, 9: 2}, "permissions"},
		{"a type", semantic, ctap2.CommandGetAssertion, m{1: hash}, m{1: "a"}, "rpId"},
		{"a member without a name", semantic, ctap2.CommandGetAssertion, m{99: 1}, m{99: 2}, "member 0x63"},
	}
	for _, tt := range tests {
		tape := Exchange{Kind: CTAP2, Request: asks(t, tt.command, tt.tape)}
		asked := Exchange{Kind: CTAP2, Request: asks(t, tt.command, tt.asked)}
		if got := tape.Differs(asked, tt.match); got != tt.want {
			t.Errorf("%s: %q, want %q", tt.name, got, tt.want)
		}
	}
}

func TestOtherQuestionsMatch(t *testing.T) {
	register := func(first byte, rest string) []byte {
		apdu := append([]byte{0, 1, 3, 0, 64}, make([]byte, 32)...)
		apdu[5] = first
		return append(apdu, (rest + "                                ")[:32]...)
	}
	tests := []struct {
		name  string
		match Match
		asked Exchange
		tape  Exchange
		want  string
	}{
		{"another command", MatchMeaning, Exchange{Kind: CTAP2}, Exchange{Kind: U2F}, "the command"},
		{"what is no CBOR", MatchMeaning, Exchange{Kind: CTAP2, Request: []byte{1, 0xff}}, Exchange{Kind: CTAP2, Request: []byte{1, 0xfe}}, "byte 1"},
		{"U2F in another form", MatchRekeyed, Exchange{Kind: U2F, Request: []byte{0, 3, 0, 0, 0, 0, 0}}, Exchange{Kind: U2F, Request: []byte{0, 3, 0, 0}}, ""},
		{"another instruction", MatchMeaning, Exchange{Kind: U2F, Request: []byte{0, 2, 0, 0}}, Exchange{Kind: U2F, Request: []byte{0, 3, 0, 0}}, "the instruction"},
		{"another P1", MatchMeaning, Exchange{Kind: U2F, Request: []byte{0, 2, 7, 0}}, Exchange{Kind: U2F, Request: []byte{0, 2, 3, 0}}, "P1 or P2"},
		{"another challenge", MatchRekeyed, Exchange{Kind: U2F, Request: register(1, "a")}, Exchange{Kind: U2F, Request: register(2, "a")}, "the data"},
		{"that is a nonce", MatchMeaning, Exchange{Kind: U2F, Request: register(1, "a")}, Exchange{Kind: U2F, Request: register(2, "a")}, ""},
		{"another application", MatchMeaning, Exchange{Kind: U2F, Request: register(1, "a")}, Exchange{Kind: U2F, Request: register(1, "b")}, "the data"},
		{"what is no APDU", MatchMeaning, Exchange{Kind: U2F, Request: []byte{0}}, Exchange{Kind: U2F, Request: []byte{1}}, "what is no command"},
		{"the same, that is no APDU", MatchMeaning, Exchange{Kind: U2F, Request: []byte{0}}, Exchange{Kind: U2F, Request: []byte{0}}, ""},
		{"other data of PING", MatchRekeyed, Exchange{Kind: Framing, Command: 1, Request: []byte{1, 2}}, Exchange{Kind: Framing, Command: 1, Request: []byte{1, 3}}, "byte 1"},
		{"which are a nonce", MatchMeaning, Exchange{Kind: Framing, Command: 1, Request: []byte{1, 2}}, Exchange{Kind: Framing, Command: 1, Request: []byte{1, 3}}, ""},
	}
	for _, tt := range tests {
		if got := tt.tape.Differs(tt.asked, tt.match); got != tt.want {
			t.Errorf("%s: %q, want %q", tt.name, got, tt.want)
		}
	}
}

func TestMatchOfATape(t *testing.T) {
	agreement := `{"dir":"tx","level":"msg","cmd":"10","hex":"06a201020202"}`
	plain := hidTape(t, "> 0000000790000104", "< 0000000790000100")
	rekeyed := hidTape(t, agreement)
	seeded := hidTape(t, agreement)
	seeded.Header.Seed = []byte{1}
	for name, tt := range map[string]struct {
		tape *Tape
		want Match
	}{"plain": {plain, MatchBytes}, "with a PIN": {rekeyed, MatchRekeyed}, "with its seed": {seeded, MatchBytes}} {
		if got := tt.tape.Match(); got != tt.want {
			t.Errorf("%s: %v, want %v", name, got, tt.want)
		}
	}
}

func TestParseMatch(t *testing.T) {
	for _, want := range []Match{MatchBytes, MatchRekeyed, MatchMeaning} {
		if got, err := ParseMatch(want.String()); err != nil || got != want {
			t.Errorf("%v: %v, %v", want, got, err)
		}
	}
	if _, err := ParseMatch("all"); err == nil || Match(9).String() != "match 9" {
		t.Error("there is no match of all, and none of number 9")
	}
}
