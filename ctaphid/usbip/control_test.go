package usbip

import (
	"strings"
	"testing"
)

var named = Config{
	VendorID: 0x1209, ProductID: 0xF1D0, Release: 0x0102,
	Manufacturer: "Maker", Product: "Schlüssel 🔑", Serial: "0001", Pace: -1,
}

func withKeyboard(cfg Config) Config {
	cfg.Keyboard = true
	return cfg
}

const fidoReport = "06d0f10901a1010920150026ff007508954081020921" + "150026ff00750895409102c0"

const (
	fidoAlone = "09022900010100" + "8032" +
		"0904000002030000" + "00" + "092111010001222200" + "07058103400005" + "07050103400005"
	fidoAndKeyboard = "09024200020100" + "8032" +
		"0904000001030101" + "00" + "092111010001223f00" + "07058203080005" +
		"0904010002030000" + "00" + "092111010001222200" + "07058103400005" + "07050103400005"
)

// step is a control request and what must come of it.
type step struct{ name, setup, data, want string }

func runSteps(t *testing.T, b *bench, steps []step) {
	t.Helper()
	for _, s := range steps {
		if got := b.control(s.setup, unhex(t, s.data)...); got != strings.ReplaceAll(s.want, " ", "") {
			t.Errorf("%s: %s gives\n%s, want\n%s", s.name, s.setup, got, s.want)
		}
	}
}

// TestEnumeration asks what Linux asks of a new device, in its order.
func TestEnumeration(t *testing.T) {
	const device = "1201 0002 000000 40 0912 d0f1 0201 01 02 03 01"
	for name, c := range map[string]struct {
		cfg   Config
		steps []step
	}{
		"key": {named, []step{
			{"device, size unknown", "80060001 0000 4000", "", device},
			{"device", "80060001 0000 1200", "", device},
			{"qualifier", "80060006 0000 0a00", "", "stall"},
			{"configuration, size unknown", "80060002 0000 0900", "", fidoAlone[:18]},
			{"configuration", "80060002 0000 2900", "", fidoAlone},
			{"languages", "80060003 0000 ff00", "", "04030904"},
			{"product", "80060203 0904 ff00", "", "1a03 5300 6300 6800 6c00 fc00 7300 7300 6500 6c00 2000 3dd8 11dd"},
			{"manufacturer", "80060103 0904 ff00", "", "0c03 4d00 6100 6b00 6500 7200"},
			{"serial", "80060303 0904 ff00", "", "0a03 3000 3000 3000 3100"},
			{"configure", "00090100 0000 0000", "", ""},
			{"idle", "210a0000 0000 0000", "", ""},
			{"report descriptor", "81060022 0000 2200", "", fidoReport},
			{"report", "a1010001 0000 4000", "", strings.Repeat("00", 64)},
		}},
		"keyboard and key": {withKeyboard(named), []step{
			{"device", "80060001 0000 1200", "", device},
			{"configuration", "80060002 0000 ff00", "", fidoAndKeyboard},
			{"configure", "00090100 0000 0000", "", ""},
			{"keyboard's report descriptor", "81060022 0000 ff00", "",
				"05010906a101050719e029e71500250175019508810295017508810195057501050819012905910295017503910195067508150025650507190029658100c0"},
			{"LEDs", "21090002 0000 0100", "07", ""},
			{"key's report descriptor", "81060022 0100 2200", "", fidoReport},
		}},
		"nameless": {Config{ReportSize: 24}, []step{
			{"device", "80060001 0000 1200", "", "1201 0002 000000 40 0000 0000 0000 00 00 00 01"},
			{"no string", "80060103 0904 ff00", "", "stall"},
			{"report descriptor", "81060022 0000 2200", "", strings.ReplaceAll(fidoReport, "9540", "9518")},
		}},
	} {
		t.Run(name, func(t *testing.T) {
			b := plugIn(t, t.Context(), c.cfg)
			defer b.end()
			runSteps(t, b, c.steps)
		})
	}
}

// TestControl is everything else on endpoint 0.
func TestControl(t *testing.T) {
	b := plugIn(t, t.Context(), withKeyboard(named))
	defer b.end()
	runSteps(t, b, []step{
		{"status of the device", "80000000 0000 0200", "", "0000"},
		{"status of an interface", "81000000 0100 0200", "", "0000"},
		{"status of no interface", "81000000 0200 0200", "", "stall"},
		{"status of an endpoint", "82000000 8100 0200", "", "0000"},
		{"status of endpoint 0", "82000000 0000 0200", "", "0000"},
		{"status of no endpoint", "82000000 8300 0200", "", "stall"},
		{"status of no endpoint that looks like one", "82000000 8101 0200", "", "stall"},
		{"no halt", "02010000 0100 0000", "", ""},
		{"no halt of no endpoint", "02010000 0300 0000", "", "stall"},
		{"no other feature", "02010100 0100 0000", "", "stall"},
		{"wake-up", "00030100 0000 0000", "", "stall"},
		{"configuration before", "80080000 0000 0100", "", "00"},
		{"no such configuration", "00090200 0000 0000", "", "stall"},
		{"configure", "00090100 0000 0000", "", ""},
		{"configuration", "80080000 0000 0100", "", "01"},
		{"second configuration", "80060102 0000 ff00", "", "stall"},
		{"string 4", "80060403 0904 ff00", "", "stall"},
		{"string 255", "8006ff03 0904 ff00", "", "stall"},
		{"setting", "810a0000 0100 0100", "", "00"},
		{"only setting", "010b0000 0100 0000", "", ""},
		{"other setting", "010b0100 0100 0000", "", "stall"},
		{"setting of no interface", "010b0000 0200 0000", "", "stall"},
		{"HID descriptor", "81060021 0100 0900", "", "092111010001222200"},
		{"physical descriptor", "81060023 0100 0900", "", "stall"},
		{"descriptor of interface 255", "81060022 ff00 0900", "", "stall"},
		{"part of a report descriptor", "81060022 0100 0500", "", fidoReport[:10]},
		{"idle before", "a1020000 0100 0100", "", "00"},
		{"set idle", "210a007d 0100 0000", "", ""},
		{"idle", "a1020000 0100 0100", "", "7d"},
		{"idle of the other", "a1020000 0000 0100", "", "00"},
		{"protocol of the keyboard", "a1030000 0000 0100", "", "01"},
		{"boot protocol", "210b0000 0000 0000", "", ""},
		{"protocol of the keyboard then", "a1030000 0000 0100", "", "00"},
		{"no such protocol", "210b0200 0000 0000", "", "stall"},
		{"protocol of the key", "a1030000 0100 0100", "", "stall"},
		{"boot protocol of the key", "210b0000 0100 0000", "", "stall"},
		{"keys pressed", "a1010001 0000 0800", "", "0000000000000000"},
		{"feature report", "a1010003 0000 0800", "", "stall"},
		{"set feature report", "21090003 0100 0100", "00", "stall"},
		{"report to no interface", "21090002 0700 0100", "00", "stall"},
		{"vendor's request", "c0010000 0000 ff00", "", "stall"},
		{"request to the bus", "23030400 0100 0000", "", "stall"},
	})
}

// TestControlOutOfStep: data must go the way that the request says, and be as
// much.
func TestControlOutOfStep(t *testing.T) {
	b := plugIn(t, t.Context(), named)
	defer b.end()
	for name, send := range map[string]func() uint32{
		"IN for OUT": func() uint32 { return b.submit(true, 0, 64, unhex(t, "21090002 0000 4000"), nil) },
		"OUT for IN": func() uint32 { return b.submit(false, 0, 2, unhex(t, "80000000 0000 0200"), []byte{1, 2}) },
		"too little": func() uint32 { return b.submit(false, 0, 1, unhex(t, "21090002 0000 4000"), []byte{1}) },
	} {
		seq := send()
		if got, want := b.next(), (reply{command: retSubmit, seq: seq, status: statusStall}); got.String() != want.String() {
			t.Errorf("%s: %v, want %v", name, got, want)
		}
	}
	seq := b.submit(true, 0, 4, unhex(t, "80060001 0000 1200"), nil)
	if got, want := b.next(), (reply{command: retSubmit, seq: seq, moved: 4, data: unhex(t, "12010002")}); got.String() != want.String() {
		t.Errorf("little room: %v, want %v", got, want)
	}
}

// TestReportByControl: hosts without the endpoint OUT use SET_REPORT.
func TestReportByControl(t *testing.T) {
	b := plugIn(t, t.Context(), named)
	defer b.end()
	if got := b.control("21090002 0000 4000", initialise(5)...); got != "" {
		t.Fatal(got)
	}
	seq := b.submit(true, endpointFIDO, 64, nil, nil)
	if got := b.next(); got.seq != seq || len(got.data) != 64 || got.data[4] != 0x86 || got.data[7] != 5 {
		t.Errorf("%v", got)
	}
}
