package virtual_test

import (
	"context"
	"crypto"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/sha256"
	"fmt"
	"testing"

	"github.com/touchstone-fido/touchstone/devices/virtual"
)

// BenchmarkBareP256Sign is what the commands below are held against: one
// signature as the key makes them, with nothing around it.
func BenchmarkBareP256Sign(b *testing.B) {
	private := make([]byte, 32)
	seeded(1).Read(private)
	key, err := ecdsa.ParseRawPrivateKey(elliptic.P256(), private)
	if err != nil {
		b.Fatal(err)
	}
	digest := sha256.Sum256(private)
	for b.Loop() {
		if _, err := key.Sign(nil, digest[:], crypto.SHA256); err != nil {
			b.Fatal(err)
		}
	}
}

// filled is a key with n discoverable credentials, a hundred at each relying
// party.
func filled(b *testing.B, n int) *rig {
	r := newRig(b, model(func(p *virtual.Profile) { p.MaxCredentials = n + 1 }))
	for i := range n {
		rp := fmt.Sprintf("%d.example", i/100)
		r.ok(cmdMakeCredential, discoverable(fmt.Sprint("user", i)).with(m{2: s{"id": rp}}))
	}
	return r
}

// run sends the same message again and again.
func (r *rig) run(b *testing.B, msg []byte) {
	ctx := context.Background()
	for b.Loop() {
		if answer := r.key.Message(ctx, msg, nil); answer[0] != 0 {
			b.Fatalf("status %02x", answer[0])
		}
	}
}

func BenchmarkMakeCredential(b *testing.B) {
	for _, n := range []int{0, 10, 1000, 10000} {
		r := filled(b, n)
		b.Run(fmt.Sprintf("wrapped/%d", n), func(b *testing.B) { r.run(b, message(b, cmdMakeCredential, creation())) })
		b.Run(fmt.Sprintf("stored/%d", n), func(b *testing.B) {
			r.run(b, message(b, cmdMakeCredential, discoverable("again"))) // replaces itself
		})
	}
}

func BenchmarkGetAssertion(b *testing.B) {
	for _, n := range []int{0, 10, 1000, 10000} {
		r := filled(b, n)
		wrapped := r.make(creation())
		stored := r.make(discoverable("again"))
		b.Run(fmt.Sprintf("wrapped/%d", n), func(b *testing.B) { r.run(b, message(b, cmdGetAssertion, assertion(wrapped.id))) })
		b.Run(fmt.Sprintf("stored/%d", n), func(b *testing.B) { r.run(b, message(b, cmdGetAssertion, assertion(stored.id))) })
		b.Run(fmt.Sprintf("found/%d", n), func(b *testing.B) { r.run(b, message(b, cmdGetAssertion, assertion())) })
		if n > 0 {
			b.Run(fmt.Sprintf("found among 100/%d", n), func(b *testing.B) {
				r.run(b, message(b, cmdGetAssertion, assertion().with(m{1: "0.example"})))
			})
		}
	}
}

func BenchmarkGetInfo(b *testing.B) { newRig(b).run(b, []byte{cmdGetInfo}) }

func BenchmarkNew(b *testing.B) {
	b.Run("factory-new", func(b *testing.B) {
		for b.Loop() {
			if _, err := virtual.New(virtual.Config{}); err != nil {
				b.Fatal(err)
			}
		}
	})
	for _, n := range []int{10, 1000, 10000} {
		r := filled(b, n)
		b.Run(fmt.Sprintf("loaded/%d", n), func(b *testing.B) {
			for b.Loop() {
				r.load()
			}
		})
	}
}
