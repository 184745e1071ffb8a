package devices_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"sync"
	"testing"
	"time"

	"github.com/touchstone-fido/touchstone/devices"
	"github.com/touchstone-fido/touchstone/devices/virtual"
	"github.com/touchstone-fido/touchstone/nfc"
)

func TestSweepAPDUs(t *testing.T) {
	sweep(t, func(key *virtual.Authenticator) socket { return newReader(key) })
}

// reader is a card reader with the software key on it.
type reader struct {
	key     *virtual.Authenticator
	card    *nfc.Emulator
	running sync.WaitGroup // what was sent and is not waited for
}

func newReader(key *virtual.Authenticator) *reader {
	return &reader{key: key, card: nfc.NewEmulator(key, nfc.EmulatorConfig{})}
}

func (r *reader) remove() {
	r.card.PowerOff()
	r.running.Wait()
}

func (r *reader) replug() { r.card.Reset() }

func (r *reader) link(s *trouble) devices.Link {
	return devices.Link{
		Info: devices.Info{Transport: devices.NFC},
		Card: &radio{card: r.card, trouble: s, remove: r.card.PowerOff, running: &r.running},
	}
}

// errLost is what a reader says of an APDU that was lost on the way.
var errLost = errors.New("the reader could not reach the card")

// radio carries APDUs, one of them badly. As with PC/SC, an APDU that the host
// does not wait for any more runs on, and the next one waits for it.
type radio struct {
	card    *nfc.Emulator
	trouble *trouble
	remove  func()

	running *sync.WaitGroup
	busy    chan struct{} // closed when an APDU that runs on is done
}

func (r *radio) Close() error { return nil }

// Transmit is two crossings, one each way.
func (r *radio) Transmit(ctx context.Context, apdu []byte) ([]byte, error) {
	if err := r.ready(ctx); err != nil {
		return nil, err
	}
	switch f := r.trouble.strikes(); f {
	case faultDrop:
		return nil, errLost
	case faultDuplicate:
		if _, err := r.card.Transmit(ctx, apdu); err != nil {
			return nil, err
		}
	case faultDelay:
		return r.late(ctx, apdu, sweepDelay, 0)
	case faultGone:
		r.remove()
		return nil, fmt.Errorf("radio: %w", nfc.ErrGone)
	default:
		apdu = disturbedCommand(apdu, f)
	}
	answer, err := r.card.Transmit(ctx, apdu)
	if err != nil {
		return nil, err
	}
	return r.answer(ctx, answer)
}

// answer is the crossing to the host.
func (r *radio) answer(ctx context.Context, answer []byte) ([]byte, error) {
	switch f := r.trouble.strikes(); f {
	case faultDrop:
		return nil, errLost
	case faultDuplicate:
		return bytes.Repeat(answer, 2), nil
	case faultDelay:
		return r.late(ctx, nil, 0, sweepDelay)
	case faultGone:
		r.remove()
		return nil, fmt.Errorf("radio: %w", nfc.ErrGone)
	default:
		answer = disturbedAnswer(answer, f)
	}
	return answer, nil
}

// ready waits for an APDU that runs on.
func (r *radio) ready(ctx context.Context) error {
	if r.busy == nil {
		return nil
	}
	select {
	case <-r.busy:
		r.busy = nil
		return nil
	case <-ctx.Done():
		return context.Cause(ctx)
	}
}

// late sends an APDU, unless that is nil, and holds on to its answer. The host
// has stopped waiting by then.
func (r *radio) late(ctx context.Context, apdu []byte, before, after time.Duration) ([]byte, error) {
	busy := make(chan struct{})
	r.busy = busy
	r.running.Go(func() {
		defer close(busy)
		time.Sleep(before)
		if apdu != nil {
			r.card.Transmit(context.Background(), apdu)
		}
		time.Sleep(after)
	})
	<-ctx.Done()
	return nil, context.Cause(ctx)
}

// disturbedCommand is a command on another logical channel, out of its chain,
// or cut short.
func disturbedCommand(apdu []byte, f fault) []byte {
	apdu = bytes.Clone(apdu)
	switch f {
	case faultChannel:
		apdu[0] |= 0x01
	case faultSequence:
		apdu[0] ^= nfc.ClassChain
	case faultTruncate:
		apdu = apdu[:len(apdu)/2]
	}
	return apdu
}

// disturbedAnswer is an answer of another logical channel, one that has more or
// has no more, or one that is cut short.
func disturbedAnswer(answer []byte, f fault) []byte {
	answer = bytes.Clone(answer)
	sw := answer[len(answer)-2:]
	switch {
	case f == faultChannel:
		return []byte{0x68, 0x81}
	case f == faultSequence && sw[0] == 0x61:
		copy(sw, []byte{0x90, 0x00})
	case f == faultSequence:
		copy(sw, []byte{0x61, 0x10})
	case f == faultTruncate:
		answer = answer[:len(answer)/2]
	}
	return answer
}
