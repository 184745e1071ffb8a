// Package ctaphid carries CTAP messages over USB HID reports, as CTAP 2.3
// §11.2 has it: the packet codec ([ParsePacket], [Fragmenter], [Assembler]),
// the host's side ([Channel]) and the key's side ([Device]).
//
// What most callers need is a channel on a connection that a backend opened:
//
//	ch, err := ctaphid.Open(ctx, conn, ctaphid.Config{
//		OnKeepalive: func(k ctaphid.Keepalive) { ... "touch your key" ... },
//	})
//	if err != nil {
//		return err
//	}
//	defer ch.Close()
//	answer, err := ch.Exchange(ctx, []byte{0x04}) // authenticatorGetInfo
//	if errors.Is(err, ctaphid.ErrGone) { ... the key was unplugged ... }
//
// The package knows nothing of CTAP2: the payload of a message is opaque.
package ctaphid
