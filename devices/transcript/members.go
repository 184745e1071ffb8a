package transcript

import (
	"fmt"
	"strings"

	"github.com/touchstone-fido/touchstone/ctap2"
)

// requestNames and answerNames are the standard's names of parameters and of
// members of answers (CTAP 2.3 §6), in the order of their numbers from 1 on; an
// empty one has no name.
var (
	requestNames = map[ctap2.Command]string{
		ctap2.CommandMakeCredential: "clientDataHash rp user pubKeyCredParams excludeList extensions options " +
			"pinUvAuthParam pinUvAuthProtocol enterpriseAttestation attestationFormatsPreference",
		ctap2.CommandGetAssertion: "rpId clientDataHash allowList extensions options pinUvAuthParam pinUvAuthProtocol",
		ctap2.CommandClientPIN: "pinUvAuthProtocol subCommand keyAgreement pinUvAuthParam newPinEnc pinHashEnc " +
			"getKeyAgreement getRetries permissions rpId",
		ctap2.CommandBioEnrollment:        "modality subCommand subCommandParams pinUvAuthProtocol pinUvAuthParam getModality",
		ctap2.CommandCredentialManagement: "subCommand subCommandParams pinUvAuthProtocol pinUvAuthParam",
		ctap2.CommandLargeBlobs:           "get set offset length pinUvAuthParam pinUvAuthProtocol",
		ctap2.CommandConfig:               "subCommand subCommandParams pinUvAuthProtocol pinUvAuthParam",
	}
	answerNames = map[ctap2.Command]string{
		ctap2.CommandMakeCredential:   "fmt authData attStmt epAtt largeBlobKey unsignedExtensionOutputs",
		ctap2.CommandGetAssertion:     assertionNames,
		ctap2.CommandGetNextAssertion: assertionNames,
		ctap2.CommandClientPIN:        "keyAgreement pinUvAuthToken pinRetries powerCycleState uvRetries",
		ctap2.CommandBioEnrollment: "modality fingerprintKind maxCaptureSamplesRequiredForEnroll templateId " +
			"lastEnrollSampleStatus remainingSamples templateInfos maxTemplateFriendlyName",
		ctap2.CommandCredentialManagement: "existingResidentCredentialsCount maxPossibleRemainingResidentCredentialsCount " +
			"rp rpIDHash totalRPs user credentialID publicKey totalCredentials credProtect largeBlobKey thirdPartyPayment",
		ctap2.CommandLargeBlobs: "config",
	}
)

const assertionNames = "credential authData signature user numberOfCredentials userSelected largeBlobKey unsignedExtensionOutputs"

// prototypes are the commands of FIDO_2_1_PRE by those that they became.
var prototypes = map[ctap2.Command]ctap2.Command{
	ctap2.CommandBioEnrollmentPre:  ctap2.CommandBioEnrollment,
	ctap2.CommandCredManagementPre: ctap2.CommandCredentialManagement,
}

// RequestMember is the standard's name of a command's parameter, or its number.
func RequestMember(c ctap2.Command, n uint64) string { return memberName(requestNames, c, n) }

// AnswerMember is the standard's name of a member of a command's answer, or its
// number.
func AnswerMember(c ctap2.Command, n uint64) string {
	if c == ctap2.CommandGetInfo {
		name, _, _ := strings.Cut(ctap2.InfoMember(n).String(), " (")
		return name
	}
	return memberName(answerNames, c, n)
}

func memberName(names map[ctap2.Command]string, c ctap2.Command, n uint64) string {
	if final, ok := prototypes[c]; ok {
		c = final
	}
	list := strings.Fields(names[c])
	if n < 1 || n > uint64(len(list)) {
		return fmt.Sprintf("member 0x%02x", n)
	}
	return list[n-1]
}
