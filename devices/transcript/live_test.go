package transcript

import (
	"context"
	"encoding/hex"
	"errors"
	"testing"
	"testing/synctest"

	"github.com/touchstone-fido/touchstone/ctaphid"
)

// reader reads in the background, as a server does that carries reports on.
type reader struct {
	got chan string // reports in hex
	err chan error
}

func readAll(ctx context.Context, conn ctaphid.ReportConn) reader {
	r := reader{make(chan string, 100), make(chan error, 1)}
	go func() {
		for p := make([]byte, 64); ; {
			n, err := conn.ReadReport(ctx, p)
			if err != nil {
				r.err <- err
				return
			}
			r.got <- hex.EncodeToString(p[:n])
		}
	}()
	return r
}

func livePlayer(t *testing.T, lines ...string) *Player {
	t.Helper()
	player, err := NewPlayer(hidTape(t, lines...), PlayConfig{})
	if err != nil {
		t.Fatal(err)
	}
	return player
}

// wants wants these answers, and then none.
func (r reader) wants(t *testing.T, answers ...string) {
	t.Helper()
	synctest.Wait()
	for _, want := range answers {
		select {
		case got := <-r.got:
			if want = hex.EncodeToString(report(want)); got != want {
				t.Errorf("read\n%s, want\n%s", got, want)
			}
		default:
			t.Fatalf("no answer %s", want)
		}
	}
	if len(r.got) > 0 {
		t.Errorf("one more answer: %s", <-r.got)
	}
}

const (
	liveInit     = "ffffffff8600080102030405060708"
	liveGiven    = "ffffffff8600110102030405060708000000070205010204"
	liveAsk      = "0000000790000104"
	liveAnswer   = "00000007900002000a"
	liveContinue = "000000070000"
)

// TestLiveReadsWait plays a tape of two connections to a host that reads all the
// time and never says when it leaves.
func TestLiveReadsWait(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		player := livePlayer(t, "> "+liveInit, "< "+liveGiven, "> "+liveAsk, "< "+liveAnswer, "< "+liveContinue, `{"event":"close"}`, "> "+liveAsk,
			`{"event":"error","op":"read","kind":"ended"}`, "> "+liveAsk, "< "+liveAnswer)
		conn := player.Connect()
		r := readAll(t.Context(), conn)
		for _, step := range []struct {
			ask     string
			answers []string
		}{
			{liveInit, []string{liveGiven}}, {liveAsk, []string{liveAnswer, liveContinue}}, {liveAsk, nil}, {liveAsk, []string{liveAnswer}},
		} {
			r.wants(t)
			if err := conn.WriteReport(t.Context(), report(step.ask)); err != nil {
				t.Fatal(err)
			}
			r.wants(t, step.answers...)
		}
		if err := player.Close(); err != nil || player.Failed() != nil {
			t.Errorf("%v, %v", err, player.Failed())
		}
		for range 2 {
			if err := conn.Close(); err != nil {
				t.Error(err)
			}
		}
		if err := <-r.err; !errors.Is(err, ctaphid.ErrClosed) {
			t.Errorf("the read ends with %v", err)
		}
	})
}

// TestLiveAnswersGoToWhoAsked: each program at a socket has a connection.
func TestLiveAnswersGoToWhoAsked(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		player := livePlayer(t, "> "+liveAsk, "< "+liveAnswer, "> "+liveAsk, "< "+liveAnswer)
		ctx, stop := context.WithCancelCause(t.Context())
		left := errors.New("left")
		var readers []reader
		var conns []ctaphid.ReportConn
		for range 2 {
			conns = append(conns, player.Connect())
			readers = append(readers, readAll(ctx, conns[len(conns)-1]))
		}
		for i, conn := range conns {
			if err := conn.WriteReport(ctx, report(liveAsk)); err != nil {
				t.Fatal(err)
			}
			readers[i].wants(t, liveAnswer)
			readers[1-i].wants(t)
		}
		stop(left)
		for _, r := range readers {
			if err := <-r.err; !errors.Is(err, left) {
				t.Error(err)
			}
		}
	})
}

// TestLiveIsStrict: a question that differs ends it for everybody.
func TestLiveIsStrict(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		player := livePlayer(t, "> "+liveAsk, "< "+liveAnswer)
		conn, other := player.Connect(), readAll(t.Context(), player.Connect())
		var mismatch *MismatchError
		if err := conn.WriteReport(t.Context(), report("0000000790000101")); !errors.As(err, &mismatch) {
			t.Errorf("asked for %v", err)
		}
		if err := <-other.err; !errors.As(err, &mismatch) {
			t.Errorf("the other reads %v", err)
		}
		if !errors.As(player.Failed(), &mismatch) {
			t.Errorf("failed by %v", player.Failed())
		}
		var unread *UnreadError
		if err := player.Close(); !errors.As(err, &unread) || unread.Requests != 1 {
			t.Errorf("closed with %v", err)
		}
	})
}

// TestLiveRecordedEnd: what ended the session on the tape ends it again.
func TestLiveRecordedEnd(t *testing.T) {
	for line, want := range map[string]error{
		`{"event":"error","op":"read","kind":"gone"}`: ctaphid.ErrGone, `{"cut":"a page is missing"}`: ErrCut,
	} {
		player := livePlayer(t, "> "+liveAsk, line)
		conn := player.Connect()
		if err := conn.WriteReport(t.Context(), report(liveAsk)); err != nil {
			t.Fatal(err)
		}
		if _, err := conn.ReadReport(t.Context(), make([]byte, 64)); !errors.Is(err, want) || !errors.Is(player.Failed(), want) {
			t.Errorf("%s: %v, failed by %v", line, err, player.Failed())
		}
	}
}
