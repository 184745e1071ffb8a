package virtual_test

import (
	"bytes"
	"errors"
	"testing"

	"github.com/touchstone-fido/touchstone/devices/virtual"
)

// FuzzMessage sends anything to a key that is set up, twice, so that what the
// first one leaves behind is there for the second.
func FuzzMessage(f *testing.F) {
	r := newRig(f, complete)
	all := requests(r)
	for _, msg := range all {
		f.Add(msg, []byte{cmdGetNextAssertion})
		f.Add(msg, all["getAssertion of anybody"])
	}
	for body := range mangled {
		f.Add(append([]byte{cmdMakeCredential}, body...), []byte{})
	}
	records, err := r.cfg.Store.Load()
	if err != nil {
		f.Fatal(err)
	}
	profile := r.cfg.Profile
	profile.MaxMessage = virtual.MaxMessage
	f.Fuzz(func(t *testing.T, first, second []byte) {
		store := virtual.NewMemory()
		apply(t, store, records)
		quiet := func(error) {}
		key, err := virtual.New(virtual.Config{Rand: seeded(1), Store: store, OnError: quiet, Profile: profile, Finger: virtual.Touching("thumb")})
		if err != nil {
			t.Fatal(err)
		}
		for _, msg := range [][]byte{first, second} {
			answer := key.Message(t.Context(), msg, nil)
			checkAnswer(t, answer)
			if answer[0] == 0x7f {
				t.Fatal("CTAP1_ERR_OTHER for a request")
			}
		}
		key.PowerCycle()
		if _, err := virtual.New(virtual.Config{Store: store}); err != nil {
			t.Fatalf("the key cannot be loaded any more: %v", err)
		}
	})
}

// FuzzU2F sends any two CTAP1 commands to a key that is set up.
func FuzzU2F(f *testing.F) {
	r := newRig(f)
	reg := r.register()
	for _, command := range [][]byte{
		{0, 3, 0, 0}, extended(insRegister, 3, challenged()), extended(insAuthenticate, checkOnly, challenged(reg.handle...)),
		extended(insAuthenticate, enforce, challenged(reg.handle...)), extended(insAuthenticate, dontEnforce, challenged(reg.handle...)),
		append([]byte{0, insRegister, 0, 0, 64}, challenged()...), {0x80, 0x10, 0, 0}, {0, 1, 0, 0, 0, 0, 0}, {},
	} {
		f.Add(command, []byte{0, 3, 0, 0})
	}
	records, err := r.cfg.Store.Load()
	if err != nil {
		f.Fatal(err)
	}
	f.Fuzz(func(t *testing.T, first, second []byte) {
		store := virtual.NewMemory()
		apply(t, store, records)
		key, err := virtual.New(virtual.Config{Rand: seeded(1), Store: store, Transport: virtual.NFC})
		if err != nil {
			t.Fatal(err)
		}
		for _, command := range [][]byte{first, second} {
			answer := key.U2F(t.Context(), command)
			if n := len(answer); n < 2 || n > 2 && (answer[n-2] != 0x90 || answer[n-1] != 0) || answer[n-2] == 0x6f {
				t.Fatalf("answer %x", answer)
			}
		}
	})
}

// mangled are bodies on which parsers have stumbled.
var mangled = map[string]bool{
	"\xa1\x01\x5b\xff\xff\xff\xff\xff\xff\xff\xff": true,
	"\xbf\xff":     true,
	"\xa1\x80\x80": true,
	"\xa1\xa0\xa0": true,
	"\xa1\x40\x40": true,
	"\xa1\xf6\xf6": true,
	"\xa1\x01\xf5": true,
	"\xa1\x3b\xff\xff\xff\xff\xff\xff\xff\xff\x00": true,
}

// FuzzLoad loads a key of which one record is anything: a key, or an error that
// names the record.
func FuzzLoad(f *testing.F) {
	r := used(f)
	records, err := r.cfg.Store.Load()
	if err != nil {
		f.Fatal(err)
	}
	for name, value := range records {
		f.Add(name, value)
		f.Add(name, value[:len(value)/2])
	}
	f.Add("credential/00", []byte{0xa0})
	f.Add("later", []byte{0xa1, 0x00, 0x02})
	f.Fuzz(func(t *testing.T, name string, value []byte) {
		store := virtual.NewMemory()
		apply(t, store, records)
		apply(t, store, map[string][]byte{name: bytes.Clone(value)})
		key, err := virtual.New(virtual.Config{Rand: seeded(1), Store: store})
		var bad *virtual.RecordError
		if err != nil {
			if !errors.As(err, &bad) {
				t.Fatalf("error of another kind: %v", err)
			}
			return
		}
		checkAnswer(t, key.Message(t.Context(), []byte{cmdGetInfo}, nil))
	})
}

// FuzzUser is the fuzz test of example_fuzz_test.go with our own encoder.
func FuzzUser(f *testing.F) {
	fuzzMessage(f, func(t *testing.T, user []byte) []byte {
		return message(t, cmdMakeCredential, discoverable("fuzzed").with(m{3: s{"id": user, "name": "fuzzed"}}))
	})
}
