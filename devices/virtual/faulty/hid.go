package faulty

import (
	"bytes"
	"encoding/binary"

	"github.com/touchstone-fido/touchstone/ctaphid"
	"github.com/touchstone-fido/touchstone/devices/virtual"
)

// chatter is the fault that is there before anything is said.
const chatter virtual.FaultID = "hid-chatter"

func hid(id virtual.FaultID, text, rule, seen string) virtual.Fault {
	return virtual.Fault{ID: id, Area: "CTAPHID", Text: text, Rule: rule, Seen: seen}
}

// hidFaults are the faults of CTAPHID (CTAP 2.3 §11.2).
var hidFaults = []hidFault{
	{hid("hid-keepalive-silent", "sends no KEEPALIVE", "§11.2.9.1.7", "Solo 2, solo2 issues 63 and 98"), nil, dropping(isKeepalive)},
	{hid("hid-keepalive-after-answer", "sends a KEEPALIVE after the answer", "§11.2.9.1.7", "Solo 2, solo2 issue 98"), nil, keepaliveAfter},
	{hid("hid-keepalive-for-u2f", "sends a KEEPALIVE before a U2F answer", "§11.2.9.1.7", ""), nil, keepaliveForU2F},
	{hid("hid-keepalive-processing", "does not tell that it waits for a touch", "§11.2.9.1.7", "nitrokey-3-firmware issue 96"), nil, processing},
	{hid("hid-cancel-ignored", "ignores CANCEL", "§11.2.9.1.5", "fido-authenticator issue 13, nitrokey-3-firmware issues 21 and 47"), swallowing(isCancel), nil},
	{hid("hid-cancel-answered", "answers CANCEL itself", "§11.2.9.1.5", ""), answerCancel, nil},
	{hid("hid-busy-after-cancel", "is busy for ever after a CANCEL", "§11.2.5", "fido-authenticator issue 13"), busyAfterCancel, nil},
	{hid("hid-busy-for-ever", "is busy for ever after its first request", "§11.2.5.3", ""), busyForEver, nil},
	{hid("hid-init-wrong-nonce", "answers INIT with another nonce", "§11.2.9.1.3", ""), nil, onInit(func(_ *reports, b []byte) { b[0] ^= 1 })},
	{hid("hid-channel-zero", "hands out channel 0", "§11.2.3", ""), nil, onInit(func(_ *reports, b []byte) { clear(b[initChannel:initVersion]) })},
	{hid("hid-channel-repeats", "hands the same channel out to all", "§11.2.5.1", ""), nil, onInit(repeatChannel)},
	{hid("hid-init-changes-channel", "hands out another channel for INIT on one", "§11.2.9.1.3", ""), nil, onInit(changeChannel)},
	{hid("hid-init-exhausts-channels", "hands out eight channels and no more", "§11.2.5.1", "soft-fido2 pull request 48"), exhausted, nil},
	{hid("hid-protocol-version-1", "says that it speaks version 1 of CTAPHID", "§11.2.9.1.3", ""), nil, onInit(func(_ *reports, b []byte) { b[initVersion] = 1 })},
	{hid("hid-capabilities-wrong", "says that it has no MSG", "§11.2.9.1.3", ""), nil, onInit(func(_ *reports, b []byte) { b[initCapabilities] |= byte(ctaphid.CapabilityNMSG) })},
	{hid("hid-sequence-from-one", "counts continuation packets from 1", "§11.2.4", ""), nil, sequenceFromOne},
	{hid("hid-sequence-silent", "says nothing about packets out of order", "§11.2.5.2", "Ledger app-security-key, README"), nil, silentAbout(ctaphid.CodeInvalidSeq)},
	{hid("hid-length-silent", "says nothing about a length that is too large", "§11.2.4", ""), nil, silentAbout(ctaphid.CodeInvalidLength)},
	{hid("hid-timeout-silent", "says nothing about a message that does not end", "§11.2.5.3", ""), nil, silentAbout(ctaphid.CodeMessageTimeout)},
	{hid("hid-busy-silent", "says nothing to a channel that has to wait", "§11.2.5.3", ""), nil, silentAbout(ctaphid.CodeChannelBusy)},
	{hid("hid-unknown-command-silent", "says nothing about a command that it does not know", "§11.2.9.1.6", ""), nil, silentAbout(ctaphid.CodeInvalidCommand)},
	{hid("hid-unallocated-answered", "answers on channels that it has not handed out", "§11.2.3", ""), notePing, answerUnallocated},
	{hid("hid-stray-answered", "answers a continuation packet that continues nothing", "§11.2.4", ""), answerStray, nil},
	{hid("hid-answer-as-msg", "answers CBOR with the command byte of MSG", "§11.2.9.1.2", "QubesOS issue 10981"), nil, answerAsMsg},
	{hid("hid-answer-cut", "leaves out the last packet of an answer", "§11.2.4", ""), nil, answerCut},
	{hid("hid-answer-late", "answers when the next request comes", "§11.2.5", ""), releaseHeld, answerLate},
	{hid("hid-answer-on-other-channel", "answers on another channel", "§11.2.3", ""), nil, answerElsewhere},
	{hid("hid-length-one-more", "says that an answer is one byte longer than it is", "§11.2.4", ""), nil, lengthOneMore},
	{hid("hid-reports-doubled", "sends every report twice", "§11.2.4", ""), nil, func(_ *reports, p packet) []packet { return []packet{p, p} }},
	{hid("hid-ping-drops-zeros", "leaves zero bytes at the beginning of a PING out", "§11.2.9.1.4", ""), nil, pingWithoutZeros},
	{hid("hid-error-two-bytes", "sends errors of two bytes", "§11.2.9.1.6", ""), nil, errorOfTwo},
	{hid("hid-wink-with-data", "answers WINK with a byte", "§11.2.9.2.1", ""), nil, winkWithData},
	{hid("hid-lock-does-nothing", "answers LOCK, and does not lock", "§11.2.9.2.2", ""), lockNothing, nil},
	{hid(chatter, "sends a report unasked", "§11.2.4", ""), nil, nil},
}

// Places in the payload of the answer to INIT, and in reports.
const (
	initChannel      = 8
	initVersion      = 12
	initCapabilities = 16

	atCommand = 4
	atLength  = 5
	atPayload = 7
)

func one(p packet) []packet { return []packet{p} }

func isKeepalive(p packet) bool { return p.Init && p.Command == ctaphid.CommandKeepalive }
func isCancel(p packet) bool    { return p.Init && p.Command == ctaphid.CommandCancel }
func isCBOR(p packet) bool      { return p.Init && p.Command == ctaphid.CommandCBOR }

// is tells whether the packet is an error of that kind.
func isError(p packet, code ctaphid.ErrorCode) bool {
	return p.Init && p.Command == ctaphid.CommandError && len(p.Data) > 0 && ctaphid.ErrorCode(p.Data[0]) == code
}

func dropping(is func(packet) bool) func(*reports, packet) []packet {
	return func(_ *reports, p packet) []packet {
		if is(p) {
			return nil
		}
		return one(p)
	}
}

func swallowing(is func(packet) bool) func(*reports, packet) bool {
	return func(_ *reports, p packet) bool { return !is(p) }
}

func silentAbout(code ctaphid.ErrorCode) func(*reports, packet) []packet {
	return dropping(func(p packet) bool { return isError(p, code) })
}

func keepaliveAfter(_ *reports, p packet) []packet {
	if !p.last || p.Init && p.Command != ctaphid.CommandCBOR {
		return one(p)
	}
	return []packet{p, message(p.CID, ctaphid.CommandKeepalive, byte(ctaphid.KeepaliveProcessing))}
}

func keepaliveForU2F(_ *reports, p packet) []packet {
	if !p.Init || p.Command != ctaphid.CommandMsg {
		return one(p)
	}
	return []packet{message(p.CID, ctaphid.CommandKeepalive, byte(ctaphid.KeepaliveProcessing)), p}
}

func processing(_ *reports, p packet) []packet {
	if isKeepalive(p) && len(p.Data) > 0 {
		p.report[atPayload] = byte(ctaphid.KeepaliveProcessing)
	}
	return one(p)
}

func answerCancel(s *reports, p packet) bool {
	if isCancel(p) {
		s.push(message(p.CID, ctaphid.CommandCancel))
	}
	return true
}

func busyAfterCancel(s *reports, p packet) bool {
	if s.cancels > 0 && p.Init && p.Command != ctaphid.CommandInit && p.Command != ctaphid.CommandCancel {
		s.push(message(p.CID, ctaphid.CommandError, byte(ctaphid.CodeChannelBusy)))
		return false
	}
	if isCancel(p) {
		s.cancels++
	}
	return true
}

func busyForEver(s *reports, p packet) bool {
	if !isCBOR(p) {
		return true
	}
	if s.count++; s.count == 1 {
		return true
	}
	s.push(message(p.CID, ctaphid.CommandError, byte(ctaphid.CodeChannelBusy)))
	return false
}

// onInit changes the payload of answers to INIT.
func onInit(change func(*reports, []byte)) func(*reports, packet) []packet {
	return func(s *reports, p packet) []packet {
		if p.Init && p.Command == ctaphid.CommandInit && len(p.Data) >= ctaphid.InitAnswerSize {
			change(s, p.report[atPayload:])
		}
		return one(p)
	}
}

func repeatChannel(s *reports, b []byte) {
	if s.first == 0 {
		s.first = ctaphid.ChannelID(binary.BigEndian.Uint32(b[initChannel:]))
	}
	binary.BigEndian.PutUint32(b[initChannel:], uint32(s.first))
}

// changeChannel is for the second answer, which is on the channel itself.
func changeChannel(s *reports, b []byte) {
	if s.count++; s.count > 1 {
		binary.BigEndian.PutUint32(b[initChannel:], binary.BigEndian.Uint32(b[initChannel:])+1)
	}
}

func exhausted(s *reports, p packet) bool {
	const most = 8
	if !p.Init || p.Command != ctaphid.CommandInit || p.CID != ctaphid.BroadcastCID {
		return true
	}
	if s.count++; s.count <= most {
		return true
	}
	s.push(message(p.CID, ctaphid.CommandError, byte(ctaphid.CodeChannelBusy)))
	return false
}

func sequenceFromOne(_ *reports, p packet) []packet {
	if !p.Init && len(p.report) > atCommand {
		p.report[atCommand]++
	}
	return one(p)
}

func notePing(s *reports, p packet) bool {
	if p.Init && p.Command == ctaphid.CommandPing {
		s.ping = p.report
	}
	return true
}

func answerUnallocated(s *reports, p packet) []packet {
	if !isError(p, ctaphid.CodeInvalidChannel) || s.ping == nil {
		return one(p)
	}
	return one(parse(s.ping, ctaphid.NewAssembler(0)))
}

// answerStray knows what continues nothing by what came before.
func answerStray(s *reports, p packet) bool {
	if p.Init || p.last || s.out.Pending() != nil {
		return true
	}
	s.push(message(p.CID, ctaphid.CommandError, byte(ctaphid.CodeInvalidSeq)))
	return false
}

func answerAsMsg(_ *reports, p packet) []packet {
	const initBit = 0x80
	if isCBOR(p) {
		p.report[atCommand] = byte(ctaphid.CommandMsg) | initBit
	}
	return one(p)
}

func answerCut(_ *reports, p packet) []packet {
	if p.last && !p.Init {
		return nil
	}
	return one(p)
}

func answerLate(s *reports, p packet) []packet {
	if p.Init && p.Command == ctaphid.CommandInit || isKeepalive(p) {
		return one(p)
	}
	s.held = append(s.held, p)
	return nil
}

func releaseHeld(s *reports, p packet) bool {
	if p.Init && !isCancel(p) {
		held := s.held
		s.held = nil
		s.push(held...)
	}
	return true
}

func answerElsewhere(_ *reports, p packet) []packet {
	if p.CID != ctaphid.BroadcastCID && !(p.Init && p.Command == ctaphid.CommandInit) {
		binary.BigEndian.PutUint32(p.report, uint32(p.CID)+1)
	}
	return one(p)
}

func lengthOneMore(_ *reports, p packet) []packet {
	if isCBOR(p) {
		binary.BigEndian.PutUint16(p.report[atLength:], uint16(p.Length)+1)
	}
	return one(p)
}

// pingWithoutZeros is for those of one packet.
func pingWithoutZeros(_ *reports, p packet) []packet {
	if !p.Init || !p.last || p.Command != ctaphid.CommandPing {
		return one(p)
	}
	return one(message(p.CID, p.Command, bytes.TrimLeft(p.Data, "\x00")...))
}

func errorOfTwo(_ *reports, p packet) []packet {
	if !p.Init || p.Command != ctaphid.CommandError {
		return one(p)
	}
	return one(message(p.CID, p.Command, append(bytes.Clone(p.Data), 0)...))
}

func winkWithData(_ *reports, p packet) []packet {
	if !p.Init || p.Command != ctaphid.CommandWink {
		return one(p)
	}
	return one(message(p.CID, p.Command, 0))
}

func lockNothing(s *reports, p packet) bool {
	if !p.Init || p.Command != ctaphid.CommandLock {
		return true
	}
	s.push(message(p.CID, p.Command))
	return false
}
