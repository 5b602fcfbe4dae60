package tests

import (
	"bytes"
	"context"
	"errors"
	"net"
	"strings"
	"testing"

	"github.com/seed53b03582/troupe/api"
)

// load is a session with calls in every phase there is.
type load struct {
	s       *api.Session
	o       *origin
	m       *meter
	release *gate // lets the server go on

	underWay map[string]<-chan error // by phase
	queued   []<-chan error
	dialing  []<-chan error
	lease    *api.Lease // idle
}

const nowhere = "127.0.0.1:1" // the Driver holds dials there

func newLoad(t *testing.T) *load {
	t.Helper()
	l := &load{o: newOrigin(t), release: newGate(), underWay: map[string]<-chan error{}}
	l.m = &meter{delay: func(ctx context.Context, address string) error {
		if address != nowhere {
			return nil
		}
		<-ctx.Done()
		return ctx.Err()
	}}
	long := strings.Repeat("z", 1<<20)
	reading := l.o.route("/reading", stall(l.release))
	midway := l.o.route("/midway", stallMidway(l.release, long))
	unread := l.o.route("/unread", stallUnread(l.release))
	big := bytes.Repeat([]byte("x"), 8<<20)

	l.s = newSession(t, api.Config{Driver: l.m, MaxConnsPerOrigin: 8, Breaker: noBreaker})
	ctx := soon(t)
	lease := func() *api.Lease {
		lease, err := l.s.Lease(ctx, l.o.URL)
		if err != nil {
			t.Fatal(err)
		}
		return lease
	}
	l.lease = lease()
	leased := lease()
	streamed := newGate()
	for phase, call := range map[string]func() error{
		"reading":  func() error { return second(l.s.Get(ctx, reading)) },
		"the body": func() error { return second(l.s.Get(ctx, midway)) },
		"leased":   func() error { return second(l.s.Get(ctx, reading, leased)) },
		"writing":  func() error { return second(l.s.Post(ctx, unread, api.Body(bytes.NewReader(big)))) },
		"chunks": func() error {
			return second(l.s.Put(ctx, unread, api.Body(struct{ *bytes.Buffer }{bytes.NewBuffer(big)})))
		},
		"a file": func() error { return second(l.s.Upload(ctx, unread, bytes.NewReader(big))) },
		"in a stream": func() error {
			return second(l.s.Get(ctx, midway, api.Stream(func([]byte) error {
				streamed.open()
				<-l.release.ch // a callback that takes its time
				return nil
			}, 1000)))
		},
	} {
		l.underWay[phase] = start(call)
	}
	eventually(t, "all connections are in use", func() bool { return l.o.held.now() == 7 && streamed.isOpen() })
	for range 20 {
		l.queued = append(l.queued, start(func() error { return second(l.s.Get(ctx, l.o.URL)) }))
		l.dialing = append(l.dialing, start(func() error { return second(l.s.Get(ctx, "http://"+nowhere)) }))
	}
	eventually(t, "others wait", func() bool { return queued(l.s) == 40 && l.m.of(nowhere).dials.now() == 8 })
	return l
}

// wantTurnedAway checks those that had not got a connection.
func (l *load) wantTurnedAway(t *testing.T) {
	t.Helper()
	for _, call := range append(l.queued, l.dialing...) {
		err := receive(t, "those that wait", call)
		if e, is := asError[*api.HTTPConnectionError](err); !is || e.Sent != api.SentNothing || !errors.Is(err, api.ErrSessionClosed) {
			t.Errorf("one that waited: %T %v", err, err)
		}
	}
}

// wantOver checks that nothing is left and nothing works any more.
func (l *load) wantOver(t *testing.T) {
	t.Helper()
	if got := l.m.all.conns.now(); got != 0 {
		t.Errorf("%d sockets are open", got)
	}
	l.release.open() // where the server does not read, it does not notice
	eventually(t, "the server sees every connection closed", func() bool { return l.o.conns.now() == 0 })
	for name, call := range map[string]func() error{
		"a call":      func() error { return second(l.s.Get(t.Context(), l.o.URL)) },
		"an upload":   func() error { return second(l.s.Upload(t.Context(), l.o.URL, strings.NewReader("x"))) },
		"a lease":     func() error { _, err := l.s.Lease(t.Context(), l.o.URL); return err },
		"a body":      func() error { return second(l.s.Post(t.Context(), l.o.URL, api.Body(strings.NewReader("x")))) },
		"a new place": func() error { return second(l.s.Get(t.Context(), "http://"+nowhere)) },
	} {
		if err := receive(t, name, start(call)); !errors.Is(err, api.ErrSessionClosed) {
			t.Errorf("%s afterwards: %v", name, err)
		}
	}
	// With a connection that has ended there is nothing to be had either.
	if _, err := l.s.Get(t.Context(), l.o.URL, l.lease); err == nil {
		t.Error("the lease was served afterwards")
	} else if _, is := asError[*api.IOError](err); !is && !errors.Is(err, api.ErrSessionClosed) {
		t.Errorf("the lease afterwards: %T %v", err, err)
	}
	l.lease.Release()
	if snap := l.s.Snapshot(); len(snap.Conns) != 0 {
		t.Errorf("afterwards:\n%s", snap)
	}
}

func TestShutdownUnderLoadLetsFinishWhatIsUnderWay(t *testing.T) {
	noLeaks(t)
	l := newLoad(t)
	ended := start(func() error {
		err := l.s.Shutdown(soon(t))
		if !l.release.isOpen() {
			err = errors.Join(err, errors.New("it did not wait for what was under way"))
		}
		return err
	})
	l.wantTurnedAway(t) // at once, not when the rest has finished
	if _, err := l.s.Get(t.Context(), l.o.URL); !errors.Is(err, api.ErrSessionClosed) {
		t.Errorf("a new call: %v", err)
	}
	l.release.open()
	for phase, call := range l.underWay {
		if err := receive(t, phase, call); err != nil {
			t.Errorf("%s: %v", phase, err)
		}
	}
	if err := receive(t, "Shutdown", ended); err != nil {
		t.Errorf("Shutdown: %v", err)
	}
	l.wantOver(t)
}

// wantCutOff checks the calls that were under way.
func (l *load) wantCutOff(t *testing.T) {
	t.Helper()
	for phase, call := range l.underWay {
		if phase == "in a stream" {
			continue // its own callback is in the way
		}
		err := receive(t, phase, call)
		if e, is := asError[*api.IOError](err); !is || e.Sent == api.SentNothing || !errors.Is(err, api.ErrSessionClosed) {
			t.Errorf("%s: %T %v", phase, err, err)
		}
	}
	l.release.open()
	err := receive(t, "in a stream", l.underWay["in a stream"])
	if _, is := asError[*api.IOError](err); !is || !errors.Is(err, api.ErrSessionClosed) {
		t.Errorf("in a stream: %T %v", err, err)
	}
}

func TestShutdownUnderLoadCutsOffWhenItsContextEnds(t *testing.T) {
	noLeaks(t)
	l := newLoad(t)
	ctx, cancel := context.WithCancel(soon(t))
	ended := start(func() error { return l.s.Shutdown(ctx) })
	l.wantTurnedAway(t)
	cancel()
	if err := receive(t, "Shutdown", ended); !errors.Is(err, context.Canceled) {
		t.Errorf("Shutdown: %v", err)
	}
	l.wantCutOff(t)
	l.wantOver(t)
}

func TestCloseUnderLoadCutsOff(t *testing.T) {
	noLeaks(t)
	l := newLoad(t)
	if err := receive(t, "Close", start(l.s.Close)); err != nil {
		t.Errorf("Close: %v", err)
	}
	l.wantTurnedAway(t)
	l.wantCutOff(t)
	l.wantOver(t)
}

// TestShutdownAndCloseTogether, from ten goroutines, twice.
func TestShutdownAndCloseTogether(t *testing.T) {
	noLeaks(t)
	l := newLoad(t)
	for range 2 {
		errs := each(10, func(i int) error {
			if i%2 == 0 {
				return l.s.Close()
			}
			return l.s.Shutdown(soon(t))
		})
		if err := errors.Join(errs...); err != nil {
			t.Error(err)
		}
		if got := l.m.all.conns.now(); got != 0 {
			t.Errorf("it returned with %d sockets open", got)
		}
	}
	l.wantTurnedAway(t)
	l.wantCutOff(t)
	l.wantOver(t)
}

// TestCloseWhileCallsPourIn: whatever the moment, each call is answered or told
// that the session is closed.
func TestCloseWhileCallsPourIn(t *testing.T) {
	noLeaks(t)
	o := newOrigin(t)
	for i := range 30 {
		s, err := api.NewSession(api.Config{MaxConnsPerOrigin: 4})
		if err != nil {
			t.Fatal(err)
		}
		from := o.asked()
		pouring := start(func() error {
			return callers(50, func(int) error {
				for {
					if err := second(s.Get(soon(t), o.URL)); err != nil {
						if errors.Is(err, api.ErrSessionClosed) {
							return nil
						}
						return err
					}
				}
			})
		})
		eventually(t, "some calls", func() bool { return o.asked() >= from+i*10 })
		end := s.Close
		if i%2 == 0 {
			end = func() error { return s.Shutdown(soon(t)) }
		}
		if err := receive(t, "the end", start(end)); err != nil {
			t.Errorf("the end: %v", err)
		}
		if err := receive(t, "every caller", pouring); err != nil {
			t.Error(err)
		}
	}
	eventually(t, "the server sees every connection closed", func() bool { return o.conns.now() == 0 })
}

// TestTheDefaultSessionEndsAndBeginsAnew with the calls that nobody configures.
func TestTheDefaultSessionEndsAndBeginsAnew(t *testing.T) {
	noLeaks(t)
	o := newOrigin(t)
	for range 3 {
		if err := callers(20, func(int) error { return second(api.Get(soon(t), o.URL)) }); err != nil {
			t.Error(err)
		}
		kept, err := api.Get(soon(t), o.URL, api.Headers{"Connection": "Keep-Alive"})
		if err != nil || kept.Connection() == nil {
			t.Fatalf("got %v", err)
		}
		if err := errors.Join(each(3, func(int) error { return api.Shutdown(soon(t)) })...); err != nil {
			t.Errorf("Shutdown: %v", err)
		}
		if _, err := api.Get(soon(t), o.URL, kept.Connection()); err != nil {
			t.Errorf("after Shutdown: %v", err)
		}
		eventually(t, "the server sees every connection closed", func() bool { return o.conns.now() == 0 })
		if err := api.Shutdown(soon(t)); err != nil {
			t.Errorf("Shutdown: %v", err)
		}
	}
	var none *net.OpError
	o.shut()
	if _, err := api.Get(soon(t), o.URL); !errors.As(err, &none) {
		t.Errorf("without a server: %v", err)
	}
	if err := api.Shutdown(soon(t)); err != nil {
		t.Errorf("Shutdown: %v", err)
	}
}
