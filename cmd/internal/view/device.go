package view

import (
	"encoding/hex"
	"fmt"
	"io"
	"slices"
	"strings"

	"github.com/touchstone-fido/touchstone/ctap2/authdata"
	"github.com/touchstone-fido/touchstone/ctap2/webauthn"
	"github.com/touchstone-fido/touchstone/devices"
)

// Device is the JSON form of devices.Info.
type Device struct {
	Selector     string         `json:"selector,omitempty"` // what --device takes to mean this key
	Transport    string         `json:"transport"`
	Backend      string         `json:"backend"`
	Path         string         `json:"path,omitempty"`
	VendorID     string         `json:"vendorId,omitempty"`  // four hex digits
	ProductID    string         `json:"productId,omitempty"` // four hex digits
	Manufacturer string         `json:"manufacturer,omitempty"`
	Product      string         `json:"product,omitempty"`
	Serial       string         `json:"serial,omitempty"`
	ATR          webauthn.Bytes `json:"atr,omitempty"`

	// What the key told of itself, where it was asked.
	AAGUID     string   `json:"aaguid,omitempty"`
	Model      string   `json:"model,omitempty"` // the product name that goes with the AAGUID
	Firmware   string   `json:"firmware,omitempty"`
	Versions   []string `json:"versions,omitempty"`   // of CTAP
	Identified *bool    `json:"identified,omitempty"` // absent if nobody has asked
	Reason     string   `json:"reason,omitempty"`     // why it could not be asked
	Hint       string   `json:"hint,omitempty"`
}

// NewDevice puts a device into its JSON form.
func NewDevice(i devices.Info) Device {
	d := Device{
		Selector: i.Selector(), Transport: string(i.Transport), Backend: i.Backend, Path: i.Path,
		Manufacturer: i.Manufacturer, Product: i.Product, Serial: i.Serial, ATR: i.ATR,
	}
	if i.VendorID != 0 || i.ProductID != 0 {
		d.VendorID, d.ProductID = fmt.Sprintf("%04x", i.VendorID), fmt.Sprintf("%04x", i.ProductID)
	}
	if i.Identity != nil {
		d.identify(*i.Identity)
	}
	return d
}

func (d *Device) identify(id devices.Identity) {
	identified := id.Err == nil
	d.Model, d.Firmware, d.Versions, d.Identified, d.Hint = id.Model, id.Firmware, id.Versions, &identified, id.Hint
	if id.AAGUID != (authdata.AAGUID{}) {
		d.AAGUID = id.AAGUID.String()
	}
	if id.Err != nil {
		d.Reason = id.Err.Error()
	}
}

// name is what a note calls a device: where it is and what it is.
func (d Device) name() string {
	parts := []string{d.Path, d.id(), d.Product, d.Serial}
	return strings.Join(slices.DeleteFunc(parts, func(s string) bool { return s == "" || s == "-" }), " ")
}

// id is how a person tells USB keys apart by number.
func (d Device) id() string {
	switch {
	case d.VendorID != "":
		return d.VendorID + ":" + d.ProductID
	case len(d.ATR) > 0:
		return "ATR " + hex.EncodeToString(d.ATR)
	}
	return "-"
}

// DeviceList shows what a search for keys found.
type DeviceList struct{ Listing devices.Listing }

type deviceList struct {
	Schema   string    `json:"schema"`
	Devices  []Device  `json:"devices"`
	LeftOut  []leftOut `json:"leftOut"`
	Looked   []string  `json:"looked"` // backends that could look
	Failures []failure `json:"failures"`
}

type leftOut struct {
	Device Device `json:"device"`
	Reason string `json:"reason"`
	Hint   string `json:"hint,omitempty"`
}

type failure struct {
	Backend string `json:"backend"`
	Reason  string `json:"reason"`
	Hint    string `json:"hint,omitempty"`
}

// Envelope is touchstone/device-list/1.
func (l DeviceList) Envelope() any {
	e := deviceList{Schema: "touchstone/device-list/1", Devices: []Device{}, LeftOut: []leftOut{}, Looked: append([]string{}, l.Listing.Looked...), Failures: []failure{}}
	for _, i := range l.Listing.Devices {
		e.Devices = append(e.Devices, NewDevice(i))
	}
	for _, o := range l.Listing.LeftOut {
		e.LeftOut = append(e.LeftOut, leftOut{NewDevice(o.Info), o.Reason.Error(), o.Hint})
	}
	for _, f := range l.Listing.Failures {
		e.Failures = append(e.Failures, failure{f.Backend, f.Reason.Error(), f.Hint})
	}
	return e
}

// Text writes a table of the keys.
func (l DeviceList) Text(w io.Writer) error {
	if len(l.Listing.Devices) == 0 {
		return l.none(w)
	}
	var rows [][]string
	for _, i := range l.Listing.Devices {
		rows = append(rows, l.row(NewDevice(i)))
	}
	header := []string{"DEVICE", "TRANSPORT", "ID", "PRODUCT", "SERIAL"}
	if l.asked() {
		header = []string{"DEVICE\n  VERSIONS", "TRANSPORT\n", "PRODUCT\nMODEL", "SERIAL\nFIRMWARE", "ID\nAAGUID"}
	}
	return table(w, header, rows)
}

// asked reports whether the keys were asked what they are.
func (l DeviceList) asked() bool {
	return slices.ContainsFunc(l.Listing.Devices, func(i devices.Info) bool { return i.Identity != nil })
}

// row is what the table has on one key. What the key told is a second line of
// it: eight columns would be too wide to read.
func (l DeviceList) row(d Device) []string {
	if !l.asked() {
		return []string{oneLine(d.Selector), d.Transport, d.id(), orDash(oneLine(d.Product)), orDash(oneLine(d.Serial))}
	}
	two := func(above, below string) string { return orDash(oneLine(above)) + "\n" + orDash(oneLine(below)) }
	return []string{
		oneLine(d.Selector) + "\n  " + orDash(oneLine(strings.Join(d.Versions, " "))), d.Transport + "\n",
		two(d.Product, d.Model), two(d.Serial, d.Firmware), two(d.id(), d.AAGUID),
	}
}

func (l DeviceList) none(w io.Writer) error {
	text := "No security key is there."
	if len(l.Listing.Failures) > 0 {
		text = "No security key was found, but not every place could be looked at."
	}
	_, err := fmt.Fprintln(w, text)
	return err
}

// Notes writes which keys could not be asked and what a listing left out, and
// why, for stderr.
func (l DeviceList) Notes(w io.Writer) {
	for _, i := range l.Listing.Devices {
		if id := i.Identity; id != nil && id.Err != nil {
			note(w, fmt.Sprintf("not identified: %s: %v", NewDevice(i).name(), id.Err), id.Hint)
		}
	}
	for _, o := range l.Listing.LeftOut {
		note(w, fmt.Sprintf("left out: %s: %v", NewDevice(o.Info).name(), o.Reason), o.Hint)
	}
	for _, f := range l.Listing.Failures {
		note(w, fmt.Sprintf("could not look: %v", f), f.Hint)
	}
}

func note(w io.Writer, text, hint string) {
	fmt.Fprintln(w, text)
	if hint != "" {
		fmt.Fprintln(w, indent(hint))
	}
}

func orDash(s string) string {
	if s == "" {
		return "-"
	}
	return s
}
