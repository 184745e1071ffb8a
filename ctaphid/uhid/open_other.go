//go:build !linux

package uhid

import "io"

func openNode() (io.ReadWriteCloser, error) { return nil, ErrUnsupported }
