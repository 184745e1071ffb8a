package ctap2

import (
	"fmt"
	"strings"
)

// UserVerify is a set of ways to verify a user, USER_VERIFY of the FIDO registry
// of predefined values, which getInfo's uvModality and the output of
// [ExtensionUVM] use.
type UserVerify uint64

// Ways to verify a user.
const (
	UserVerifyPresence         UserVerify = 0x0001
	UserVerifyFingerprint      UserVerify = 0x0002
	UserVerifyPasscodeInternal UserVerify = 0x0004
	UserVerifyVoice            UserVerify = 0x0008
	UserVerifyFace             UserVerify = 0x0010
	UserVerifyLocation         UserVerify = 0x0020
	UserVerifyEye              UserVerify = 0x0040
	UserVerifyPatternInternal  UserVerify = 0x0080
	UserVerifyHand             UserVerify = 0x0100
	UserVerifyNone             UserVerify = 0x0200
	UserVerifyAll              UserVerify = 0x0400 // all of the others that are set, not one of them
	UserVerifyPasscodeExternal UserVerify = 0x0800 // typed at the platform; never in uvModality
	UserVerifyPatternExternal  UserVerify = 0x1000
)

var userVerifyNames = []string{
	"presence_internal", "fingerprint_internal", "passcode_internal", "voiceprint_internal", "faceprint_internal",
	"location_internal", "eyeprint_internal", "pattern_internal", "handprint_internal", "none", "all",
	"passcode_external", "pattern_external",
}

// String lists the registry's names, such as "fingerprint_internal", and the
// number of what has none.
func (u UserVerify) String() string {
	var names []string
	for i, name := range userVerifyNames {
		if u>>i&1 == 1 {
			names = append(names, name)
		}
	}
	if rest := u >> len(userVerifyNames) << len(userVerifyNames); rest != 0 || u == 0 {
		names = append(names, fmt.Sprintf("0x%x", uint64(rest)))
	}
	return strings.Join(names, " ")
}

// UserVerify is UVModality by its registry.
func (i *Info) UserVerify() UserVerify { return UserVerify(i.UVModality) }
