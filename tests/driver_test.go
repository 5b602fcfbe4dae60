package tests

import (
	"context"
	"errors"
	"net"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/seed53b03582/troupe/api"
	"github.com/seed53b03582/troupe/conn"
)

// driver makes a Driver of a function.
type driver func(ctx context.Context, network, address string) (net.Conn, error)

func (d driver) DialContext(ctx context.Context, network, address string) (net.Conn, error) {
	return d(ctx, network, address)
}

var tcp = conn.TCP()

// meter is a Driver that counts, for each address and for all of them, the dials
// under way and the connections, those being dialled included. A connection counts
// until its Close has returned: what the limits promise, seen from where they hold.
type meter struct {
	mu    sync.Mutex
	per   map[string]*metered
	all   metered
	delay func(ctx context.Context, address string) error // before each dial, where set
}

type metered struct{ dials, conns gauge }

func (m *meter) of(address string) *metered {
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.per == nil {
		m.per = map[string]*metered{}
	}
	if m.per[address] == nil {
		m.per[address] = new(metered)
	}
	return m.per[address]
}

func (m *meter) DialContext(ctx context.Context, network, address string) (net.Conn, error) {
	one := m.of(address)
	count := func(n int) { one.conns.add(n); m.all.conns.add(n) }
	one.dials.add(1)
	m.all.dials.add(1)
	count(1)
	defer m.all.dials.add(-1)
	defer one.dials.add(-1)
	if m.delay != nil {
		if err := m.delay(ctx, address); err != nil {
			count(-1)
			return nil, err
		}
	}
	c, err := tcp.DialContext(ctx, network, address)
	if err != nil {
		count(-1)
		return nil, err
	}
	return &meteredConn{TCPConn: c.(*net.TCPConn), closed: func() { count(-1) }}, nil
}

type meteredConn struct {
	*net.TCPConn
	once   sync.Once
	closed func()
}

func (c *meteredConn) Close() error {
	err := c.TCPConn.Close()
	c.once.Do(c.closed)
	return err
}

func TestADriverThatBlocksIsEndedByItsContext(t *testing.T) {
	noLeaks(t)
	dialled := make(chan struct{}, 16)
	blocked := driver(func(ctx context.Context, _, _ string) (net.Conn, error) {
		dialled <- struct{}{}
		<-ctx.Done()
		return nil, ctx.Err()
	})

	t.Run("the caller leaves at once", func(t *testing.T) {
		s := newSession(t, api.Config{Driver: blocked, Breaker: noBreaker})
		ctx, cancel := context.WithCancel(soon(t))
		err := start(func() error { return second(s.Get(ctx, "http://127.0.0.1:1/")) })
		receive(t, "the dial", dialled)
		cancel()
		wantConnectionError(t, receive(t, "the call", err), api.OpDial, context.Canceled)
	})
	t.Run("DialTimeout ends it for whoever waits", func(t *testing.T) {
		s := newSession(t, api.Config{Driver: blocked, Breaker: noBreaker, DialTimeout: 20 * time.Millisecond})
		_, err := s.Get(soon(t), "http://127.0.0.1:1/")
		wantConnectionError(t, err, api.OpDial, context.DeadlineExceeded)
	})
	t.Run("Close ends it", func(t *testing.T) {
		for len(dialled) > 0 {
			<-dialled
		}
		s := newSession(t, api.Config{Driver: blocked, Breaker: noBreaker, DialTimeout: -1})
		err := start(func() error { return second(s.Get(soon(t), "http://127.0.0.1:1/")) })
		receive(t, "the dial", dialled)
		if err := s.Close(); err != nil {
			t.Errorf("Close: %v", err)
		}
		if err := receive(t, "the call", err); !errors.Is(err, api.ErrSessionClosed) {
			t.Errorf("got %v", err)
		}
	})
}

// wantConnectionError checks for an *HTTPConnectionError of a phase, and its cause.
func wantConnectionError(t testing.TB, err error, op api.Op, cause error) {
	t.Helper()
	e, is := asError[*api.HTTPConnectionError](err)
	if !is || e.Op != op || e.Sent != api.SentNothing || !errors.Is(err, cause) {
		t.Errorf("got %T %v, want an *HTTPConnectionError in phase %v because of %v", err, err, op, cause)
	}
}

func TestADriverThatIsNotStartedSaysSo(t *testing.T) {
	o := newOrigin(t)
	var started atomic.Bool
	s := newSession(t, api.Config{Driver: driver(func(ctx context.Context, network, address string) (net.Conn, error) {
		if !started.Load() {
			return nil, conn.ErrDriverNotStarted
		}
		return tcp.DialContext(ctx, network, address)
	})})
	for range 3 {
		_, err := s.Get(soon(t), o.URL)
		wantConnectionError(t, err, api.OpDial, conn.ErrDriverNotStarted)
	}
	// It is this side's fault: the origin's breaker does not hear of it.
	if got := s.Snapshot().Origins[0]; got.ConsecutiveFailures != 0 || got.Breaker != "closed" {
		t.Errorf("the breaker heard of it: %+v", got)
	}
	started.Store(true)
	if _, err := s.Get(soon(t), o.URL); err != nil {
		t.Errorf("once started: %v", err)
	}
}

// staged is a Driver with a life of its own, which notes it.
type staged struct {
	startError error
	stopError  error
	mu         sync.Mutex
	notes      []string
	open       gauge
}

func (d *staged) note(s string) {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.notes = append(d.notes, s)
}

func (d *staged) count(s string) (n int) {
	d.mu.Lock()
	defer d.mu.Unlock()
	for _, note := range d.notes {
		if note == s {
			n++
		}
	}
	return n
}

func (d *staged) Start(context.Context) error { d.note("start"); return d.startError }

func (d *staged) Stop(context.Context) error {
	d.note("stop")
	if d.open.now() > 0 {
		d.note("stopped with open connections")
	}
	return d.stopError
}

func (d *staged) DialContext(ctx context.Context, network, address string) (net.Conn, error) {
	if d.count("start") == 0 || d.count("stop") > 0 {
		d.note("dialled outside its life")
		return nil, conn.ErrDriverNotStarted
	}
	c, err := tcp.DialContext(ctx, network, address)
	if err != nil {
		return nil, err
	}
	d.open.add(1)
	return &meteredConn{TCPConn: c.(*net.TCPConn), closed: func() { d.open.add(-1) }}, nil
}

func TestADriverIsStartedOnceAndStoppedOnceWhenAllIsClosed(t *testing.T) {
	noLeaks(t)
	o := newOrigin(t)
	d := &staged{stopError: errors.New("does not want to stop")}
	s, err := api.NewSession(api.Config{Driver: d})
	if err != nil {
		t.Fatal(err)
	}
	if err := callers(50, func(int) error { return second(s.Get(soon(t), o.URL)) }); err != nil {
		t.Error(err)
	}
	for _, err := range each(4, func(i int) error {
		if i%2 == 0 {
			return s.Close()
		}
		return s.Shutdown(soon(t))
	}) {
		if !errors.Is(err, d.stopError) {
			t.Errorf("the end of the session: %v, want the Driver's error", err)
		}
	}
	if d.count("start") != 1 || d.count("stop") != 1 || len(d.notes) != 2 {
		t.Errorf("the Driver's life: %q", d.notes)
	}
}

func TestADriverThatDoesNotStartStopsNewSessionAndLeavesNothing(t *testing.T) {
	noLeaks(t)
	d := &staged{startError: errors.New("no route to anywhere")}
	for range 10 {
		if s, err := api.NewSession(api.Config{Driver: d}); s != nil || !errors.Is(err, d.startError) {
			t.Errorf("got %v, %v", s, err)
		}
	}
}
