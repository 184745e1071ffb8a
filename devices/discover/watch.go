package discover

import (
	"context"
	"iter"
	"sync"
	"time"

	"github.com/touchstone-fido/touchstone/devices"
)

// Watch tells what keys are there, and from then on what comes, leaves and
// changes, until ctx ends or the caller has enough. Each place that [List] looks
// at is watched by itself, so that one that does not answer keeps nothing back.
// What the backend can tell of is told at once; USB through usbhid is looked at
// every half second.
//
// A key that is plugged in may first come without permission and change as soon
// as udev has given it: these are two events. One that comes, leaves and comes
// again within a tenth of a second came once. Readers count as keys while there
// is a card on them. Nothing is opened: see [Identify].
func Watch(ctx context.Context, o Options) iter.Seq[devices.Change] {
	return func(yield func(devices.Change) bool) {
		ctx, stop := context.WithCancel(ctx)
		changes := make(chan devices.Change)
		var followers sync.WaitGroup
		for _, s := range o.places() {
			followers.Go(func() { s.follow(ctx, changes) })
		}
		defer followers.Wait()
		defer stop()
		for {
			select {
			case c := <-changes:
				if !yield(c) {
					return
				}
			case <-ctx.Done():
				return
			}
		}
	}
}

// follow sends the changes of one place.
func (s source) follow(ctx context.Context, changes chan<- devices.Change) {
	wake := make(chan struct{}, 1)
	var waiter sync.WaitGroup
	waiter.Go(func() { s.keepWatch(ctx, wake) })
	defer waiter.Wait()
	seen := newHistory(s.backend)
	for {
		found, err := s.list(ctx)
		if ctx.Err() != nil {
			return // what was cancelled says nothing
		}
		news, again := seen.update(time.Now(), found, err)
		for _, c := range news {
			select {
			case changes <- c:
			case <-ctx.Done():
				return
			}
		}
		if !rest(ctx, wake, again) {
			return
		}
	}
}

// keepWatch wakes the follower when the place may have changed, and as often as
// it is to be looked at where it does not tell.
func (s source) keepWatch(ctx context.Context, wake chan<- struct{}) {
	notify := func() {
		select {
		case wake <- struct{}{}:
		default: // it wakes up already
		}
	}
	for ctx.Err() == nil {
		if s.watch != nil {
			// How it fails, listing will tell. A service that is about to stop
			// answers this and that before it is gone.
			_ = s.watch(ctx, notify)
			sleep(ctx, settling)
			notify()
		}
		sleep(ctx, s.poll)
		notify()
	}
}

// rest waits until the follower is woken, or for the time after which to look
// again, if that is not zero. It reports false when ctx has ended.
func rest(ctx context.Context, wake <-chan struct{}, again time.Duration) bool {
	var late <-chan time.Time
	if again > 0 {
		timer := time.NewTimer(again)
		defer timer.Stop()
		late = timer.C
	}
	select {
	case <-wake:
	case <-late:
	case <-ctx.Done():
	}
	return ctx.Err() == nil
}

// sleep waits, until ctx ends at most.
func sleep(ctx context.Context, d time.Duration) { rest(ctx, nil, d) }
