package explain

import (
	"bytes"
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"slices"

	"github.com/touchstone-fido/touchstone/ctap2"
	"github.com/touchstone-fido/touchstone/ctap2/authdata"
	"github.com/touchstone-fido/touchstone/ctap2/cose"
	"github.com/touchstone-fido/touchstone/ctap2/pinuv"
	"github.com/touchstone-fido/touchstone/ctap2/wire"
)

const (
	clauseExtensions = "CTAP 2.3 §12"
	clauseCOSE       = "RFC 9053 §7"
	clauseEntities   = "WebAuthn L3 §5.4"
)

// named reads a subcommand.
func named(name func(uint64) (string, string)) func(*reading, *Field, wire.Raw) {
	return func(_ *reading, f *Field, raw wire.Raw) {
		f.fill(raw)
		if n, ok := number(raw); ok {
			f.Note, f.Clause = name(n)
		}
	}
}

// within reads a map of numbered members.
func within(t table) func(*reading, *Field, wire.Raw) {
	return func(r *reading, f *Field, raw wire.Raw) { f.Fields, _ = r.members(t, raw) }
}

// each reads an array of maps of numbered members.
func each(t table) func(*reading, *Field, wire.Raw) {
	return func(r *reading, f *Field, raw wire.Raw) {
		for i, item := range items(raw) {
			child := Field{Name: fmt.Sprintf("[%d]", i)}
			child.Fields, _ = r.members(t, item)
			f.Fields = append(f.Fields, child)
		}
	}
}

func items(raw wire.Raw) []wire.Raw {
	var all []wire.Raw
	if wire.Decode(raw, &all) != nil {
		return nil
	}
	return all
}

// sealedWith reads what is encrypted.
func sealedWith(what string) func(*reading, *Field, wire.Raw) {
	return func(_ *reading, f *Field, raw wire.Raw) {
		f.fill(raw)
		f.Note += ", encrypted with " + what
	}
}

func readProtocol(r *reading, f *Field, raw wire.Raw) {
	f.fill(raw)
	n, _ := number(raw)
	if !pinuv.Protocol(n).Valid() {
		r.remark("CTAP 2.3 §6.5.4", "there is no PIN/UV auth protocol %d", n)
	}
}

func readPermissions(_ *reading, f *Field, raw wire.Raw) {
	f.fill(raw)
	if n, ok := number(raw); ok && n <= 0xffff {
		f.Note = ctap2.Permission(n).String()
	}
}

func readCredProtect(r *reading, f *Field, raw wire.Raw) {
	f.fill(raw)
	n, _ := number(raw)
	names := []string{1: "userVerificationOptional", 2: "userVerificationOptionalWithCredentialIDList", 3: "userVerificationRequired"}
	if n == 0 || n >= uint64(len(names)) {
		r.remark("CTAP 2.3 §12.1", "there is no credProtect policy %s", f.Value)
		return
	}
	f.Note = names[n]
}

func readSample(_ *reading, f *Field, raw wire.Raw) {
	f.fill(raw)
	if n, ok := number(raw); ok && n <= 0xff {
		f.Note = ctap2.SampleStatus(n).String()
	}
}

func readURL(_ *reading, f *Field, raw wire.Raw) {
	b, _ := byteString(raw)
	f.Value = string(bytes.ToValidUTF8(b, []byte("\uFFFD")))
}

func readAAGUID(_ *reading, f *Field, raw wire.Raw) {
	b, _ := byteString(raw)
	if len(b) != len(authdata.AAGUID{}) {
		f.fill(raw)
		return
	}
	f.Value = authdata.AAGUID(b).String()
}

// readHash reads the hash of an RP ID, and names the RP ID if it was on the tape.
func readHash(r *reading, f *Field, raw wire.Raw) {
	f.fill(raw)
	if b, ok := byteString(raw); ok {
		if name, known := r.t.keys.rpOf(b); known {
			f.Note = "SHA-256 of " + name
		}
	}
}

// readUser reads a user, whose id is new in every session that makes one.
func readUser(r *reading, f *Field, raw wire.Raw) {
	f.Clause = clauseEntities + ".3"
	f.fill(raw)
	for i := range f.Fields {
		if f.Fields[i].Name == "id" {
			f.Fields[i].Like = LikeFresh
		}
	}
	if !slices.ContainsFunc(f.Fields, func(c Field) bool { return c.Name == "id" }) {
		r.remark(f.Clause, "the user has no id")
	}
}

func readDescriptor(r *reading, f *Field, raw wire.Raw) {
	f.Clause = "WebAuthn L3 §5.8.3"
	f.fill(raw)
	kind := ""
	for i := range f.Fields {
		switch f.Fields[i].Name {
		case "id":
			f.Fields[i].Like = LikeFresh
		case "type":
			kind = f.Fields[i].Value
		}
	}
	if kind != ctap2.PublicKeyType {
		r.remark(f.Clause, "the type of the credential is %q, and has to be %q", kind, ctap2.PublicKeyType)
	}
}

func readDescriptors(r *reading, f *Field, raw wire.Raw) {
	all := items(raw)
	if len(all) == 0 {
		f.Value = "[]"
		r.remark(f.Clause, "%s is there and empty: a platform leaves it out then", f.Name)
	}
	for i, item := range all {
		child := Field{Name: fmt.Sprintf("[%d]", i)}
		readDescriptor(r, &child, item)
		f.Fields = append(f.Fields, child)
	}
}

// readParameters reads credential types with their algorithms, by name.
func readParameters(r *reading, f *Field, raw wire.Raw) {
	f.Clause = clauseEntities + " (PublicKeyCredentialParameters), IANA COSE Algorithms"
	for i, item := range items(raw) {
		child := Field{Name: fmt.Sprintf("[%d]", i)}
		child.fill(item)
		for j := range child.Fields {
			if child.Fields[j].Name == "alg" {
				child.Fields[j].Note = algorithmName(item)
			}
		}
		f.Fields = append(f.Fields, child)
	}
}

func algorithmName(raw wire.Raw) string {
	var p struct {
		Algorithm cose.Algorithm `cbor:"alg"`
	}
	if wire.Decode(raw, &p) != nil {
		return ""
	}
	return p.Algorithm.String()
}

// readConfigParams reads the parameters of setMinPINLength by name, and those of
// the makers as they are.
func readConfigParams(r *reading, f *Field, raw wire.Raw) {
	if ctap2.ConfigSubcommand(r.req.sub) == ctap2.ConfigSetMinPINLength {
		f.Fields, _ = r.members(minPINLengthParams, raw)
		return
	}
	f.fill(raw)
}

// keyring is what the tape has told of credentials and relying parties, by
// credential ID and by the hash of the RP ID.
type keyring map[string]known

type known struct {
	key  cose.Key
	rpID string
}

const rpPrefix = "rp:" // keeps the hashes of RP IDs apart from credential IDs

func (k keyring) rp(id string) {
	hash := sha256.Sum256([]byte(id))
	k[rpPrefix+string(hash[:])] = known{rpID: id}
}

func (k keyring) rpOf(hash []byte) (string, bool) {
	found, ok := k[rpPrefix+string(hash)]
	return found.rpID, ok
}

func (k keyring) credential(id []byte, key cose.Key) { k["id:"+string(id)] = known{key: key} }

func (k keyring) keyOf(id []byte) (cose.Key, bool) {
	found, ok := k["id:"+string(id)]
	return found.key, ok
}

// readKey reads a COSE_Key.
func readKey(r *reading, f *Field, raw wire.Raw) { f.Fields = r.key(raw, f.Clause) }

// readAgreementKey reads a key of a key agreement, which has to be in one form.
func readAgreementKey(r *reading, f *Field, raw wire.Raw) {
	f.Fields = r.key(raw, f.Clause)
	key, err := cose.Parse(raw)
	if err != nil {
		return
	}
	if key.Alg != cose.ECDHES {
		r.remark(f.Clause, "the algorithm of a key agreement key has to be -25, and is %d", int64(key.Alg))
	}
	if _, err := key.ECDH(); err != nil {
		r.remark(f.Clause, "the key is of no use: %v", err)
	}
}

var (
	keyTypes  = map[int64]string{cose.TypeOKP: "OKP", cose.TypeEC2: "EC2", cose.TypeRSA: "RSA", cose.TypeAKP: "AKP"}
	keyCurves = map[int64]string{
		cose.CurveP256: "P-256", cose.CurveP384: "P-384", cose.CurveP521: "P-521", cose.CurveEd25519: "Ed25519",
		cose.CurveEd448: "Ed448", cose.CurveP256K: "secp256k1",
	}
)

// key tells a COSE_Key by the names of its members.
func (r *reading) key(raw wire.Raw, clause string) []Field {
	key, err := cose.Parse(raw)
	if err != nil {
		r.remark(clause, "%v", err)
		f := Field{}
		f.fill(raw)
		return f.Fields
	}
	fields := []Field{
		{Name: "kty", Key: "1", Value: fmt.Sprint(key.Type), Note: keyTypes[key.Type]},
		{Name: "alg", Key: "3", Value: fmt.Sprint(int64(key.Alg)), Note: key.Alg.String()},
	}
	if key.Type == cose.TypeEC2 || key.Type == cose.TypeOKP {
		fields = append(fields, Field{Name: "crv", Key: "-1", Value: fmt.Sprint(key.Curve), Note: keyCurves[key.Curve]})
	}
	for _, part := range []struct {
		name, key string
		value     []byte
	}{{"x", "-2", key.X}, {"y", "-3", key.Y}, {"n", "-1", key.N}, {"e", "-2", key.E}, {"pub", "-1", key.Pub}} {
		if len(part.value) > 0 {
			fields = append(fields, Field{
				Name: part.name, Key: part.key, Value: hex.EncodeToString(part.value), Note: bytesOf(len(part.value)), Like: LikeFresh,
			})
		}
	}
	return fields
}
