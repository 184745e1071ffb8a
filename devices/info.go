// Package devices describes security keys and connects to them: what was found
// ([Listing], [Info]), how a person names one ([Selector]), and an open key
// ([Conn]) whichever transport it is on.
package devices

import "strings"

// Transport is how a key is attached, by the names of WebAuthn L3 §5.8.4 where
// it has one.
type Transport string

// Transports.
const (
	USB Transport = "usb"
	NFC Transport = "nfc"
)

// Info describes one key that can be opened. What is not known is empty.
type Info struct {
	Transport    Transport
	Backend      string // "hidraw", "usbhid", "pcsc", "virtual", "replay", "udp" or "tcp"
	Path         string // what the backend opens: a device node, a reader's name, a file, HOST:PORT
	Local        string // udp: where the answers go to, IP:PORT, if that had to be said
	VendorID     uint16 // USB
	ProductID    uint16 // USB
	Manufacturer string
	Product      string
	Serial       string
	ReportSize   int    // USB: bytes of one HID report without its report ID, 0 for 64
	ATR          []byte // NFC: the card's answer to reset

	Identity *Identity // what it told of itself, nil if nobody has asked
}

// LeftOut is something that looked like a key and cannot be used, with the
// reason and what would mend it.
type LeftOut struct {
	Info   Info
	Reason error
	Hint   string
}

// Failure is a place that could not be looked at. A listing with a failure may
// lack keys that are there.
type Failure struct {
	Backend string
	Reason  error
	Hint    string
}

// String names the backend and the reason, which may name the backend by itself.
func (f Failure) String() string {
	reason := f.Reason.Error()
	if strings.HasPrefix(reason, f.Backend+":") {
		return reason
	}
	return f.Backend + ": " + reason
}

// Listing is what a search found. No devices and no failures means that there
// is no key; failures mean that the search could not look everywhere.
type Listing struct {
	Devices  []Info
	LeftOut  []LeftOut
	Looked   []string // the backends that could look
	Failures []Failure
}

// Selector is what a person types to mean this key: hid:, nfc:, udp: and tcp:
// with the path, or nothing for the software key and tapes.
func (i Info) Selector() string {
	switch i.Backend {
	case "virtual", "replay":
		return ""
	case string(KindUDP), string(KindTCP):
		return socketSelector(Kind(i.Backend), i.Path, i.Local).String()
	}
	switch i.Transport {
	case USB:
		return Selector{Kind: KindHID, Value: i.Path}.String()
	case NFC:
		return Selector{Kind: KindNFC, Value: i.Path}.String()
	}
	return ""
}

// Backend is a way to reach keys that a program may have built in.
type Backend struct {
	Name  string // as in Info.Backend
	Built bool
	Hint  string // how to get it, when it is not built in
}
