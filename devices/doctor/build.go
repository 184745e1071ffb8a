package doctor

import (
	"context"
	"fmt"
	"strings"

	"github.com/touchstone-fido/touchstone/devices/discover"
)

// buildBackends finds out whether this program can reach keys on USB here.
func buildBackends(_ context.Context, m *machine) Finding {
	var in, out []string
	need, hint := discover.USBHID, ""
	if m.goos == "linux" {
		need = discover.Hidraw
	}
	for _, b := range m.backends {
		if b.Built {
			in = append(in, b.Name)
			continue
		}
		out = append(out, fmt.Sprintf("%s: %s", b.Name, b.Hint))
		if b.Name == need {
			hint = b.Hint
		}
	}
	f := Finding{Status: OK, Summary: "built in: " + strings.Join(in, ", "), Detail: strings.Join(out, "\n")}
	if len(in) == 0 {
		f.Summary = "no way to reach a key is built in"
	}
	if !m.built(need) {
		f.Status, f.Fix.Text = Problem, hint
		f.Summary += "; keys on USB cannot be reached"
	}
	return f
}

// pcscBuilt finds out whether this program can reach cards.
func pcscBuilt(_ context.Context, m *machine) Finding {
	for _, b := range m.backends {
		if b.Name == discover.PCSC && !b.Built {
			return Finding{Status: Warning, Summary: "PC/SC is not built in: keys on NFC cannot be reached", Detail: b.Hint,
				Fix: Fix{Text: "take a build with PC/SC, if keys on NFC matter here"}}
		}
	}
	return Finding{Status: OK, Summary: "PC/SC is built in"}
}
