package virtual

import (
	"slices"

	"github.com/touchstone-fido/touchstone/ctap2/wire"
)

// extension is one of the extensions that keys can have (CTAP 2.3 §12). Each
// function is nil where the extension has nothing to do.
type extension struct {
	id string
	// readMake and readGet read the input of makeCredential and of getAssertion,
	// which is there, into the request. Inputs of a wrong type are an error of
	// the fields.
	readMake func(*creationRequest, *fields)
	readGet  func(*assertionRequest, *fields)
	// prepare checks the input to makeCredential and shapes the credential; made
	// gives the output when the credential has its ID; get gives the output for a
	// credential that makes an assertion. nil is no output. All run only if the
	// platform has sent an input, so that there is no output without one.
	prepare func(*making) error
	made    func(*making) (any, error)
	// open checks the input to getAssertion before any assertion is made.
	open func(*assertions) error
	get  func(*assertions, *credential) (any, error)
}

// extensions are all that the software key has, in the order they run in.
var extensions = []extension{
	{id: extCredProtect, readMake: readCredProtect, prepare: prepareCredProtect, made: madeCredProtect},
	{id: extCredBlob, readMake: readCredBlob, readGet: readGetCredBlob, prepare: prepareCredBlob, made: madeCredBlob, get: getCredBlob},
	{
		id: extLargeBlobKey, readMake: readLargeBlobKey, readGet: readGetLargeBlobKey,
		prepare: prepareLargeBlobKey, made: madeLargeBlobKey, open: openLargeBlobKey, get: getLargeBlobKey,
	},
	{
		id: extLargeBlob, readMake: readLargeBlob, readGet: readGetLargeBlob,
		prepare: prepareLargeBlob, made: madeLargeBlob, open: openLargeBlob, get: getLargeBlob,
	},
	{id: extMinPINLength, readMake: readMinPINLength, made: madeMinPINLength},
	{id: extComplexity, readMake: readComplexity, made: madeComplexity},
	{id: extHMACSecret, readMake: readHMACSecretFlag, readGet: readHMACSecret, made: madeHMACSecret, open: openHMACSecret, get: getHMACSecret},
	{id: extHMACSecretMC, readMake: readHMACSecretMC, prepare: prepareHMACSecretMC, made: madeHMACSecretMC},
	{id: extThirdPartyPayment, readMake: readPayment, readGet: readGetPayment, prepare: preparePayment, get: getPayment},
	{id: extUVM, readMake: readUVM, readGet: readGetUVM, made: madeUVM, get: getUVM},
}

func extensionIDs() (ids []string) {
	for _, e := range extensions {
		ids = append(ids, e.id)
	}
	return ids
}

// asked lists the extensions that the model has and the platform has sent an
// input for. Others are ignored (CTAP 2.3 §12).
func (p *Profile) asked(inputs *fields) (list []extension) {
	for _, e := range extensions {
		if p.extension(e.id) && inputs.has(e.id) {
			list = append(list, e)
		}
	}
	return list
}

// outputs are extension outputs on their way into the authenticator data.
type outputs map[string]wire.Raw

// put encodes an output; nil is none.
func (o *outputs) put(id string, value any) error {
	if value == nil {
		return nil
	}
	b, err := wire.Encode(value)
	if err != nil {
		return err
	}
	if *o == nil {
		*o = outputs{}
	}
	(*o)[id] = b
	return nil
}

// listed tells whether a relying party is on a list.
func listed(rpID string, list []string) bool { return slices.Contains(list, rpID) }
