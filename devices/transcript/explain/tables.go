package explain

// The members of every message of CTAP 2.3 §6. Numbers that drafts alone had
// (7 and 8 of authenticatorClientPIN) are not here.

var makeCredentialAsk = table{"authenticatorMakeCredential", "CTAP 2.3 §6.1", map[uint64]member{
	0x01: {name: "clientDataHash", kind: aBytes, must: true, size: 32, like: LikeFresh},
	0x02: {name: "rp", kind: aMap, must: true},
	0x03: {name: "user", kind: aMap, must: true, read: readUser},
	0x04: {name: "pubKeyCredParams", kind: anArray, must: true, read: readParameters},
	0x05: {name: "excludeList", kind: anArray, read: readDescriptors},
	0x06: {name: "extensions", kind: aMap, clause: clauseExtensions, read: readExtensions},
	0x07: {name: "options", kind: aMap},
	0x08: {name: "pinUvAuthParam", kind: aBytes, like: LikeFresh, read: readParam},
	0x09: {name: "pinUvAuthProtocol", kind: aNumber, read: readProtocol},
	0x0a: {name: "enterpriseAttestation", kind: aNumber, clause: "CTAP 2.3 §7.1"},
	0x0b: {name: "attestationFormatsPreference", kind: anArray},
}}

var makeCredentialAnswer = table{"the answer to authenticatorMakeCredential", "CTAP 2.3 §6.1", map[uint64]member{
	0x01: {name: "fmt", kind: aText, must: true, read: readFormat},
	0x02: {name: "authData", kind: aBytes, must: true, clause: clauseAuthData, read: readAuthData},
	0x03: {name: "attStmt", kind: aMap, read: readStatement},
	0x04: {name: "epAtt", kind: aBool, clause: "CTAP 2.3 §7.1"},
	0x05: {name: "largeBlobKey", kind: aBytes, size: 32, clause: "CTAP 2.3 §12.3", secret: true},
	0x06: {name: "unsignedExtensionOutputs", kind: aMap, clause: clauseExtensions, read: readExtensions},
}}

var getAssertionAsk = table{"authenticatorGetAssertion", "CTAP 2.3 §6.2", map[uint64]member{
	0x01: {name: "rpId", kind: aText, must: true},
	0x02: {name: "clientDataHash", kind: aBytes, must: true, size: 32, like: LikeFresh},
	0x03: {name: "allowList", kind: anArray, read: readDescriptors},
	0x04: {name: "extensions", kind: aMap, clause: clauseExtensions, read: readExtensions},
	0x05: {name: "options", kind: aMap},
	0x06: {name: "pinUvAuthParam", kind: aBytes, like: LikeFresh, read: readParam},
	0x07: {name: "pinUvAuthProtocol", kind: aNumber, read: readProtocol},
}}

var getAssertionAnswer = table{"the assertion", "CTAP 2.3 §6.2", map[uint64]member{
	0x01: {name: "credential", kind: aMap, read: readDescriptor},
	0x02: {name: "authData", kind: aBytes, must: true, clause: clauseAuthData, read: readAuthData},
	0x03: {name: "signature", kind: aBytes, must: true, like: LikeOwn},
	0x04: {name: "user", kind: aMap, read: readUser},
	0x05: {name: "numberOfCredentials", kind: aNumber},
	0x06: {name: "userSelected", kind: aBool},
	0x07: {name: "largeBlobKey", kind: aBytes, size: 32, clause: "CTAP 2.3 §12.3", secret: true},
	0x08: {name: "unsignedExtensionOutputs", kind: aMap, clause: clauseExtensions, read: readExtensions},
}}

var getInfoAnswer = table{"the answer to authenticatorGetInfo", "CTAP 2.3 §6.4", map[uint64]member{
	0x01: {name: "versions", kind: anArray, must: true},
	0x02: {name: "extensions", kind: anArray},
	0x03: {name: "aaguid", kind: aBytes, must: true, size: 16, read: readAAGUID},
	0x04: {name: "options", kind: aMap},
	0x05: {name: "maxMsgSize", kind: aNumber},
	0x06: {name: "pinUvAuthProtocols", kind: anArray},
	0x07: {name: "maxCredentialCountInList", kind: aNumber},
	0x08: {name: "maxCredentialIdLength", kind: aNumber},
	0x09: {name: "transports", kind: anArray},
	0x0a: {name: "algorithms", kind: anArray, read: readParameters},
	0x0b: {name: "maxSerializedLargeBlobArray", kind: aNumber},
	0x0c: {name: "forcePINChange", kind: aBool},
	0x0d: {name: "minPINLength", kind: aNumber},
	0x0e: {name: "firmwareVersion", kind: aNumber},
	0x0f: {name: "maxCredBlobLength", kind: aNumber},
	0x10: {name: "maxRPIDsForSetMinPINLength", kind: aNumber},
	0x11: {name: "preferredPlatformUvAttempts", kind: aNumber},
	0x12: {name: "uvModality", kind: aNumber},
	0x13: {name: "certifications", kind: aMap},
	0x14: {name: "remainingDiscoverableCredentials", kind: aNumber, like: LikeOwn},
	0x15: {name: "vendorPrototypeConfigCommands", kind: anArray},
	0x16: {name: "attestationFormats", kind: anArray},
	0x17: {name: "uvCountSinceLastPinEntry", kind: aNumber, like: LikeOwn},
	0x18: {name: "longTouchForReset", kind: aBool},
	0x19: {name: "encIdentifier", kind: aBytes, size: 32, like: LikeFresh},
	0x1a: {name: "transportsForReset", kind: anArray},
	0x1b: {name: "pinComplexityPolicy", kind: aBool},
	0x1c: {name: "pinComplexityPolicyURL", kind: aBytes, read: readURL},
	0x1d: {name: "maxPINLength", kind: aNumber},
	0x1e: {name: "encCredStoreState", kind: aBytes, size: 32, like: LikeFresh},
	0x1f: {name: "authenticatorConfigCommands", kind: anArray},
}}

var clientPINAsk = table{"authenticatorClientPIN", "CTAP 2.3 §6.5.5", map[uint64]member{
	0x01: {name: "pinUvAuthProtocol", kind: aNumber, read: readProtocol},
	0x02: {name: "subCommand", kind: aNumber, must: true, read: named(pinName)},
	0x03: {name: "keyAgreement", kind: aMap, clause: "CTAP 2.3 §6.5.6", read: readAgreementKey},
	0x04: {name: "pinUvAuthParam", kind: aBytes, like: LikeFresh, read: readParam},
	0x05: {name: "newPinEnc", kind: aBytes, like: LikeFresh, read: sealedWith("the shared secret: the new PIN, padded to 64 bytes")},
	0x06: {name: "pinHashEnc", kind: aBytes, like: LikeFresh, read: sealedWith("the shared secret: the first 16 bytes of the PIN's SHA-256")},
	0x09: {name: "permissions", kind: aNumber, clause: "CTAP 2.3 §6.5.5.7", read: readPermissions},
	0x0a: {name: "rpId", kind: aText, clause: "CTAP 2.3 §6.5.5.7"},
}}

var clientPINAnswer = table{"the answer to authenticatorClientPIN", "CTAP 2.3 §6.5.5", map[uint64]member{
	0x01: {name: "keyAgreement", kind: aMap, clause: "CTAP 2.3 §6.5.6", read: readAgreementKey},
	0x02: {name: "pinUvAuthToken", kind: aBytes, like: LikeFresh, read: sealedWith("the shared secret: the token")},
	0x03: {name: "pinRetries", kind: aNumber},
	0x04: {name: "powerCycleState", kind: aBool},
	0x05: {name: "uvRetries", kind: aNumber},
}}

var bioAsk = table{"authenticatorBioEnrollment", "CTAP 2.3 §6.7", map[uint64]member{
	0x01: {name: "modality", kind: aNumber},
	0x02: {name: "subCommand", kind: aNumber, read: named(bioName)},
	0x03: {name: "subCommandParams", kind: aMap, read: within(table{"subCommandParams", "CTAP 2.3 §6.7", map[uint64]member{
		0x01: {name: "templateId", kind: aBytes, like: LikeFresh},
		0x02: {name: "templateFriendlyName", kind: aText},
		0x03: {name: "timeoutMilliseconds", kind: aNumber},
	}})},
	0x04: {name: "pinUvAuthProtocol", kind: aNumber, read: readProtocol},
	0x05: {name: "pinUvAuthParam", kind: aBytes, like: LikeFresh, read: readParam},
	0x06: {name: "getModality", kind: aBool},
}}

var bioAnswer = table{"the answer to authenticatorBioEnrollment", "CTAP 2.3 §6.7", map[uint64]member{
	0x01: {name: "modality", kind: aNumber},
	0x02: {name: "fingerprintKind", kind: aNumber},
	0x03: {name: "maxCaptureSamplesRequiredForEnroll", kind: aNumber},
	0x04: {name: "templateId", kind: aBytes, like: LikeFresh},
	0x05: {name: "lastEnrollSampleStatus", kind: aNumber, read: readSample},
	0x06: {name: "remainingSamples", kind: aNumber},
	0x07: {name: "templateInfos", kind: anArray, read: each(table{"templateInfo", "CTAP 2.3 §6.7.6", map[uint64]member{
		0x01: {name: "templateId", kind: aBytes, must: true, like: LikeFresh},
		0x02: {name: "templateFriendlyName", kind: aText},
	}})},
	0x08: {name: "maxTemplateFriendlyName", kind: aNumber},
}}

var credMgmtAsk = table{"authenticatorCredentialManagement", "CTAP 2.3 §6.8", map[uint64]member{
	0x01: {name: "subCommand", kind: aNumber, must: true, read: named(credMgmtName)},
	0x02: {name: "subCommandParams", kind: aMap, read: within(table{"subCommandParams", "CTAP 2.3 §6.8", map[uint64]member{
		0x01: {name: "rpIDHash", kind: aBytes, size: 32, read: readHash},
		0x02: {name: "credentialID", kind: aMap, read: readDescriptor},
		0x03: {name: "user", kind: aMap, read: readUser},
	}})},
	0x03: {name: "pinUvAuthProtocol", kind: aNumber, read: readProtocol},
	0x04: {name: "pinUvAuthParam", kind: aBytes, like: LikeFresh, read: readParam},
}}

var credMgmtAnswer = table{"the answer to authenticatorCredentialManagement", "CTAP 2.3 §6.8", map[uint64]member{
	0x01: {name: "existingResidentCredentialsCount", kind: aNumber},
	0x02: {name: "maxPossibleRemainingResidentCredentialsCount", kind: aNumber, like: LikeOwn},
	0x03: {name: "rp", kind: aMap},
	0x04: {name: "rpIDHash", kind: aBytes, size: 32, read: readHash},
	0x05: {name: "totalRPs", kind: aNumber},
	0x06: {name: "user", kind: aMap, read: readUser},
	0x07: {name: "credentialID", kind: aMap, read: readDescriptor},
	0x08: {name: "publicKey", kind: aMap, clause: clauseCOSE, read: readKey},
	0x09: {name: "totalCredentials", kind: aNumber},
	0x0a: {name: "credProtect", kind: aNumber, clause: "CTAP 2.3 §12.1", read: readCredProtect},
	0x0b: {name: "largeBlobKey", kind: aBytes, size: 32, clause: "CTAP 2.3 §12.3", secret: true},
	0x0c: {name: "thirdPartyPayment", kind: aBool, clause: clauseExtensions},
}}

var largeBlobsAsk = table{"authenticatorLargeBlobs", "CTAP 2.3 §6.10.2", map[uint64]member{
	0x01: {name: "get", kind: aNumber},
	0x02: {name: "set", kind: aBytes, like: LikeFresh},
	0x03: {name: "offset", kind: aNumber, must: true},
	0x04: {name: "length", kind: aNumber},
	0x05: {name: "pinUvAuthParam", kind: aBytes, like: LikeFresh, read: readParam},
	0x06: {name: "pinUvAuthProtocol", kind: aNumber, read: readProtocol},
}}

var largeBlobsAnswer = table{"the answer to authenticatorLargeBlobs", "CTAP 2.3 §6.10.2", map[uint64]member{
	0x01: {name: "config", kind: aBytes, like: LikeOwn},
}}

var configAsk = table{"authenticatorConfig", "CTAP 2.3 §6.11", map[uint64]member{
	0x01: {name: "subCommand", kind: aNumber, must: true, read: named(configName)},
	0x02: {name: "subCommandParams", kind: aMap, read: readConfigParams},
	0x03: {name: "pinUvAuthProtocol", kind: aNumber, read: readProtocol},
	0x04: {name: "pinUvAuthParam", kind: aBytes, like: LikeFresh, read: readParam},
}}

var minPINLengthParams = table{"subCommandParams", "CTAP 2.3 §6.11.4", map[uint64]member{
	0x01: {name: "newMinPINLength", kind: aNumber},
	0x02: {name: "minPinLengthRPIDs", kind: anArray},
	0x03: {name: "forceChangePin", kind: aBool},
	0x04: {name: "pinComplexityPolicy", kind: aBool},
}}
