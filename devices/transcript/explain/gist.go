package explain

import (
	"fmt"
	"strings"

	"github.com/touchstone-fido/touchstone/ctap2"
	"github.com/touchstone-fido/touchstone/ctap2/authdata"
	"github.com/touchstone-fido/touchstone/ctap2/cose"
	"github.com/touchstone-fido/touchstone/ctap2/wire"
)

// find is the field at a path of names.
func find(fields []Field, path ...string) (Field, bool) {
	for _, f := range fields {
		if f.Name != path[0] {
			continue
		}
		if len(path) == 1 {
			return f, true
		}
		return find(f.Fields, path[1:]...)
	}
	return Field{}, false
}

func value(fields []Field, path ...string) string {
	f, _ := find(fields, path...)
	return f.Value
}

func credentialKey(authData []byte) (cose.Key, bool) {
	data, err := authdata.Parse(authData)
	if err != nil || data.Credential == nil {
		return cose.Key{}, false
	}
	return data.Credential.Key, true
}

func makeCredentialGist(r *reading) string {
	if param, ok := byteString(r.req.members[0x08]); ok && len(param) == 0 {
		return "touch this key, please"
	}
	text := "make a credential for " + value(r.step.Fields, "rp", "id")
	if name := value(r.step.Fields, "user", "name"); name != "" {
		text += ", user " + name
	}
	return text + optionsGist(r.step.Fields) + listGist(r.step.Fields, "excludeList", "excluding")
}

func getAssertionGist(r *reading) string {
	return "sign in to " + value(r.step.Fields, "rpId") + optionsGist(r.step.Fields) + listGist(r.step.Fields, "allowList", "allowing")
}

func optionsGist(fields []Field) string {
	options, _ := find(fields, "options")
	text := ""
	for _, o := range options.Fields {
		text += ", " + o.Name + "=" + o.Value
	}
	if _, ok := find(fields, "pinUvAuthParam"); ok {
		text += ", with a token"
	}
	return text
}

func listGist(fields []Field, name, word string) string {
	list, ok := find(fields, name)
	if !ok || len(list.Fields) == 0 {
		return ""
	}
	return fmt.Sprintf(", %s %d", word, len(list.Fields))
}

var pinGists = map[ctap2.PINSubcommand]string{
	ctap2.PINGetRetries: "how many PIN tries are left", ctap2.PINGetKeyAgreement: "a key to agree on a secret with",
	ctap2.PINSet: "set the first PIN", ctap2.PINChange: "change the PIN", ctap2.PINGetToken: "a token for the PIN",
	ctap2.PINGetTokenUsingUV: "a token for a verified user", ctap2.PINGetUVRetries: "how many verification tries are left",
	ctap2.PINGetTokenUsingPIN: "a token for the PIN, with permissions",
}

func clientPINGist(r *reading) string {
	text := pinGists[ctap2.PINSubcommand(r.req.sub)]
	if p, ok := find(r.step.Fields, "permissions"); ok {
		text += " " + p.Note
	}
	if id := value(r.step.Fields, "rpId"); id != "" {
		text += " for " + id
	}
	return text
}

func credMgmtGist(r *reading) string {
	switch ctap2.CredMgmtSubcommand(r.req.sub) {
	case ctap2.CredMgmtGetMetadata:
		return "how many credentials are there"
	case ctap2.CredMgmtRPsBegin:
		return "list the relying parties"
	case ctap2.CredMgmtCredentialsBegin:
		hash, _ := find(r.step.Fields, "subCommandParams", "rpIDHash")
		return "list the credentials of " + strings.TrimPrefix(hash.Note, "SHA-256 of ")
	case ctap2.CredMgmtRPsNext, ctap2.CredMgmtCredentialsNext:
		return "and the next"
	case ctap2.CredMgmtDelete:
		return "delete a credential"
	case ctap2.CredMgmtUpdateUser:
		return "rename a credential's user"
	}
	return ""
}

func largeBlobsGist(r *reading) string {
	offset := value(r.step.Fields, "offset")
	if n, ok := number(r.req.members[0x01]); ok {
		return fmt.Sprintf("read %d bytes of the array from byte %s on", n, offset)
	}
	set, _ := byteString(r.req.members[0x02])
	return fmt.Sprintf("write %s of the array from byte %s on", bytesOf(len(set)), offset)
}

func configGist(r *reading) string {
	switch ctap2.ConfigSubcommand(r.req.sub) {
	case ctap2.ConfigEnableEP:
		return "allow enterprise attestation"
	case ctap2.ConfigToggleAlwaysUV:
		return "turn alwaysUv over"
	case ctap2.ConfigSetMinPINLength:
		return "set the least length of a PIN"
	case ctap2.ConfigEnableLongTouch:
		return "want a long touch for a reset"
	}
	return ""
}

// resultGist is what an answer of success comes to.
func resultGist(req *request, fields []Field) string {
	switch req.command {
	case ctap2.CommandGetInfo:
		return strings.Trim(value(fields, "versions"), "[]")
	case ctap2.CommandMakeCredential:
		alg, _ := find(fields, "authData", "attestedCredentialData", "credentialPublicKey", "alg")
		return fmt.Sprintf("a new %s credential, attestation %s", alg.Note, value(fields, "fmt"))
	case ctap2.CommandGetAssertion, ctap2.CommandGetNextAssertion:
		flags, _ := find(fields, "authData", "flags")
		text := "an assertion, " + shortFlags(flags.Note)
		if n := value(fields, "numberOfCredentials"); n != "" {
			text += ", the first of " + n
		}
		return text
	case ctap2.CommandClientPIN:
		return pinResultGist(fields)
	case ctap2.CommandCredentialManagement, ctap2.CommandCredManagementPre:
		return credMgmtResultGist(fields)
	}
	return ""
}

// shortFlags leaves only the letters of flags in words.
func shortFlags(note string) string {
	var short []string
	for word := range strings.SplitSeq(note, ", ") {
		letters, _, _ := strings.Cut(word, ":")
		short = append(short, letters)
	}
	return strings.Join(short, " ")
}

func pinResultGist(fields []Field) string {
	switch {
	case value(fields, "pinRetries") != "":
		return value(fields, "pinRetries") + " PIN tries left"
	case value(fields, "uvRetries") != "":
		return value(fields, "uvRetries") + " verification tries left"
	case value(fields, "pinUvAuthToken") != "":
		return "a token, encrypted"
	}
	if _, ok := find(fields, "keyAgreement"); ok {
		return "the key's half of a key agreement"
	}
	return ""
}

func credMgmtResultGist(fields []Field) string {
	switch {
	case value(fields, "existingResidentCredentialsCount") != "":
		return fmt.Sprintf("%s stored, room for %s", value(fields, "existingResidentCredentialsCount"), value(fields, "maxPossibleRemainingResidentCredentialsCount"))
	case value(fields, "rp", "id") != "":
		return "relying party " + value(fields, "rp", "id")
	}
	if _, ok := find(fields, "user"); ok {
		return "a credential of user " + value(fields, "user", "name")
	}
	return ""
}

// hmacInput is the input of hmac-secret or hmac-secret-mc in a request, nil if
// there is none.
func (q *request) hmacInput() map[uint64]wire.Raw {
	var extensions map[string]wire.Raw
	n := map[ctap2.Command]uint64{ctap2.CommandMakeCredential: 0x06, ctap2.CommandGetAssertion: 0x04}[q.command]
	if n == 0 || q.members[n] == nil || wire.Decode(q.members[n], &extensions) != nil {
		return nil
	}
	for _, name := range []string{ctap2.ExtensionHMACSecret, ctap2.ExtensionHMACSecretMC} {
		var input map[uint64]wire.Raw
		if raw, ok := extensions[name]; ok && major(raw) == wire.MajorMap && wire.Decode(raw, &input) == nil {
			return input
		}
	}
	return nil
}
