package virtual_test

import (
	"context"
	"crypto"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/sha256"
	"fmt"
	"runtime"
	"slices"
	"testing"
	"time"

	"github.com/touchstone-fido/touchstone/ctap2/cose"
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

// BenchmarkAgainstBareSigning takes turns between a bare signature over a SHA-256
// and an assertion, so that both meet the same load of the machine, and reports
// how many times as long the assertion takes by the median.
func BenchmarkAgainstBareSigning(b *testing.B) {
	private := make([]byte, 32)
	seeded(1).Read(private)
	bare, err := ecdsa.ParseRawPrivateKey(elliptic.P256(), private)
	if err != nil {
		b.Fatal(err)
	}
	for _, policy := range []virtual.CounterPolicy{virtual.CounterGlobal, virtual.CounterPerCredential} {
		for _, n := range []int{10, 1000, 10000} {
			r := filled(b, n)
			r.become(func(p *virtual.Profile) { p.Counter = policy })
			stored := r.make(discoverable("again"))
			for name, request := range map[string]m{"stored": assertion(stored.id), "wrapped": assertion(r.make(creation()).id), "found": assertion()} {
				msg := message(b, cmdGetAssertion, request)
				b.Run(fmt.Sprintf("%s/%d/counter %d", name, n, policy), func(b *testing.B) {
					b.ReportMetric(ratio(b, bare, r, msg), "×bare")
				})
			}
		}
	}
}

// ratio is the median time of an assertion by that of a bare signature.
func ratio(b *testing.B, bare *ecdsa.PrivateKey, r *rig, msg []byte) float64 {
	var signing, asserting []time.Duration
	for b.Loop() {
		start := time.Now()
		digest := sha256.Sum256(msg)
		if _, err := bare.Sign(nil, digest[:], crypto.SHA256); err != nil {
			b.Fatal(err)
		}
		middle := time.Now()
		if answer := r.key.Message(r.ctx, msg, nil); answer[0] != 0 {
			b.Fatalf("status %02x", answer[0])
		}
		signing, asserting = append(signing, middle.Sub(start)), append(asserting, time.Since(middle))
	}
	slices.Sort(signing)
	slices.Sort(asserting)
	return float64(asserting[len(asserting)/2]) / float64(signing[len(signing)/2])
}

// filled is a key with n discoverable credentials, a hundred at each relying
// party.
func filled(b testing.TB, n int) *rig {
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

// BenchmarkCounters is what the counter policies cost an assertion.
func BenchmarkCounters(b *testing.B) {
	for name, policy := range map[string]virtual.CounterPolicy{
		"global": virtual.CounterGlobal, "own": virtual.CounterPerCredential, "none": virtual.CounterNone,
	} {
		r := filled(b, 1000)
		r.become(func(p *virtual.Profile) { p.Counter = policy })
		stored := r.make(discoverable("again"))
		b.Run(name, func(b *testing.B) { r.run(b, message(b, cmdGetAssertion, assertion(stored.id))) })
	}
}

// BenchmarkU2FAuthenticate does not wait for a touch.
func BenchmarkU2FAuthenticate(b *testing.B) {
	r := newRig(b)
	command := extended(insAuthenticate, dontEnforce, challenged(r.register().handle...))
	ctx := context.Background()
	for b.Loop() {
		if answer := r.key.U2F(ctx, command); len(answer) == 2 {
			b.Fatalf("status word %x", answer)
		}
	}
}

// BenchmarkAlgorithms makes a credential and an assertion of each algorithm; RSA
// makes its key from a seed twice.
func BenchmarkAlgorithms(b *testing.B) {
	for _, algorithm := range allAlgorithms {
		r := newRig(b, model(func(p *virtual.Profile) { p.Algorithms = []cose.Algorithm{algorithm} }))
		request := creation().with(m{4: []any{s{"alg": int64(algorithm), "type": "public-key"}}})
		b.Run(algorithm.String(), func(b *testing.B) {
			for b.Loop() {
				r.assert(assertion(r.make(request).id))
			}
		})
	}
}

// BenchmarkEnumerate lists all relying parties, or begins to.
func BenchmarkEnumerate(b *testing.B) {
	for _, n := range []int{1000, 10000} {
		r := filled(b, n)
		r.setPIN()
		token := r.tokenFor(permPCMR)
		b.Run(fmt.Sprintf("metadata/%d", n), func(b *testing.B) { r.run(b, message(b, cmdCredMgmt, token.cm(1, nil))) })
		b.Run(fmt.Sprintf("relying parties/%d", n), func(b *testing.B) { r.run(b, message(b, cmdCredMgmt, token.cm(2, nil))) })
		b.Run(fmt.Sprintf("credentials/%d", n), func(b *testing.B) {
			r.run(b, message(b, cmdCredMgmt, token.cm(4, m{1: rpHash("0.example")})))
		})
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

// BenchmarkMemory is what a credential costs a key that is loaded, its store left
// out.
func BenchmarkMemory(b *testing.B) {
	for _, n := range []int{10, 1000, 10000} {
		r := filled(b, n)
		b.Run(fmt.Sprint(n), func(b *testing.B) {
			for b.Loop() {
				before := heap()
				key, err := virtual.New(r.cfg)
				if err != nil {
					b.Fatal(err)
				}
				b.ReportMetric(float64(heap()-before)/float64(n), "B/credential")
				runtime.KeepAlive(key)
			}
		})
	}
}

// heap is the bytes that are in use.
func heap() int64 {
	var m runtime.MemStats
	runtime.GC()
	runtime.ReadMemStats(&m)
	return int64(m.HeapAlloc)
}
