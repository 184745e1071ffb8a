package virtual

// settings are what authenticatorConfig changes. Its zero value is that of a
// factory-new key, and a reset goes back to it.

// alwaysUV tells whether the key wants user verification always (CTAP 2.3 §7.2).
func (a *Authenticator) alwaysUV() bool {
	return a.profile.has(optAlwaysUV) && a.profile.is(optAlwaysUV) != a.state.settings.AlwaysUVToggled
}

// uvNotRequired tells whether credentials that are not discoverable may be made
// without user verification: makeCredUvNotRqd, which alwaysUv overrules.
func (a *Authenticator) uvNotRequired() bool {
	return a.profile.is(optUVNotRequired) && (!a.alwaysUV() || a.faulty(alwaysUVUncoupled))
}

// enterpriseEnabled tells whether enterprise attestation may be asked for (CTAP
// 2.3 §7.1).
func (a *Authenticator) enterpriseEnabled() bool {
	now := a.state.settings
	return a.profile.has(optEnterprise) && (now.Enterprise || a.profile.is(optEnterprise) && !now.EnterpriseOff)
}

// minPINLength is the shortest PIN in code points (CTAP 2.3 §6.5.1).
func (a *Authenticator) minPINLength() uint {
	return max(a.profile.PIN.MinLength, a.state.settings.MinPINLength)
}

// complexityRequired tells whether simple PINs are refused (CTAP 2.3 §7.5).
func (a *Authenticator) complexityRequired() bool {
	factory := a.profile.PIN.Complexity
	return factory != nil && (*factory || a.state.settings.Complexity)
}

// longTouchForReset tells whether a reset wants a long touch.
func (a *Authenticator) longTouchForReset() bool {
	factory := a.profile.Reset.LongTouch
	return factory != nil && (*factory || a.state.settings.LongTouch)
}

// informed lists the relying parties that may learn about the PIN rules.
func (a *Authenticator) informed() []string {
	if a.state.settings.RPIDs != nil {
		return a.state.settings.RPIDs
	}
	return a.profile.PIN.RPIDs
}

// saveSettings makes the settings the key's, in the store first, together with
// what else a change does.
func (a *Authenticator) saveSettings(next settingsRecord, ch change) error {
	next.Version = recordVersion
	if !a.faulty(settingsNotStored) {
		ch.put(settingsName, next)
	}
	if err := a.apply(ch); err != nil {
		return err
	}
	a.state.settings = next
	return nil
}
