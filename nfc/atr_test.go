package nfc

import "testing"

func TestReadCapabilities(t *testing.T) {
	told, extended := capabilities{told: true}, capabilities{told: true, extended: true}
	for name, c := range map[string]struct {
		atr  string
		want capabilities
	}{
		"none":                  {"", capabilities{}},
		"only TS":               {"3b", capabilities{}},
		"no historical bytes":   {"3b00", capabilities{}},
		"YubiKey 5 on USB":      {"3bfd1300008131fe158073c021c057597562694b657940", extended},
		"contactless, own text": {"3b8b8001506f6c617269732023031747", capabilities{}},
		"contactless":           {"3b8580018073c021c0d6", extended},
		"contact, T=0":          {"3b0580730000c0", extended},
		"no extended lengths":   {"3b058073000080", told},
		"status behind it":      {"3b080073000040009000", extended},
		"status only":           {"3b0400009000", capabilities{}},
		"behind other objects":  {"3b0880310773000040", capabilities{}}, // the first has a length of 1, so that 73 is inside nothing
		"behind another object": {"3b0780310073000040", extended},
		"one byte of them":      {"3b038071c0", capabilities{}},
		"cut":                   {"3b0480730000", capabilities{}},
		"interface bytes cut":   {"3bf0", capabilities{}},
		"interface byte left":   {"3b8f80", capabilities{}},
		"for ever":              {"3b80" + "80808080808080808080", capabilities{}},
	} {
		if got := readCapabilities(unhex(t, c.atr)); got != c.want {
			t.Errorf("%s: %+v, want %+v", name, got, c.want)
		}
	}
}
