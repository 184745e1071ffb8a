package simulator

import (
	"fmt"
	"time"

	"github.com/touchstone-fido/touchstone/ctaphid"
)

const (
	defaultLimit = 5 * time.Second
	defaultHosts = 64
	defaultIdle  = 10 * time.Minute

	maxReport   = 65507 // bytes in a datagram over IPv4; a frame holds a little more
	readBuffer  = 1 << 20
	maxDatagram = 1 << 16
)

// Config says how reports are carried. The zero Config carries those of a
// full-speed USB key.
type Config struct {
	// ReportSize is the bytes of one report; [ctaphid.ReportSize] if zero.
	ReportSize int
	// Limit is how long it may take to send one report, and how long the rest
	// of a TCP frame may take that has begun; 5 s if zero.
	Limit time.Duration
	// Local is the address that [Dial] sends from, IP:PORT, for a simulator
	// that answers to a fixed port. The system chooses one if it is empty.
	Local string
	// Hosts is how many hosts a server has at once; 64 if zero.
	Hosts int
	// Idle is how long a host may send no datagram before [Serve] forgets it;
	// 10 min if zero. It must be longer than a person may take for a touch.
	Idle time.Duration
}

// complete sets the defaults. It is an error if no socket can carry the reports.
func (cfg Config) complete() (Config, error) {
	if cfg.ReportSize == 0 {
		cfg.ReportSize = ctaphid.ReportSize
	}
	if cfg.Limit <= 0 {
		cfg.Limit = defaultLimit
	}
	if cfg.Hosts <= 0 {
		cfg.Hosts = defaultHosts
	}
	if cfg.Idle <= 0 {
		cfg.Idle = defaultIdle
	}
	if cfg.ReportSize < ctaphid.MinReportSize || cfg.ReportSize > maxReport {
		return cfg, fmt.Errorf("report size %d is not between %d and %d", cfg.ReportSize, ctaphid.MinReportSize, maxReport)
	}
	return cfg, nil
}
