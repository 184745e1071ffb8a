package explain

import (
	"encoding/hex"
	"fmt"
	"slices"
	"strings"
	"testing"

	"github.com/touchstone-fido/touchstone/ctap2/authdata"
	"github.com/touchstone-fido/touchstone/ctap2/largeblob"
	"github.com/touchstone-fido/touchstone/ctap2/wire"
)

// cbor is a message of a command or status and a map.
func cbor(t testing.TB, first byte, members map[int]any) string {
	t.Helper()
	body, err := wire.Encode(members)
	if err != nil {
		t.Fatal(err)
	}
	return fmt.Sprintf("%02x%x", first, body)
}

// exchange is a tape with a request and its answer as whole messages.
func exchange(request, answer string) []byte {
	return tape("hid", `{"dir":"out","level":"msg","cmd":"10","hex":"`+request+`"}`, `{"dir":"in","level":"msg","cmd":"10","hex":"`+answer+`"}`)
}

func remarksOf(t testing.TB, tape []byte) []string {
	t.Helper()
	var all []string
	for _, step := range read(t, tape, Options{}).Steps {
		for _, r := range step.Remarks {
			all = append(all, r.String())
		}
	}
	return all
}

func authData(t testing.TB, rpID string, flags authdata.Flags) []byte {
	t.Helper()
	keys := keyring{}
	keys.rp(rpID)
	data := authdata.Data{Flags: flags}
	for hash := range keys {
		copy(data.RPIDHash[:], strings.TrimPrefix(hash, rpPrefix))
	}
	b, err := data.Bytes()
	if err != nil {
		t.Fatal(err)
	}
	return b
}

func assertion(t testing.TB, rpID string, flags authdata.Flags, more map[int]any) string {
	t.Helper()
	members := map[int]any{1: map[string]any{"id": []byte{1}, "type": "public-key"}, 2: authData(t, rpID, flags), 3: []byte{1}}
	for n, v := range more {
		members[n] = v
	}
	return cbor(t, 0, members)
}

func TestRemarksOnBrokenRules(t *testing.T) {
	hash := make([]byte, 32)
	list := []any{map[string]any{"id": []byte{1}, "type": "public-key"}}
	ask := cbor(t, 2, map[int]any{1: "example.com", 2: hash, 3: list})
	up := authdata.FlagUP
	tests := []struct {
		name, request, answer string
		want                  string // one remark among others
	}{
		{"keys out of order", "04", "00a2038050" + strings.Repeat("00", 16), "malformed CBOR"},
		{"not canonical", "04", "00a203500102030405060708090a0b0c0d0e0f1001816161", "not canonical: map keys out of order: 0x01 after 0x03"},
		{"a member too many", "04", cbor(t, 0, map[int]any{1: []string{"FIDO_2_0"}, 3: make([]byte, 16), 0x42: 1}), "has the member 0x42, which the standard does not (CTAP 2.3 §6.4)"},
		{"a member missing", "04", cbor(t, 0, map[int]any{1: []string{"FIDO_2_0"}}), "the answer to authenticatorGetInfo lacks aaguid (0x03) (CTAP 2.3 §6.4)"},
		{"a member of another type", "04", cbor(t, 0, map[int]any{1: "FIDO_2_0", 3: make([]byte, 16)}), "versions (0x01) has to be an array"},
		{"a member of another size", "04", cbor(t, 0, map[int]any{1: []string{"FIDO_2_0"}, 3: make([]byte, 15)}), "aaguid (0x03) has 15 bytes, and has to have 16"},
		{"a version that there is not", "04", cbor(t, 0, map[int]any{1: []string{"FIDO_2_2"}, 3: make([]byte, 16)}), "there is no version FIDO_2_2"},
		{"too short messages", "04", cbor(t, 0, map[int]any{1: []string{"FIDO_2_0"}, 3: make([]byte, 16), 5: 512}), "maxMsgSize is 512"},
		{"a status that there is not", "04", "45", "the standard has no status 0x45"},
		{"a status that is no more", "04", "38", "and was taken out"},
		{"an error with results", "04", "2ea0", "an error is followed by 1 byte"},
		{"no status", "04", "", "the answer is empty"},
		{"no results", "04", "00", "the answer has no results"},
		{"parameters for nothing", "04a10101", "2e", "authenticatorGetInfo has parameters, and takes none"},
		{"no parameters", "02", "2e", "authenticatorGetAssertion has no parameters"},
		{"another RP", ask, assertion(t, "example.org", up, nil), `rpIdHash is not the SHA-256 of "example.com", which was asked for`},
		{"reserved flags", ask, assertion(t, "example.com", up|0x02, nil), "flags are set that are reserved: 0x02"},
		{"backed up, not eligible", ask, assertion(t, "example.com", up|authdata.FlagBS, nil), "BS is set and BE is not"},
		{"several for a list", ask, assertion(t, "example.com", up, map[int]any{5: 2}), "numberOfCredentials is 2, and with an allowList there is one answer"},
		{"cut authenticator data", ask, cbor(t, 0, map[int]any{2: []byte{1, 2}, 3: []byte{1}}), "authenticator data is cut short"},
		{"an empty list", cbor(t, 2, map[int]any{1: "a", 2: hash, 3: []any{}}), "2e", "allowList is there and empty"},
		{"a short hash", cbor(t, 2, map[int]any{1: "a", 2: hash[:31]}), "2e", "clientDataHash (0x02) has 31 bytes"},
		{"a descriptor of another type", cbor(t, 2, map[int]any{1: "a", 2: hash, 3: []any{map[string]any{"id": []byte{1}, "type": "x"}}}), "2e", `the type of the credential is "x"`},
		{"a parameter of another size", cbor(t, 2, map[int]any{1: "a", 2: hash, 6: hash, 7: 1}), "2e", "pinUvAuthParam has 32 bytes, and protocol 1 makes 16"},
		{"a parameter without its protocol", cbor(t, 2, map[int]any{1: "a", 2: hash, 6: hash}), "2e", "there is a pinUvAuthParam and no pinUvAuthProtocol"},
		{"another protocol", cbor(t, 2, map[int]any{1: "a", 2: hash, 6: hash, 7: 9}), "2e", "there is no PIN/UV auth protocol 9"},
		{"a key agreement key of no use", cbor(t, 6, map[int]any{1: 2, 2: 2}), cbor(t, 0, map[int]any{1: map[int]any{1: 2, 3: -7, -1: 1, -2: hash, -3: hash}}), "has to be -25, and is -7"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			got := remarksOf(t, exchange(tt.request, tt.answer))
			if !slices.ContainsFunc(got, func(r string) bool { return strings.Contains(r, tt.want) }) {
				t.Errorf("remarks %q, want one with %q", got, tt.want)
			}
		})
	}
}

func TestNothingToRemarkOn(t *testing.T) {
	hash := make([]byte, 32)
	ask := cbor(t, 2, map[int]any{1: "example.com", 2: hash})
	for _, tape := range [][]byte{
		exchange(ask, assertion(t, "example.com", authdata.FlagUP, nil)), exchange(ask, assertion(t, "example.com", authdata.FlagUP, map[int]any{5: 2})),
		exchange(ask, "2e"), exchange("07", "00"), exchange("0b", "2d"), exchange("0405"[:2], "f1"),
	} {
		if got := remarksOf(t, tape); len(got) > 0 {
			t.Errorf("%s: %q", tape, got)
		}
	}
}

func TestIdentifiersHaveToBeNew(t *testing.T) {
	with := func(b byte) string {
		return string(exchange("04", cbor(t, 0, map[int]any{1: []string{"FIDO_2_1"}, 3: make([]byte, 16), 0x19: append(make([]byte, 31), b)})))
	}
	again := func(b byte) string { _, rest, _ := strings.Cut(with(b), "\n"); return rest }
	if got := remarksOf(t, []byte(with(1)+again(2))); len(got) > 0 {
		t.Errorf("two that differ: %q", got)
	}
	want := []string{"encIdentifier is the same as on line 3: its IV has to be new each time (CTAP 2.3 §6.4)"}
	if got := remarksOf(t, []byte(with(1)+again(1))); !slices.Equal(got, want) {
		t.Errorf("two that are the same: %q", got)
	}
}

func TestLargeBlobArrayIsPutTogether(t *testing.T) {
	whole := largeblob.Serialize([]wire.Raw{{0xa0}, {0xa0}})
	tell := func(array []byte) ([]Field, []string) {
		fragment := func(offset int, part []byte) string {
			text := string(exchange(cbor(t, 0x0c, map[int]any{1: 10, 3: offset}), cbor(t, 0, map[int]any{1: part})))
			_, text, _ = strings.Cut(text, "\n")
			return text
		}
		text := append(tape("hid"), fragment(0, array[:10])+fragment(10, array[10:])...)
		story := read(t, text, Options{})
		return story.Steps[len(story.Steps)-1].Fields, remarksOf(t, text)
	}
	fields, remarks := tell(whole)
	if array, _ := find(fields, "large-blob array"); array.Note != "19 bytes, 2 elements" || len(array.Fields) != 2 || len(remarks) > 0 {
		t.Errorf("%+v, %q", fields, remarks)
	}
	whole[len(whole)-1] ^= 1
	if fields, remarks = tell(whole); len(fields) != 1 || len(remarks) != 1 || !strings.Contains(remarks[0], "damaged") {
		t.Errorf("%+v, %q", fields, remarks)
	}
}

// flipped is the tape with another bit in the middle of a signature, in a part of
// it that lies in one APDU.
func flipped(t *testing.T, tape, signature string) string {
	t.Helper()
	const part = 16 // hex digits
	for at := 20; at+part <= len(signature); at += 2 {
		is := signature[at : at+part]
		if strings.Count(tape, is) != 1 {
			continue
		}
		raw, err := hex.DecodeString(is)
		if err != nil {
			t.Fatal(err)
		}
		raw[0] ^= 1
		return strings.Replace(tape, is, hex.EncodeToString(raw), 1)
	}
	t.Fatalf("no part of the signature %q is on the tape", signature)
	return ""
}

// TestForgedSignatureIsNoticed changes one bit of an assertion on the tape.
func TestForgedSignatureIsNoticed(t *testing.T) {
	const holds = "the signature of the assertion holds"
	whole := record(t, "nfc", false, everything(t, 2))
	story := read(t, whole, Options{})
	var signature string
	for _, step := range story.Steps {
		if f, ok := find(step.Fields, "signature"); ok {
			signature = f.Value
			if v := value(step.Fields, "verified"); v != holds {
				t.Errorf("verified: %q", v)
			}
		}
	}
	forged := flipped(t, string(whole), signature)
	if got := remarksOf(t, []byte(forged)); !slices.Contains(got, "the signature of the assertion does not hold (CTAP 2.3 §6.2.2)") {
		t.Errorf("remarks %q", got)
	}
}

func TestTiming(t *testing.T) {
	at := func(us, line string) string { return strings.Replace(line, "{", `{"t_us":`+us+`,`, 1) }
	story := read(t, tape("hid", at("1000", out(report("000000019000010b"))),
		at("2000", in(report("00000001bb000101"))), at("102000", in(report("00000001bb000102"))), at("602000", in(report("00000001bb000102"))),
		at("702000", in(report("0000000190000100")))), Options{})
	same(t, lines(story),
		"out authenticatorSelection: is this the key, touch it", "in processing", "in up-needed", "in up-needed",
		"  ! 500ms since the keepalive before; it is due every 100 ms (CTAP 2.3 §11.2.9.1.7)", "in CTAP2_OK (0x00)")
	got := fmt.Sprintf("%+v", story.Timing)
	want := "{Known:true Whole:701ms Answer:{Count:0 Min:0s Median:0s Max:0s} Touch:{Count:1 Min:600ms Median:600ms Max:600ms} Gap:{Count:3 Min:100ms Median:100ms Max:500ms}}"
	if got != want {
		t.Errorf("timing\ngot  %s\nwant %s", got, want)
	}
}
