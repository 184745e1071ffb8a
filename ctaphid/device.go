package ctaphid

import (
	"context"
	"errors"
	"sync"
	"time"
)

const (
	defaultGap       = 500 * time.Millisecond // between two packets of a request
	defaultKeepalive = 100 * time.Millisecond
	defaultChannels  = 256
	handlerGrace     = time.Second // for a handler to return when the device leaves
	protocolVersion  = 2
	maxLockSeconds   = 10
)

// Handler is the authenticator behind a [Device]. A Device calls one method at
// a time.
//
// It may have more methods: U2F(ctx context.Context, apdu []byte) []byte runs
// one U2F command APDU, without it MSG is refused and [CapabilityNMSG] set;
// Wink() shows the key, without it WINK is refused and [CapabilityWink] clear;
// CBOR() bool says false of a key without CTAP2, where CBOR is refused and
// [CapabilityCBOR] clear; PowerCycle() forgets what a key forgets without power.
type Handler interface {
	// Message runs one CTAP2 message, a command byte and its CBOR, and returns
	// a status byte and its CBOR. ctx ends on CTAPHID_CANCEL, on INIT on the
	// same channel and when the device leaves; Message must then return soon.
	// keepalive may be told at any time what the key waits for, 1 (processing)
	// or 2 (user presence); it is 1 at first. msg is Message's to keep.
	Message(ctx context.Context, msg []byte, keepalive func(status byte)) []byte
}

type (
	u2fHandler interface {
		U2F(context.Context, []byte) []byte
	}
	winkHandler  interface{ Wink() }
	cborHandler  interface{ CBOR() bool }
	powerHandler interface{ PowerCycle() }
)

// DeviceConfig says how a [Device] behaves. The zero DeviceConfig is a
// full-speed USB key.
type DeviceConfig struct {
	// ReportSize is the bytes of a report; 64 if below [MinReportSize].
	ReportSize int
	// Timeout is the longest gap between two packets of a request, and how long
	// a request may wait for a handler whose request was dropped; 500 ms if
	// zero.
	Timeout time.Duration
	// Keepalive is the time between two KEEPALIVE packets; 100 ms if zero.
	Keepalive time.Duration
	// Version is the maker's version in the answer to INIT: major, minor, build.
	Version [3]byte
	// Capabilities is what the answer to INIT says; nil for what the handler can
	// do. Commands that it leaves out are refused; what the handler cannot do
	// stays refused whatever it says.
	Capabilities *Capability
	// FirstChannel is the first channel handed out, the others follow; 1 if
	// zero.
	FirstChannel ChannelID
	// Channels is how many may live at once before the one that was idle
	// longest is recycled; 256 if zero.
	Channels int
}

func (cfg DeviceConfig) withDefaults() DeviceConfig {
	if cfg.ReportSize < MinReportSize {
		cfg.ReportSize = ReportSize
	}
	if cfg.Timeout <= 0 {
		cfg.Timeout = defaultGap
	}
	if cfg.Keepalive <= 0 {
		cfg.Keepalive = defaultKeepalive
	}
	if !cfg.FirstChannel.usable() {
		cfg.FirstChannel = 1
	}
	if cfg.Channels <= 0 {
		cfg.Channels = defaultChannels
	}
	return cfg
}

// Device is the key's end of CTAPHID (CTAP 2.3 §11.2): channels, arbitration,
// time limits and keepalives around a [Handler]. Hosts reach it by
// [Device.Connect]. All its methods may be called at the same time.
type Device struct {
	handler Handler
	cfg     DeviceConfig
	gone    chan struct{} // closed when the device has left

	mu       sync.Mutex
	hosts    map[*hostConn]struct{}
	channels channels
	lock     channelLock
	asm      *Assembler
	out      []byte // one report
	active   *job   // the transaction that keeps the device busy
	running  *job   // the one in the handler, perhaps dropped since
	off      bool   // during a power cycle
	closed   bool
}

// NewDevice makes a key that is plugged in and idle.
func NewDevice(h Handler, cfg DeviceConfig) *Device {
	cfg = cfg.withDefaults()
	return &Device{
		handler:  h,
		cfg:      cfg,
		gone:     make(chan struct{}),
		hosts:    make(map[*hostConn]struct{}),
		channels: newChannels(cfg.FirstChannel, cfg.Channels),
		asm:      NewAssembler(cfg.ReportSize),
		out:      make([]byte, cfg.ReportSize),
	}
}

// Connect opens the device for one more host. Every host gets every input
// report, and the device cannot tell who wrote an output report, as with
// Linux's hidraw. A host that does not read keeps its newest 16384 reports.
func (d *Device) Connect() ReportConn {
	c := newHostConn(d)
	d.mu.Lock()
	defer d.mu.Unlock()
	if !d.closed {
		d.hosts[c] = struct{}{}
	}
	return c
}

// Close unplugs the device: hosts get [ErrGone] and a running handler's context
// ends. Close waits for the handler to return; if that takes more than a
// second it gives up with an error. Closing twice does nothing.
func (d *Device) Close() error {
	d.mu.Lock()
	if d.closed {
		d.mu.Unlock()
		return nil
	}
	d.closed = true
	close(d.gone)
	clear(d.hosts)
	running := d.running
	d.drop()
	d.mu.Unlock()
	if !running.wait(handlerGrace) {
		return &Error{Op: "unplug", Err: errors.New("the handler does not return although its context has ended")}
	}
	return nil
}

// PowerCycle takes the power away and gives it back: channels, the lock and
// the transaction are forgotten, the handler's context ends, and its own
// PowerCycle is called if it has one. Hosts stay connected, and channel numbers
// go on counting, so that an old one is not valid by chance. A handler that
// does not return holds it up for a second.
func (d *Device) PowerCycle() {
	d.mu.Lock()
	if d.closed || d.off {
		d.mu.Unlock()
		return
	}
	d.off = true
	running := d.running
	d.drop()
	d.channels.forget()
	d.lock = channelLock{}
	d.mu.Unlock()

	running.wait(handlerGrace)
	if h, ok := d.handler.(powerHandler); ok {
		h.PowerCycle()
	}
	d.mu.Lock()
	d.off = false
	d.mu.Unlock()
}

// capabilities is what the answer to INIT says.
func (d *Device) capabilities() Capability {
	if d.cfg.Capabilities != nil {
		return *d.cfg.Capabilities
	}
	return d.able()
}

// able is what the handler can do.
func (d *Device) able() Capability {
	caps := CapabilityCBOR
	if h, ok := d.handler.(cborHandler); ok && !h.CBOR() {
		caps = 0
	}
	if _, ok := d.handler.(winkHandler); ok {
		caps |= CapabilityWink
	}
	if _, ok := d.handler.(u2fHandler); !ok {
		caps |= CapabilityNMSG
	}
	return caps
}

// send gives every host the reports of one message.
func (d *Device) send(cid ChannelID, cmd Command, payload []byte) {
	cut, err := NewFragmenter(Message{CID: cid, Command: cmd, Payload: payload}, d.cfg.ReportSize)
	if err != nil { // a handler's answer that no channel can carry
		d.fail(cid, CodeOther)
		return
	}
	for cut.Next(d.out) {
		for host := range d.hosts {
			host.deliver(d.out)
		}
	}
}

func (d *Device) fail(cid ChannelID, code ErrorCode) {
	d.send(cid, CommandError, []byte{byte(code)})
}
