package devices_test

import (
	"fmt"
	"testing"

	"github.com/touchstone-fido/touchstone/ctap2/pinuv"
	"github.com/touchstone-fido/touchstone/ctaphid"
	"github.com/touchstone-fido/touchstone/devices"
	"github.com/touchstone-fido/touchstone/devices/virtual"
	"github.com/touchstone-fido/touchstone/nfc"
)

// The matrix: everything that a client can ask of a key, asked of the software
// key over every framing and under both PIN/UV auth protocols. What is held to
// an expectation is the values.

// framing is a way to put messages on the wire.
type framing struct {
	name string
	plug func(t *testing.T, key *observer) (devices.Link, devices.Options)
}

var framingsOfMatrix = []framing{
	{"CTAPHID", plugReports},
	{"short APDUs", func(t *testing.T, key *observer) (devices.Link, devices.Options) {
		return plugCard(t, key, nfc.EncodingShort)
	}},
	{"extended APDUs", func(t *testing.T, key *observer) (devices.Link, devices.Options) {
		return plugCard(t, key, nfc.EncodingExtended)
	}},
}

func plugReports(t *testing.T, key *observer) (devices.Link, devices.Options) {
	caps := ctaphid.Capability(key.Profile().Capabilities())
	device := ctaphid.NewDevice(key.handler(), ctaphid.DeviceConfig{Capabilities: &caps})
	t.Cleanup(func() { device.Close() })
	return devices.Link{Info: devices.Info{Transport: devices.USB}, Reports: device.Connect()}, devices.Options{}
}

func plugCard(_ *testing.T, key *observer, e nfc.Encoding) (devices.Link, devices.Options) {
	card := nfc.NewEmulator(key.handler(), nfc.EmulatorConfig{MaxMessage: key.Profile().MaxMessage})
	return devices.Link{Info: devices.Info{Transport: devices.NFC}, Card: card}, devices.Options{NFC: nfc.Config{Encoding: e}}
}

// cell is one field of the matrix.
type cell struct {
	framing  framing
	protocol pinuv.Protocol
	tally    *tally
}

func (c cell) String() string { return fmt.Sprintf("%s, protocol %d", c.framing.name, c.protocol) }

// topics are what is asked in every cell.
var topics = []struct {
	name string
	run  func(*bench)
}{
	{"getInfo, selection and reset", matrixBasics},
	{"PIN", matrixPIN},
	{"PIN normalisation", matrixNormalisation},
	{"forced change of the PIN", matrixForcedChange},
	{"tokens", matrixTokens},
	{"user verification", matrixDecisions},
	{"long lists", matrixLists},
	{"algorithms", matrixAlgorithms},
	{"several assertions", matrixAssertions},
	{"credProtect", matrixCredProtect},
	{"credProtect in exclude lists", matrixExcluded},
	{"credBlob", matrixCredBlob},
	{"large-blob array", matrixBlobArray},
	{"largeBlob", matrixLargeBlob},
	{"prf", matrixPRF},
	{"prf vectors", matrixPRFVectors},
	{"thirdPartyPayment", matrixPayment},
	{"uvm", matrixUVM},
	{"config", matrixConfig},
	{"PIN policy extensions", matrixPINPolicy},
	{"enterprise attestation", matrixEnterprise},
	{"attestation formats", matrixFormats},
	{"credential management", matrixManagement},
	{"credential management, prototype", matrixManagementPre},
	{"persistent tokens", matrixPersistent},
	{"bio enrolment", matrixFingers},
	{"bio enrolment, prototype", matrixFingersPre},
	{"U2F", matrixU2F},
	{"U2F and CTAP2", matrixU2FBesides},
	{"CTAP2 to U2F", matrixBridge},
}

func TestMatrix(t *testing.T) {
	for _, f := range framingsOfMatrix {
		for _, p := range []pinuv.Protocol{pinuv.One, pinuv.Two} {
			c := cell{framing: f, protocol: p, tally: newTally()}
			t.Run(c.String(), func(t *testing.T) {
				t.Parallel()
				for _, topic := range topics {
					t.Run(topic.name, func(t *testing.T) { topic.run(c.bench(t, defaultModel)) })
				}
				t.Run("all of CTAP was sent", c.tally.complete)
			})
		}
	}
}

func defaultModel(*virtual.Profile) {}
