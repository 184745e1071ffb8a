package uhid

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
)

// places are the sizes and places of event.go by the names of linux/uhid.h.
var places = []struct {
	field string
	at    int
}{
	{"u.create2.name", createName}, {"u.create2.uniq", createSerial}, {"u.create2.rd_size", createSize},
	{"u.create2.bus", createBus}, {"u.create2.vendor", createVendor}, {"u.create2.product", createProduct},
	{"u.create2.version", createVersion}, {"u.create2.rd_data", createDescriptor},
	{"u.input2.size", inputSize}, {"u.input2.data", inputData},
	{"u.output.data", outputData}, {"u.output.size", outputSize}, {"u.output.rtype", outputKind},
	{"u.get_report.id", requestID}, {"u.get_report.rtype", requestKind},
	{"u.set_report.id", requestID}, {"u.set_report.rtype", requestKind}, {"u.set_report.size", setSize}, {"u.set_report.data", setData},
	{"u.get_report_reply.id", requestID}, {"u.get_report_reply.err", replyError},
	{"u.set_report_reply.id", requestID}, {"u.set_report_reply.err", replyError},
}

// constants are its values by the same names.
var constants = []struct {
	name  string
	value int
}{
	{"UHID_DESTROY", typeDestroy}, {"UHID_START", typeStart}, {"UHID_STOP", typeStop}, {"UHID_OPEN", typeOpen}, {"UHID_CLOSE", typeClose},
	{"UHID_OUTPUT", typeOutput}, {"UHID_GET_REPORT", typeGetReport}, {"UHID_GET_REPORT_REPLY", typeGetReportReply},
	{"UHID_CREATE2", typeCreate2}, {"UHID_INPUT2", typeInput2}, {"UHID_SET_REPORT", typeSetReport}, {"UHID_SET_REPORT_REPLY", typeSetReportReply},
	{"UHID_DATA_MAX", dataSize}, {"UHID_OUTPUT_REPORT", kindOutput}, {"BUS_USB", busUSB}, {"EIO", errIO},
}

// TestLayout holds the encoding to the kernel's own header, by a C compiler.
func TestLayout(t *testing.T) {
	cc, err := exec.LookPath("cc")
	if err != nil {
		t.Skip("NOT RUN: no C compiler to read linux/uhid.h with")
	}
	if _, err := os.Stat("/usr/include/linux/uhid.h"); err != nil {
		t.Skip("NOT RUN: the kernel's headers are not installed (Debian: linux-libc-dev)")
	}
	source := "#include <errno.h>\n#include <stddef.h>\n#include <linux/uhid.h>\n"
	for _, p := range places {
		source += fmt.Sprintf("_Static_assert(offsetof(struct uhid_event, %s) == %d, \"%[1]s\");\n", p.field, p.at)
	}
	for _, c := range constants {
		source += fmt.Sprintf("_Static_assert(%s == %d, \"%[1]s\");\n", c.name, c.value)
	}
	source += fmt.Sprintf("_Static_assert(sizeof(struct uhid_event) <= %d, \"size\");\n", eventSize)
	file := filepath.Join(t.TempDir(), "layout.c")
	if err := os.WriteFile(file, []byte(source), 0o600); err != nil {
		t.Fatal(err)
	}
	if out, err := exec.Command(cc, "-fsyntax-only", file).CombinedOutput(); err != nil {
		t.Errorf("%v\n%s", err, strings.TrimSpace(string(out)))
	}
}
