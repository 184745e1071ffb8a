package ctaphid

import "encoding/binary"

// receive is the device's part of CTAP 2.3 §11.2.4 and §11.2.5 for one report.
func (d *Device) receive(report []byte) {
	p, err := ParsePacket(report)
	switch {
	case err != nil || d.off:
	case !p.Init:
		d.proceed(p)
	case p.Command == CommandInit:
		d.initialise(p)
	case p.Command == CommandCancel:
		d.cancel(p.CID)
	default:
		d.begin(p)
	}
}

// proceed takes a continuation packet; one that continues nothing is ignored
// (§11.2.4).
func (d *Device) proceed(p Packet) {
	if !d.receiving(p.CID) {
		return
	}
	m, whole, err := d.asm.Add(p)
	switch {
	case err != nil:
		d.drop()
		d.fail(p.CID, CodeInvalidSeq)
	case whole:
		d.dispatch(m)
	default:
		d.active.limit.Reset(d.cfg.Timeout)
	}
}

// begin takes the first packet of a request.
func (d *Device) begin(p Packet) {
	if d.receiving(p.CID) {
		d.drop()
		d.fail(p.CID, CodeInvalidSeq)
		return
	}
	if code := d.refusal(p); code != 0 {
		d.fail(p.CID, code)
		return
	}
	d.channels.touch(p.CID)
	d.active = d.newJob(p.CID, p.Command)
	m, whole, err := d.asm.Add(p)
	switch {
	case err != nil:
		d.drop()
		d.fail(p.CID, CodeInvalidLength)
	case whole:
		d.dispatch(m)
	}
}

// receiving reports whether a request on channel cid has begun and not ended.
func (d *Device) receiving(cid ChannelID) bool {
	return d.active != nil && d.active.cid == cid && d.active.state == jobReceiving
}

// refusal is the error for a request that must not begin, zero if it may.
func (d *Device) refusal(p Packet) ErrorCode {
	switch {
	case !d.channels.has(p.CID):
		return CodeInvalidChannel
	case d.lock.held() && !d.lock.heldBy(p.CID), d.active != nil:
		return CodeChannelBusy
	case !d.supports(p.Command):
		return CodeInvalidCommand
	case !lengthAllowed(p, MaxMessageSize(d.cfg.ReportSize)):
		return CodeInvalidLength
	}
	return 0
}

func (d *Device) supports(cmd Command) bool {
	says, able := d.capabilities(), d.able()
	switch cmd {
	case CommandPing, CommandLock:
		return true
	case CommandCBOR:
		return (says & able).Has(CapabilityCBOR)
	case CommandMsg:
		return !(says | able).Has(CapabilityNMSG)
	case CommandWink:
		return (says & able).Has(CapabilityWink)
	}
	return false
}

func lengthAllowed(p Packet, limit int) bool {
	switch p.Command {
	case CommandLock:
		return p.Length == 1
	case CommandWink:
		return p.Length == 0
	case CommandCBOR, CommandMsg:
		return p.Length > 0 && p.Length <= limit
	}
	return p.Length <= limit
}

// dispatch runs the whole request that is now in m.
func (d *Device) dispatch(m Message) {
	switch m.Command {
	case CommandPing:
		d.finish(d.active)
		d.send(m.CID, CommandPing, m.Payload)
	case CommandLock:
		d.finish(d.active)
		d.setLock(m.CID, m.Payload[0])
	default:
		d.submit(m)
	}
}

// setLock is CTAPHID_LOCK (§11.2.9.2.2).
func (d *Device) setLock(cid ChannelID, seconds byte) {
	if seconds > maxLockSeconds {
		d.fail(cid, CodeInvalidParameter)
		return
	}
	d.lock.set(cid, seconds)
	d.send(cid, CommandLock, nil)
}

// initialise is CTAPHID_INIT (§11.2.9.1.3). It is answered whatever else goes
// on, and on a channel of its own it ends what goes on there (§11.2.5.2).
func (d *Device) initialise(p Packet) {
	id := p.CID
	if id != BroadcastCID && !d.channels.has(id) {
		d.fail(id, CodeInvalidChannel)
		return
	}
	if p.Length != InitNonceSize || len(p.Data) != InitNonceSize {
		d.fail(id, CodeInvalidLength)
		return
	}
	if d.active != nil && d.active.cid == id {
		d.drop()
	}
	if id == BroadcastCID {
		var ok bool
		if id, ok = d.channels.allocate(d.inUse); !ok {
			d.fail(BroadcastCID, CodeChannelBusy)
			return
		}
	}
	d.channels.touch(id)
	d.send(p.CID, CommandInit, d.initAnswer(p.Data, id))
}

func (d *Device) inUse(id ChannelID) bool {
	return d.lock.heldBy(id) || d.active != nil && d.active.cid == id
}

func (d *Device) initAnswer(nonce []byte, id ChannelID) []byte {
	answer := make([]byte, 0, InitAnswerSize)
	answer = append(answer, nonce...)
	answer = binary.BigEndian.AppendUint32(answer, uint32(id))
	answer = append(answer, protocolVersion)
	answer = append(answer, d.cfg.Version[:]...)
	return append(answer, byte(d.capabilities()))
}

// cancel is CTAPHID_CANCEL (§11.2.9.1.5). It has no answer; the cancelled
// request has one.
func (d *Device) cancel(cid ChannelID) {
	j := d.active
	if j != nil && j.cid == cid && j.command == CommandCBOR && j.state != jobReceiving {
		j.cancel()
	}
}
