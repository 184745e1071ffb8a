package ctaphid

import (
	"bytes"
	"errors"
	"reflect"
	"testing"
)

func TestParsePacket(t *testing.T) {
	tests := []struct {
		name   string
		report []byte
		want   Packet
	}{
		{"init", []byte{0, 0, 1, 2, 0x86, 0, 3, 7, 8, 9, 0xee}, Packet{CID: 0x102, Init: true, Command: CommandInit, Length: 3, Data: []byte{7, 8, 9}}},
		{"init, more to come", []byte{1, 2, 3, 4, 0x90, 1, 0, 5}, Packet{CID: 0x01020304, Init: true, Command: CommandCBOR, Length: 256, Data: []byte{5}}},
		{"init, empty", []byte{0xff, 0xff, 0xff, 0xff, 0x88, 0, 0}, Packet{CID: BroadcastCID, Init: true, Command: CommandWink, Data: []byte{}}},
		{"continuation", []byte{0, 0, 0, 1, 0x7f, 1, 2}, Packet{CID: 1, Seq: 0x7f, Data: []byte{1, 2}}},
		{"continuation, empty", []byte{0, 0, 0, 1, 0}, Packet{CID: 1, Data: []byte{}}},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			got, err := ParsePacket(tt.report)
			if err != nil || !reflect.DeepEqual(got, tt.want) {
				t.Errorf("got %+v, %v; want %+v", got, err, tt.want)
			}
		})
	}
}

func TestParsePacketShort(t *testing.T) {
	whole := initPacket(0x01020304, CommandInit, 8)
	for n := range 7 {
		p, err := ParsePacket(whole[:n])
		if !errors.Is(err, FaultShort) || !errors.Is(err, ErrProtocol) {
			t.Errorf("%d bytes: %v", n, err)
		}
		if known := n >= 4; known != (p.CID == 0x01020304) {
			t.Errorf("%d bytes: channel %v", n, p.CID)
		}
	}
}

func TestMaxMessageSize(t *testing.T) {
	for size, want := range map[int]int{-1: 0, 0: 0, 23: 0, 24: 17 + 128*19, 64: MaxMessage, 512: 505 + 128*507, 1024: 65535} {
		if got := MaxMessageSize(size); got != want {
			t.Errorf("reports of %d bytes: %d, want %d", size, got, want)
		}
	}
	if MaxMessage != 7609 {
		t.Errorf("MaxMessage is %d", MaxMessage)
	}
}

func TestFragmentAndAssemble(t *testing.T) {
	for _, size := range []int{MinReportSize, ReportSize, 1024} {
		asm := NewAssembler(size)
		for _, n := range []int{0, 1, size - 8, size - 7, size - 6, 2*size - 12, 2*size - 11, MaxMessageSize(size)} {
			want := Message{CID: 0x00ff0001, Command: CommandPing, Payload: pattern(n)}
			if got := carry(t, asm, want, size); got.CID != want.CID || got.Command != want.Command || !bytes.Equal(got.Payload, want.Payload) {
				t.Errorf("reports of %d: %d bytes came out as %d", size, n, len(got.Payload))
			}
		}
	}
}

// carry cuts m up, spoils the padding and puts the reports together again.
func carry(t *testing.T, asm *Assembler, m Message, size int) Message {
	t.Helper()
	cut, err := NewFragmenter(m, size)
	if err != nil {
		t.Fatal(err)
	}
	left := len(m.Payload)
	for report, header := make([]byte, size), 7; cut.Next(report); header = 5 {
		left -= min(left, size-header)
		if left == 0 {
			spoilPadding(report, header, len(m.Payload), size)
		}
		p, err := ParsePacket(report)
		if err != nil {
			t.Fatal(err)
		}
		got, whole, err := asm.Add(p)
		if err != nil || whole != (left == 0) {
			t.Fatalf("%d bytes to come: whole %v, %v", left, whole, err)
		}
		if whole {
			return got
		}
	}
	t.Fatal("message never complete")
	return Message{}
}

func spoilPadding(report []byte, header, payload, size int) {
	used := payload
	if header == 5 {
		used = (payload-(size-7)-1)%(size-5) + 1
	}
	for i := header + used; i < size; i++ {
		report[i] = 0xaa
	}
}

func TestFragmenterPadsWithZeros(t *testing.T) {
	cut, err := NewFragmenter(Message{CID: 0x0a, Command: CommandMsg, Payload: pattern(58)}, ReportSize)
	if err != nil {
		t.Fatal(err)
	}
	report := bytes.Repeat([]byte{0xee}, ReportSize)
	first := append([]byte{0, 0, 0, 0x0a, 0x83, 0, 58}, pattern(57)...)
	if !cut.Next(report) || !bytes.Equal(report, first) {
		t.Errorf("first report %x, want %x", report, first)
	}
	second := append([]byte{0, 0, 0, 0x0a, 0, pattern(58)[57]}, make([]byte, 58)...)
	if !cut.Next(report) || !bytes.Equal(report, second) {
		t.Errorf("second report %x, want %x", report, second)
	}
	if cut.Next(report) || new(Fragmenter).Next(report) {
		t.Error("a report after the last")
	}
}

func TestFragmenterRefuses(t *testing.T) {
	for _, tt := range []struct{ payload, size int }{{7610, 64}, {70000, 1024}, {0, 23}, {0, -5}} {
		_, err := NewFragmenter(Message{Payload: make([]byte, tt.payload)}, tt.size)
		if !errors.Is(err, ErrTooLong) {
			t.Errorf("%d bytes in reports of %d: %v", tt.payload, tt.size, err)
		}
	}
}

// asmStep is what an Assembler makes of one report.
type asmStep struct {
	report []byte
	whole  string // payload of the message that it completes
	err    error  // *ProtocolError
}

func TestAssemblerFaults(t *testing.T) {
	start := initPacket(1, CommandPing, 100)
	whole := initPacket(1, CommandMsg, 2, 'o', 'k')
	fault := func(f Fault, cmd Command, got, want int) error {
		return &ProtocolError{Fault: f, CID: 1, Command: cmd, Got: got, Want: want}
	}
	tests := map[string][]asmStep{
		"continuation first": {{contPacket(1, 5), "", fault(FaultStray, 0, 5, 0)}, {whole, "ok", nil}},
		"sequence skipped":   {{start, "", nil}, {contPacket(1, 1), "", fault(FaultSequence, CommandPing, 1, 0)}, {whole, "ok", nil}},
		"sequence repeated": {
			{initPacket(1, CommandPing, 200), "", nil}, {contPacket(1, 0), "", nil},
			{contPacket(1, 0), "", fault(FaultSequence, CommandPing, 0, 1)},
			{contPacket(1, 1), "", fault(FaultStray, 0, 1, 0)},
		},
		"duplicate last packet": {
			{start, "", nil}, {contPacket(1, 0), string(make([]byte, 100)), nil},
			{contPacket(1, 0), "", fault(FaultStray, 0, 0, 0)},
		},
		"too long":                 {{initPacket(1, CommandPing, 7610), "", fault(FaultLength, CommandPing, 7610, 7609)}, {whole, "ok", nil}},
		"interrupted by a message": {{start, "", nil}, {whole, "ok", fault(FaultInterrupted, CommandPing, 57, 100)}},
		"interrupted by a start": {
			{start, "", nil}, {initPacket(1, CommandPing, 58, 'x'), "", fault(FaultInterrupted, CommandPing, 57, 100)},
			{contPacket(1, 0), "x" + string(make([]byte, 57)), nil},
		},
		"another channel's continuation": {
			{start, "", nil}, {contPacket(2, 0), "", &ProtocolError{Fault: FaultStray, CID: 2}},
			{contPacket(1, 0), string(make([]byte, 100)), nil},
		},
		"cut init packet":         {{start[:63], "", fault(FaultShort, CommandPing, 56, 57)}, {whole, "ok", nil}},
		"cut continuation packet": {{start, "", nil}, {contPacket(1, 0)[:47], "", fault(FaultShort, CommandPing, 42, 43)}, {whole, "ok", nil}},
		"cut padding only":        {{start, "", nil}, {contPacket(1, 0)[:48], string(make([]byte, 100)), nil}},
	}
	for name, steps := range tests {
		t.Run(name, func(t *testing.T) { runSteps(t, steps) })
	}
}

func runSteps(t *testing.T, steps []asmStep) {
	asm := NewAssembler(0)
	for i, s := range steps {
		p, err := ParsePacket(s.report)
		if err != nil {
			t.Fatal(err)
		}
		m, whole, err := asm.Add(p)
		if string(m.Payload) != s.whole && whole || whole != (s.whole != "") || !reflect.DeepEqual(err, s.err) {
			t.Errorf("report %d: %q, %v, %v; want %q, %v", i, m.Payload, whole, err, s.whole, s.err)
		}
	}
}

func TestAssemblerTellsBothFaultsOfOnePacket(t *testing.T) {
	asm := NewAssembler(ReportSize)
	asm.Add(Packet{CID: 1, Init: true, Command: CommandPing, Length: 58, Data: make([]byte, 57)})
	_, whole, err := asm.Add(Packet{CID: 1, Init: true, Command: CommandPing, Length: 7610})
	if whole || !errors.Is(err, FaultInterrupted) || !errors.Is(err, FaultLength) {
		t.Errorf("whole %v, %v", whole, err)
	}
}

func TestAssemblerPending(t *testing.T) {
	asm := NewAssembler(ReportSize)
	if err := asm.Pending(); err != nil {
		t.Errorf("at first: %v", err)
	}
	asm.Add(Packet{CID: 7, Init: true, Command: CommandMsg, Length: 60, Data: make([]byte, 57)})
	want := &ProtocolError{Fault: FaultIncomplete, CID: 7, Command: CommandMsg, Got: 57, Want: 60}
	if err := asm.Pending(); !reflect.DeepEqual(err, error(want)) {
		t.Errorf("got %v, want %v", err, want)
	}
	asm.Reset()
	if err := asm.Pending(); err != nil {
		t.Errorf("after Reset: %v", err)
	}
}

func TestCodecDoesNotAllocate(t *testing.T) {
	report, payload := make([]byte, ReportSize), pattern(MaxMessage)
	asm := NewAssembler(ReportSize)
	allocs := testing.AllocsPerRun(100, func() { codecRound(t, asm, report, payload) })
	if allocs != 0 {
		t.Errorf("%v allocations for 129 reports both ways", allocs)
	}
}

func codecRound(t testing.TB, asm *Assembler, report, payload []byte) {
	cut, err := NewFragmenter(Message{CID: 1, Command: CommandPing, Payload: payload}, len(report))
	if err != nil {
		t.Fatal(err)
	}
	whole := false
	for cut.Next(report) {
		p, err := ParsePacket(report)
		if err != nil {
			t.Fatal(err)
		}
		if _, whole, err = asm.Add(p); err != nil {
			t.Fatal(err)
		}
	}
	if !whole {
		t.Fatal("message not complete")
	}
}
