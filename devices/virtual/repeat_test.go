package virtual_test

import (
	"bytes"
	"maps"
	"testing"
	"time"

	"github.com/touchstone-fido/touchstone/devices/virtual"
)

// session runs every command on a key with a seeded random source and returns
// all answers, and what is stored in the end.
func session(t *testing.T, seed byte) (answers [][]byte, records map[string]string) {
	r := newRig(t, func(c *virtual.Config) {
		c.Rand = seeded(seed)
		c.Now = func() time.Time { return time.Unix(1e9, 0) }
	})
	send := func(cmd byte, params m) {
		answers = append(answers, r.key.Message(r.ctx, message(t, cmd, params), nil))
	}
	send(cmdGetInfo, nil)
	send(cmdMakeCredential, creation())
	send(cmdMakeCredential, creation().with(m{4: []any{eddsa}, 7: s{"rk": true}}))
	send(cmdMakeCredential, discoverable("one"))
	r.setPIN()
	token := r.token()
	send(cmdMakeCredential, token.mc(discoverable("two").with(m{6: s{"credProtect": 2, "hmac-secret": true}})))
	p := r.agree(2)
	send(cmdGetAssertion, assertion().with(m{4: s{"hmac-secret": p.salts(make([]byte, 64))}}))
	send(cmdGetNextAssertion, nil)
	send(cmdClientPIN, p.getToken(pin))
	send(cmdClientPIN, p.getToken("9999"))
	send(cmdClientPIN, m{1: 2, 2: 2})
	r.key.PowerCycle()
	send(cmdClientPIN, m{1: 1, 2: 2})
	send(cmdReset, nil)
	send(cmdMakeCredential, discoverable("three"))
	return answers, r.records()
}

func TestSeededRunsAreTheSame(t *testing.T) {
	first, firstRecords := session(t, 3)
	second, secondRecords := session(t, 3)
	other, otherRecords := session(t, 4)
	for i := range first {
		if !bytes.Equal(first[i], second[i]) {
			t.Errorf("answer %d differs", i)
		}
		if random := len(first[i]) > 1; random == bytes.Equal(first[i], other[i]) {
			t.Errorf("answer %d is the same with another seed", i)
		}
	}
	if !maps.Equal(firstRecords, secondRecords) || maps.Equal(firstRecords, otherRecords) {
		t.Error("records differ, or do not with another seed")
	}
}
