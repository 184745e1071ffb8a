//go:build linux

package browser

import (
	"slices"
	"testing"
)

// dialog is what the browser asks its user during a ceremony.
type dialog struct {
	t     *testing.T
	views *views
	frame view
}

// Sheets of the dialog, by the names that the browser gives them.
const (
	sheetAny      = "AuthenticatorRequestDialogView" // is around each
	sheetPIN      = "AuthenticatorClientPinEntrySheetView"
	sheetAccounts = "AuthenticatorSelectAccountSheetView"
)

// dialog waits until the browser shows a sheet that says something, and returns
// the dialog that it is on.
func (p *tab) dialog(sheet, says string) *dialog {
	p.t.Helper()
	d := &dialog{t: p.t, views: p.browser.views}
	await(p.t, "that the browser says "+says, func() bool { return d.look(sheet) && slices.Contains(d.labels(), says) })
	return d
}

// shows lists what the dialog says that is open, if there is one.
func (p *tab) shows() []string {
	d := &dialog{t: p.t, views: p.browser.views}
	if !d.look(sheetAny) {
		return nil
	}
	return d.labels()
}

// look finds the dialog with a sheet on it.
func (d *dialog) look(sheet string) bool {
	d.t.Helper()
	var document struct {
		Root view `json:"root"`
	}
	if err := d.views.call("DOM.getDocument", nil, &document); err != nil {
		d.t.Fatal(err)
	}
	for _, d.frame = range document.Root.all("BubbleFrameView") {
		if len(d.frame.all(sheet)) > 0 {
			return true
		}
	}
	return false
}

// labels are all texts of the dialog.
func (d *dialog) labels() (all []string) {
	for _, label := range append(d.frame.all("Label"), d.frame.all("MdTextButton")...) {
		if text := d.text(label); text != "" {
			all = append(all, text)
		}
	}
	return all
}

// text is what a view shows, nothing if it has gone in the meantime.
func (d *dialog) text(of view) string {
	text, err := d.views.text(of)
	if err != nil {
		return ""
	}
	return text
}

// types types a text into each of the dialog's fields.
func (d *dialog) types(text string) {
	d.t.Helper()
	for _, field := range d.frame.all("PinTextfield") {
		for _, r := range text {
			d.dispatch("DOM.dispatchKeyEvent", field, map[string]any{
				"type": "keyPressed", "keyCode": 0, "code": 0, "flags": 0, "key": r, "isChar": true,
			})
		}
	}
}

// presses the button that shows a text.
func (d *dialog) presses(text string) {
	d.t.Helper()
	for _, class := range []string{"MdTextButton", "WebAuthnHoverButton"} {
		for _, button := range d.frame.all(class) {
			if slices.ContainsFunc(append(button.all("Label"), button), func(v view) bool { return d.text(v) == text }) {
				d.clicks(button)
				return
			}
		}
	}
	d.t.Fatalf("the dialog has no button %q", text)
}

func (d *dialog) clicks(on view) {
	d.t.Helper()
	for _, event := range []string{"mousePressed", "mouseReleased"} {
		d.dispatch("DOM.dispatchMouseEvent", on, map[string]any{
			"type": event, "x": 5, "y": 5, "button": "left", "wheelDirection": "none",
		})
	}
}

func (d *dialog) dispatch(method string, to view, event map[string]any) {
	d.t.Helper()
	if err := d.views.call(method, map[string]any{"nodeId": to.ID, "event": event}, nil); err != nil {
		d.t.Fatal(err)
	}
}
