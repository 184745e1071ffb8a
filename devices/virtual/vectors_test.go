package virtual_test

import (
	"bytes"
	"io"
	"testing"
)

// authenticatorKey and its coordinates are the fact sheet's.
const (
	authenticatorKey = "a184532a52717c1719ed7f8a5c0bdbc0489a79fc2076b9a0b020ecda0ea585b5"
	authenticatorX   = "a30522c2de402b561965c3cf949a1cab020c6f6ea36fcf7e911ac1a0f1515300"
	authenticatorY   = "9961a929abdb2f42e6566771887d41484d889e735e3248518a53112d2b915f00"
	platformX        = "a6ad249c9c2558e03e4ffbef60255d942b0166f5446cef916ab5f4ec4335a1c5"
	platformY        = "67315207e09ce082c31b052c7e2bcb700e79f1c53bd3bb4e3bb6fef89d227bc1"
)

// draw makes the key draw these bytes next, and seeded ones after them.
func (r *rig) draw(hex ...string) {
	var readers []io.Reader
	for _, h := range hex {
		readers = append(readers, bytes.NewReader(unhex(r.t, h)))
	}
	r.cfg.Rand = io.MultiReader(append(readers, seeded(6))...)
	r.load()
}

func vectorCOSE(t *testing.T) m {
	return m{1: 2, 3: -25, -1: 1, -2: unhex(t, platformX), -3: unhex(t, platformY)}
}

func (r *rig) wantVectorKey(protocol int) {
	key := r.ok(cmdClientPIN, m{1: protocol, 2: 2})[uint64(1)].(map[any]any)
	if !bytes.Equal(key[int64(-2)].([]byte), unhex(r.t, authenticatorX)) || !bytes.Equal(key[int64(-3)].([]byte), unhex(r.t, authenticatorY)) {
		r.t.Fatalf("key agreement key %v", key)
	}
}

func TestPINVectors(t *testing.T) {
	const token = "000102030405060708090a0b0c0d0e0f101112131415161718191a1b1c1d1e1f"
	tests := []struct {
		name                             string
		protocol                         int
		newPINEnc, setParam, hashEnc     string
		changedEnc, changeParam, mcParam string
	}{
		{
			name:        "one",
			protocol:    1,
			newPINEnc:   "784340ec9c7b309d4b1384d20f50f23a1633af1d1f0d783dffecc257d63c12b69c32f991928a7d8057cc9f54a28dca37ddefca3081c8f606ae64affae2f97c08",
			setParam:    "32d87748976d50575d5544869b5f4c68",
			hashEnc:     "9b2a1b26fa18ceaf19375c27a8ef981c",
			changedEnc:  "bcb343dfe4208a149aa96719c97885608fc5e788cef29db5e62a10de3bdf3344cd275afae5635badb78724c9db00332753554ace7de5411daaa1e1ee7e67e729",
			changeParam: "609d1b54faa2e75f547e871faae3c5cf",
			mcParam:     "f6282ea8779a9fac930b7fde2eb331bf",
		},
		{
			name:      "two",
			protocol:  2,
			newPINEnc: "000102030405060708090a0b0c0d0e0f64cb5eb28859447b3acce793bab8061979e1f6a442858ce8488c1bffb5e569a8ff634ce46daf388940356cf24aa6069191915937267bee6f83306432f637c7dd",
			setParam:  "60cbd1d0bf636480e83b3dd66ea03d8d3f7377493d076197b9c8fd718a4de49f",
			hashEnc:   "000102030405060708090a0b0c0d0e0f9f940d3278da8b149775a5426939d3bb",
			mcParam:   "f6282ea8779a9fac930b7fde2eb331bf1d4565c20d431c11ea7d75b4da565a64",
		},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			r := newRig(t)
			r.draw(authenticatorKey, token)
			r.wantVectorKey(test.protocol)
			base := m{1: test.protocol, 3: vectorCOSE(t)}
			r.ok(cmdClientPIN, base.with(m{2: 3, 4: unhex(t, test.setParam), 5: unhex(t, test.newPINEnc)}))
			r.ok(cmdClientPIN, base.with(m{2: 5, 6: unhex(t, test.hashEnc)}))
			got := r.make(creation().with(m{8: unhex(t, test.mcParam), 9: test.protocol}))
			expect(t, "UV flag", got.flags&flagUV != 0, true)
			if test.changedEnc == "" {
				return
			}
			change := base.with(m{2: 4, 4: unhex(t, test.changeParam), 5: unhex(t, test.changedEnc), 6: unhex(t, test.hashEnc)})
			r.ok(cmdClientPIN, change)
			p := r.agree(test.protocol)
			p.take(p.getToken("12345678"))
		})
	}
}

// The vector for protocol two changes 1234 to 12345678, both encrypted under the
// IV 00 to 0f.
func TestChangePINVectorOfProtocolTwo(t *testing.T) {
	const iv = "000102030405060708090a0b0c0d0e0f"
	r := newRig(t)
	r.draw(authenticatorKey)
	p := r.agree(2)
	r.ok(cmdClientPIN, p.setPIN(pin))
	encrypt := func(plain []byte) []byte {
		b, err := p.secret.Encrypt(bytes.NewReader(unhex(t, iv)), plain)
		if err != nil {
			t.Fatal(err)
		}
		return b
	}
	r.ok(cmdClientPIN, m{
		1: 2, 2: 4, 3: p.cose,
		4: unhex(t, "c2f8fc8dcae4d0d655b9343c7ba3951c1a741c1390aec1c2a61bf7862a3517e9"),
		5: encrypt(append([]byte("12345678"), make([]byte, 56)...)),
		6: encrypt(unhex(t, "03ac674216f3e15c761ee1a5e255f067")),
	})
}
