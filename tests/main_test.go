package tests

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"runtime"
	"sync"
	"testing"
	"time"

	"go.uber.org/goleak"

	"github.com/seed53b03582/troupe/api"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// patience bounds every wait in this package: what takes longer hangs. A machine that
// has other things to do for a while is no reason to fail.
const patience = 2 * time.Minute

// soon is a context that a call which does not hang never sees the end of.
func soon(t testing.TB) context.Context {
	ctx, cancel := context.WithTimeout(t.Context(), patience)
	t.Cleanup(cancel)
	return ctx
}

// eventually waits until holds does.
func eventually(t testing.TB, what string, holds func() bool) {
	t.Helper()
	tick := time.NewTicker(time.Millisecond)
	defer tick.Stop()
	late := time.NewTimer(patience)
	defer late.Stop()
	for !holds() {
		select {
		case <-tick.C:
		case <-late.C:
			t.Fatalf("waited %v in vain: %s", patience, what)
		}
	}
}

// receive takes one value from ch.
func receive[T any](t testing.TB, what string, ch <-chan T) (v T) {
	t.Helper()
	late := time.NewTimer(patience)
	defer late.Stop()
	select {
	case v = <-ch:
	case <-late.C:
		t.Fatalf("waited %v in vain: %s\n%s", patience, what, stacks())
	}
	return v
}

// stacks shows what every goroutine is at, for a test that hangs.
func stacks() []byte {
	buf := make([]byte, 1<<20)
	return buf[:runtime.Stack(buf, true)]
}

// pause waits for d, or less where ctx ends. For the clients and servers of these
// tests, never for a test itself.
func pause(ctx context.Context, d time.Duration) {
	t := time.NewTimer(d)
	defer t.Stop()
	select {
	case <-t.C:
	case <-ctx.Done():
	}
}

// noLeaks holds a test to ending every goroutine it has started. To be called
// first, so that it looks last.
func noLeaks(t testing.TB) {
	before := goleak.IgnoreCurrent()
	t.Cleanup(func() {
		var err error
		defer func() {
			if err != nil {
				t.Error(err)
			}
		}()
		eventually(t, "every goroutine has ended", func() bool { err = goleak.Find(before); return err == nil })
	})
}

// newSession is a session that ends with the test, without an error. A dial may take its
// time, where the test is not about that.
func newSession(t testing.TB, cfg api.Config) *api.Session {
	t.Helper()
	cfg.DialTimeout = cmp.Or(cfg.DialTimeout, patience)
	s, err := api.NewSession(cfg)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := s.Close(); err != nil {
			t.Errorf("Close: %v", err)
		}
	})
	return s
}

// noBreaker is for tests of something else in which much fails.
var noBreaker = api.Breaker{Disabled: true}

// each runs n calls at once, each on a goroutine of its own, and returns their
// errors in the order of i.
func each(n int, call func(i int) error) []error {
	errs := make([]error, n)
	var all sync.WaitGroup
	for i := range n {
		all.Go(func() { errs[i] = call(i) })
	}
	all.Wait()
	return errs
}

// callers runs n calls at once and sums up how they failed.
func callers(n int, call func(i int) error) error {
	var first error
	failed := 0
	for _, err := range each(n, call) {
		if err != nil {
			failed++
			first = cmp.Or(first, err)
		}
	}
	if failed > 1 {
		return fmt.Errorf("%d of %d callers failed, the first: %w", failed, n, first)
	}
	return first
}

// second drops a call's answer.
func second(_ *api.Response, err error) error { return err }

// start runs a call and gives a channel for its error.
func start(call func() error) <-chan error {
	done := make(chan error, 1)
	go func() { done <- call() }()
	return done
}

// wantQuiet waits until nothing is queued, dialled or in use.
func wantQuiet(t testing.TB, s *api.Session) {
	t.Helper()
	var snap api.Snapshot
	rests := false
	defer func() {
		if !rests {
			t.Logf("the session:\n%s", snap)
		}
	}()
	eventually(t, "the session comes to rest", func() bool {
		snap = s.Snapshot()
		for _, o := range snap.Origins {
			if o.Queued != 0 || o.Dialing != 0 || o.Busy != 0 {
				return false
			}
		}
		return true
	})
	rests = true
}

// wantCapacity proves that n calls to o run truly at once: the server has all of
// them before it answers the first. o must not limit them otherwise.
func wantCapacity(t testing.TB, s *api.Session, o *origin, n int, opts ...api.Option) {
	t.Helper()
	together := newGate()
	var here gauge
	path := o.route("/capacity", func(x *exchange) bool {
		here.add(1)
		defer here.add(-1)
		return stall(together)(x)
	})
	all := start(func() error {
		return callers(n, func(int) error { return second(s.Get(soon(t), path, opts...)) })
	})
	eventually(t, "as many calls at once as the limit allows", func() bool { return here.now() == n })
	together.open()
	if err := receive(t, "the calls at full capacity", all); err != nil {
		t.Errorf("at full capacity: %v", err)
	}
}

// asError is errors.As for use in an expression.
func asError[E error](err error) (e E, ok bool) {
	ok = errors.As(err, &e)
	return e, ok
}

// inProcess runs the rest of a test in a process of its own: where the library
// fails to contain a panic, only that process dies. It reports whether the caller
// is in there.
func inProcess(t *testing.T) bool {
	t.Helper()
	const mark = "TROUPE_TEST_INNER"
	if os.Getenv(mark) == t.Name() {
		return true
	}
	t.Parallel() // that process has its own goroutines to look after
	ctx, cancel := context.WithTimeout(t.Context(), 2*patience)
	defer cancel()
	cmd := exec.CommandContext(ctx, os.Args[0], "-test.run=^"+t.Name()+"$", "-test.v")
	cmd.Env = append(os.Environ(), mark+"="+t.Name())
	if out, err := cmd.CombinedOutput(); err != nil {
		t.Errorf("%v\n%s", err, head(out, 4000))
	}
	return false
}

func head(b []byte, n int) []byte { return b[:min(n, len(b))] }
