//go:build linux

package browser

import (
	"context"
	"encoding/json"
	"fmt"
	"os"
	"strings"
	"sync"
	"testing"

	"github.com/chromedp/chromedp"
)

// program is the browser itself: /usr/bin/chromium is a script that adds flags.
const program = "/usr/lib/chromium/chromium"

// shared is the browser of all tests. It is started by the first that needs it,
// and every test opens a tab of its own.
var shared chromium

// chromium is a browser that this program has started.
type chromium struct {
	start sync.Once
	err   error // of starting
	ctx   context.Context
	close context.CancelFunc
	views *views
	site  *site
}

// flags are those that differ from chromedp's.
var flags = map[string]any{
	"no-sandbox":               true,
	"disable-gpu":              true,
	"disable-component-update": true,
	"lang":                     "en-US", // the dialogs are read
	// Else a click does nothing in the first half second of a dialog.
	"disable-input-event-activation-protection": true,
	// Dialogs are not part of any page: see views.
	"enable-ui-devtools": viewsPort,
	"enable-features":    "NetworkService,NetworkServiceInProcess,ui-debug-tools-enable-synthetic-events",
}

// environ is what the browser finds in its environment on every machine.
var environ = []string{
	"DBUS_SESSION_BUS_ADDRESS=disabled:", "DBUS_SYSTEM_BUS_ADDRESS=disabled:",
	"LANGUAGE=en",
}

// needBrowser is the browser with a page open.
func needBrowser(t *testing.T) *chromium {
	t.Helper()
	on := needMachine(t)
	shared.start.Do(func() { shared.err = shared.launch(on) })
	if shared.err != nil {
		t.Fatal(shared.err)
	}
	return &shared
}

func (c *chromium) launch(on machine) error {
	if _, err := os.Stat(program); err != nil {
		return fmt.Errorf("%w (Debian's package chromium has it; scripts/setup installs it)", err)
	}
	site, err := openSite()
	if err != nil {
		return err
	}
	c.site = site
	options := append(chromedp.DefaultExecAllocatorOptions[:], chromedp.ExecPath(program),
		chromedp.Env(environ...), chromedp.Env(on.environ()...))
	for name, value := range flags {
		options = append(options, chromedp.Flag(name, value))
	}
	allocator, end := chromedp.NewExecAllocator(context.Background(), options...)
	ctx, closeFirst := chromedp.NewContext(allocator)
	c.ctx, c.close = ctx, func() { closeFirst(); end() }
	if err := chromedp.Do(ctx); err != nil {
		return fmt.Errorf("start the browser: %w", err)
	}
	c.views, err = openViews(ctx)
	return err
}

// stop ends the browser, if it was started.
func (c *chromium) stop() {
	if c.site != nil {
		c.site.close()
	}
	if c.close != nil {
		c.close()
	}
}

// tab is a page that is open in the browser.
type tab struct {
	t       *testing.T
	ctx     context.Context
	browser *chromium
}

// open opens an address in a tab until the test ends.
func (c *chromium) open(t *testing.T, address string) *tab {
	t.Helper()
	ctx, end := chromedp.NewContext(c.ctx)
	t.Cleanup(end)
	p := &tab{t: t, ctx: ctx, browser: c}
	if err := p.do(chromedp.Navigate(address)); err != nil {
		t.Fatal(err)
	}
	return p
}

func (p *tab) do(action chromedp.Action[chromedp.Void]) error {
	if err := chromedp.Do(p.ctx); err != nil { // its life must not end with the limit
		return err
	}
	ctx, stop := context.WithTimeout(p.ctx, limit)
	defer stop()
	return chromedp.Do(ctx, action)
}

// call calls a JavaScript function of the page, waits for the promise that it
// makes, and decodes what that becomes.
func call[T any](p *tab, function string, args ...any) (result T, err error) {
	ctx, stop := context.WithTimeout(p.ctx, limit)
	defer stop()
	texts := make([]string, len(args))
	for i, arg := range args {
		text, err := json.Marshal(arg)
		if err != nil {
			return result, err
		}
		texts[i] = string(text)
	}
	script := "(" + function + ")(" + strings.Join(texts, ", ") + ")"
	raw, err := chromedp.Run(ctx, chromedp.Evaluate[[]byte](script, chromedp.EvalAwaitPromise, chromedp.EvalAsValue))
	if err != nil {
		return result, err
	}
	if len(raw) == 0 {
		return result, nil // undefined
	}
	return result, json.Unmarshal(raw, &result)
}
