package replay

import (
	"fmt"

	"github.com/touchstone-fido/touchstone/ctap2"
	"github.com/touchstone-fido/touchstone/devices/transcript"
)

// losses are what questions do to a key that cannot be undone, in the order in
// which it is told.
var losses = []struct {
	is   func(q transcript.Question, status ctap2.Status) bool
	text string
}{
	{command(ctap2.CommandReset), "It resets the key: every passkey on it, its PIN and its settings are lost"},
	{sub(ctap2.CommandClientPIN, uint64(ctap2.PINSet)), "It sets the key's PIN"},
	{sub(ctap2.CommandClientPIN, uint64(ctap2.PINChange)), "It changes the key's PIN"},
	{wrongPIN, "It spends tries of the key's PIN on wrong ones"},
	{command(ctap2.CommandConfig), "It changes the key's settings, some of them until a reset"},
	{sub(ctap2.CommandCredentialManagement, uint64(ctap2.CredMgmtDelete)), "It deletes passkeys that it has made before"},
	{sub(ctap2.CommandBioEnrollment, uint64(ctap2.BioRemove)), "It removes fingerprints"},
	{blobsSet, "It replaces the key's large blobs"},
	{command(ctap2.CommandMakeCredential), "It makes credentials, and replaces passkeys for the same accounts"},
}

func command(c ctap2.Command) func(transcript.Question, ctap2.Status) bool {
	return func(q transcript.Question, _ ctap2.Status) bool { return q.Command == c }
}

func sub(c ctap2.Command, s uint64) func(transcript.Question, ctap2.Status) bool {
	prototypes := map[ctap2.Command]ctap2.Command{
		ctap2.CommandBioEnrollmentPre:  ctap2.CommandBioEnrollment,
		ctap2.CommandCredManagementPre: ctap2.CommandCredentialManagement,
	}
	return func(q transcript.Question, _ ctap2.Status) bool {
		return (q.Command == c || prototypes[q.Command] == c) && q.Sub == s
	}
}

func wrongPIN(_ transcript.Question, status ctap2.Status) bool {
	return status == ctap2.StatusPINInvalid
}

func blobsSet(q transcript.Question, _ ctap2.Status) bool {
	return q.Command == ctap2.CommandLargeBlobs && q.Members[2] != nil
}

// Losses says in sentences what asking the tape's questions of a key does to it
// that cannot be undone, nil for nothing.
func Losses(tape *transcript.Tape) []string {
	counts := make([]int, len(losses))
	for _, e := range tape.Exchanges() {
		q, err := transcript.ParseQuestion(e.Request)
		if e.Kind != transcript.CTAP2 || err != nil {
			continue
		}
		for i, l := range losses {
			if l.is(q, statusOf(e)) {
				counts[i]++
			}
		}
	}
	var all []string
	for i, n := range counts {
		switch {
		case n == 1:
			all = append(all, losses[i].text+".")
		case n > 1:
			all = append(all, fmt.Sprintf("%s (%d times).", losses[i].text, n))
		}
	}
	return all
}
