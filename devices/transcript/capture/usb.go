package capture

import (
	"bytes"
	"fmt"
	"hash/maphash"
	"slices"
	"strings"
	"time"

	"github.com/touchstone-fido/touchstone/ctaphid"
	"github.com/touchstone-fido/touchstone/devices/transcript"
)

const (
	maxUSBDevices = 512
	maxSetups     = 64 // control transfers of a device under way
	maxRequests   = 64 // URBs of a device that are remembered

	// sameURB is how far apart two captures of the same event of a URB can be.
	sameURB = 10 * time.Millisecond
)

// usbTracker follows the devices of a USB capture and finds the FIDO interfaces
// among them: by their descriptors where the capture has those, else by the
// look of what crosses their interrupt endpoints.
type usbTracker struct {
	c       *collector
	devices map[usbAddress]*usbDevice
	order   []*usbDevice
	latest  *usbDevice
	bad     int // packets that are no URB
}

type usbAddress struct{ bus, dev int }

// usbDevice is one device at one address.
type usbDevice struct {
	usbAddress
	descriptors
	c       *collector
	via     int // the interface of the capture that it was first seen on
	doubled int // URBs that were captured on another as well, or twice
	setups  map[uint64][]byte
	seen    map[uint64]seenURB
	key     usbKey
	counts  [usbBulk + 1]int
	strange int // interrupt transfers that are no CTAPHID packets
}

// seenURB is the last event of a URB.
type seenURB struct {
	event  byte
	status int32
	time   time.Time
	data   uint64 // a hash of it
}

// usbKey is the FIDO interface of a device, as far as it is one.
type usbKey struct {
	tape      *tape
	endpoints map[byte]bool
	channels  map[ctaphid.ChannelID]byte // bits of the directions seen
	held      []heldRecord               // until it is proved
	dropped   int
}

func newUSBTracker(c *collector) *usbTracker {
	return &usbTracker{c: c, devices: map[usbAddress]*usbDevice{}}
}

// add takes one event.
func (t *usbTracker) add(u *urb) {
	d := t.device(u)
	if u.via != d.via {
		d.doubled++
		return
	}
	d.counts[u.kind]++
	switch u.kind {
	case usbControl:
		t.control(d, u)
	case usbInterrupt:
		d.interrupt(u)
	}
}

func (t *usbTracker) device(u *urb) *usbDevice {
	at := usbAddress{u.bus, u.dev}
	if d := t.latest; d != nil && d.usbAddress == at {
		return d
	}
	d, ok := t.devices[at]
	if !ok {
		if len(t.order) == maxUSBDevices {
			t.order[0].finish()
			delete(t.devices, t.order[0].usbAddress)
			t.order = slices.Delete(t.order, 0, 1)
		}
		d = &usbDevice{usbAddress: at, c: t.c, via: u.via}
		t.devices[at] = d
		t.order = append(t.order, d)
	}
	t.latest = d
	return d
}

// forget ends a device whose address goes to another.
func (t *usbTracker) forget(at usbAddress) {
	d, ok := t.devices[at]
	if !ok {
		return
	}
	d.finish()
	delete(t.devices, at)
	t.order = slices.DeleteFunc(t.order, func(other *usbDevice) bool { return other == d })
	t.latest = nil
}

func (t *usbTracker) finish() {
	for _, d := range t.order {
		d.finish()
	}
	if t.bad > 0 {
		t.c.leaveOut(plural(t.bad, "packet"), "no USB request that this program can read")
	}
}

// control takes a control transfer: what the device says of itself, reports of
// a device that takes them this way, a new address.
func (t *usbTracker) control(d *usbDevice, u *urb) {
	if u.event == urbSubmit && len(u.setup) == 8 {
		if d.setups == nil || len(d.setups) >= maxSetups {
			d.setups = map[uint64][]byte{}
		}
		d.setups[u.id] = bytes.Clone(u.setup)
		switch {
		case u.setup[0] == 0 && u.setup[1] == usbSetAddress:
			t.forget(usbAddress{u.bus, int(u.setup[2])})
		case u.setup[0] == 0x21 && u.setup[1] == hidSetReport && len(u.data) >= ctaphid.MinReportSize:
			d.crossing(u, out, d.roleOf(u.setup[4]))
		}
		return
	}
	setup, ok := d.setups[u.id]
	if !ok || u.event != urbComplete {
		return
	}
	delete(d.setups, u.id)
	before := d.descriptors
	d.descriptors.learn(setup, u.data)
	if before.vendor != 0 && (before.vendor != d.vendor || before.product != d.product) {
		now := d.descriptors
		d.descriptors = before
		t.forget(d.usbAddress)
		next := t.device(u)
		next.vendor, next.product, next.names = now.vendor, now.product, now.names
	}
}

// role is what an endpoint or interface is for.
type role byte

const (
	roleUnknown role = iota
	roleFIDO
	roleOther
)

// role is what the descriptors, or what crossed before, say of an endpoint.
func (d *usbDevice) role(endpoint byte) role {
	if d.key.endpoints[endpoint] {
		return roleFIDO
	}
	e, ok := d.endpoints[endpoint]
	switch {
	case !ok:
		return roleUnknown
	case e.class != usbClassHID:
		return roleOther
	}
	return d.roleOf(e.iface)
}

// roleOf is what the report descriptor says of an interface.
func (d *usbDevice) roleOf(iface byte) role {
	fido, ok := d.fido[iface]
	switch {
	case !ok:
		return roleUnknown
	case fido:
		return roleFIDO
	}
	return roleOther
}

// interrupt takes an interrupt transfer. What goes out is in the URB when it is
// submitted, what comes in when it is complete.
func (d *usbDevice) interrupt(u *urb) {
	role := d.role(u.endpoint)
	if role == roleOther || d.again(u) {
		return
	}
	if u.inward() {
		if u.event == urbComplete && u.length > 0 {
			d.crossing(u, in, role)
		}
	} else if u.event == urbSubmit && u.length > 0 {
		d.crossing(u, out, role)
	}
	if role == roleFIDO && u.event != urbSubmit && u.status != 0 {
		d.failed(u)
	}
}

// failed takes note of a transfer that failed. A host that closes the key takes
// its waiting reads back, which is no failure.
func (d *usbDevice) failed(u *urb) {
	const noEntry, reset, shutdown = -2, -104, -108
	if u.inward() && (u.status == noEntry || u.status == reset) || d.key.tape == nil {
		return
	}
	text := fmt.Sprintf("transfer on endpoint %02x failed with status %d", u.endpoint, u.status)
	if u.status == shutdown {
		text += ": the key was unplugged, or reset"
	}
	d.key.tape.write(transcript.Record{Level: transcript.Mark, Event: &transcript.Event{Name: "usb", Text: text}})
	d.c.remark("usb %d.%d: %s", d.bus, d.dev, text)
}

// crossing takes a report, or what may be one.
func (d *usbDevice) crossing(u *urb, dir transcript.Direction, role role) {
	if role == roleOther {
		return
	}
	rec := transcript.Record{Dir: dir, Level: transcript.Report, Data: u.data}
	if len(u.data) < u.length {
		rec.Partial = true
	}
	if role == roleUnknown && !d.mayBe(u, rec) {
		d.strange++
		return
	}
	if rec.Partial {
		d.c.remark("the capture keeps %d of the %d bytes", len(u.data), u.length)
	}
	if len(u.data) == 0 {
		rec = transcript.Record{Level: transcript.Gap, Cut: "a report that was not captured"}
	}
	if d.key.tape == nil && role == roleUnknown {
		d.hold(u, rec)
		return
	}
	d.accept(u.endpoint)
	d.key.tape.write(rec)
}

// again says whether a URB's event was there before: a URB cannot be submitted
// twice without coming back, nor come back twice. Exports of a few fields have
// no numbers of URBs to tell.
func (d *usbDevice) again(u *urb) bool {
	if u.id == 0 {
		return false
	}
	now := seenURB{u.event, u.status, d.c.time.Time, maphash.Bytes(seed, u.data)}
	before, ok := d.seen[u.id]
	if ok && before.event == now.event && before.status == now.status && before.data == now.data && now.time.Sub(before.time).Abs() < sameURB {
		d.doubled++
		return true
	}
	if d.seen == nil || len(d.seen) >= maxRequests {
		d.seen = map[uint64]seenURB{}
	}
	d.seen[u.id] = now
	return false
}

var seed = maphash.MakeSeed()

// mayBe says whether a transfer may be a CTAPHID packet, and takes note of what
// it proves.
func (d *usbDevice) mayBe(u *urb, rec transcript.Record) bool {
	p, err := ctaphid.ParsePacket(rec.Data)
	if err != nil || u.length < ctaphid.MinReportSize {
		return false
	}
	_, known := d.key.channels[p.CID]
	switch {
	case known, looksLikePacket(p):
	case p.Init, p.CID == 0, d.key.tape != nil:
		return false
	default:
		return u.length == ctaphid.ReportSize // it goes on with what the capture lacks, if this is a key
	}
	if d.key.channels == nil || len(d.key.channels) > maxSessions {
		d.key.channels = map[ctaphid.ChannelID]byte{}
	}
	if p.Init {
		d.key.channels[p.CID] |= 1 << rec.Dir
	}
	if given, ok := channelGiven(p); ok && rec.Dir == in {
		d.key.channels[given] |= 0
	}
	return true
}

// channelGiven is the channel that an answer to INIT gives.
func channelGiven(p ctaphid.Packet) (ctaphid.ChannelID, bool) {
	if !p.Init || p.Command != ctaphid.CommandInit || len(p.Data) < ctaphid.InitAnswerSize {
		return 0, false
	}
	given := p.Data[ctaphid.InitNonceSize:]
	return ctaphid.ChannelID(given[0])<<24 | ctaphid.ChannelID(given[1])<<16 | ctaphid.ChannelID(given[2])<<8 | ctaphid.ChannelID(given[3]), true
}

// hold keeps a packet until there is proof that the device is a key: an INIT on
// the broadcast channel, or packets of one channel in both directions.
func (d *usbDevice) hold(u *urb, rec transcript.Record) {
	if len(d.key.held) == maxHeld {
		d.key.held = d.key.held[1:]
		d.key.dropped++
	}
	rec.Data = bytes.Clone(rec.Data)
	d.key.held = append(d.key.held, heldRecord{d.c.point, rec})
	if d.key.endpoints == nil {
		d.key.endpoints = map[byte]bool{}
	}
	d.key.endpoints[u.endpoint] = false
	p, _ := ctaphid.ParsePacket(rec.Data)
	broadcast := p.CID == ctaphid.BroadcastCID && p.Command == ctaphid.CommandInit && directionOf(transcript.Report, rec.Data) == rec.Dir
	if broadcast || d.key.channels[p.CID] == 1<<in|1<<out {
		d.prove()
	}
}

// prove makes a tape of what was held.
func (d *usbDevice) prove() {
	endpoints := d.key.endpoints
	d.key.endpoints = nil
	for e := range endpoints {
		d.accept(e)
	}
	held := slices.DeleteFunc(d.key.held, func(h heldRecord) bool { return !d.ofChannel(h.rec) })
	d.strange += len(d.key.held) - len(held)
	d.key.held = nil
	d.c.release(held, d.key.tape.write)
	if d.key.dropped > 0 {
		d.c.remark("usb %d.%d: %s before this one are lost, since nothing showed until now that it is a key", d.bus, d.dev, plural(d.key.dropped, "report"))
	}
}

// ofChannel says whether a record is a packet of a channel that is known to be
// one, or what is missing of one.
func (d *usbDevice) ofChannel(rec transcript.Record) bool {
	p, err := ctaphid.ParsePacket(rec.Data)
	_, known := d.key.channels[p.CID]
	return err != nil || known
}

// accept takes an endpoint for one of the FIDO interface. Endpoint 0 is that of
// control transfers, which others use too.
func (d *usbDevice) accept(endpoint byte) {
	if d.key.tape == nil {
		d.key.tape = d.c.newTape(d.describe(endpoint))
	}
	if d.key.endpoints == nil {
		d.key.endpoints = map[byte]bool{}
	}
	if endpoint&0x7f != 0 {
		d.key.endpoints[endpoint] = true
	}
}

func (d *usbDevice) describe(endpoint byte) Device {
	key := fmt.Sprintf("usb %d.%d", d.bus, d.dev)
	if e, ok := d.endpoints[endpoint]; ok {
		key += fmt.Sprintf(" interface %d", e.iface)
	}
	return Device{Key: key, Transport: transcript.HID, Facts: d.facts(), ReportSize: ctaphid.ReportSize}
}

// finish tells what of a device was left out.
func (d *usbDevice) finish() {
	name := fmt.Sprintf("usb %d.%d", d.bus, d.dev)
	if text := d.descriptors.String(); text != "" {
		name += " (" + text + ")"
	}
	if d.doubled > 0 {
		d.c.leaveOut(plural(d.doubled, "event")+" of "+name, "captured twice, on another interface of the capture or in the same")
	}
	if d.key.tape == nil && len(d.key.held) > 1 && d.plausible() {
		d.c.remark("%s is taken for a key by the look of its packets alone", name)
		d.prove()
	}
	if d.key.tape != nil {
		return
	}
	var kinds []string
	for kind, word := range []string{"isochronous", "interrupt", "control", "bulk"} {
		if n := d.counts[kind]; n > 0 {
			kinds = append(kinds, fmt.Sprintf("%d %s", n, word))
		}
	}
	why := "no FIDO interface: " + strings.Join(kinds, ", ") + " URB events"
	if d.strange > 0 {
		why += fmt.Sprintf(", %d with data that is no CTAPHID packet", d.strange)
	}
	d.c.leaveOut(name, why)
}

// plausible says whether packets of one direction alone make up a message
// without a fault.
func (d *usbDevice) plausible() bool {
	assemblers := map[ctaphid.ChannelID]*ctaphid.Assembler{}
	whole := 0
	for _, h := range d.key.held {
		p, err := ctaphid.ParsePacket(h.rec.Data)
		if err != nil {
			return false
		}
		if !d.ofChannel(h.rec) {
			continue
		}
		if assemblers[p.CID] == nil {
			assemblers[p.CID] = ctaphid.NewAssembler(len(h.rec.Data))
		}
		_, done, err := assemblers[p.CID].Add(p)
		if err != nil {
			return false
		}
		if done {
			whole++
		}
	}
	return whole > 1 && d.strange == 0
}
