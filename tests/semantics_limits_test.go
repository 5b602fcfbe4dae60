package tests

import (
	"bytes"
	"compress/gzip"
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"runtime"
	"strings"
	"syscall"
	"testing"
	"testing/synctest"
	"time"

	"github.com/seed53b03582/troupe/api"
)

// oneDeadline: however often a request is sent, and wherever it waits.
func oneDeadline(t *testing.T) {
	const deadline = 10 * time.Second
	silent := func(_ int, c net.Conn) { io.Copy(io.Discard, c) }
	slowly := func(answer string) func(int, net.Conn) {
		return answering(func(int, *http.Request) string { time.Sleep(4 * time.Second); return answer })
	}
	for _, c := range []struct {
		name     string
		p        *pipes
		cfg      api.Config
		others   int  // calls that are in the way
		early    bool // it ends before: the next step would pass the deadline
		answered bool
	}{
		{name: "tries", p: &pipes{serve: silent}, cfg: api.Config{
			ResponseHeaderTimeout: 4 * time.Second, Retry: api.Retry{Attempts: 5, Budget: -1}}},
		{name: "redirects", p: &pipes{serve: slowly("HTTP/1.1 302 x\r\nLocation: /\r\nContent-Length: 0\r\n\r\n")}},
		{name: "backoff", p: &pipes{serve: always("")}, early: true, cfg: api.Config{
			Retry: api.Retry{Attempts: 100, Backoff: time.Hour, MaxBackoff: time.Hour, Budget: -1}}},
		{name: "Retry-After", p: &pipes{serve: always("HTTP/1.1 503 x\r\nRetry-After: 4\r\nContent-Length: 0\r\n\r\n")}, early: true, answered: true, cfg: api.Config{
			Retry: api.Retry{Attempts: 5, Statuses: []int{503}, Budget: -1}}},
		{name: "dials", p: &pipes{dial: func(ctx context.Context, _ int) error {
			<-ctx.Done()
			return ctx.Err()
		}}, cfg: api.Config{DialTimeout: 4 * time.Second, Retry: api.Retry{Attempts: 5, Budget: -1}}},
		{name: "the queue", p: &pipes{serve: silent}, others: 1, cfg: api.Config{MaxConnsPerOrigin: 1}},
		{name: "an answer that drips", p: &pipes{serve: func(_ int, conn net.Conn) {
			go io.Copy(io.Discard, conn)
			io.WriteString(conn, ok200+"Content-Length: 100\r\n\r\n")
			for range 100 {
				time.Sleep(time.Second)
				if _, err := io.WriteString(conn, "a"); err != nil {
					return
				}
			}
		}}},
	} {
		t.Run(c.name, func(t *testing.T) {
			inBubble(t, c.p, c.cfg, func(t *testing.T, s *api.Session) {
				for range c.others {
					go s.Get(t.Context(), "http://h/")
					synctest.Wait()
				}
				began := time.Now()
				_, err := s.Get(t.Context(), "http://h/", api.Timeout(deadline))
				took := time.Since(began)
				if c.early && took >= deadline || !c.early && took.Truncate(time.Millisecond) != deadline {
					t.Errorf("it took %v", took)
				}
				switch {
				case c.answered != (err == nil):
					t.Errorf("got %v", err)
				case !c.early && !errors.Is(err, context.DeadlineExceeded):
					t.Errorf("got %v", err)
				}
				s.Close() // ends the others
			})
		})
	}
}

// dialNotWasted is about both ends of a dial: the connection that a caller left
// behind, and the failure that others need not repeat.
func dialNotWasted(t *testing.T) {
	t.Run("the connection serves the next", func(t *testing.T) {
		p := &pipes{serve: always(answerOf("ok")), dial: func(ctx context.Context, _ int) error {
			time.Sleep(200 * time.Millisecond) // a quarter of a second would be a dial that hangs
			return nil
		}}
		inBubble(t, p, api.Config{}, func(t *testing.T, s *api.Session) {
			_, err := s.Get(t.Context(), "http://h/", api.Timeout(100*time.Millisecond))
			wantConnectionError(t, err, api.OpDial, context.DeadlineExceeded)
			began := time.Now()
			if _, err := s.Get(t.Context(), "http://h/"); err != nil || p.dialled() != 1 || time.Since(began) != 100*time.Millisecond {
				t.Errorf("soon after: %v after %v and %d dials", err, time.Since(began), p.dialled())
			}
			if _, err := s.Get(t.Context(), "http://other/", api.Timeout(100*time.Millisecond)); err == nil {
				t.Error("answered")
			}
			time.Sleep(10 * time.Second)
			if _, err := s.Get(t.Context(), "http://other/"); err != nil || p.dialled() != 2 {
				t.Errorf("long after: %v, %d dials", err, p.dialled())
			}
		})
	})
	refused := func(context.Context, int) error { return syscall.ECONNREFUSED }
	cfg := api.Config{Breaker: noBreaker}
	t.Run("a failure delays the origin", func(t *testing.T) {
		p := &pipes{dial: refused}
		inBubble(t, p, cfg, func(t *testing.T, s *api.Session) {
			at := time.Now()
			for level, longest := range []time.Duration{100, 200, 400, 800, 1600, 3000, 3000} {
				longest *= time.Millisecond
				if _, err := s.Get(t.Context(), "http://h/"); !errors.Is(err, syscall.ECONNREFUSED) {
					t.Fatalf("got %v", err)
				}
				if took := time.Since(at); level == 0 && took != 0 {
					t.Errorf("the first took %v", took)
				}
				at = time.Now()
				if got := s.Snapshot().Origins[0].Backoff; got < longest/2 || got > longest {
					t.Errorf("failure %d: backoff %v, want %v to %v", level+1, got, longest/2, longest)
				}
			}
		})
	})
	t.Run("of everybody, and once", func(t *testing.T) {
		p := &pipes{dial: func(ctx context.Context, n int) error {
			time.Sleep(time.Second)
			return syscall.ECONNREFUSED
		}}
		inBubble(t, p, cfg, func(t *testing.T, s *api.Session) {
			began := time.Now()
			var took [16]time.Duration
			errs := each(len(took), func(i int) error {
				_, err := s.Get(t.Context(), "http://h/")
				took[i] = time.Since(began)
				return err
			})
			for i, err := range errs {
				if !errors.Is(err, syscall.ECONNREFUSED) || took[i] != time.Second {
					t.Errorf("caller %d: %v after %v", i, err, took[i])
				}
			}
			// All of them were under way together: that is one level.
			if got := s.Snapshot().Origins[0].Backoff; got < 50*time.Millisecond || got > 100*time.Millisecond {
				t.Errorf("backoff %v after %d dials that failed together", got, p.dialled())
			}
			before := p.dialled()
			began = time.Now()
			go s.Get(t.Context(), "http://h/")
			go s.Get(t.Context(), "http://h/")
			synctest.Wait()
			if p.dialled() != before {
				t.Error("a new caller dialled at once")
			}
			time.Sleep(100 * time.Millisecond)
			synctest.Wait()
			if p.dialled() != before+2 {
				t.Errorf("%d dials after the backoff, want 2", p.dialled()-before)
			}
			time.Sleep(time.Minute)
		})
	})
	t.Run("jittered", func(t *testing.T) {
		different := map[time.Duration]bool{}
		for range 8 {
			inBubble(t, &pipes{dial: refused}, cfg, func(t *testing.T, s *api.Session) {
				s.Get(t.Context(), "http://h/")
				different[s.Snapshot().Origins[0].Backoff] = true
			})
		}
		if len(different) < 2 {
			t.Errorf("8 sessions waited for %v all of them", different)
		}
	})
	t.Run("until one succeeds", func(t *testing.T) {
		p := &pipes{serve: always(answerOf("ok", "Connection: close")), dial: func(_ context.Context, n int) error {
			if n < 4 || n > 4 {
				return syscall.ECONNREFUSED
			}
			return nil
		}}
		inBubble(t, p, cfg, func(t *testing.T, s *api.Session) {
			for range 5 {
				s.Get(t.Context(), "http://h/")
			}
			if got := s.Snapshot().Origins[0].Backoff; got < 50*time.Millisecond || got > 100*time.Millisecond {
				t.Errorf("backoff %v, want that of a first failure", got)
			}
		})
	})
}

func gzipped(s string) string {
	var b bytes.Buffer
	w := gzip.NewWriter(&b)
	io.WriteString(w, s)
	w.Close()
	return b.String()
}

// decompressionBounded: what a few bytes may become, and what is no coded body.
func decompressionBounded(t *testing.T) {
	const limit = 1 << 20
	zeros := strings.Repeat("\x00", 64<<20)
	bomb := gzipped(zeros)
	twice := gzipped(bomb)
	coded := func(status int, coding, body string) string {
		return fmt.Sprintf("HTTP/1.1 %d x\r\nContent-Encoding: %s\r\nContent-Length: %d\r\n\r\n%s", status, coding, len(body), body)
	}
	for name, bytes := range map[string]string{
		"a bomb":          coded(200, "gzip", bomb),
		"one within":      coded(200, "gzip, gzip", twice),
		"just too large":  coded(200, "gzip", gzipped(strings.Repeat("a", limit+1))),
		"with a redirect": "HTTP/1.1 302 x\r\nLocation: /bomb\r\n" + coded(200, "gzip", bomb)[len("HTTP/1.1 200 x\r\n"):],
	} {
		t.Run(name, func(t *testing.T) {
			o := newOrigin(t)
			url := o.route("/answer", says(bytes))
			o.route("/bomb", says(coded(200, "gzip", bomb)))
			s := newSession(t, api.Config{MaxBodyBytes: limit})
			var before, after runtime.MemStats
			runtime.ReadMemStats(&before)
			_, err := s.Get(soon(t), url)
			runtime.ReadMemStats(&after)
			if wantIOError(t, err); !errors.Is(err, api.ErrTooLarge) {
				t.Errorf("got %v", err)
			}
			if took := after.TotalAlloc - before.TotalAlloc; took > 16<<20 {
				t.Errorf("it took %d KiB of memory", took>>10)
			}
		})
	}
	t.Run("a stream has no bound", func(t *testing.T) {
		o := newOrigin(t)
		url := o.route("/answer", says(coded(200, "gzip", bomb)))
		s := newSession(t, api.Config{MaxBodyBytes: limit})
		n := 0
		var before, after runtime.MemStats
		runtime.ReadMemStats(&before)
		_, err := s.Get(soon(t), url, api.Stream(func(chunk []byte) error { n += len(chunk); return nil }, 64<<10))
		runtime.ReadMemStats(&after)
		if err != nil || n != len(zeros) {
			t.Errorf("got %d bytes, %v", n, err)
		}
		if took := after.TotalAlloc - before.TotalAlloc; took > 4<<20 {
			t.Errorf("it took %d KiB of memory", took>>10)
		}
	})
	for _, c := range []struct {
		name, method, bytes string
		opts                []api.Option
		want, encoding      string
	}{
		{name: "gzip", bytes: coded(200, "gzip", gzipped("hello")), want: "hello"},
		{name: "as large as may be", bytes: coded(200, "gzip", gzipped(strings.Repeat("a", limit))), want: strings.Repeat("a", limit)},
		{name: "HEAD", method: "HEAD", bytes: "HTTP/1.1 200 x\r\nContent-Encoding: gzip\r\nContent-Length: 9\r\n\r\n", encoding: "gzip"},
		{name: "204", bytes: "HTTP/1.1 204 x\r\nContent-Encoding: gzip\r\n\r\n", encoding: "gzip"},
		{name: "304", bytes: "HTTP/1.1 304 x\r\nContent-Encoding: gzip\r\nContent-Length: 9\r\n\r\n", encoding: "gzip"},
		{name: "an empty body", bytes: coded(200, "gzip", ""), encoding: "gzip"},
		{name: "unknown", bytes: coded(200, "x-secret", "hello"), want: "hello", encoding: "x-secret"},
		{name: "unknown among known", bytes: coded(200, "gzip, x-secret", "hello"), want: "hello", encoding: "gzip, x-secret"},
		{name: "asked for by the caller", bytes: coded(200, "gzip", gzipped("hello")), want: gzipped("hello"), encoding: "gzip",
			opts: []api.Option{api.Headers{"Accept-Encoding": "gzip"}}},
	} {
		t.Run(c.name, func(t *testing.T) {
			o := newOrigin(t)
			url := o.route("/answer", says(c.bytes))
			s := newSession(t, api.Config{MaxBodyBytes: limit})
			if c.method == "" {
				c.method = "GET"
			}
			resp, err := s.Request(soon(t), c.method, url, c.opts...)
			if err != nil {
				t.Fatal(err)
			}
			if string(resp.Content()) != c.want || resp.Header("Content-Encoding") != c.encoding {
				t.Errorf("the body is %.40q, Content-Encoding %q", resp.Content(), resp.Header("Content-Encoding"))
			}
			wantOver(t, s, o, 1)
		})
	}
}
