package doctor

import (
	"context"
	"io"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"sync"
	"time"

	"github.com/touchstone-fido/touchstone/ctaphid/hidraw"
	"github.com/touchstone-fido/touchstone/devices"
	"github.com/touchstone-fido/touchstone/devices/discover"
	"github.com/touchstone-fido/touchstone/devices/holders"
	"github.com/touchstone-fido/touchstone/nfc/pcsc"
)

// machine is what the checks look at: below root the files, and the rest by
// functions, so that a test can be any machine.
type machine struct {
	goos   string
	root   string // where /dev, /etc, /proc, /run, /sys and /usr are
	uid    int
	user   string
	noOpen bool
	limit  time.Duration

	getenv   func(string) string
	backends []devices.Backend
	nodes    func() ([]hidraw.Device, error)
	node     func(path string) string // owner, group, mode and access list
	readers  func(ctx context.Context) ([]pcsc.Reader, error)
	list     func() devices.Listing
	ask      func(ctx context.Context, key devices.Info) (answer, error)
	holders  func(ctx context.Context, path string) (holders.Found, error)
	clients  func(ctx context.Context, path string) (holders.Socket, error)
	elevated func() bool
	service  func(name string) (running bool, err error)
}

func newMachine(ctx context.Context, c Config) *machine {
	m := &machine{
		goos: runtime.GOOS, root: "/", uid: os.Geteuid(), user: userName(), noOpen: c.NoOpen, limit: c.Limit,
		getenv: os.Getenv, backends: discover.Backends(),
		nodes:   sync.OnceValues(func() ([]hidraw.Device, error) { return hidraw.List("") }),
		node:    describeNode,
		readers: pcsc.List,
		ask:     askKey,
		holders: func(ctx context.Context, path string) (holders.Found, error) { return holders.OfNode(ctx, "", path) },
		clients: func(ctx context.Context, path string) (holders.Socket, error) {
			return holders.OfSocket(ctx, "", path)
		},
		elevated: elevated, service: serviceRuns,
	}
	if m.limit == 0 {
		m.limit = defaultLimit
	}
	m.list = sync.OnceValue(func() devices.Listing {
		// Earlier than the check, which would not learn of what was found.
		ctx, stop := context.WithTimeout(ctx, m.limit/2)
		defer stop()
		return discover.List(ctx, discover.Options{})
	})
	return m
}

// path is a path of the machine.
func (m *machine) path(parts ...string) string {
	return filepath.Join(append([]string{m.root}, parts...)...)
}

// exists reports whether there is something at a path, a link that leads
// nowhere too.
func (m *machine) exists(parts ...string) bool {
	_, err := os.Lstat(m.path(parts...))
	return err == nil
}

// longestFile is how much of a file is read. Those that are looked at are short.
const longestFile = 1 << 20

// read is the text of a file, empty if it cannot be read.
func (m *machine) read(parts ...string) string {
	f, err := os.Open(m.path(parts...))
	if err != nil {
		return ""
	}
	defer f.Close()
	b, _ := io.ReadAll(io.LimitReader(f, longestFile))
	return string(b)
}

// setting is the value of a name in a file of lines like NAME=value.
func setting(text, name string) string {
	for line := range strings.Lines(text) {
		if value, ok := strings.CutPrefix(strings.TrimSuffix(line, "\n"), name+"="); ok {
			return strings.Trim(value, `"`)
		}
	}
	return ""
}

// built reports whether a backend is in this program.
func (m *machine) built(name string) bool {
	for _, b := range m.backends {
		if b.Name == name {
			return b.Built
		}
	}
	return false
}

// install is the command that installs a package, by the distribution's name
// for it, empty if the distribution is not known.
func (m *machine) install(debian, fedora, arch, suse, alpine string) []string {
	release := m.read("etc/os-release")
	for _, family := range strings.Fields(setting(release, "ID") + " " + setting(release, "ID_LIKE")) {
		switch family {
		case "debian", "ubuntu":
			return []string{"sudo apt install " + debian}
		case "fedora", "rhel", "centos":
			return []string{"sudo dnf install " + fedora}
		case "arch":
			return []string{"sudo pacman -S " + arch}
		case "suse", "opensuse":
			return []string{"sudo zypper install " + suse}
		case "alpine":
			return []string{"doas apk add " + alpine}
		}
	}
	return nil
}
