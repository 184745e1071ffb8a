// Package transcript keeps sessions with security keys on tape: it records
// them, loads them, plays them back in place of the key, and checks what is on
// them.
//
// A tape is JSON Lines. Its first line is a header; each further line is one
// crossing of the report or APDU seam, or an event:
//
//	{"touchstone":1,"transport":"hid","device":{"product":"..."},"report_size":64}
//	{"t_us":1834,"dir":"out","hex":"ffffffff860008..."}
//	{"t_us":2411,"dir":"in","hex":"ffffffff860011..."}
//	{"t_us":9000,"event":"error","op":"read","kind":"gone","text":"..."}
//
// Tapes of other programs load too: a header of their own or none, "tx" and
// "rx" for the directions, whole CTAPHID messages ("level":"msg", "cmd") or
// APDUs ("level":"apdu") among the reports, and {"cut":"..."} where something
// is missing. Without a header and a level, the size and the look of the
// records tell reports from APDUs.
//
// To record, wrap the connection:
//
//	rec, err := transcript.NewRecorder(file, transcript.Header{Transport: transcript.HID}, nil)
//	ch, err := ctaphid.Open(ctx, rec.Reports(conn), cfg)
//	...
//	err = ch.Close() // also tells whether the tape could be written
//
// To replay, put a player where the connection was. It answers the tape's
// questions in the tape's order and no others, and its Close tells when some
// were never asked:
//
//	tape, err := transcript.LoadFile("login.jsonl")
//	player, err := transcript.NewPlayer(tape, transcript.PlayConfig{})
//	conn, err := player.Reports() // or player.Card()
//	ch, err := ctaphid.Open(ctx, conn, tape.HIDConfig())
//	...
//	err = ch.Close() // an UnreadError, if the tape has more
//
// A tape without a seed, on which there is a PIN, replays by re-keying: with
// PlayConfig.Match the player compares whole messages, does the key agreement
// itself and holds the host to what it has to prove.
//
// In a test, one call does it all:
//
//	conn, err := transcript.Open(t, "testdata/login.jsonl").Reports()
//
// [Check] counts what is on a tape without loading it.
package transcript
