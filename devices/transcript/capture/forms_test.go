package capture

import (
	"encoding/base64"
	"encoding/hex"
	"fmt"
	"strings"
	"testing"

	"github.com/touchstone-fido/touchstone/ctaphid"
	"github.com/touchstone-fido/touchstone/devices/transcript"
)

// A textForm writes a session as another program logs it, line by line.
type textForm struct {
	name  string
	form  Form
	card  bool // a session of a card
	write func(t testing.TB, tape *transcript.Tape) []string
	// want is what should come of it; nil for the session as it is.
	want func(t testing.TB, tape *transcript.Tape) []string
	// remarks are those that even an undamaged log has.
	remarks []string
}

func rebuiltRequests(t testing.TB, tape *transcript.Tape) []string {
	return asMessages(t, withoutKeepalives(t, tape), out)
}

func allMessages(t testing.TB, tape *transcript.Tape) []string {
	var cbor []string
	for _, line := range asMessages(t, withoutKeepalives(t, tape), out, in) {
		if strings.Contains(line, " msg 10 ") {
			cbor = append(cbor, line)
		}
	}
	return cbor
}

// textForms are the forms of text, each in the variants that programs and their
// versions have.
func textForms() []textForm {
	return []textForm{
		{"libfido2 1.8", Libfido2, false, libfido2Writer{}.write, rebuiltRequests, nil},
		{"libfido2 1.8 under ssh", Libfido2, false, libfido2Writer{prefix: "debug1: "}.write, rebuiltRequests, nil},
		{"libfido2 1.8 in a journal", Libfido2, false, libfido2Writer{prefix: "Nov 26 06:20:57 host fido2-token[123]: "}.write, rebuiltRequests, nil},
		{"libfido2 1.5", Libfido2, false, libfido2Writer{style: 1}.write, rebuiltRequests, nil},
		{"libfido2 1.3", Libfido2, false, libfido2Writer{style: 2}.write, rebuiltRequests, nil},
		{"libfido2 1.3 with a prefix", Libfido2, false, libfido2Writer{style: 2, prefix: "ssh-sk-helper: "}.write, rebuiltRequests, nil},
		{"libfido2 over PC/SC", Libfido2, true, libfido2Card(true), nil, nil},
		{"libfido2 over Linux NFC", Libfido2, true, libfido2Card(false), nil, nil},

		{"python-fido2", PythonFIDO2, false, pythonHID("DEBUG:fido2.hid:", false), nil, nil},
		{"python-fido2 with bytes", PythonFIDO2, false, pythonHID("DEBUG:fido2.hid:", true), nil, nil},
		{"python-fido2 level 5", PythonFIDO2, false, pythonHID("Level 5:fido2.hid:", false), nil, nil},
		{"ykman 4", PythonFIDO2, false, pythonHID("2026-11-26T06:20:57+0000 DEBUG [fido2.hid.call:156] ", false), nil, nil},
		{"ykman 5", PythonFIDO2, false, pythonHID("TRAFFIC 21:44:29.939 [fido2.hid._do_call:191] ", false), nil, nil},
		{"python-fido2 card", PythonFIDO2, true, pythonCard("DEBUG:fido2.pcsc:", " SW=%02X%02X"), nil, nil},
		{"ykman card", PythonFIDO2, true, pythonCard("TRAFFIC 21:44:30.57 [ykman.pcsc.send_and_receive:118] ", " SW=%02x%02x"), nil, nil},
		{"ykman apdu", PythonFIDO2, true, ykmanAPDU, nil, nil},

		{"microG", MicroG, false, microG(false), nil, nil},
		{"microG in Android Studio", MicroG, false, microG(true), nil, nil},
		{"libwebauthn", Libwebauthn, false, libwebauthn(false), nil, nil},
		{"libwebauthn, pretty", Libwebauthn, false, libwebauthn(true), nil, nil},
		{"authenticator-rs", ReportLog, false, reportLog("USB send: 00", "USB recv: "), nil, nil},
		{"libu2f-host", ReportLog, false, reportLog("USB send: 00", "USB recv: "), nil, nil},
		{"webauthn-authenticator-rs", APDULog, false, reportLog("TRACE webauthn_authenticator_rs::usb: >>> 00", "TRACE webauthn_authenticator_rs::usb: <<< "), nil, nil},
		{"u2f-ref-code", ReportLog, false, u2fRefCode, nil, nil},
		{"usbip", ReportLog, false, usbip, nil, nil},

		{"pcscd", PCSCD, true, pcscd(""), nil, nil},
		{"pcscd with threads and colours", PCSCD, true, pcscd("[140660980299840] "), nil, nil},
		{"pcscd's driver", PCSCD, true, ccidLog(false), nil, nil},
		{"pcscd's driver with T=1", PCSCD, true, ccidLog(true), nil, nil},
		{"OpenSC driver", OpenSC, true, opensc, nil, nil},
		{"opensc-tool", OpenSC, true, openscTool, nil, nil},
		{"GlobalPlatformPro", APDULog, true, globalPlatform, nil, nil},
		{"hwsecurity", APDULog, true, apduLog("07-01 19:35:37.864  22929    22946           NfcTransport  D  NFC out: ", "07-01 19:35:37.872  22929    22946           NfcTransport  D  NFC  in: "), nil, nil},
		{"arrows", APDULog, true, apduLog(">>> ", "<<< "), nil, nil},
		{"long arrows", APDULog, true, apduLog("--> ", "<-- "), nil, nil},
		{"C-APDU", APDULog, true, apduLog("C-APDU: ", "R-APDU: "), nil, nil},
		{"pyscard", APDULog, true, spacedAPDULog("> ", "< "), nil, nil},
		{"yubikey.rs", APDULog, true, decimalAPDULog, nil, nil},
		{"bare numbers of bytes", PythonFIDO2, true, countedAPDULog, nil, nil},

		{"Chromium, old", Chromium, false, chromiumLog(false), allMessages, nil},
		{"Chromium, new", Chromium, false, chromiumLog(true), allMessages, nil},
		{"Windows as XML", WindowsEvents, false, windowsXML, allMessages, nil},
		{"Windows as text", WindowsEvents, false, windowsText, allMessages, nil},
		{"Windows, verbose", WindowsEvents, false, windowsVerbose, func(t testing.TB, tape *transcript.Tape) []string {
			return asMessages(t, withoutKeepalives(t, tape), out, in)
		}, nil},

		{"C arrays", Source, false, cArrays, nil, nil},
		{"Wireshark bytes", Wireshark, false, wiresharkBytes, nil, nil},
		{"tshark fields", Wireshark, false, tsharkFields, nil, nil},
		{"corpus records", JSONLines, false, jsonRecords, nil, nil},
		{"corpus records of a card", JSONLines, true, jsonRecords, nil, nil},
	}
}

// libfido2Writer writes libfido2's debug output. Style 0 is that of version
// 1.8 and later, 1 that of 1.5, 2 that of 1.3 and before.
type libfido2Writer struct {
	style  int
	prefix string
	handle string
}

func (w libfido2Writer) write(t testing.TB, tape *transcript.Tape) []string {
	handle := w.handle
	if handle == "" {
		handle = "0x561ef0b524a0"
	}
	var lines []string
	for _, m := range messages(t, tape) {
		lines = append(lines, w.message(m, handle)...)
	}
	for i := range lines {
		lines[i] = w.prefix + lines[i]
	}
	return lines
}

func (w libfido2Writer) message(m message, handle string) []string {
	if m.command == ctaphid.CommandKeepalive {
		return nil // libfido2 passes over them in silence
	}
	if m.dir == out {
		announce := []string{
			fmt.Sprintf("fido_tx: dev=%s, cmd=0x%02x\nfido_tx: buf=0x7ffe38e86fd7, len=%d", handle, byte(m.command), len(m.payload)),
			fmt.Sprintf("fido_tx: d=%s, cmd=0x%02x, buf=0x7ffe38e86fd7, count=%d", handle, byte(m.command), len(m.payload)),
			fmt.Sprintf("tx: d=%s, cmd=0x%02x, buf=00BF5288, len=%d", handle, byte(m.command)|0x80, len(m.payload)),
		}[w.style]
		return append(strings.Split(announce, "\n"), w.dump(m.payload)...)
	}
	var lines []string
	if w.style < 2 {
		lines = append(lines, fmt.Sprintf("fido_rx: dev=%s, cmd=0x%02x, ms=-1", handle, byte(m.command)))
	}
	for i, rec := range m.records {
		frame := "initiation frame"
		if i > 0 {
			frame = "continuation frame"
		}
		function := map[bool]string{true: "rx_preamble", false: "rx"}[i == 0 && w.style < 2]
		lines = append(lines, []string{
			fmt.Sprintf("%s: buf=0x7ffe38e86f40, len=%d", function, len(rec.Data)),
			fmt.Sprintf("%s: %s at 0x7ffe38e86f40", function, frame),
			fmt.Sprintf("rx: %s at 0095F5AC, len %d", frame, len(rec.Data)),
		}[w.style])
		lines = append(lines, w.dump(rec.Data)...)
		if i == 0 && w.style < 2 {
			lines = append(lines, fmt.Sprintf("rx: payload_len=%d", len(m.payload)))
		}
	}
	last := fmt.Sprintf("fido_rx: buf=0x561ef0b52cb0, len=%d", len(m.payload))
	if w.style == 2 {
		last = fmt.Sprintf("rx: buf=0095F670, len=%d", len(m.payload))
		if len(m.records) == 1 {
			return lines
		}
	}
	return append(append(lines, last), w.dump(m.payload)...)
}

func (w libfido2Writer) dump(data []byte) []string {
	var rows []string
	for i := 0; i < len(data); i += 16 {
		row := fmt.Sprintf("% x", data[i:min(i+16, len(data))])
		if w.style == 2 {
			rows = append(rows, "  "+row+" ")
		} else {
			rows = append(rows, fmt.Sprintf("%04d: %s", i, row))
		}
	}
	return rows
}

// libfido2Card writes the APDUs of libfido2 over PC/SC, where it shows answers
// twice, or over the kernel's NFC.
func libfido2Card(pcsc bool) func(testing.TB, *transcript.Tape) []string {
	return func(_ testing.TB, tape *transcript.Tape) []string {
		var lines []string
		dump := func(words string, data []byte, length string) {
			lines = append(lines, fmt.Sprintf("%s: buf=0x5e0b660f20a0, %s=%d", words, length, len(data)))
			lines = append(lines, libfido2Writer{}.dump(data)...)
		}
		for _, rec := range tape.Records {
			switch {
			case pcsc && rec.Dir == out:
				dump("fido_pcsc_write: writing", rec.Data, "len")
			case pcsc:
				dump("fido_pcsc_write: read", rec.Data, "len")
				lines = append(lines, "fido_rx: dev=0x5e0b6610fab0, cmd=0x10, ms=-1")
				dump("fido_pcsc_read: reading", rec.Data, "len")
			case rec.Dir == out:
				dump("fido_nfc_write", rec.Data, "len")
			default:
				dump("fido_nfc_read", rec.Data, "r")
			}
		}
		return lines
	}
}

// pythonHID writes what python-fido2 logs: requests without their padding.
func pythonHID(prefix string, asBytes bool) func(testing.TB, *transcript.Tape) []string {
	return func(t testing.TB, tape *transcript.Tape) []string {
		var lines []string
		for _, m := range messages(t, tape) {
			left := len(m.payload)
			for i, rec := range m.records {
				word, data := "RECV", rec.Data
				if m.dir == out {
					head := map[bool]int{true: 7, false: 5}[i == 0]
					n := min(left, len(data)-head)
					word, data, left = "SEND", data[:head+n], left-n
				}
				text := hex.EncodeToString(data)
				if asBytes {
					text = "b'" + text + "'"
				}
				lines = append(lines, prefix+word+": "+text)
			}
		}
		return lines
	}
}

func microG(studio bool) func(testing.TB, *transcript.Tape) []string {
	return func(_ testing.TB, tape *transcript.Tape) []string {
		var lines []string
		for _, rec := range tape.Records {
			word := map[transcript.Direction]string{out: "Sent packet ", in: "Received packet "}[rec.Dir]
			text := word + base64.StdEncoding.EncodeToString(rec.Data)
			if studio {
				lines = append(lines, "[ 11-10 17:23:17.921 27585:27585 D/FidoCtapHidConnection ]", text, "")
			} else {
				lines = append(lines, "11-10 09:46:15.799 15055 15055 D FidoCtapHidConnection: "+text, "11-10 09:46:15.799 15055 15055 D UsbRequestJNI: close")
			}
		}
		return lines
	}
}

func decimals(data []byte) string { return strings.Join(strings.Fields(fmt.Sprint(data)), ", ") }

func libwebauthn(pretty bool) func(testing.TB, *transcript.Tape) []string {
	return func(_ testing.TB, tape *transcript.Tape) []string {
		var lines []string
		for _, rec := range tape.Records {
			data, say, span := rec.Data, "Received HID report", "hid_recv"
			if rec.Dir == out {
				data, say, span = append([]byte{0}, data...), "Sending packet as HID report", "hid_send"
			}
			if pretty {
				lines = append(lines,
					"  2023-10-30T18:50:26.537097Z DEBUG libwebauthn::transport::hid::channel: "+say+", len: 64",
					"    at libwebauthn/src/transport/hid/channel.rs:281", "",
					"  2023-10-30T18:50:26.537141Z TRACE libwebauthn::transport::hid::channel: report: "+decimals(data),
					"    in libwebauthn::transport::hid::channel::"+span, "")
				continue
			}
			at := "2025-05-25T07:28:27.505178Z TRACE webauthn{dev=Yubico YubiKey (r1396)}:ctap2_get_info:" + span + ": libwebauthn::transport::hid::channel: "
			lines = append(lines, at+"report="+decimals(data))
		}
		return lines
	}
}

func reportLog(send, recv string) func(testing.TB, *transcript.Tape) []string {
	return func(_ testing.TB, tape *transcript.Tape) []string {
		var lines []string
		for _, rec := range tape.Records {
			lines = append(lines, map[transcript.Direction]string{out: send, in: recv}[rec.Dir]+hex.EncodeToString(rec.Data), "USB read rc read 64")
		}
		return lines
	}
}

func u2fRefCode(_ testing.TB, tape *transcript.Tape) []string {
	var lines []string
	for _, rec := range tape.Records {
		arrow := map[transcript.Direction]string{out: ">", in: "<"}[rec.Dir]
		if d := rec.Data; d[4]&0x80 != 0 {
			lines = append(lines, fmt.Sprintf("> t+0.016%s %x:%02x[%d]:%X", arrow, d[:4], d[4], int(d[5])<<8|int(d[6]), d[7:]))
		} else {
			lines = append(lines, fmt.Sprintf("> t+0.016%s %x:%02x:%X", arrow, d[:4], d[4], d[5:]))
		}
	}
	return lines
}

func usbip(_ testing.TB, tape *transcript.Tape) []string {
	var lines []string
	for _, rec := range tape.Records {
		if rec.Dir == out {
			lines = append(lines, "  CmdIntrOUT: 00000001 00000d06 0001000f 00000000 00000001 00000000 00000040 ffffffff", "              "+hex.EncodeToString(rec.Data),
				"  RetIntrOut: 00000003 00000d06 00000000 00000000 00000000 00000000 00000040 ffffffff")
			continue
		}
		lines = append(lines, "  CmdIntrIN:  00000001 00000d05 0001000f 00000001 00000001 00000200 00000040 ffffffff",
			"  RetIntrIn:  00000003 00000d05 00000000 00000000 00000000 00000000 00000040 ffffffff", "              "+hex.EncodeToString(rec.Data))
	}
	return lines
}

func cArrays(_ testing.TB, tape *transcript.Tape) []string {
	lines := []string{"# fuzz/some.c, as found", "#include <stdint.h>", ""}
	for i, rec := range tape.Records {
		lines = append(lines, fmt.Sprintf("static const uint8_t %s_%d[] = { /* %d bytes */", map[transcript.Direction]string{out: "host", in: "wiredata"}[rec.Dir], i, len(rec.Data)))
		for k := 0; k < len(rec.Data); k += 8 {
			line := "\t"
			for _, b := range rec.Data[k:min(k+8, len(rec.Data))] {
				line += fmt.Sprintf("0x%02x, ", b)
			}
			lines = append(lines, strings.TrimRight(line, " "))
		}
		lines = append(lines, "};")
	}
	return lines
}

func wiresharkBytes(_ testing.TB, tape *transcript.Tape) []string {
	var lines []string
	for i, packet := range usbmonPackets(tape, 1, 2, 0x81, 0x01) {
		for k := 0; k < len(packet); k += 16 {
			chunk := packet[k:min(k+16, len(packet))]
			lines = append(lines, fmt.Sprintf("%04x  %-47s   %s", k, fmt.Sprintf("% x", chunk), strings.Repeat(".", len(chunk))))
		}
		_ = i
		lines = append(lines, "")
	}
	return lines
}

func tsharkFields(_ testing.TB, tape *transcript.Tape) []string {
	var lines []string
	for i, rec := range tape.Records {
		lines = append(lines, fmt.Sprintf("%d\t%s\t%x", i+1, map[transcript.Direction]string{out: "host", in: "1.2.1"}[rec.Dir], rec.Data))
	}
	return lines
}

func jsonRecords(_ testing.TB, tape *transcript.Tape) []string {
	lines := []string{`{"transport": "usb-hid", "device": "someone's"}`}
	if tape.Header.Transport == transcript.NFC {
		lines = []string{`{"transport": "pcsc", "device": "someone's", "atr": "3b8a"}`}
	}
	for _, rec := range tape.Records {
		lines = append(lines, fmt.Sprintf(`{"t_us": %d, "dir": "%s", "hex": "%x"}`, rec.Time.Microseconds(), map[transcript.Direction]string{out: "tx", in: "rx"}[rec.Dir], rec.Data))
	}
	return lines
}
