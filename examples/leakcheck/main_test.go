package leakcheck

import (
	"flag"
	"testing"

	"go.uber.org/goleak"
)

var forget = flag.Bool("forget", false, "leave out Close, to see what a failure looks like")

// TestMain looks for goroutines when all tests have passed. It is the least to do, one
// line a package. If the tests use the one-shot functions (api.Get and so
// on), their session has to end first:
//
//	goleak.VerifyTestMain(m, goleak.Cleanup(func(code int) {
//		api.Shutdown(context.Background())
//		os.Exit(code)
//	}))
func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }
