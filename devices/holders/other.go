//go:build !linux

package holders

import "context"

// OfNode returns [ErrUnsupported].
func OfNode(context.Context, string, string) (Found, error) { return Found{}, ErrUnsupported }

// OfSocket returns [ErrUnsupported].
func OfSocket(context.Context, string, string) (Socket, error) { return Socket{}, ErrUnsupported }
