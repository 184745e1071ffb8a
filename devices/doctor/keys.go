package doctor

import (
	"context"
	"errors"
	"fmt"
	"strings"

	"github.com/touchstone-fido/touchstone/ctap2"
	"github.com/touchstone-fido/touchstone/ctaphid"
	"github.com/touchstone-fido/touchstone/ctaphid/hidraw"
	"github.com/touchstone-fido/touchstone/devices"
	"github.com/touchstone-fido/touchstone/devices/discover"
	"github.com/touchstone-fido/touchstone/nfc"
	"github.com/touchstone-fido/touchstone/nfc/pcsc"
)

// answer is what a key said of itself.
type answer struct {
	versions []string
	device   string // the maker's version
}

// keysPresent finds out whether there is a key.
func keysPresent(_ context.Context, m *machine) Finding {
	l := m.list()
	f := Finding{Status: OK, Summary: fmt.Sprintf("there are %d keys and cards to be asked", len(l.Devices))}
	if len(l.Devices) == 1 {
		f.Summary = "there is one key or card to be asked"
	}
	var lines []string
	for _, d := range l.Devices {
		lines = append(lines, keyName(d))
	}
	for _, o := range l.LeftOut {
		lines = append(lines, fmt.Sprintf("left out: %s: %v", keyName(o.Info), o.Reason))
	}
	for _, failure := range l.Failures {
		lines = append(lines, "not looked at: "+failure.String())
	}
	f.Detail = strings.Join(lines, "\n")
	if len(l.Devices) == 0 {
		f.Status, f.Summary, f.Fix.Text = Warning, "there is no key that could be asked", "plug a key in, or put one on a reader"
	}
	return f
}

func keyName(i devices.Info) string {
	return strings.TrimSpace(i.Selector() + " " + i.Product)
}

// keyChecks opens each key and asks what it is.
func (m *machine) keyChecks() []check {
	nothing := func(summary string) []check {
		return []check{one("key.answers", func(context.Context, *machine) Finding {
			return Finding{Status: NotApplicable, Summary: summary}
		})}
	}
	if m.noOpen {
		return nothing("no key was opened, as was wanted")
	}
	var checks []check
	for _, key := range m.list().Devices {
		checks = append(checks, one("key.answers:"+key.Selector(), func(ctx context.Context, m *machine) Finding {
			return keyAnswers(ctx, m, key)
		}))
	}
	if checks == nil {
		return nothing("there is no key to ask")
	}
	return checks
}

func keyAnswers(ctx context.Context, m *machine, key devices.Info) Finding {
	told, err := m.ask(ctx, key)
	name := keyName(key)
	switch {
	case err == nil:
		f := Finding{Status: OK, Summary: name + " answers", Detail: strings.Join(told.versions, ", ")}
		if told.device != "" {
			f.Detail += "; device version " + told.device
		}
		return f
	case errors.Is(err, ctaphid.CodeInvalidCommand):
		return Finding{Status: Warning, Summary: name + " speaks U2F only, no CTAP2", Detail: err.Error()}
	case errors.Is(err, nfc.SWNotFound):
		return Finding{Status: NotApplicable, Summary: name + " is no FIDO key, or not by this way", Detail: err.Error()}
	case errors.Is(err, hidraw.ErrInUse), errors.Is(err, pcsc.ErrInUse):
		return Finding{Status: Problem, Summary: name + " is held by another program", Detail: err.Error(), Fix: Fix{Text: discover.Hint(err)}}
	case errors.Is(err, ctaphid.ErrBusy):
		return Finding{Status: Warning, Summary: name + " is busy with another program", Detail: err.Error(), Fix: Fix{Text: "touch it, or break the other program off"}}
	}
	return Finding{Status: Problem, Summary: name + " does not answer as it should", Detail: err.Error(), Fix: Fix{Text: keyFix(key, err)}}
}

func keyFix(key devices.Info, err error) string {
	if hint := discover.Hint(err); hint != "" {
		return hint
	}
	if key.Transport == devices.NFC {
		return "take it off the reader and put it back"
	}
	return "unplug it and plug it in again"
}

// askKey opens a key, asks it what it is, and closes it.
func askKey(ctx context.Context, key devices.Info) (answer, error) {
	link, err := discover.Open(ctx, key)
	if err != nil {
		return answer{}, err
	}
	conn, err := devices.Connect(ctx, link, devices.Options{})
	if err != nil {
		return answer{}, err
	}
	told, err := conn.GetInfo(ctx)
	return newAnswer(conn, told), errors.Join(err, conn.Close())
}

func newAnswer(conn *devices.Conn, told *ctap2.Info) answer {
	a := answer{device: conn.Protocol.DeviceVersion}
	if told != nil {
		a.versions = told.Versions
	}
	return a
}
