// Package simulator carries HID reports over sockets, for keys that are
// programs: a firmware's simulator, or the software key served to other
// programs. [Dial] is the host's end, [Serve] and [ServeStream] are the key's.
//
//	conn, err := simulator.Dial(ctx, "udp", "127.0.0.1:8111", simulator.Config{})
//	if errors.Is(err, simulator.ErrNotRunning) { ... start it first ... }
//	ch, err := ctaphid.Open(ctx, conn, ctaphid.Config{})
//
// Over UDP a datagram is one report of 64 bytes, without a report ID. Over TCP
// a report follows its length in two bytes, big-endian. Nothing is encrypted and
// nobody is asked who he is: such a socket belongs on a loopback address.
//
// There is no standard for it. These programs were looked at:
//
//   - SoloKeys solo1 (pc/device.c), its descendant Nitrokey FIDO2, and
//     canokey-core's fido-hid-over-udp: UDP. They listen on port 8111 and answer
//     to 127.0.0.1:7112 whoever asked, so Config.Local has to be that.
//   - The UDP host of fido2-tests and of the makers' own tools, which takes the
//     place of python-fido2's HID connection: it sends from 127.0.0.1:7112 to
//     port 8111, and works with [Serve]. python-fido2 itself, its tests
//     included, has no socket.
//   - The emulator of Trezor's firmware: UDP port 21326, answers to the sender.
//   - Pico FIDO (pico-keys-sdk's emulation): TCP port 35962, one host at a time,
//     the newest. It and its tests' host send length and report in two pieces,
//     and read each with one call, so that a frame has to arrive whole.
//   - Nitrokey 3 (trussed's usbip runner) and canokey-usbip speak USB/IP, and
//     CanoKey in QEMU is a USB device of the guest: the operating system makes
//     hidraw nodes of these, which package hidraw opens. OpenSK has no such
//     socket; a proposed host build reads bare reports from a Unix socket.
package simulator
