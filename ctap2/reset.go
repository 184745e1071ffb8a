package ctap2

import "context"

// Reset takes the authenticator back to its factory state: credentials, PIN and
// settings are lost (CTAP 2.3 §6.6). Most authenticators want it within ten
// seconds of power-up, with a touch, and answer [StatusNotAllowed] otherwise.
func (c *Client) Reset(ctx context.Context) error {
	_, err := c.do(ctx, call{command: CommandReset})
	if err == nil {
		c.limits.Store(nil) // minPINLength may have been another
	}
	return err
}
