package transcript

import (
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"reflect"
	"slices"
	"strings"
	"time"

	"github.com/touchstone-fido/touchstone/ctaphid"
)

// Version is the version of the format that this package writes, and the
// latest that it reads.
const Version = 1

// seedNote goes beside a seed, for whoever opens the file.
const seedNote = "everything random in this session came from this seed: it reveals the PIN and the session keys"

// Transport is the seam that a tape was taken at.
type Transport string

// Transports.
const (
	HID Transport = "hid" // reports
	NFC Transport = "nfc" // APDUs, of a contactless or a contact card
)

// Header is the first line of a tape. A tape of another program may have no
// header; then only what its records show is filled in.
type Header struct {
	// Version is the tape's version of the format, 0 for a foreign tape.
	Version    int
	Transport  Transport
	Device     map[string]string // facts about the key, such as "product"
	Tool       string            // what wrote the tape
	Client     string            // what spoke to the key, if not the tool
	Recorded   time.Time         // zero if not known
	ReportSize int               // bytes of a HID report, 0 if not stated
	ATR        []byte            // the card's answer to reset

	// Seed is what everything random of the host came from. Such a tape
	// replays to the byte, and reveals the PIN. Nil for most tapes.
	Seed []byte

	// PIN is the throw-away PIN that a foreign header may state. It is never
	// written.
	PIN string

	// Extra holds the members that this package has no name for.
	Extra map[string]json.RawMessage
}

// headerLine is the header as JSON.
type headerLine struct {
	Touchstone int               `json:"touchstone"`
	Transport  Transport         `json:"transport"`
	Device     map[string]string `json:"device,omitempty"`
	Tool       string            `json:"tool,omitempty"`
	Client     string            `json:"client,omitempty"`
	Recorded   string            `json:"recorded,omitempty"`
	ReportSize int               `json:"report_size,omitempty"`
	ATR        string            `json:"atr,omitempty"`
	Seed       string            `json:"seed,omitempty"`
	SeedNote   string            `json:"seed_note,omitempty"`
}

// text is the header line without its line end. The PIN is left out.
func (h Header) text() ([]byte, error) {
	line := headerLine{
		Touchstone: Version,
		Transport:  h.Transport,
		Device:     h.Device,
		Tool:       h.Tool,
		Client:     h.Client,
		ReportSize: h.ReportSize,
		ATR:        hex.EncodeToString(h.ATR),
		Seed:       hex.EncodeToString(h.Seed),
	}
	if !h.Recorded.IsZero() {
		line.Recorded = h.Recorded.UTC().Format(time.RFC3339Nano)
	}
	if len(h.Seed) > 0 {
		line.SeedNote = seedNote
	}
	text, err := json.Marshal(line)
	if err != nil {
		return nil, err
	}
	return appendExtra(text, h.Extra)
}

// appendExtra adds the unnamed members to a JSON object, in order of name.
func appendExtra(object []byte, extra map[string]json.RawMessage) ([]byte, error) {
	for _, name := range slices.Sorted(maps.Keys(extra)) {
		if headerMembers[name] != nil {
			continue
		}
		member, err := json.Marshal(map[string]json.RawMessage{name: extra[name]})
		if err != nil {
			return nil, fmt.Errorf("member %q: %w", name, err)
		}
		object[len(object)-1] = ','
		object = append(object, member[1:]...)
	}
	return object, nil
}

// headerMembers reads each member of a header line. A member without an entry
// goes to Extra.
var headerMembers = map[string]func(*Header, json.RawMessage) error{
	"touchstone":  (*Header).readVersion,
	"transport":   (*Header).readTransport,
	"device":      (*Header).readDevice,
	"recorded":    (*Header).readRecorded,
	"report_size": (*Header).readReportSize,
	"tool":        func(h *Header, m json.RawMessage) error { return json.Unmarshal(m, &h.Tool) },
	"client":      func(h *Header, m json.RawMessage) error { return json.Unmarshal(m, &h.Client) },
	"pin":         func(h *Header, m json.RawMessage) error { return json.Unmarshal(m, &h.PIN) },
	"atr":         func(h *Header, m json.RawMessage) error { return readHex(m, &h.ATR) },
	"seed":        func(h *Header, m json.RawMessage) error { return readHex(m, &h.Seed) },
	"seed_note":   func(*Header, json.RawMessage) error { return nil },
}

// isHeader says whether the members are those of a header and not of a record.
func isHeader(members map[string]json.RawMessage) bool {
	if _, ok := members["touchstone"]; ok {
		return true
	}
	_, crossing := members["dir"]
	_, ok := members["transport"]
	return ok && !crossing
}

// parseHeader reads a header line that isHeader was true for.
func parseHeader(members map[string]json.RawMessage) (Header, error) {
	var h Header
	if version, ok := members["touchstone"]; ok { // before what a later version may have changed
		if err := h.readVersion(version); err != nil {
			return Header{}, err
		}
	}
	for _, name := range slices.Sorted(maps.Keys(members)) {
		read := headerMembers[name]
		if read == nil {
			if h.Extra == nil {
				h.Extra = map[string]json.RawMessage{}
			}
			h.Extra[name] = members[name]
			continue
		}
		if err := read(&h, members[name]); err != nil {
			return Header{}, fmt.Errorf("header member %q: %w", name, plainJSON(err))
		}
	}
	if h.Transport == "" {
		return Header{}, errors.New(`the header has no "transport"`)
	}
	return h, nil
}

func (h *Header) readVersion(m json.RawMessage) error {
	if err := json.Unmarshal(m, &h.Version); err != nil {
		return fmt.Errorf("the version of the format is no whole number: %w", plainJSON(err))
	}
	if h.Version > Version {
		return fmt.Errorf("%w: the tape has %d, this program reads up to %d", ErrVersion, h.Version, Version)
	}
	if h.Version < 1 {
		return fmt.Errorf("there is no version %d of the format", h.Version)
	}
	return nil
}

func (h *Header) readTransport(m json.RawMessage) error {
	var name string
	if err := json.Unmarshal(m, &name); err != nil {
		return err
	}
	switch strings.ToLower(name) {
	case "hid", "usb-hid", "usb":
		h.Transport = HID
	case "nfc", "pcsc", "ccid", "smart-card":
		h.Transport = NFC
	default:
		return fmt.Errorf("%q is none that this program knows", name)
	}
	return nil
}

// readDevice takes a map of facts, or a bare name as foreign headers have it.
// A fact that is no string is kept as its JSON text.
func (h *Header) readDevice(m json.RawMessage) error {
	var name string
	if json.Unmarshal(m, &name) == nil {
		if name != "" {
			h.Device = map[string]string{"product": name}
		}
		return nil
	}
	var facts map[string]json.RawMessage
	if err := json.Unmarshal(m, &facts); err != nil {
		return err
	}
	h.Device = make(map[string]string, len(facts))
	for key, fact := range facts {
		var text string
		if json.Unmarshal(fact, &text) != nil {
			text = string(fact)
		}
		h.Device[key] = text
	}
	return nil
}

func (h *Header) readRecorded(m json.RawMessage) error {
	var text string
	if err := json.Unmarshal(m, &text); err != nil {
		return err
	}
	var err error
	if h.Recorded, err = time.Parse(time.RFC3339Nano, text); err != nil {
		return fmt.Errorf("%q is no time in the form of RFC 3339", text)
	}
	return nil
}

// maxReportSize is the most that an interrupt endpoint of high-speed USB
// carries.
const maxReportSize = 1024

func (h *Header) readReportSize(m json.RawMessage) error {
	if err := json.Unmarshal(m, &h.ReportSize); err != nil {
		return err
	}
	if h.ReportSize != 0 && (h.ReportSize < ctaphid.MinReportSize || h.ReportSize > maxReportSize) {
		return fmt.Errorf("%d is no size of a report", h.ReportSize)
	}
	return nil
}

// readHex reads a JSON string of hex digits, in either case.
func readHex(m json.RawMessage, into *[]byte) error {
	var text string
	if err := json.Unmarshal(m, &text); err != nil {
		return err
	}
	data, err := hex.DecodeString(text)
	if err != nil {
		return plainHex(err)
	}
	*into = data
	return nil
}

// plainHex says what is wrong with hex digits in few words.
func plainHex(err error) error {
	if errors.Is(err, hex.ErrLength) {
		return errors.New("odd number of hex digits")
	}
	if bad := hex.InvalidByteError(0); errors.As(err, &bad) {
		return fmt.Errorf("%q is no hex digit", rune(bad))
	}
	return err
}

// plainJSON says in few words what encoding/json found.
func plainJSON(err error) error {
	if wrong := (*json.UnmarshalTypeError)(nil); errors.As(err, &wrong) {
		found := fmt.Errorf("%s where %s belongs", wrong.Value, kindName(wrong.Type.Kind()))
		if wrong.Field != "" {
			return fmt.Errorf("member %q: %w", wrong.Field, found)
		}
		return found
	}
	if syntax := (*json.SyntaxError)(nil); errors.As(err, &syntax) {
		return fmt.Errorf("not JSON: %w", err)
	}
	return err
}

func kindName(kind reflect.Kind) string {
	switch kind {
	case reflect.Map, reflect.Struct:
		return "an object"
	case reflect.Int, reflect.Int64:
		return "a whole number"
	}
	return "a " + kind.String()
}
