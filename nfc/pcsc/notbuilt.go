//go:build !(windows || (cgo && darwin) || (cgo && pcsc && (linux || freebsd)))

package pcsc

// Built says whether this program can reach PC/SC.
const Built = false

var system driver = missing{}

type missing struct{}

func (missing) readers() ([]Reader, error)   { return nil, ErrNotBuilt }
func (missing) present(string) (bool, error) { return false, ErrNotBuilt }
func (missing) connect(string) (link, error) { return nil, ErrNotBuilt }
func (missing) shared(string) bool           { return false }
