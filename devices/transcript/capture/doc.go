// Package capture brings in what other programs captured of a session with a
// security key, and writes it as tapes of package transcript: USB captures,
// debug logs of FIDO clients, logs of card readers. It also writes a tape as a
// capture that Wireshark opens.
//
// The form of a capture is found by looking at it. Import reads it once, from
// the front to the end, in memory that does not grow with it, and asks for a
// file for each key that it finds:
//
//	result, err := capture.Import(file, "login.pcapng", func(n int, d capture.Device) (io.WriteCloser, string, error) {
//		name := fmt.Sprintf("login-%d.jsonl", n)
//		f, err := os.OpenFile(name, os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o644)
//		return f, name, err
//	})
//	for _, tape := range result.Tapes { ... tape.Summary ... }
//	for _, remark := range result.Remarks { ... what is missing, and where ... }
//
// A capture is untrusted and seldom whole. What is there is imported; what is
// missing or damaged is a gap or a partial record on the tape and a [Remark]
// that says where. Only what belongs to FIDO keys is imported, and
// [Result.LeftOut] tells what does not.
package capture
