// Package diff compares two tapes by what they mean: the same commands and
// subcommands are put beside each other, and their statuses, the members of
// getInfo, authenticator data, attestation formats, extensions and every other
// field of requests and answers are compared. What is new in each session by its
// nature, such as nonces, keys and signatures, has only to be there and to have
// its size. How long things took is told beside it.
//
//	a, err := explain.Read(fileA, "old.jsonl", explain.Options{})
//	b, err := explain.Read(fileB, "new.jsonl", explain.Options{})
//	comparison := diff.Compare(a, b, diff.Config{})
//	if comparison.Verdict == diff.Differs { ... }
//
// The transports of the two may differ: then what belongs to a transport alone,
// such as CTAPHID_INIT and SELECT, is left out.
package diff
