//go:build linux

package browser

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"syscall"
	"time"

	"github.com/chromedp/chromedp"
	"github.com/chromedp/chromedp/remote"
)

// views is the browser's own user interface, which is no part of a page: its
// dialogs. The browser has a protocol for developers to look into them.
type views struct {
	ctx     context.Context
	session *chromedp.Browser
}

// viewsPort is where the protocol is spoken. The network is this program's own.
const viewsPort = "9223"

func openViews(ctx context.Context) (*views, error) {
	conn, err := dialViews(ctx)
	if err != nil {
		return nil, fmt.Errorf("the browser's user interface: %w", err)
	}
	session, err := chromedp.NewBrowserTransport(ctx, conn, chromedp.WithBrowserErrorf(func(string, ...any) {}))
	if err != nil {
		return nil, fmt.Errorf("the browser's user interface: %w", err)
	}
	return &views{ctx, session}, nil
}

// dialViews waits until the browser listens.
func dialViews(ctx context.Context) (*remote.Conn, error) {
	for end := time.Now().Add(limit); ; time.Sleep(pause) {
		conn, err := remote.DialContext(ctx, "ws://127.0.0.1:"+viewsPort+"/0")
		if err == nil || !errors.Is(err, syscall.ECONNREFUSED) || time.Now().After(end) {
			return conn, err
		}
	}
}

func (v *views) call(method string, params, result any) error {
	ctx, stop := context.WithTimeout(v.ctx, limit)
	defer stop()
	if err := v.session.Call(ctx, method, params, result); err != nil {
		return fmt.Errorf("%s: %w", method, err)
	}
	return nil
}

// view is one element of it. Its number is good until the next look.
type view struct {
	ID         int      `json:"nodeId"`
	Attributes []string `json:"attributes"` // names and values, in turn
	Children   []view   `json:"children"`
}

// all finds the views of a class, in their order.
func (v view) all(class string) (found []view) {
	if v.attribute("class") == class {
		found = append(found, v)
	}
	for _, child := range v.Children {
		found = append(found, child.all(class)...)
	}
	return found
}

func (v view) attribute(name string) string {
	for pair := range slices.Chunk(v.Attributes, 2) {
		if pair[0] == name && len(pair) == 2 {
			return pair[1]
		}
	}
	return ""
}

// text is what a view shows.
func (v *views) text(of view) (string, error) {
	var styles struct {
		Matched []struct {
			Rule struct {
				Style struct {
					Properties []struct {
						Name  string `json:"name"`
						Value string `json:"value"`
					} `json:"cssProperties"`
				} `json:"style"`
			} `json:"rule"`
		} `json:"matchedCSSRules"`
	}
	if err := v.call("CSS.getMatchedStylesForNode", map[string]int{"nodeId": of.ID}, &styles); err != nil {
		return "", err
	}
	for _, match := range styles.Matched {
		for _, p := range match.Rule.Style.Properties {
			if p.Name == "Text" {
				return p.Value, nil
			}
		}
	}
	return "", nil
}
