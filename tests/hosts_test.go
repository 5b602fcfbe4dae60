package tests

import (
	"context"
	"fmt"
	"net"
	"testing"
	"time"

	"github.com/seed53b03582/troupe/api"
)

// TestASessionThatHasSeenManyHostsStaysSmall: thousands of them, each for one
// call, over few connections. What is left in the end is bounded.
func TestASessionThatHasSeenManyHostsStaysSmall(t *testing.T) {
	const hosts, limit = 6000, 16
	o := newOrigin(t)
	m := new(meter)
	s := newSession(t, api.Config{
		MaxConns:    limit,
		IdleTimeout: 20 * time.Millisecond,
		Driver: driver(func(ctx context.Context, network, _ string) (net.Conn, error) {
			return m.DialContext(ctx, network, o.addr) // every name leads here
		}),
	})
	if err := callers(32, func(i int) error {
		for n := i; n < hosts; n += 32 {
			if err := second(s.Get(soon(t), fmt.Sprintf("http://host%d.test/", n))); err != nil {
				return err
			}
		}
		return nil
	}); err != nil {
		t.Fatal(err)
	}
	if got := m.all.conns.peak(); got > limit {
		t.Errorf("%d connections at once, the limit is %d", got, limit)
	}
	eventually(t, "idle connections end", func() bool { return conns(s) == 0 && m.all.conns.now() == 0 })
	if got := len(s.Snapshot().Origins); got >= hosts {
		t.Errorf("%d origins are remembered, and nobody uses one", got)
	}
}

// TestNoDialIsWastedWhereManyHostsShareFewConnections: each call to a host of its
// own takes one dial, however many wait for a connection.
func TestNoDialIsWastedWhereManyHostsShareFewConnections(t *testing.T) {
	const hosts = 2000
	p := &pipes{serve: always(answerOf("ok"))}
	inBubble(t, p, api.Config{MaxConns: 8}, func(t *testing.T, s *api.Session) {
		if err := callers(64, func(i int) error {
			for n := i; n < hosts; n += 64 {
				if err := second(s.Get(t.Context(), fmt.Sprintf("http://host%d.test/", n))); err != nil {
					return err
				}
			}
			return nil
		}); err != nil {
			t.Fatal(err)
		}
		if got := p.dialled(); got != hosts {
			t.Errorf("%d dials for %d calls to as many hosts", got, hosts)
		}
	})
}
