package api

import (
	"context"
	"errors"
	"io"
	"net/http"
	"net/url"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"
)

// turning answers, each a second after it was asked: the first request with first, and
// all others with ok. /warm is answered at once and does not count.
func turning(first string) *pipes {
	var asked atomic.Int32
	return &pipes{serve: answering(func(_, _ int, req *http.Request) string {
		if req.URL.Path == "/warm" {
			return ok
		}
		n := asked.Add(1)
		time.Sleep(time.Second) // of the bubble
		if n == 1 {
			return first
		}
		return ok
	})}
}

const (
	turnsBusy      = "HTTP/1.1 503 x\r\nRetry-After: 20\r\nContent-Length: 0\r\n\r\n"
	turnsElsewhere = "HTTP/1.1 302 x\r\nLocation: /there\r\nContent-Length: 0\r\n\r\n"
	turnsDigest    = "HTTP/1.1 401 x\r\nWWW-Authenticate: Digest realm=\"r\", nonce=\"n\", qop=\"auth\"\r\nContent-Length: 0\r\n\r\n"
)

// startShutdown begins a Shutdown in a while. What it returned, and when, is there once
// it has ended.
func startShutdown(ctx context.Context, s *Session, in time.Duration) (ended func() (time.Time, error)) {
	var at time.Time
	var err error
	var running sync.WaitGroup
	running.Go(func() {
		time.Sleep(in) // of the bubble
		err = s.Shutdown(ctx)
		at = time.Now()
	})
	return func() (time.Time, error) { running.Wait(); return at, err }
}

// A call that Shutdown meets between two of its requests finishes as well: its caller
// can't tell one request from several. New calls are refused all the while.
func TestShutdownLetsCallsFinish(t *testing.T) {
	for _, c := range []struct {
		name, first string
		opts        []Option
		at          time.Duration // the Shutdown
		took        time.Duration // the call
	}{
		{"redirect", turnsElsewhere, nil, 500 * time.Millisecond, 2 * time.Second},
		{"redirect to another origin", strings.Replace(turnsElsewhere, "/there", "http://other/", 1), nil, 500 * time.Millisecond, 2 * time.Second},
		{"redirected upload", strings.Replace(turnsElsewhere, "302", "307", 1), []Option{Body(strings.NewReader(strings.Repeat("x", 100_000)))}, 500 * time.Millisecond, 2 * time.Second},
		{"retry", turnsBusy, nil, 500 * time.Millisecond, 22 * time.Second},
		{"retry, in its wait", turnsBusy, nil, 5 * time.Second, 22 * time.Second},
		{"retry, in its second request", turnsBusy, nil, 21500 * time.Millisecond, 22 * time.Second},
		{"digest", turnsDigest, []Option{DigestAuth("joe", "geheim")}, 500 * time.Millisecond, 2 * time.Second},
		{"connection lost", "", nil, 500 * time.Millisecond, 2 * time.Second},
		{"streamed", turnsElsewhere, []Option{StreamBody()}, 500 * time.Millisecond, 2 * time.Second},
	} {
		t.Run(c.name, func(t *testing.T) {
			cfg := Config{MaxConnsPerOrigin: 1, Retry: Retry{Statuses: []int{503}}}
			inBubble(t, turning(c.first), cfg, func(t *testing.T, s *Session) {
				if _, err := s.Get(t.Context(), "http://h/warm"); err != nil {
					t.Fatal(err)
				}
				began := time.Now()
				ended := startShutdown(t.Context(), s, c.at)
				defer ended()
				var late sync.WaitGroup
				defer late.Wait()
				late.Go(func() {
					for time.Sleep(c.at + time.Millisecond); time.Since(began) < c.took; time.Sleep(time.Second) {
						at := time.Now()
						if _, err := s.Get(t.Context(), "http://h/"); !errors.Is(err, ErrSessionClosed) || time.Since(at) != 0 {
							t.Errorf("a new call: %v after %v", err, time.Since(at))
						}
					}
				})
				resp, err := s.Put(t.Context(), "http://h/", c.opts...)
				if took := time.Since(began).Truncate(10 * time.Millisecond); err != nil || resp.Status() != 200 || took != c.took {
					t.Fatalf("got %v, %v after %v", resp, err, took)
				}
				time.Sleep(3 * time.Second) // with a streamed body in hand
				if b, err := io.ReadAll(resp.Body()); string(b) != "ok" || err != nil {
					t.Errorf("read %q, %v", b, err)
				}
				at, err := ended()
				if err != nil {
					t.Errorf("Shutdown: %v", err)
				}
				whole := c.took
				if c.name == "streamed" {
					whole += 3 * time.Second
				}
				if took := at.Sub(began).Truncate(10 * time.Millisecond); took != whole {
					t.Errorf("Shutdown ended after %v, want %v", took, whole)
				}
			})
		})
	}
}

// What has sent nothing yet is no call under way: Shutdown refuses it at once, though it
// lets another go on to its next request.
func TestShutdownRefusesWhatHasNotBegun(t *testing.T) {
	inBubble(t, turning(turnsElsewhere), Config{MaxConnsPerOrigin: 1}, func(t *testing.T, s *Session) {
		began := time.Now()
		ended := startShutdown(t.Context(), s, 500*time.Millisecond)
		var queued sync.WaitGroup
		for _, opt := range []Option{nil, StreamBody(), Body(strings.NewReader("hello"))} {
			queued.Go(func() {
				time.Sleep(100 * time.Millisecond)
				_, err := s.Put(t.Context(), "http://h/queued", opt)
				var failed *HTTPConnectionError
				if !errors.As(err, &failed) || failed.Op != OpQueue || !errors.Is(err, ErrSessionClosed) || time.Since(began) != 500*time.Millisecond {
					t.Errorf("a call in the queue: %v after %v", err, time.Since(began))
				}
			})
		}
		queued.Go(func() {
			time.Sleep(100 * time.Millisecond)
			if _, err := s.Lease(t.Context(), "http://h/"); !errors.Is(err, ErrSessionClosed) || time.Since(began) != 500*time.Millisecond {
				t.Errorf("a lease in the queue: %v after %v", err, time.Since(began))
			}
		})
		resp, err := s.Get(t.Context(), "http://h/")
		if err != nil || resp.Text() != "ok" || len(resp.History()) != 1 {
			t.Errorf("the call under way: %v, %v", resp, err)
		}
		queued.Wait()
		if _, err := ended(); err != nil {
			t.Errorf("Shutdown: %v", err)
		}
	})
}

// Any number of Shutdowns end together, also while calls come that they refuse.
func TestShutdownFromManySides(t *testing.T) {
	m := &pipes{serve: answering(func(int, int, *http.Request) string { return ok })}
	inBubble(t, m, Config{}, func(t *testing.T, _ *Session) {
		system := newSystem()
		for range 100 {
			s, err := NewSession(Config{Driver: m, System: system})
			if err != nil {
				t.Fatal(err)
			}
			var all sync.WaitGroup
			for range 8 {
				all.Go(func() {
					if err := s.Shutdown(t.Context()); err != nil {
						t.Errorf("Shutdown: %v", err)
					}
				})
				all.Go(func() {
					if _, err := s.Get(t.Context(), "http://h/"); err != nil && !errors.Is(err, ErrSessionClosed) {
						t.Errorf("a call: %v", err)
					}
				})
			}
			all.Wait()
		}
	})
}

// Close is the end of a Shutdown too, where a caller's own code holds a call up.
func TestCloseEndsAShutdown(t *testing.T) {
	m := &pipes{serve: answering(func(int, int, *http.Request) string { return ok })}
	inBubble(t, m, Config{}, func(t *testing.T, s *Session) {
		began := time.Now()
		ended := startShutdown(t.Context(), s, time.Second)
		time.AfterFunc(2*time.Second, func() { s.Close() })
		s.Get(t.Context(), "http://h/", Stream(func([]byte) error { time.Sleep(time.Hour); return nil }, 0))
		if at, err := ended(); err != nil || at.Sub(began) != 2*time.Second {
			t.Errorf("Shutdown: %v after %v", err, at.Sub(began))
		}
	})
}

// The end of its context bounds a Shutdown, wherever between its requests a call is.
func TestShutdownCutsCallsOff(t *testing.T) {
	for _, c := range []struct {
		name, first string
		opts        []Option
		then        time.Duration // after which the Shutdown's context ends
		sent        bool
	}{
		{"in its first request", turnsElsewhere, nil, 800 * time.Millisecond, true},
		{"in a redirect", turnsElsewhere, nil, 1500 * time.Millisecond, true},
		{"in the wait of a retry", turnsBusy, nil, 10 * time.Second, false},
		{"in a retry", turnsBusy, nil, 21500 * time.Millisecond, true},
		{"in a digest replay", turnsDigest, []Option{DigestAuth("joe", "geheim")}, 1500 * time.Millisecond, true},
	} {
		t.Run(c.name, func(t *testing.T) {
			inBubble(t, turning(c.first), Config{Retry: Retry{Statuses: []int{503}}}, func(t *testing.T, s *Session) {
				began := time.Now()
				ctx, cancel := context.WithTimeout(t.Context(), c.then)
				defer cancel()
				ended := startShutdown(ctx, s, 500*time.Millisecond)
				_, err := s.Get(t.Context(), "http://h/", c.opts...)
				var cut *IOError
				if took := time.Since(began); !errors.Is(err, ErrSessionClosed) || errors.As(err, &cut) != c.sent || took != c.then {
					t.Errorf("the call: %v after %v", err, took)
				}
				if at, err := ended(); !errors.Is(err, context.DeadlineExceeded) || at.Sub(began) != c.then {
					t.Errorf("Shutdown: %v after %v", err, at.Sub(began))
				}
			})
		})
	}
}

// slowJar keeps nothing, and takes its time for it.
type slowJar struct{}

func (slowJar) SetCookies(*url.URL, []*http.Cookie) { time.Sleep(10 * time.Second) }
func (slowJar) Cookies(*url.URL) []*http.Cookie     { return nil }

// A call may be in its caller's own code, a jar say, where no actor knows of it: it is
// waited for all the same, and refused afterwards where there was no time for that.
func TestShutdownWhileTheCallerIsBusy(t *testing.T) {
	first := strings.Replace(turnsElsewhere, "\r\n", "\r\nSet-Cookie: a=b\r\n", 1)
	for _, c := range []struct {
		name    string
		timeout time.Duration // of the Shutdown
		took    time.Duration // the Shutdown
		refused bool
	}{
		{"waited for", time.Minute, 12 * time.Second, false},
		{"not waited for", 5 * time.Second, 5 * time.Second, true},
	} {
		t.Run(c.name, func(t *testing.T) {
			inBubble(t, turning(first), Config{Jar: slowJar{}}, func(t *testing.T, s *Session) {
				began := time.Now()
				ctx, cancel := context.WithTimeout(t.Context(), c.timeout)
				defer cancel()
				ended := startShutdown(ctx, s, 2*time.Second)
				resp, err := s.Get(t.Context(), "http://h/")
				if c.refused != errors.Is(err, ErrSessionClosed) || !c.refused && (err != nil || resp.Text() != "ok") {
					t.Errorf("the call: %v, %v", resp, err)
				}
				at, err := ended()
				if took := at.Sub(began).Truncate(10 * time.Millisecond); took != c.took || c.refused != errors.Is(err, context.DeadlineExceeded) {
					t.Errorf("Shutdown: %v after %v, want %v", err, took, c.took)
				}
			})
		})
	}
}
