package view

import (
	"fmt"
	"io"
	"strings"

	"github.com/touchstone-fido/touchstone/ctap2/webauthn"
	"github.com/touchstone-fido/touchstone/devices"
	"github.com/touchstone-fido/touchstone/devices/manage"
)

// PasskeyBlob is the large blob that a passkey has, or could have.
type PasskeyBlob struct {
	Passkey manage.Passkey
	Has     bool
	Size    uint  // bytes of the data
	Stored  uint  // bytes that it takes on the key, 0 where that is not told
	Err     error // why what is there cannot be read, nil if it can
}

// BlobArray is the large-blob array of a key.
type BlobArray struct {
	Capacity, Used, Free uint // bytes
	Orphans              int  // blobs that no passkey opens
	OrphanBytes          uint
	Foreign              int // elements that are no blobs by the standard
	Damaged              bool
}

// Blobs shows which passkeys have a large blob, or could have one, and how much
// room there is.
type Blobs struct {
	Device devices.Info
	All    []PasskeyBlob
	Array  *BlobArray // nil for a key that keeps blobs with their passkeys
}

type blobs struct {
	Schema string        `json:"schema"`
	Device Device        `json:"device"`
	Blobs  []passkeyBlob `json:"blobs"`
	Array  *blobArray    `json:"array,omitempty"`
}

type passkeyBlob struct {
	Passkey passkey `json:"passkey"`
	Has     bool    `json:"has"`
	Size    *uint   `json:"size,omitempty"`   // bytes of the data, absent if there are none that can be read
	Stored  uint    `json:"stored,omitempty"` // bytes that it takes on the key, absent if that is not told
	Error   string  `json:"error,omitempty"`
}

type blobArray struct {
	Capacity    uint `json:"capacity"`
	Used        uint `json:"used"`
	Free        uint `json:"free"`
	Orphans     int  `json:"orphans"`
	OrphanBytes uint `json:"orphanBytes"`
	Foreign     int  `json:"foreign"`
	Damaged     bool `json:"damaged"`
}

// Envelope is touchstone/blobs/1.
func (b Blobs) Envelope() any {
	e := blobs{Schema: "touchstone/blobs/1", Device: NewDevice(b.Device), Blobs: []passkeyBlob{}, Array: (*blobArray)(b.Array)}
	for _, one := range b.All {
		v := passkeyBlob{Passkey: newPasskey(one.Passkey), Has: one.Has, Stored: one.Stored}
		switch {
		case one.Err != nil:
			v.Error = one.Err.Error()
		case one.Has:
			v.Size = &one.Size
		}
		e.Blobs = append(e.Blobs, v)
	}
	return e
}

// Text writes a row for each passkey, and what the array is like.
func (b Blobs) Text(w io.Writer) error {
	if err := b.rows(w); err != nil {
		return err
	}
	if b.Array == nil {
		return nil
	}
	a := b.Array
	lines := []string{fmt.Sprintf("%s for blobs: %d used, %d free.", count(a.Capacity, "byte"), a.Used, a.Free)}
	if a.Orphans > 0 {
		lines = append(lines, fmt.Sprintf("%s of %s, which no passkey opens: \"touchstone blob collect\" deletes what is so.",
			count(a.Orphans, "orphan"), count(a.OrphanBytes, "byte")))
	}
	if a.Foreign > 0 {
		lines = append(lines, count(a.Foreign, "element")+" in a form that is not the standard's.")
	}
	if a.Damaged {
		lines = append(lines, "What is stored is damaged and counts as nothing; the next blob that is stored replaces it.")
	}
	_, err := fmt.Fprintln(w, strings.Join(lines, "\n"))
	return err
}

func (b Blobs) rows(w io.Writer) error {
	if len(b.All) == 0 {
		_, err := fmt.Fprintln(w, "No passkey has a key for a large blob.")
		return err
	}
	var all []manage.Passkey
	for _, one := range b.All {
		all = append(all, one.Passkey)
	}
	var rows [][]string
	var faults []string
	for i, short := range shortIDs(all) {
		one := b.All[i]
		v := newPasskey(one.Passkey)
		rows = append(rows, append([]string{short, v.RP.label(), orDash(oneLine(v.User.Name))}, one.cells()...))
		if one.Err != nil {
			faults = append(faults, fmt.Sprintf("%s: %s\n", short, oneLine(one.Err.Error())))
		}
	}
	if err := table(w, []string{"PASSKEY", "RELYING PARTY", "USER", "SIZE", "STORED"}, rows); err != nil {
		return err
	}
	_, err := io.WriteString(w, strings.Join(faults, ""))
	return err
}

func (b PasskeyBlob) cells() []string {
	size, stored := "-", "-"
	switch {
	case b.Err != nil:
		size = "?"
	case b.Has:
		size = fmt.Sprint(b.Size)
	}
	if b.Stored > 0 {
		stored = fmt.Sprint(b.Stored)
	}
	return []string{size, stored}
}

// Blob shows the large blob of a passkey, or tells what file it is in.
type Blob struct {
	Device  devices.Info
	Passkey manage.Passkey
	Data    []byte
	File    string // that has the data, or empty
}

// Envelope is touchstone/blob/1.
func (b Blob) Envelope() any {
	e := struct {
		Schema  string          `json:"schema"`
		Device  Device          `json:"device"`
		Passkey passkey         `json:"passkey"`
		Size    int             `json:"size"`
		Data    *webauthn.Bytes `json:"data,omitempty"` // absent if it is in a file
		File    string          `json:"file,omitempty"`
	}{Schema: "touchstone/blob/1", Device: NewDevice(b.Device), Passkey: newPasskey(b.Passkey), Size: len(b.Data), File: b.File}
	if b.File == "" {
		data := webauthn.Bytes(b.Data)
		e.Data = &data
	}
	return e
}

// Text tells where the data went. It does not write them: they are not text.
func (b Blob) Text(w io.Writer) error {
	text := fmt.Sprintf("The large blob of %s has %s", passkeyLabel(b.Passkey), count(len(b.Data), "byte"))
	if b.File != "" {
		text += ", which are in " + b.File
	}
	_, err := fmt.Fprintln(w, text+".")
	return err
}

// BlobAction is what was done about large blobs.
type BlobAction string

// Actions.
const (
	BlobStored    BlobAction = "stored"
	BlobReplaced  BlobAction = "replaced"
	BlobUnchanged BlobAction = "unchanged" // it is there already
	BlobDeleted   BlobAction = "deleted"
	BlobCollected BlobAction = "collected" // what no passkey opens
)

// BlobChanged tells what was done about large blobs.
type BlobChanged struct {
	Device  devices.Info
	Action  BlobAction
	Passkey *manage.Passkey // nil if it was about none
	Blobs   int             // how many were stored or deleted
	Size    uint            // bytes of the data that are stored now
	Stored  uint            // bytes on the key that they take, or took; 0 where that is not told
	Free    *uint           // bytes that are left on the key; nil where that is not told
}

// Envelope is touchstone/blob-change/1.
func (b BlobChanged) Envelope() any {
	e := struct {
		Schema  string     `json:"schema"`
		Device  Device     `json:"device"`
		Action  BlobAction `json:"action"`
		Passkey *passkey   `json:"passkey,omitempty"`
		Blobs   int        `json:"blobs"`
		Size    *uint      `json:"size,omitempty"`
		Stored  uint       `json:"stored,omitempty"`
		Free    *uint      `json:"free,omitempty"`
	}{Schema: "touchstone/blob-change/1", Device: NewDevice(b.Device), Action: b.Action, Blobs: b.Blobs, Stored: b.Stored, Free: b.Free}
	if b.keeps() {
		e.Size = &b.Size
	}
	if b.Passkey != nil {
		p := newPasskey(*b.Passkey)
		e.Passkey = &p
	}
	return e
}

// keeps reports whether there is a blob now.
func (b BlobChanged) keeps() bool {
	return b.Action == BlobStored || b.Action == BlobReplaced || b.Action == BlobUnchanged
}

// Text writes what was done and how much room is left.
func (b BlobChanged) Text(w io.Writer) error {
	text := b.what()
	if b.Stored > 0 && b.keeps() {
		text += fmt.Sprintf("\nIt takes %s on the key.", count(b.Stored, "byte"))
	}
	if b.Free != nil {
		text += fmt.Sprintf("\n%s free.", count(*b.Free, "byte"))
	}
	_, err := fmt.Fprintln(w, text)
	return err
}

func (b BlobChanged) what() string {
	of := ""
	if b.Passkey != nil {
		of = passkeyLabel(*b.Passkey)
	}
	switch {
	case b.Action == BlobUnchanged:
		return fmt.Sprintf("The blob of %s is this one already; nothing was written.", of)
	case b.Action == BlobStored:
		return fmt.Sprintf("Stored %s with %s.", count(b.Size, "byte"), of)
	case b.Action == BlobReplaced:
		return fmt.Sprintf("Stored %s with %s, in the place of its earlier blob.", count(b.Size, "byte"), of)
	case b.Action == BlobDeleted:
		return fmt.Sprintf("Deleted the blob of %s, %s.", of, count(b.Stored, "byte"))
	case b.Blobs == 0:
		return "There is no blob that no passkey opens; nothing was written."
	}
	return fmt.Sprintf("Deleted %s that no passkey opens, of %s.", count(b.Blobs, "blob"), count(b.Stored, "byte"))
}
