package ctaphid

import "errors"

// Assembler puts the packets of one channel in one direction together again
// (CTAP 2.3 §11.2.4). It allocates nothing but its buffer, which grows with
// the data that came and not with the length that was announced. After an
// error it takes the next packet as if nothing had been.
type Assembler struct {
	reportSize int
	msg        Message // what is here of the pending message
	want       int     // payload bytes of the pending message
	seq        byte    // sequence number that comes next
	pending    bool
}

// NewAssembler makes an Assembler for reports of reportSize bytes, [ReportSize]
// if that is zero.
func NewAssembler(reportSize int) *Assembler {
	if reportSize == 0 {
		reportSize = ReportSize
	}
	return &Assembler{reportSize: reportSize}
}

// Add takes the next packet. It returns true with the message that p
// completes; its payload is overwritten by the next Add.
//
// Errors are of type [ProtocolError]. FaultSequence and FaultShort drop the
// pending message, FaultLength the new one, FaultStray only the packet.
// FaultInterrupted says that the message before p was not complete and is
// dropped; p counts nevertheless, so this one may come with a whole message,
// or joined with p's own fault.
func (a *Assembler) Add(p Packet) (Message, bool, error) {
	if !p.Init {
		return a.continued(p)
	}
	interrupted := a.left(FaultInterrupted)
	m, ok, err := a.begin(p)
	switch {
	case interrupted == nil:
		return m, ok, err
	case err != nil:
		return m, ok, errors.Join(interrupted, err)
	}
	return m, ok, interrupted
}

func (a *Assembler) begin(p Packet) (Message, bool, error) {
	a.Reset()
	if limit := MaxMessageSize(a.reportSize); p.Length > limit {
		return Message{}, false, &ProtocolError{
			Fault: FaultLength, CID: p.CID, Command: p.Command, Got: p.Length, Want: limit,
		}
	}
	a.pending = true
	a.msg = Message{CID: p.CID, Command: p.Command, Payload: a.msg.Payload[:0]}
	a.want = p.Length
	a.seq = 0
	return a.take(p.Data, a.reportSize-initHeader)
}

func (a *Assembler) continued(p Packet) (Message, bool, error) {
	if !a.pending || p.CID != a.msg.CID {
		return Message{}, false, &ProtocolError{Fault: FaultStray, CID: p.CID, Got: int(p.Seq)}
	}
	if p.Seq != a.seq {
		a.Reset()
		return Message{}, false, &ProtocolError{
			Fault: FaultSequence, CID: p.CID, Command: a.msg.Command, Got: int(p.Seq), Want: int(a.seq),
		}
	}
	a.seq++
	return a.take(p.Data, a.reportSize-contHeader)
}

// take appends the data of one packet, which holds at most room bytes.
func (a *Assembler) take(data []byte, room int) (Message, bool, error) {
	due := min(room, a.want-len(a.msg.Payload))
	if len(data) < due {
		a.Reset()
		return Message{}, false, &ProtocolError{
			Fault: FaultShort, CID: a.msg.CID, Command: a.msg.Command, Got: len(data), Want: due,
		}
	}
	a.msg.Payload = append(a.msg.Payload, data[:due]...)
	if len(a.msg.Payload) < a.want {
		return Message{}, false, nil
	}
	a.Reset()
	return a.msg, true, nil
}

// Pending describes the message that has begun and not ended, as a
// [ProtocolError] with FaultIncomplete, Got of Want bytes; nil if there is
// none. Ask it at the end of a recording.
func (a *Assembler) Pending() error { return a.left(FaultIncomplete) }

func (a *Assembler) left(fault Fault) error {
	if !a.pending {
		return nil
	}
	return &ProtocolError{
		Fault: fault, CID: a.msg.CID, Command: a.msg.Command,
		Got: len(a.msg.Payload), Want: a.want,
	}
}

// Reset drops the pending message.
func (a *Assembler) Reset() { a.pending = false }
