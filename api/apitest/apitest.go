package apitest

import (
	"context"
	"fmt"
	"io"
	"os"
	"strings"
	"testing"

	"go.uber.org/goleak"

	"github.com/seed53b03582/troupe/api"
	"github.com/seed53b03582/troupe/api/internal/open"
)

// Check fails t at its end, after its other cleanups, for each Session, Lease, streamed
// body or kept connection that is open then and was opened on the calling goroutine after
// Check, by Session for t on any goroutine, or over such a Session. It also fails t for
// goroutines that were started since and are left, but not where t is parallel, or is part
// of such a test: there nobody can tell whose they are, and Main looks at them.
//
// Call it first, on the test's own goroutine; in a bubble, inside of it. Calling it again
// for the same t does no harm.
func Check(t testing.TB) {
	t.Helper()
	stop := open.Watch()
	mark, goroutine := open.Mark(), open.Goroutine()
	there := goleak.IgnoreCurrent()
	t.Cleanup(func() {
		t.Helper()
		defer stop()
		if left := open.Left(t, goroutine, mark); len(left) > 0 {
			t.Errorf("apitest: left open by %s:%s", t.Name(), list(left))
			return // their goroutines would be named too
		}
		if isParallel(t) {
			t.Log("apitest: goroutines are not looked for at the end of a parallel test; Main does so for all")
			return
		}
		if err := goleak.Find(there); err != nil {
			t.Errorf("apitest: goroutines left by %s: %v", t.Name(), err)
		}
	})
}

// Session is api.NewSession for a test, which ends where there is an error. It belongs to
// t, whichever goroutine calls: where nobody closes it, t's Check says so.
func Session(t testing.TB, cfg api.Config) *api.Session {
	t.Helper()
	var s *api.Session
	var err error
	open.As(t, func() { s, err = api.NewSession(cfg) })
	if err != nil {
		t.Fatalf("apitest: NewSession: %v", err)
	}
	return s
}

// Main runs the tests of a package, ends the default session of the one-shot functions,
// and fails the process where anything is open or any goroutine left. It is all that a
// TestMain has to call: it does not return.
func Main(m *testing.M) { os.Exit(run(m, os.Stderr)) }

func run(m interface{ Run() int }, out io.Writer) (code int) {
	defer open.Watch()()
	there := goleak.IgnoreCurrent()
	code = m.Run()
	if left := open.Left(nil, 0, 0); len(left) > 0 {
		fmt.Fprintf(out, "apitest: left open at the end of the tests:%s\n", list(left))
		return max(code, 1)
	}
	if err := api.Shutdown(context.Background()); err != nil {
		fmt.Fprintf(out, "apitest: ending the default session: %v\n", err)
		code = max(code, 1)
	}
	if code != 0 {
		return code // a test that failed midway leaves goroutines: its own message says more
	}
	if err := goleak.Find(there); err != nil {
		fmt.Fprintf(out, "apitest: goroutines left at the end of the tests: %v\n", err)
		return 1
	}
	return 0
}

func list(left []*open.Thing) string {
	var b strings.Builder
	for _, x := range left {
		fmt.Fprintf(&b, "\n  a %s, opened at %s (%s): %s", x.Kind, &x.Place, x.State(), x.Fix)
	}
	return b.String()
}

// isParallel tells whether t, which is at its end, or a test around it runs in parallel
// with others. Setenv refuses in just that case.
func isParallel(t testing.TB) (is bool) {
	defer func() {
		if recover() != nil {
			is = true
		}
	}()
	t.Setenv("TROUPE_APITEST_IS_PARALLEL", "no")
	return false
}
