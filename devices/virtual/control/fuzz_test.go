package control_test

import (
	"context"
	"testing"
	"time"

	"github.com/touchstone-fido/touchstone/devices/virtual/control"
)

// FuzzRequest sends anything at all: the panel answers with an envelope, and
// what is no request changes nothing.
func FuzzRequest(f *testing.F) {
	for action, body := range map[string]string{
		"touch": `{"wait":"1ns","short":true}`, "deny": `{"wait":""}`, "presence": `{"mode":"manual"}`, "finger": `{"finger":"bad"}`,
		"faults": `{"clear":true,"off":["mc-no-touch"],"on":["nfc-answer-cut"]}`, "power-cycle": `{}`, "remove": ``, "": `[]`, "../..": `{"a":`,
	} {
		f.Add("one", action, []byte(body))
	}
	f.Fuzz(func(t *testing.T, name, action string, body []byte) {
		ctx, stop := context.WithTimeout(t.Context(), time.Millisecond)
		defer stop()
		panel := control.NewPanel(nil)
		if err := panel.Add(&control.Key{Name: "one", User: panel.User("one", control.Manual, nil), Power: func() {}}); err != nil {
			t.Fatal(err)
		}
		state, err := panel.Do(ctx, name, control.Action(action), body)
		if err != nil {
			return
		}
		if _, err := control.ParseMode(string(state.Presence)); err != nil {
			t.Fatal(err)
		}
		if _, err := control.ParseFinger(state.Finger); err != nil {
			t.Fatal(err)
		}
	})
}
