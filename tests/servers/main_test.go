package servers

import (
	"bytes"
	"cmp"
	"context"
	"errors"
	"fmt"
	"os"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/rs/zerolog"
	"go.uber.org/goleak"

	"github.com/seed53b03582/troupe/api"
)

// TestMain holds the whole package to leaving no goroutine. Every server is stopped,
// and awaited, in the test that started it; the one exception is argued below.
func TestMain(m *testing.M) {
	if os.Getenv(originMark) != "" {
		runOrigin()
		return
	}
	// Toxics log through zerolog's global logger, which prints everything.
	zerolog.SetGlobalLevel(zerolog.Disabled)
	goleak.VerifyTestMain(m,
		// toxiproxy has no way to end a link whose one side has gone while the other
		// still has something to say: what was read waits for ever on a channel that
		// nobody takes from; nor before a toxic's time is over. Its sockets are closed.
		// These three are all that a link is.
		goleak.IgnoreAnyFunction("github.com/Shopify/toxiproxy/v2.(*ToxicLink).write"),
		goleak.IgnoreAnyFunction("github.com/Shopify/toxiproxy/v2.(*ToxicLink).read"),
		goleak.IgnoreAnyFunction("github.com/Shopify/toxiproxy/v2/toxics.(*ToxicStub).Run"))
}

// patience bounds every wait in this package: what takes longer hangs.
const patience = 2 * time.Minute

// deadline is of calls that are to run out of time in a certain phase: what comes before
// that is over by then, also where the machine stands still for a while.
const deadline = 3 * time.Second

// quick is time enough for what does not wait for anything, and less than what it would
// wait for.
const quick = 30 * time.Second

// soon is a context that a call which does not hang never sees the end of.
func soon(t testing.TB) context.Context { return within(t, patience) }

// within is a context that ends after d.
func within(t testing.TB, d time.Duration) context.Context {
	ctx, cancel := context.WithTimeout(t.Context(), d)
	t.Cleanup(cancel)
	return ctx
}

// pause waits for d, or less where ctx ends: the time it takes another program to
// do what it was configured to do, such as to close an idle connection.
func pause(ctx context.Context, d time.Duration) {
	t := time.NewTimer(d)
	defer t.Stop()
	select {
	case <-t.C:
	case <-ctx.Done():
	}
}

// noBreaker is for tests of something else in which much fails.
var noBreaker = api.Breaker{Disabled: true}

// newSession is a session that ends with the test, without an error.
func newSession(t testing.TB, cfg api.Config) *api.Session {
	t.Helper()
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

// callers runs n calls at once, each on a goroutine of its own, and sums up how
// they failed.
func callers(n int, call func(i int) error) error {
	errs := make([]error, n)
	var all sync.WaitGroup
	for i := range n {
		all.Go(func() { errs[i] = call(i) })
	}
	all.Wait()
	var first error
	failed := 0
	for _, err := range errs {
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

// want is nil where a call was answered with status.
func want(status int, resp *api.Response, err error) error {
	if err != nil {
		return err
	}
	if resp.Status() != status {
		return fmt.Errorf("status %d, want %d; body %.200q", resp.Status(), status, resp.Content())
	}
	return nil
}

// must gives the answer of a call that was answered with status; anything else
// ends the test.
func must(t testing.TB, status int) func(*api.Response, error) *api.Response {
	return func(resp *api.Response, err error) *api.Response {
		t.Helper()
		if err := want(status, resp, err); err != nil {
			t.Fatal(err)
		}
		return resp
	}
}

// wantBody compares a body, and shows where it differs.
func wantBody(t testing.TB, resp *api.Response, want []byte) {
	t.Helper()
	got := resp.Content()
	if bytes.Equal(got, want) {
		return
	}
	at := 0
	for at < min(len(got), len(want)) && got[at] == want[at] {
		at++
	}
	t.Errorf("a body of %d bytes, want %d; they differ from byte %d on", len(got), len(want), at)
}

// asError is errors.As for use in an expression.
func asError[E error](err error) (e E, ok bool) {
	ok = errors.As(err, &e)
	return e, ok
}

// wantDialError is for what fails before anything of the request is sent: it must
// say so, and show no secret.
func wantDialError(t testing.TB, err error, secrets ...string) {
	t.Helper()
	e, ok := asError[*api.HTTPConnectionError](err)
	if !ok || e.Op != api.OpDial || e.Sent != api.SentNothing {
		t.Errorf("not a failed dial: %v", err)
		return
	}
	for _, secret := range secrets {
		if strings.Contains(err.Error(), secret) {
			t.Errorf("shows a password: %v", err)
		}
	}
	t.Log(err)
}

// wantQuick fails the test where something was waited for since began.
func wantQuick(t testing.TB, began time.Time) {
	t.Helper()
	if took := time.Since(began); took > quick {
		t.Errorf("took %v, want less than %v", took.Round(time.Millisecond), quick)
	}
}

// pattern is n bytes in which each part looks different.
func pattern(n int) []byte {
	b := make([]byte, n)
	for i := range b {
		b[i] = byte(i*7 + i>>8*13 + i>>16)
	}
	return b
}
