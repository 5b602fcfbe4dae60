package tests

import (
	"context"
	"errors"
	"fmt"
	"net"
	"slices"
	"sync/atomic"
	"testing"
	"testing/synctest"

	"github.com/seed53b03582/troupe/api"
)

// TestTheQueueIsFirstComeFirstServed, and those who leave it do not disturb that.
func TestTheQueueIsFirstComeFirstServed(t *testing.T) {
	o := newOrigin(t)
	hold := newGate()
	s := newSession(t, api.Config{MaxConnsPerOrigin: 1})
	first := o.route("/first", stall(hold))
	calls := []<-chan error{start(func() error { return second(s.Get(soon(t), first)) })}
	eventually(t, "the connection is in use", func() bool { return o.held.now() == 1 })

	var want []string
	for i := range 60 {
		path := fmt.Sprintf("/%d", i)
		url := o.route(path, ok("ok"))
		ctx, leave := context.WithCancel(soon(t))
		call := start(func() error { return second(s.Get(ctx, url)) })
		if i%3 == 1 {
			eventually(t, "one more waits", func() bool { return queued(s) == len(want)+1 })
			leave()
			if err := receive(t, "one who leaves", call); !errors.Is(err, context.Canceled) {
				t.Errorf("got %v", err)
			}
			continue
		}
		t.Cleanup(leave)
		want = append(want, path)
		calls = append(calls, call)
		eventually(t, "one more waits", func() bool { return queued(s) == len(want) })
	}
	hold.open()
	for _, call := range calls {
		if err := receive(t, "a call", call); err != nil {
			t.Error(err)
		}
	}
	var got []string
	for _, v := range o.seen()[1:] {
		got = append(got, v.path)
	}
	if !slices.Equal(got, want) {
		t.Errorf("served in the order %v", got)
	}
}

// TestACancelledCallersDialServesAnother: nobody dials twice for it.
func TestACancelledCallersDialServesAnother(t *testing.T) {
	bubble(t, func(t *testing.T, n *network) {
		o := n.newOrigin(t)
		hold := newGate()
		var dials atomic.Int64
		held := driver(func(ctx context.Context, network, address string) (net.Conn, error) {
			dials.Add(1)
			select {
			case <-hold.ch:
				return n.DialContext(ctx, network, address)
			case <-ctx.Done():
				return nil, ctx.Err()
			}
		})
		s := newSession(t, api.Config{Driver: held})
		ctx, leave := context.WithCancel(soon(t))
		first := start(func() error { return second(s.Get(ctx, o.URL)) })
		synctest.Wait() // it dials
		leave()
		wantConnectionError(t, receive(t, "the call", first), api.OpDial, context.Canceled)
		next := start(func() error { return second(s.Get(soon(t), o.URL)) })
		synctest.Wait()
		if got := queued(s); got != 1 {
			t.Errorf("%d wait, want one", got)
		}
		hold.open()
		if err := receive(t, "the other call", next); err != nil {
			t.Error(err)
		}
		if got := dials.Load(); got != 1 {
			t.Errorf("%d dials, want 1", got)
		}
	})
}

// TestTheYoungestIdleConnectionIsUsedFirst, so that the others can end.
func TestTheYoungestIdleConnectionIsUsedFirst(t *testing.T) {
	o := newOrigin(t)
	s := newSession(t, api.Config{})
	var gates []*gate
	var calls []<-chan error
	for i := range 4 {
		gates = append(gates, newGate())
		url := o.route(fmt.Sprintf("/%d", i), stall(gates[i]))
		calls = append(calls, start(func() error { return second(s.Get(soon(t), url)) }))
		eventually(t, "one more is in use", func() bool { return o.held.now() == i+1 })
	}
	numbers := map[string]int{}
	for _, v := range o.seen() {
		numbers[v.path] = v.conn
	}
	for _, i := range []int{2, 0, 3, 1} {
		gates[i].open()
		if err := receive(t, "a call", calls[i]); err != nil {
			t.Fatal(err)
		}
	}
	wantQuiet(t, s)
	for range 5 {
		if _, err := s.Get(soon(t), o.URL); err != nil {
			t.Fatal(err)
		}
		if got, want := o.lastVisit(t).conn, numbers["/1"]; got != want {
			t.Errorf("the call went over connection %d, the youngest idle one is %d", got, want)
		}
	}
}

// TestAPinnedCallWaitsForItsConnection, though others idle.
func TestAPinnedCallWaitsForItsConnection(t *testing.T) {
	bubble(t, func(t *testing.T, n *network) {
		o := n.newOrigin(t)
		hold := newGate()
		stalled := o.route("/stalled", stall(hold))
		s := newSession(t, api.Config{Driver: n})
		wantCapacity(t, s, o, 3)
		resp, err := s.Get(soon(t), o.URL)
		if err != nil {
			t.Fatal(err)
		}
		pin, number := resp.Connection(), o.lastVisit(t).conn
		busy := start(func() error { return second(s.Get(soon(t), stalled, pin)) })
		synctest.Wait() // the connection is in use
		seen := o.asked()

		ctx, leave := context.WithCancel(soon(t))
		impatient := start(func() error { return second(s.Get(ctx, o.URL, pin)) })
		pinned := start(func() error { return second(s.Get(soon(t), o.URL, pin)) })
		synctest.Wait() // both wait
		if _, err := s.Get(soon(t), o.URL); err != nil {
			t.Errorf("a call that is not pinned: %v", err)
		}
		leave()
		wantConnectionError(t, receive(t, "one who leaves", impatient), api.OpQueue, context.Canceled)
		synctest.Wait()
		if got := o.asked(); got != seen+1 {
			t.Errorf("%d requests came meanwhile", got-seen)
		}
		hold.open()
		for _, call := range []<-chan error{busy, pinned} {
			if err := receive(t, "the calls on one connection", call); err != nil {
				t.Error(err)
			}
		}
		if got := o.lastVisit(t).conn; got != number {
			t.Errorf("the pinned call went over connection %d, want %d", got, number)
		}
	})
}

// TestLeasesCountAgainstTheLimits: while all are leased nobody else is served, and
// then in order.
func TestLeasesCountAgainstTheLimits(t *testing.T) {
	o := newOrigin(t)
	m := new(meter)
	s := newSession(t, api.Config{Driver: m, MaxConnsPerOrigin: 2})
	var leases []*api.Lease
	for range 2 {
		lease, err := s.Lease(soon(t), o.URL)
		if err != nil {
			t.Fatal(err)
		}
		leases = append(leases, lease)
	}
	third := make(chan *api.Lease, 1)
	call := start(func() error { return second(s.Get(soon(t), o.URL)) })
	eventually(t, "a call waits", func() bool { return queued(s) == 1 })
	lease := start(func() error {
		l, err := s.Lease(soon(t), o.URL)
		third <- l
		return err
	})
	eventually(t, "a lease waits", func() bool { return queued(s) == 2 })
	if _, err := s.Get(soon(t), o.URL, leases[0]); err != nil {
		t.Errorf("a call on a lease: %v", err)
	}
	if got := o.asked(); got != 1 {
		t.Errorf("%d requests came, want the leased one", got)
	}
	leases[1].Release()
	if err := receive(t, "the call", call); err != nil {
		t.Error(err)
	}
	if err := receive(t, "the lease", lease); err != nil {
		t.Error(err)
	}
	leases[0].Release()
	(<-third).Release()
	wantQuiet(t, s)
	wantCapacity(t, s, o, 2)
	if got := m.all.conns.peak(); got != 2 {
		t.Errorf("%d connections, the limit is 2", got)
	}
}

// TestALeaseThatItsServerClosesFreesItsSlot once it is used, or released.
func TestALeaseThatItsServerClosesFreesItsSlot(t *testing.T) {
	o := newOrigin(t)
	hangsUp := o.route("/hang-up", hangUp)
	s := newSession(t, api.Config{MaxConnsPerOrigin: 1, Breaker: noBreaker})
	for range 3 {
		lease, err := s.Lease(soon(t), o.URL)
		if err != nil {
			t.Fatal(err)
		}
		if _, err := s.Get(soon(t), hangsUp, lease); err == nil {
			t.Error("answered")
		}
		if _, is := asError[*api.IOError](second(s.Get(soon(t), o.URL, lease))); !is {
			t.Error("a dead lease is used")
		}
		if _, err := s.Get(soon(t), o.URL); err != nil {
			t.Errorf("before Release: %v", err)
		}
		lease.Release()
		lease.Release()
	}
	wantCapacity(t, s, o, 1)
}
