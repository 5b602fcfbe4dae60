package leakcheck

import (
	"flag"
	"testing"

	"github.com/seed53b03582/troupe/api/apitest"
)

var forget = flag.Bool("forget", false, "leave out Close, to see what a failure looks like")

// TestMain looks at what is left when all tests have run. It is the least to do, one line
// a package. It also ends the session of the one-shot functions (api.Get and so on).
func TestMain(m *testing.M) { apitest.Main(m) }
