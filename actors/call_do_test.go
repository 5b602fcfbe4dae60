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

func TestContextEndsACallInEveryPhase(t *testing.T) {
	never := func(ctx context.Context) error { <-ctx.Done(); return ctx.Err() }
	silent := func(nc net.Conn) { io.Copy(io.Discard, nc) }
	for _, tt := range []struct {
		name   string
		m      *pipes
		change func(*Request)
		op     conn.Op
		sent   conn.Sent
	}{
		{"dialing", &pipes{serve: silent, dial: never}, nil, conn.OpDial, conn.SentNothing},
		{"waiting for the head", &pipes{serve: silent}, nil, conn.OpRead, conn.SentAll},
		{"in the middle of the body", &pipes{serve: func(nc net.Conn) {
			buf := make([]byte, 1024)
			nc.Read(buf)
			io.WriteString(nc, "HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nhel")
			io.Copy(io.Discard, nc)
		}}, nil, conn.OpRead, conn.SentAll},
		{"waiting for the caller's reader", &pipes{serve: silent},
			post(io.MultiReader(strings.NewReader("x"), blocked{}), -1), conn.OpWrite, conn.SentPart},
	} {
		for _, kind := range []error{context.Canceled, context.DeadlineExceeded} {
			t.Run(tt.name+"/"+kind.Error(), func(t *testing.T) {
				in(t, func(t *testing.T) {
					unblock := make(chan struct{})
					defer close(unblock)
					m := &pipes{serve: tt.m.serve, dial: tt.m.dial}
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
		m := &pipes{serve: answering(func(*http.Request) string { <-release; return hello })}
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
				m := &pipes{serve: answering(greeting)}
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
				m := &pipes{serve: answering(func(*http.Request) string { time.Sleep(tt.slow); return hello })}
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
		m := &pipes{serve: func(nc net.Conn) { io.Copy(io.Discard, nc) }}
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

// A caller may leave in the very moment in which it is granted a connection: what
// it was granted must not stay behind as if in use.
func TestLeavingInTheMomentOfTheGrant(t *testing.T) {
	for name, tt := range map[string]struct {
		cfg  Config
		open int64 // connections that stay
	}{
		"session":  {Config{}, 1},
		"one-shot": {Config{Fresh: true}, 0},
	} {
		t.Run(name, func(t *testing.T) {
			in(t, func(t *testing.T) {
				m := &pipes{serve: answering(greeting)}
				s := m.start(t, tt.cfg)
				ctx, cancel := context.WithCancel(t.Context())
				c := s.NewCall()
				c.ctx, c.Origin = ctx, &testOrigin
				if err := s.acquireFor(c); err != nil {
					t.Fatal(err)
				}
				cancel()
				c.reply.ch <- struct{}{} // as if it had been woken by both at once
				wantError(t, s.leave(c), conn.OpQueue, conn.SentNothing, context.Canceled)
				wantQuiet(t, s)
				if n := m.open.Load(); n != tt.open {
					t.Errorf("%d connections are open, want %d", n, tt.open)
				}
			})
		})
	}
}

// The session may end in the moment of the grant too, while the caller sleeps.
func TestSessionThatEndsInTheMomentOfTheGrant(t *testing.T) {
	for range 20 { // leave sees the end of the session in two ways, at random
		in(t, func(t *testing.T) {
			m := &pipes{serve: answering(greeting)}
			s := m.start(t, Config{})
			c := s.NewCall()
			c.ctx, c.Origin = t.Context(), &testOrigin
			if err := s.acquireFor(c); err != nil {
				t.Fatal(err)
			}
			s.Close()
			c.reply.ch <- struct{}{} // as if it had been woken by both at once
			wantError(t, s.leave(c), conn.OpQueue, conn.SentNothing, ErrSessionClosed)
		})
	}
}
