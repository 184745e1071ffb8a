package devices

import (
	"slices"
	"strings"
)

// One is the only device of the listing that a selector names. The selector
// must be of a kind that a listing can answer: the only key, hid or nfc. The
// error is a [*NotOneError].
func (l Listing) One(s Selector) (Info, error) {
	matches := l.match(s)
	if len(matches) != 1 {
		return Info{}, &NotOneError{Selector: s, Matches: matches, Listing: l}
	}
	return matches[0], nil
}

func (l Listing) match(s Selector) []Info {
	var matches []Info
	for _, i := range l.Devices {
		if i.matches(s) {
			matches = append(matches, i)
		}
	}
	if s.Kind == KindOnly {
		matches = withoutTwins(matches)
	}
	return matches
}

func (i Info) matches(s Selector) bool {
	switch s.Kind {
	case KindOnly:
		return true
	case KindHID:
		return i.Transport == USB && (i.Path == s.Value || i.Serial != "" && i.Serial == s.Value)
	case KindNFC:
		return i.Transport == NFC && strings.Contains(strings.ToLower(i.Path), strings.ToLower(s.Value))
	}
	return false
}

// Twin is the USB key of the listing of which this reader is the smart card
// side, if it is one: a YubiKey is a HID device with the product name "YubiKey
// OTP+FIDO+CCID", and PC/SC knows it as a reader "Yubico YubiKey OTP+FIDO+CCID
// 00 00".
func (l Listing) Twin(reader Info) (key Info, ok bool) { return twin(reader, l.Devices) }

func twin(reader Info, all []Info) (Info, bool) {
	i := slices.IndexFunc(all, func(key Info) bool {
		return reader.Transport == NFC && key.Transport == USB && key.Product != "" && strings.Contains(reader.Path, key.Product)
	})
	if i < 0 {
		return Info{}, false
	}
	return all[i], true
}

// withoutTwins leaves out readers that are the smart card side of a USB key in
// the list.
func withoutTwins(all []Info) []Info {
	return slices.DeleteFunc(slices.Clone(all), func(reader Info) bool {
		_, is := twin(reader, all)
		return is
	})
}
