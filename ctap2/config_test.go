package ctap2_test

import (
	"errors"
	"testing"

	"github.com/touchstone-fido/touchstone/ctap2"
	"github.com/touchstone-fido/touchstone/ctap2/pinuv"
)

// config is a request with parameters in hex, authorised by the vectors' token.
func config(t testing.TB, sub, params string) string {
	auth := "03 02 04" + mac(t, pinuv.Two, ffs+"0d"+sub+params)
	if sub == "ff" {
		sub = "18ff"
	}
	if params == "" {
		return "0d a3 01" + sub + auth
	}
	return "0d a4 01" + sub + "02" + params + auth
}

func TestConfigBytes(t *testing.T) {
	two := vectorToken(t, pinuv.Two)
	for _, c := range []struct {
		name, want string
		run        func(*ctap2.Client) error
	}{
		{"enterprise attestation", config(t, "01", ""), func(c *ctap2.Client) error { return c.EnableEnterpriseAttestation(t.Context(), two) }},
		{"always UV", "0d a3 01 02 03 02 04" + vectorMAC(t, "authenticatorConfig toggleAlwaysUv", ffs+"0d02"), func(c *ctap2.Client) error { return c.ToggleAlwaysUV(t.Context(), two) }},
		{"minimum length and change", "0d a4 01 03 02 a2 01 06 03 f5 03 02 04" + vectorMAC(t, "authenticatorConfig setMinPINLength", ffs+"0d03 a2010603f5"), func(c *ctap2.Client) error {
			return c.SetMinPINLength(t.Context(), two, ctap2.MinPINLength{Length: 6, ForceChange: true})
		}},
		{"all of it", config(t, "03", "a4 01 08 02 82 6161 6162 03 f5 04 f5"), func(c *ctap2.Client) error {
			return c.SetMinPINLength(t.Context(), two, ctap2.MinPINLength{Length: 8, RPIDs: []string{"a", "b"}, ForceChange: true, ComplexityPolicy: true})
		}},
		{"nothing of it", config(t, "03", "a0"), func(c *ctap2.Client) error {
			return c.SetMinPINLength(t.Context(), two, ctap2.MinPINLength{})
		}},
		{"long touch", config(t, "04", ""), func(c *ctap2.Client) error { return c.EnableLongTouchForReset(t.Context(), two) }},
		{"protocol one", "0d a3 01 01 03 01 04" + mac(t, pinuv.One, ffs+"0d01"), func(c *ctap2.Client) error {
			return c.EnableEnterpriseAttestation(t.Context(), vectorToken(t, pinuv.One))
		}},
		{"no token", "0d a1 01 02", func(c *ctap2.Client) error { return c.ToggleAlwaysUV(t.Context(), nil) }},
	} {
		if err := c.run(ctap2.New(play(t, step{c.want, "00"}), ctap2.Config{})); err != nil {
			t.Errorf("%s: %v", c.name, err)
		}
		err := c.run(ctap2.New(play(t, step{c.want, "3e"}), ctap2.Config{}))
		var refused *ctap2.Error
		if !errors.As(err, &refused) || refused.Status != ctap2.StatusInvalidSubcommand || refused.Subcommand == "" {
			t.Errorf("%s: %v", c.name, err)
		}
	}
}

func TestVendorPrototype(t *testing.T) {
	params := map[uint]any{2: "x"}
	want := config(t, "ff", "a2 01 1b ffffffffffffffff 02 6178")
	for answer, body := range map[string]string{"00": "", "00 a1 01 02": "\xa1\x01\x02"} {
		got, err := ctap2.New(play(t, step{want, answer}), ctap2.Config{}).VendorPrototype(t.Context(), vectorToken(t, pinuv.Two), 1<<64-1, params)
		if err != nil || string(got) != body {
			t.Errorf("%s: %x, %v", answer, got, err)
		}
	}
	if len(params) != 1 {
		t.Errorf("the caller's parameters have become %v", params)
	}
	if _, err := ctap2.New(play(t, step{config(t, "ff", "a1 01 07"), "00"}), ctap2.Config{}).VendorPrototype(t.Context(), vectorToken(t, pinuv.Two), 7, nil); err != nil {
		t.Error(err)
	}
}

func TestSetAlwaysUVIsIdempotent(t *testing.T) {
	head := "00 a3 01 80 03 50 00000000000000000000000000000000 04"
	on, off := head+"a1 68616c776179735576 f5", head+"a1 68616c776179735576 f4"
	for _, c := range []struct {
		info  string
		want  bool
		steps []step
		err   error
	}{
		{on, true, nil, nil},
		{off, false, nil, nil},
		{off, true, []step{{"0d a1 01 02", "00"}}, nil},
		{on, false, []step{{"0d a1 01 02", "27"}}, ctap2.StatusOperationDenied},
		{head + "a0", true, nil, ctap2.ErrUnsupported},
	} {
		client := ctap2.New(play(t, append([]step{{"04", c.info}}, c.steps...)...), ctap2.Config{})
		if err := client.SetAlwaysUV(t.Context(), nil, c.want); !errors.Is(err, c.err) {
			t.Errorf("%s to %v: %v, want %v", c.info[len(head):], c.want, err, c.err)
		}
	}
}
