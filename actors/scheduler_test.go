package actors

import (
	"context"
	"errors"
	"io"
	"net"
	"net/http"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/seed53b03582/troupe/conn"
)

// in runs a test in a bubble with its own clock.
func in(t *testing.T, f func(t *testing.T)) {
	t.Helper()
	synctest.Test(t, f)
}

func wantError(t *testing.T, err error, op conn.Op, sent conn.Sent, cause error) {
	t.Helper()
	var e *conn.Error
	if !errors.As(err, &e) {
		t.Fatalf("got %v, want a *conn.Error", err)
	}
	if e.Op != op || e.Sent != sent || !errors.Is(err, cause) {
		t.Errorf("got %v (op %v, sent %v), want op %v, sent %v, cause %v", err, e.Op, e.Sent, op, sent, cause)
	}
}

func wantBody(t *testing.T, body string, err error) {
	t.Helper()
	if err != nil || body != "hello" {
		t.Errorf("got %q, %v", body, err)
	}
}

func wantQuiet(t *testing.T, s *Scheduler) {
	t.Helper()
	synctest.Wait()
	for _, o := range s.Snapshot().Origins {
		if o.Queued != 0 || o.Dialing != 0 || o.Busy != 0 {
			t.Errorf("not at rest:\n%v", s.Snapshot())
		}
	}
}

func TestConnectionIsReused(t *testing.T) {
	in(t, func(t *testing.T) {
		m := &pipes{serve: answering(greeting)}
		s := m.start(t, Config{})
		for range 5 {
			body, err := get(t.Context(), s)
			wantBody(t, body, err)
		}
		if n := m.dials.Load(); n != 1 {
			t.Errorf("%d dials for 5 calls in a row", n)
		}
	})
}

func TestShutdownLetsTheBusyFinishAndRefusesTheRest(t *testing.T) {
	in(t, func(t *testing.T) {
		m := &pipes{serve: answering(func(*http.Request) string { time.Sleep(time.Second); return hello })}
		s := m.start(t, Config{MaxConnsPerOrigin: 1})
		var wg sync.WaitGroup
		wg.Go(func() {
			body, err := get(t.Context(), s)
			wantBody(t, body, err)
		})
		synctest.Wait()
		wg.Go(func() {
			_, err := get(t.Context(), s)
			wantError(t, err, conn.OpQueue, conn.SentNothing, ErrSessionClosed)
		})
		synctest.Wait()
		if err := s.Shutdown(t.Context()); err != nil {
			t.Error(err)
		}
		wg.Wait()
		_, err := get(t.Context(), s)
		wantError(t, err, conn.OpQueue, conn.SentNothing, ErrSessionClosed)
		if got := s.Snapshot(); len(got.Origins)+len(got.Conns) != 0 {
			t.Errorf("after the end: %v", got)
		}
	})
}

func TestShutdownCutsOffWhenItsContextEnds(t *testing.T) {
	in(t, func(t *testing.T) {
		m := &pipes{serve: func(nc net.Conn) { io.Copy(io.Discard, nc) }}
		s := m.start(t, Config{})
		var wg sync.WaitGroup
		wg.Go(func() {
			_, err := get(t.Context(), s)
			wantError(t, err, conn.OpRead, conn.SentAll, ErrSessionClosed)
		})
		synctest.Wait()
		ctx, cancel := context.WithTimeout(t.Context(), time.Second)
		defer cancel()
		if err := s.Shutdown(ctx); !errors.Is(err, context.DeadlineExceeded) {
			t.Errorf("Shutdown: %v", err)
		}
		wg.Wait()
	})
}

func TestCloseEndsCallsInEveryPhase(t *testing.T) {
	in(t, func(t *testing.T) {
		dialing := make(chan struct{})
		m := &pipes{serve: func(nc net.Conn) { io.Copy(io.Discard, nc) }, dial: func(ctx context.Context) error {
			select {
			case dialing <- struct{}{}:
				return nil
			case <-ctx.Done():
				return ctx.Err()
			}
		}}
		s := m.start(t, Config{MaxConnsPerOrigin: 3})
		unblock := make(chan struct{})
		time.AfterFunc(time.Second, func() { close(unblock) }) // Close waits for the Read
		var wg sync.WaitGroup
		call := func(change ...func(*Request)) {
			wg.Go(func() {
				if _, err := get(t.Context(), s, change...); !errors.Is(err, ErrSessionClosed) {
					t.Errorf("got %v", err)
				}
			})
			synctest.Wait()
		}
		call()
		<-dialing // reading
		call(post(io.MultiReader(strings.NewReader("x"), blocked{unblock}), -1))
		<-dialing // writing
		call()    // dialing
		call()    // queued
		if err := s.Close(); err != nil {
			t.Error(err)
		}
		wg.Wait()
	})
}

func TestDriverStartAndStop(t *testing.T) {
	d := &startable{pipes: pipes{serve: answering(greeting)}}
	s, err := Start(Config{Driver: d})
	if err != nil || d.started != 1 {
		t.Fatalf("started %d times: %v", d.started, err)
	}
	s.Close()
	s.Close()
	if d.stopped != 1 {
		t.Errorf("stopped %d times", d.stopped)
	}
	d.fail = errBoom
	if _, err := Start(Config{Driver: d}); err != errBoom {
		t.Errorf("Start: %v", err)
	}
}

type startable struct {
	pipes
	started, stopped int
	fail             error
}

func (d *startable) Start(context.Context) error { d.started++; return d.fail }

func (d *startable) Stop(context.Context) error { d.stopped++; return nil }

func TestManyCallersOverFewConnections(t *testing.T) {
	m := &pipes{serve: answering(greeting)}
	s := m.start(t, Config{MaxConnsPerOrigin: 4})
	var wg sync.WaitGroup
	for range 100 {
		wg.Go(func() {
			for range 50 {
				body, err := get(context.Background(), s)
				wantBody(t, body, err)
			}
		})
	}
	wg.Wait()
	if n := m.dials.Load(); n > 4 {
		t.Errorf("%d dials", n)
	}
}

func TestPlainCallAllocatesNothing(t *testing.T) {
	if testing.CoverMode() != "" || raceEnabled {
		t.Skip("instrumentation allocates")
	}
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer ln.Close()
	go func() {
		nc, err := ln.Accept()
		if err != nil {
			return
		}
		defer nc.Close()
		buf := make([]byte, 4096)
		for answer := []byte(hello); ; {
			if _, err := nc.Read(buf); err != nil {
				return
			}
			nc.Write(answer)
		}
	}()
	s, err := Start(Config{})
	if err != nil {
		t.Fatal(err)
	}
	defer s.Close()
	host, port, _ := net.SplitHostPort(ln.Addr().String())
	c, origin := s.NewCall(), Origin{Scheme: "http", Host: host, Port: port}
	once := func() {
		c.Origin, c.Method = &origin, "GET"
		c.Head = append(c.Head[:0], "GET / HTTP/1.1\r\nHost: h\r\n\r\n"...)
		a, err := s.Do(context.Background(), c)
		if err != nil {
			t.Fatal(err)
		}
		s.FreeAnswer(a)
		c.Reset()
	}
	once()
	if n := testing.AllocsPerRun(500, once); n != 0 {
		t.Errorf("a plain call allocates %v times", n)
	}
}
