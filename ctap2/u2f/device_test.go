package u2f_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"reflect"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/touchstone-fido/touchstone/ctap2/u2f"
	"github.com/touchstone-fido/touchstone/ctap2/u2f/u2ftest"
	"github.com/touchstone-fido/touchstone/fixtures"
)

var unhex = fixtures.Unhex

func newKey(t testing.TB) *u2ftest.Key {
	t.Helper()
	k, err := u2ftest.New()
	if err != nil {
		t.Fatal(err)
	}
	return k
}

var (
	challenge   = bytes.Repeat([]byte{0xc1}, 32)
	application = bytes.Repeat([]byte{0x5a}, 32)
	handle      = []byte{0xaa, 0xbb}
)

// transportFunc answers any request.
type transportFunc func(ctx context.Context, apdu []byte) ([]byte, error)

func (f transportFunc) U2F(ctx context.Context, apdu []byte) ([]byte, error) { return f(ctx, apdu) }

// script is a device whose transport checks each request and answers it, both in
// hex.
func script(t *testing.T, steps ...[2]string) *u2f.Device {
	t.Helper()
	t.Cleanup(func() {
		if len(steps) > 0 && !t.Failed() {
			t.Errorf("%d requests were not made, the first is %s", len(steps), steps[0][0])
		}
	})
	return u2f.New(transportFunc(func(_ context.Context, apdu []byte) ([]byte, error) {
		if len(steps) == 0 {
			t.Fatalf("asked %x after the end", apdu)
		}
		next := steps[0]
		steps = steps[1:]
		if want := unhex(t, next[0]); !bytes.Equal(apdu, want) {
			t.Fatalf("asked\n%x, want\n%x", apdu, want)
		}
		return unhex(t, next[1]), nil
	}), u2f.Config{Pace: time.Nanosecond})
}

var (
	c1 = strings.Repeat("c1", 32)
	a5 = strings.Repeat("5a", 32)

	registerAPDU = "00 01 00 00 00 0040" + c1 + a5 + "0000"
	checkAPDU    = "00 02 07 00 00 0043" + strings.Repeat("00", 32) + a5 + "02 aabb 0000"
	enforceAPDU  = "00 02 03 00 00 0043" + c1 + a5 + "02 aabb 0000"
)

func TestVersionBytes(t *testing.T) {
	const version, legacy = "00 03 00 00 00 00 00", "00 03 00 00 00 00 00 00 00"
	const answer = "553246 5f5632 9000"
	for _, steps := range [][][2]string{
		{{version, answer}},
		{{version, "6700"}, {legacy, answer}},
		{{version, "6d00"}, {legacy, answer}},
	} {
		if got, err := script(t, steps...).Version(t.Context()); got != u2f.Version || err != nil {
			t.Errorf("%q, %v", got, err)
		}
	}
	if _, err := script(t, [2]string{version, "6e00"}).Version(t.Context()); !errors.Is(err, u2f.StatusCLAUnsupported) {
		t.Error(err)
	}
}

func TestRegisterBytes(t *testing.T) {
	v := standardVector(t)
	answer := fmt.Sprintf("%x 9000", v.registration)
	r, err := script(t, [2]string{registerAPDU, "6985"}, [2]string{registerAPDU, "6985"}, [2]string{registerAPDU, answer}).Register(t.Context(), challenge, application)
	if err != nil || !bytes.Equal(r.KeyHandle, v.handle) {
		t.Errorf("%+v, %v", r, err)
	}
	if _, err := script(t, [2]string{registerAPDU, "6986"}).Register(t.Context(), challenge, application); !errors.Is(err, u2f.StatusNotAllowed) {
		t.Error(err)
	}
	if _, err := script(t, [2]string{registerAPDU, "05 9000"}).Register(t.Context(), challenge, application); !errors.Is(err, u2f.ErrMalformed) {
		t.Error(err)
	}
}

func TestAuthenticateBytes(t *testing.T) {
	v := standardVector(t)
	answer := fmt.Sprintf("%x 9000", v.authentication)
	for _, c := range []struct {
		control u2f.Control
		steps   [][2]string
		want    error
	}{
		{u2f.Enforce, [][2]string{{enforceAPDU, "6985"}, {enforceAPDU, answer}}, nil},
		{u2f.Enforce, [][2]string{{enforceAPDU, "6985"}, {enforceAPDU, "6a80"}}, u2f.StatusWrongData},
		{u2f.DontEnforce, [][2]string{{strings.Replace(enforceAPDU, "02 03", "02 08", 1), answer}}, nil},
		{u2f.DontEnforce, [][2]string{{strings.Replace(enforceAPDU, "02 03", "02 08", 1), "6985"}}, u2f.StatusConditions},
		{u2f.CheckOnly, [][2]string{{strings.Replace(enforceAPDU, "02 03", "02 07", 1), "6985"}}, u2f.StatusConditions},
	} {
		a, err := script(t, c.steps...).Authenticate(t.Context(), c.control, challenge, application, handle)
		if !errors.Is(err, c.want) || (a == nil) == (c.want == nil) {
			t.Errorf("%02x: %+v, %v", c.control, a, err)
		}
	}
}

func TestKnown(t *testing.T) {
	for answer, want := range map[string]bool{"6985": true, "6a80": false, "6700": false} {
		got, err := script(t, [2]string{checkAPDU, answer}).Known(t.Context(), application, handle)
		if got != want || err != nil {
			t.Errorf("%s: %v, %v", answer, got, err)
		}
	}
	if _, err := script(t, [2]string{checkAPDU, "6e00"}).Known(t.Context(), application, handle); !errors.Is(err, u2f.StatusCLAUnsupported) {
		t.Error(err)
	}
	for _, n := range []int{0, 256} {
		if got, err := script(t).Known(t.Context(), application, make([]byte, n)); got || err != nil {
			t.Errorf("a handle of %d bytes: %v, %v", n, got, err)
		}
	}
}

func TestParametersAreHashes(t *testing.T) {
	d := script(t)
	_, register := d.Register(t.Context(), challenge[1:], application)
	_, authenticate := d.Authenticate(t.Context(), u2f.Enforce, challenge, nil, handle)
	_, long := d.Authenticate(t.Context(), u2f.Enforce, challenge, application, make([]byte, 256))
	for _, err := range []error{register, authenticate, long} {
		if err == nil {
			t.Error("no error")
		}
	}
}

func TestNoAnswer(t *testing.T) {
	gone := errors.New("gone")
	for _, c := range []struct {
		answer []byte
		err    error
		want   error
	}{{nil, nil, u2f.ErrMalformed}, {[]byte{0x90}, nil, u2f.ErrMalformed}, {nil, gone, gone}} {
		d := u2f.New(transportFunc(func(context.Context, []byte) ([]byte, error) { return c.answer, c.err }), u2f.Config{})
		if _, err := d.Version(t.Context()); !errors.Is(err, c.want) {
			t.Errorf("%x: %v", c.answer, err)
		}
	}
}

// TestTouchIsWaitedFor: the key is asked again at the pace, and what it waits
// for is told each time.
func TestTouchIsWaitedFor(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		k := newKey(t)
		k.Untouched = 3
		var told []time.Duration
		d := u2f.New(k, u2f.Config{OnTouchNeeded: func(since time.Duration) { told = append(told, since) }})
		start := time.Now()
		r, err := d.Register(t.Context(), challenge, application)
		if err != nil || r.Verify(challenge, application) != nil {
			t.Fatalf("%+v, %v", r, err)
		}
		if want := []time.Duration{0, u2f.DefaultPace, 2 * u2f.DefaultPace}; !slices.Equal(told, want) || time.Since(start) != 3*u2f.DefaultPace {
			t.Errorf("told after %v, touched after %v", told, time.Since(start))
		}
	})
}

func TestTheWaitEndsWithTheContext(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		k := newKey(t)
		k.Untouched = 1 << 30
		cause := errors.New("had enough")
		const limit = 10*u2f.DefaultPace + u2f.DefaultPace/2
		ctx, stop := context.WithTimeoutCause(t.Context(), limit, cause)
		defer stop()
		start := time.Now()
		if err := u2f.New(k, u2f.Config{}).Touch(ctx); !errors.Is(err, cause) || time.Since(start) != limit {
			t.Errorf("%v after %v", err, time.Since(start))
		}
		if len(k.Asked) != 11 {
			t.Errorf("asked %d times", len(k.Asked))
		}
	})
}

func TestRegisterAndAuthenticate(t *testing.T) {
	k := newKey(t)
	d := u2f.New(k, u2f.Config{Pace: time.Nanosecond})
	r, err := d.Register(t.Context(), challenge, application)
	if err != nil {
		t.Fatal(err)
	}
	public, err := r.Key()
	if err != nil {
		t.Fatal(err)
	}
	for control, flags := range map[u2f.Control]byte{u2f.Enforce: 1, u2f.DontEnforce: 0} {
		a, err := d.Authenticate(t.Context(), control, challenge, application, r.KeyHandle)
		if err != nil || a.Flags != flags || a.Verify(public, challenge, application) != nil {
			t.Errorf("%02x: %+v, %v", control, a, err)
		}
	}
	known, err := d.Known(t.Context(), application, r.KeyHandle)
	other, otherErr := d.Known(t.Context(), challenge, r.KeyHandle)
	if !known || other || err != nil || otherErr != nil {
		t.Errorf("known %v, for another application %v, %v, %v", known, other, err, otherErr)
	}
	if want := []string{"01 00", "02 07", "02 07"}; !reflect.DeepEqual(slices.DeleteFunc(k.Asked, func(s string) bool { return s == "02 03" || s == "02 08" }), want) {
		t.Errorf("asked %v", k.Asked)
	}
}
