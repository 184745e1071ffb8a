// Package explain tells what a tape holds in the standard's words: packets and
// APDUs put together to messages, messages taken apart to commands, members,
// flags, keys, certificates and extensions, each with its clause, what the PIN
// protocol did, how long everything took, and where somebody broke the
// standard. Clauses are those of CTAP 2.3 unless they name another text.
//
//	file, err := os.Open("login.jsonl")
//	story, err := explain.Read(file, "login.jsonl", explain.Options{})
//	for _, step := range story.Steps {
//		fmt.Println(step.At, step.Dir, step.Name, step.Gist)
//	}
//
// Everything on a tape is foreign: what cannot be read is a [Remark] in its
// place, and the rest is told all the same.
//
// PINs, tokens and shared secrets are never part of a [Story]. Where a tape has
// the seed of its host's randomness, what was encrypted is opened and the story
// says what came of it.
package explain
