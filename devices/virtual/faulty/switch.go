package faulty

import (
	"slices"
	"sync"

	"github.com/touchstone-fido/touchstone/ctaphid"
	"github.com/touchstone-fido/touchstone/devices/virtual"
)

// Switch has the faults of one key, of its framing and its own, and switches
// them while the key is in use. Its methods may be called from several
// goroutines.
type Switch struct {
	mu  sync.Mutex
	key *virtual.Authenticator
	ids []virtual.FaultID
	hid []hidFault
	nfc []nfcFault
}

// NewSwitch has the faults with which the key begins. The error wraps
// [virtual.ErrFault] when there is no such fault.
func NewSwitch(key *virtual.Authenticator, ids []virtual.FaultID) (*Switch, error) {
	s := &Switch{key: key}
	return s, s.Set(ids)
}

// Set gives the key these faults in the place of those that it had. A message
// that is on its way has them from its next packet or step on; what a fault does
// when a connection is made it does to the next one. The error is an
// [*UnknownError], and nothing changes then.
func (s *Switch) Set(ids []virtual.FaultID) error {
	names := make([]string, len(ids))
	for i, id := range ids {
		names[i] = string(id)
	}
	ids, err := Parse(names)
	if err != nil {
		return err
	}
	slices.Sort(ids)
	ids = slices.Compact(ids)
	s.mu.Lock()
	defer s.mu.Unlock()
	if err := s.key.SetFaults(OfKey(ids)); err != nil {
		return err
	}
	s.ids, s.hid, s.nfc = ids, hidFaultsOf(ids), nfcFaultsOf(ids)
	return nil
}

// Faults are those that the key has, in the order of their names.
func (s *Switch) Faults() []virtual.FaultID {
	s.mu.Lock()
	defer s.mu.Unlock()
	return slices.Clone(s.ids)
}

// Reports is the connection with the faults of CTAPHID that the switch has at the
// time.
func (s *Switch) Reports(conn ctaphid.ReportConn) ctaphid.ReportConn {
	return newReports(conn, s.Faults(), func() []hidFault {
		s.mu.Lock()
		defer s.mu.Unlock()
		return s.hid
	})
}

// Card is the card with the faults of NFC that the switch has at the time.
func (s *Switch) Card(e Emulator) Emulator {
	return &card{Emulator: e, faults: func() []nfcFault {
		s.mu.Lock()
		defer s.mu.Unlock()
		return s.nfc
	}}
}
