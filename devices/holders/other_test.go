//go:build !linux

package holders

import (
	"errors"
	"testing"
)

func TestUnsupported(t *testing.T) {
	_, node := OfNode(t.Context(), "", "node")
	_, socket := OfSocket(t.Context(), "", PCSCSocket)
	if !errors.Is(node, errors.ErrUnsupported) || !errors.Is(socket, ErrUnsupported) {
		t.Errorf("%v, %v", node, socket)
	}
}
