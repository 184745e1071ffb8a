package virtual

import (
	"cmp"
	"slices"
)

// credentials are the discoverable credentials of a key, indexed by everything
// that commands look them up by.
type credentials struct {
	byID   map[string]*credential
	byRP   map[[32]byte][]*credential // oldest first
	byUser map[string]*credential
	last   uint64 // sequence number of the newest
}

func newCredentials() *credentials {
	return &credentials{
		byID:   map[string]*credential{},
		byRP:   map[[32]byte][]*credential{},
		byUser: map[string]*credential{},
	}
}

// userKey joins what a credential must share with another to replace it.
func userKey(rpIDHash [32]byte, userID []byte) string { return string(rpIDHash[:]) + string(userID) }

// ofUser finds the credential that a new one for the account replaces.
func (s *credentials) ofUser(rpIDHash [32]byte, userID []byte) *credential {
	return s.byUser[userKey(rpIDHash, userID)]
}

// add puts a credential that is newer than all others into the index.
func (s *credentials) add(c *credential) {
	s.byID[string(c.id)] = c
	s.byRP[c.rpIDHash] = append(s.byRP[c.rpIDHash], c)
	s.byUser[userKey(c.rpIDHash, c.user.ID)] = c
	s.last = c.sequence
}

// addAll puts loaded credentials into the index in the order of their creation.
func (s *credentials) addAll(list []*credential) {
	slices.SortFunc(list, func(a, b *credential) int { return cmp.Compare(a.sequence, b.sequence) })
	for _, c := range list {
		s.add(c)
	}
}

func (s *credentials) remove(c *credential) {
	delete(s.byID, string(c.id))
	delete(s.byUser, userKey(c.rpIDHash, c.user.ID))
	rest := slices.DeleteFunc(s.byRP[c.rpIDHash], func(other *credential) bool { return other == c })
	if len(rest) == 0 {
		delete(s.byRP, c.rpIDHash)
		return
	}
	s.byRP[c.rpIDHash] = rest
}

// visible lists the credentials of a relying party that may be used without
// naming them, the newest first.
func (s *credentials) visible(rpIDHash [32]byte, uv bool) []*credential {
	var list []*credential
	for _, c := range slices.Backward(s.byRP[rpIDHash]) {
		if c.visible(uv, false) {
			list = append(list, c)
		}
	}
	return list
}
