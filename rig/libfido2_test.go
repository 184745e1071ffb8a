//go:build linux

package rig

import (
	"fmt"
	"maps"
	"slices"
	"strconv"
	"strings"
	"testing"

	"github.com/touchstone-fido/touchstone/devices/discover"
)

// TestFido2TokenLists: libfido2 sees the keys that we see, under the same names.
func TestFido2TokenLists(t *testing.T) {
	for _, keyboard := range []bool{false, true} {
		plugIn(t, options{keyboard: keyboard}).find(discover.Hidraw)
	}
	var want []string
	for _, d := range list(t, nil).Devices {
		want = append(want, fmt.Sprintf("%s: vendor=0x%s, product=0x%s (%s %s)", d.Path, d.VendorID, d.ProductID, d.Manufacturer, d.Product))
	}
	got := strings.Split(strings.TrimSpace(start(t, "", nil, "fido2-token", "-L").wait(0).out.String()), "\n")
	slices.Sort(got)
	slices.Sort(want)
	if !slices.Equal(got, want) || len(got) != 2 {
		t.Errorf("fido2-token lists\n%q, touchstone\n%q", got, want)
	}
}

// deviceInfo is touchstone/device-info/1, as far as fido2-token knows it.
type deviceInfo struct {
	Protocol struct {
		CTAPHID       int
		DeviceVersion string
		Capabilities  []string
	}
	Info struct {
		Versions, Extensions, Transports []string
		AAGUID                           string
		Options                          map[string]bool
		Algorithms                       []struct{ Name, Type string }
		PINUVAuthProtocols               []int

		MaxMsgSize, MaxCredentialCountInList, MaxCredentialIDLength int
		MaxSerializedLargeBlobArray, MinPINLength                   int
		RemainingDiscoverableCredentials, FirmwareVersion           int
		MaxRPIDsForSetMinPINLength                                  int
		ForcePINChange                                              bool
	}
}

// pinStatus is touchstone/pin-status/1, as far as fido2-token knows it.
type pinStatus struct{ Retries, UVRetries *int }

// asFido2Token puts what the program told of a key into the words of fido2-token.
func asFido2Token(d deviceInfo, p pinStatus) map[string]string {
	i := d.Info
	version := strings.Split(d.Protocol.DeviceVersion, ".")
	var algorithms []string
	for _, a := range i.Algorithms {
		name := strings.ToLower(a.Name)
		if name == "es512" {
			name = "unknown" // to libfido2, as of Debian's 1.12
		}
		algorithms = append(algorithms, fmt.Sprintf("%s (%s)", name, a.Type))
	}
	return map[string]string{
		"proto":                 fmt.Sprintf("0x%02x", d.Protocol.CTAPHID),
		"major":                 hexByte(version[0]),
		"minor":                 hexByte(version[1]),
		"build":                 hexByte(version[2]),
		"caps":                  capabilities(d.Protocol.Capabilities),
		"version strings":       strings.Join(i.Versions, ", "),
		"extension strings":     strings.Join(i.Extensions, ", "),
		"transport strings":     strings.Join(i.Transports, ", "),
		"algorithms":            strings.Join(algorithms, ", "),
		"aaguid":                strings.ReplaceAll(i.AAGUID, "-", ""),
		"options":               sorted(optionNames(i.Options)),
		"fwversion":             fmt.Sprintf("0x%x", i.FirmwareVersion),
		"maxmsgsiz":             strconv.Itoa(i.MaxMsgSize),
		"maxcredcntlst":         strconv.Itoa(i.MaxCredentialCountInList),
		"maxcredlen":            strconv.Itoa(i.MaxCredentialIDLength),
		"maxlargeblob":          strconv.Itoa(i.MaxSerializedLargeBlobArray),
		"remaining rk(s)":       strconv.Itoa(i.RemainingDiscoverableCredentials),
		"maxrpids in minpinlen": strconv.Itoa(i.MaxRPIDsForSetMinPINLength),
		"minpinlen":             strconv.Itoa(i.MinPINLength),
		"pin protocols":         strings.Trim(strings.ReplaceAll(fmt.Sprint(i.PINUVAuthProtocols), " ", ", "), "[]"),
		"pin retries":           orUndefined(p.Retries),
		"pin change required":   strconv.FormatBool(i.ForcePINChange),
		"uv retries":            orUndefined(p.UVRetries),
	}
}

func hexByte(decimal string) string {
	n, err := strconv.ParseUint(decimal, 10, 8)
	if err != nil {
		return decimal
	}
	return fmt.Sprintf("0x%02x", n)
}

// capabilities are in fido2-token's words what INIT said.
func capabilities(names []string) string {
	bits := byte(0)
	words := []string{"nowink", "nocbor", "msg"}
	for i, c := range []struct {
		name, word string
		bit        byte
	}{{"wink", "wink", 1}, {"cbor", "cbor", 4}, {"nmsg", "nomsg", 8}} {
		if slices.Contains(names, c.name) {
			words[i] = c.word
			bits |= c.bit
		}
	}
	return fmt.Sprintf("0x%02x (%s)", bits, strings.Join(words, ", "))
}

func optionNames(options map[string]bool) string {
	var names []string
	for name, on := range options {
		if !on {
			name = "no" + name
		}
		names = append(names, name)
	}
	return strings.Join(names, ", ")
}

// sorted puts a list into an order that does not depend on who printed it.
func sorted(list string) string {
	names := strings.Split(list, ", ")
	slices.Sort(names)
	return strings.Join(names, ", ")
}

func orUndefined(n *int) string {
	if n == nil {
		return "undefined"
	}
	return strconv.Itoa(*n)
}

// fido2Token is what fido2-token -I says, by its names.
func fido2Token(t *testing.T, node string) map[string]string {
	t.Helper()
	said := map[string]string{}
	for line := range strings.Lines(start(t, "", nil, "fido2-token", "-I", node).wait(0).out.String()) {
		name, value, ok := strings.Cut(strings.TrimSpace(line), ": ")
		if !ok {
			t.Errorf("fido2-token says %q", line)
		}
		said[name] = value
	}
	said["options"] = sorted(said["options"])
	return said
}

// TestFido2TokenInfo: libfido2 reads of a key what we read of it, member for
// member, factory-new and with a PIN of which one try is gone.
func TestFido2TokenInfo(t *testing.T) {
	k := plugIn(t, options{})
	node := k.find(discover.Hidraw).Path
	compare := func(state string) {
		t.Helper()
		var d deviceInfo
		var p pinStatus
		touchstone(t, 0, "--json", "device", "info").json(&d)
		touchstone(t, 0, "--json", "pin", "status").json(&p)
		ours, theirs := asFido2Token(d, p), fido2Token(t, node)
		for _, name := range slices.Sorted(maps.Keys(ours)) {
			if ours[name] != theirs[name] {
				t.Errorf("%s: %s is %q to touchstone and %q to fido2-token", state, name, ours[name], theirs[name])
			}
			delete(theirs, name)
		}
		for name, value := range theirs {
			t.Errorf("%s: fido2-token says %s: %q, with which nothing was compared", state, name, value)
		}
	}
	compare("factory-new")
	start(t, "24680\n", nil, "touchstone", "--pin-stdin", "pin", "set").wait(0)
	start(t, "13579\n", nil, "touchstone", "--pin-stdin", "enroll", "--rp", "example.com", "--user", "alice").wait(4)
	compare("with a PIN")
}
