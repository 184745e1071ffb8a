// Package replay asks the questions of a tape again, through today's client, and
// compares the answers with the recorded ones.
//
// [Run] has the tape itself answer, with keys of the player's own: what today's
// client makes of each answer has to be what the tape says.
//
//	tape, err := transcript.LoadFile("login.jsonl")
//	report, err := replay.Run(ctx, tape, replay.Options{Match: transcript.MatchRekeyed})
//	for _, step := range report.Steps { ... step.Verdict ... }
//
// [Against] asks a key, real or in software. Its answers are compared by meaning:
// statuses, members, lengths and formats, whether signatures verify, which of the
// session's credentials an answer is about; random values are not.
package replay
