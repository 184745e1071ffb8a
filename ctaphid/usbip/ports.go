package usbip

import (
	"fmt"
	"strconv"
	"strings"
)

// A line of vhci_hcd's status begins with the hub, the port and what is on it.
const (
	hubHighSpeed = "hs" // has ports for full speed, too
	portFree     = "004"
)

// parsePorts returns the free ports for a full-speed device that a status file
// of vhci_hcd tells of. Its first line is a heading.
func parsePorts(status string) ([]int, error) {
	_, lines, _ := strings.Cut(status, "\n")
	var free []int
	for line := range strings.Lines(lines) {
		fields := strings.Fields(line)
		if len(fields) < 3 {
			return nil, fmt.Errorf("unknown form of a port: %q", line)
		}
		port, err := strconv.ParseUint(fields[1], 10, 16)
		if err != nil {
			return nil, fmt.Errorf("unknown form of a port: %q", line)
		}
		if fields[0] == hubHighSpeed && fields[2] == portFree {
			free = append(free, int(port))
		}
	}
	return free, nil
}
