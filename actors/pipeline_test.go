package actors

import (
	"bufio"
	"context"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/http"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
)

// piped makes a request one that may share a connection.
func piped(r *Request) { r.Pipeline = true }

// to asks for a path.
func to(path string) func(*Request) {
	return func(r *Request) {
		r.Head = append(r.Head[:0], "GET "+path+" HTTP/1.1\r\nHost: origin.test\r\n\r\n"...)
	}
}

// saying is an answer with a body.
func saying(body string) string {
	return fmt.Sprintf("HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n%s", len(body), body)
}

// echo answers with the path that was asked for.
func echo(r *http.Request) string { return saying(r.URL.Path) }

// result is how one call ended.
type result struct {
	body string
	err  error
}

// flight is a server whose first connection answers one call, reads all that come
// next, and does what the test says once it has so many. Other connections echo.
type flight struct {
	pipes
	s     *Scheduler
	calls int
	then  func(nc net.Conn)
	done  []chan result
	first *Conn
}

func newFlight(t *testing.T, cfg Config, calls int, then func(nc net.Conn)) *flight {
	f := &flight{calls: calls, then: then}
	var conns atomic.Int64
	f.serve = func(nc net.Conn) {
		if conns.Add(1) > 1 {
			answering(echo)(nc)
			return
		}
		br := bufio.NewReader(nc)
		readRequest(br)
		io.WriteString(nc, hello)
		for range f.calls {
			readRequest(br)
		}
		f.then(nc)
	}
	if cfg.PipelineDepth == 0 {
		cfg.PipelineDepth = 64
	}
	f.s = f.start(t, cfg)
	c := f.s.NewCall()
	c.Origin, c.Method, c.Pipeline = &testOrigin, "GET", true
	c.Head = append(c.Head, "GET / HTTP/1.1\r\nHost: origin.test\r\n\r\n"...)
	a, err := f.s.Do(t.Context(), c)
	if err != nil {
		t.Fatal(err)
	}
	wantBody(t, string(a.Body()), err)
	f.first = a.Conn
	synctest.Wait() // until it idles
	return f
}

func readRequest(br *bufio.Reader) error {
	r, err := http.ReadRequest(br)
	if err == nil {
		io.Copy(io.Discard, r.Body)
	}
	return err
}

// send starts one more call, and waits until it is on its way.
func (f *flight) send(ctx context.Context, change ...func(*Request)) {
	n := len(f.done)
	done := make(chan result, 1)
	f.done = append(f.done, done)
	go func() {
		body, err := get(ctx, f.s, append([]func(*Request){piped, to(fmt.Sprintf("/%d", n))}, change...)...)
		done <- result{body, err}
	}()
	synctest.Wait()
}

func (f *flight) result(n int) result { return <-f.done[n] }

func (f *flight) wantBody(t *testing.T, n int, body string) {
	t.Helper()
	if r := f.result(n); r.err != nil || r.body != body {
		t.Errorf("call %d: got %q, %v", n, r.body, r.err)
	}
}

func TestAnswersGoToTheirCallers(t *testing.T) {
	in(t, func(t *testing.T) {
		m := &pipes{serve: answering(echo)}
		s := m.start(t, Config{PipelineDepth: 16, MaxConnsPerOrigin: 1})
		var all sync.WaitGroup
		for i := range 40 {
			all.Go(func() {
				for j := range 25 {
					path := fmt.Sprintf("/%d/%d", i, j)
					if body, err := get(t.Context(), s, piped, to(path)); err != nil || body != path {
						t.Errorf("%s: got %q, %v", path, body, err)
					}
				}
			})
		}
		all.Wait()
		if n := m.dials.Load(); n != 1 {
			t.Errorf("%d dials", n)
		}
		wantQuiet(t, s)
		if c := s.Snapshot().Conns[0]; c.Requests != 1000 || c.State != "idle" || c.InFlight != 0 {
			t.Errorf("got %+v", c)
		}
	})
}

func TestQueuedCallsGoOutInOneWrite(t *testing.T) {
	in(t, func(t *testing.T) {
		var writes atomic.Int64
		proceed := make(chan struct{})
		m := &pipes{
			serve: func(nc net.Conn) {
				br := bufio.NewReader(nc)
				readRequest(br)
				io.WriteString(nc, hello)
				<-proceed // nobody reads: the next write waits
				for {
					r, err := http.ReadRequest(br)
					if err != nil {
						return
					}
					io.WriteString(nc, echo(r))
				}
			},
			wrap: func(nc net.Conn) net.Conn {
				return &badConn{Conn: nc, write: func() { writes.Add(1) }}
			},
		}
		f := &flight{s: m.start(t, Config{PipelineDepth: 64, MaxConnsPerOrigin: 1})}
		get(t.Context(), f.s, piped)
		synctest.Wait()
		for range 10 {
			f.send(t.Context())
		}
		if c := f.s.Snapshot().Conns[0]; c.InFlight != 10 {
			t.Errorf("%d in flight, want 10", c.InFlight)
		}
		close(proceed)
		for i := range 10 {
			f.wantBody(t, i, fmt.Sprintf("/%d", i))
		}
		if n := writes.Load(); n != 3 {
			t.Errorf("%d writes, want 3: the first call, the one that found nobody, and the rest", n)
		}
	})
}

func TestEveryFramingInALine(t *testing.T) {
	large := strings.Repeat("0123456789", 10_000)
	answers := []string{
		"HTTP/1.1 200 OK\r\nContent-Length: 7\r\n\r\n", // to a HEAD
		"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n2\r\nde\r\n0\r\n\r\n",
		"HTTP/1.1 103 Early Hints\r\nLink: x\r\n\r\nHTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok",
		"HTTP/1.1 204 No Content\r\n\r\n",
		saying(large),
		"HTTP/1.1 200 OK\r\nX-Fold: a\r\n b\r\nContent-Length: 4\r\n\r\nfold",
		"HTTP/1.1 200 OK\r\n\r\nuntil close",
	}
	bodies := []string{"", "abcde", "ok", "", large, "fold", "until close"}
	for name, size := range map[string]int{"in one piece": 1 << 20, "cut at 7": 7, "byte by byte": 1} {
		t.Run(name, func(t *testing.T) {
			in(t, func(t *testing.T) {
				f := newFlight(t, Config{MaxConnsPerOrigin: 1}, len(answers), func(nc net.Conn) {
					for all := strings.Join(answers, ""); len(all) > 0; {
						n := min(size, len(all))
						io.WriteString(nc, all[:n])
						all = all[n:]
					}
				})
				f.send(t.Context(), func(r *Request) {
					r.Method = "HEAD"
					r.Head = append(r.Head[:0], "HEAD /0 HTTP/1.1\r\nHost: origin.test\r\n\r\n"...)
				})
				for range answers[1:] {
					f.send(t.Context())
				}
				for i, body := range bodies {
					f.wantBody(t, i, body)
				}
			})
		})
	}
}

// TestWireLogOfALine: wherever the reads cut the answers, no secret of theirs shows.
func TestWireLogOfALine(t *testing.T) {
	answer := "HTTP/1.1 200 OK\r\nSet-Cookie: geheim=geheim; geheim\r\nContent-Length: 5\r\n\r\nhello"
	for _, size := range []int{1, 7, 30, len(answer) - 1, len(answer) + 25, 1 << 20} {
		t.Run(fmt.Sprint(size), func(t *testing.T) {
			in(t, func(t *testing.T) {
				var log strings.Builder
				cfg := Config{WireLog: slog.New(slog.NewTextHandler(&log, nil))}
				f := newFlight(t, cfg, 4, func(nc net.Conn) {
					for all := strings.Repeat(answer, 4); len(all) > 0; {
						n := min(size, len(all))
						io.WriteString(nc, all[:n])
						all = all[n:]
					}
					nc.Write([]byte("HTTP/1.1 200 OK\r\nSet-Cookie: gehe"))
				})
				for range 4 {
					f.send(t.Context())
				}
				for i := range 4 {
					f.wantBody(t, i, "hello")
				}
				f.s.Close()
				if text := log.String(); strings.Contains(text, "gehe") || strings.Contains(text, "heim") ||
					strings.Count(text, "Set-Cookie: ***") < 4 || strings.Count(text, "200 OK") < 5 {
					t.Errorf("the wire log:\n%s", text)
				}
			})
		})
	}
}
