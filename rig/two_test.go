//go:build linux

package rig

import (
	"slices"
	"sync"
	"testing"

	"github.com/touchstone-fido/touchstone/ctap2/authdata"
	"github.com/touchstone-fido/touchstone/devices/virtual"
)

// TestTwoKeys: both are listed and can be told apart by path and serial number,
// and what one says never comes from the other.
func TestTwoKeys(t *testing.T) {
	models := []authdata.AAGUID{{15: 1}, {15: 2}}
	keys := []*key{
		plugIn(t, options{virtual: virtual.Config{Profile: model(models[0])}}),
		plugIn(t, options{virtual: virtual.Config{Profile: model(models[1])}}),
	}
	onBackends(t, func(t *testing.T, backend string) {
		paths := []string{"hid:" + keys[0].find(backend).Path, "hid:" + keys[1].find(backend).Path}
		for i, selector := range []string{paths[0], "hid:" + keys[1].serial} {
			var told struct{ Info struct{ AAGUID string } }
			touchstone(t, 0, "--json", "--hid-backend", backend, "--device", selector, "device", "info").json(&told)
			if told.Info.AAGUID != models[i].String() {
				t.Errorf("--device %s is %s, want %s", selector, told.Info.AAGUID, models[i])
			}
			keys[i].find(backend) // libusb's detour takes the node away and brings it back
		}
		touchstone(t, 3, "--hid-backend", backend, "device", "info").
			told("2 security keys, want one", `"`+paths[0]+`"`, `"`+paths[1]+`"`, keys[0].serial, keys[1].serial)

		var both sync.WaitGroup
		for i, k := range keys {
			conn := k.connect(backend)
			both.Go(func() {
				for range 5 {
					info, err := conn.GetInfo(t.Context())
					if err != nil || info.AAGUID != models[i] {
						t.Errorf("key %d says %+v, %v", i, info, err)
						return
					}
					if _, err := conn.Channel.Ping(t.Context(), slices.Repeat([]byte{byte(i)}, 300)); err != nil {
						t.Errorf("key %d: %v", i, err)
						return
					}
				}
			})
		}
		both.Wait()
	})
}

// model is a model of key of its own.
func model(id authdata.AAGUID) *virtual.Profile {
	p := virtual.DefaultProfile()
	p.AAGUID = id
	return p
}
