package devices

import (
	"fmt"
	"strings"
)

// NotOneError says that a selector does not name exactly one key.
type NotOneError struct {
	Selector Selector
	Matches  []Info  // none, or several
	Listing  Listing // all that the search found and left out
}

// Error says how many keys there are.
func (e *NotOneError) Error() string {
	what := "security key"
	if e.Selector.Kind != KindOnly {
		what += " for " + e.Selector.String()
	}
	if len(e.Matches) > 0 {
		return fmt.Sprintf("%d %s, want one", len(e.Matches), strings.Replace(what, "key", "keys", 1))
	}
	if len(e.Listing.Failures) > 0 {
		return "no " + what + " was found, but not every place could be looked at"
	}
	return "no " + what + " is there"
}

// Hint lists what there is to choose from, what was left out and where the
// search could not look, a line each.
func (e *NotOneError) Hint() string {
	var b strings.Builder
	choices := e.Matches
	if len(choices) == 0 {
		choices = e.Listing.Devices
	}
	for _, i := range choices {
		fmt.Fprintf(&b, "--device %q: %s\n", i.Selector(), strings.TrimSpace(i.Manufacturer+" "+i.Product+" "+i.Serial))
	}
	for _, o := range e.Listing.LeftOut {
		fmt.Fprintf(&b, "left out: %s: %v\n", strings.TrimSpace(o.Info.Path+" "+o.Info.Product), o.Reason)
		writeHint(&b, o.Hint)
	}
	for _, f := range e.Listing.Failures {
		fmt.Fprintf(&b, "could not look: %v\n", f)
		writeHint(&b, f.Hint)
	}
	return strings.TrimSuffix(b.String(), "\n")
}

func writeHint(b *strings.Builder, hint string) {
	if hint != "" {
		b.WriteString("  " + strings.ReplaceAll(hint, "\n", "\n  ") + "\n")
	}
}
