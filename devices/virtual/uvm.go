package virtual

// extUVM is the extension that tells how the user was verified (WebAuthn L2
// §10.3).
const extUVM = "uvm"

// Methods of the FIDO registry of predefined values (USER_VERIFY).
const (
	verifyPresence         = 0x00000001
	verifyFingerprint      = 0x00000002
	verifyPasscodeExternal = 0x00000800
)

// protectionSoftware is a key or a matcher that nothing protects but software.
const protectionSoftware = 0x0001

func readUVM(r *creationRequest, inputs *fields) {
	r.inputs.uvm = is(inputs.boolean(extUVM), true)
}

func madeUVM(m *making) (any, error) {
	if !m.req.inputs.uvm {
		return nil, nil
	}
	return m.key.uvm(m.uv, m.wantUV), nil
}

func readGetUVM(r *assertionRequest, inputs *fields) {
	r.inputs.uvm = is(inputs.boolean(extUVM), true)
}

func getUVM(s *assertions, _ *credential) (any, error) {
	if !s.req.inputs.uvm {
		return nil, nil
	}
	return s.key.uvm(s.uv, s.wantUV), nil
}

// uvm is one entry: method, key protection, matcher protection. The method of a
// token is what it was issued for.
func (a *Authenticator) uvm(uv, builtIn bool) [][]uint32 {
	method := uint32(verifyPresence)
	if uv {
		method = verifyPasscodeExternal
		if builtIn || a.volatile.token.byUV {
			method = verifyFingerprint
		}
	}
	if a.faulty(uvmWrong) {
		method = verifyFingerprint
	}
	p := a.profile.UV
	return [][]uint32{{
		method, uint32(or(p.KeyProtection, protectionSoftware)), uint32(or(p.MatcherProtection, protectionSoftware)),
	}}
}
