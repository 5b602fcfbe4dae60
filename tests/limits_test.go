package tests

import (
	"context"
	"errors"
	"fmt"
	"net"
	"sync/atomic"
	"testing"
	"testing/synctest"

	"github.com/seed53b03582/troupe/api"
)

// TestLimitsHoldUnder500Callers: no server and no Driver ever sees more than a
// limit allows, and each limit is used to the full.
func TestLimitsHoldUnder500Callers(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		name                     string
		origins                  int
		total, perOrigin, dials  int // the limits
		wantConns, wantPerOrigin int // at most, and exactly that at the busiest
	}{
		{"one connection", 1, 0, 1, 0, 1, 1},
		{"few connections, one dial at a time", 1, 0, 7, 1, 7, 7},
		{"many connections", 1, 0, 100, 16, 100, 100},
		{"several origins", 3, 0, 5, 2, 15, 5},
		{"the total below the sum", 4, 10, 5, 3, 10, 5},
		{"fewer connections than origins", 5, 2, 0, 0, 2, 2},
	} {
		t.Run(c.name, func(t *testing.T) {
			m := new(meter)
			s := newSession(t, api.Config{
				Driver: m, MaxConns: c.total, MaxConnsPerOrigin: c.perOrigin, MaxDialsPerOrigin: c.dials, Breaker: noBreaker,
			})
			var origins []*origin
			for range c.origins {
				o := newOrigin(t)
				// Nobody is answered before as many connections are there as may be.
				o.route("/", stall(m.all.conns.reaches(c.wantConns)))
				origins = append(origins, o)
			}
			if err := callers(500, func(i int) error {
				for j := range 4 {
					if err := second(s.Get(soon(t), origins[(i+j)%c.origins].URL)); err != nil {
						return err
					}
				}
				return nil
			}); err != nil {
				t.Fatal(err)
			}
			if got := m.all.conns.peak(); got != c.wantConns {
				t.Errorf("at most %d connections at once, want %d", got, c.wantConns)
			}
			for _, o := range origins {
				one := m.of(o.addr)
				if got := one.conns.peak(); got > c.wantPerOrigin || c.origins == 1 && got != c.wantPerOrigin {
					t.Errorf("at most %d connections to one origin at once, the limit is %d", got, c.wantPerOrigin)
				}
				if got := one.dials.peak(); c.dials > 0 && got > c.dials {
					t.Errorf("at most %d dials of one origin at once, the limit is %d", got, c.dials)
				}
				// Where no connection makes room for another the server's own counts are exact.
				if got := o.conns.peak(); c.total == 0 && got > c.wantPerOrigin {
					t.Errorf("the server saw %d connections at once, the limit is %d", got, c.wantPerOrigin)
				}
				if got := o.answering.peak(); c.total == 0 && got > c.wantPerOrigin {
					t.Errorf("the server saw %d requests at once over %d connections", got, c.wantPerOrigin)
				}
			}
			wantQuiet(t, s)
		})
	}
}

// TestLimitsHoldWhileConnectionsComeAndGo: every third answer ends its connection.
func TestLimitsHoldWhileConnectionsComeAndGo(t *testing.T) {
	m := new(meter)
	s := newSession(t, api.Config{Driver: m, MaxConns: 12, MaxConnsPerOrigin: 8, MaxDialsPerOrigin: 2})
	var origins []*origin
	for range 3 {
		o := newOrigin(t)
		o.route("/", closeAfter(3))
		origins = append(origins, o)
	}
	if err := callers(500, func(i int) error {
		for j := range 3 {
			if err := second(s.Get(soon(t), origins[(i+j)%3].URL)); err != nil {
				return err
			}
		}
		return nil
	}); err != nil {
		t.Fatal(err)
	}
	if got := m.all.conns.peak(); got > 12 {
		t.Errorf("%d connections at once, the limit is 12", got)
	}
	for _, o := range origins {
		if got := m.of(o.addr).conns.peak(); got > 8 {
			t.Errorf("%d connections to one origin at once, the limit is 8", got)
		}
		if got := m.of(o.addr).dials.peak(); got > 2 {
			t.Errorf("%d dials of one origin at once, the limit is 2", got)
		}
		for _, v := range o.seen() {
			if v.nth > 3 {
				t.Fatalf("request %d on a connection that was to end with the third", v.nth)
			}
		}
	}
	wantQuiet(t, s)
}

// TestDialsUnderWayAreBounded: with a Driver that holds every dial, exactly so
// many are under way.
func TestDialsUnderWayAreBounded(t *testing.T) {
	for _, limit := range []int{1, 3, 16} {
		t.Run(fmt.Sprint(limit), func(t *testing.T) {
			o := newOrigin(t)
			hold := newGate()
			m := &meter{delay: func(ctx context.Context, _ string) error {
				select {
				case <-hold.ch:
					return nil
				case <-ctx.Done():
					return ctx.Err()
				}
			}}
			s := newSession(t, api.Config{Driver: m, MaxDialsPerOrigin: limit, MaxConnsPerOrigin: 40})
			all := start(func() error {
				return callers(200, func(int) error { return second(s.Get(soon(t), o.URL)) })
			})
			eventually(t, "all callers wait", func() bool {
				snap := s.Snapshot()
				return len(snap.Origins) == 1 && snap.Origins[0].Queued == 200
			})
			eventually(t, "as many dials as may have reached the driver", func() bool { return m.all.dials.now() == limit })
			if got := s.Snapshot().Origins[0].Dialing; got != limit {
				t.Errorf("the snapshot shows %d dials, want %d", got, limit)
			}
			hold.open()
			if err := receive(t, "all calls", all); err != nil {
				t.Error(err)
			}
			if got := m.all.dials.peak(); got > limit {
				t.Errorf("%d dials at once, the limit is %d", got, limit)
			}
		})
	}
}

// TestTheQueueIsBounded: of 500 callers exactly as many are admitted as there are
// connections and places.
func TestTheQueueIsBounded(t *testing.T) {
	for _, c := range []struct{ conns, queue, admitted int }{{2, 10, 12}, {1, 1, 2}, {8, 300, 308}, {4, -1, 500}} {
		t.Run(fmt.Sprintf("%d connections, %d places", c.conns, c.queue), func(t *testing.T) {
			o := newOrigin(t)
			open := newGate()
			o.route("/", stall(open))
			s := newSession(t, api.Config{MaxConnsPerOrigin: c.conns, MaxQueuePerOrigin: c.queue})
			var full atomic.Int64
			all := start(func() error {
				return callers(500, func(int) error {
					_, err := s.Get(soon(t), o.URL)
					if errors.Is(err, api.ErrQueueFull) {
						wantConnectionError(t, err, api.OpQueue, api.ErrQueueFull)
						full.Add(1)
						return nil
					}
					return err
				})
			})
			eventually(t, "every connection is in use", func() bool { return o.held.now() == c.conns })
			eventually(t, "every caller is admitted or turned away", func() bool {
				away := int(full.Load()) // first: nobody is counted twice
				return away+queued(s)+c.conns == 500
			})
			open.open()
			if err := receive(t, "all calls", all); err != nil {
				t.Error(err)
			}
			if got := 500 - int(full.Load()); got != c.admitted {
				t.Errorf("%d calls were admitted, want %d", got, c.admitted)
			}
			if got := s.Snapshot().Origins[0]; int(got.Rejected) != 500-c.admitted || got.Queued != 0 {
				t.Errorf("the snapshot: %+v", got)
			}
		})
	}
}

// TestTheOldestIdleConnectionMakesRoom where MaxConns is reached and another
// origin needs one.
func TestTheOldestIdleConnectionMakesRoom(t *testing.T) {
	m := new(meter)
	s := newSession(t, api.Config{Driver: m, MaxConns: 4})
	var origins []*origin
	for range 5 {
		origins = append(origins, newOrigin(t))
	}
	for _, i := range []int{0, 1, 2, 3, 0} { // 1 is idle for longest then
		if _, err := s.Get(soon(t), origins[i].URL); err != nil {
			t.Fatal(err)
		}
	}
	if _, err := s.Get(soon(t), origins[4].URL); err != nil {
		t.Fatal(err)
	}
	eventually(t, "the oldest idle connection is closed", func() bool { return origins[1].conns.now() == 0 })
	for i, want := range []int{1, 0, 1, 1, 1} {
		if got := origins[i].conns.now(); got != want {
			t.Errorf("origin %d has %d connections, want %d", i, got, want)
		}
	}
	if got := m.all.conns.peak(); got != 4 {
		t.Errorf("%d connections at once, want 4", got)
	}
}

// TestAConnectionThatComesToRestMakesRoom for an origin that waits for one, though
// the connection's own origin had been short of one too, and before.
func TestAConnectionThatComesToRestMakesRoom(t *testing.T) {
	s := newSession(t, api.Config{MaxConns: 1})
	a, b := newOrigin(t), newOrigin(t)
	first := newGate()
	a.route("/", stall(first))
	waiting := func(n int) func() bool { return func() bool { return queued(s) == n } }

	one := start(func() error { return second(s.Get(soon(t), a.URL)) })
	eventually(t, "the only connection is in use", func() bool { return a.held.now() == 1 })
	two := start(func() error { return second(s.Get(soon(t), a.URL)) })
	eventually(t, "a second call to the same origin waits", waiting(1))
	other := start(func() error { return second(s.Get(soon(t), b.URL)) })
	eventually(t, "a call to another origin waits", waiting(2))
	first.open()
	for _, call := range []<-chan error{one, two, other} {
		if err := receive(t, "the calls, one after the other", call); err != nil {
			t.Error(err)
		}
	}
}

// TestEachIdleConnectionMakesRoomForOneWhoWaits: two come to rest while two other
// origins wait. The second is not left behind until the first is done.
func TestEachIdleConnectionMakesRoomForOneWhoWaits(t *testing.T) {
	x, y, a, b := newOrigin(t), newOrigin(t), newOrigin(t), newOrigin(t)
	holdX, holdY, holdA, slow := newGate(), newGate(), newGate(), newGate()
	x.route("/", stall(holdX))
	y.route("/", stall(holdY))
	a.route("/", stall(holdA))
	s := newSession(t, api.Config{MaxConns: 2, Driver: driver(func(ctx context.Context, network, address string) (net.Conn, error) {
		c, err := tcp.DialContext(ctx, network, address)
		if err == nil && address == x.addr {
			c = slowToClose{c, slow.ch}
		}
		return c, err
	})})
	call := func(o *origin) <-chan error { return start(func() error { return second(s.Get(soon(t), o.URL)) }) }
	ofX, ofY := call(x), call(y)
	eventually(t, "both connections are in use", func() bool { return x.held.now()+y.held.now() == 2 })
	ofA := start(func() error { return second(s.Get(t.Context(), a.URL)) }) // is never the first to give up
	eventually(t, "one origin waits", func() bool { return queued(s) == 1 })
	ofB := call(b)
	eventually(t, "another waits", func() bool { return queued(s) == 2 })
	holdX.open()
	if err := receive(t, "the first call", ofX); err != nil {
		t.Error(err)
	}
	holdY.open() // while the connection to x is being closed
	if err := receive(t, "the second call", ofY); err != nil {
		t.Error(err)
	}
	slow.open()
	if err := receive(t, "the one who waits behind, though the first is not done", ofB); err != nil {
		t.Error(err)
	}
	holdA.open()
	if err := receive(t, "the one who waited first", ofA); err != nil {
		t.Error(err)
	}
}

// TestAnOriginThatWaitsNoMoreStandsInNobodysWay: one that was short of a connection
// has been served by its own, and others behind it are not forgotten for that.
func TestAnOriginThatWaitsNoMoreStandsInNobodysWay(t *testing.T) {
	a, b, c := newOrigin(t), newOrigin(t), newOrigin(t)
	first, holdC := newGate(), newGate()
	one := a.route("/one", stall(first))
	two := a.route("/two", stall(&gate{}))
	c.route("/", stall(holdC))
	s := newSession(t, api.Config{MaxConns: 2})
	call := func(url string) <-chan error { return start(func() error { return second(s.Get(soon(t), url)) }) }
	a1, c1 := call(one), call(c.URL)
	eventually(t, "both connections are in use", func() bool { return a.held.now()+c.held.now() == 2 })
	start(func() error { return second(s.Get(t.Context(), two)) }) // is never answered
	eventually(t, "one waits", func() bool { return queued(s) == 1 })
	b1 := call(b.URL)
	eventually(t, "another waits", func() bool { return queued(s) == 2 })
	first.open()
	if err := receive(t, "the first call", a1); err != nil {
		t.Error(err)
	}
	eventually(t, "the next call of its origin", func() bool { return a.asked() == 2 })
	holdC.open()
	if err := receive(t, "the other connection's call", c1); err != nil {
		t.Error(err)
	}
	if err := receive(t, "the one who waits for that connection's place", b1); err != nil {
		t.Error(err)
	}
}

// slowToClose is a connection whose Close takes until may is closed.
type slowToClose struct {
	net.Conn
	may <-chan struct{}
}

func (c slowToClose) Close() error {
	<-c.may
	return c.Conn.Close()
}

// TestNobodyStarvesBehindABusyOrigin: callers of one origin never let go of the only two
// connections there may be, and one of another is served in its turn: when those who came
// before it have been.
func TestNobodyStarvesBehindABusyOrigin(t *testing.T) {
	bubble(t, func(t *testing.T, n *network) {
		const greedy, limit = 40, 2
		busy, other := n.newOrigin(t), n.newOrigin(t)
		s := newSession(t, api.Config{Driver: n, MaxConns: limit})
		step := make(chan struct{}) // each value lets the server answer one
		busy.route("/", func(x *exchange) bool { return x.take() && x.hold(step) && x.write(answerOf("ok")) })
		done := newGate()
		all := start(func() error {
			return callers(greedy, func(int) error {
				for !done.isOpen() {
					if err := second(s.Get(t.Context(), busy.URL)); err != nil {
						return err
					}
				}
				return nil
			})
		})
		for range 3 * greedy { // it goes on like that
			step <- struct{}{}
		}
		for range 5 {
			synctest.Wait()
			before := queued(s)
			if before != greedy-limit {
				t.Fatalf("%d callers wait, want all that have no connection", before)
			}
			asked := other.asked()
			call := start(func() error { return second(s.Get(t.Context(), other.URL)) })
			answers := 0
			for synctest.Wait(); other.asked() == asked && answers <= 2*greedy; synctest.Wait() {
				step <- struct{}{}
				answers++
			}
			if answers > before+1 {
				t.Errorf("served after %d answers of the other origin; %d callers had come before it", answers, before)
			}
			if err := receive(t, "the call", call); err != nil {
				t.Error(err)
			}
		}
		done.open()
		close(step)
		if err := receive(t, "the greedy callers", all); err != nil {
			t.Error(err)
		}
		wantQuiet(t, s)
	})
}

// TestManyOriginsShareTwoConnections: all who call are served, and there are never more.
func TestManyOriginsShareTwoConnections(t *testing.T) {
	m := new(meter)
	s := newSession(t, api.Config{Driver: m, MaxConns: 2})
	busy := newOrigin(t)
	done := newGate()
	greedy := start(func() error {
		return callers(40, func(int) error {
			for !done.isOpen() {
				if err := second(s.Get(soon(t), busy.URL)); err != nil {
					return err
				}
			}
			return nil
		})
	})
	eventually(t, "the greedy ones are at it", func() bool { return busy.asked() > 100 })
	var others []*origin
	for range 5 {
		others = append(others, newOrigin(t))
	}
	if err := callers(50, func(i int) error {
		for range 3 {
			if err := second(s.Get(soon(t), others[i%5].URL)); err != nil {
				return err
			}
		}
		return nil
	}); err != nil {
		t.Error(err)
	}
	done.open()
	if err := receive(t, "the greedy callers", greedy); err != nil {
		t.Error(err)
	}
	if got := m.all.conns.peak(); got != 2 {
		t.Errorf("%d connections at once, want 2", got)
	}
	wantQuiet(t, s)
}
