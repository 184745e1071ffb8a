// Package redact makes a tape fit to be published: what tells who made it, with
// which key and for which sites gives way to pseudonyms of the same length, and
// what the PIN has left behind to noise.
//
//	result, err := redact.Run(tape, redact.Options{})
//	result.Tape.WriteTo(file)
//
// Pseudonyms are the same wherever a value is, in hashes and encodings of it too,
// and over several tapes that are redacted with the same key. As all lengths stay,
// so does the framing, and the tape replays. What was signed over a value that has
// changed no longer verifies; nothing is signed anew, and the tape's header says
// so.
//
// What is not known to be harmless counts as identifying. A message that cannot be
// read is a reason to refuse ([UnreadableError]), as a guess at it could leak.
//
// [Leaks] looks for what should not be on a tape.
package redact
