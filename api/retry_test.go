package api

import (
	"context"
	"errors"
	"fmt"
	"io"
	"math"
	"net"
	"net/http"
	"strings"
	"sync/atomic"
	"syscall"
	"testing"
	"time"
)

const ok = "HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok"

// A connection that had answered before and is then lost without a byte of an answer:
// the request was sent, and may have been processed (RFC 9110 §9.2.2).
func TestRetryAfterALostConnection(t *testing.T) {
	plain := func() io.Reader { return strings.NewReader("body") }
	for _, c := range []struct {
		name   string
		retry  Retry
		method string
		opts   []Option
		answer string // what comes on the lost connection before its end
		want   bool   // repeated
	}{
		{"GET", Retry{}, "GET", nil, "", true},
		{"HEAD", Retry{}, "HEAD", nil, "", true},
		{"OPTIONS", Retry{}, "OPTIONS", nil, "", true},
		{"TRACE", Retry{}, "TRACE", nil, "", true},
		{"PUT", Retry{}, "PUT", []Option{Body(plain())}, "", true},
		{"DELETE", Retry{}, "DELETE", nil, "", true},
		{"POST", Retry{}, "POST", []Option{Body(plain())}, "", false},
		{"PATCH", Retry{}, "PATCH", []Option{Body(plain())}, "", false},
		{"unknown method", Retry{}, "PURGE", nil, "", false},
		{"POST, attempts", Retry{Attempts: 5}, "POST", nil, "", false},
		{"POST, idempotency key", Retry{}, "POST", []Option{Body(plain()), Headers{"idempotency-key": "1"}}, "", true},
		{"PUT, body can't be read again", Retry{}, "PUT", []Option{Body(struct{ io.Reader }{plain()})}, "", false},
		{"GET, turned off", Retry{Attempts: -1}, "GET", nil, "", false},
		{"GET, a byte came", Retry{}, "GET", nil, "H", false},
		{"GET, a byte came, attempts", Retry{Attempts: 5}, "GET", nil, "H", false},
		{"GET, interim answer came", Retry{}, "GET", nil, "HTTP/1.1 103 x\r\n\r\n", false},
		{"GET, garbage came", Retry{}, "GET", nil, "garbage\r\n\r\n", false},
		{"GET, body cut short", Retry{}, "GET", nil, "HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\nok", false},
		{"forwarding GET", Retry{Forwarding: true}, "GET", nil, "", true},
		{"forwarding POST with a key", Retry{Forwarding: true}, "POST", []Option{Headers{"Idempotency-Key": "1"}}, "", false},
	} {
		t.Run(c.name, func(t *testing.T) {
			var seen atomic.Int32
			m := &pipes{serve: func(n int, conn net.Conn) {
				answering(func(_, k int, req *http.Request) string {
					if k == 1 && n == 1 {
						return ok // for the call before
					}
					if req.Method != "HEAD" && c.method == "HEAD" {
						t.Errorf("sent %s", req.Method)
					}
					seen.Add(1)
					if n == 1 {
						io.WriteString(conn, c.answer)
						return ""
					}
					return strings.TrimSuffix(ok, map[bool]string{true: "ok"}[c.method == "HEAD"])
				})(n, conn)
			}}
			inBubble(t, m, Config{Retry: c.retry}, func(t *testing.T, s *Session) {
				if _, err := s.Get(t.Context(), "http://h/"); err != nil {
					t.Fatal(err)
				}
				resp, err := s.Request(t.Context(), c.method, "http://h/", c.opts...)
				if c.want {
					if err != nil || resp.Status() != 200 || resp.Trace().Attempts != 2 || seen.Load() != 2 {
						t.Fatalf("got %v, %v after %d requests", resp, err, seen.Load())
					}
					if o := s.Snapshot().Origins[0]; o.Failures != 0 {
						t.Errorf("the breaker counted %d failures", o.Failures)
					}
					return
				}
				if err == nil || seen.Load() != 1 {
					t.Fatalf("got %v, %v after %d requests", resp, err, seen.Load())
				}
				var io *IOError
				if errors.As(err, &io) && (io.Sent != SentAll || io.Trace.Attempts != 1) {
					t.Errorf("evidence: sent %v, %d attempts", io.Sent, io.Trace.Attempts)
				}
			})
		})
	}
}

// A server that loses every request is asked so often, and no oftener.
func TestRetryIsBounded(t *testing.T) {
	for _, c := range []struct {
		retry Retry
		fresh bool // no connection had answered before
		want  int32
	}{
		{Retry{}, false, 2}, // the second is new: its loss is the origin's
		{Retry{}, true, 1},
		{Retry{Attempts: 4, Budget: -1}, true, 4},
		{Retry{Attempts: 4, Budget: -1}, false, 4},
	} {
		var seen atomic.Int32
		m := &pipes{serve: answering(func(conn, k int, _ *http.Request) string {
			if conn == 1 && k == 1 && !c.fresh {
				return ok
			}
			seen.Add(1)
			return ""
		})}
		inBubble(t, m, Config{Retry: c.retry, Breaker: Breaker{Disabled: true}}, func(t *testing.T, s *Session) {
			if !c.fresh {
				s.Get(t.Context(), "http://h/")
			}
			_, err := s.Get(t.Context(), "http://h/")
			var io *IOError
			if !errors.As(err, &io) || io.Sent != SentAll || seen.Load() != c.want || io.Trace.Attempts != int(c.want) {
				t.Errorf("%+v: got %v after %d requests, want %d", c, err, seen.Load(), c.want)
			}
		})
	}
}

// A dial that fails has sent nothing: with Attempts any method is tried again.
func TestRetryOfDials(t *testing.T) {
	for _, c := range []struct {
		name  string
		retry Retry
		opts  []Option
		dials int
		ok    bool
	}{
		{"by default", Retry{}, nil, 1, false},
		{"attempts", Retry{Attempts: 3}, nil, 3, true},
		{"too few", Retry{Attempts: 2}, nil, 2, false},
		{"forwarding", Retry{Attempts: 3, Forwarding: true}, nil, 1, false},
		{"one-shot body", Retry{Attempts: 3}, []Option{Body(struct{ io.Reader }{strings.NewReader("x")})}, 1, false},
		{"body", Retry{Attempts: 3}, []Option{Body(strings.NewReader(strings.Repeat("x", 100_000)))}, 3, true},
	} {
		t.Run(c.name, func(t *testing.T) {
			m := &pipes{
				serve: answering(func(int, int, *http.Request) string { return ok }),
				fail: func(n int) error {
					if n < 3 {
						return &net.OpError{Op: "dial", Err: syscall.ECONNREFUSED}
					}
					return nil
				},
			}
			inBubble(t, m, Config{Retry: c.retry}, func(t *testing.T, s *Session) {
				resp, err := s.Post(t.Context(), "http://h/", c.opts...)
				if (err == nil) != c.ok || m.dials != c.dials {
					t.Fatalf("got %v, %v after %d dials, want %d", resp, err, m.dials, c.dials)
				}
				if !c.ok && !errors.Is(err, syscall.ECONNREFUSED) {
					t.Errorf("got %v", err)
				}
			})
		})
	}
}

func TestRetryStatuses(t *testing.T) {
	const unavailable = "HTTP/1.1 503 x\r\n%sContent-Length: 4\r\n\r\nbusy"
	at := func(d time.Duration) string { // of the bubble
		return time.Date(2000, 1, 1, 0, 0, 0, 0, time.UTC).Add(d).Format(http.TimeFormat)
	}
	for _, c := range []struct {
		name, method string
		retry        Retry
		header       string
		timeout      time.Duration
		opts         []Option
		sent         int32
		status       int
		took         time.Duration // exactly; negative: at most
	}{
		{"off by default", "GET", Retry{}, "", 0, nil, 1, 503, 0},
		{"another status", "GET", Retry{Statuses: []int{502}}, "", 0, nil, 1, 503, 0},
		{"backoff", "GET", Retry{Statuses: []int{503}}, "", 0, nil, 3, 200, -300 * time.Millisecond},
		{"attempts", "GET", Retry{Attempts: 2, Statuses: []int{503}}, "", 0, nil, 2, 503, -100 * time.Millisecond},
		{"seconds", "GET", Retry{Statuses: []int{503}}, "Retry-After: 3\r\n", 0, nil, 3, 200, 6 * time.Second},
		{"zero", "GET", Retry{Statuses: []int{503}}, "Retry-After: 0\r\n", 0, nil, 3, 200, 0},
		{"date", "GET", Retry{Statuses: []int{503}}, "Retry-After: " + at(20*time.Second) + "\r\n", 0, nil, 3, 200, 20 * time.Second},
		{"nonsense", "GET", Retry{Statuses: []int{503}}, "Retry-After: soon\r\n", 0, nil, 3, 200, -300 * time.Millisecond},
		{"too long", "GET", Retry{Statuses: []int{503}}, "Retry-After: 31\r\n", 0, nil, 1, 503, 0},
		{"longer allowed", "GET", Retry{Statuses: []int{503}, MaxWait: time.Hour}, "Retry-After: 31\r\n", 0, nil, 3, 200, 62 * time.Second},
		{"beyond all numbers", "GET", Retry{Statuses: []int{503}}, "Retry-After: 99999999999999999999999\r\n", 0, nil, 1, 503, 0},
		{"beyond all numbers, no bound", "GET", Retry{Statuses: []int{503}, MaxWait: -1}, "Retry-After: 99999999999\r\n", 5 * time.Second, nil, 1, 503, 0},
		{"beyond the deadline", "GET", Retry{Statuses: []int{503}}, "Retry-After: 3\r\n", 5 * time.Second, nil, 2, 503, 3 * time.Second},
		{"POST", "POST", Retry{Statuses: []int{503}}, "", 0, nil, 1, 503, 0},
		{"POST with a key", "POST", Retry{Statuses: []int{503}}, "", 0, []Option{Headers{"Idempotency-Key": "x"}}, 3, 200, -300 * time.Millisecond},
		{"PUT", "PUT", Retry{Statuses: []int{503}}, "", 0, []Option{JSON("x")}, 3, 200, -300 * time.Millisecond},
		{"PUT once", "PUT", Retry{Statuses: []int{503}}, "", 0, []Option{Body(struct{ io.Reader }{strings.NewReader("x")})}, 1, 503, 0},
		{"stream", "GET", Retry{Statuses: []int{503}}, "", 0, []Option{Stream(func(c []byte) error {
			if string(c) != "ok" {
				return errors.New("the callback saw a retried answer")
			}
			return nil
		}, 0)}, 3, 200, -300 * time.Millisecond},
	} {
		t.Run(c.name, func(t *testing.T) {
			var sent atomic.Int32
			m := &pipes{serve: answering(func(int, int, *http.Request) string {
				if sent.Add(1) < 3 {
					return fmt.Sprintf(unavailable, c.header)
				}
				return ok
			})}
			inBubble(t, m, Config{Retry: c.retry}, func(t *testing.T, s *Session) {
				opts := c.opts
				if c.timeout > 0 {
					opts = append(opts, Timeout(c.timeout))
				}
				began := time.Now()
				resp, err := s.Request(t.Context(), c.method, "http://h/", opts...)
				if err != nil {
					t.Fatal(err)
				}
				took := time.Since(began).Truncate(10 * time.Millisecond) // less the looks at the pipes
				if resp.Status() != c.status || sent.Load() != c.sent || resp.Trace().Attempts != int(c.sent) {
					t.Errorf("got %d after %d requests, want %d after %d", resp.Status(), sent.Load(), c.status, c.sent)
				}
				if c.took >= 0 && took != c.took || c.took < 0 && took > -c.took {
					t.Errorf("took %v, want %v", took, c.took)
				}
				if resp.Trace().Total < took {
					t.Errorf("the trace tells of %v", resp.Trace().Total)
				}
				if c.status == 503 && resp.Text() != "busy" {
					t.Errorf("content is %q", resp.Text())
				}
			})
		})
	}
}

// The backoff doubles up to its bound, however many tries there were: an overflow would
// make a storm of what is to be rare.
func TestRetryWait(t *testing.T) {
	for _, c := range []struct {
		backoff, max time.Duration
		tries        int
		longest      time.Duration
	}{
		{0, 0, 1, 100 * time.Millisecond}, {0, 0, 2, 200 * time.Millisecond}, {0, 0, 6, 3200 * time.Millisecond},
		{0, 0, 7, 5 * time.Second}, {0, 0, 31, 5 * time.Second}, {0, 0, 32, 5 * time.Second}, {0, 0, 1000, 5 * time.Second},
		{10 * time.Second, time.Hour, 1, 10 * time.Second}, {10 * time.Second, time.Hour, 9, 2560 * time.Second},
		{10 * time.Second, time.Hour, 10, time.Hour}, {10 * time.Second, time.Hour, 30, time.Hour}, {10 * time.Second, time.Hour, 31, time.Hour},
		{math.MaxInt64, math.MaxInt64, 1, math.MaxInt64}, {math.MaxInt64, math.MaxInt64, 2, math.MaxInt64}, {1, math.MaxInt64, 64, math.MaxInt64},
		{time.Minute, time.Second, 1, time.Second}, // a bound below the first
		{-1, 0, 1, 0}, {-1, 0, 5, 0}, {-1, time.Hour, 1000, 0},
	} {
		p := Retry{Backoff: c.backoff, MaxBackoff: c.max}.withDefaults()
		var most time.Duration
		for range 100 {
			wait := p.wait(c.tries)
			if wait < 0 || wait > c.longest {
				t.Fatalf("%+v: waits for %v", c, wait)
			}
			most = max(most, wait)
		}
		if most < c.longest/2 { // one in 2^100
			t.Errorf("%+v: waits for %v at most", c, most)
		}
	}
}

// An origin that fails gets at most its budget of retries, whoever calls.
func TestRetryBudget(t *testing.T) {
	for _, c := range []struct {
		retry Retry
		calls int
		want  int // requests
	}{
		{Retry{Attempts: 3}, 10, 13},                         // 20 % of 10 are less than 3
		{Retry{Attempts: 3}, 100, 120},                       // 20 %
		{Retry{Attempts: 3, Budget: 0.5}, 100, 150},          //
		{Retry{Attempts: 3, Budget: -1}, 10, 30},             // no bound
		{Retry{Attempts: 2, MinBudget: -1}, 4, 4},            // 20 % of 4 is none
		{Retry{Attempts: 3, MinBudget: 8, Budget: 1}, 4, 12}, // all
		{Retry{Attempts: 3, Forwarding: true}, 100, 120},     // GETs
		{Retry{Attempts: -1, MinBudget: 8, Budget: 1}, 4, 4}, // off
	} {
		t.Run(fmt.Sprintf("%+v", c), func(t *testing.T) {
			var sent atomic.Int32
			m := &pipes{serve: answering(func(int, int, *http.Request) string { sent.Add(1); return "" })}
			c.retry.Backoff = -1 // so that no time passes
			cfg := Config{Retry: c.retry, Breaker: Breaker{Disabled: true}}
			inBubble(t, m, cfg, func(t *testing.T, s *Session) {
				for range c.calls {
					if _, err := s.Get(t.Context(), "http://h/"); err == nil {
						t.Fatal("no error")
					}
				}
				if got := int(sent.Load()); got != c.want {
					t.Errorf("%d requests were sent, want %d", got, c.want)
				}
				before := sent.Load()
				time.Sleep(11 * time.Second) // of the bubble: the window is over
				s.Get(t.Context(), "http://h/")
				if retried := sent.Load()-before > 1; retried != (c.retry.Attempts > 0 && c.retry.MinBudget >= 0) {
					t.Errorf("after the window: retried %v", retried)
				}
			})
		})
	}
}

// One deadline spans everything: tries, waits, redirects.
func TestRetryDeadline(t *testing.T) {
	inBubble(t, unanswering(), Config{Retry: Retry{Attempts: 5, Budget: -1}, ResponseHeaderTimeout: 4 * time.Second}, func(t *testing.T, s *Session) {
		began := time.Now()
		_, err := s.Get(t.Context(), "http://h/", Timeout(10*time.Second))
		if took := time.Since(began); took > 10*time.Second || !errors.Is(err, context.DeadlineExceeded) {
			t.Errorf("got %v after %v", err, took)
		}
		ctx, cancel := context.WithCancel(t.Context())
		time.AfterFunc(5*time.Second, cancel)
		began = time.Now()
		if _, err := s.Get(ctx, "http://h/"); time.Since(began) != 5*time.Second || !errors.Is(err, context.Canceled) {
			t.Errorf("got %v after %v", err, time.Since(began))
		}
	})
}

// Close ends a call that waits for its next try.
func TestRetryEndsWithTheSession(t *testing.T) {
	m := &pipes{serve: answering(func(int, int, *http.Request) string {
		return "HTTP/1.1 503 x\r\nRetry-After: 20\r\nContent-Length: 0\r\n\r\n"
	})}
	inBubble(t, m, Config{Retry: Retry{Statuses: []int{503}}}, func(t *testing.T, s *Session) {
		time.AfterFunc(time.Second, func() { s.Close() })
		began := time.Now()
		if _, err := s.Get(t.Context(), "http://h/"); !errors.Is(err, ErrSessionClosed) || time.Since(began) != time.Second {
			t.Errorf("got %v after %v", err, time.Since(began))
		}
	})
}

func TestRetryConfig(t *testing.T) {
	for _, c := range []Retry{{Budget: 2}, {MaxBackoff: -1}, {Window: -1}, {Statuses: []int{200}}, {Statuses: []int{503, 600}}} {
		var input *InputError
		if s, err := NewSession(Config{Retry: c}); !errors.As(err, &input) || s != nil {
			t.Errorf("%+v: %v", c, err)
		}
	}
}

// A non-idempotent request takes no connection that its server may be about to close.
func TestUnsafeMethodsTakeRecentConnections(t *testing.T) {
	for _, c := range []struct {
		name, header string
		idle         time.Duration // not at a sweep, which takes connections for a look
		method       string
		dials        int
	}{
		{"POST soon", "", 900 * time.Millisecond, "POST", 1},
		{"POST later", "", 1100 * time.Millisecond, "POST", 2},
		{"POST with a key", "", 59500 * time.Millisecond, "PUT", 1},
		{"GET later", "", 59500 * time.Millisecond, "GET", 1},
		{"POST within half of what the server keeps", "Keep-Alive: timeout=21\r\n", 9 * time.Second, "POST", 1},
		{"POST beyond", "Keep-Alive: timeout=21\r\n", 11 * time.Second, "POST", 2},
		{"GET beyond", "Keep-Alive: timeout=21\r\n", 11 * time.Second, "GET", 1},
	} {
		t.Run(c.name, func(t *testing.T) {
			m := &pipes{serve: answering(func(int, int, *http.Request) string {
				return "HTTP/1.1 200 OK\r\n" + c.header + "Content-Length: 0\r\n\r\n"
			})}
			inBubble(t, m, Config{}, func(t *testing.T, s *Session) {
				if _, err := s.Get(t.Context(), "http://h/"); err != nil {
					t.Fatal(err)
				}
				time.Sleep(c.idle) // of the bubble
				if _, err := s.Request(t.Context(), c.method, "http://h/"); err != nil || m.dials != c.dials {
					t.Errorf("%v after %d dials, want %d", err, m.dials, c.dials)
				}
			})
		})
	}
}
