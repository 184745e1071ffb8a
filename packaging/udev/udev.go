// Package udev is the udev rules file that Touchstone's packages install. It
// gives the hidraw nodes of FIDO security keys to the person at the seat: of
// every key where systemd's fido_id helper reads report descriptors, and of the
// known ones elsewhere. The file is written from keys.tsv by the script
// generate.
package udev

import _ "embed"

// FileName is what the file is called below /usr/lib/udev/rules.d or
// /etc/udev/rules.d. It sorts after systemd's 60-fido-id.rules, which tells what
// is a key, and before its 73-seat-late.rules, which acts on the tag.
const FileName = "70-touchstone-fido.rules"

//go:embed 70-touchstone-fido.rules
var rules string

// Rules is the text of the file.
func Rules() string { return rules }
