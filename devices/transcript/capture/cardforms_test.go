package capture

import (
	"encoding/hex"
	"fmt"
	"strings"
	"testing"

	"github.com/touchstone-fido/touchstone/devices/transcript"
)

func pythonCard(prefix, sw string) func(testing.TB, *transcript.Tape) []string {
	return func(_ testing.TB, tape *transcript.Tape) []string {
		lines := []string{
			strings.Replace(prefix, "ykman.pcsc.send_and_receive", "yubikit.core.otp.send", 1) + "NOTHING",
			prefix + "SEND: 00a4040005a000000308", // another applet, which is not there
			prefix + "RECV: " + fmt.Sprintf(sw, 0x6a, 0x82),
		}
		for _, rec := range tape.Records {
			if n := len(rec.Data) - 2; rec.Dir == in {
				lines = append(lines, prefix+"RECV: "+hex.EncodeToString(rec.Data[:n])+fmt.Sprintf(sw, rec.Data[n], rec.Data[n+1]))
			} else {
				lines = append(lines, prefix+"SEND: "+hex.EncodeToString(rec.Data))
			}
		}
		return lines
	}
}

func rows(data []byte, text func(byte) string) []string {
	var rows []string
	for i := 0; i < len(data); i += 16 {
		var chars string
		chunk := data[i:min(i+16, len(data))]
		for _, b := range chunk {
			chars += text(b)
		}
		rows = append(rows, fmt.Sprintf("%-48s", fmt.Sprintf("% X", chunk))+chars)
	}
	return rows
}

func printable(other string) func(byte) string {
	return func(b byte) string {
		if b > ' ' && b < 0x7f {
			return string(rune(b))
		}
		return other
	}
}

func ykmanAPDU(_ testing.TB, tape *transcript.Tape) []string {
	var lines []string
	for _, rec := range tape.Records {
		n := len(rec.Data) - 2
		if rec.Dir == out {
			lines = append(lines, "", "SEND: "+fmt.Sprintf("% X", rec.Data))
			continue
		}
		lines = append(lines, fmt.Sprintf("RECV (SW=%X):", rec.Data[n:]))
		lines = append(lines, rows(rec.Data[:n], printable("·"))...)
	}
	return lines
}

func pcscd(thread string) func(testing.TB, *transcript.Tape) []string {
	return func(_ testing.TB, tape *transcript.Tape) []string {
		colour, plain := "", ""
		if thread != "" {
			colour, plain = "\x1b[34m", "\x1b[0m"
		}
		lines := []string{
			"00000002 " + thread + "winscard.c:258:SCardConnect() Attempting Connect to ACS ACR122U 00 00 using protocol: 3",
			"00000005 " + thread + "Card ATR: 3B 8A 80 01 54 6F 75 63 68 73 74 6F 6E 65 2D ",
			"00000003 " + thread + "APDU: 00 A4 04 00 05 A0 00 00 03 08 ",
			"00000405 " + thread + "SW: 6A 82 ",
		}
		for _, rec := range tape.Records {
			word := map[transcript.Direction]string{out: "APDU: ", in: "SW: "}[rec.Dir]
			lines = append(lines, "00000002 "+thread+"winscard.c:1596:SCardTransmit() Send Protocol: T=1",
				colour+"00000003 "+thread+word+fmt.Sprintf("% X ", rec.Data)+plain)
		}
		return lines
	}
}

func opensc(_ testing.TB, tape *transcript.Tape) []string {
	at := "P:13244; T:0x140660980299840 06:20:56.397 [opensc-tool] reader-pcsc.c:326:pcsc_transmit: "
	var lines []string
	for _, rec := range tape.Records {
		word := map[transcript.Direction]string{out: "Outgoing", in: "Incoming"}[rec.Dir]
		lines = append(lines, at, fmt.Sprintf("%s APDU (%d bytes):", word, len(rec.Data)))
		lines = append(lines, rows(rec.Data, printable("."))...)
		lines = append(lines, "")
	}
	return lines
}

func openscTool(_ testing.TB, tape *transcript.Tape) []string {
	lines := []string{"Using reader with a card: ACS ACR122U 00 00"}
	for _, rec := range tape.Records {
		n := len(rec.Data) - 2
		if rec.Dir == out {
			lines = append(lines, fmt.Sprintf("Sending: % X ", rec.Data))
			continue
		}
		lines = append(lines, fmt.Sprintf("Received (SW1=0x%02X, SW2=0x%02X):", rec.Data[n], rec.Data[n+1]))
		lines = append(lines, rows(rec.Data[:n], printable("."))...)
	}
	return lines
}

func globalPlatform(_ testing.TB, tape *transcript.Tape) []string {
	var lines []string
	for _, rec := range tape.Records {
		n := len(rec.Data)
		if rec.Dir == out {
			lines = append(lines, fmt.Sprintf("A>> T=1 (4+%04d) %X %X", n-4, rec.Data[:4], rec.Data[4:]))
			continue
		}
		lines = append(lines, fmt.Sprintf("A<< (%04d+2) (15ms) %s", n-2, strings.TrimSpace(fmt.Sprintf("%X %X", rec.Data[:n-2], rec.Data[n-2:]))))
	}
	return lines
}

func apduLog(send, recv string) func(testing.TB, *transcript.Tape) []string {
	return func(_ testing.TB, tape *transcript.Tape) []string {
		var lines []string
		for _, rec := range tape.Records {
			lines = append(lines, map[transcript.Direction]string{out: send, in: recv}[rec.Dir]+hex.EncodeToString(rec.Data), "NFC communication took 8ms")
		}
		return lines
	}
}

func spacedAPDULog(send, recv string) func(testing.TB, *transcript.Tape) []string {
	return func(_ testing.TB, tape *transcript.Tape) []string {
		var lines []string
		for _, rec := range tape.Records {
			lines = append(lines, map[transcript.Direction]string{out: send, in: recv}[rec.Dir]+fmt.Sprintf("% X", rec.Data))
		}
		return lines
	}
}

func decimalAPDULog(_ testing.TB, tape *transcript.Tape) []string {
	var lines []string
	for _, rec := range tape.Records {
		lines = append(lines, "[TRACE yubikey::transaction] "+map[transcript.Direction]string{out: ">>> ", in: "<<< "}[rec.Dir]+decimals(rec.Data))
	}
	return lines
}

func countedAPDULog(_ testing.TB, tape *transcript.Tape) []string {
	var lines []string
	for _, rec := range tape.Records {
		if n := len(rec.Data) - 2; rec.Dir == in {
			lines = append(lines, fmt.Sprintf("RECV: %d (%x) SW=%X", n, rec.Data[:n], rec.Data[n:]))
		} else {
			lines = append(lines, fmt.Sprintf("SEND: %x", rec.Data))
		}
	}
	return lines
}

// ccidLog is what pcscd logs of the frames of its driver, at the level of APDUs
// or with the blocks of T=1 in them.
func ccidLog(t1 bool) func(testing.TB, *transcript.Tape) []string {
	frame := func(dir transcript.Direction, data []byte) string {
		head := []byte{0x6f, byte(len(data)), byte(len(data) >> 8), 0, 0, 0, 7, 0, 0, 0}
		arrow := "->"
		if dir == in {
			head[0], arrow = 0x80, "<-"
		}
		return fmt.Sprintf("00000012 %s 000000 % X ", arrow, append(head, data...))
	}
	block := func(pcb byte, data []byte) []byte {
		b := append([]byte{0, pcb, byte(len(data))}, data...)
		var sum byte
		for _, c := range b {
			sum ^= c
		}
		return append(b, sum)
	}
	return func(_ testing.TB, tape *transcript.Tape) []string {
		numbers := map[transcript.Direction]byte{}
		next := func(dir transcript.Direction, pcb byte) byte {
			numbers[dir] ^= 0x40
			return pcb | numbers[dir]
		}
		lines := []string{"00000021 -> 000000 65 00 00 00 00 00 06 00 00 00 ", "00000950 <- 000000 81 00 00 00 00 00 06 00 00 00 "}
		for _, rec := range tape.Records {
			if !t1 {
				lines = append(lines, frame(rec.Dir, rec.Data))
				continue
			}
			for data := rec.Data; ; data = data[200:] {
				if len(data) <= 200 {
					lines = append(lines, frame(rec.Dir, block(next(rec.Dir, 0), data)))
					break
				}
				lines = append(lines, frame(rec.Dir, block(next(rec.Dir, 0x20), data[:200])), frame(out+in-rec.Dir, block(0x90, nil)))
			}
		}
		return lines
	}
}
