//go:build linux

package rig

import (
	"encoding/json"
	"fmt"
	"os"
	"os/exec"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/touchstone-fido/touchstone/devices/discover"
	"github.com/touchstone-fido/touchstone/devices/virtual/control"
)

// server is the program as it serves keys, until the test ends.
type server struct {
	t    *testing.T
	cmd  *exec.Cmd
	told struct {
		Kind, Address, Control string
		Keys                   []struct{ Name, Kind, Address, BusID string }
	}
	hand *control.Client
}

// serve has the program serve keys, which wait for a touch by the control
// channel, and waits until they are there.
func serve(t *testing.T, args ...string) *server {
	t.Helper()
	guest(t)
	args = append([]string{"--json", "virtual", "serve", "--control", "127.0.0.1:0", "--presence", "manual"}, args...)
	s := &server{t: t, cmd: exec.Command("/bin/touchstone", args...)}
	s.cmd.Stderr = os.Stdout
	out, err := s.cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := s.cmd.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(s.stop)
	late := time.AfterFunc(limit, func() { s.cmd.Process.Kill() })
	defer late.Stop()
	if err := json.NewDecoder(out).Decode(&s.told); err != nil {
		t.Fatalf("%s does not say that it serves: %v", s.cmd, err)
	}
	if s.hand, err = control.NewClient(s.told.Control); err != nil {
		t.Fatal(err)
	}
	return s
}

// stop tells the program to stop, which it does well.
func (s *server) stop() {
	late := time.AfterFunc(limit, func() { s.cmd.Process.Kill() })
	defer late.Stop()
	_ = s.cmd.Process.Signal(os.Interrupt)
	if err := s.cmd.Wait(); err != nil {
		s.t.Errorf("%s: %v", s.cmd, err)
	}
}

// do does something to the only key.
func (s *server) do(action control.Action, request any) {
	s.t.Helper()
	if _, err := s.hand.Do(s.t.Context(), s.told.Keys[0].Name, action, request); err != nil {
		s.t.Errorf("%s: %v", action, err)
	}
}

// see wants other programs to see the key as it says it is, and to use it: its
// getInfo by libfido2 and by us, and an enrolment that is touched from outside.
func (s *server) see(k *key, vendor, product uint16, aaguid string, names ...string) {
	t := s.t
	t.Helper()
	found := k.find(discover.Hidraw)
	if found.VendorID != vendor || found.ProductID != product || !slices.Contains(names, strings.TrimSpace(found.Manufacturer+" "+found.Product)) {
		t.Errorf("listed as %+v", found)
	}
	if said := fido2Token(t, found.Path); said["aaguid"] != strings.ReplaceAll(aaguid, "-", "") || said["major"] == "" {
		t.Errorf("fido2-token says %v", said)
	}
	device := "hid:" + found.Path
	var told deviceInfo
	touchstone(t, 0, "--json", "--device", device, "device", "info").json(&told)
	if told.Info.AAGUID != aaguid {
		t.Errorf("touchstone says %s", told.Info.AAGUID)
	}
	enrolling := start(t, "", nil, "touchstone", "--device", device, "enroll", "--rp", "example.com", "--user", "alice")
	s.do(control.Touch, control.TouchRequest{Wait: limit.String()})
	enrolling.wait(0)
}

const (
	yubiKey = "d7781e5d-e353-46aa-afe2-3ca49f13332a" // of the profile yubikey-5-nfc-5.7
	titan   = "42b4fb4a-2866-43b2-9bf7-6c6669c2e5d3" // of titan-v2
)

// goneFromHID waits until no HID device has the key's serial number.
func (k *key) goneFromHID() {
	k.t.Helper()
	k.await("gone", func() bool {
		files, err := os.ReadDir("/sys/class/hidraw")
		if err != nil {
			k.t.Fatal(err)
		}
		return !slices.ContainsFunc(files, func(f os.DirEntry) bool {
			event, _ := os.ReadFile("/sys/class/hidraw/" + f.Name() + "/device/uevent")
			return strings.Contains(string(event), "HID_UNIQ="+k.serial+"\n")
		})
	})
}

// TestServeUHID: a key that the program serves by uhid is a key to everybody who
// looks at hidraw nodes, and is pulled out and put in again.
func TestServeUHID(t *testing.T) {
	k := &key{t: t, serial: "RIGUHID"}
	s := serve(t, "uhid=virtual:yubikey-5-nfc-5.7", "--serial", k.serial)
	if s.told.Kind != "uhid" || s.told.Address != "/dev/uhid" {
		t.Errorf("told %+v", s.told)
	}
	s.see(k, 0x1050, 0x0407, yubiKey, "Yubico YubiKey OTP+FIDO+CCID")
	conn := k.connect(discover.Hidraw)
	for _, n := range []int{0, 57, 58, 1200} { // the kernel may lose what is longer than 32 packets
		if _, err := conn.Channel.Ping(t.Context(), pattern(n)); err != nil {
			t.Errorf("PING of %d bytes: %v", n, err)
		}
	}
	s.do(control.Remove, nil)
	k.goneFromHID()
	if _, err := conn.Channel.Ping(t.Context(), nil); err == nil {
		t.Error("the key answers without being there")
	}
	s.do(control.Insert, nil)
	if _, err := k.connect(discover.Hidraw).GetInfo(t.Context()); err != nil {
		t.Error(err)
	}
}

// TestServeSeveralByUHID: two keys of one program are two keys.
func TestServeSeveralByUHID(t *testing.T) {
	serve(t, "uhid=virtual:titan-v2", "uhid=virtual")
	k := &key{t: t, serial: ""}
	var ids []string
	k.await("there twice", func() bool {
		ids = nil
		for _, d := range list(t, nil, "--no-open").Devices {
			ids = append(ids, d.VendorID+":"+d.ProductID+" "+strings.TrimSpace(d.Manufacturer+" "+d.Product))
		}
		return len(ids) == 2
	})
	slices.Sort(ids)
	if got, want := fmt.Sprint(ids), "[1209:f1d0 Touchstone Software key 18d1:9470 Google Titan Security Key v2]"; got != want {
		t.Errorf("%s, want %s", got, want)
	}
}

// TestServeUSBIP: the same by USB/IP, into this machine and for Debian's usbip.
func TestServeUSBIP(t *testing.T) {
	for name, attach := range map[string]bool{"attach": true, "server": false} {
		t.Run(name, func(t *testing.T) {
			k := &key{t: t, serial: "RIGSERVE" + strings.ToUpper(name)}
			args := []string{"usbip=virtual:titan-v2", "--serial", k.serial, "--keyboard"}
			if attach {
				args = append(args, "--attach")
			}
			s := serve(t, args...)
			if !attach {
				start(t, "", nil, "usbip", "attach", "-r", "127.0.0.1", "-b", s.told.Keys[0].BusID).wait(0)
			}
			s.see(k, 0x18d1, 0x9470, titan, "Google Titan Security Key v2")
			if got := interfaceOf(t, k.find(discover.Hidraw)); got != "1" {
				t.Errorf("beside a keyboard the key is interface %q", got)
			}
			s.do(control.Remove, nil)
			k.await("gone", func() bool { return !slices.ContainsFunc(usbDevices(t), k.isMe) })
			s.do(control.Insert, nil)
			if attach {
				k.find(discover.Hidraw)
			}
		})
	}
}
