package redact

import (
	"bytes"
	"slices"
	"strings"

	"github.com/touchstone-fido/touchstone/nfc"
)

// Kind says what a value is.
type Kind string

// Kinds of values.
const (
	RP          Kind = "rp"          // IDs and names of relying parties, and their hashes
	User        Kind = "user"        // user handles and names, names of fingerprints
	Credential  Kind = "credential"  // credential IDs and key handles
	Serial      Kind = "serial"      // serial numbers and other names of one key
	Certificate Kind = "certificate" // serial numbers, keys and names in certificates
	PIN         Kind = "pin"         // what PIN and hmac-secret protocols exchange
	Blob        Kind = "blob"        // credBlob and the keys of large blobs
	Unknown     Kind = "unknown"     // what has no known meaning

	Signature Kind = "signature" // over something that was replaced
	Named     Kind = "string"    // what the caller has named
	Seed      Kind = "seed"      // of the host's randomness, found by Leaks only
)

// Keepable are the kinds that [Options.Keep] takes.
var Keepable = []Kind{RP, User, Credential, Serial, Certificate, PIN, Blob, Unknown}

// words are texts of the standards. None of them is a value, nor is a part of one:
// a user of the name "key" cannot be looked for among them.
var words = strings.Fields(`U2F_V2 FIDO_2_0 FIDO_2_1 FIDO_2_1_PRE FIDO_2_2 FIDO_2_3 public-key packed none fido-u2f
	android-key android-safetynet tpm apple compound usb nfc ble hybrid internal smart-card id name icon displayName type
	transports alg sig x5c ver certInfo pubArea response credProtect credBlob hmac-secret hmac-secret-mc largeBlobKey
	largeBlob minPinLength thirdPartyPayment uvm rk up uv plat clientPin credMgmt credentialMgmtPreview bioEnroll
	userVerificationMgmtPreview uvBioEnroll uvAcfg authnrCfg setMinPINLength makeCredUvNotRqd noMcGaPermissionsWithClientPin
	alwaysUv largeBlobs pinUvAuthToken perCredMgmtRO credentialManagement touchstone transport device product report_size
	hid event close error traits level report msg apdu`)

const (
	shortestText = 4 // that is looked for
	shortestData = 8
	variety      = 4 // different bytes in data that are looked for
)

// searchable says whether a value is long and odd enough that finding it means
// something.
func searchable(value []byte) bool {
	if isText(value) {
		return len(value) >= shortestText && different(value) > 1 &&
			!slices.ContainsFunc(words, func(w string) bool { return strings.Contains(w, string(value)) })
	}
	return len(value) >= shortestData && different(value) >= variety && !bytes.Contains(nfc.AID, value)
}

func different(value []byte) int {
	seen := map[byte]bool{}
	for _, b := range value {
		seen[b] = true
	}
	return len(seen)
}
