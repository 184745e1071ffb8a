package discover

import (
	"context"
	"errors"
	"slices"
	"strings"

	"github.com/touchstone-fido/touchstone/ctap2"
	"github.com/touchstone-fido/touchstone/devices"
)

// Choose finds the one key that a selector names: by what [List] tells, by its
// model, for which it opens every key and asks, or by the touch of a person, for
// which it has every USB key wait for one. It leaves no key open.
//
// The error is a [*devices.NotOneError] if there is none or there are several;
// keys that could not be asked are left out in its listing.
func Choose(ctx context.Context, s devices.Selector, o Options) (devices.Info, error) {
	l := List(ctx, o)
	c := chooser{selector: s, listing: l, open: o.open}
	switch s.Kind {
	case devices.KindAAGUID:
		return c.byModel(ctx)
	case devices.KindTouch:
		return c.byTouch(ctx)
	}
	return l.One(s)
}

// open is [Open], and in tests what these options say.
func (o Options) open(ctx context.Context, info devices.Info) (devices.Link, error) {
	if o.sources != nil {
		return open(ctx, o.sources, info)
	}
	return Open(ctx, info)
}

type chooser struct {
	selector devices.Selector
	listing  devices.Listing
	open     func(context.Context, devices.Info) (devices.Link, error)
}

// keys is every key once, also one that is on a reader as well.
func (c *chooser) keys() []devices.Info {
	only, err := c.listing.One(devices.Selector{Kind: devices.KindOnly})
	if several := (*devices.NotOneError)(nil); errors.As(err, &several) {
		return several.Matches
	}
	return []devices.Info{only}
}

// without notes why a key could not be asked.
func (c *chooser) without(info devices.Info, err error) {
	c.listing.LeftOut = append(c.listing.LeftOut, leftOut(info, err))
	c.listing.Devices = slices.DeleteFunc(slices.Clone(c.listing.Devices), func(d devices.Info) bool {
		return d.Backend == info.Backend && d.Path == info.Path
	})
}

func (c *chooser) notOne(matches []devices.Info) error {
	return &devices.NotOneError{Selector: c.selector, Matches: matches, Listing: c.listing}
}

// byModel asks one key after the other what it is.
func (c *chooser) byModel(ctx context.Context) (devices.Info, error) {
	var matches []devices.Info
	for _, key := range c.keys() {
		err := c.with(ctx, key, func(_ *devices.Conn, told *ctap2.Info) error {
			if strings.EqualFold(told.AAGUID.String(), c.selector.Value) {
				matches = append(matches, key)
			}
			return nil
		})
		if ctx.Err() != nil {
			return devices.Info{}, context.Cause(ctx)
		}
		if err != nil {
			c.without(key, err)
		}
	}
	if len(matches) != 1 {
		return devices.Info{}, c.notOne(matches)
	}
	return matches[0], nil
}

// byTouch has all USB keys wait for a touch at once. The first ends the others'
// wait. Cards on a reader are not asked: lying there counts as a touch.
func (c *chooser) byTouch(ctx context.Context) (devices.Info, error) {
	asked := slices.DeleteFunc(slices.Clone(c.keys()), func(i devices.Info) bool { return i.Transport != devices.USB })
	waiting, stop := context.WithCancel(ctx)
	defer stop()
	results := make(chan candidate)
	for _, key := range asked {
		go func() { results <- candidate{key, c.touch(waiting, key)} }()
	}
	var touched []devices.Info
	for range asked {
		switch r := <-results; {
		case r.err == nil:
			touched = append(touched, r.info)
			stop()
		case waiting.Err() == nil:
			c.without(r.info, r.err)
		}
	}
	switch {
	case len(touched) > 0:
		return touched[0], nil
	case ctx.Err() != nil:
		return devices.Info{}, context.Cause(ctx)
	}
	return devices.Info{}, c.notOne(nil)
}

// touch waits until somebody touches the key.
func (c *chooser) touch(ctx context.Context, key devices.Info) error {
	return c.with(ctx, key, func(conn *devices.Conn, told *ctap2.Info) error {
		return conn.Touch(ctx, told)
	})
}

// with opens a key, asks it what it is, and does something with it.
func (c *chooser) with(ctx context.Context, key devices.Info, do func(*devices.Conn, *ctap2.Info) error) error {
	link, err := c.open(ctx, key)
	if err != nil {
		return err
	}
	conn, err := devices.Connect(ctx, link, devices.Options{})
	if err != nil {
		return err
	}
	told, err := conn.GetInfo(ctx)
	if err == nil {
		err = do(conn, told)
	}
	return errors.Join(err, conn.Close())
}
