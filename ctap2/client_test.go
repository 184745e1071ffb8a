package ctap2_test

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/touchstone-fido/touchstone/ctap2"
	"github.com/touchstone-fido/touchstone/ctap2/wire"
)

func TestStatusIsAnError(t *testing.T) {
	err := answering(t, "2e").Selection(t.Context())
	var e *ctap2.Error
	if !errors.Is(err, ctap2.StatusNoCredentials) || errors.Is(err, ctap2.StatusOther) || !errors.As(err, &e) {
		t.Fatalf("%v", err)
	}
	if e.Command != ctap2.CommandSelection || e.Error() != "authenticatorSelection: CTAP2_ERR_NO_CREDENTIALS (0x2e)" {
		t.Errorf("%+v: %v", e, e)
	}
}

func TestStatusNames(t *testing.T) {
	for status, want := range map[ctap2.Status]string{
		0x00: "CTAP2_OK (0x00)", 0x31: "CTAP2_ERR_PIN_INVALID (0x31)", 0x38: "CTAP2_ERR_PIN_TOKEN_EXPIRED (0x38)",
		0x13: "unknown status (0x13)", 0xe5: "extension error (0xe5)", 0xf2: "vendor error (0xf2)",
	} {
		if status.Error() != want {
			t.Errorf("%v, want %s", status, want)
		}
	}
}

func TestNames(t *testing.T) {
	for _, c := range []struct {
		v    fmt.Stringer
		want string
	}{
		{ctap2.CommandGetInfo, "authenticatorGetInfo"},
		{ctap2.Command(0x55), "command 0x55"},
		{ctap2.PINGetTokenUsingPIN, "getPinUvAuthTokenUsingPinWithPermissions"},
		{ctap2.PINSubcommand(8), "subcommand 0x08"},
		{ctap2.InfoMaxMsgSize, "maxMsgSize (0x05)"},
		{ctap2.InfoMember(0x99), "member 0x99"},
	} {
		if c.v.String() != c.want {
			t.Errorf("%s, want %s", c.v, c.want)
		}
	}
}

func TestCancelTellsItsCause(t *testing.T) {
	cause := errors.New("the user pressed Ctrl-C")
	ctx, cancel := context.WithCancelCause(t.Context())
	cancel(cause)
	err := answering(t, "2d").Reset(ctx)
	if !errors.Is(err, ctap2.StatusKeepaliveCancel) || !errors.Is(err, cause) {
		t.Errorf("%v", err)
	}
	if err := answering(t, "00").Reset(ctx); err != nil {
		t.Errorf("an answer that came before the cancel is lost: %v", err)
	}
}

func TestTimeoutCancels(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		waits := transportFunc(func(ctx context.Context, _ []byte) ([]byte, error) {
			<-ctx.Done()
			return []byte{byte(ctap2.StatusKeepaliveCancel)}, nil
		})
		start := time.Now()
		err := ctap2.New(waits, ctap2.Config{Timeout: time.Minute}).Selection(t.Context())
		if !errors.Is(err, ctap2.ErrTimeout) || !errors.Is(err, ctap2.StatusKeepaliveCancel) || time.Since(start) != time.Minute {
			t.Errorf("%v after %v", err, time.Since(start))
		}
	})
}

func TestTransportErrorsPassThrough(t *testing.T) {
	gone := errors.New("gone")
	c := ctap2.New(transportFunc(func(context.Context, []byte) ([]byte, error) { return nil, gone }), ctap2.Config{})
	if _, err := c.GetInfo(t.Context()); !errors.Is(err, gone) || !strings.Contains(err.Error(), "authenticatorGetInfo") {
		t.Error(err)
	}
}

func TestBadAnswers(t *testing.T) {
	for _, c := range []struct {
		name, answer string
		kind         error
	}{
		{"no byte", "", ctap2.ErrEmptyResponse},
		{"no body", "00", ctap2.ErrEmptyResponse},
		{"cut", "00 a1 01", wire.ErrMalformed},
		{"trailing", "00 a0 00", wire.ErrMalformed},
		{"list", "00 80", nil},
		{"huge length", "00 bb ffffffffffffffff", wire.ErrMalformed},
	} {
		_, err := answering(t, c.answer).GetInfo(t.Context())
		var bad *ctap2.ResponseError
		if !errors.As(err, &bad) || bad.Command != ctap2.CommandGetInfo || c.kind != nil && !errors.Is(err, c.kind) {
			t.Errorf("getInfo, %s: %v", c.name, err)
		}
		if _, err := answering(t, c.answer).GetNextAssertion(t.Context()); !errors.As(err, &bad) {
			t.Errorf("getNextAssertion, %s: %v", c.name, err)
		}
	}
}

func TestMaxMsgSizeIsHonoured(t *testing.T) {
	c := ctap2.New(play(t, step{"04", "00 a3 0181684649444f5f325f30 0350" + strings.Repeat("00", 16) + "05190400"}), ctap2.Config{})
	if _, err := c.GetInfo(t.Context()); err != nil {
		t.Fatal(err)
	}
	_, err := c.GetAssertion(t.Context(), &ctap2.GetAssertionRequest{RPID: strings.Repeat("x", 1024)})
	if !errors.Is(err, ctap2.ErrMessageTooLong) {
		t.Errorf("%v", err)
	}
}

// TestClientIsShared runs commands next to the getInfo that sets their limit,
// for the race detector.
func TestClientIsShared(t *testing.T) {
	c := ctap2.New(transportFunc(func(_ context.Context, msg []byte) ([]byte, error) {
		if ctap2.Command(msg[0]) == ctap2.CommandGetInfo {
			return unhex(t, getInfoAnswer), nil
		}
		return []byte{0}, nil
	}), ctap2.Config{})
	errs := make(chan error)
	for range 4 {
		go func() { _, err := c.GetInfo(t.Context()); errs <- err }()
		go func() { errs <- c.Selection(t.Context()) }()
	}
	for range 8 {
		if err := <-errs; err != nil {
			t.Error(err)
		}
	}
}
