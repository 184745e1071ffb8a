package control

import (
	"testing"
	"time"

	"github.com/touchstone-fido/touchstone/internal/leftover"
)

// limit is how long a test waits for what must happen.
const limit = 10 * time.Second

func TestMain(m *testing.M) { leftover.Main(m) }
