package ceremony_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"testing"

	"github.com/touchstone-fido/touchstone/ctap2"
	"github.com/touchstone-fido/touchstone/ctap2/ceremony"
	"github.com/touchstone-fido/touchstone/ctap2/cose"
)

var id1, id2, id3, id4 = []byte{1, 1}, []byte{2, 2}, []byte{3, 3}, []byte{4, 4}

func preflight(c *ctap2.Client, count, length uint) ceremony.Preflight {
	return ceremony.Preflight{Client: c, RPID: "a", Info: &ctap2.Info{MaxCredentialCountInList: count, MaxCredentialIDLength: length}}
}

func TestFind(t *testing.T) {
	long, longest := bytes.Repeat([]byte{9}, 9), bytes.Repeat([]byte{8}, 8)
	const none = "2e"
	for _, c := range []struct {
		name          string
		count, length uint
		list          [][]byte
		steps         []step
		want          []byte
	}{
		{"nothing to find", 2, 0, nil, nil, nil},
		{"all in one", 3, 0, [][]byte{id1, id2, id3}, []step{{silent(false, id1, id2, id3), assertionOf(id2)}}, id2},
		{"in batches", 2, 0, [][]byte{id1, id2, id3}, []step{{silent(false, id1, id2), none}, {silent(false, id3), assertionOf(id3)}}, id3},
		{"none is there", 2, 0, [][]byte{id1, id2, id3}, []step{{silent(false, id1, id2), none}, {silent(false, id3), none}}, nil},
		{"one at a time where nothing is said", 0, 0, [][]byte{id1, id2}, []step{{silent(false, id1), none}, {silent(false, id2), assertionOf(id2)}}, id2},
		{"CTAP 2.0 leaves the only one out", 1, 0, [][]byte{id1}, []step{{silent(false, id1), assertionOf(nil)}}, id1},
		{"too long to be one of it", 4, 8, [][]byte{long, longest, {}, id2}, []step{{silent(false, longest, id2), assertionOf(id2)}}, id2},
		{"nothing but too long", 4, 8, [][]byte{long}, nil, nil},
		{"too much", 4, 0, [][]byte{id1, id2, id3, id4}, []step{
			{silent(false, id1, id2, id3, id4), "39"}, {silent(false, id1, id2), none}, {silent(false, id3, id4), assertionOf(id4)},
		}, id4},
		{"over a limit that it did not tell", 3, 0, [][]byte{id1, id2, id3}, []step{
			{silent(false, id1, id2, id3), "15"}, {silent(false, id1), none}, {silent(false, id2), none}, {silent(false, id3), none},
		}, nil},
		{"one that it does not even take", 1, 0, [][]byte{id1, id2}, []step{{silent(false, id1), "39"}, {silent(false, id2), assertionOf(id2)}}, id2},
		{"it does not say which", 2, 0, [][]byte{id1, id2}, []step{
			{silent(false, id1, id2), assertionOf(nil)}, {silent(false, id1), none}, {silent(false, id2), assertionOf(nil)},
		}, id2},
		{"it names another", 2, 0, [][]byte{id1, id2}, []step{
			{silent(false, id1, id2), assertionOf(id4)}, {silent(false, id1), none}, {silent(false, id2), none},
		}, nil},
		{"a U2F key that signs nothing without a touch", 2, 0, [][]byte{id1, id2}, []step{
			{silent(false, id1, id2), "3b"}, {silent(false, id1), none}, {silent(false, id2), "3b"},
		}, id2},
	} {
		t.Run(c.name, func(t *testing.T) {
			got, err := preflight(play(t, c.steps...), c.count, c.length).Find(t.Context(), ctap2.Descriptors(c.list...))
			if err != nil || (got == nil) != (c.want == nil) || got != nil && !bytes.Equal(got.ID, c.want) {
				t.Errorf("%v, %v, want %x", got, err, c.want)
			}
		})
	}
}

func TestFindWithToken(t *testing.T) {
	p := preflight(play(t, step{silent(true, id1), assertionOf(id1)}), 1, 0)
	p.Token = vectorToken(t)
	if got, err := p.Find(t.Context(), ctap2.Descriptors(id1)); err != nil || got == nil {
		t.Errorf("%v, %v", got, err)
	}
}

func TestFindTellsErrors(t *testing.T) {
	_, err := preflight(play(t, step{silent(false, id1), "33"}), 1, 0).Find(t.Context(), ctap2.Descriptors(id1, id2))
	if !errors.Is(err, ctap2.StatusPINAuthInvalid) {
		t.Error(err)
	}
}

// TestFindIsBounded: a key that says yes and no cannot keep a client for ever.
func TestFindIsBounded(t *testing.T) {
	for _, answer := range []string{"39", "2e", "3b", assertionOf(nil), assertionOf(id4)} {
		asked := 0
		c := ctap2.New(transportFunc(func(context.Context, []byte) ([]byte, error) {
			if asked++; asked > 200 {
				t.Fatalf("%s: no end of it", answer)
			}
			return unhex(t, answer), nil
		}), ctap2.Config{})
		var all [][]byte
		for i := range 64 {
			all = append(all, []byte{9, byte(i)})
		}
		_, _ = preflight(c, 16, 0).Find(t.Context(), ctap2.Descriptors(all...))
	}
}

type transportFunc func(ctx context.Context, msg []byte) ([]byte, error)

func (f transportFunc) Exchange(ctx context.Context, msg []byte) ([]byte, error) { return f(ctx, msg) }

func makeRequest(ids ...[]byte) *ctap2.MakeCredentialRequest {
	return &ctap2.MakeCredentialRequest{
		ClientDataHash: make([]byte, 32), RP: ctap2.RelyingParty{ID: "a"}, User: ctap2.User{ID: []byte{1}},
		Parameters: ctap2.Parameters(cose.ES256), ExcludeList: ctap2.Descriptors(ids...),
	}
}

// TestLists: lists that fit go as they are, and the others shrink to what is on
// the key.
func TestLists(t *testing.T) {
	for _, c := range []struct {
		name           string
		count          uint
		list           [][]byte
		steps          []step
		exclude, allow [][]byte
	}{
		{"none", 1, nil, nil, nil, nil},
		{"one", 1, [][]byte{id1}, nil, [][]byte{id1}, [][]byte{id1}},
		{"as many as it takes", 2, [][]byte{id1, id2}, nil, [][]byte{id1, id2}, [][]byte{id1, id2}},
		{"several, and it does not say how many it takes", 0, [][]byte{id1, id2, id3}, nil, [][]byte{id1, id2, id3}, [][]byte{id1, id2, id3}},
		{"too many, one is there", 1, [][]byte{id1, id2}, []step{{silent(false, id1), "2e"}, {silent(false, id2), assertionOf(id2)}}, [][]byte{id2}, [][]byte{id2}},
		{"too many, none is there", 1, [][]byte{id1, id2}, []step{{silent(false, id1), "2e"}, {silent(false, id2), "2e"}}, nil, [][]byte{{0}}},
	} {
		t.Run(c.name, func(t *testing.T) {
			r := makeRequest(c.list...)
			err := preflight(play(t, c.steps...), c.count, 0).Exclude(t.Context(), r)
			compareList(t, "exclude", r.ExcludeList, c.exclude, err)
			g := &ctap2.GetAssertionRequest{RPID: "a", ClientDataHash: make([]byte, 32), AllowList: ctap2.Descriptors(c.list...)}
			err = preflight(play(t, c.steps...), c.count, 0).Allow(t.Context(), g)
			compareList(t, "allow", g.AllowList, c.allow, err)
		})
	}
}

func compareList(t *testing.T, what string, got []ctap2.Descriptor, want [][]byte, err error) {
	t.Helper()
	if err != nil || fmt.Sprint(got) != fmt.Sprint(ctap2.Descriptors(want...)) {
		t.Errorf("%s: %v, %v, want %x", what, got, err, want)
	}
}

// TestTooLongAMessage: what does not fit into a message is asked for in parts,
// even if the number would do; a single ID that does not fit cannot be the key's.
func TestTooLongAMessage(t *testing.T) {
	c := play(t,
		step{"04", "00 a3 01 80 03 50" + zeroHash[:32] + "05 19 0400"},
		step{silent(false, id1), assertionOf(id1)},
	)
	info, err := c.GetInfo(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	info.MaxCredentialCountInList = 5
	r := makeRequest(bytes.Repeat([]byte{9}, 2000), id1)
	err = ceremony.Preflight{Client: c, RPID: "a", Info: info}.Exclude(t.Context(), r)
	compareList(t, "exclude", r.ExcludeList, [][]byte{id1}, err)
}

// An allow list of which nothing can be the key's does not become an empty one,
// which would allow every credential.
func TestNothingIsLeftToAllow(t *testing.T) {
	g := &ctap2.GetAssertionRequest{RPID: "a", ClientDataHash: make([]byte, 32), AllowList: ctap2.Descriptors(bytes.Repeat([]byte{9}, 20))}
	err := preflight(play(t), 4, 8).Allow(t.Context(), g)
	compareList(t, "allow", g.AllowList, [][]byte{{0}}, err)
}

func TestListsTellErrors(t *testing.T) {
	r, g := makeRequest(id1, id2), &ctap2.GetAssertionRequest{RPID: "a", AllowList: ctap2.Descriptors(id1, id2)}
	exclude := preflight(play(t, step{silent(false, id1), "7f"}), 1, 0).Exclude(t.Context(), r)
	allow := preflight(play(t, step{silent(false, id1), "7f"}), 1, 0).Allow(t.Context(), g)
	for _, err := range []error{exclude, allow} {
		if !errors.Is(err, ctap2.StatusOther) {
			t.Error(err)
		}
	}
}
