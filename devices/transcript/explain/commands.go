package explain

import (
	"github.com/touchstone-fido/touchstone/ctap2"
)

// command is what the standard has for one CTAP2 command.
type command struct {
	clause  string
	ask     *table
	answer  *table
	subKey  uint64 // the member of the request that names the subcommand, 0 if none
	subName func(uint64) (name, clause string)
	bare    func(sub uint64) bool // whether success is answered with nothing more
	gist    func(r *reading) string
}

var commands map[ctap2.Command]command

func init() { // the tables refer to functions that refer to them
	management := command{
		clause: "CTAP 2.3 §6.8", ask: &credMgmtAsk, answer: &credMgmtAnswer, subKey: 1, subName: credMgmtName, bare: credMgmtBare,
		gist: credMgmtGist,
	}
	enrollment := command{clause: "CTAP 2.3 §6.7", ask: &bioAsk, answer: &bioAnswer, subKey: 2, subName: bioName, bare: bioBare}
	commands = map[ctap2.Command]command{
		ctap2.CommandMakeCredential: {
			clause: "CTAP 2.3 §6.1", ask: &makeCredentialAsk, answer: &makeCredentialAnswer, gist: makeCredentialGist,
		},
		ctap2.CommandGetAssertion: {
			clause: "CTAP 2.3 §6.2", ask: &getAssertionAsk, answer: &getAssertionAnswer, gist: getAssertionGist,
		},
		ctap2.CommandGetNextAssertion: {clause: "CTAP 2.3 §6.3", answer: &getAssertionAnswer},
		ctap2.CommandGetInfo:          {clause: "CTAP 2.3 §6.4", answer: &getInfoAnswer},
		ctap2.CommandClientPIN: {
			clause: "CTAP 2.3 §6.5.5", ask: &clientPINAsk, answer: &clientPINAnswer, subKey: 2, subName: pinName, bare: pinBare,
			gist: clientPINGist,
		},
		ctap2.CommandReset:                {clause: "CTAP 2.3 §6.6", gist: always("delete every credential and the PIN")},
		ctap2.CommandSelection:            {clause: "CTAP 2.3 §6.9", gist: always("is this the key, touch it")},
		ctap2.CommandBioEnrollment:        enrollment,
		ctap2.CommandBioEnrollmentPre:     enrollment,
		ctap2.CommandCredentialManagement: management,
		ctap2.CommandCredManagementPre:    management,
		ctap2.CommandLargeBlobs: {
			clause: "CTAP 2.3 §6.10.2", ask: &largeBlobsAsk, answer: &largeBlobsAnswer, gist: largeBlobsGist,
			bare: func(uint64) bool { return true },
		},
		ctap2.CommandConfig: {
			clause: "CTAP 2.3 §6.11", ask: &configAsk, subKey: 1, subName: configName, gist: configGist,
		},
	}
}

func always(text string) func(*reading) string {
	return func(r *reading) string {
		if r.step.Dir == 0 {
			return ""
		}
		return text
	}
}

func pinName(n uint64) (string, string) {
	clause := map[ctap2.PINSubcommand]string{
		ctap2.PINGetRetries: ".2", ctap2.PINGetUVRetries: ".3", ctap2.PINGetKeyAgreement: ".4", ctap2.PINSet: ".5",
		ctap2.PINChange: ".6", ctap2.PINGetToken: ".7.1", ctap2.PINGetTokenUsingPIN: ".7.2", ctap2.PINGetTokenUsingUV: ".7.3",
	}[ctap2.PINSubcommand(n)]
	return ctap2.PINSubcommand(n).String(), "CTAP 2.3 §6.5.5" + clause
}

func pinBare(n uint64) bool {
	return ctap2.PINSubcommand(n) == ctap2.PINSet || ctap2.PINSubcommand(n) == ctap2.PINChange
}

func credMgmtName(n uint64) (string, string) {
	clause := map[ctap2.CredMgmtSubcommand]string{
		ctap2.CredMgmtGetMetadata: ".2", ctap2.CredMgmtRPsBegin: ".3", ctap2.CredMgmtRPsNext: ".3", ctap2.CredMgmtCredentialsBegin: ".4",
		ctap2.CredMgmtCredentialsNext: ".4", ctap2.CredMgmtDelete: ".5", ctap2.CredMgmtUpdateUser: ".6",
	}[ctap2.CredMgmtSubcommand(n)]
	return ctap2.CredMgmtSubcommand(n).String(), "CTAP 2.3 §6.8" + clause
}

func credMgmtBare(n uint64) bool {
	return ctap2.CredMgmtSubcommand(n) == ctap2.CredMgmtDelete || ctap2.CredMgmtSubcommand(n) == ctap2.CredMgmtUpdateUser
}

func bioName(n uint64) (string, string) {
	clause := map[ctap2.BioSubcommand]string{
		ctap2.BioGetSensorInfo: ".3", ctap2.BioEnrollBegin: ".4", ctap2.BioEnrollNext: ".4", ctap2.BioEnrollCancel: ".5",
		ctap2.BioEnumerate: ".6", ctap2.BioSetName: ".7", ctap2.BioRemove: ".8",
	}[ctap2.BioSubcommand(n)]
	return ctap2.BioSubcommand(n).String(), "CTAP 2.3 §6.7" + clause
}

func bioBare(n uint64) bool {
	switch ctap2.BioSubcommand(n) {
	case ctap2.BioEnrollCancel, ctap2.BioSetName, ctap2.BioRemove:
		return true
	}
	return false
}

func configName(n uint64) (string, string) {
	clause := map[ctap2.ConfigSubcommand]string{
		ctap2.ConfigEnableEP: ".1", ctap2.ConfigToggleAlwaysUV: ".2", ctap2.ConfigVendorPrototype: ".3",
		ctap2.ConfigSetMinPINLength: ".4", ctap2.ConfigEnableLongTouch: ".5",
	}[ctap2.ConfigSubcommand(n)]
	return ctap2.ConfigSubcommand(n).String(), "CTAP 2.3 §6.11" + clause
}
