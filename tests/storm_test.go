package tests

import (
	"bytes"
	"context"
	"errors"
	"math/rand/v2"
	"strings"
	"testing"
	"time"

	"github.com/seed53b03582/troupe/api"
)

// TestCancellationStorms: 500 callers at a time leave at random moments, in each
// phase a call can be in. Afterwards the session is as it was before: nothing
// queued, nothing busy, and as many calls run at once as ever.
func TestCancellationStorms(t *testing.T) {
	const conns = 8
	big := bytes.Repeat([]byte("x"), 32<<20) // more than the sockets of loopback take
	long := strings.Repeat("y", 64<<10)

	for _, c := range []struct {
		phase string
		conns int // 0: the usual
		serve func(*gate) behaviour
		delay func(ctx context.Context, r *rand.Rand) error // of the Driver
		call  func(s *api.Session, ctx context.Context, url string, leave context.CancelFunc) error
		// until has all of a round's callers in the phase before the first leaves.
		until func(s *api.Session, o *origin) bool
	}{
		{
			phase: "queueing",
			serve: stall,
			call:  get,
			until: func(s *api.Session, o *origin) bool { return queued(s) == 500-conns },
		},
		{
			phase: "dialing",
			serve: stall,
			delay: func(ctx context.Context, r *rand.Rand) error {
				pause(ctx, time.Duration(r.IntN(20))*time.Millisecond)
				return ctx.Err()
			},
			call: get,
		},
		{
			phase: "dialing in vain",
			serve: stall,
			delay: func(ctx context.Context, r *rand.Rand) error {
				pause(ctx, time.Duration(r.IntN(4))*time.Millisecond)
				if r.IntN(4) == 0 {
					return errors.New("no luck")
				}
				return ctx.Err()
			},
			call: get,
		},
		{
			phase: "writing what the server does not read",
			serve: stallUnread,
			call: func(s *api.Session, ctx context.Context, url string, _ context.CancelFunc) error {
				return second(s.Post(ctx, url, api.Body(bytes.NewReader(big))))
			},
			until: func(s *api.Session, o *origin) bool { return writing(s) == conns },
		},
		{
			phase: "writing in chunks",
			serve: stallUnread,
			call: func(s *api.Session, ctx context.Context, url string, _ context.CancelFunc) error {
				return second(s.Post(ctx, url, api.Body(struct{ *bytes.Buffer }{bytes.NewBuffer(big)})))
			},
		},
		{
			phase: "waiting for the head",
			conns: 250,
			serve: stall,
			call:  get,
			until: func(s *api.Session, o *origin) bool { return o.held.now() == 250 },
		},
		{
			phase: "reading the body",
			conns: 100,
			serve: func(g *gate) behaviour { return stallMidway(g, long) },
			call:  get,
			until: func(s *api.Session, o *origin) bool { return o.held.now() == 100 },
		},
		{
			phase: "streaming",
			conns: 100,
			serve: func(g *gate) behaviour { return stallMidway(g, long) },
			call: func(s *api.Session, ctx context.Context, url string, _ context.CancelFunc) error {
				return second(s.Get(ctx, url, api.Stream(func([]byte) error { return nil }, 1000)))
			},
			until: func(s *api.Session, o *origin) bool { return o.held.now() == 100 },
		},
		{
			phase: "inside a stream's callback",
			conns: 20,
			serve: func(*gate) behaviour { return ok(long) },
			call: func(s *api.Session, ctx context.Context, url string, leave context.CancelFunc) error {
				return second(s.Get(ctx, url, api.Stream(func([]byte) error {
					if rand.IntN(30) == 0 {
						leave()
					}
					return nil
				}, 2000)))
			},
		},
		{
			phase: "anywhere",
			serve: func(*gate) behaviour {
				return func(x *exchange) bool {
					pause(x.req.Context(), time.Duration(rand.IntN(1000))*time.Microsecond)
					return count(x)
				}
			},
			call: func(s *api.Session, ctx context.Context, url string, _ context.CancelFunc) error {
				return second(s.Put(ctx, url, api.Body(strings.NewReader(long))))
			},
		},
	} {
		t.Run(c.phase, func(t *testing.T) {
			noLeaks(t)
			limit := conns
			if c.conns > 0 {
				limit = c.conns
			}
			o := newOrigin(t)
			m := new(meter)
			if c.delay != nil {
				m.delay = func(ctx context.Context, _ string) error {
					return c.delay(ctx, rand.New(rand.NewPCG(rand.Uint64(), 1)))
				}
			}
			s := newSession(t, api.Config{Driver: m, MaxConnsPerOrigin: limit, MaxDialsPerOrigin: limit, Breaker: noBreaker})
			for round := range uint64(2) {
				release := newGate()
				url := o.route("/storm", c.serve(release))
				ready := newGate()
				if c.until == nil {
					ready.open()
				}
				storm := start(func() error {
					return callers(500, func(i int) error {
						r := rand.New(rand.NewPCG(round, uint64(i)))
						ctx, leave := leaver(t, r, ready)
						defer leave()
						return ofAStorm(t, c.call(s, ctx, url, leave))
					})
				})
				if c.until != nil {
					eventually(t, "the callers are "+c.phase, func() bool { return c.until(s, o) })
					ready.open()
				}
				if err := receive(t, "everybody who left", storm); err != nil {
					t.Fatal(err)
				}
				release.open()
				wantQuiet(t, s)
				o.rests(t)
			}
			m.delay = nil // nobody dials now
			wantCapacity(t, s, o, limit)
			wantQuiet(t, s)
			if got := m.all.conns.peak(); got > limit {
				t.Errorf("%d connections at once, the limit is %d", got, limit)
			}
			if got := m.all.conns.now(); got > limit {
				t.Errorf("%d connections are left, the limit is %d", got, limit)
			}
		})
	}
}

func get(s *api.Session, ctx context.Context, url string, _ context.CancelFunc) error {
	return second(s.Get(ctx, url))
}

// leaver is a context that ends soon after ready has opened: by a deadline or by
// being cancelled, at once or later.
func leaver(t *testing.T, r *rand.Rand, ready *gate) (context.Context, context.CancelFunc) {
	ctx, cancel := context.WithCancelCause(t.Context())
	after := time.Duration(r.IntN(20_000)) * time.Microsecond
	if r.IntN(10) == 0 {
		after = 0
	}
	cause := context.Canceled
	if r.IntN(2) == 0 {
		cause = context.DeadlineExceeded
	}
	over := newGate()
	go func() {
		select {
		case <-ready.ch:
		case <-over.ch:
		}
		waiting, stop := context.WithCancel(context.Background())
		defer stop()
		defer context.AfterFunc(ctx, stop)()
		pause(waiting, after)
		cancel(cause)
	}()
	return ctx, func() { over.open(); cancel(context.Canceled) }
}

// ofAStorm lets pass what may come of a call whose context ends, or whose dial
// fails.
func ofAStorm(t *testing.T, err error) error {
	switch e := err.(type) {
	case nil:
		return nil
	case *api.HTTPConnectionError:
		if e.Sent != api.SentNothing || e.Op > api.OpTLS {
			t.Errorf("an *HTTPConnectionError in phase %v with %v sent", e.Op, e.Sent)
		}
		if strings.Contains(err.Error(), "no luck") {
			return nil
		}
	case *api.IOError:
		if e.Op < api.OpWrite {
			t.Errorf("an *IOError in phase %v", e.Op)
		}
	default:
		return err
	}
	if errors.Is(err, context.Canceled) || errors.Is(err, context.DeadlineExceeded) {
		return nil
	}
	return err
}

func queued(s *api.Session) (n int) {
	for _, o := range s.Snapshot().Origins {
		n += o.Queued
	}
	return n
}

func writing(s *api.Session) (n int) {
	for _, c := range s.Snapshot().Conns {
		if c.State == "writing" {
			n++
		}
	}
	return n
}
