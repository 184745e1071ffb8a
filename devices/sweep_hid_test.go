package devices_test

import (
	"bytes"
	"context"
	"fmt"
	"sync"
	"testing"
	"time"

	"github.com/touchstone-fido/touchstone/ctaphid"
	"github.com/touchstone-fido/touchstone/devices"
	"github.com/touchstone-fido/touchstone/devices/virtual"
)

func TestSweepReports(t *testing.T) {
	sweep(t, func(key *virtual.Authenticator) socket { return newPort(key) })
}

// port is a USB port with the software key in it.
type port struct {
	key    *virtual.Authenticator
	device *ctaphid.Device
}

func newPort(key *virtual.Authenticator) *port {
	p := &port{key: key}
	p.plug()
	return p
}

func (p *port) plug() {
	p.device = ctaphid.NewDevice(p.key, ctaphid.DeviceConfig{})
}

func (p *port) remove() { p.device.Close() }

func (p *port) replug() {
	p.remove()
	p.key.PowerCycle()
	p.plug()
}

func (p *port) link(s *trouble) devices.Link {
	return devices.Link{
		Info:    devices.Info{Transport: devices.USB},
		Reports: &cable{ReportConn: p.device.Connect(), trouble: s, unplug: p.remove},
	}
}

// cable carries reports, one of them badly.
type cable struct {
	ctaphid.ReportConn
	trouble *trouble
	unplug  func()

	again []byte    // a report that the host gets once more
	late  time.Time // when reports for the host go on

	mu      sync.Mutex
	waiting [][]byte // reports for the key that are late
}

// WriteReport is a crossing to the key.
func (c *cable) WriteReport(ctx context.Context, p []byte) error {
	f := c.trouble.strikes()
	if c.queue(p, f) {
		return nil
	}
	switch f {
	case faultDrop:
		return nil
	case faultDuplicate:
		if err := c.ReportConn.WriteReport(ctx, p); err != nil {
			return err
		}
	case faultGone:
		c.unplug()
	default:
		p = disturbed(p, f)
	}
	return c.ReportConn.WriteReport(ctx, p)
}

// queue keeps a report that is late, and all that follow while it waits.
func (c *cable) queue(p []byte, f fault) bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	if f != faultDelay && c.waiting == nil {
		return false
	}
	if c.waiting == nil {
		time.AfterFunc(sweepDelay, c.deliver)
	}
	c.waiting = append(c.waiting, bytes.Clone(p))
	return true
}

func (c *cable) deliver() {
	c.mu.Lock()
	defer c.mu.Unlock()
	for _, p := range c.waiting {
		c.ReportConn.WriteReport(context.Background(), p)
	}
	c.waiting = nil
}

// ReadReport is a crossing to the host.
func (c *cable) ReadReport(ctx context.Context, p []byte) (int, error) {
	if err := c.wait(ctx); err != nil {
		return 0, err
	}
	if c.again != nil {
		return c.repeat(p), nil
	}
	n, err := c.ReportConn.ReadReport(ctx, p)
	if err != nil {
		return n, err
	}
	switch f := c.trouble.strikes(); f {
	case faultDrop:
		return c.ReadReport(ctx, p)
	case faultDuplicate:
		c.again = bytes.Clone(p[:n])
		return n, nil
	case faultDelay:
		c.again, c.late = bytes.Clone(p[:n]), time.Now().Add(sweepDelay)
		if err := c.wait(ctx); err != nil {
			return 0, err
		}
		return c.repeat(p), nil
	case faultGone:
		c.unplug()
		return 0, fmt.Errorf("cable: %w", ctaphid.ErrGone)
	default:
		return copy(p, disturbed(p[:n], f)), nil
	}
}

// wait waits for the reports that are late.
func (c *cable) wait(ctx context.Context) error {
	timer := time.NewTimer(time.Until(c.late))
	defer timer.Stop()
	select {
	case <-timer.C:
		return nil
	case <-ctx.Done():
		return context.Cause(ctx)
	}
}

func (c *cable) repeat(p []byte) int {
	n := copy(p, c.again)
	c.again = nil
	return n
}

// PollReport finds what has come.
func (c *cable) PollReport(p []byte) (int, error) {
	switch {
	case time.Now().Before(c.late):
		return 0, nil
	case c.again != nil:
		return c.repeat(p), nil
	}
	return c.ReportConn.(ctaphid.ReportPoller).PollReport(p)
}

// disturbed is a report with wrong bytes, or too few.
func disturbed(p []byte, f fault) []byte {
	p = bytes.Clone(p)
	switch f {
	case faultChannel:
		p[3] ^= 0x55
	case faultSequence:
		if p[4]&0x80 != 0 {
			p[4] ^= 0x80 // an init packet turned into a continuation packet
		} else {
			p[4] ^= 0x01
		}
	case faultTruncate:
		p = p[:len(p)/2]
	}
	return p
}
