package actors

import (
	"bufio"
	"context"
	"errors"
	"io"
	"log/slog"
	"net"
	"net/http"
	"runtime"
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
		m := &memory{serve: answering(greeting)}
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

func TestIdleTimeoutClosesTheSocketOnTime(t *testing.T) {
	in(t, func(t *testing.T) {
		m := &memory{serve: answering(greeting)}
		s := m.start(t, Config{IdleTimeout: 30 * time.Second})
		_, err := get(t.Context(), s)
		if err != nil {
			t.Fatal(err)
		}
		time.Sleep(30*time.Second - time.Millisecond)
		synctest.Wait()
		if m.open.Load() != 1 {
			t.Error("closed before its time")
		}
		time.Sleep(2 * time.Millisecond)
		synctest.Wait()
		if m.open.Load() != 0 {
			t.Errorf("still open after IdleTimeout:\n%v", s.Snapshot())
		}
	})
}

func TestServerThatClosesAnIdleConnectionIsSweptUp(t *testing.T) {
	in(t, func(t *testing.T) {
		hangUp := make(chan struct{})
		m := &memory{serve: func(nc net.Conn) {
			go answering(greeting)(nc)
			<-hangUp
		}}
		s := m.start(t, Config{})
		if _, err := get(t.Context(), s); err != nil {
			t.Fatal(err)
		}
		close(hangUp)
		time.Sleep(2 * sweepEvery)
		synctest.Wait()
		if n := len(s.Snapshot().Conns); n != 0 {
			t.Errorf("%d connections are still held:\n%v", n, s.Snapshot())
		}
	})
}

func TestDeadIdleConnectionIsReplacedBeforeAnythingIsSent(t *testing.T) {
	in(t, func(t *testing.T) {
		first := true
		m := &memory{serve: func(nc net.Conn) {
			if first {
				first = false
				req, _ := http.ReadRequest(bufio.NewReader(nc))
				io.Copy(io.Discard, req.Body)
				io.WriteString(nc, hello)
				return // and closes
			}
			answering(greeting)(nc)
		}}
		s := m.start(t, Config{})
		for range 2 {
			body, err := get(t.Context(), s, post(strings.NewReader("x"), -1))
			wantBody(t, body, err)
			time.Sleep(time.Second)
		}
		if n := m.dials.Load(); n != 2 {
			t.Errorf("%d dials, want 2", n)
		}
	})
}

func TestServerThatHangsUpAtOnceIsNotDialledForEver(t *testing.T) {
	in(t, func(t *testing.T) {
		m := &memory{serve: func(net.Conn) {}}
		s := m.start(t, Config{})
		_, err := get(t.Context(), s)
		if err == nil {
			t.Fatal("no error")
		}
		if n := m.dials.Load(); n > 2 {
			t.Errorf("%d dials for one call", n)
		}
		wantQuiet(t, s)
	})
}

func TestDialTimeout(t *testing.T) {
	for name, dial := range map[string]func(context.Context) error{
		"driver obeys":   func(ctx context.Context) error { <-ctx.Done(); return ctx.Err() },
		"driver ignores": func(context.Context) error { time.Sleep(time.Minute); return nil },
	} {
		t.Run(name, func(t *testing.T) {
			in(t, func(t *testing.T) {
				m := &memory{serve: answering(greeting), dial: dial}
				s := m.start(t, Config{DialTimeout: 10 * time.Second})
				began := time.Now()
				_, err := get(t.Context(), s)
				wantError(t, err, conn.OpDial, conn.SentNothing, context.DeadlineExceeded)
				if d := time.Since(began); d < 10*time.Second || d > 10*time.Second+dialGrace {
					t.Errorf("took %v", d)
				}
				time.Sleep(time.Minute) // the late socket is closed: start's cleanup would hang
			})
		})
	}
}

func TestResponseHeaderTimeout(t *testing.T) {
	in(t, func(t *testing.T) {
		m := &memory{serve: func(nc net.Conn) { io.Copy(io.Discard, nc) }}
		s := m.start(t, Config{ResponseHeaderTimeout: 3 * time.Second})
		began := time.Now()
		_, err := get(t.Context(), s)
		if !conn.IsTimeout(err) || time.Since(began) != 3*time.Second {
			t.Errorf("got %v after %v", err, time.Since(began))
		}
		wantError(t, err, conn.OpRead, conn.SentAll, err)
	})
}

func TestContextEndsACallInEveryPhase(t *testing.T) {
	never := func(ctx context.Context) error { <-ctx.Done(); return ctx.Err() }
	silent := func(nc net.Conn) { io.Copy(io.Discard, nc) }
	for _, tt := range []struct {
		name   string
		m      *memory
		change func(*Request)
		op     conn.Op
		sent   conn.Sent
	}{
		{"dialing", &memory{serve: silent, dial: never}, nil, conn.OpDial, conn.SentNothing},
		{"waiting for the head", &memory{serve: silent}, nil, conn.OpRead, conn.SentAll},
		{"in the middle of the body", &memory{serve: func(nc net.Conn) {
			buf := make([]byte, 1024)
			nc.Read(buf)
			io.WriteString(nc, "HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nhel")
			io.Copy(io.Discard, nc)
		}}, nil, conn.OpRead, conn.SentAll},
		{"waiting for the caller's reader", &memory{serve: silent},
			post(io.MultiReader(strings.NewReader("x"), blocked{}), -1), conn.OpWrite, conn.SentPart},
	} {
		for _, kind := range []error{context.Canceled, context.DeadlineExceeded} {
			t.Run(tt.name+"/"+kind.Error(), func(t *testing.T) {
				in(t, func(t *testing.T) {
					unblock := make(chan struct{})
					defer close(unblock)
					m := &memory{serve: tt.m.serve, dial: tt.m.dial}
					s := m.start(t, Config{})
					ctx, cancel := context.WithTimeout(t.Context(), time.Second)
					defer cancel()
					if kind == context.Canceled {
						time.AfterFunc(time.Second/2, cancel)
					}
					change := tt.change
					if change == nil {
						change = func(*Request) {}
					}
					if strings.Contains(tt.name, "reader") {
						change = post(io.MultiReader(strings.NewReader("x"), blocked{unblock}), -1)
					}
					began := time.Now()
					_, err := get(ctx, s, change)
					wantError(t, err, tt.op, tt.sent, kind)
					if d := time.Since(began); d > time.Second {
						t.Errorf("returned after %v", d)
					}
					if tt.op != conn.OpDial {
						wantQuiet(t, s)
					}
				})
			})
		}
	}
}

// blocked is a reader that waits for its channel.
type blocked struct{ until chan struct{} }

func (b blocked) Read([]byte) (int, error) { <-b.until; return 0, io.EOF }

func TestQueuedCallerLeavesAtOnce(t *testing.T) {
	in(t, func(t *testing.T) {
		release := make(chan struct{})
		m := &memory{serve: answering(func(*http.Request) string { <-release; return hello })}
		s := m.start(t, Config{MaxConnsPerOrigin: 1})
		var wg sync.WaitGroup
		wg.Go(func() { get(t.Context(), s) })
		synctest.Wait()
		ctx, cancel := context.WithCancelCause(t.Context())
		wg.Go(func() {
			_, err := get(ctx, s)
			wantError(t, err, conn.OpQueue, conn.SentNothing, context.Canceled)
			if !errors.Is(err, errBoom) {
				t.Errorf("the cause of the cancellation is lost: %v", err)
			}
		})
		synctest.Wait()
		cancel(errBoom)
		synctest.Wait()
		if q := s.Snapshot().Origins[0].Queued; q != 0 {
			t.Errorf("%d still queued", q)
		}
		close(release)
		wg.Wait()
	})
}

func TestDialOfACancelledCallerServesAnother(t *testing.T) {
	in(t, func(t *testing.T) {
		m := &memory{serve: answering(greeting), dial: func(context.Context) error { time.Sleep(time.Second); return nil }}
		s := m.start(t, Config{})
		ctx, cancel := context.WithTimeout(t.Context(), time.Second/2)
		defer cancel()
		_, err := get(ctx, s)
		wantError(t, err, conn.OpDial, conn.SentNothing, context.DeadlineExceeded)
		body, err := get(t.Context(), s)
		wantBody(t, body, err)
		if n := m.dials.Load(); n != 1 {
			t.Errorf("%d dials", n)
		}
	})
}

func TestBreakerOpensProbesAndCloses(t *testing.T) {
	in(t, func(t *testing.T) {
		down := true
		var log strings.Builder
		m := &memory{serve: answering(greeting), dial: func(context.Context) error {
			if down {
				return errBoom
			}
			return nil
		}}
		s := m.start(t, Config{
			Breaker: Breaker{Failures: 3, OpenFor: 5 * time.Second},
			Logger:  slog.New(slog.NewTextHandler(&log, nil)),
		})
		for range 3 {
			_, err := get(t.Context(), s)
			wantError(t, err, conn.OpDial, conn.SentNothing, errBoom)
		}
		_, err := get(t.Context(), s)
		wantError(t, err, conn.OpQueue, conn.SentNothing, ErrCircuitOpen)
		down = false
		time.Sleep(5*time.Second + 1)
		body, err := get(t.Context(), s)
		wantBody(t, body, err)
		synctest.Wait()
		for _, change := range []string{"from=closed to=open", "from=open to=half-open", "from=half-open to=closed"} {
			if !strings.Contains(log.String(), change) {
				t.Errorf("the log lacks %q:\n%s", change, log.String())
			}
		}
	})
}

func TestSlowLogHandlerHoldsNobodyUp(t *testing.T) {
	in(t, func(t *testing.T) {
		m := &memory{serve: answering(greeting), dial: func(context.Context) error { return errBoom }}
		h := slowHandler{slog.DiscardHandler, make(chan struct{})}
		s := m.start(t, Config{Breaker: Breaker{Failures: 1}, Logger: slog.New(h)})
		get(t.Context(), s)
		began := time.Now()
		if _, err := get(t.Context(), s); !errors.Is(err, ErrCircuitOpen) {
			t.Error(err)
		}
		if time.Since(began) != 0 {
			t.Error("a call waited for the log handler")
		}
		close(h.release)
	})
}

type slowHandler struct {
	slog.Handler
	release chan struct{}
}

func (h slowHandler) Enabled(context.Context, slog.Level) bool  { return true }
func (h slowHandler) Handle(context.Context, slog.Record) error { <-h.release; return nil }

func TestShutdownLetsTheBusyFinishAndRefusesTheRest(t *testing.T) {
	in(t, func(t *testing.T) {
		m := &memory{serve: answering(func(*http.Request) string { time.Sleep(time.Second); return hello })}
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
		m := &memory{serve: func(nc net.Conn) { io.Copy(io.Discard, nc) }}
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
		m := &memory{serve: func(nc net.Conn) { io.Copy(io.Discard, nc) }, dial: func(ctx context.Context) error {
			select {
			case dialing <- struct{}{}:
				return nil
			case <-ctx.Done():
				return ctx.Err()
			}
		}}
		s := m.start(t, Config{MaxConnsPerOrigin: 3})
		unblock := make(chan struct{})
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
		close(unblock)
	})
}

func TestPanicInTheDriversConnHitsOneCallOnly(t *testing.T) {
	for _, kind := range []string{"read", "write", "close"} {
		t.Run(kind, func(t *testing.T) {
			in(t, func(t *testing.T) {
				bad := true
				m := &memory{serve: answering(greeting)}
				m.wrap = func(nc net.Conn) net.Conn {
					if !bad {
						return nc
					}
					bad = false
					c := &badConn{Conn: nc}
					boom := func() { panic(errBoom) }
					switch kind {
					case "read":
						c.read = boom
					case "write":
						c.write = boom
					case "close":
						c.close = boom
					}
					return c
				}
				s := m.start(t, Config{MaxConnsPerOrigin: 1})
				_, err := get(t.Context(), s)
				if kind == "close" {
					if err != nil {
						t.Fatal(err)
					}
					s.Snapshot() // the panic comes with the end of the connection
					return
				}
				var p *PanicError
				if !errors.As(err, &p) || !errors.Is(err, errBoom) {
					t.Errorf("got %v, want the panic as an error", err)
				}
				body, err := get(t.Context(), s) // the only slot is free again
				wantBody(t, body, err)
				wantQuiet(t, s)
			})
		})
	}
}

func TestGoexitInTheDriversConnLosesNoSlot(t *testing.T) {
	in(t, func(t *testing.T) {
		bad := true
		m := &memory{serve: answering(greeting)}
		m.wrap = func(nc net.Conn) net.Conn {
			if bad {
				bad = false
				return &badConn{Conn: nc, read: runtime.Goexit}
			}
			return nc
		}
		s := m.start(t, Config{MaxConnsPerOrigin: 1})
		done := make(chan struct{})
		go func() { defer close(done); get(t.Context(), s) }()
		<-done
		body, err := get(t.Context(), s)
		wantBody(t, body, err)
	})
}

func TestPanicInTheDriverIsTheDialsError(t *testing.T) {
	in(t, func(t *testing.T) {
		m := &memory{serve: answering(greeting), dial: func(context.Context) error { panic(errBoom) }}
		s := m.start(t, Config{})
		_, err := get(t.Context(), s)
		wantError(t, err, conn.OpDial, conn.SentNothing, errBoom)
	})
}

func TestBodyReaders(t *testing.T) {
	for _, tt := range []struct {
		name string
		body io.Reader
		size int64
		want error
	}{
		{"in chunks", strings.NewReader(strings.Repeat("x", 100_000)), -1, nil},
		{"of known length", strings.NewReader(strings.Repeat("x", 100_000)), 100_000, nil},
		{"longer than its length", strings.NewReader("0123456789"), 5, nil},
		{"shorter than its length", strings.NewReader("01234"), 10, io.ErrUnexpectedEOF},
		{"empty", strings.NewReader(""), -1, nil},
		{"that fails", io.MultiReader(strings.NewReader("x"), failing{}), -1, errBoom},
		{"that fails at once", failing{}, -1, errBoom},
		{"that panics", readerFunc(func([]byte) (int, error) { panic(errBoom) }), -1, errBoom},
		{"that lies", readerFunc(func(p []byte) (int, error) { return len(p) + 1, nil }), -1, nil},
		{"that makes no progress", readerFunc(func([]byte) (int, error) { return 0, nil }), -1, io.ErrNoProgress},
	} {
		t.Run(tt.name, func(t *testing.T) {
			in(t, func(t *testing.T) {
				m := &memory{serve: answering(greeting)}
				s := m.start(t, Config{MaxConnsPerOrigin: 1})
				body, err := get(t.Context(), s, post(tt.body, tt.size))
				switch {
				case tt.want != nil && !errors.Is(err, tt.want):
					t.Errorf("got %v, want %v", err, tt.want)
				case tt.name == "that lies" && err == nil:
					t.Error("an impossible count was believed")
				case tt.want == nil && tt.name != "that lies":
					wantBody(t, body, err)
				}
				body, err = get(t.Context(), s)
				wantBody(t, body, err)
				wantQuiet(t, s)
			})
		})
	}
}

type readerFunc func([]byte) (int, error)

func (f readerFunc) Read(p []byte) (int, error) { return f(p) }

type failing struct{}

func (failing) Read([]byte) (int, error) { return 0, errBoom }

func TestStreamedBody(t *testing.T) {
	in(t, func(t *testing.T) {
		text := strings.Repeat("0123456789", 10_000)
		m := &memory{serve: answering(func(*http.Request) string {
			return "HTTP/1.1 200 OK\r\nContent-Length: 100000\r\n\r\n" + text
		})}
		s := m.start(t, Config{})
		c := s.NewCall()
		c.Origin, c.Method, c.Stream = testOrigin, "GET", true
		c.Head = append(c.Head[:0], "GET / HTTP/1.1\r\nHost: h\r\n\r\n"...)
		var a Answer
		if err := s.Do(t.Context(), c, &a); err != nil {
			t.Fatal(err)
		}
		var got strings.Builder
		for done := false; !done; {
			p := make([]byte, 777)
			var n int
			var err error
			if n, done, err = s.Read(c, p); err != nil {
				t.Fatal(err)
			}
			if n < len(p) && !done {
				t.Errorf("a piece of %d bytes before the end", n)
			}
			got.Write(p[:n])
		}
		s.Free(c)
		if got.String() != text {
			t.Errorf("%d bytes came out wrong", got.Len())
		}
		body, err := get(t.Context(), s)
		if err != nil || len(body) != 100_000 || m.dials.Load() != 1 {
			t.Errorf("the connection was not reused: %v, %d dials", err, m.dials.Load())
		}
	})
}

func TestAbandonedStream(t *testing.T) {
	for name, tt := range map[string]struct {
		size  int
		dials int64
	}{"small rest is drained": {30_000, 1}, "large rest costs the connection": {300_000, 2}} {
		t.Run(name, func(t *testing.T) {
			in(t, func(t *testing.T) {
				m := &memory{serve: answering(func(*http.Request) string {
					return "HTTP/1.1 200 OK\r\nContent-Length: " + itoa(int64(tt.size)) + "\r\n\r\n" + strings.Repeat("x", tt.size)
				})}
				s := m.start(t, Config{})
				for range 2 {
					c := s.NewCall()
					c.Origin, c.Method, c.Stream = testOrigin, "GET", true
					c.Head = append(c.Head[:0], "GET / HTTP/1.1\r\nHost: h\r\n\r\n"...)
					var a Answer
					if err := s.Do(t.Context(), c, &a); err != nil {
						t.Fatal(err)
					}
					s.Abandon(c)
					s.Free(c)
					wantQuiet(t, s)
				}
				if n := m.dials.Load(); n != tt.dials {
					t.Errorf("%d dials, want %d", n, tt.dials)
				}
			})
		})
	}
}

func TestLease(t *testing.T) {
	in(t, func(t *testing.T) {
		m := &memory{serve: answering(greeting)}
		s := m.start(t, Config{MaxConnsPerOrigin: 1, IdleTimeout: time.Second})
		c, o, err := s.Lease(t.Context(), testOrigin)
		if err != nil {
			t.Fatal(err)
		}
		time.Sleep(time.Minute) // a lease does not idle out
		for range 2 {
			body, err := get(t.Context(), s, on(c, o))
			wantBody(t, body, err)
		}
		ctx, cancel := context.WithTimeout(t.Context(), time.Second)
		defer cancel()
		_, err = get(ctx, s)
		wantError(t, err, conn.OpQueue, conn.SentNothing, context.DeadlineExceeded)
		s.Return(c, o)
		s.Return(c, o)
		body, err := get(t.Context(), s)
		wantBody(t, body, err)
		if c.Requests() != 3 || c.RemoteAddr() == nil || c.ID() == "" {
			t.Errorf("the handle says %d requests, peer %v, id %q", c.Requests(), c.RemoteAddr(), c.ID())
		}
	})
}

func TestClosedConnectionRefusesItsPins(t *testing.T) {
	in(t, func(t *testing.T) {
		m := &memory{serve: answering(greeting)}
		s := m.start(t, Config{})
		c, o, err := s.Lease(t.Context(), testOrigin)
		if err != nil {
			t.Fatal(err)
		}
		c.Close()
		c.Close()
		_, err = get(t.Context(), s, on(c, o))
		wantError(t, err, conn.OpWrite, conn.SentNothing, conn.ErrClosed)
		other := (&memory{serve: answering(greeting)}).start(t, Config{})
		if _, err = get(t.Context(), other, on(c, o)); err != ErrForeignConnection {
			t.Errorf("another session: %v", err)
		}
	})
}

func TestCloseOfABusyConnectionEndsItsCall(t *testing.T) {
	in(t, func(t *testing.T) {
		m := &memory{serve: func(nc net.Conn) { io.Copy(io.Discard, nc) }}
		s := m.start(t, Config{})
		c, o, err := s.Lease(t.Context(), testOrigin)
		if err != nil {
			t.Fatal(err)
		}
		var wg sync.WaitGroup
		wg.Go(func() {
			_, err := get(t.Context(), s, on(c, o))
			wantError(t, err, conn.OpRead, conn.SentAll, conn.ErrClosed)
		})
		synctest.Wait()
		c.Close()
		wg.Wait()
		wantQuiet(t, s)
	})
}

func TestNothingIsSentAfterConnectionClose(t *testing.T) {
	for name, tt := range map[string]struct {
		answer string
		change func(*Request)
	}{
		"the request said close": {hello, func(r *Request) { r.Close = true }},
		"the answer said close":  {"HTTP/1.1 200 OK\r\nConnection: close\r\nContent-Length: 5\r\n\r\nhello", func(*Request) {}},
		"HTTP/1.0":               {"HTTP/1.0 200 OK\r\nContent-Length: 5\r\n\r\nhello", func(*Request) {}},
	} {
		t.Run(name, func(t *testing.T) {
			in(t, func(t *testing.T) {
				m := &memory{serve: answering(func(*http.Request) string { return tt.answer })}
				s := m.start(t, Config{})
				for range 2 {
					body, err := get(t.Context(), s, tt.change)
					wantBody(t, body, err)
				}
				if n := m.dials.Load(); n != 2 {
					t.Errorf("%d dials for 2 calls", n)
				}
			})
		})
	}
}

func TestDriverStartAndStop(t *testing.T) {
	d := &startable{memory: memory{serve: answering(greeting)}}
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
	memory
	started, stopped int
	fail             error
}

func (d *startable) Start(context.Context) error { d.started++; return d.fail }
func (d *startable) Stop(context.Context) error  { d.stopped++; return nil }

func TestManyCallersOverFewConnections(t *testing.T) {
	m := &memory{serve: answering(greeting)}
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
	var a Answer
	once := func() {
		c := s.NewCall()
		c.Origin, c.Method = Origin{Scheme: "http", Host: host, Port: port}, "GET"
		c.Head = append(c.Head[:0], "GET / HTTP/1.1\r\nHost: h\r\n\r\n"...)
		if err := s.Do(context.Background(), c, &a); err != nil {
			t.Fatal(err)
		}
		s.Free(c)
	}
	once()
	if n := testing.AllocsPerRun(500, once); n != 0 {
		t.Errorf("a plain call allocates %v times", n)
	}
}

func TestDeadlineThatTheQueueUsedUpIsNotTheOriginsFault(t *testing.T) {
	for name, tt := range map[string]struct {
		slow time.Duration // how long the origin takes
		open bool          // whether the breaker opens
	}{
		"most of it spent in the queue":  {40 * time.Millisecond, false},
		"most of it spent on the origin": {time.Minute, true},
	} {
		t.Run(name, func(t *testing.T) {
			in(t, func(t *testing.T) {
				m := &memory{serve: answering(func(*http.Request) string { time.Sleep(tt.slow); return hello })}
				s := m.start(t, Config{MaxConnsPerOrigin: 1, Breaker: Breaker{Failures: 1, OpenFor: time.Hour}})
				var wg sync.WaitGroup
				for range 20 { // six fit into 250 ms, and the seventh begins with 10 ms left
					wg.Go(func() {
						ctx, cancel := context.WithTimeout(t.Context(), 250*time.Millisecond)
						defer cancel()
						get(ctx, s)
					})
				}
				wg.Wait()
				for range 3 {
					ctx, cancel := context.WithTimeout(t.Context(), 250*time.Millisecond)
					get(ctx, s)
					cancel()
				}
				if got := s.Snapshot().Origins[0].Breaker == "open"; got != tt.open {
					t.Errorf("the breaker is open: %v\n%v", got, s.Snapshot())
				}
			})
		})
	}
}

func TestErrorOfACauseIsOneLine(t *testing.T) {
	in(t, func(t *testing.T) {
		m := &memory{serve: func(nc net.Conn) { io.Copy(io.Discard, nc) }}
		s := m.start(t, Config{})
		ctx, cancel := context.WithCancelCause(t.Context())
		time.AfterFunc(time.Second, func() { cancel(errBoom) })
		_, err := get(ctx, s)
		wantError(t, err, conn.OpRead, conn.SentAll, errBoom)
		if !errors.Is(err, context.Canceled) || strings.Contains(err.Error(), "\n") {
			t.Errorf("got %q", err)
		}
	})
}
