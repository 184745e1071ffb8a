package statefile

import (
	"os"
	"slices"
	"sync"
)

// A POSIX lock goes away when its process closes any descriptor of the file. So
// no file that SQLite has open may be opened by anything else in the process,
// not even to look at it: claims are asked for first.
var claims struct {
	mu    sync.Mutex
	files []*claim
}

// claim is the right of one File of this process to its file.
type claim struct{ info os.FileInfo }

// claimFile is ErrInUse when the file is claimed under whatever name.
func claimFile(info os.FileInfo) (*claim, error) {
	claims.mu.Lock()
	defer claims.mu.Unlock()
	for _, c := range claims.files {
		if os.SameFile(c.info, info) {
			return nil, ErrInUse
		}
	}
	c := &claim{info: info}
	claims.files = append(claims.files, c)
	return c, nil
}

func (c *claim) release() {
	claims.mu.Lock()
	defer claims.mu.Unlock()
	claims.files = slices.DeleteFunc(claims.files, func(other *claim) bool { return other == c })
}
