package virtual

// outlivesPower is what a faulty key remembers without power that it should not,
// to be put back afterwards.
func (a *Authenticator) outlivesPower() func(*volatile) {
	if !a.hasFaults() {
		return func(*volatile) {}
	}
	before := a.volatile
	a.dropsWithPower(&before)
	return func(now *volatile) {
		now.token, now.next, now.agreement, now.mismatches = before.token, before.next, before.agreement, before.mismatches
	}
}

// dropsWithPower takes out of what was before all that no fault keeps. What a
// fault keeps is taken away from the wiping that goes before.
func (a *Authenticator) dropsWithPower(before *volatile) {
	if a.faulty(tokenOutlivesPower) {
		a.volatile.token = token{}
	} else {
		before.token = token{}
	}
	if a.faulty(nextOutlivesPower) {
		a.volatile.next = nil
	} else {
		before.next = nil
	}
	if a.faulty(agreementOutlivesPower) {
		a.volatile.agreement = nil
	} else {
		before.agreement = nil
	}
	if !a.faulty(pinBlockSurvives) {
		before.mismatches = 0
	}
	if a.faulty(counterFalls) {
		a.state.counter = 0
	}
}
