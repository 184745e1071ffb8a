package devices

import "github.com/touchstone-fido/touchstone/ctap2/authdata"

// Identity is what a key told of itself when it was asked. What it did not tell
// is empty.
type Identity struct {
	AAGUID   authdata.AAGUID // its model; zero on keys that speak U2F only
	Model    string          // the product name that goes with the AAGUID
	Firmware string          // as its maker counts: "5.4.3" from CTAPHID, or getInfo's number
	Versions []string        // of CTAP, as getInfo lists them; "U2F_V2" for a key without CTAP2

	Err  error  // why it could not be asked, or not to the end
	Hint string // what would mend that
}
