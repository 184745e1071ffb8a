package ctaphid

import (
	"slices"
	"testing"
	"testing/synctest"
)

// TestCapabilities has devices say what they are told to say, and refuse what
// they do not say or cannot do.
func TestCapabilities(t *testing.T) {
	full := &fullHandler{handlerFunc: echo}
	for _, test := range []struct {
		name            string
		handler         Handler
		says            Capability
		cbor, msg, wink bool
	}{
		{"all that it can", full, CapabilityWink | CapabilityCBOR, true, true, true},
		{"LOCK too", full, CapabilityWink | CapabilityLock | CapabilityCBOR, true, true, true},
		{"no WINK", full, CapabilityCBOR, true, true, false},
		{"no MSG", full, CapabilityWink | CapabilityCBOR | CapabilityNMSG, true, false, true},
		{"MSG only", full, 0, false, true, false},
		{"nothing", full, CapabilityNMSG, false, false, false},
		{"more than it can", echo, CapabilityWink | CapabilityCBOR, true, false, false},
	} {
		bench(t, test.name, test.handler, DeviceConfig{Capabilities: &test.says}, func(_ *Device, h rawHost) {
			cid := h.open()
			h.send(cid, CommandInit, nonce...)
			h.want(shown(cid, CommandInit, append(slices.Clone(nonce), 0, 0, 0, 1, 2, 0, 0, 0, byte(test.says))...))
			for _, c := range []struct {
				command Command
				payload []byte
				answer  []byte
				does    bool
			}{
				{CommandCBOR, []byte{4}, []byte{4}, test.cbor},
				{CommandMsg, []byte{0, 3}, []byte{0, 3, 0x90, 0}, test.msg},
				{CommandWink, nil, nil, test.wink},
			} {
				h.send(cid, c.command, c.payload...)
				synctest.Wait()
				if c.does {
					h.want(shown(cid, c.command, c.answer...))
				} else {
					h.want(refusal(cid, CodeInvalidCommand))
				}
			}
			h.alive(cid)
		})
	}
}
