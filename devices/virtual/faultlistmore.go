package virtual

// Faults of credentialManagement.
const (
	metadataEmpty       FaultID = "cm-empty-metadata-refused"
	totalRPs            FaultID = "cm-total-rps-off-by-one"
	totalCredentials    FaultID = "cm-total-off-by-one"
	lastRPLost          FaultID = "cm-last-rp-lost"
	boundReads          FaultID = "cm-bound-token-reads-all"
	deleteForgets       FaultID = "cm-delete-does-nothing"
	deleteFirst         FaultID = "cm-delete-first"
	userIDUnchecked     FaultID = "cm-update-other-user"
	namesKept           FaultID = "cm-update-keeps-names"
	enumerationSurvives FaultID = "cm-next-survives-commands"
	protectShown        FaultID = "cm-protection-shown-as-1"
	blobKeyHidden       FaultID = "cm-blob-key-missing"
	emptyListOK         FaultID = "cm-empty-list-ok"
)

var credmgmtFaults = []Fault{
	{metadataEmpty, "credentialManagement", "answers getCredsMetadata with CTAP2_ERR_NO_CREDENTIALS when there are none", "§6.8.2", "solo1 issue 403"},
	{totalRPs, "credentialManagement", "tells of one relying party too many", "§6.8.3", ""},
	{totalCredentials, "credentialManagement", "tells of one credential too many", "§6.8.4", ""},
	{lastRPLost, "credentialManagement", "does not list the last relying party", "§6.8.3", "FIDO2Applet issue 50"},
	{boundReads, "credentialManagement", "lists relying parties for a token that is bound to one", "§6.8.3", ""},
	{deleteForgets, "credentialManagement", "says that a credential is deleted, and keeps it", "§6.8.5", ""},
	{deleteFirst, "credentialManagement", "deletes the first credential of the relying party, not the one that is named", "§6.8.5", ""},
	{userIDUnchecked, "credentialManagement", "changes the user of a credential for another user ID", "§6.8.6", ""},
	{namesKept, "credentialManagement", "keeps a name that an update leaves out", "§6.8.6", ""},
	{enumerationSurvives, "credentialManagement", "goes on listing although another command was between", "§6.8.3", ""},
	{protectShown, "credentialManagement", "shows credProtect 1 for every credential", "§6.8.4", ""},
	{blobKeyHidden, "credentialManagement", "does not show the largeBlobKey", "§6.8.4", ""},
	{emptyListOK, "credentialManagement", "answers CTAP2_OK when there is no relying party to list", "§6.8.3", "python-fido2 credman.py: some older keys"},
}

// Faults of bioEnrollment.
const (
	sampleTimeoutError  FaultID = "bio-timeout-as-error"
	bioCancelIgnored    FaultID = "bio-cancel-ignored"
	bioEmptyOK          FaultID = "bio-empty-list-ok"
	fingerNameUnlimited FaultID = "bio-name-limit-ignored"
	fingerKept          FaultID = "bio-remove-does-nothing"
	fingersUnlimited    FaultID = "bio-store-never-full"
	remainingSamples    FaultID = "bio-remaining-off-by-one"
	fingersMerged       FaultID = "bio-fingers-merged"
)

var bioFaults = []Fault{
	{sampleTimeoutError, "bioEnrollment", "answers with an error when no finger comes", "§6.7.4", ""},
	{bioCancelIgnored, "bioEnrollment", "goes on with an enrolment that was cancelled", "§6.7.5", ""},
	{bioEmptyOK, "bioEnrollment", "answers CTAP2_OK when there is no fingerprint to list", "§6.7.6", ""},
	{fingerNameUnlimited, "bioEnrollment", "takes names that are longer than maxTemplateFriendlyName", "§6.7.7", ""},
	{fingerKept, "bioEnrollment", "says that a fingerprint is removed, and keeps it", "§6.7.8", ""},
	{fingersUnlimited, "bioEnrollment", "enrols more fingers than there is room for", "§6.7.4", ""},
	{remainingSamples, "bioEnrollment", "tells of one sample too many that is needed", "§6.7.4", ""},
	{fingersMerged, "bioEnrollment", "takes samples of two fingers for one", "§6.7.4", ""},
}

// Faults of authenticatorConfig.
const (
	minPINLowered       FaultID = "cfg-min-pin-lowered"
	forceChangeMissed   FaultID = "cfg-force-change-missed"
	oneRPID             FaultID = "cfg-one-rp-id"
	rpIDsAdded          FaultID = "cfg-rp-ids-added"
	configSwapped       FaultID = "cfg-params-swapped"
	alwaysUVUncoupled   FaultID = "cfg-always-uv-uncoupled"
	alwaysUVUnchanged   FaultID = "cfg-always-uv-does-nothing"
	configPrefix        FaultID = "cfg-prefix-missing"
	noPINFirst          FaultID = "cfg-no-pin-before-policy"
	forceWithoutPIN     FaultID = "cfg-force-change-without-pin"
	enterpriseUnchanged FaultID = "cfg-enterprise-does-nothing"
)

var configFaults = []Fault{
	{minPINLowered, "authenticatorConfig", "lets setMinPINLength lower the minimum", "§6.11.4", ""},
	{forceChangeMissed, "authenticatorConfig", "does not demand a longer PIN when the minimum is raised above it", "§6.11.4", ""},
	{oneRPID, "authenticatorConfig", "keeps one relying party of the list", "§6.11.4", "FIDO2Applet issue 60"},
	{rpIDsAdded, "authenticatorConfig", "adds to the list of relying parties instead of replacing it", "§6.11.4", ""},
	{configSwapped, "authenticatorConfig", "takes pinUvAuthProtocol and pinUvAuthParam for each other", "§6.11", "OpenSK issue 593"},
	{alwaysUVUncoupled, "authenticatorConfig", "keeps makeCredUvNotRqd true while alwaysUv is on", "§6.11.2", ""},
	{alwaysUVUnchanged, "authenticatorConfig", "says that alwaysUv is toggled, and does not", "§6.11.2", ""},
	{configPrefix, "authenticatorConfig", "wants a pinUvAuthParam without the 32 bytes of ff", "§6.11", ""},
	{noPINFirst, "authenticatorConfig", "says that no PIN is set before it looks at the length", "§6.11.4", ""},
	{forceWithoutPIN, "authenticatorConfig", "accepts forceChangePin where no PIN is set", "§6.11.4", ""},
	{enterpriseUnchanged, "authenticatorConfig", "says that enterprise attestation is enabled, and does not", "§6.11.1", ""},
}

// Faults of largeBlobs.
const (
	blobHashUnchecked FaultID = "lb-hash-unchecked"
	blobSequence      FaultID = "lb-sequence-unchecked"
	blobTokenless     FaultID = "lb-token-not-needed"
	blobCapacity      FaultID = "lb-capacity-ignored"
	blobReadEnd       FaultID = "lb-read-past-end-refused"
	blobFragment      FaultID = "lb-fragment-limit-ignored"
	blobBigEndian     FaultID = "lb-offset-big-endian"
)

var largeblobsFaults = []Fault{
	{blobHashUnchecked, "largeBlobs", "stores an array whose hash is wrong", "§6.10.2", ""},
	{blobSequence, "largeBlobs", "accepts a fragment at a wrong offset", "§6.10.2", ""},
	{blobTokenless, "largeBlobs", "writes without a token although a PIN is set", "§6.10.2", ""},
	{blobCapacity, "largeBlobs", "begins an array that is larger than its room", "§6.10.2", ""},
	{blobReadEnd, "largeBlobs", "refuses to read past the end", "§6.10.2", ""},
	{blobFragment, "largeBlobs", "takes fragments that are larger than maxFragmentLength", "§6.10.2", ""},
	{blobBigEndian, "largeBlobs", "wants the offset in the pinUvAuthParam in the other byte order", "§6.10.2", ""},
}

// Faults of reset.
const (
	resetAnyTime          FaultID = "reset-any-time"
	resetUntouched        FaultID = "reset-without-touch"
	resetKeepsPIN         FaultID = "reset-keeps-pin"
	resetKeepsCredentials FaultID = "reset-keeps-credentials"
	resetKeepsSettings    FaultID = "reset-keeps-settings"
	resetKeepsSecrets     FaultID = "reset-keeps-secrets"
	resetKeepsBlobs       FaultID = "reset-keeps-blobs"
	resetTransport        FaultID = "reset-transport-ignored"
	resetShortTouch       FaultID = "reset-short-touch"
)

var resetFaults = []Fault{
	{resetAnyTime, "reset", "lets itself be reset more than ten seconds after power-up", "§6.6", "KeyVault and OctatcO, in google/CTAP2-test-tool results"},
	{resetUntouched, "reset", "lets itself be reset without a touch", "§6.6", "soft-fido2 pull request 48"},
	{resetKeepsPIN, "reset", "keeps the PIN when it is reset", "§6.6", ""},
	{resetKeepsCredentials, "reset", "keeps its discoverable credentials when it is reset", "§6.6", ""},
	{resetKeepsSettings, "reset", "keeps its configuration when it is reset", "§6.6", ""},
	{resetKeepsSecrets, "reset", "still takes the credential IDs of before when it was reset", "§6.6", ""},
	{resetKeepsBlobs, "reset", "keeps the large-blob array when it is reset", "§6.6", "YubiKey 5.7.1 and 5.7.4, python-fido2 issue 272"},
	{resetTransport, "reset", "lets itself be reset over a transport that it excludes", "§6.6", ""},
	{resetShortTouch, "reset", "is content with a short touch where it wants a long one", "§6.6", ""},
}

// Faults of selection.
const (
	selectionUntouched FaultID = "selection-without-touch"
	selectionDenied    FaultID = "selection-denied-as-timeout"
)

var selectionFaults = []Fault{
	{selectionUntouched, "selection", "answers a selection without a touch", "§6.9", ""},
	{selectionDenied, "selection", "answers a refusal as if nobody had touched it", "§6.9", ""},
}

// Faults of extensions.
const (
	protectRaised   FaultID = "ext-protect-raised"
	protect2As1     FaultID = "ext-protect-2-as-1"
	protect3As2     FaultID = "ext-protect-3-as-2"
	protectAny      FaultID = "ext-protect-any-level"
	blobCut         FaultID = "ext-cred-blob-cut"
	blobUnstored    FaultID = "ext-cred-blob-lie"
	secretOneForUV  FaultID = "ext-hmac-one-secret"
	secretOneForAll FaultID = "ext-hmac-same-for-all"
	saltUnchecked   FaultID = "ext-hmac-auth-unchecked"
	saltProtocol    FaultID = "ext-hmac-protocol-refused"
	saltSilent      FaultID = "ext-hmac-silent"
	secondAsFirst   FaultID = "ext-hmac-second-as-first"
	hmacUnasked     FaultID = "ext-hmac-unasked"
	mcAlone         FaultID = "ext-hmac-mc-alone"
	blobKeyUnstored FaultID = "ext-blob-key-not-discoverable"
	blobKeyFresh    FaultID = "ext-blob-key-changes"
	blobUnnamed     FaultID = "ext-blob-write-unnamed"
	minPINToAll     FaultID = "ext-min-pin-to-all"
	complexityToAll FaultID = "ext-complexity-to-all"
	paymentAlways   FaultID = "ext-payment-always"
	uvmWrong        FaultID = "ext-uvm-wrong"
)

var extensionsFaults = []Fault{
	{protectRaised, "extensions", "raises credProtect to 3", "§12.1", "passwordless-server issue 193"},
	{protect2As1, "extensions", "finds credentials with credProtect 2 without their IDs", "§12.1", ""},
	{protect3As2, "extensions", "uses credentials with credProtect 3 without user verification", "§12.1", ""},
	{protectAny, "extensions", "accepts a level of credProtect that there is not", "§12.1", ""},
	{blobCut, "extensions", "cuts a credBlob that is too long, and says that it is stored", "§12.2", ""},
	{blobUnstored, "extensions", "says that a credBlob is stored with a credential that is not discoverable", "§12.2", ""},
	{secretOneForUV, "extensions", "gives the same hmac-secret with and without user verification", "§12.7", ""},
	{secretOneForAll, "extensions", "gives the same hmac-secret for all credentials", "§12.7", ""},
	{saltUnchecked, "extensions", "does not check saltAuth", "§12.7", ""},
	{saltProtocol, "extensions", "refuses pinUvAuthProtocol in hmac-secret", "§12.7", "CanoKey, libfido2 issue 322"},
	{saltSilent, "extensions", "gives hmac-secret for up=false", "§12.7", ""},
	{secondAsFirst, "extensions", "gives the first output twice", "§12.7", ""},
	{hmacUnasked, "extensions", "answers hmac-secret unasked", "§12", ""},
	{mcAlone, "extensions", "accepts hmac-secret-mc without hmac-secret", "§12.8", ""},
	{blobKeyUnstored, "extensions", "gives a largeBlobKey for a credential that is not discoverable", "§12.3", ""},
	{blobKeyFresh, "extensions", "gives another largeBlobKey each time", "§12.3", ""},
	{blobUnnamed, "extensions", "writes a blob without an allowList that names the credential", "§12.4", ""},
	{minPINToAll, "extensions", "tells the minimum PIN length to every relying party", "§12.5", ""},
	{complexityToAll, "extensions", "tells the PIN policy to every relying party", "§12.6", ""},
	{paymentAlways, "extensions", "says thirdPartyPayment of every credential", "§12.9", ""},
	{uvmWrong, "extensions", "says that a fingerprint verified the user, always", "WebAuthn L2 §10.3", ""},
}

// Faults of U2F.
const (
	u2fNoTouch       FaultID = "u2f-no-touch"
	u2fCheckSigns    FaultID = "u2f-check-signs"
	u2fUnknownHandle FaultID = "u2f-unknown-handle-other"
	u2fSilentUP      FaultID = "u2f-silent-up-flag"
	u2fAlwaysUV      FaultID = "u2f-with-always-uv"
	u2fSwapped       FaultID = "u2f-signature-swapped"
	u2fProtected     FaultID = "u2f-uses-protected"
	u2fClass         FaultID = "u2f-class-ignored"
	u2fInstruction   FaultID = "u2f-instruction-ignored"
	u2fLength        FaultID = "u2f-version-with-data"
)

var u2fFaults = []Fault{
	{u2fNoTouch, "U2F", "registers and authenticates without a touch", "U2F Raw Messages §4", ""},
	{u2fCheckSigns, "U2F", "signs for a request that only asks whether it knows the handle", "U2F Raw Messages §5.1", ""},
	{u2fUnknownHandle, "U2F", "answers an unknown key handle with 6F00", "U2F Raw Messages §5.2", "teleport issue 45289"},
	{u2fSilentUP, "U2F", "says that the user was there where that was not wanted", "U2F Raw Messages §5.3", ""},
	{u2fAlwaysUV, "U2F", "speaks U2F although alwaysUv is on", "§7.2.4", ""},
	{u2fSwapped, "U2F", "signs challenge and application in the order of the request", "U2F Raw Messages §4.3", ""},
	{u2fProtected, "U2F", "uses credentials with credProtect 3", "§10.3", ""},
	{u2fClass, "U2F", "does not look at the class byte", "U2F Raw Messages §3", ""},
	{u2fInstruction, "U2F", "answers 9000 to an instruction that it does not know", "U2F Raw Messages §3", ""},
	{u2fLength, "U2F", "answers VERSION whatever its length is", "U2F Raw Messages §6.1", ""},
}

// Faults of attestation.
const (
	attSignature     FaultID = "att-signature-wrong"
	attAlgorithm     FaultID = "att-algorithm-wrong"
	attRoot          FaultID = "att-root-in-chain"
	attOther         FaultID = "att-certificate-of-other-key"
	coseNoAlgorithm  FaultID = "cose-algorithm-missing"
	adExtensionOrder FaultID = "ad-extensions-unordered"
	adATFlag         FaultID = "ad-at-flag-in-assertion"
	adReserved       FaultID = "ad-reserved-flag"
	adNoED           FaultID = "ad-ed-flag-missing"
	adRPHash         FaultID = "ad-rp-hash-wrong"
)

var attestationFaults = []Fault{
	{attSignature, "attestation", "signs the authenticator data alone", "WebAuthn L3 §8.2", ""},
	{attAlgorithm, "attestation", "says another algorithm than that of its attestation key", "WebAuthn L3 §8.2", ""},
	{attRoot, "attestation", "sends the root with its certificate", "WebAuthn L3 §8.2", ""},
	{attOther, "attestation", "sends the certificate of another key", "WebAuthn L3 §8.2", ""},
	{coseNoAlgorithm, "attestation", "leaves the algorithm out of the public key", "WebAuthn L3 §6.5.1", ""},
	{adExtensionOrder, "attestation", "gives extension outputs out of canonical order", "WebAuthn L3 §6.1", "solo1 issue 499"},
	{adATFlag, "attestation", "says that an assertion has attested credential data", "WebAuthn L3 §6.1", ""},
	{adReserved, "attestation", "sets a flag that is reserved", "WebAuthn L3 §6.1", ""},
	{adNoED, "attestation", "does not say that there are extension outputs", "WebAuthn L3 §6.1", ""},
	{adRPHash, "attestation", "puts a wrong RP ID hash into authenticator data", "WebAuthn L3 §6.1", ""},
}

// Faults of counters.
const (
	counterStuck FaultID = "ctr-stuck"
	counterFalls FaultID = "ctr-falls"
	counterJumps FaultID = "ctr-jumps"
)

var countersFaults = []Fault{
	{counterStuck, "counters", "gives the same signature counter again", "WebAuthn L3 §6.1.1", ""},
	{counterFalls, "counters", "starts the signature counter again when the power was away", "WebAuthn L3 §6.1.1", "solo1 issues 92 and 158"},
	{counterJumps, "counters", "adds 20000 to the signature counter each time", "WebAuthn L3 §6.1.1", "Trezor, trezor-firmware issue 537"},
}

// Faults of state.
const (
	credentialNotStored FaultID = "state-credential-lost"
	counterNotStored    FaultID = "state-counter-lost"
	pinNotStored        FaultID = "state-pin-lost"
	blobsNotStored      FaultID = "state-blobs-lost"
	settingsNotStored   FaultID = "state-settings-lost"
)

var stateFaults = []Fault{
	{credentialNotStored, "state", "forgets discoverable credentials when it is taken out of use", "§6.1.2 step 17", "after an update: trussed-dev/fido-authenticator issue 19"},
	{counterNotStored, "state", "forgets its signature counter when it is taken out of use", "WebAuthn L3 §6.1.1", ""},
	{pinNotStored, "state", "forgets its PIN when it is taken out of use", "§6.5.5.5", ""},
	{blobsNotStored, "state", "forgets the large-blob array when it is taken out of use", "§6.10.2", ""},
	{settingsNotStored, "state", "forgets its configuration when it is taken out of use", "§6.11", ""},
}
