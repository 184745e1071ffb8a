package redact

import (
	"encoding/asn1"
	"fmt"
	"unicode"
)

// derSize is how long the DER element is that b begins with.
func derSize(b []byte) (int, error) {
	var outer asn1.RawValue
	rest, err := asn1.Unmarshal(b, &outer)
	if err != nil {
		return 0, fmt.Errorf("certificate: %w", err)
	}
	return len(b) - len(rest), nil
}

// certificate shows what of a certificate tells one key from others of its model:
// its serial number, public key and signature, the names with digits in them, and
// the extensions that are hashes of keys or are not known (RFC 5280 §4.1).
func (w *walker) certificate(der []byte) {
	parts, ok := elements(der)
	if !ok || len(parts) != 3 {
		w.see(Certificate, der)
		return
	}
	outer := w.touched
	w.touched = false
	w.toBeSigned(parts[0])
	if len(parts[2].Bytes) > 1 {
		w.signature(parts[2].Bytes[1:], w.touched)
	}
	w.touched = outer || w.touched
}

// elements are those of a constructed DER element, which alias it.
func elements(der []byte) (list []asn1.RawValue, ok bool) {
	var outer asn1.RawValue
	if rest, err := asn1.Unmarshal(der, &outer); err != nil || len(rest) > 0 || !outer.IsCompound {
		return nil, false
	}
	return inside(outer)
}

func inside(outer asn1.RawValue) (list []asn1.RawValue, ok bool) {
	for rest := outer.Bytes; len(rest) > 0; {
		var one asn1.RawValue
		var err error
		if rest, err = asn1.Unmarshal(rest, &one); err != nil {
			return nil, false
		}
		list = append(list, one)
	}
	return list, true
}

// toBeSigned shows the fields of a certificate in their order: version, serial,
// algorithm, issuer, validity, subject, key, extensions.
func (w *walker) toBeSigned(tbs asn1.RawValue) {
	fields, ok := inside(tbs)
	if !ok || len(fields) < 6 {
		w.see(Certificate, tbs.Bytes)
		return
	}
	if fields[0].Class == asn1.ClassContextSpecific { // the version, which may be left out
		fields = fields[1:]
	}
	w.see(certificateNumber, fields[0].Bytes)
	for _, name := range []int{2, 4} {
		if name < len(fields) {
			w.names(fields[name])
		}
	}
	if len(fields) > 5 {
		w.certificateKey(fields[5])
	}
	for _, f := range fields[min(6, len(fields)):] {
		w.extensions(f)
	}
}

// certificateNumber is a serial number, whose pseudonym has to be a positive
// number of the same size.
const certificateNumber Kind = "certificate number"

// names shows the texts with a number in them of a distinguished name.
func (w *walker) names(v asn1.RawValue) {
	if v.IsCompound {
		if list, ok := inside(v); ok {
			for _, one := range list {
				w.names(one)
			}
		}
		return
	}
	text := v.Class == asn1.ClassUniversal && v.Tag != asn1.TagOID
	if digits := countDigits(v.Bytes); text && digits >= shortestText {
		w.see(Certificate, v.Bytes)
	}
}

func countDigits(text []byte) (n int) {
	for _, r := range string(text) {
		if unicode.IsDigit(r) {
			n++
		}
	}
	return n
}

// certificateKey shows a public key: a point of P-256 as one, of any other kind its
// bits, which then are no key any more.
func (w *walker) certificateKey(v asn1.RawValue) {
	parts, ok := inside(v)
	if !ok || len(parts) != 2 || len(parts[1].Bytes) < 2 {
		w.see(Certificate, v.Bytes)
		return
	}
	bits := parts[1].Bytes[1:]
	if len(bits) == publicKeySize && bits[0] == 4 {
		if w.point(Certificate, bits[1:1+hashSize], bits[1+hashSize:]) {
			w.touched = true
		}
		return
	}
	w.see(Certificate, bits)
}

// Object identifiers of extensions that say the same for every key of a model.
var common = map[string]bool{
	"2.5.29.15":               true, // key usage
	"2.5.29.19":               true, // basic constraints
	"2.5.29.37":               true, // extended key usage
	"1.3.6.1.4.1.45724.1.1.4": true, // AAGUID (WebAuthn L3 §8.2.1)
	"1.3.6.1.4.1.45724.2.1.1": true, // transports of a U2F key
	"1.3.6.1.4.1.41482.2":     true, // Yubico's name of the model
}

// extensions shows the values of those that are not common to all keys.
func (w *walker) extensions(v asn1.RawValue) {
	var list []asn1.RawValue
	if outer, ok := inside(v); ok && len(outer) == 1 {
		list, _ = inside(outer[0])
	}
	for _, one := range list {
		fields, ok := inside(one)
		if !ok || len(fields) < 2 {
			w.see(Certificate, one.Bytes)
			continue
		}
		var id asn1.ObjectIdentifier
		if _, err := asn1.Unmarshal(fields[0].FullBytes, &id); err == nil && common[id.String()] {
			continue
		}
		w.extension(fields[len(fields)-1])
	}
}

// extension shows the content of an extension's value, leaving the DER around it
// as it is, so that the certificate can still be parsed.
func (w *walker) extension(v asn1.RawValue) {
	var inner asn1.RawValue
	if rest, err := asn1.Unmarshal(v.Bytes, &inner); err == nil && len(rest) == 0 {
		w.deepest(inner)
		return
	}
	w.see(Certificate, v.Bytes)
}

func (w *walker) deepest(v asn1.RawValue) {
	if list, ok := inside(v); v.IsCompound && ok {
		for _, one := range list {
			w.deepest(one)
		}
		return
	}
	if v.Class == asn1.ClassContextSpecific || v.Tag == asn1.TagOctetString || v.Tag == asn1.TagUTF8String ||
		v.Tag == asn1.TagIA5String || v.Tag == asn1.TagPrintableString || v.Tag == asn1.TagInteger && len(v.Bytes) >= shortestText {
		w.see(Certificate, v.Bytes)
	}
}
