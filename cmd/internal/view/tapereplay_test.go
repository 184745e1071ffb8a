package view_test

import (
	"time"

	"github.com/touchstone-fido/touchstone/cmd/internal/view"
	"github.com/touchstone-fido/touchstone/devices/transcript"
	"github.com/touchstone-fido/touchstone/devices/transcript/replay"
)

// replayed is a report of a tape that ends too early.
func replayed() *replay.Report {
	info := []replay.Fact{{Name: "status", Value: "CTAP2_OK (0x00)"}, {Name: "versions", Value: "[FIDO_2_0]"}}
	return &replay.Report{
		Tape: "tape.jsonl", Match: transcript.MatchRekeyed, Same: 1, NotAsked: 1,
		Steps: []replay.Step{
			{Line: 4, Time: 1500 * time.Microsecond, Question: "authenticatorGetInfo", Request: []byte{4}, Recorded: info, Got: info, Verdict: replay.Same},
			{Line: 9, Time: 2 * time.Millisecond, Question: "authenticatorReset", Recorded: []replay.Fact{{Name: "status", Value: "none"}},
				Verdict: replay.NotAsked, Reason: "the tape has no answer: the tape ends here"},
		},
	}
}

// replayedAgainst is a report of a key that differs.
func replayedAgainst() *replay.Report {
	return &replay.Report{
		Tape: "tape.jsonl", Against: true, Differs: 1,
		Steps: []replay.Step{{
			Line: 4, Question: "command 0x55", Request: []byte{0x55}, Verdict: replay.Differs, Raw: true, Reason: "today's client has no method for it",
			Recorded:    []replay.Fact{{Name: "status", Value: "CTAP1_ERR_INVALID_COMMAND (0x01)"}},
			Got:         []replay.Fact{{Name: "status", Value: "CTAP1_ERR_OTHER (0x7f)"}, {Name: "body", Value: "1 byte after an error"}},
			Differences: []replay.Difference{{Name: "status", Recorded: "CTAP1_ERR_INVALID_COMMAND (0x01)", Got: "CTAP1_ERR_OTHER (0x7f)"}, {Name: "body", Got: "1 byte after an error"}},
		}},
	}
}

// checkedTapes are a good tape, one that differs, one that is no tape and one that
// is counted only.
func checkedTapes() view.TapeChecks {
	return view.TapeChecks{Dir: "tapes", Shard: "1/2", Tapes: []view.CheckedTape{
		{File: "a.jsonl", Messages: transcript.Count{Whole: 8}, Replay: replayed(), Took: 3 * time.Millisecond},
		{File: "b.jsonl", Messages: transcript.Count{Whole: 7, Malformed: 1}, Replay: replayedAgainst(), Failures: []string{"1 message is malformed", "1 answer differs"}},
		{File: "c.jsonl", Failures: []string{"c.jsonl line 1: not JSON"}},
		{File: "d.jsonl", Messages: transcript.Count{Whole: 2, Cut: 1}, NotReplayed: "it has no host side"},
	}}
}
