//go:build !(windows || (cgo && darwin) || (cgo && pcsc && (linux || freebsd)))

package pcsc

var newWatcher = func() (watcher, error) { return nil, ErrNotBuilt }
