package transcript

// TB is what [Open] needs of a [*testing.T], a testing.B or an F.
type TB interface {
	Helper()
	Cleanup(func())
	Errorf(format string, args ...any)
	Fatalf(format string, args ...any)
	Failed() bool
}

// Open loads a tape for a test and plays it as strictly as it can be
// ([Tape.Match]): byte for byte if it has its seed, or holds nothing that a key
// agreement makes different, and else by re-keying. A tape that is missing or
// cannot be played ends the test. At its end, the test fails if the tape has more
// than was asked for, unless it has failed already.
func Open(t TB, file string) *Player {
	t.Helper()
	return OpenAs(t, file, func(tape *Tape) PlayConfig { return PlayConfig{Match: tape.Match()} })
}

// OpenAs is [Open] for a test that says itself how the tape is played.
func OpenAs(t TB, file string, how func(*Tape) PlayConfig) *Player {
	t.Helper()
	tape, err := LoadFile(file)
	if err != nil {
		t.Fatalf("%v", err)
		return nil
	}
	player, err := NewPlayer(tape, how(tape))
	if err != nil {
		t.Fatalf("%v", err)
		return nil
	}
	t.Cleanup(func() {
		if err := player.Close(); err != nil && !t.Failed() {
			t.Errorf("%v", err)
		}
	})
	return player
}

// Tape is what the player plays, for the configuration that its host needs where
// it is matched by bytes ([Tape.HIDConfig], [Tape.NFCConfig]).
func (p *Player) Tape() *Tape { return p.tape }
