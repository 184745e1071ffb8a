package explain

import (
	"errors"
	"slices"
	"strings"

	"github.com/touchstone-fido/touchstone/ctap2"
	"github.com/touchstone-fido/touchstone/ctap2/cose"
	"github.com/touchstone-fido/touchstone/ctap2/wire"
)

func isSignature(err error) bool { return errors.Is(err, cose.ErrSignature) }

// retired are the statuses that later versions took out.
var retired = []ctap2.Status{
	ctap2.StatusUnsupportedExtension, ctap2.StatusNotBusy, ctap2.StatusNoOperationPending, ctap2.StatusPINTokenExpired,
}

// checkStatus holds a status to those that the standard has.
func (r *reading) checkStatus(status ctap2.Status, body []byte) {
	clause := "CTAP 2.3 §8.2"
	switch {
	case strings.HasPrefix(status.Name(), "unknown"):
		r.remark(clause, "the standard has no status 0x%02x", byte(status))
	case slices.Contains(retired, status):
		r.remark(clause, "%v is of CTAP 2.0, and was taken out", status)
	}
	if status != ctap2.StatusOK && len(body) > 0 {
		r.remark(clause, "an error is followed by %s", bytesOf(len(body)))
	}
}

// checkFound holds the results of an answer to what was asked for.
func (r *reading) checkFound(found map[uint64]wire.Raw) {
	switch r.req.command {
	case ctap2.CommandMakeCredential:
		r.checkAlgorithm(found)
	case ctap2.CommandGetAssertion, ctap2.CommandGetNextAssertion:
		r.checkAssertionFound(found)
	case ctap2.CommandCredentialManagement, ctap2.CommandCredManagementPre:
		r.learnCredential(found)
	case ctap2.CommandGetInfo:
		r.checkInfoFound(found)
	case ctap2.CommandLargeBlobs:
		r.blobFound(found)
	}
}

// checkAlgorithm holds the new credential's key to the algorithms asked for.
func (r *reading) checkAlgorithm(found map[uint64]wire.Raw) {
	raw, _ := byteString(found[0x02])
	key, ok := credentialKey(raw)
	if !ok {
		return
	}
	asked := items(r.req.members[0x04])
	if len(asked) == 0 {
		return
	}
	if !slices.ContainsFunc(asked, func(p wire.Raw) bool { return algorithmName(p) == key.Alg.String() }) {
		r.remark("CTAP 2.3 §6.1.2", "the credential is for %v, which was not asked for", key.Alg)
	}
}

func (r *reading) checkAssertionFound(found map[uint64]wire.Raw) {
	if n, ok := number(found[0x05]); ok {
		switch {
		case r.req.command == ctap2.CommandGetNextAssertion:
			r.remark("CTAP 2.3 §6.3", "numberOfCredentials belongs to the first answer only")
		case r.req.members[0x03] != nil:
			r.remark("CTAP 2.3 §6.2.2", "numberOfCredentials is %d, and with an allowList there is one answer", n)
		}
	}
	r.checkSignature(found)
}

// checkSignature checks an assertion's signature if the tape has told the key.
func (r *reading) checkSignature(found map[uint64]wire.Raw) {
	id, ok := descriptorID(found[0x01])
	if list := items(r.req.members[0x03]); !ok && len(list) == 1 {
		id, ok = descriptorID(list[0]) // CTAP 2.0 leaves out what the platform knows
	}
	key, known := r.t.keys.keyOf(id)
	if !ok || !known {
		return
	}
	authData, _ := byteString(found[0x02])
	signature, _ := byteString(found[0x03])
	hash, _ := byteString(r.req.members[0x02])
	if len(hash) == 0 {
		return
	}
	r.verified("assertion", "CTAP 2.3 §6.2.2", key.Verify(signed(authData, hash), signature))
}

func descriptorID(raw wire.Raw) ([]byte, bool) {
	var d struct {
		ID []byte `cbor:"id"`
	}
	if raw == nil || wire.Decode(raw, &d) != nil || len(d.ID) == 0 {
		return nil, false
	}
	return d.ID, true
}

// learnCredential takes the key of a listed credential, and the RP ID that its
// hash is of.
func (r *reading) learnCredential(found map[uint64]wire.Raw) {
	if id, ok := descriptorID(found[0x07]); ok {
		if key, err := cose.Parse(found[0x08]); err == nil {
			r.t.keys.credential(id, key)
		}
	}
	var rp struct {
		ID string `cbor:"id"`
	}
	hash, ok := byteString(found[0x04])
	if !ok || wire.Decode(found[0x03], &rp) != nil {
		return
	}
	r.t.keys.rp(rp.ID)
	if name, known := r.t.keys.rpOf(hash); !known || name != rp.ID {
		r.remark("CTAP 2.3 §6.8.3", "rpIDHash is not the SHA-256 of rp.id %q (an ID that was stored cut short is, §6.8.7)", rp.ID)
	}
}

// checkInfoFound holds getInfo to rules that are clear from it alone.
func (r *reading) checkInfoFound(found map[uint64]wire.Raw) {
	clause := "CTAP 2.3 §6.4"
	var versions []string
	if wire.Decode(found[0x01], &versions) == nil && slices.Contains(versions, "FIDO_2_2") {
		r.remark(clause, "there is no version FIDO_2_2")
	}
	if n, ok := number(found[0x05]); ok && n < ctap2.DefaultMaxMsgSize {
		r.remark(clause, "maxMsgSize is %d, and has to be 1024 or more", n)
	}
	if n, ok := number(found[0x0d]); ok && n < 4 {
		r.remark(clause, "minPINLength is %d, and has to be 4 or more", n)
	}
	r.checkFreshness(found)
	options := map[string]bool{}
	_ = wire.Decode(found[0x04], &options)
	_, blobs := found[0x0b]
	if options[ctap2.OptionLargeBlobs] != blobs {
		r.remark(clause, "maxSerializedLargeBlobArray goes with the option largeBlobs, and one is there without the other")
	}
	if _, pin := options[ctap2.OptionClientPIN]; pin && found[0x06] == nil && !slices.Equal(versions, []string{"FIDO_2_0"}) && !slices.Contains(versions, "FIDO_2_0") {
		r.remark(clause, "there is a clientPin and no pinUvAuthProtocols")
	}
}

// checkFreshness wants what getInfo has encrypted to be new each time.
func (r *reading) checkFreshness(found map[uint64]wire.Raw) {
	for _, n := range []uint64{0x19, 0x1e} {
		enc, ok := byteString(found[n])
		if !ok {
			continue
		}
		if before, ok := r.t.ciphers[string(enc)]; ok {
			r.remark("CTAP 2.3 §6.4", "%s is the same as on line %d: its IV has to be new each time", getInfoAnswer.members[n].name, before)
		}
		r.t.ciphers[string(enc)] = r.step.Line
	}
}

// guess finds the request of an answer whose request is not on the tape, by the
// members that only its answers have.
func guess(raw wire.Raw) *request {
	all, err := pairs(raw)
	if err != nil || raw == nil {
		return nil
	}
	first := map[uint64]wire.Raw{}
	for _, p := range all {
		if n, ok := number(p.key); ok {
			first[n] = p.value
		}
	}
	req := &request{exchange: -1, members: map[uint64]wire.Raw{}}
	switch {
	case major(first[1]) == wire.MajorText && major(first[2]) == wire.MajorBytes:
		req.command = ctap2.CommandMakeCredential
	case major(first[2]) == wire.MajorBytes && major(first[3]) == wire.MajorBytes:
		req.command = ctap2.CommandGetAssertion
	case major(first[1]) == wire.MajorArray:
		req.command = ctap2.CommandGetInfo
	case len(first) == 1 && major(first[1]) == wire.MajorMap:
		req.command, req.sub = ctap2.CommandClientPIN, uint64(ctap2.PINGetKeyAgreement)
	case first[6] != nil && first[7] != nil, first[3] != nil && first[4] != nil:
		req.command = ctap2.CommandCredentialManagement
	default:
		return nil
	}
	return req
}
