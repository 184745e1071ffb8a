package virtual

// faultLists are the faults by area.
var faultLists = [][]Fault{
	messagesFaults,
	getinfoFaults,
	makecredentialFaults,
	enterpriseFaults,
	getassertionFaults,
	getnextassertionFaults,
	clientpinFaults,
	uvFaults,
	tokensFaults,
	credmgmtFaults,
	bioFaults,
	configFaults,
	largeblobsFaults,
	resetFaults,
	selectionFaults,
	extensionsFaults,
	u2fFaults,
	attestationFaults,
	countersFaults,
	stateFaults,
}

// Faults of messages.
const (
	cborUnsorted         FaultID = "cbor-unsorted-accepted"
	cborLongHeads        FaultID = "cbor-long-heads-accepted"
	cborIndefinite       FaultID = "cbor-indefinite-accepted"
	cborDeep             FaultID = "cbor-deep-accepted"
	cborBadText          FaultID = "cbor-bad-text-accepted"
	cborTrailing         FaultID = "cbor-trailing-accepted"
	unknownMemberRefused FaultID = "unknown-member-refused"
	errorWithBody        FaultID = "error-with-body"
	answerTrailing       FaultID = "answer-with-trailing-byte"
	messageLimit         FaultID = "message-limit-off-by-one"
	unknownCommand       FaultID = "unknown-command-other"
)

var messagesFaults = []Fault{
	{cborUnsorted, "messages", "accepts request maps whose keys are out of order", "§8", ""},
	{cborLongHeads, "messages", "accepts integers and lengths that are not in their shortest form", "§8", ""},
	{cborIndefinite, "messages", "accepts maps, arrays and strings of indefinite length", "§8", ""},
	{cborDeep, "messages", "accepts more than four levels of maps and arrays", "§8", "google/CTAP2-test-tool results: 5 of 12 keys"},
	{cborBadText, "messages", "accepts text that is not UTF-8", "§8", "google/CTAP2-test-tool results: 7 of 7 keys"},
	{cborTrailing, "messages", "ignores what follows the parameters", "§8", ""},
	{unknownMemberRefused, "messages", "refuses a request with a member that it does not know", "§8", ""},
	{errorWithBody, "messages", "sends a body with an error", "§8", ""},
	{answerTrailing, "messages", "sends a byte after the body of an answer", "§8", ""},
	{messageLimit, "messages", "refuses a message of exactly maxMsgSize", "§6.4", ""},
	{unknownCommand, "messages", "answers an unknown command with CTAP1_ERR_OTHER", "§8.2", ""},
}

// Faults of getInfo.
const (
	infoUnordered          FaultID = "info-options-unordered"
	infoLongInteger        FaultID = "info-long-integer"
	infoDuplicate          FaultID = "info-duplicate-member"
	infoIndefinite         FaultID = "info-indefinite-map"
	infoFIDO22             FaultID = "info-fido-2-2"
	infoU2FStays           FaultID = "info-u2f-with-always-uv"
	infoClientPINStuck     FaultID = "info-client-pin-stuck"
	infoMessageLie         FaultID = "info-max-message-too-large"
	infoRemainingStuck     FaultID = "info-remaining-stuck"
	infoOtherAAGUID        FaultID = "info-other-aaguid"
	infoFormatNone         FaultID = "info-lists-format-none"
	infoAlgorithmLie       FaultID = "info-algorithm-not-there"
	infoIdentifierConstant FaultID = "info-identifier-constant"
	infoStoreStateStuck    FaultID = "info-store-state-stuck"
	infoForceChangeHidden  FaultID = "info-force-change-hidden"
	infoMinPINStuck        FaultID = "info-min-pin-stuck"
)

var getinfoFaults = []Fault{
	{infoUnordered, "getInfo", "gives the options out of canonical order", "§8", "Nitrokey/nitrokey-fido2-firmware issue 73, solo1 issue 170"},
	{infoLongInteger, "getInfo", "encodes maxMsgSize in more bytes than it needs", "§8", ""},
	{infoDuplicate, "getInfo", "gives the versions twice", "§8", ""},
	{infoIndefinite, "getInfo", "gives a map of indefinite length", "§8", ""},
	{infoFIDO22, "getInfo", "claims the version FIDO_2_2, which was never defined", "§6.4", "Yubico development key, joostd/ctap-nfc-sniffer"},
	{infoU2FStays, "getInfo", "still lists U2F_V2 while alwaysUv keeps U2F from working", "§7.2.4", ""},
	{infoClientPINStuck, "getInfo", "says clientPin=false after a PIN was set", "§6.4", ""},
	{infoMessageLie, "getInfo", "says a maxMsgSize that is larger than what it takes", "§6.4", ""},
	{infoRemainingStuck, "getInfo", "says the same remainingDiscoverableCredentials however many there are", "§6.4", ""},
	{infoOtherAAGUID, "getInfo", "says another AAGUID than in its authenticator data", "§6.4", ""},
	{infoFormatNone, "getInfo", "lists \"none\" among the attestationFormats", "§6.4", "Nitrokey 3, before; Yubico development key"},
	{infoAlgorithmLie, "getInfo", "lists an algorithm that makeCredential refuses", "§6.4", ""},
	{infoIdentifierConstant, "getInfo", "encrypts encIdentifier with the same IV each time", "§6.4", ""},
	{infoStoreStateStuck, "getInfo", "keeps encCredStoreState when the credentials change", "§6.4", ""},
	{infoForceChangeHidden, "getInfo", "does not tell that the PIN must be changed", "§6.4", ""},
	{infoMinPINStuck, "getInfo", "does not tell that setMinPINLength has raised the minimum", "§6.4", ""},
}

// Faults of makeCredential.
const (
	excludeIgnored     FaultID = "mc-exclude-list-ignored"
	excludeFirstOnly   FaultID = "mc-exclude-first-only"
	excludeOtherRP     FaultID = "mc-exclude-other-rp"
	excludeSilently    FaultID = "mc-exclude-silently"
	excludeProtected   FaultID = "mc-exclude-protected"
	makeNoTouch        FaultID = "mc-no-touch"
	makeUVFlag         FaultID = "mc-uv-flag-always"
	lastAlgorithm      FaultID = "mc-last-algorithm"
	paramsUnchecked    FaultID = "mc-params-stop-early"
	paramsAllKnown     FaultID = "mc-unknown-algorithm-refused"
	upFalseAccepted    FaultID = "mc-up-false-accepted"
	uvIgnored          FaultID = "mc-uv-ignored"
	optionRefused      FaultID = "unknown-option-refused"
	rkIgnored          FaultID = "mc-rk-ignored"
	overwriteKept      FaultID = "mc-overwrite-kept"
	makeParamUnchecked FaultID = "mc-param-unchecked"
	uvNotDemanded      FaultID = "mc-uv-not-demanded"
	probeUntouched     FaultID = "probe-without-touch"
	probeRefused       FaultID = "probe-refused"
	protocolGuessed    FaultID = "auth-protocol-guessed"
	longNamesRefused   FaultID = "mc-long-names-refused"
	namesSplit         FaultID = "mc-names-cut-in-character"
	hashUnchecked      FaultID = "client-data-hash-any-length"
	storeNeverFull     FaultID = "mc-store-never-full"
	formatIgnored      FaultID = "mc-format-preference-ignored"
	extensionRefused   FaultID = "mc-unknown-extension-refused"
	actionTimeout      FaultID = "mc-timeout-as-action-timeout"
	listUnlimited      FaultID = "list-limit-ignored"
)

var makecredentialFaults = []Fault{
	{excludeIgnored, "makeCredential", "makes a credential although one of the excludeList is its own", "§6.1.2 step 12", ""},
	{excludeFirstOnly, "makeCredential", "looks at the first element of the excludeList only", "§6.1.2 step 12", ""},
	{excludeOtherRP, "makeCredential", "excludes because of a credential of another relying party", "§6.1.2 step 12", "pico-fido issue 72; google/CTAP2-test-tool results: 4 of 15 keys"},
	{excludeSilently, "makeCredential", "tells that a credential is excluded without a touch", "§6.1.2 step 12", ""},
	{excludeProtected, "makeCredential", "admits to a credential with credProtect 3 without user verification", "§6.1.2 step 12", ""},
	{makeNoTouch, "makeCredential", "makes a credential without a touch, and says that there was one", "§6.1.2 step 14", "MIRKey, Nitrokey FIDO2 1.1 and 2.3, in google/CTAP2-test-tool results"},
	{makeUVFlag, "makeCredential", "says that the user was verified, always", "§6.1.2 step 11", "soft-fido2 pull request 48"},
	{lastAlgorithm, "makeCredential", "takes the last algorithm that it has, not the first", "§6.1.2 step 3", "trussed-dev/fido-authenticator 0.1"},
	{paramsUnchecked, "makeCredential", "does not look at what follows the first algorithm that it has", "§6.1.2 step 3", ""},
	{paramsAllKnown, "makeCredential", "refuses a list that has one algorithm which it has not", "§6.1.2 step 3", "google/CTAP2-test-tool results: 12 of 15 keys"},
	{upFalseAccepted, "makeCredential", "accepts up=false", "§6.1.2 step 5", "google/CTAP2-test-tool results: 1 key"},
	{uvIgnored, "makeCredential", "ignores uv=true where it cannot verify the user", "§6.1.2 step 5", "google/CTAP2-test-tool results: 6 keys"},
	{optionRefused, "makeCredential", "refuses an option that it does not know", "§6.1.2 step 5", "google/CTAP2-test-tool results: 5 keys"},
	{rkIgnored, "makeCredential", "makes a credential that is not discoverable for rk=true", "§6.1.2 step 17", ""},
	{overwriteKept, "makeCredential", "keeps the credential that a new one for the same account replaces", "§6.1.2 step 17", ""},
	{makeParamUnchecked, "makeCredential", "takes any pinUvAuthParam for a right one", "§6.1.2 step 11", ""},
	{uvNotDemanded, "makeCredential", "makes a discoverable credential without the PIN that is set", "§6.1.2 steps 7, 8", ""},
	{probeUntouched, "makeCredential", "answers an empty pinUvAuthParam without a touch", "§6.1.2 step 1", ""},
	{probeRefused, "makeCredential", "answers an empty pinUvAuthParam with CTAP2_ERR_MISSING_PARAMETER", "§6.1.2 step 1", "Titan K52T, webauthn-rs issue 485"},
	{protocolGuessed, "makeCredential", "does without pinUvAuthProtocol", "§6.1.2 step 2", "google/CTAP2-test-tool results: 9 keys"},
	{longNamesRefused, "makeCredential", "refuses names of more than 64 bytes", "WebAuthn L3 §6.4.1", "trussed-dev/fido-authenticator issue 30"},
	{namesSplit, "makeCredential", "cuts a name in the middle of a character", "WebAuthn L3 §6.4.1", "w3c/webauthn issues 973 and 1296"},
	{hashUnchecked, "makeCredential", "accepts a clientDataHash that is not of 32 bytes", "§6.1", ""},
	{storeNeverFull, "makeCredential", "stores more credentials than it says that there is room for", "§6.1.2 step 17", ""},
	{formatIgnored, "makeCredential", "sends an attestation statement although none is wanted", "§6.1.2 step 19", ""},
	{extensionRefused, "makeCredential", "refuses an extension that it does not know", "§6.1.2 step 15", "BioPass and FIDO KB, in google/CTAP2-test-tool results"},
	{actionTimeout, "makeCredential", "answers CTAP2_ERR_ACTION_TIMEOUT when nobody touches it", "§6.1.2 step 14", "webauthn-rs issues 397 and 485"},
	{listUnlimited, "makeCredential", "takes lists that are longer than maxCredentialCountInList", "§6.4", ""},
}

// Faults of enterprise attestation.
const (
	epToAll            FaultID = "ep-granted-to-all"
	epDisabledAccepted FaultID = "ep-disabled-accepted"
	epUntold           FaultID = "ep-untold"
	epAnyValue         FaultID = "ep-any-value"
)

var enterpriseFaults = []Fault{
	{epToAll, "enterprise attestation", "grants vendor-facilitated enterprise attestation to every relying party", "§7.1.2", ""},
	{epDisabledAccepted, "enterprise attestation", "ignores enterpriseAttestation where it is disabled", "§6.1.2 step 9", ""},
	{epUntold, "enterprise attestation", "does not say that the attestation is an enterprise one", "§6.1.2 step 9", ""},
	{epAnyValue, "enterprise attestation", "takes any value of enterpriseAttestation for platform-managed", "§6.1.2 step 9", ""},
}

// Faults of getAssertion.
const (
	assertNoTouch        FaultID = "ga-no-touch"
	silentUPFlag         FaultID = "ga-silent-up-flag"
	silentTouch          FaultID = "ga-silent-wants-touch"
	rkAccepted           FaultID = "ga-rk-accepted"
	assertOtherRP        FaultID = "ga-other-rp"
	oldestFirst          FaultID = "ga-oldest-first"
	countAlways          FaultID = "ga-count-always"
	namesUnverified      FaultID = "ga-names-without-uv"
	userMissing          FaultID = "ga-user-missing"
	credentialMissing    FaultID = "ga-credential-missing"
	transportsRefused    FaultID = "ga-transports-refused"
	typeRefused          FaultID = "ga-unknown-type-refused"
	assertParamUnchecked FaultID = "ga-param-unchecked"
	assertUVFlag         FaultID = "ga-uv-flag-always"
	alwaysUVSkipped      FaultID = "ga-always-uv-ignored"
	signatureHalf        FaultID = "ga-signature-without-hash"
)

var getassertionFaults = []Fault{
	{assertNoTouch, "getAssertion", "makes an assertion without a touch, and says that there was one", "§6.2.2 step 9", "MIRKey and Nitrokey FIDO2, in google/CTAP2-test-tool results"},
	{silentUPFlag, "getAssertion", "says that the user was there for up=false", "§6.2.2 step 8", ""},
	{silentTouch, "getAssertion", "wants a touch for up=false", "§6.2.2 step 8", "pico-fido issue 114"},
	{rkAccepted, "getAssertion", "accepts the option rk", "§6.2.2 step 4", "google/CTAP2-test-tool results: 4 keys"},
	{assertOtherRP, "getAssertion", "makes an assertion with a credential of another relying party", "§6.2.2 step 7", ""},
	{oldestFirst, "getAssertion", "gives the oldest credential first", "§6.2.2 step 12", ""},
	{countAlways, "getAssertion", "gives numberOfCredentials for one credential", "§6.2.2 step 11", ""},
	{namesUnverified, "getAssertion", "tells the names of accounts without user verification", "§6.2.2 step 12", ""},
	{userMissing, "getAssertion", "leaves out whose discoverable credential it is", "§6.2.2 step 12", ""},
	{credentialMissing, "getAssertion", "leaves out which credential it used", "§6.2", "Ledger Nano, authenticator-rs issue 319"},
	{transportsRefused, "getAssertion", "refuses an allowList whose elements have transports", "§6.2.2 step 7", "HyperFIDO, flynn/u2f issue 14"},
	{typeRefused, "getAssertion", "refuses an allowList with an element of an unknown type", "§6.2.2 step 7", ""},
	{assertParamUnchecked, "getAssertion", "takes any pinUvAuthParam for a right one", "§6.2.2 step 6", ""},
	{assertUVFlag, "getAssertion", "says that the user was verified, always", "§6.2.2 step 6", "soft-fido2 pull request 48"},
	{alwaysUVSkipped, "getAssertion", "makes an assertion without the verification that alwaysUv wants", "§6.2.2 step 5", ""},
	{signatureHalf, "getAssertion", "signs the authenticator data alone", "§6.2.2 step 13", ""},
}

// Faults of getNextAssertion.
const (
	nextSurvives      FaultID = "next-survives-commands"
	nextForever       FaultID = "next-never-expires"
	nextFlags         FaultID = "next-flags-cleared"
	nextRepeats       FaultID = "next-repeats-first"
	nextOneMore       FaultID = "next-one-too-many"
	nextResetsRetries FaultID = "next-resets-pin-retries"
	nextOutlivesPower FaultID = "next-survives-power"
)

var getnextassertionFaults = []Fault{
	{nextSurvives, "getNextAssertion", "goes on although another command was between", "§6.3", ""},
	{nextForever, "getNextAssertion", "goes on after more than half a minute", "§6.3", ""},
	{nextFlags, "getNextAssertion", "forgets in later assertions that the user was verified", "§6.3", ""},
	{nextRepeats, "getNextAssertion", "gives the first assertion again", "§6.3", ""},
	{nextOneMore, "getNextAssertion", "gives the last assertion again and again", "§6.3", ""},
	{nextResetsRetries, "getNextAssertion", "gives the tries of the PIN back when there is nothing to go on with", "§6.3", "solo1 pull request 392"},
	{nextOutlivesPower, "getNextAssertion", "goes on after a power cycle", "§6.3", ""},
}

// Faults of clientPIN.
const (
	agreementAlgorithm       FaultID = "pin-agreement-wants-alg"
	retriesProtocol          FaultID = "pin-retries-want-protocol"
	paddingUnchecked         FaultID = "pin-padding-unchecked"
	pinTooLong               FaultID = "pin-64-bytes-accepted"
	pinLengthBytes           FaultID = "pin-length-in-bytes"
	pinMinOffByOne           FaultID = "pin-min-length-off-by-one"
	pinSetTwice              FaultID = "pin-set-twice"
	pinWrongFree             FaultID = "pin-wrong-is-free"
	pinNotRestored           FaultID = "pin-retries-not-restored"
	pinRetriesVolatile       FaultID = "pin-retries-in-memory"
	pinHashPrefix            FaultID = "pin-hash-compared-in-part"
	paramPrefix              FaultID = "auth-param-compared-in-part"
	pinNoAuthBlock           FaultID = "pin-no-auth-block"
	pinRightWhileBlocked     FaultID = "pin-right-while-blocked"
	pinBlockedIgnored        FaultID = "pin-blocked-ignored"
	pinBlockSurvives         FaultID = "pin-auth-block-survives-power"
	pinChangeKeepsToken      FaultID = "pin-change-keeps-token"
	pinChangeKeepsPersistent FaultID = "pin-change-keeps-persistent-token"
	agreementKept            FaultID = "pin-agreement-key-kept"
	agreementOutlivesPower   FaultID = "pin-agreement-survives-power"
	forceChangeIgnored       FaultID = "pin-force-change-ignored"
	forceChangeSame          FaultID = "pin-force-change-to-same"
	tokenZeroIV              FaultID = "pin-token-zero-iv"
	complexityIgnored        FaultID = "pin-complexity-ignored"
	policyCosts              FaultID = "pin-policy-costs-a-try"
	noPINGeneric             FaultID = "pin-not-set-as-invalid"
)

var clientpinFaults = []Fault{
	{agreementAlgorithm, "clientPIN", "refuses a platform key whose algorithm is not -25", "§6.5.6", "Feitian, libfido2 issue 171; Excelsecu, issue 185"},
	{retriesProtocol, "clientPIN", "wants pinUvAuthProtocol for getPINRetries", "§6.5.5.2", "Nitrokey/nitrokey-fido2-firmware issue 77"},
	{paddingUnchecked, "clientPIN", "accepts a new PIN that is padded to another length than 64 bytes", "§6.5.5.5", "google/CTAP2-test-tool results: 4 of 7 keys"},
	{pinTooLong, "clientPIN", "accepts a PIN of 64 bytes", "§6.5.5.5", "google/CTAP2-test-tool results: 1 key"},
	{pinLengthBytes, "clientPIN", "counts the bytes of a PIN instead of its characters", "§6.5.5.5", ""},
	{pinMinOffByOne, "clientPIN", "accepts a PIN that is one character too short", "§6.5.5.5", ""},
	{pinSetTwice, "clientPIN", "sets a PIN where there is one", "§6.5.5.5", ""},
	{pinWrongFree, "clientPIN", "does not count a wrong PIN", "§6.5.5.6", ""},
	{pinNotRestored, "clientPIN", "does not give the tries back when the PIN is right", "§6.5.5.6", ""},
	{pinRetriesVolatile, "clientPIN", "forgets about wrong PINs when the power goes", "§6.5.2.3", ""},
	{pinHashPrefix, "clientPIN", "compares the first 8 bytes of the PIN's hash", "§6.5.5.6", ""},
	{paramPrefix, "clientPIN", "compares the first 16 bytes of a pinUvAuthParam of protocol two", "§6.5.7", "YubiKey before 5.7.4, CVE-2025-29991"},
	{pinNoAuthBlock, "clientPIN", "takes more than three wrong PINs without a power cycle", "§6.5.5.6", ""},
	{pinRightWhileBlocked, "clientPIN", "accepts the right PIN after three wrong ones in a row", "§6.5.5.6", "ATKey.Pro, in google/CTAP2-test-tool results"},
	{pinBlockedIgnored, "clientPIN", "accepts the right PIN when no tries are left", "§6.5.5.6", ""},
	{pinBlockSurvives, "clientPIN", "stays blocked after three wrong PINs when the power was away", "§6.5.5.6", ""},
	{pinChangeKeepsToken, "clientPIN", "keeps the token when the PIN changes", "§6.5.5.6", ""},
	{pinChangeKeepsPersistent, "clientPIN", "keeps the persistent token when the PIN changes", "§6.5.5.6", ""},
	{agreementKept, "clientPIN", "keeps the key agreement key after a wrong PIN", "§6.5.5.6", ""},
	{agreementOutlivesPower, "clientPIN", "keeps the key agreement key when the power goes", "§6.5.6", ""},
	{forceChangeIgnored, "clientPIN", "gives a token for a PIN that must be changed", "§6.5.5.7.2", ""},
	{forceChangeSame, "clientPIN", "lets a PIN that must be changed be changed to the same", "§6.5.5.6", ""},
	{tokenZeroIV, "clientPIN", "encrypts tokens with an IV of zeros", "§6.5.7", ""},
	{complexityIgnored, "clientPIN", "accepts simple PINs where its policy forbids them", "§7.5", ""},
	{policyCosts, "clientPIN", "takes a try off when the new PIN is refused", "§6.5.5.6", ""},
	{noPINGeneric, "clientPIN", "says that the PIN is wrong where none is set", "§6.5.5.7", ""},
}

// Faults of user verification.
const (
	uvFree           FaultID = "uv-wrong-is-free"
	uvAnyFinger      FaultID = "uv-any-finger"
	uvBlockedIgnored FaultID = "uv-blocked-ignored"
	uvNotRestored    FaultID = "uv-retries-not-restored"
)

var uvFaults = []Fault{
	{uvFree, "user verification", "does not count a finger that it does not know", "§6.5.3.1", ""},
	{uvAnyFinger, "user verification", "takes any finger for an enrolled one", "§6.5.3.1", ""},
	{uvBlockedIgnored, "user verification", "verifies users although no tries are left", "§6.5.3.1", ""},
	{uvNotRestored, "user verification", "does not give the tries back when the finger is right", "§6.5.3.1", ""},
}

// Faults of tokens.
const (
	permissionUnchecked FaultID = "token-permission-unchecked"
	tokenRPUnchecked    FaultID = "token-rp-unchecked"
	tokenNotSpent       FaultID = "token-not-spent"
	legacyUnbound       FaultID = "token-legacy-unbound"
	legacyManages       FaultID = "token-legacy-manages"
	legacyPermissions   FaultID = "token-legacy-with-permissions"
	tokenOlder          FaultID = "token-older-valid"
	tokenOutlivesPower  FaultID = "token-survives-power"
	tokenOutlivesReset  FaultID = "token-survives-reset"
	tokenForever        FaultID = "token-never-expires"
	tokenUnusedForever  FaultID = "token-unused-never-expires"
	permissionsZero     FaultID = "token-without-permissions"
	tokenNoRPID         FaultID = "token-without-rp-id"
	ungrantable         FaultID = "token-ungrantable-granted"
	persistentWrites    FaultID = "token-persistent-writes"
	uncheckedCM         FaultID = "cm-permission-unchecked"
	uncheckedBE         FaultID = "bio-permission-unchecked"
	uncheckedLBW        FaultID = "lb-permission-unchecked"
	uncheckedACFG       FaultID = "cfg-permission-unchecked"
)

var tokensFaults = []Fault{
	{permissionUnchecked, "tokens", "makes credentials and assertions with a token that may not", "§6.1.2 step 11", ""},
	{tokenRPUnchecked, "tokens", "uses a token at another relying party than it is bound to", "§6.1.2 step 11", ""},
	{tokenNotSpent, "tokens", "uses a token for a second credential", "§6.1.2 step 14", ""},
	{legacyUnbound, "tokens", "does not bind the token of getPinToken to the first relying party", "§6.5.5.7.1", ""},
	{legacyManages, "tokens", "gives the token of getPinToken every permission", "§6.5.5.7.1", ""},
	{legacyPermissions, "tokens", "accepts permissions in getPinToken", "§6.5.5.7.1", ""},
	{tokenOlder, "tokens", "still takes the token before the last one", "§6.5.2.1", ""},
	{tokenOutlivesPower, "tokens", "keeps the token when the power goes", "§6.5.2.1", ""},
	{tokenOutlivesReset, "tokens", "keeps the token when it is reset", "§6.6", ""},
	{tokenForever, "tokens", "keeps a token for more than ten minutes", "§6.5.2.1", ""},
	{tokenUnusedForever, "tokens", "keeps a token that waits for its first use for more than half a minute", "§6.5.2.1", ""},
	{permissionsZero, "tokens", "gives a token that has no permissions", "§6.5.5.7.2", ""},
	{tokenNoRPID, "tokens", "gives a token for credentials without a relying party", "§6.5.5.7.2", ""},
	{ungrantable, "tokens", "grants a permission that it cannot have", "§6.5.5.7.2", ""},
	{persistentWrites, "tokens", "deletes credentials for the token that may read only", "§6.8", ""},
	{uncheckedCM, "tokens", "manages credentials for a token that may not", "§6.8", ""},
	{uncheckedBE, "tokens", "enrols fingers for a token that may not", "§6.7", ""},
	{uncheckedLBW, "tokens", "writes large blobs for a token that may not", "§6.10.2", ""},
	{uncheckedACFG, "tokens", "changes its configuration for a token that may not", "§6.11", ""},
}
