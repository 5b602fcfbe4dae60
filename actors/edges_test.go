package actors

import (
	"context"
	"errors"
	"io"
	"net"
	"net/http"
	"runtime"
	"strings"
	"testing"
	"time"

	"github.com/seed53b03582/troupe/conn"
)

func TestOneShotThatEndsBeforeItIsWrittenLeavesNothing(t *testing.T) {
	in(t, func(t *testing.T) {
		m := &pipes{serve: answering(greeting)}
		s := m.start(t, Config{Fresh: true})
		ctx, cancel := context.WithCancel(t.Context())
		c := s.NewCall()
		c.ctx, c.Origin = ctx, &testOrigin
		if err := s.acquireFor(c); err != nil {
			t.Fatal(err)
		}
		cancel()
		wantError(t, s.exchange(c, nil), conn.OpWrite, conn.SentNothing, context.Canceled)
		wantQuiet(t, s)
		if n := m.open.Load(); n != 0 {
			t.Errorf("%d connections are open, and nobody has them", n)
		}
	})
}

func TestAbandonedOneShotLeavesNothing(t *testing.T) {
	in(t, func(t *testing.T) {
		m := &pipes{serve: answering(greeting)}
		s := m.start(t, Config{Fresh: true})
		for _, whole := range []bool{false, true} { // whether the body has been read
			c := streaming(t, s, t.Context())
			if whole {
				s.Read(c, make([]byte, 100), true)
			}
			s.Abandon(c)
			wantQuiet(t, s)
			if n := m.open.Load(); n != 0 {
				t.Errorf("whole %v: %d connections are open, and nobody has them", whole, n)
			}
		}
	})
}

// streaming begins a streamed GET.
func streaming(t *testing.T, s *Scheduler, ctx context.Context) *Call {
	t.Helper()
	c := s.NewCall()
	c.Origin, c.Method, c.Stream = &testOrigin, "GET", true
	c.Head = append(c.Head[:0], "GET / HTTP/1.1\r\nHost: h\r\n\r\n"...)
	if _, err := s.Do(ctx, c); err != nil {
		t.Fatal(err)
	}
	return c
}

func TestMaxConnAgeShorterThanADial(t *testing.T) {
	in(t, func(t *testing.T) {
		m := &pipes{serve: answering(greeting), dial: func(context.Context) error { time.Sleep(30 * time.Millisecond); return nil }}
		s := m.start(t, Config{MaxConnAge: 20 * time.Millisecond})
		body, err := get(t.Context(), s)
		wantBody(t, body, err)
		if n := m.dials.Load(); n != 1 {
			t.Errorf("%d dials", n)
		}
	})
}

func TestServerThatHangsUpOnEveryNewConnectionTripsTheBreaker(t *testing.T) {
	for name, greet := range map[string]string{"closes": "", "talks first": "SSH-2.0-x\r\n"} {
		t.Run(name, func(t *testing.T) {
			ln, err := net.Listen("tcp", "127.0.0.1:0")
			if err != nil {
				t.Fatal(err)
			}
			defer ln.Close()
			done := make(chan struct{})
			go func() {
				for {
					nc, err := ln.Accept()
					if err != nil {
						return
					}
					io.WriteString(nc, greet)
					if greet == "" {
						nc.Close()
					} else {
						defer nc.Close()
					}
					done <- struct{}{}
				}
			}()
			s, err := Start(Config{Breaker: Breaker{Failures: 2, OpenFor: time.Hour}, Driver: driverFunc(
				func(ctx context.Context, network, address string) (net.Conn, error) {
					nc, err := new(net.Dialer).DialContext(ctx, network, address)
					if err == nil {
						<-done
						waitUntilSeen(nc)
					}
					return nc, err
				})})
			if err != nil {
				t.Fatal(err)
			}
			defer s.Close()
			host, port, _ := net.SplitHostPort(ln.Addr().String())
			to := func(r *Request) { r.Origin = &Origin{Scheme: "http", Host: host, Port: port} }
			for range 2 { // four connections a call, of which the last counts
				if _, err := get(t.Context(), s, to); !errors.Is(err, conn.ErrStale) {
					t.Errorf("got %v", err)
				}
			}
			if _, err := get(t.Context(), s, to); !errors.Is(err, ErrCircuitOpen) {
				t.Errorf("got %v, want an open breaker\n%v", err, s.Snapshot())
			}
		})
	}
}

type driverFunc func(ctx context.Context, network, address string) (net.Conn, error)

func (f driverFunc) DialContext(ctx context.Context, network, address string) (net.Conn, error) {
	return f(ctx, network, address)
}

// waitUntilSeen returns when a look at the socket finds something: a dial that waits here
// for ever fails the test by its time limit.
func waitUntilSeen(nc net.Conn) {
	for c := conn.New(nc, &conn.Buffers{}); !c.Suspect(); {
		runtime.Gosched()
	}
}

func TestQuickBodyIsNotReadAfterTheCall(t *testing.T) {
	in(t, func(t *testing.T) {
		m := &pipes{serve: func(nc net.Conn) { io.CopyN(io.Discard, nc, 100); time.Sleep(time.Minute) }}
		s := m.start(t, Config{})
		over := false // unsynchronised: the race detector would object to a late Read
		body := readerFunc(func(p []byte) (int, error) {
			if over {
				t.Error("read after the call")
			}
			return len(p), nil
		})
		ctx, cancel := context.WithTimeout(t.Context(), time.Second)
		defer cancel()
		_, err := get(ctx, s, post(body, 1<<20), func(r *Request) { r.Body.Quick = true })
		over = true
		if !errors.Is(err, context.DeadlineExceeded) {
			t.Error(err)
		}
	})
}

func TestDeadConnectionOfACancelledPinTellsTheContextsError(t *testing.T) {
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	c := (&Scheduler{}).NewCall()
	c.ctx, c.Conn = ctx, &Conn{}
	if err := c.deadConnection(); !errors.Is(err, context.Canceled) {
		t.Errorf("got %v", err)
	}
}

func TestProbeWhoseStreamIsAbandonedClosesTheBreaker(t *testing.T) {
	in(t, func(t *testing.T) {
		down := true
		m := &pipes{serve: answering(func(*http.Request) string {
			return "HTTP/1.1 200 OK\r\nContent-Length: 1000000\r\n\r\n" + strings.Repeat("x", 1_000_000)
		}), dial: func(context.Context) error {
			if down {
				return errBoom
			}
			return nil
		}}
		s := m.start(t, Config{Breaker: Breaker{Failures: 1, OpenFor: time.Second}})
		get(t.Context(), s)
		down = false
		time.Sleep(2 * time.Second)
		c := streaming(t, s, t.Context())
		s.Abandon(c)
		wantQuiet(t, s)
		if b := s.Snapshot().Origins[0].Breaker; b != "closed" {
			t.Errorf("the breaker is %s", b)
		}
	})
}

func TestCallersOwnTimeIsNotTheOrigins(t *testing.T) {
	in(t, func(t *testing.T) {
		m := &pipes{serve: func(nc net.Conn) {
			buf := make([]byte, 1024)
			nc.Read(buf)
			io.WriteString(nc, "HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\nhello")
			time.Sleep(400 * time.Millisecond)
			io.WriteString(nc, "world")
		}}
		s := m.start(t, Config{})
		for name, callback := range map[string]time.Duration{"ends in the callback": 200 * time.Millisecond, "ends soon after": 90 * time.Millisecond} {
			ctx, cancel := context.WithTimeout(t.Context(), 100*time.Millisecond)
			c := streaming(t, s, ctx)
			if _, _, err := s.Read(c, make([]byte, 5), true); err != nil {
				t.Fatal(err)
			}
			time.Sleep(callback)
			_, _, err := s.Read(c, make([]byte, 5), true)
			wantError(t, err, conn.OpRead, conn.SentAll, context.DeadlineExceeded)
			s.Abandon(c)
			cancel()
			if n := s.Snapshot().Origins[0].Failures; n != 0 {
				t.Errorf("%s: counted as %d failures of the origin", name, n)
			}
		}
	})
}

func TestBodyThatBlocksBeforeThereIsAConnection(t *testing.T) {
	in(t, func(t *testing.T) {
		m := &pipes{serve: answering(greeting)}
		s := m.start(t, Config{})
		unblock := make(chan struct{})
		ctx, cancel := context.WithTimeout(t.Context(), time.Second)
		defer cancel()
		_, err := get(ctx, s, post(blocked{unblock}, -1))
		wantError(t, err, conn.OpQueue, conn.SentNothing, context.DeadlineExceeded)
		close(unblock)
		s.Close()
		_, err = get(t.Context(), s, post(strings.NewReader("x"), -1))
		wantError(t, err, conn.OpQueue, conn.SentNothing, ErrSessionClosed)
	})
}

func TestLeaseIsNeverOfADeadConnection(t *testing.T) {
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer ln.Close()
	ends := make(chan func() error, 2)
	go func() {
		for {
			nc, err := ln.Accept()
			if err != nil {
				return
			}
			ends <- nc.Close
			go answering(greeting)(nc)
		}
	}()
	s, err := Start(Config{})
	if err != nil {
		t.Fatal(err)
	}
	defer s.Close()
	host, port, _ := net.SplitHostPort(ln.Addr().String())
	o := Origin{Scheme: "http", Host: host, Port: port}
	c, owner, err := s.Lease(t.Context(), o)
	if err != nil {
		t.Fatal(err)
	}
	s.Return(c, owner)
	(<-ends)()
	for !c.spoiled() {
		runtime.Gosched()
	}
	d, owner, err := s.Lease(t.Context(), o)
	if err != nil || d == c {
		t.Fatalf("leased the dead one: %v, %v", d == c, err)
	}
	body, err := get(t.Context(), s, func(r *Request) { r.Origin = &o }, on(d, owner))
	wantBody(t, body, err)
	(<-ends)()
}

// The end of the session reaches a dial before the dispatcher has heard of it: the
// call that waits is told what has happened, not what the driver made of it.
func TestDialThatTheSessionCutsOff(t *testing.T) {
	in(t, func(t *testing.T) {
		m := &pipes{serve: answering(greeting), dial: func(ctx context.Context) error { <-ctx.Done(); return ctx.Err() }}
		s := m.start(t, Config{})
		time.AfterFunc(time.Second, s.cutOff)
		_, err := get(t.Context(), s)
		wantError(t, err, conn.OpDial, conn.SentNothing, ErrSessionClosed)
	})
}
