package tests

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"
	"testing/synctest"
	"time"

	"github.com/seed53b03582/troupe/api"
)

// logbook is a log that can be read while it is written.
type logbook struct {
	mu  sync.Mutex
	buf bytes.Buffer
}

func (l *logbook) Write(p []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.buf.Write(p)
}

func (l *logbook) String() string {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.buf.String()
}

func (l *logbook) logger() *slog.Logger {
	return slog.New(slog.NewTextHandler(l, &slog.HandlerOptions{Level: slog.LevelDebug}))
}

// TestTheServerDiesAndComesBack: with many calls in flight every connection is
// reset and the port refuses; later it listens again. Each call meanwhile gets the
// error of what befell it; the breaker opens, probes in vain, closes, and service
// resumes. Nobody hangs.
func TestTheServerDiesAndComesBack(t *testing.T) {
	noLeaks(t)
	const workers = 30
	o := newOrigin(t)
	hold := newGate()
	o.route("/", stall(hold))
	var log logbook
	s := newSession(t, api.Config{
		MaxConnsPerOrigin: workers - 10, // some wait in the queue when it happens
		Breaker:           api.Breaker{Failures: 5, OpenFor: 50 * time.Millisecond},
		Logger:            log.logger(),
	})
	breaker := func() string { return s.Snapshot().Origins[0].Breaker }

	var kinds sync.Map // what was seen of each kind of error
	note := func(kind string) { n, _ := kinds.LoadOrStore(kind, new(atomic.Int64)); n.(*atomic.Int64).Add(1) }
	var down atomic.Bool
	service := start(func() error {
		return callers(workers, func(int) error {
			for streak := 0; streak < 3 || !hold.isOpen(); {
				_, err := s.Get(t.Context(), o.URL, api.Timeout(patience))
				if err == nil {
					streak++
					continue
				}
				streak = 0
				if !down.Load() {
					return fmt.Errorf("though the server is there: %w", err)
				}
				kind, expected := ofAnOutage(err)
				if !expected {
					return err
				}
				note(kind)
				pause(t.Context(), time.Millisecond)
			}
			return nil
		})
	})
	eventually(t, "all connections are in use, and calls wait", func() bool {
		return o.held.now() == workers-10 && queued(s) == 10
	})
	down.Store(true)
	o.shut()
	eventually(t, "the breaker opens", func() bool { return breaker() == "open" })
	eventually(t, "it probes in vain", func() bool {
		return strings.Count(log.String(), "from=half-open to=open") >= 2
	})
	if got := s.Snapshot().Origins[0]; got.FailedDials < 2 || got.Rejected == 0 {
		t.Errorf("after two probes: %+v", got)
	}
	hold.open()
	o.restart(t)
	if err := receive(t, "service resumes", service); err != nil {
		t.Errorf("%v\n%s", err, s.Snapshot())
	}
	eventually(t, "the breaker is closed", func() bool { return breaker() == "closed" })
	for _, kind := range []string{"read", "dial", "circuit open"} {
		if _, seen := kinds.Load(kind); !seen {
			t.Errorf("no error of the kind %q was seen", kind)
		}
	}
	kinds.Range(func(kind, n any) bool { t.Logf("%s: %d", kind, n.(*atomic.Int64).Load()); return true })
	down.Store(false)
	wantQuiet(t, s)
	wantCapacity(t, s, o, workers-10)
}

// ofAnOutage names the error of a call to a server that has gone, and tells
// whether it is what the contract promises.
func ofAnOutage(err error) (kind string, expected bool) {
	if e, is := asError[*api.HTTPConnectionError](err); is {
		switch {
		case e.Op == api.OpQueue:
			return "circuit open", errors.Is(err, api.ErrCircuitOpen) && e.Sent == api.SentNothing
		case e.Op == api.OpDial:
			// A connection that the listener had not accepted is reset.
			return "dial", (errors.Is(err, syscall.ECONNREFUSED) || errors.Is(err, syscall.ECONNRESET)) && e.Sent == api.SentNothing
		}
	}
	if e, is := asError[*api.IOError](err); is {
		return e.Op.String(), e.Op == api.OpRead && e.RemoteAddr != nil && !e.Timeout() || e.Op == api.OpWrite
	}
	return "", false
}

// TestAServerThatRestartsUnderIdleConnectionsIsNotNoticed: what idled is dead, and
// no call finds out.
func TestAServerThatRestartsUnderIdleConnectionsIsNotNoticed(t *testing.T) {
	o := newOrigin(t)
	d := newSockets()
	s := newSession(t, api.Config{Driver: d})
	wantCapacity(t, s, o, 20)
	for range 3 {
		wantQuiet(t, s) // no dial is under way
		o.shut()
		o.restart(t)
		d.arrivedAll(t)
		if err := callers(20, func(int) error { return second(s.Post(soon(t), o.URL, api.Data{"a": "b"})) }); err != nil {
			t.Error(err)
		}
	}
	if got := s.Snapshot().Origins[0]; got.Failures != 0 {
		t.Errorf("the breaker counted %d failures", got.Failures)
	}
}

// TestConnectionsThatDiedBeforeTheirFirstRequestAreReplaced: dials whose callers
// have left leave idle connections that were never used. When they die so, that is
// no server that hangs up on each new connection.
func TestConnectionsThatDiedBeforeTheirFirstRequestAreReplaced(t *testing.T) {
	const n = 4
	o := newOrigin(t)
	hold := newGate()
	d := newSockets()
	var dials gauge
	s := newSession(t, api.Config{Driver: driver(func(ctx context.Context, network, address string) (net.Conn, error) {
		dials.add(1)
		<-hold.ch
		return d.DialContext(ctx, network, address)
	})})
	ctx, leave := context.WithCancel(soon(t))
	all := start(func() error {
		return callers(n, func(int) error { return second(s.Get(ctx, o.URL)) })
	})
	eventually(t, "the dials", func() bool { return dials.now() == n })
	leave()
	if err := receive(t, "the callers that have left", all); !errors.Is(err, context.Canceled) {
		t.Errorf("got %v", err)
	}
	hold.open()
	eventually(t, "unused idle connections", func() bool {
		got := s.Snapshot().Origins[0]
		return got.Idle == n && o.conns.now() == n
	})
	o.shut()
	o.restart(t)
	d.arrivedAll(t)
	if _, err := s.Get(soon(t), o.URL); err != nil {
		t.Error(err)
	}
}

// TestHalfOpenLetsExactlyItsProbesThrough: of many callers at once as many as
// Probes reach the server, whatever the others try.
func TestHalfOpenLetsExactlyItsProbesThrough(t *testing.T) {
	for _, probes := range []int{1, 3} {
		t.Run(fmt.Sprint(probes), func(t *testing.T) {
			bubble(t, func(t *testing.T, n *network) { halfOpen(t, n, probes) })
		})
	}
}

func halfOpen(t *testing.T, n *network, probes int) {
	const openFor = 5 * time.Second
	o := n.newOrigin(t)
	hold := newGate()
	probing := o.route("/probe", stall(hold))
	dead := o.route("/dead", hangUp)
	s := newSession(t, api.Config{Driver: n, Breaker: api.Breaker{Failures: 2, OpenFor: openFor, Probes: probes}})
	breaker := func() api.OriginSnapshot { return s.Snapshot().Origins[0] }
	for range 2 {
		if _, err := s.Get(soon(t), dead); err == nil {
			t.Fatal("answered")
		}
	}
	if got := breaker().Breaker; got != "open" {
		t.Fatalf("the breaker is %s", got)
	}
	all := start(func() error {
		return callers(100, func(int) error {
			for {
				_, err := s.Get(soon(t), probing)
				if !errors.Is(err, api.ErrCircuitOpen) || hold.isOpen() {
					return err
				}
				time.Sleep(time.Second)
			}
		})
	})
	time.Sleep(openFor - moment)
	synctest.Wait()
	if got := o.held.now(); got != 0 {
		t.Errorf("%d requests came while the breaker was open", got)
	}
	time.Sleep(10 * time.Second) // everybody has tried ten times
	synctest.Wait()
	if got := breaker(); got.Breaker != "half-open" || got.Rejected < 1000 {
		t.Errorf("the breaker is %s, and has turned away %d", got.Breaker, got.Rejected)
	}
	if got := o.held.peak(); got != probes {
		t.Errorf("%d requests came, want %d", got, probes)
	}
	hold.open()
	if err := receive(t, "all callers", all); err != nil {
		t.Error(err)
	}
	if got := breaker().Breaker; got != "closed" {
		t.Errorf("the breaker is %s", got)
	}
}
