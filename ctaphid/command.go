package ctaphid

import (
	"fmt"
	"strings"
)

// ChannelID names one conversation between a program and the key (CTAP 2.3
// §11.2.3). Zero is reserved.
type ChannelID uint32

// BroadcastCID is the channel on which a program asks for a channel of its own.
const BroadcastCID ChannelID = 0xffffffff

// String is the channel as eight hexadecimal digits.
func (id ChannelID) String() string { return fmt.Sprintf("%08x", uint32(id)) }

// usable reports whether a key may hand out id.
func (id ChannelID) usable() bool { return id != 0 && id != BroadcastCID }

// Command is the command of a message, without the bit that marks an init
// packet (CTAP 2.3 §11.2.9).
type Command byte

// Commands. Those from 0x40 to 0x7f belong to the vendors.
const (
	CommandPing      Command = 0x01 // §11.2.9.1.4
	CommandMsg       Command = 0x03 // §11.2.9.1.1, U2F
	CommandLock      Command = 0x04 // §11.2.9.2.2, optional
	CommandInit      Command = 0x06 // §11.2.9.1.3
	CommandWink      Command = 0x08 // §11.2.9.2.1, optional
	CommandCBOR      Command = 0x10 // §11.2.9.1.2, CTAP2
	CommandCancel    Command = 0x11 // §11.2.9.1.5, has no answer
	CommandKeepalive Command = 0x3b // §11.2.9.1.7, from the key
	CommandError     Command = 0x3f // §11.2.9.1.6, from the key
)

const vendorFirst Command = 0x40

var commandNames = map[Command]string{
	CommandPing:      "CTAPHID_PING",
	CommandMsg:       "CTAPHID_MSG",
	CommandLock:      "CTAPHID_LOCK",
	CommandInit:      "CTAPHID_INIT",
	CommandWink:      "CTAPHID_WINK",
	CommandCBOR:      "CTAPHID_CBOR",
	CommandCancel:    "CTAPHID_CANCEL",
	CommandKeepalive: "CTAPHID_KEEPALIVE",
	CommandError:     "CTAPHID_ERROR",
}

// String is the standard's name, such as "CTAPHID_INIT", or the number of a
// command without one.
func (c Command) String() string {
	if name, ok := commandNames[c]; ok {
		return name
	}
	if c >= vendorFirst {
		return fmt.Sprintf("vendor command 0x%02x", byte(c))
	}
	return fmt.Sprintf("command 0x%02x", byte(c))
}

// Capability is the set of things that a key says it can do in its answer to
// INIT (CTAP 2.3 §11.2.9.1.3).
type Capability byte

// Capabilities.
const (
	CapabilityWink Capability = 0x01
	CapabilityLock Capability = 0x02 // reserved by the standard, set by some keys
	CapabilityCBOR Capability = 0x04
	CapabilityNMSG Capability = 0x08 // MSG, and so U2F, is not there
)

var capabilityNames = []struct {
	bit  Capability
	name string
}{
	{CapabilityWink, "wink"},
	{CapabilityLock, "lock"},
	{CapabilityCBOR, "cbor"},
	{CapabilityNMSG, "nmsg"},
}

// Has reports whether every bit of want is set.
func (c Capability) Has(want Capability) bool { return c&want == want }

// String lists the bits, such as "wink|cbor", the unknown ones as one number,
// and is "none" when there are none.
func (c Capability) String() string {
	var names []string
	for _, n := range capabilityNames {
		if c.Has(n.bit) {
			names = append(names, n.name)
			c &^= n.bit
		}
	}
	if c != 0 {
		names = append(names, fmt.Sprintf("0x%02x", byte(c)))
	}
	if names == nil {
		return "none"
	}
	return strings.Join(names, "|")
}

// KeepaliveStatus is what the key says it is waiting for (CTAP 2.3
// §11.2.9.1.7).
type KeepaliveStatus byte

// Keepalive statuses.
const (
	KeepaliveProcessing KeepaliveStatus = 1 // the key is computing
	KeepaliveUPNeeded   KeepaliveStatus = 2 // the key waits for a touch
)

// String is "processing", "up-needed" or the number.
func (s KeepaliveStatus) String() string {
	switch s {
	case KeepaliveProcessing:
		return "processing"
	case KeepaliveUPNeeded:
		return "up-needed"
	}
	return fmt.Sprintf("status 0x%02x", byte(s))
}
