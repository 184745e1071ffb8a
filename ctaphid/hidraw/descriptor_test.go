package hidraw

import (
	"bytes"
	"errors"
	"strings"
	"testing"

	"github.com/touchstone-fido/touchstone/fixtures"
)

var unhex = fixtures.Unhex

const (
	// CTAP 2.3 §11.2.8.1 has this one, and so has every key.
	fidoHex = "06D0F1 0901 A101 0920 1500 26FF00 7508 9540 8102 0921 1500 26FF00 7508 9540 9102 C0"

	// HID 1.11 appendix B.1, the boot keyboard.
	keyboardHex = "0501 0906 A101 0507 19E0 29E7 1500 2501 7501 9508 8102 9501 7508 8101" +
		"9505 7501 0508 1901 2905 9102 9501 7503 9101 9506 7508 1500 2565 0507 1900 2965 8100 C0"
)

func TestParseDescriptor(t *testing.T) {
	fido := func(size int) Descriptor {
		return Descriptor{FIDO: true, InputSize: size, OutputSize: size}
	}
	tests := []struct {
		name, hex string
		want      Descriptor
	}{
		{"standard", fidoHex, fido(64)},
		{"padded with empty items", fidoHex + "0000", fido(64)},
		{"keyboard", keyboardHex, Descriptor{InputSize: 8, OutputSize: 1}},
		{"keyboard and FIDO", keyboardHex + fidoHex, Descriptor{FIDO: true, InputSize: 72, OutputSize: 65}},
		{"FIDO and keyboard, numbered", "06D0F1 0901 A101 8501 7508 9540 8102 9102 C0 0501 0906 A101 8502 8102 C0",
			Descriptor{FIDO: true, Numbered: true, InputSize: 128, OutputSize: 64}},
		{"1024 bytes", "06D0F1 0901 A101 7508 960004 8102 9102 C0", fido(1024)},
		{"fields of 32 bits", "06D0F1 0901 A101 7520 9510 8102 9102 C0", fido(64)},
		{"bits that fill no byte", "06D0F1 0901 A101 7501 9509 8102 9102 C0", fido(2)},
		{"two fields", "06D0F1 0901 A101 7508 9504 8102 953C 8102 9540 9102 C0", fido(64)},
		{"page after usage", "0901 06D0F1 A101 7508 9540 8102 9102 C0", fido(64)},
		{"usage with its page", "0B0100D0F1 A101 7508 9540 8102 9102 C0", fido(64)},
		{"usage of another page", "06D0F1 0B01000100 A101 7508 9540 8102 9102 C0", Descriptor{InputSize: 64, OutputSize: 64}},
		{"page of four bytes", "07D0F10000 0901 A101 7508 9540 8102 9102 C0", fido(64)},
		{"push and pop", "06D0F1 7508 9540 A4 0501 9501 B4 0901 A101 8102 9102 C0", fido(64)},
		{"long item", "FE03F0010203 06D0F1 0901 A101 7508 9540 8102 9102 C0", fido(64)},
		{"FIDO below another collection", "0501 0906 A101 06D0F1 0901 A101 C0 C0", Descriptor{}},
		{"physical collection", "06D0F1 0901 A100 C0", Descriptor{}},
		{"another usage", "06D0F1 0902 A101 C0", Descriptor{}},
		{"usage of the collection before", "06D0F1 0902 A101 C0 A101 C0", Descriptor{}},
		{"only the first usage counts", "06D0F1 0902 0901 A101 C0", Descriptor{}},
		{"empty", "", Descriptor{}},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			got, err := ParseDescriptor(unhex(t, tt.hex))
			if err != nil || got != tt.want {
				t.Errorf("got %+v, %v; want %+v", got, err, tt.want)
			}
		})
	}
}

func TestParseDescriptorMalformed(t *testing.T) {
	tests := []struct {
		name, hex string
		want      error
		fido      bool
	}{
		{"cut item", "06D0", errCut, false},
		{"cut after the collection", "06D0F1 0901 A101 26FF", errCut, true},
		{"long item without its length", "FE", errCut, false},
		{"long item that is cut", "FE0400AABBCC", errCut, false},
		{"end without collection", "C0", errClose, false},
		{"pop without push", "B4", errPop, false},
		{"endless pushes", strings.Repeat("A4", maxPushed+1), errPush, false},
		{"report ID 0", "8500", errReportID, false},
		{"report ID of two bytes", "860001", errReportID, false},
		{"huge field", "77FFFFFFFF 97FFFFFFFF 8102", errTooLong, false},
		{"many fields", "7508 960020" + strings.Repeat("8102", 3), errTooLong, false},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			got, err := ParseDescriptor(unhex(t, tt.hex))
			if !errors.Is(err, ErrDescriptor) || !errors.Is(err, tt.want) {
				t.Errorf("got %v, want %v", err, tt.want)
			}
			if got.FIDO != tt.fido {
				t.Errorf("FIDO = %v, want %v", got.FIDO, tt.fido)
			}
		})
	}
}

func TestReportSize(t *testing.T) {
	tests := []struct {
		name, hex string
		size      int
		want      error
	}{
		{"standard", fidoHex, 64, nil},
		{"keyboard", keyboardHex, 0, nil},
		{"smallest", "06D0F1 0901 A101 7508 9508 8102 9102 C0", 8, nil},
		{"too small", "06D0F1 0901 A101 7508 9507 8102 9102 C0", 0, ErrReports},
		{"no reports", "06D0F1 0901 A101 C0", 0, ErrReports},
		{"unequal", "06D0F1 0901 A101 7508 9540 8102 9520 9102 C0", 0, ErrReports},
		{"numbered", "06D0F1 0901 A101 8501 7508 953F 8102 9102 C0", 0, ErrReports},
		{"malformed", "06D0F1 0901 A101", 0, ErrDescriptor},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			size, err := ReportSize(unhex(t, tt.hex))
			if size != tt.size || !errors.Is(err, tt.want) {
				t.Errorf("got %d, %v; want %d, %v", size, err, tt.size, tt.want)
			}
		})
	}
}

func TestNoPrefixHasASize(t *testing.T) {
	whole := unhex(t, fidoHex)
	for n := range whole {
		if size, _ := ReportSize(whole[:n]); size != 0 {
			t.Errorf("the first %d bytes have size %d", n, size)
		}
	}
}

func FuzzReportSize(f *testing.F) {
	for _, s := range []string{
		fidoHex, keyboardHex, keyboardHex + fidoHex, "FE03F0010203" + fidoHex,
		"06D0F1 0901 A101 8501 7508 953F 8102 9102 C0", "A4A4B4B4", "77FFFFFFFF 97FFFFFFFF 8102",
	} {
		f.Add(unhex(f, s))
	}
	f.Fuzz(func(t *testing.T, b []byte) {
		size, err := ReportSize(b)
		if size != 0 && (err != nil || size < minReport || size > maxReport) {
			t.Errorf("size %d with error %v", size, err)
		}
		if size == 0 {
			return
		}
		if !bytes.Contains(b, []byte{0xD0, 0xF1}) {
			t.Error("a key without FIDO's usage page")
		}
		if again, err := ReportSize(append([]byte{0xFE, 1, 0, 0}, b...)); again != size || err != nil {
			t.Errorf("behind a long item: %d, %v; want %d", again, err, size)
		}
	})
}
