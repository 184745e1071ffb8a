package view

import (
	"fmt"
	"strings"

	"github.com/touchstone-fido/touchstone/ctap2"
	"github.com/touchstone-fido/touchstone/devices/manage"
)

// The texts of this file say what a person loses by a change, before it is made.

// PasskeyLoss is what deleting a passkey loses; blob are the bytes of its large
// blob on the key.
func PasskeyLoss(p manage.Passkey, blob uint) string {
	text := fmt.Sprintf("This deletes %s.\nNobody can sign in there with it any more, and nothing brings it back.", passkeyLabel(p))
	if blob > 0 {
		text += fmt.Sprintf("\nIt has a large blob of %s, which nothing can read then. \"touchstone blob collect\" frees its room.", count(blob, "byte"))
	}
	return text
}

// FingerprintLoss is what deleting a finger loses; enrolled is how many there are.
func FingerprintLoss(t ctap2.Template, enrolled int) string {
	text := fmt.Sprintf("This deletes the %s: the key will not know that finger any more.", fingerLabel(t))
	if enrolled == 1 {
		text += "\nIt is the last one. The key then verifies its user by the PIN alone."
	}
	return text
}

// meanings say what a setting means for whoever uses the key.
var meanings = map[manage.Setting]string{
	manage.MinPINLength:          "a PIN that is shorter has to be changed before its next use",
	manage.MinPINLengthRPIDs:     "in the place of those that may learn the minimum length now",
	manage.ForcePINChange:        "until then the PIN is only good for changing it",
	manage.PINComplexityPolicy:   "a PIN that breaks the policy has to be changed before its next use",
	manage.EnterpriseAttestation: "relying parties that maker or platform chose may be told which key this is",
	manage.LongTouchForReset:     "a reset wants a touch of several seconds",
}

// meaning says what a change means.
func meaning(c manage.Change) string {
	switch {
	case c.Setting != manage.AlwaysUV:
		return meanings[c.Setting]
	case c.After == true:
		return "every use wants the PIN or a finger, and U2F is off"
	}
	return "the PIN or a finger is wanted only where a relying party asks for it"
}

// PolicyLoss is what changes of a policy lose.
func PolicyLoss(changes []manage.Change) string {
	lines := []string{"This changes the policy of the key:"}
	for _, c := range changes {
		line := "  " + changeText(c) + " (" + meaning(c) + ")"
		if c.Final {
			line += "\n    Only a reset takes this back, and it deletes every passkey on the key."
		}
		lines = append(lines, line)
	}
	return strings.Join(lines, "\n")
}

// BlobLoss is what deleting the large blob of a passkey loses, or replacing it.
func BlobLoss(p manage.Passkey, size uint, replaced bool) string {
	verb := "deletes"
	if replaced {
		verb = "replaces"
	}
	return fmt.Sprintf("This %s the large blob of %s,\n%s on the key. What is in it now is lost.", verb, passkeyLabel(p), count(size, "byte"))
}

// KeptBlobLoss is what storing a blob loses on a key that has not told whether
// there is one.
func KeptBlobLoss(p manage.Passkey) string {
	return fmt.Sprintf("This replaces the large blob of %s,\nif it has one: the key tells only for another touch.", passkeyLabel(p))
}

// OrphanLoss is what collecting orphans loses.
func OrphanLoss(n int, size uint) string {
	return fmt.Sprintf("This deletes %s of %s that no passkey on the key opens.", count(n, "large blob"), count(size, "byte"))
}
