package tests

import (
	"context"
	"crypto/tls"
	"errors"
	"net"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/seed53b03582/troupe/api"
)

// breakerCounts what the origin did, and nothing else.
func breakerCounts(t *testing.T) {
	t.Run("failures", failuresThatCount)
	t.Run("no failures", failuresThatDoNot)
	t.Run("an older connection lost", failuresOfOlderConnectionsDoNot)
	t.Run("half-open", TestHalfOpenLetsExactlyItsProbesThrough)
}

func failuresThatCount(t *testing.T) {
	settings := newCertificate(t)
	for _, c := range []struct {
		name string
		do   behaviour // what the server does; nil: it is not there
		cfg  api.Config
		tls  *tls.Config // of the client
	}{
		{name: "no connection"},
		{name: "TLS", do: ok("ok"), tls: &tls.Config{}}, // which knows no such root
		{name: "reset", do: reset},
		{name: "closed", do: hangUp},
		{name: "garbage", do: garbage},
		{name: "cut short", do: truncate},
		{name: "5xx, where asked for", do: status(503), cfg: api.Config{Breaker: api.Breaker{ServerErrors: true}}},
	} {
		t.Run(c.name, func(t *testing.T) {
			o := newOrigin(t)
			if c.tls != nil {
				o = newOriginTLS(t, settings.server())
			}
			url := o.route("/fails", c.do)
			if c.do == nil {
				o.shut()
			}
			c.cfg.TLS = c.tls
			wantCounted(t, c.cfg, url)
		})
	}
	for name, c := range map[string]struct {
		cfg  api.Config
		opts []api.Option
	}{
		"time for the head": {cfg: api.Config{ResponseHeaderTimeout: time.Second}},
		"the caller's time": {opts: []api.Option{api.Timeout(time.Second)}},
	} {
		t.Run(name, func(t *testing.T) {
			bubble(t, func(t *testing.T, n *network) {
				o := n.newOrigin(t)
				c.cfg.Driver = n
				wantCounted(t, c.cfg, o.route("/fails", rawHeld("")), c.opts...)
			})
		})
	}
}

// wantCounted makes calls that fail until the breaker opens, with the second.
func wantCounted(t *testing.T, cfg api.Config, url string, opts ...api.Option) {
	t.Helper()
	cfg.Breaker.Failures, cfg.Breaker.OpenFor = 2, time.Hour
	s := newSession(t, cfg)
	for n := 1; n <= 2; n++ {
		_, err := s.Get(soon(t), url, opts...)
		if errors.Is(err, api.ErrCircuitOpen) {
			t.Fatalf("open after %d failures", n-1)
		}
		if got := s.Snapshot().Origins[0]; got.Failures != uint64(n) || got.ConsecutiveFailures != n {
			t.Errorf("%v: %d failures were counted, %d in a row, want %d", err, got.Failures, got.ConsecutiveFailures, n)
		}
	}
	_, err := s.Get(soon(t), url, opts...)
	wantConnectionError(t, err, api.OpQueue, api.ErrCircuitOpen)
	if got := s.Snapshot().Origins[0]; got.Failures != 2 || got.Rejected != 1 {
		t.Errorf("an open breaker counted: %+v", got)
	}
}

func failuresThatDoNot(t *testing.T) {
	never := newGate()
	t.Cleanup(never.open)
	for _, c := range []struct {
		name  string
		do    behaviour
		cfg   api.Config
		fresh bool // no connection is there before
		call  func(t *testing.T, s *api.Session, o *origin, url string)
	}{
		{name: "the caller's cancel", do: stall(never), fresh: true, call: func(t *testing.T, s *api.Session, o *origin, url string) {
			ctx, leave := context.WithCancel(soon(t))
			call := start(func() error { return second(s.Get(ctx, url)) })
			eventually(t, "it is at the server", func() bool { return o.held.now() == 1 })
			leave()
			if err := receive(t, "the call", call); !errors.Is(err, context.Canceled) {
				t.Errorf("got %v", err)
			}
		}},
		{name: "4xx", do: status(404), call: called},
		{name: "4xx, where 5xx count", do: status(404), cfg: api.Config{Breaker: api.Breaker{ServerErrors: true}}, call: called},
		{name: "5xx, where not asked for", do: status(503), call: called},
		{name: "a body too large", do: ok(strings.Repeat("a", 1000)), cfg: api.Config{MaxBodyBytes: 100}, call: called},
		{name: "the caller's reader", do: count, fresh: true, call: func(t *testing.T, s *api.Session, _ *origin, url string) {
			_, err := s.Upload(soon(t), url, newShortFile())
			wantIOError(t, err)
		}},
		{name: "the caller's file", do: count, fresh: true, call: func(t *testing.T, s *api.Session, _ *origin, url string) {
			name := filepath.Join(t.TempDir(), "short")
			if err := os.WriteFile(name, make([]byte, 128<<10), 0o600); err != nil {
				t.Fatal(err)
			}
			f, err := api.OpenFile(name)
			if err != nil {
				t.Fatal(err)
			}
			defer f.Close()
			if err := os.Truncate(name, 64<<10); err != nil {
				t.Fatal(err)
			}
			_, err = s.Upload(soon(t), url, f)
			wantIOError(t, err)
		}},
		{name: "a full queue", do: stall(never), cfg: api.Config{MaxConnsPerOrigin: 1, MaxQueuePerOrigin: 1}, call: func(t *testing.T, s *api.Session, o *origin, url string) {
			ctx, leave := context.WithCancel(soon(t))
			first := start(func() error { return second(s.Get(ctx, url)) })
			eventually(t, "one is at the server", func() bool { return o.held.now() == 1 })
			waits := start(func() error { return second(s.Get(ctx, url)) })
			eventually(t, "another waits", func() bool { return queued(s) == 1 })
			_, err := s.Get(ctx, url)
			wantConnectionError(t, err, api.OpQueue, api.ErrQueueFull)
			leave()
			receive(t, "the first", first)
			receive(t, "the one who waits", waits)
		}},
		{name: "time spent in the queue", do: stall(never), cfg: api.Config{MaxConnsPerOrigin: 1}, call: func(t *testing.T, s *api.Session, o *origin, url string) {
			ctx, leave := context.WithCancel(soon(t))
			first := start(func() error { return second(s.Get(ctx, url)) })
			eventually(t, "one is at the server", func() bool { return o.held.now() == 1 })
			_, err := s.Get(ctx, url, api.Timeout(20*time.Millisecond))
			wantConnectionError(t, err, api.OpQueue, context.DeadlineExceeded)
			leave()
			receive(t, "the first", first)
		}},
		{name: "an older connection lost, and the call moved on", do: loses(hangUp), call: called},
		{name: "this machine has no ports left", cfg: api.Config{Driver: driver(func(context.Context, string, string) (net.Conn, error) {
			return nil, syscall.EADDRNOTAVAIL
		})}, call: called},
	} {
		t.Run(c.name, func(t *testing.T) {
			o := newOrigin(t)
			url := o.route("/call", c.do)
			c.cfg.Breaker.Failures = 1
			s := newSession(t, c.cfg)
			if c.cfg.Driver == nil && !c.fresh {
				wantOver(t, s, o, 1)
			}
			c.call(t, s, o, url)
			wantQuiet(t, s)
			if got := s.Snapshot().Origins[0]; got.Failures != 0 || got.Breaker != "closed" {
				t.Errorf("the breaker is %s after %d failures", got.Breaker, got.Failures)
			}
		})
	}
}

// failuresOfOlderConnectionsDoNot: a POST takes one that was used just now.
func failuresOfOlderConnectionsDoNot(t *testing.T) {
	bubble(t, func(t *testing.T, n *network) {
		o := n.newOrigin(t)
		url := o.route("/call", hangUp)
		s := newSession(t, api.Config{Driver: n, Breaker: api.Breaker{Failures: 1}})
		wantOver(t, s, o, 1)
		_, err := s.Post(soon(t), url, api.Data{"a": "b"})
		wantIOError(t, err)
		wantQuiet(t, s)
		if got := s.Snapshot().Origins[0]; got.Failures != 0 || got.Breaker != "closed" || got.Dials != 1 {
			t.Errorf("the breaker is %s after %d failures and %d dials", got.Breaker, got.Failures, got.Dials)
		}
	})
}

// called is a call whose outcome does not matter.
func called(t *testing.T, s *api.Session, _ *origin, url string) { s.Get(soon(t), url) }
