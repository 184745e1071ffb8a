package virtual

import "github.com/touchstone-fido/touchstone/ctap2"

// attestAndPersist is steps 17 to 19 of makeCredential. It makes the answer, and
// stores what there is to store when nothing can go wrong with it any more.
func (m *making) attestAndPersist() error {
	replaced, err := m.makeRoom()
	if err != nil {
		return err
	}
	count, err := m.key.nextCount(m.credential)
	if err != nil {
		return err
	}
	if m.answer, err = m.attest(count); err != nil {
		return err
	}
	return m.persist(count, replaced)
}

// makeRoom finds the credential that a discoverable one replaces, if any: the
// one for the same account.
func (m *making) makeRoom() (replaced *credential, err error) {
	if !m.credential.discoverable {
		return nil, nil
	}
	replaced = m.key.state.credentials.ofUser(m.rpIDHash, m.req.user.ID)
	if replaced == nil && m.key.room() == 0 && !m.key.faulty(storeNeverFull) {
		return nil, ctap2.StatusKeyStoreFull
	}
	if m.key.faulty(overwriteKept) {
		return nil, nil
	}
	return replaced, nil
}

// persist is steps 17 and 18: a discoverable credential replaces the one for
// the same account, another leaves no trace but the counter.
func (m *making) persist(count uint32, replaced *credential) error {
	var ch change
	m.key.putCount(&ch, m.credential, count)
	if m.credential.discoverable && !m.key.faulty(credentialNotStored) {
		ch.put(credentialName(m.credential.id), m.credential.record())
		if err := m.key.refreshStoreState(&ch); err != nil {
			return err
		}
	}
	if replaced != nil {
		m.key.deleteCredential(&ch, replaced)
	}
	if err := m.key.apply(ch); err != nil {
		return err
	}
	m.key.setCount(m.credential, count)
	m.key.volatile.signers.put(m.credential.id, m.signer)
	if replaced != nil {
		m.key.forgetCredential(replaced)
	}
	if m.credential.discoverable {
		m.key.state.credentials.add(m.credential)
	}
	return nil
}

// deleteCredential makes a change remove a discoverable credential and all that
// is stored with it.
func (a *Authenticator) deleteCredential(ch *change, c *credential) {
	ch.delete(credentialName(c.id))
	if c.counted {
		ch.delete(countName(c.id))
	}
	if c.blob != nil {
		ch.delete(blobName(c.id))
	}
}

// forgetCredential follows when that change is durable.
func (a *Authenticator) forgetCredential(c *credential) {
	a.state.credentials.remove(c)
	clear(c.private)
}
