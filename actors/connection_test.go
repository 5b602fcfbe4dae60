package actors

import (
	"bufio"
	"context"
	"io"
	"net"
	"net/http"
	"runtime"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"
	"weak"

	"github.com/seed53b03582/troupe/conn"
)

func TestIdleTimeoutClosesTheSocketOnTime(t *testing.T) {
	in(t, func(t *testing.T) {
		m := &pipes{serve: answering(greeting)}
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
		m := &pipes{serve: func(nc net.Conn) {
			go answering(greeting)(nc)
			<-hangUp
		}}
		s := m.start(t, Config{})
		if _, err := get(t.Context(), s); err != nil {
			t.Fatal(err)
		}
		close(hangUp)
		time.Sleep(4 * time.Second) // two sweeps
		synctest.Wait()
		if n := len(s.Snapshot().Conns); n != 0 {
			t.Errorf("%d connections are still held:\n%v", n, s.Snapshot())
		}
	})
}

func TestDeadIdleConnectionIsReplacedBeforeAnythingIsSent(t *testing.T) {
	in(t, func(t *testing.T) {
		first := true
		m := &pipes{serve: func(nc net.Conn) {
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
		m := &pipes{serve: func(net.Conn) {}}
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

func TestResponseHeaderTimeout(t *testing.T) {
	in(t, func(t *testing.T) {
		m := &pipes{serve: func(nc net.Conn) { io.Copy(io.Discard, nc) }}
		s := m.start(t, Config{ResponseHeaderTimeout: 3 * time.Second})
		began := time.Now()
		_, err := get(t.Context(), s)
		if !conn.IsTimeout(err) || time.Since(began) != 3*time.Second {
			t.Errorf("got %v after %v", err, time.Since(began))
		}
		wantError(t, err, conn.OpRead, conn.SentAll, err)
	})
}

func TestStreamedBody(t *testing.T) {
	in(t, func(t *testing.T) {
		text := strings.Repeat("0123456789", 10_000)
		m := &pipes{serve: answering(func(*http.Request) string {
			return "HTTP/1.1 200 OK\r\nContent-Length: 100000\r\n\r\n" + text
		})}
		s := m.start(t, Config{})
		c := s.NewCall()
		c.Origin, c.Method, c.Stream = &testOrigin, "GET", true
		c.Head = append(c.Head[:0], "GET / HTTP/1.1\r\nHost: h\r\n\r\n"...)
		_, err := s.Do(t.Context(), c)
		if err != nil {
			t.Fatal(err)
		}
		var got strings.Builder
		for done := false; !done; {
			p := make([]byte, 777)
			var n int
			var err error
			if n, done, err = s.Read(c, p, true); err != nil {
				t.Fatal(err)
			}
			if n < len(p) && !done {
				t.Errorf("a piece of %d bytes before the end", n)
			}
			got.Write(p[:n])
		}
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
				m := &pipes{serve: answering(func(*http.Request) string {
					return "HTTP/1.1 200 OK\r\nContent-Length: " + itoa(int64(tt.size)) + "\r\n\r\n" + strings.Repeat("x", tt.size)
				})}
				s := m.start(t, Config{})
				for range 2 {
					c := s.NewCall()
					c.Origin, c.Method, c.Stream = &testOrigin, "GET", true
					c.Head = append(c.Head[:0], "GET / HTTP/1.1\r\nHost: h\r\n\r\n"...)
					_, err := s.Do(t.Context(), c)
					if err != nil {
						t.Fatal(err)
					}
					s.Abandon(c)
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
		m := &pipes{serve: answering(greeting)}
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
		m := &pipes{serve: answering(greeting)}
		s := m.start(t, Config{})
		c, o, err := s.Lease(t.Context(), testOrigin)
		if err != nil {
			t.Fatal(err)
		}
		c.Close()
		c.Close()
		_, err = get(t.Context(), s, on(c, o))
		wantError(t, err, conn.OpWrite, conn.SentNothing, conn.ErrClosed)
		other := (&pipes{serve: answering(greeting)}).start(t, Config{})
		if _, err = get(t.Context(), other, on(c, o)); err != ErrForeignConnection {
			t.Errorf("another session: %v", err)
		}
	})
}

func TestCloseOfABusyConnectionEndsItsCall(t *testing.T) {
	in(t, func(t *testing.T) {
		m := &pipes{serve: func(nc net.Conn) { io.Copy(io.Discard, nc) }}
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
				m := &pipes{serve: answering(func(*http.Request) string { return tt.answer })}
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

// An idle connection holds nothing of the call before.
func TestIdleConnectionHoldsNoContext(t *testing.T) {
	in(t, func(t *testing.T) {
		m := &pipes{serve: answering(greeting)}
		s := m.start(t, Config{})
		type key struct{}
		held := func() weak.Pointer[[1 << 10]byte] {
			value := new([1 << 10]byte)
			ctx, cancel := context.WithCancel(context.WithValue(t.Context(), key{}, value))
			defer cancel()
			if _, err := get(ctx, s); err != nil {
				t.Fatal(err)
			}
			return weak.Make(value)
		}()
		synctest.Wait()
		runtime.GC()
		runtime.GC()
		if held.Value() != nil {
			t.Error("what the call's context carried is still held")
		}
		if n := len(s.Snapshot().Conns); n != 1 {
			t.Errorf("%d connections idle, want the one", n)
		}
	})
}
